"""What models give and take of the rows above: results, queries and repositories, as protocols.

``repository/`` implements these; a model, which must not import from there, names these as the types of what it
returns. The words that users read are written once, here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeAlias, TypeVar, overload

from pydantic import BaseModel
from typing_extensions import Self
from typing_extensions import TypeVar as TypeVarWithDefault

from kinto_models.errors import ConflictError
from kinto_models.models.attachments import Attachment, FileProgress, Source, Writable
from kinto_models.models.changes import ChangeSet, RemoteChangeSet
from kinto_models.models.edits import Edit
from kinto_models.models.expressions import Condition
from kinto_models.models.history import HistoryEntry
from kinto_models.models.outcomes import BulkResult, Outcome, Progress, SaveResult
from kinto_models.models.plans import Plan
from kinto_models.models.principals import Principal
from kinto_models.models.review import ReviewStatus
from kinto_models.models.stored import Stored

__all__ = ["Finder", "Objects", "OnConflict", "Page"]

T = TypeVar("T")
R = TypeVar("R", bound=Stored)
S = TypeVar("S", bound=Stored)
M = TypeVar("M", bound=BaseModel)
C = TypeVarWithDefault("C", bound=Stored, default=Any)


OnConflict: TypeAlias = 'Literal["raise", "mine", "theirs", "merge"] | Callable[[ConflictError[C]], object]'
"""What to do where the object changed on the server since it was read: see ``Resource.save``."""


@dataclass(frozen=True)
class Page(Sequence[T], Generic[T]):
    """One page of a query: a sequence of its objects.

    Attributes:
        items: the objects.
        timestamp: of the whole list when this page was read, in milliseconds.
        cache_max_age: seconds that the server allows it to be kept, by its Cache-Control: 0 where it forbids it, None
            where it says nothing. Kinto allows it to anonymous readers only.
    """

    items: list[T]
    timestamp: int | None
    cache_max_age: int | None = None

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)


class Finder(Protocol[T]):
    """A query: lazy and immutable. Each method that adds to it returns a new one; nothing is sent before it is
    iterated or ended by ``all``, ``first``, ``one``, ``one_or_none``, ``count``, ``exists``, ``pages`` or ``delete``.

    Iterating reads pages of at most 1,000 objects and keeps one in memory at a time. While it is dealt with, the next
    one is asked for.
    """

    def where(self, *conditions: Condition | bool) -> Self:
        """Adds conditions; all must hold.

        Raises:
            QueryError: not a condition, or one that Kinto cannot answer.
        """
        ...

    def sort(self, *keys: object) -> Self:
        """Sorts by these keys instead: ``Task.due``, ``-col(Task.due)``, ``"-last_modified"``.

        Raises:
            QueryError: not a field of the class.
        """
        ...

    def limit(self, number: int) -> Self:
        """At most this many objects in all."""
        ...

    def since(self, timestamp: int | datetime) -> Self:
        """Only objects changed after this timestamp, in milliseconds, or datetime. Deleted ones are not listed."""
        ...

    def before(self, timestamp: int | datetime) -> Self:
        """Only objects changed before this timestamp, in milliseconds, or datetime. Deleted ones are not listed."""
        ...

    def select(self, model: type[M]) -> Finder[M]:
        """Asks only for the fields of this pydantic model, and gives instances of it.

        Raises:
            QueryError: a field that the class has not, or a model that could be saved over what was not read.
        """
        ...

    def all(self, *, consistent: bool = False) -> list[T]:
        """Every object.

        Parameters:
            consistent: read all pages of the same state of the list, or raise. Without it, what somebody writes
                meanwhile can move from a page that was not read yet to one that was.

        Raises:
            ConflictError: the list changed while it was read, and was to be consistent. Begin again.
        """
        ...

    def if_changed(self, since: int | None) -> Page[T] | None:
        """Every object, as one page, or None if the list still has the timestamp of an earlier one: then the server
        sends nothing (a 304). So unchanged is told from empty.

        Parameters:
            since: ``timestamp`` of the page that is known, in milliseconds; None to read in any case. It is that of the
                whole list, whatever the conditions.

        Raises:
            QueryError: not a timestamp.
        """
        ...

    def first(self) -> T | None:
        """The first object, or None."""
        ...

    def one(self) -> T:
        """The only object.

        Raises:
            NoResultError: there is none.
            MultipleResultsError: there are more.
        """
        ...

    def one_or_none(self) -> T | None:
        """The only object, or None.

        Raises:
            MultipleResultsError: there are more.
        """
        ...

    def count(self) -> int:
        """How many objects there are, by one HEAD request."""
        ...

    def exists(self) -> bool:
        """Whether there is any, by one HEAD request."""
        ...

    def pages(self, size: int | None = None, *, consistent: bool = False) -> Iterator[Page[T]]:
        """The objects page by page; ``size`` is what to ask for, 1,000 by default, and the server may give fewer.
        ``consistent`` as for ``all()``.
        """
        ...

    def timestamp(self) -> int:
        """The timestamp of the whole list, whatever the conditions, in milliseconds, by one HEAD request."""
        ...

    def delete(self) -> int:
        """Deletes what the conditions list, and tells how many.

        Raises:
            QueryError: no condition at all, or a sort or limit.
        """
        ...

    def __iter__(self) -> Iterator[T]: ...


class Objects(Protocol[R]):
    """The objects of one class in one place: reads them, and writes them under their ETags.

    Besides the errors that each method names, each raises ``ForbiddenError`` and ``UnauthorizedError``,
    ``ServerFailedError``, ``InvalidAnswerError`` and ``TransportError``: see ``kinto_models.errors``.
    """

    awaited: ClassVar[bool] = False
    """Whether the methods are coroutines."""

    @property
    def model(self) -> type[R]:
        """The class of the objects."""
        ...

    @property
    def url(self) -> str:
        """The absolute address of the list."""
        ...

    def url_of(self, target: R | str) -> str:
        """The absolute address of an instance's object here, or of the object with this id. Does no I/O: it need not
        exist.

        Raises:
            InvalidIdError: not an id.
        """
        ...

    @property
    def bucket(self) -> str | None:
        """Id of the bucket that the objects are in, where they are in one."""
        ...

    @property
    def collection(self) -> str | None:
        """Id of the collection that the objects are in, where they are in one."""
        ...

    def get(self, object_id: str) -> R:
        """Reads one object.

        Raises:
            InvalidIdError: not an id; nothing is sent.
            NotFoundError: there is none.
            InvalidRecordError: it does not fit the class.
        """
        ...

    def get_or_none(self, object_id: str) -> R | None:
        """Reads one object, or returns None.

        Raises:
            NotFoundError: there is not even the collection that it would be in (errno 111).
        """
        ...

    def get_or_create(self, obj: R) -> tuple[R, bool]:
        """Creates the object, or reads the one that has its id; tells which. Two at once do not collide."""
        ...

    def create(self, obj: R) -> R:
        """Creates the object and returns it, with its timestamp and permissions.

        Raises:
            pydantic.ValidationError: a value that does not fit its field; nothing is sent.
            AlreadyExistsError: there is one with this id.
            NotFoundError: there is no such collection.
        """
        ...

    def upsert(self, obj: R) -> SaveResult:
        """Creates the object, or writes its fields over those of the one that has its id, whatever its ETag.

        Fields that the instance does not have stay on the server. Raises as ``create()`` does, but no conflict.
        """
        ...

    def save(self, obj: R, *, force: bool = False, on_conflict: OnConflict[R] = "raise") -> SaveResult:
        """What ``obj.save()`` does, here."""
        ...

    def modify(self, object_id: str, change: Callable[[R], object]) -> R:
        """Reads an object, changes it and saves it, again where somebody else wrote it in between, and returns it.

        Parameters:
            object_id: its id.
            change: changes the object in place, or returns the instance to save. Called for each try, with the object
                as it is then; what it raises comes through, and nothing is saved.

        Raises:
            NotFoundError: there is none.
            ConflictError: somebody else was faster twenty times.
        """
        ...

    def replace(self, obj: R, *, force: bool = False) -> SaveResult:
        """What ``obj.replace()`` does, here."""
        ...

    @overload
    def patch(self, target: R, /, *edits: Edit, **changes: Any) -> SaveResult: ...
    @overload
    def patch(self, target: str, /, *edits: Edit, **changes: Any) -> R: ...
    def patch(self, target: Any, /, *edits: Edit, **changes: Any) -> Any:
        """Changes these fields only, of an instance or of the object with this id: whole ones by name, parts of them by
        ``edit()``, as in ``tasks.patch("first", edit(Task.tags).append("docs"))``.

        With an id nothing is read before, there is no ETag to check, and the object is returned as it is afterwards.
        Values are checked as by an assignment to the field; the validators of a whole model cannot run.

        Raises:
            TypeError: a field that the class does not have.
            pydantic.ValidationError: a value that does not fit its field; nothing is sent.
            ReadOnlyFieldError: a field that is fixed after creation; nothing is sent.
            ConflictError: the object changed since the instance was read.
            NotFoundError: there is none.
            InvalidRequestError: an edit that the stored object does not allow, such as one of a list that it lacks.
            ValueError: the instance has unsaved changes in a field that is to be edited.
        """
        ...

    def delete(self, target: R | str, *, force: bool = False, missing_ok: bool = False) -> bool:
        """Deletes an object, and tells whether there was one.

        Parameters:
            target: an instance, which is deleted if it is still the one that was read, or an id, which is deleted
                whatever its ETag.
            force: delete the instance's object whatever its ETag.
            missing_ok: return False, instead of raising, where there is none.

        Raises:
            NotFoundError: there is none.
            ConflictError: it changed since the instance was read.
            NotSavedError: the instance was never read or saved, and ``force`` is not given.
        """
        ...

    def delete_all(self) -> int:
        """Deletes every object that these credentials may delete, and tells how many."""
        ...

    def refresh(self, obj: R) -> bool:
        """What ``obj.refresh()`` does, here."""
        ...

    def create_many(
        self,
        objs: Iterable[R],
        *,
        each: Callable[[R, Outcome[SaveResult]], None] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> BulkResult:
        """Creates every object of an iterable, as ``create()`` does, with as few requests as the server allows.

        The iterable is read as the objects are sent, so it may be longer than memory. An object that fails does not
        stop the others. An error of the iterable itself comes through once what it gave before is sent.

        Parameters:
            objs: any iterable, such as a generator.
            each: called for each object with its outcome, as soon as that is known. Failures are its own then: they
                are neither kept nor raised.
            progress: called every 25 objects and at the end, such as ``kinto_models.cli.progress_bar()`` gives.

        Raises:
            BatchError: some failed, and there is no ``each``; or the server could not be reached any more, and what
                followed was not sent.
        """
        ...

    def save_many(
        self,
        objs: Iterable[R],
        *,
        force: bool = False,
        each: Callable[[R, Outcome[SaveResult]], None] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> BulkResult:
        """Saves every object of an iterable, as ``save()`` does: see ``create_many()``. Nothing is sent for objects
        that have not changed.
        """
        ...

    def upsert_many(
        self,
        objs: Iterable[R],
        *,
        each: Callable[[R, Outcome[SaveResult]], None] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> BulkResult:
        """Creates or overwrites every object of an iterable, as ``upsert()`` does: see ``create_many()``."""
        ...

    def delete_many(
        self,
        targets: Iterable[R | str],
        *,
        force: bool = False,
        missing_ok: bool = False,
        each: Callable[[R | str, Outcome[bool]], None] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> BulkResult:
        """Deletes every object of an iterable of instances and ids, as ``delete()`` does: see ``create_many()``."""
        ...

    def sync_to(self, desired: Iterable[R], *, delete: bool = True) -> Plan[R]:
        """Compares what is on the server with an iterable of instances, by id, and tells what it takes to make both
        equal. Reads the objects and writes nothing: ``apply()`` does.

        An instance that is on the server as it is here, and came from nowhere else, counts as read, so that it can be
        changed and saved.

        Parameters:
            desired: all objects as they are to be. What the class does not declare is compared too, where it keeps
                unknown fields. Permissions are sent with creations, and otherwise left alone.
            delete: whether what is on the server and not in ``desired`` is to be deleted.

        Raises:
            ValueError: an id comes twice.
            ReadOnlyFieldError: a difference in a field that is fixed after creation.
            pydantic.ValidationError: an instance that does not fit its class.
        """
        ...

    def apply(
        self,
        plan: Plan[R],
        *,
        each: Callable[[R, Outcome[SaveResult] | Outcome[bool]], None] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> BulkResult:
        """Carries out a plan of ``sync_to()``: creations, changes and deletions, each only if nobody wrote the object
        since it was compared; ``each``, ``progress`` and errors are those of ``create_many()``.

        Raises:
            BatchError: some failed, such as by a ``ConflictError``; make a new plan.
        """
        ...

    def find(self, *conditions: Condition | bool) -> Finder[R]:
        """A query for the objects that meet all conditions; nothing is sent yet.

        Raises:
            QueryError: not a condition, or one that Kinto cannot answer.
        """
        ...

    def count(self) -> int:
        """How many objects there are, by one HEAD request."""
        ...

    def exists(self, object_id: str) -> bool:
        """Whether there is an object with this id, by one HEAD request; where there is none, a second one asks why.

        Raises:
            NotFoundError: there is not even the collection that it would be in (errno 111).
        """
        ...

    def timestamp(self, object_id: str | None = None) -> int:
        """The timestamp of the list, or of the object with this id, in milliseconds, by one HEAD request. That of the
        list grows with each change in it.

        Raises:
            NotFoundError: there is no such object.
        """
        ...

    def history(self, object_id: str | None = None) -> Finder[HistoryEntry[R]]:
        """What happened to the objects here, or to the one with this id, the latest first: a query of ``HistoryEntry``,
        lazy as all are. What was deleted is still there.

        Parameters:
            object_id: None for all; a repository of buckets needs one, because each bucket has its own history.

        Raises:
            QueryError: objects that have no history.
            MissingCapabilityError: when it is ended, where the server has no history: ``kinto.plugins.history``.
        """
        ...

    def history_in(self, bucket_id: str) -> Finder[HistoryEntry[Stored]]:
        """All that happened in a bucket: what ``Bucket.history`` is."""
        ...

    def snapshot(self, at: int | datetime, *, by: Literal["history", "server"] = "history") -> list[R]:
        """The records of a collection as they were at a timestamp, the latest changed first; also of one that has been
        deleted since. They count as never saved: ``save()`` creates a record again where it is gone, and is refused
        where it exists.

        Parameters:
            at: milliseconds since the epoch by the server's clock, such as ``last_modified`` is, or a datetime with a
                timezone.
            by: ``"history"`` puts together what has not changed since and what the history has of the rest, and raises
                where that does not reach back. ``"server"`` takes the server's word by one request, which also readers
                may ask who were not shown the history; it leaves out what was purged from the history or went with a
                deleted collection, and on PostgreSQL what is beyond 10,000 records, without a word.

        Raises:
            QueryError: not a timestamp, or not of records.
            NotInHistoryError: the history does not tell how some records were then.
            InvalidRecordError: a record as it was then does not fit what the class is today; as a ``Record`` it does.
            MissingCapabilityError: the server has no history: ``kinto.plugins.history``.
        """
        ...

    def revert(self, obj: R, to: HistoryEntry[Stored] | int | datetime) -> SaveResult:
        """What ``obj.revert()`` does, here."""
        ...

    def changes(self, since: int | None = None) -> ChangeSet[R]:
        """What happened since a timestamp: objects that are new or changed, tombstones of those that were deleted, and
        the timestamp to go on from. Where nothing did, the server says so without a body.

        Parameters:
            since: milliseconds, such as ``ChangeSet.timestamp`` or ``timestamp()`` gave; None for all that is there.

        Raises:
            QueryError: not a timestamp.
        """
        ...

    def watch(self, since: int | None = None, *, interval: float = 10.0) -> Iterator[ChangeSet[R]]:
        """``changes()`` again and again, without an end: gives each that is not empty, and waits.

        Parameters:
            since: milliseconds to begin at; None for now.
            interval: seconds between two requests, or more where the server asks for more by ``Backoff``
                (https://docs.kinto-storage.org/en/stable/api/1.x/backoff.html).

        Raises:
            ValueError: ``interval`` is no number above 0.
        """
        ...

    def changeset(
        self, since: int | None = None, *, expected: int | None = None, bust_cache: bool = False
    ) -> RemoteChangeSet[R]:
        """The records of a collection and its metadata, of one moment, on a server of Remote Settings. Caches on the
        way may keep the answer.

        Parameters:
            since: only what changed after it, deletions included: milliseconds, such as ``RemoteChangeSet.timestamp``.
            expected: the timestamp that the collection is known to have, of which a cache then has the right answer.
            bust_cache: pass caches by, with a number that nobody expects.

        Raises:
            MissingCapabilityError: the server has no changesets.
            NotFoundError: there is no such collection.
            QueryError: not a timestamp.
        """
        ...

    def review(self, obj: R, status: ReviewStatus | str, *, message: str = "", force: bool = False) -> SaveResult:
        """Asks for the next step of a collection's review, what ``collection.request_review()`` and its like do.

        Parameters:
            obj: the collection.
            status: what to ask for.
            message: why, where the step takes one.
            force: whatever happened to it since it was read.

        Raises:
            ConflictError: it changed since it was read.
            TypeError: the objects here are no collections.
            ValueError: not a status, or a message with one that takes none.
        """
        ...

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
        """Sends a file, which takes the place of the one that the record has
        (https://github.com/Kinto/kinto-attachment). It is read from its beginning again where it has to be sent again.

        The plugin heeds no ETag. An instance that was read is compared with the record before anything is sent, and is
        the record as it is afterwards, but for its unsaved changes, which stay unsaved. A new instance is created with
        its file in one request. Under an id nothing is compared, and a record that is not there is made.

        Parameters:
            target: an instance, or the id of a record.
            source: a path, bytes, a file that is open in binary mode, which is read from where it stands, or what
                gives bytes piece by piece; async code also sends what gives them awaited. What cannot be read twice
                is kept in a temporary file.
            filename: what it is called; the name of the path or file where it is not given.
            mimetype: its type; guessed by its name where it is not given.
            data: fields of the record that are written with it, by their names on the class.
            permissions: who may ``read`` and ``write`` the record: each that is named is written whole, with it.
            progress: called with the bytes that are out, and with all there are; on another try it begins again.

        Raises:
            ValueError: no name, or a name or type that a form cannot carry; a file that stands at its end, or is not
                open for reading. Nothing is sent.
            DeclarationError: the class forbids fields that it does not declare, and so the attachment.
            FileError: the source cannot be read, or changes while it is being sent.
            MissingCapabilityError: the server has not the plugin.
            ConflictError: the record changed since the instance was read.
            NotFoundError: it was deleted since, or there is no such collection.
            InvalidRequestError: the plugin takes no file of this type or size; the one that was there may be gone.
            WrongHashError: the server got other bytes than were sent.
        """
        ...

    def detach(self, target: R | str, *, missing_ok: bool = False) -> bool:
        """Takes the file of a record away; where it was, the plugin leaves a null. Tells whether there was one.

        Parameters:
            target: an instance, which is compared with the record before, or the id of a record.
            missing_ok: return False, instead of raising, where there is no file.

        Raises:
            NoAttachmentError: there is no file.
            ConflictError: the record changed since the instance was read.
            NotFoundError: it was deleted since.
            MissingCapabilityError: the server has not the plugin.
        """
        ...

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
        """Reads the file of a record, and hands it over once its size and its SHA-256 are those that the record tells.

        Parameters:
            target: an instance, the id of a record, or what a record tells of its file.
            to: None for bytes; a folder or a path for a file, which is written beside it and then takes its name in one
                step; or a file that is open in binary mode, into which it is copied. In a folder it has its own name,
                made safe. A file that is there already and is this very one is not asked for.
            progress: called with the bytes that are there, and with all there are.

        Returns:
            The bytes; the path; or how many bytes were written to the file that was given.

        Raises:
            NoAttachmentError: the record has no file.
            ForeignLocationError: its location is not where the server has its files; it is not asked for.
            WrongHashError: it has another size or SHA-256; nothing was written.
            FileError: no such folder, a full disk, no permission: no part of a file is left, and an old one is intact.
            AnswerTooLargeError: bytes that are more than ``Limits.answer_bytes``: give a path.
            MissingCapabilityError: the server has not the plugin.
        """
        ...

    def sibling(self, model: type[S], *, bucket: str | None = None, collection: str | None = None) -> Objects[S]:
        """The objects of another class through the same client; in the same bucket unless another is named."""
        ...
