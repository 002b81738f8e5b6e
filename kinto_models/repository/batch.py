"""Batches: the repository's verbs, collected in a block and carried out together when it ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from pydantic import BaseModel
from typing_extensions import Self

from kinto_models.errors import NotSentError
from kinto_models.models.changes import ChangeSet, RemoteChangeSet
from kinto_models.models.edits import Edit
from kinto_models.models.expressions import Condition
from kinto_models.models.history import HistoryEntry
from kinto_models.models.interface import OnConflict, Page
from kinto_models.models.outcomes import Outcome, SaveResult, called
from kinto_models.models.review import ReviewStatus
from kinto_models.models.stored import Stored, state_of
from kinto_models.protocol.messages import Conversation
from kinto_models.repository.conversations import changes, conflicts, patching, reads, remote_settings, writes
from kinto_models.repository.conversations.chronicle import Chronicle, history_in, history_of
from kinto_models.repository.conversations.reverting import revert
from kinto_models.repository.conversations.selection import Selection
from kinto_models.repository.conversations.snapshots import snapshot
from kinto_models.repository.mapper import Mapper
from kinto_models.repository.repository import AsyncRepository, Placed, Repository
from kinto_models.repository.running.chunk import Entry
from kinto_models.repository.running.delivery import Delivery, batch_error, unsent
from kinto_models.repository.running.runner import Runner

if TYPE_CHECKING:
    from kinto_models.repository.running.async_runner import AsyncRunner  # and asyncio with it

__all__ = ["AsyncBatch", "Batch", "BatchQuery", "BatchRepository", "Collected"]

T = TypeVar("T", bound=BaseModel)
U = TypeVar("U")
R = TypeVar("R", bound=Stored)
M = TypeVar("M", bound=BaseModel)


class Collected:
    """A batch without its block: what both kinds have in common.

    Each method returns an ``Outcome`` at once; it says what came of it after the block. What is sent is what the
    instances are when the block ends. Requests are made in their order, as far as one can matter to another: of two
    writes of one instance the second builds on the first, and a read sees what was written before it.
    """

    def __init__(self, runner: Any, kind: Callable[..., Placed[Any]]) -> None:
        self._runner = runner
        self._kind = kind
        self._entries: list[Entry[Any]] | None = []

    def repository(
        self, model: type[R], *, bucket: str | None = None, collection: str | None = None
    ) -> BatchRepository[R]:
        """The objects of a class, where the class says or in another bucket or collection.

        Raises:
            DeclarationError: neither the class nor the call says which bucket or collection.
            InvalidIdError: what is named is not an id.
        """
        return BatchRepository(self, self._kind(self._runner, model, bucket, collection))

    def create(self, obj: R) -> Outcome[R]:
        """Creates the object, as ``create()`` of its repository."""
        return self._of(obj).create(obj)

    def upsert(self, obj: Stored) -> Outcome[SaveResult]:
        """Creates the object or overwrites the one with its id, as ``upsert()`` of its repository."""
        return self._of(obj).upsert(obj)

    def save(self, obj: R, *, force: bool = False, on_conflict: OnConflict[R] = "raise") -> Outcome[SaveResult]:
        """Saves the object, as its own ``save()``."""
        return self._of(obj).save(obj, force=force, on_conflict=on_conflict)

    def replace(self, obj: Stored, *, force: bool = False) -> Outcome[SaveResult]:
        """Writes every field of the object, as its own ``replace()``."""
        return self._of(obj).replace(obj, force=force)

    def patch(self, obj: Stored, /, *edits: Edit, **changes: Any) -> Outcome[SaveResult]:
        """Writes these fields of the object only, as its own ``patch()``."""
        return self._of(obj).patch(obj, *edits, **changes)

    def delete(self, obj: Stored, *, force: bool = False, missing_ok: bool = False) -> Outcome[bool]:
        """Deletes the object, as its own ``delete()``."""
        return self._of(obj).delete(obj, force=force, missing_ok=missing_ok)

    def refresh(self, obj: Stored) -> Outcome[bool]:
        """Reads the object again, as its own ``refresh()``."""
        return self._of(obj).refresh(obj)

    def _of(self, obj: R) -> BatchRepository[R]:
        if not isinstance(obj, Stored):
            raise TypeError(f"this takes an instance, not {obj!r}; for an id there is batch.repository(Task)")
        bound = state_of(obj).objects  # its place stays its place, whichever client it came from
        place = {} if bound is None else {"bucket": bound.bucket, "collection": bound.collection}
        return self.repository(type(obj), **place)

    def add(self, target: Any, begin: Callable[[], Conversation[U]], *, reads: bool = False) -> Outcome[U]:
        """Adds a conversation. Called by the repositories and queries of the batch."""
        if self._entries is None:
            raise NotSentError("this batch has ended: open another one")
        outcome: Outcome[U] = Outcome(target)
        self._entries.append(Entry(outcome, begin, reads))
        return outcome

    def _drop(self) -> None:
        for entry in self._entries or ():
            target = called(entry.outcome.target)
            entry.outcome.fail(NotSentError(f"{target} was not sent: the block ended with an exception"))
        self._entries = None

    def _carried_out(self) -> Conversation[None]:
        entries, self._entries = self._entries or [], None
        delivery = Delivery(self._runner, lambda _: None, ahead=True)
        try:
            yield from delivery.carry(entries)
        except BaseException as error:
            _leave(entries, error)
            raise
        if delivery.stopped is not None:
            _leave(entries, delivery.stopped)
        failures = [(e.outcome.target, e.outcome.error) for e in entries if e.outcome.error is not None]
        if failures:
            raise batch_error(failures, len(failures), len(entries), delivery.stopped)


def _leave(entries: list[Entry[Any]], cause: BaseException) -> None:
    """Tells those that were not sent why."""
    for entry in entries:
        if not entry.settled:
            entry.outcome.fail(unsent(entry.outcome.target, cause))


class Batch(Collected):
    """``with kinto.batch() as batch:`` collects, and sends at the end of the block; nothing where it ends with an
    exception.

    Raises:
        BatchError: at the end of the block, if anything failed. The rest was done.
    """

    _runner: Runner

    def __init__(self, runner: Runner) -> None:
        super().__init__(runner, Repository)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self._runner.converse(self._carried_out())
        else:
            self._drop()


class AsyncBatch(Collected):
    """``async with kinto.batch() as batch:``, otherwise as ``Batch``: its methods are not awaited, the block is."""

    _runner: AsyncRunner

    def __init__(self, runner: AsyncRunner) -> None:
        super().__init__(runner, AsyncRepository)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            await self._runner.converse(self._carried_out())
        else:
            self._drop()


class BatchRepository(Generic[R]):
    """The objects of one class in one place, in a batch: the methods of ``Objects``, each returning an ``Outcome``."""

    def __init__(self, batch: Collected, repository: Placed[R]) -> None:
        self._batch = batch
        self._repository = repository

    @property
    def _mapper(self) -> Mapper[R]:
        return self._repository._mapper

    def get(self, object_id: str) -> Outcome[R]:
        """Reads one object. See ``Objects.get``."""
        return self._batch.add(object_id, lambda: reads.get(self._mapper, object_id), reads=True)

    def get_or_none(self, object_id: str) -> Outcome[R | None]:
        """Reads one object; its result is None where there is none. See ``Objects.get_or_none``."""
        return self._batch.add(object_id, lambda: reads.get_or_none(self._mapper, object_id), reads=True)

    def get_or_create(self, obj: R) -> Outcome[tuple[R, bool]]:
        """Creates the object, or reads the one that has its id. See ``Objects.get_or_create``."""
        return self._batch.add(obj, lambda: writes.get_or_create(self._mapper, obj))

    def create(self, obj: R) -> Outcome[R]:
        """Creates the object. See ``Objects.create``."""
        return self._batch.add(obj, lambda: writes.created(self._mapper, obj))

    def upsert(self, obj: R) -> Outcome[SaveResult]:
        """Creates the object, or overwrites the one that has its id. See ``Objects.upsert``."""
        return self._batch.add(obj, lambda: writes.upsert(self._mapper, obj))

    def save(self, obj: R, *, force: bool = False, on_conflict: OnConflict[R] = "raise") -> Outcome[SaveResult]:
        """What ``obj.save()`` does, here."""
        return self._batch.add(obj, lambda: conflicts.save(self._mapper, obj, force=force, on_conflict=on_conflict))

    def modify(self, object_id: str, change: Callable[[R], object]) -> Outcome[R]:
        """Reads, changes and saves an object. See ``Objects.modify``."""
        return self._batch.add(object_id, lambda: conflicts.modify(self._mapper, object_id, change))

    def replace(self, obj: R, *, force: bool = False) -> Outcome[SaveResult]:
        """What ``obj.replace()`` does, here."""
        return self._batch.add(obj, lambda: writes.replace(self._mapper, obj, force=force))

    @overload
    def patch(self, target: R, /, *edits: Edit, **changes: Any) -> Outcome[SaveResult]: ...
    @overload
    def patch(self, target: str, /, *edits: Edit, **changes: Any) -> Outcome[R]: ...
    def patch(self, target: R | str, /, *edits: Edit, **changes: Any) -> Outcome[Any]:
        """Writes these fields only, of an instance or of the object with this id. See ``Objects.patch``."""
        return self._batch.add(target, lambda: patching.patch(self._mapper, target, edits, changes))

    def delete(self, target: R | str, *, force: bool = False, missing_ok: bool = False) -> Outcome[bool]:
        """Deletes an object. See ``Objects.delete``."""
        return self._batch.add(target, lambda: writes.delete(self._mapper, target, force=force, missing_ok=missing_ok))

    def delete_all(self) -> Outcome[int]:
        """Deletes every object that these credentials may delete. See ``Objects.delete_all``."""
        return self._batch.add(self._mapper.model, lambda: writes.delete_all(self._mapper))

    def refresh(self, obj: R) -> Outcome[bool]:
        """What ``obj.refresh()`` does, here."""
        return self._batch.add(obj, lambda: writes.refresh(self._mapper, obj), reads=True)

    def find(self, *conditions: Condition | bool) -> BatchQuery[R]:
        """A query, whose endings return an ``Outcome``. See ``Objects.find``."""
        mapper = self._mapper
        return BatchQuery(self._batch, mapper.place, self._repository, mapper.model).where(*conditions)

    def history(self, object_id: str | None = None) -> BatchQuery[HistoryEntry[R]]:
        """What happened to the objects here. See ``Objects.history``."""
        return history_of(_BatchHistory[HistoryEntry[R]], self._batch, self._mapper, object_id)

    def history_in(self, bucket_id: str) -> BatchQuery[HistoryEntry[Stored]]:
        """All that happened in a bucket. See ``Objects.history_in``."""
        return history_in(_BatchHistory[HistoryEntry[Stored]], self._batch, self._mapper, bucket_id)

    def snapshot(self, at: int | datetime, *, by: Literal["history", "server"] = "history") -> Outcome[list[R]]:
        """The records as they were at a timestamp. See ``Objects.snapshot``."""
        return self._batch.add(self._mapper.model, lambda: snapshot(self._mapper, at, by), reads=True)

    def revert(self, obj: R, to: HistoryEntry[Stored] | int | datetime) -> Outcome[SaveResult]:
        """What ``obj.revert()`` does, here."""
        return self._batch.add(obj, lambda: revert(self._mapper, obj, to))

    def changes(self, since: int | None = None) -> Outcome[ChangeSet[R]]:
        """What happened since a timestamp. See ``Objects.changes``."""
        return self._batch.add(self._mapper.model, lambda: changes.changes(self._mapper, since), reads=True)

    def changeset(
        self, since: int | None = None, *, expected: int | None = None, bust_cache: bool = False
    ) -> Outcome[RemoteChangeSet[R]]:
        """The records of a collection and its metadata, of one moment. See ``Objects.changeset``."""
        return self._batch.add(
            self._mapper.model,
            lambda: remote_settings.changeset(self._mapper, since, expected=expected, bust_cache=bust_cache),
            reads=True,
        )

    def review(
        self, obj: R, status: ReviewStatus | str, *, message: str = "", force: bool = False
    ) -> Outcome[SaveResult]:
        """Asks for the next step of a collection's review. See ``Objects.review``."""
        return self._batch.add(
            obj, lambda: remote_settings.review(self._mapper, obj, status, message=message, force=force)
        )

    def count(self) -> Outcome[int]:
        """How many objects there are."""
        return self.find().count()

    def exists(self, object_id: str) -> Outcome[bool]:
        """Whether there is an object with this id. See ``Objects.exists``."""
        return self._batch.add(object_id, lambda: reads.exists(self._mapper, object_id), reads=True)

    def timestamp(self, object_id: str | None = None) -> Outcome[int]:
        """The timestamp of the list, or of the object with this id, in milliseconds."""
        target = self._mapper.model if object_id is None else object_id
        return self._batch.add(target, lambda: reads.timestamp(self._mapper, object_id), reads=True)


class BatchQuery(Selection[T]):
    """A query in a batch: as ``Finder``, but each ending returns an ``Outcome``."""

    _runner: Collected

    def select(self, model: type[M]) -> BatchQuery[M]:
        """Asks only for the fields of this pydantic model, and gives instances of it. See ``Finder.select``."""
        return self._of(BatchQuery[M], model)

    def all(self, *, consistent: bool = False) -> Outcome[list[T]]:
        """Every object. See ``Finder.all``."""
        return self._runner.add(self._result, lambda: self._all(consistent=consistent), reads=True)

    def if_changed(self, since: int | None) -> Outcome[Page[T] | None]:
        """Every object, or None if the list still has this timestamp. See ``Finder.if_changed``."""
        return self._runner.add(self._result, lambda: self._if_changed(since), reads=True)

    def first(self) -> Outcome[T | None]:
        """The first object, or None."""
        return self._runner.add(self._result, self._first, reads=True)

    def one(self) -> Outcome[T]:
        """The only object. See ``Finder.one``."""
        return self._runner.add(self._result, self._one, reads=True)

    def one_or_none(self) -> Outcome[T | None]:
        """The only object, or None. See ``Finder.one_or_none``."""
        return self._runner.add(self._result, self._one_or_none, reads=True)

    def count(self) -> Outcome[int]:
        """How many objects there are."""
        return self._runner.add(self._result, self._count, reads=True)

    def exists(self) -> Outcome[bool]:
        """Whether there is any."""
        return self._runner.add(self._result, self._exists, reads=True)

    def timestamp(self) -> Outcome[int]:
        """The timestamp of the whole list, whatever the conditions, in milliseconds."""
        return self._runner.add(self._result, self._timestamp, reads=True)

    def delete(self) -> Outcome[int]:
        """Deletes what the conditions list, and tells how many. See ``Finder.delete``."""
        return self._runner.add(self._result, self._delete)


class _BatchHistory(Chronicle[T], BatchQuery[T]):
    """A query of a history in a batch."""

    def select(self, model: type[M]) -> BatchQuery[M]:
        return self._of(_BatchHistory[M], model)
