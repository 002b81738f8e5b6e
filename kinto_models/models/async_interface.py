"""The awaited twins of ``Finder`` and ``Objects``: the same methods, with the same parameters, results and errors."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, TypeVar, overload

from pydantic import BaseModel
from typing_extensions import Self

from kinto_models.models.attachments import AsyncSource, Attachment, FileProgress, Writable
from kinto_models.models.changes import ChangeSet, RemoteChangeSet
from kinto_models.models.edits import Edit
from kinto_models.models.expressions import Condition
from kinto_models.models.history import HistoryEntry
from kinto_models.models.interface import OnConflict, Page
from kinto_models.models.outcomes import BulkResult, Outcome, Progress, SaveResult
from kinto_models.models.plans import Plan
from kinto_models.models.principals import Principal
from kinto_models.models.review import ReviewStatus
from kinto_models.models.stored import Stored

__all__ = ["AsyncFinder", "AsyncObjects"]

T = TypeVar("T")
R = TypeVar("R", bound=Stored)
S = TypeVar("S", bound=Stored)
M = TypeVar("M", bound=BaseModel)


class AsyncFinder(Protocol[T]):
    """A query for async code: lazy and immutable, as ``Finder``, iterated with ``async for`` and ended by awaiting.

    While a page is dealt with, the next one is asked for.
    """

    def where(self, *conditions: Condition | bool) -> Self:
        """Adds conditions; all must hold. See ``Finder.where``."""
        ...

    def sort(self, *keys: object) -> Self:
        """Sorts by these keys instead. See ``Finder.sort``."""
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

    def select(self, model: type[M]) -> AsyncFinder[M]:
        """Asks only for the fields of this pydantic model, and gives instances of it. See ``Finder.select``."""
        ...

    async def all(self, *, consistent: bool = False) -> list[T]:
        """Every object."""
        ...

    async def if_changed(self, since: int | None) -> Page[T] | None:
        """Every object, or None if the list still has this timestamp: see ``Finder.if_changed``."""
        ...

    async def first(self) -> T | None:
        """The first object, or None."""
        ...

    async def one(self) -> T:
        """The only object. See ``Finder.one``."""
        ...

    async def one_or_none(self) -> T | None:
        """The only object, or None. See ``Finder.one_or_none``."""
        ...

    async def count(self) -> int:
        """How many objects there are, by one HEAD request."""
        ...

    async def exists(self) -> bool:
        """Whether there is any, by one HEAD request."""
        ...

    def pages(self, size: int | None = None, *, consistent: bool = False) -> AsyncIterator[Page[T]]:
        """The objects page by page, for ``async for``. See ``Finder.pages``."""
        ...

    async def timestamp(self) -> int:
        """The timestamp of the whole list, whatever the conditions, in milliseconds, by one HEAD request."""
        ...

    async def delete(self) -> int:
        """Deletes what the conditions list, and tells how many. See ``Finder.delete``."""
        ...

    def __aiter__(self) -> AsyncIterator[T]: ...


class AsyncObjects(Protocol[R]):
    """The objects of one class in one place, for async code: the methods of ``Objects``, awaited."""

    awaited: ClassVar[bool] = True
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

    async def get(self, object_id: str) -> R:
        """Reads one object. See ``Objects.get``."""
        ...

    async def get_or_none(self, object_id: str) -> R | None:
        """Reads one object, or returns None. See ``Objects.get_or_none``."""
        ...

    async def get_or_create(self, obj: R) -> tuple[R, bool]:
        """Creates the object, or reads the one that has its id; tells which. See ``Objects.get_or_create``."""
        ...

    async def create(self, obj: R) -> R:
        """Creates the object and returns it. See ``Objects.create``."""
        ...

    async def upsert(self, obj: R) -> SaveResult:
        """Creates the object, or writes its fields over those of the one that has its id. See ``Objects.upsert``."""
        ...

    async def save(self, obj: R, *, force: bool = False, on_conflict: OnConflict[R] = "raise") -> SaveResult:
        """What ``await obj.asave()`` does, here."""
        ...

    async def modify(self, object_id: str, change: Callable[[R], object]) -> R:
        """Reads, changes and saves an object, again where somebody else wrote it in between. See ``Objects.modify``;
        ``change`` may be a coroutine function.
        """
        ...

    async def replace(self, obj: R, *, force: bool = False) -> SaveResult:
        """What ``await obj.areplace()`` does, here."""
        ...

    @overload
    async def patch(self, target: R, /, *edits: Edit, **changes: Any) -> SaveResult: ...
    @overload
    async def patch(self, target: str, /, *edits: Edit, **changes: Any) -> R: ...
    async def patch(self, target: Any, /, *edits: Edit, **changes: Any) -> Any:
        """Writes these fields only, of an instance or of the object with this id. See ``Objects.patch``."""
        ...

    async def delete(self, target: R | str, *, force: bool = False, missing_ok: bool = False) -> bool:
        """Deletes an object, and tells whether there was one. See ``Objects.delete``."""
        ...

    async def delete_all(self) -> int:
        """Deletes every object that these credentials may delete, and tells how many."""
        ...

    async def refresh(self, obj: R) -> bool:
        """What ``await obj.arefresh()`` does, here."""
        ...

    async def create_many(
        self,
        objs: Iterable[R] | AsyncIterable[R],
        *,
        each: Callable[[R, Outcome[SaveResult]], None] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> BulkResult:
        """Creates every object of an iterable, which may be an async one. See ``Objects.create_many``."""
        ...

    async def save_many(
        self,
        objs: Iterable[R] | AsyncIterable[R],
        *,
        force: bool = False,
        each: Callable[[R, Outcome[SaveResult]], None] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> BulkResult:
        """Saves every object of an iterable, which may be an async one. See ``Objects.save_many``."""
        ...

    async def upsert_many(
        self,
        objs: Iterable[R] | AsyncIterable[R],
        *,
        each: Callable[[R, Outcome[SaveResult]], None] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> BulkResult:
        """Creates or overwrites every object of an iterable, which may be an async one. See ``Objects.upsert_many``."""
        ...

    async def delete_many(
        self,
        targets: Iterable[R | str] | AsyncIterable[R | str],
        *,
        force: bool = False,
        missing_ok: bool = False,
        each: Callable[[R | str, Outcome[bool]], None] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> BulkResult:
        """Deletes every object of an iterable, which may be an async one. See ``Objects.delete_many``."""
        ...

    async def sync_to(self, desired: Iterable[R] | AsyncIterable[R], *, delete: bool = True) -> Plan[R]:
        """Compares what is on the server with what is desired, and writes nothing. See ``Objects.sync_to``."""
        ...

    async def apply(
        self,
        plan: Plan[R],
        *,
        each: Callable[[R, Outcome[SaveResult] | Outcome[bool]], None] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> BulkResult:
        """Carries out a plan of ``sync_to()``. See ``Objects.apply``."""
        ...

    def find(self, *conditions: Condition | bool) -> AsyncFinder[R]:
        """A query for the objects that meet all conditions; nothing is sent yet. See ``Objects.find``."""
        ...

    async def count(self) -> int:
        """How many objects there are, by one HEAD request."""
        ...

    async def exists(self, object_id: str) -> bool:
        """Whether there is an object with this id, by one HEAD request. See ``Objects.exists``."""
        ...

    async def timestamp(self, object_id: str | None = None) -> int:
        """The timestamp of the list, or of the object with this id, in milliseconds. See ``Objects.timestamp``."""
        ...

    def history(self, object_id: str | None = None) -> AsyncFinder[HistoryEntry[R]]:
        """What happened to the objects here, or to the one with this id. See ``Objects.history``."""
        ...

    def history_in(self, bucket_id: str) -> AsyncFinder[HistoryEntry[Stored]]:
        """All that happened in a bucket: see ``Objects.history_in``."""
        ...

    async def snapshot(self, at: int | datetime, *, by: Literal["history", "server"] = "history") -> list[R]:
        """The records of a collection as they were at a timestamp. See ``Objects.snapshot``."""
        ...

    async def revert(self, obj: R, to: HistoryEntry[Stored] | int | datetime) -> SaveResult:
        """What ``await obj.arevert()`` does, here."""
        ...

    async def changes(self, since: int | None = None) -> ChangeSet[R]:
        """What happened since a timestamp. See ``Objects.changes``."""
        ...

    def watch(self, since: int | None = None, *, interval: float = 10.0) -> AsyncIterator[ChangeSet[R]]:
        """``changes()`` again and again: ``async for found in tasks.watch():``. See ``Objects.watch``."""
        ...

    async def changeset(
        self, since: int | None = None, *, expected: int | None = None, bust_cache: bool = False
    ) -> RemoteChangeSet[R]:
        """The records of a collection and its metadata, of one moment. See ``Objects.changeset``."""
        ...

    async def review(self, obj: R, status: ReviewStatus | str, *, message: str = "", force: bool = False) -> SaveResult:
        """Asks for the next step of a collection's review. See ``Objects.review``."""
        ...

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
        """Sends a file, and keeps it beside the record. See ``Objects.attach``."""
        ...

    async def detach(self, target: R | str, *, missing_ok: bool = False) -> bool:
        """Takes the file of a record away. See ``Objects.detach``."""
        ...

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
        """Reads the file of a record, and hands it over once it is checked. See ``Objects.download``."""
        ...

    def sibling(self, model: type[S], *, bucket: str | None = None, collection: str | None = None) -> AsyncObjects[S]:
        """The objects of another class through the same client; in the same bucket unless another is named."""
        ...
