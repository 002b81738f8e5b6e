"""Repositories: the objects of one class in one place. One line a method, over the conversations."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar, overload

from kinto_models.models.async_interface import AsyncObjects
from kinto_models.models.attachments import AsyncSource, Attachment, FileProgress, Source, Writable
from kinto_models.models.changes import ChangeSet, RemoteChangeSet
from kinto_models.models.edits import Edit
from kinto_models.models.expressions import Condition
from kinto_models.models.history import HistoryEntry
from kinto_models.models.interface import Objects, OnConflict
from kinto_models.models.outcomes import BulkResult, Outcome, Progress, SaveResult
from kinto_models.models.plans import Plan
from kinto_models.models.principals import Principal
from kinto_models.models.review import ReviewStatus
from kinto_models.models.stored import Stored
from kinto_models.protocol.messages import Conversation
from kinto_models.repository.conversations import (
    attaching,
    changes,
    conflicts,
    patching,
    plans,
    reads,
    remote_settings,
    writes,
)
from kinto_models.repository.conversations.chronicle import history_in, history_of
from kinto_models.repository.conversations.reverting import revert
from kinto_models.repository.conversations.snapshots import snapshot
from kinto_models.repository.facts import Facts
from kinto_models.repository.mapper import Mapper
from kinto_models.repository.places import place_of
from kinto_models.repository.query import AsyncHistory, AsyncQuery, History, Query
from kinto_models.repository.running.bulk import Bulk, listed
from kinto_models.repository.running.runner import Runner

if TYPE_CHECKING:
    from kinto_models.repository.running.async_runner import AsyncRunner  # and asyncio with it

__all__ = ["AsyncRepository", "Placed", "Repository"]

R = TypeVar("R", bound=Stored)
S = TypeVar("S", bound=Stored)
T = TypeVar("T")


class Placed(Generic[R]):
    """Where a repository is: what both kinds have in common."""

    def __init__(self, runner: Any, model: type[R], bucket: str | None = None, collection: str | None = None) -> None:
        self._runner = runner
        place = place_of(model, bucket, collection)
        self._facts: Facts = runner.facts
        self._mapper: Mapper[R] = Mapper(model, place, self, runner)
        self._bucket = bucket if bucket is not None else model.__kinto__.bucket
        self._collection = collection if collection is not None else model.__kinto__.collection

    @property
    def model(self) -> type[R]:
        """The class of the objects."""
        return self._mapper.model

    @property
    def url(self) -> str:
        """The absolute address of the list."""
        root: str = self._runner.transport.root
        return root + self._mapper.place.path

    def url_of(self, target: R | str) -> str:
        if not isinstance(target, str):
            self._mapper.refuse_stranger(target)
            target = target.id
        root: str = self._runner.transport.root
        return root + self._mapper.place.object(target)

    @property
    def bucket(self) -> str | None:
        """Id of the bucket that the objects are in, where they are in one."""
        return self._bucket

    @property
    def collection(self) -> str | None:
        """Id of the collection that the objects are in, where they are in one."""
        return self._collection

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.model.__name__} at {self._mapper.place.path}>"


class Repository(Placed[R], Objects[R]):
    """The objects of one class in one place: reads them, and writes them under their ETags.

    Get one from a client: ``client.repository(Task)``. Does no I/O by itself, and is safe to share between threads.
    """

    awaited: ClassVar[bool] = False
    _runner: Runner

    def get(self, object_id: str) -> R:
        return self._runner.converse(reads.get(self._mapper, object_id))

    def get_or_none(self, object_id: str) -> R | None:
        return self._runner.converse(reads.get_or_none(self._mapper, object_id))

    def get_or_create(self, obj: R) -> tuple[R, bool]:
        return self._runner.converse(writes.get_or_create(self._mapper, obj))

    def create(self, obj: R) -> R:
        return self._runner.converse(writes.created(self._mapper, obj))

    def upsert(self, obj: R) -> SaveResult:
        return self._runner.converse(writes.upsert(self._mapper, obj))

    def save(self, obj: R, *, force: bool = False, on_conflict: OnConflict[R] = "raise") -> SaveResult:
        return self._runner.converse(conflicts.save(self._mapper, obj, force=force, on_conflict=on_conflict))

    def modify(self, object_id: str, change: Callable[[R], object]) -> R:
        return self._runner.converse(conflicts.modify(self._mapper, object_id, change))

    def replace(self, obj: R, *, force: bool = False) -> SaveResult:
        return self._runner.converse(writes.replace(self._mapper, obj, force=force))

    @overload
    def patch(self, target: R, /, *edits: Edit, **changes: Any) -> SaveResult: ...
    @overload
    def patch(self, target: str, /, *edits: Edit, **changes: Any) -> R: ...
    def patch(self, target: R | str, /, *edits: Edit, **changes: Any) -> Any:
        return self._runner.converse(patching.patch(self._mapper, target, edits, changes))

    def delete(self, target: R | str, *, force: bool = False, missing_ok: bool = False) -> bool:
        return self._runner.converse(writes.delete(self._mapper, target, force=force, missing_ok=missing_ok))

    def delete_all(self) -> int:
        return self._runner.converse(writes.delete_all(self._mapper))

    def refresh(self, obj: R) -> bool:
        return self._runner.converse(writes.refresh(self._mapper, obj))

    def create_many(
        self,
        objs: Iterable[R],
        *,
        each: Callable[[R, Outcome[SaveResult]], None] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> BulkResult:
        return self._many(objs, lambda obj: writes.create(self._mapper, obj), each, progress)

    def save_many(
        self,
        objs: Iterable[R],
        *,
        force: bool = False,
        each: Callable[[R, Outcome[SaveResult]], None] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> BulkResult:
        return self._many(objs, lambda obj: writes.save(self._mapper, obj, force=force), each, progress)

    def upsert_many(
        self,
        objs: Iterable[R],
        *,
        each: Callable[[R, Outcome[SaveResult]], None] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> BulkResult:
        return self._many(objs, lambda obj: writes.upsert(self._mapper, obj), each, progress)

    def delete_many(
        self,
        targets: Iterable[R | str],
        *,
        force: bool = False,
        missing_ok: bool = False,
        each: Callable[[R | str, Outcome[bool]], None] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> BulkResult:
        def begin(target: R | str) -> Conversation[bool]:
            return writes.delete(self._mapper, target, force=force, missing_ok=missing_ok)

        return self._many(targets, begin, each, progress)

    def sync_to(self, desired: Iterable[R], *, delete: bool = True) -> Plan[R]:
        return self._runner.converse(
            plans.compare(self._mapper, self.find().sort("last_modified")._pages(), desired, delete=delete)
        )

    def apply(
        self,
        plan: Plan[R],
        *,
        each: Callable[[R, Outcome[SaveResult] | Outcome[bool]], None] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> BulkResult:
        return self._many(plans.steps(plan), plans.taking(self._mapper, plan), each, progress)

    def _many(
        self,
        objs: Iterable[T],
        begin: Callable[[T], Conversation[Any]],
        each: Callable[[T, Outcome[Any]], None] | None,
        progress: Callable[[Progress], None] | None,
    ) -> BulkResult:
        return self._runner.converse(Bulk(self._runner, begin, each, progress).run(objs))

    def find(self, *conditions: Condition | bool) -> Query[R]:
        return Query(self._runner, self._mapper.place, self, self.model).where(*conditions)

    def count(self) -> int:
        return self.find().count()

    def exists(self, object_id: str) -> bool:
        return self._runner.converse(reads.exists(self._mapper, object_id))

    def timestamp(self, object_id: str | None = None) -> int:
        return self._runner.converse(reads.timestamp(self._mapper, object_id))

    def history(self, object_id: str | None = None) -> Query[HistoryEntry[R]]:
        return history_of(History[HistoryEntry[R]], self._runner, self._mapper, object_id)

    def history_in(self, bucket_id: str) -> Query[HistoryEntry[Stored]]:
        return history_in(History[HistoryEntry[Stored]], self._runner, self._mapper, bucket_id)

    def snapshot(self, at: int | datetime, *, by: Literal["history", "server"] = "history") -> list[R]:
        return self._runner.converse(snapshot(self._mapper, at, by))

    def revert(self, obj: R, to: HistoryEntry[Stored] | int | datetime) -> SaveResult:
        return self._runner.converse(revert(self._mapper, obj, to))

    def changes(self, since: int | None = None) -> ChangeSet[R]:
        return self._runner.converse(changes.changes(self._mapper, since))

    def watch(self, since: int | None = None, *, interval: float = 10.0) -> Iterator[ChangeSet[R]]:
        return self._runner.stream(changes.watch(self._mapper, since, interval))

    def changeset(
        self, since: int | None = None, *, expected: int | None = None, bust_cache: bool = False
    ) -> RemoteChangeSet[R]:
        return self._runner.converse(
            remote_settings.changeset(self._mapper, since, expected=expected, bust_cache=bust_cache)
        )

    def review(self, obj: R, status: ReviewStatus | str, *, message: str = "", force: bool = False) -> SaveResult:
        return self._runner.converse(remote_settings.review(self._mapper, obj, status, message=message, force=force))

    def attach(  # noqa: PLR0913  # what is sent, and how it is called
        self,
        target: R | str,
        source: Source,
        *,
        filename: str | None = None,
        mimetype: str | None = None,
        data: Mapping[str, Any] | None = None,
        permissions: Mapping[str, Iterable[Principal]] | None = None,
        progress: FileProgress | None = None,
    ) -> Attachment:
        return self._runner.converse(
            attaching.attach(
                self._mapper,
                target,
                source,
                filename=filename,
                mimetype=mimetype,
                data=data,
                permissions=permissions,
                progress=progress,
            )
        )

    def detach(self, target: R | str, *, missing_ok: bool = False) -> bool:
        return self._runner.converse(attaching.detach(self._mapper, target, missing_ok=missing_ok))

    @overload
    def download(
        self, target: R | str | Attachment, to: None = None, *, progress: FileProgress | None = None
    ) -> bytes: ...
    @overload
    def download(
        self, target: R | str | Attachment, to: str | os.PathLike[str], *, progress: FileProgress | None = None
    ) -> Path: ...
    @overload
    def download(self, target: R | str | Attachment, to: Writable, *, progress: FileProgress | None = None) -> int: ...
    def download(self, target: R | str | Attachment, to: Any = None, *, progress: FileProgress | None = None) -> Any:
        return self._runner.converse(attaching.download(self._mapper, target, to, progress=progress))

    def sibling(self, model: type[S], *, bucket: str | None = None, collection: str | None = None) -> Repository[S]:
        return Repository(self._runner, model, bucket if bucket is not None else self._bucket, collection)


class AsyncRepository(Placed[R], AsyncObjects[R]):
    """The same for async code: ``async_client.repository(Task)``. Does no I/O by itself."""

    awaited: ClassVar[bool] = True
    _runner: AsyncRunner

    async def get(self, object_id: str) -> R:
        return await self._runner.converse(reads.get(self._mapper, object_id))

    async def get_or_none(self, object_id: str) -> R | None:
        return await self._runner.converse(reads.get_or_none(self._mapper, object_id))

    async def get_or_create(self, obj: R) -> tuple[R, bool]:
        return await self._runner.converse(writes.get_or_create(self._mapper, obj))

    async def create(self, obj: R) -> R:
        return await self._runner.converse(writes.created(self._mapper, obj))

    async def upsert(self, obj: R) -> SaveResult:
        return await self._runner.converse(writes.upsert(self._mapper, obj))

    async def save(self, obj: R, *, force: bool = False, on_conflict: OnConflict[R] = "raise") -> SaveResult:
        return await self._runner.converse(conflicts.save(self._mapper, obj, force=force, on_conflict=on_conflict))

    async def modify(self, object_id: str, change: Callable[[R], object]) -> R:
        return await self._runner.converse(conflicts.modify(self._mapper, object_id, change))

    async def replace(self, obj: R, *, force: bool = False) -> SaveResult:
        return await self._runner.converse(writes.replace(self._mapper, obj, force=force))

    @overload
    async def patch(self, target: R, /, *edits: Edit, **changes: Any) -> SaveResult: ...
    @overload
    async def patch(self, target: str, /, *edits: Edit, **changes: Any) -> R: ...
    async def patch(self, target: R | str, /, *edits: Edit, **changes: Any) -> Any:
        return await self._runner.converse(patching.patch(self._mapper, target, edits, changes))

    async def delete(self, target: R | str, *, force: bool = False, missing_ok: bool = False) -> bool:
        return await self._runner.converse(writes.delete(self._mapper, target, force=force, missing_ok=missing_ok))

    async def delete_all(self) -> int:
        return await self._runner.converse(writes.delete_all(self._mapper))

    async def refresh(self, obj: R) -> bool:
        return await self._runner.converse(writes.refresh(self._mapper, obj))

    async def create_many(
        self,
        objs: Iterable[R] | AsyncIterable[R],
        *,
        each: Callable[[R, Outcome[SaveResult]], None] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> BulkResult:
        return await self._many(objs, lambda obj: writes.create(self._mapper, obj), each, progress)

    async def save_many(
        self,
        objs: Iterable[R] | AsyncIterable[R],
        *,
        force: bool = False,
        each: Callable[[R, Outcome[SaveResult]], None] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> BulkResult:
        return await self._many(objs, lambda obj: writes.save(self._mapper, obj, force=force), each, progress)

    async def upsert_many(
        self,
        objs: Iterable[R] | AsyncIterable[R],
        *,
        each: Callable[[R, Outcome[SaveResult]], None] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> BulkResult:
        return await self._many(objs, lambda obj: writes.upsert(self._mapper, obj), each, progress)

    async def delete_many(
        self,
        targets: Iterable[R | str] | AsyncIterable[R | str],
        *,
        force: bool = False,
        missing_ok: bool = False,
        each: Callable[[R | str, Outcome[bool]], None] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> BulkResult:
        def begin(target: R | str) -> Conversation[bool]:
            return writes.delete(self._mapper, target, force=force, missing_ok=missing_ok)

        return await self._many(targets, begin, each, progress)

    async def sync_to(self, desired: Iterable[R] | AsyncIterable[R], *, delete: bool = True) -> Plan[R]:
        wanted = await listed(desired)
        return await self._runner.converse(
            plans.compare(self._mapper, self.find().sort("last_modified")._pages(), wanted, delete=delete)
        )

    async def apply(
        self,
        plan: Plan[R],
        *,
        each: Callable[[R, Outcome[SaveResult] | Outcome[bool]], None] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> BulkResult:
        return await self._many(plans.steps(plan), plans.taking(self._mapper, plan), each, progress)

    async def _many(
        self,
        objs: Iterable[T] | AsyncIterable[T],
        begin: Callable[[T], Conversation[Any]],
        each: Callable[[T, Outcome[Any]], None] | None,
        progress: Callable[[Progress], None] | None,
    ) -> BulkResult:
        return await Bulk(self._runner, begin, each, progress).run_async(self._runner.converse, objs)

    def find(self, *conditions: Condition | bool) -> AsyncQuery[R]:
        return AsyncQuery(self._runner, self._mapper.place, self, self.model).where(*conditions)

    async def count(self) -> int:
        return await self.find().count()

    async def exists(self, object_id: str) -> bool:
        return await self._runner.converse(reads.exists(self._mapper, object_id))

    async def timestamp(self, object_id: str | None = None) -> int:
        return await self._runner.converse(reads.timestamp(self._mapper, object_id))

    def history(self, object_id: str | None = None) -> AsyncQuery[HistoryEntry[R]]:
        return history_of(AsyncHistory[HistoryEntry[R]], self._runner, self._mapper, object_id)

    def history_in(self, bucket_id: str) -> AsyncQuery[HistoryEntry[Stored]]:
        return history_in(AsyncHistory[HistoryEntry[Stored]], self._runner, self._mapper, bucket_id)

    async def snapshot(self, at: int | datetime, *, by: Literal["history", "server"] = "history") -> list[R]:
        return await self._runner.converse(snapshot(self._mapper, at, by))

    async def revert(self, obj: R, to: HistoryEntry[Stored] | int | datetime) -> SaveResult:
        return await self._runner.converse(revert(self._mapper, obj, to))

    async def changes(self, since: int | None = None) -> ChangeSet[R]:
        return await self._runner.converse(changes.changes(self._mapper, since))

    def watch(self, since: int | None = None, *, interval: float = 10.0) -> AsyncIterator[ChangeSet[R]]:
        return self._runner.stream(changes.watch(self._mapper, since, interval))

    async def changeset(
        self, since: int | None = None, *, expected: int | None = None, bust_cache: bool = False
    ) -> RemoteChangeSet[R]:
        return await self._runner.converse(
            remote_settings.changeset(self._mapper, since, expected=expected, bust_cache=bust_cache)
        )

    async def review(self, obj: R, status: ReviewStatus | str, *, message: str = "", force: bool = False) -> SaveResult:
        return await self._runner.converse(
            remote_settings.review(self._mapper, obj, status, message=message, force=force)
        )

    async def attach(  # noqa: PLR0913  # what is sent, and how it is called
        self,
        target: R | str,
        source: AsyncSource,
        *,
        filename: str | None = None,
        mimetype: str | None = None,
        data: Mapping[str, Any] | None = None,
        permissions: Mapping[str, Iterable[Principal]] | None = None,
        progress: FileProgress | None = None,
    ) -> Attachment:
        return await self._runner.converse(
            attaching.attach(
                self._mapper,
                target,
                source,
                filename=filename,
                mimetype=mimetype,
                data=data,
                permissions=permissions,
                progress=progress,
            )
        )

    async def detach(self, target: R | str, *, missing_ok: bool = False) -> bool:
        return await self._runner.converse(attaching.detach(self._mapper, target, missing_ok=missing_ok))

    @overload
    async def download(
        self, target: R | str | Attachment, to: None = None, *, progress: FileProgress | None = None
    ) -> bytes: ...
    @overload
    async def download(
        self, target: R | str | Attachment, to: str | os.PathLike[str], *, progress: FileProgress | None = None
    ) -> Path: ...
    @overload
    async def download(
        self, target: R | str | Attachment, to: Writable, *, progress: FileProgress | None = None
    ) -> int: ...
    async def download(
        self, target: R | str | Attachment, to: Any = None, *, progress: FileProgress | None = None
    ) -> Any:
        return await self._runner.converse(attaching.download(self._mapper, target, to, progress=progress))

    def sibling(
        self, model: type[S], *, bucket: str | None = None, collection: str | None = None
    ) -> AsyncRepository[S]:
        return AsyncRepository(self._runner, model, bucket if bucket is not None else self._bucket, collection)
