"""The records of a collection as they were at a moment, as a conversation.

Kinto has an endpoint for it, and takes whatever is missing for what was not there: what was purged from the history,
went with a deleted collection, or is beyond what one query of its storage gives. So the records are put together here,
of those that have not changed since and of what the history has of the others, and what is missing is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Literal, TypeVar

from pydantic import BaseModel

from kinto_models.errors import NotFoundError, NotInHistoryError, QueryError
from kinto_models.models.history import HistoryEntry, read
from kinto_models.models.moments import in_milliseconds
from kinto_models.models.stored import Stored
from kinto_models.protocol import operations
from kinto_models.protocol.filters import NOT_DELETED, Filter, Operator, Sort
from kinto_models.protocol.filters import Query as Wire
from kinto_models.protocol.messages import Conversation, Emit, hand, send
from kinto_models.protocol.operations import Listing
from kinto_models.protocol.paging import pages
from kinto_models.protocol.paths import Plural, history
from kinto_models.repository.conversations.chronicle import explained
from kinto_models.repository.conversations.hooks import loaded
from kinto_models.repository.conversations.reads import NO_PARENT
from kinto_models.repository.conversations.selection import milliseconds
from kinto_models.repository.loading import load_page
from kinto_models.repository.mapper import Mapper
from kinto_models.types import Data

__all__ = ["snapshot"]

R = TypeVar("R", bound=Stored)

_PAGE: Final = 1_000
_NAMED: Final = 5
"""Ids that an error names."""


class _Raw(BaseModel, extra="allow"):
    id: str
    last_modified: int


def snapshot(mapper: Mapper[R], at: int | datetime, by: Literal["history", "server"]) -> Conversation[list[R]]:
    """The records as they were, as instances that count as never saved."""
    moment = milliseconds("snapshot", in_milliseconds("snapshot()", at))
    if mapper.model.__kinto__.kind != "record" or mapper.model.__kinto__.path is not None:
        raise QueryError(f"snapshot() is of the records of a collection, not of {mapper.model.__name__}")
    if by not in ("history", "server"):
        raise ValueError(f"by is 'history' or 'server', not {by!r}")
    found = yield from (_told(mapper, moment) if by == "server" else _rebuilt(mapper, moment))
    found.sort(key=lambda data: data["last_modified"], reverse=True)
    objs = [read(mapper.model, data, mapper.objects) for data in found]
    yield from loaded(mapper.model, objs)
    return objs


def _told(mapper: Mapper[Any], at: int) -> Conversation[list[Data]]:
    asked = operations.get_snapshot(mapper.objects.bucket, mapper.objects.collection, at)
    listing = yield from explained(mapper.facts, send(asked))
    return _raw(listing.alive())


def _raw(listing: Listing) -> list[Data]:
    return [item.model_dump() for item in load_page(_Raw, listing)]


def _rebuilt(mapper: Mapper[Any], at: int) -> Conversation[list[Data]]:
    past, gone = _Past(at), None
    try:
        # In this order: what changes in between is in the second, if not in both.
        unchanged = Wire(filters=(Filter("last_modified", Operator.MAX, at), NOT_DELETED))
        yield from _read(mapper.place, unchanged, past.take_unchanged)
        changed = Wire(sort=(Sort("last_modified"),), since=at, fields=("id",))
        yield from _read(mapper.place, changed, past.take_changed)
    except NotFoundError as error:
        if error.errno != NO_PARENT:
            raise
        gone = error  # the collection was deleted, or never was
    entries = Wire(
        filters=(
            Filter("collection_id", Operator.EQ, mapper.objects.collection),
            Filter("resource_name", Operator.IN, ("record", "collection")),
        ),
        sort=(Sort("target.data.last_modified", descending=True),),
        limit=_PAGE,
    )
    yield from explained(mapper.facts, _read(history(mapper.objects.bucket), entries, past.take_entries))
    if gone is not None and not past.deleted_since:
        raise gone
    if missing := past.missing():
        raise NotInHistoryError(
            f"the history does not tell what was in {mapper.place.path} at {at}: entries about it were purged, not "
            f"recorded, or are not shown to these credentials; missing: {', '.join(sorted(missing)[:_NAMED])}"
        )
    return past.records()


def _read(place: Plural, wire: Wire, take: Callable[[Listing], bool]) -> Conversation[None]:
    """Reads page after page, until one is enough."""
    listings = pages(operations.get_list(place, wire))
    step = next(listings, None)
    while step is not None:
        if isinstance(step, Emit):
            step = None if take(step.value) else next(listings, None)
        else:
            step = hand(listings, (yield step))


class _Past:
    """What is known of the records at a moment. Takes what there is in the order of its methods.

    Attributes:
        at: the moment, in milliseconds.
        deleted_since: the whole collection was deleted later, which the history says of it, and not of its records.
    """

    def __init__(self, at: int) -> None:
        self.at = at
        self.deleted_since = False
        self._found: dict[str, Data | None] = {}  # None for what was not there
        self._open: set[str] = set()  # of which it is not known
        self._new: set[str] = set()  # whose first change after the moment was their creation
        self._collection_was: str | None = None  # the last action on the collection until the moment
        self._collection_is_new = False
        self._reached = False

    def take_unchanged(self, listing: Listing) -> bool:
        """Takes records that are as they were."""
        self._found.update((data["id"], data) for data in _raw(listing))
        return False

    def take_changed(self, listing: Listing) -> bool:
        """Takes records that are not, tombstones included."""
        self._open.update(data["id"] for data in _raw(listing))
        return False

    def take_entries(self, listing: Listing) -> bool:
        """Takes a page of the history, the latest change first; tells whether it is enough."""
        entries: list[HistoryEntry[Stored]] = load_page(HistoryEntry[Stored], listing).items
        return any(map(self._take_entry, entries))

    def _take_entry(self, entry: HistoryEntry[Stored]) -> bool:
        if entry.timestamp > self.at:
            self._take_later(entry)
            return False
        if not self._reached and not self.deleted_since:
            self._open = self._unknown()
        self._reached = True
        if entry.record_id is None:
            self._collection_was = self._collection_was or entry.action
            if entry.action == "delete":
                return True  # with all that is older
        elif self.deleted_since or entry.record_id in self._open:
            self._found.setdefault(entry.record_id, None if entry.action == "delete" else entry.target.raw)
            self._open.discard(entry.record_id)
        return not (self.deleted_since or self._open)

    def _take_later(self, entry: HistoryEntry[Stored]) -> None:
        if entry.record_id is None:
            self.deleted_since = self.deleted_since or entry.action == "delete"
            self._collection_is_new = entry.action == "create"
            return
        self._open.add(entry.record_id)
        (self._new.add if entry.action == "create" else self._new.discard)(entry.record_id)

    def missing(self) -> set[str]:
        """What is not known: ids, or all that went with the collection."""
        # One record that has not changed shows that the collection is still the same.
        unknown = self._collection_was is None if self.deleted_since else not (self._reached or self._found)
        everything = unknown and not self._collection_is_new
        return self._unknown() | ({"all of them"} if everything else set())

    def _unknown(self) -> set[str]:
        return self._open - self._found.keys() - self._new

    def records(self) -> list[Data]:
        """The records."""
        return [data for data in self._found.values() if data is not None]
