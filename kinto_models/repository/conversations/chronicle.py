"""The history of a bucket: queries of its entries, of which Kinto counts none by itself."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeVar

from pydantic import BaseModel

from kinto_models.errors import MissingCapabilityError, NotFoundError, QueryError
from kinto_models.models.bucket import Bucket
from kinto_models.models.collection import Collection
from kinto_models.models.group import Group
from kinto_models.models.history import HistoryEntry, tie
from kinto_models.models.interface import Page
from kinto_models.models.record import Record
from kinto_models.models.stored import Stored
from kinto_models.protocol import paths
from kinto_models.protocol.filters import Filter, Operator
from kinto_models.protocol.messages import Conversation, Step, Stream
from kinto_models.protocol.operations import Listing
from kinto_models.repository.conversations.selection import Selection
from kinto_models.repository.facts import Facts
from kinto_models.repository.mapper import Mapper

__all__ = ["Chronicle", "about", "explained", "history_in", "history_of"]

T = TypeVar("T", bound=BaseModel)
V = TypeVar("V")
Y = TypeVar("Y")
C = TypeVar("C", bound="Chronicle[Any]")

_CAPABILITY: Final = "history"
_BY_KIND: Final[dict[str, type[Stored]]] = {
    "bucket": Bucket,
    "collection": Collection,
    "group": Group,
    "record": Record,
}


class _Id(BaseModel):
    id: str


@dataclass(frozen=True, slots=True)
class _Ledger:
    """What the queries of a history are of.

    Attributes:
        facts: of the server.
        objects: a repository, of either kind, that the instances are bound to.
        of: their class; None where each is of the kind that its entry says.
    """

    facts: Facts
    objects: Any
    of: type[Stored] | None
    model: ClassVar[type[HistoryEntry[Any]]] = HistoryEntry
    """The class of what is listed, as queries ask any repository for it."""

    def tie(self, entry: HistoryEntry[Any]) -> None:
        if self.of is not None:
            tie(entry, self.of, self.objects)
        else:
            model = _BY_KIND[entry.resource_name]
            tie(entry, model, self.objects.sibling(model, bucket=entry.bucket_id, collection=entry.collection_id))


class Chronicle(Selection[T]):
    """A query of a history, without its endings."""

    _objects: _Ledger

    def _page(self, listing: Listing) -> Page[T]:
        page = super()._page(listing)
        for item in page.items:
            if isinstance(item, HistoryEntry):
                self._objects.tie(item)
        return page

    def _pages(
        self, size: int | None = None, *, consistent: bool = False, unless: int | None = None
    ) -> Stream[Page[T]]:
        return explained(self._objects.facts, super()._pages(size, consistent=consistent, unless=unless))

    def _all(self, *, consistent: bool = False) -> Conversation[list[T]]:
        return explained(self._objects.facts, super()._all(consistent=consistent))

    def _if_changed(self, since: int | None) -> Conversation[Page[T] | None]:
        return explained(self._objects.facts, super()._if_changed(since))

    def _count(self) -> Conversation[int]:  # a HEAD of a history does not say how many there are
        return len((yield from self._of(Chronicle[_Id], _Id)._all()))

    def _exists(self) -> Conversation[bool]:
        return (yield from self._of(Chronicle[_Id], _Id)._first()) is not None

    def _timestamp(self) -> Conversation[int]:
        return explained(self._objects.facts, super()._timestamp())

    def _delete(self) -> Conversation[int]:
        return explained(self._objects.facts, super()._delete())

    def _gone(self, ids: list[str]) -> Conversation[None]:  # noqa: ARG002  # nobody subscribes to entries
        yield from ()


def history_of(kind: type[C], runner: Any, mapper: Mapper[Any], object_id: str | None) -> C:
    """A query, of this kind, of what happened to the objects of a repository, or to the one with this id.

    Raises:
        QueryError: objects that have no history, or those of several.
    """
    bucket = object_id if mapper.model.__kinto__.kind == "bucket" else mapper.objects.bucket
    if bucket is None or mapper.model.__kinto__.path is not None:
        raise QueryError(
            "each bucket has a history of its own: kinto.bucket(...).history"
            if mapper.model.__kinto__.path is None
            else f"{mapper.model.__name__} has a path of its own, and only what is in a bucket has a history"
        )
    ledger = _Ledger(mapper.facts, mapper.objects, mapper.model)
    return _in(kind, runner, bucket, ledger)._with(filters=about(mapper, object_id))


def history_in(kind: type[C], runner: Any, mapper: Mapper[Any], bucket: str) -> C:
    """A query, of this kind, of all that happened in a bucket."""
    return _in(kind, runner, bucket, _Ledger(mapper.facts, mapper.objects, None))


def _in(kind: type[C], runner: Any, bucket: str, ledger: _Ledger) -> C:
    return kind(runner, paths.history(bucket), ledger, HistoryEntry)


def about(mapper: Mapper[Any], object_id: str | None) -> tuple[Filter, ...]:
    """What tells the entries about the objects of a repository, or about the one with this id.

    Not by their addresses, in which the default bucket has another name.
    """
    kind = mapper.model.__kinto__.kind
    found = {"resource_name": kind}
    if kind == "record":
        found["collection_id"] = mapper.objects.collection
    if object_id is not None:
        mapper.place.object(object_id)  # refuses what is no id
        found[f"{kind}_id"] = object_id
    return tuple(Filter(name, Operator.EQ, value) for name, value in found.items())


def explained(facts: Facts, conversation: Generator[Y, Any, V]) -> Generator[Y | Step, Any, V]:
    """The same, which says so where the server has no history: it answers as if nothing were there."""
    try:
        return (yield from conversation)
    except NotFoundError as error:
        if not (yield from facts.has(_CAPABILITY)):
            raise MissingCapabilityError(
                f"{error.request}: the server has not the capability {_CAPABILITY!r}: its operator includes "
                "kinto.plugins.history (https://docs.kinto-storage.org/en/stable/api/1.x/history.html)"
            ) from error
        raise
