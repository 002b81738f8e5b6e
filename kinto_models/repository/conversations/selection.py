"""What a query lists, and the conversations that answer it: the same for every kind of query."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Generic, NoReturn, TypeVar

from pydantic import BaseModel
from typing_extensions import Self

from kinto_models.errors import MultipleResultsError, NoResultError, QueryError
from kinto_models.models.changes import Tombstone
from kinto_models.models.expressions import Condition, conditions, sort_keys
from kinto_models.models.interface import Page
from kinto_models.models.moments import in_milliseconds
from kinto_models.models.stored import Stored
from kinto_models.models.tracking import SERVER_OWNED, wire_names
from kinto_models.protocol import operations
from kinto_models.protocol.filters import Query as Wire
from kinto_models.protocol.messages import Conversation, Emit, Stream, drain, hand, send
from kinto_models.protocol.operations import Listing
from kinto_models.protocol.paging import pages
from kinto_models.protocol.paths import Plural
from kinto_models.repository.conversations.hooks import deleted, loaded
from kinto_models.repository.loading import load_page

__all__ = ["Selection", "delete_pages", "milliseconds"]

T = TypeVar("T", bound=BaseModel)
M = TypeVar("M", bound=BaseModel)
S = TypeVar("S", bound="Selection[Any]")

_PAGE: Final = 1_000
"""Objects to ask for at a time where they are not kept: Kinto would give 10,000."""


_AHEAD: Final = 2 * 24 * 60 * 60 * 1_000
"""Milliseconds that a timestamp may be ahead of this machine's clock, which may be wrong: the server refuses a day."""


class Selection(Generic[T]):
    """A query without its endings.

    Parameters:
        runner: what the endings run their conversations with.
        place: the plural endpoint.
        objects: the repository, of either kind, that what is found is tied to.
        result: the class of the results.
    """

    def __init__(self, runner: Any, place: Plural, objects: Any, result: type[T]) -> None:
        self._runner = runner
        self._place = place
        self._objects = objects
        self._result = result
        self._wire = Wire()
        self._limit: int | None = None

    # What to list

    def where(self, *conditions_: Condition | bool) -> Self:
        """Adds conditions; all must hold. See ``Finder.where``."""
        return self._with(filters=self._wire.filters + conditions(self._objects.model, conditions_))

    def sort(self, *keys: object) -> Self:
        """Sorts by these keys instead. See ``Finder.sort``."""
        return self._with(sort=sort_keys(self._objects.model, keys))

    def limit(self, number: int) -> Self:
        """At most this many objects in all."""
        _at_least_one("limit", number)
        limited = self._with()
        limited._limit = number
        return limited

    def since(self, timestamp: int | datetime) -> Self:
        """Only objects changed after this timestamp, in milliseconds, or datetime. Deleted ones are not listed."""
        return self._with(since=milliseconds("since", in_milliseconds("since()", timestamp)))

    def before(self, timestamp: int | datetime) -> Self:
        """Only objects changed before this timestamp, in milliseconds, or datetime. Deleted ones are not listed."""
        return self._with(before=milliseconds("before", in_milliseconds("before()", timestamp)))

    def _with(self, **changes: Any) -> Self:
        changed = type(self)(self._runner, self._place, self._objects, self._result)
        return self._handed_to(changed, **changes)

    def _of(self, kind: type[S], model: type[BaseModel]) -> S:
        """The same for another class of results: a query of this kind."""
        fields = _fields_of(model, self._objects.model)
        return self._handed_to(kind(self._runner, self._place, self._objects, model), fields=fields)

    def _handed_to(self, other: S, **changes: Any) -> S:
        other._wire = replace(self._wire, **changes)
        other._limit = self._limit
        return other

    # What to do with it

    def _paged(self, size: int | None, *, consistent: bool = False) -> Stream[Page[T]]:
        return self._pages(_PAGE if size is None else size, consistent=consistent)

    def _pages(
        self, size: int | None = None, *, consistent: bool = False, unless: int | None = None
    ) -> Stream[Page[T]]:
        if size is not None:
            _at_least_one("pages", size)
        left = self._limit
        asked = min((number for number in (left, size) if number is not None), default=None)
        # Tombstones cost less here than one more filter costs the server; but under a limit they could be all there is,
        # and in a projection they cannot be told.
        wire = self._wire.alive() if self._wire.fields or left is not None else self._wire
        first = operations.get_list(self._place, replace(wire, limit=asked), unless=unless)
        listings = pages(first, ahead=left is None, consistent=consistent)  # a limit may end before the next page
        step = next(listings, None)
        while step is not None:
            if isinstance(step, Emit):
                if step.value.unchanged:
                    return
                page = self._page(self._alive(step.value))
                yield from loaded(self._result, page.items)
                if left is not None:
                    page = Page(page.items[:left], page.timestamp, page.cache_max_age)
                    left -= len(page)
                yield Emit(page)
                del page  # before the next one is read: memory holds one at a time
                step = None if left == 0 else next(listings, None)
            else:
                step = hand(listings, (yield step))

    def _page(self, listing: Listing) -> Page[T]:
        return load_page(self._result, listing, self._objects)

    def _alive(self, listing: Listing) -> Listing:
        return listing.alive() if self._wire.timed else listing

    def _all(self, *, consistent: bool = False) -> Conversation[list[T]]:
        found: list[T] = []
        yield from drain(self._pages(consistent=consistent), found.extend)
        return found

    def _if_changed(self, since: int | None) -> Conversation[Page[T] | None]:
        if since is not None:
            milliseconds("if_changed", since)
        pages: list[Page[T]] = []
        yield from drain(self._pages(unless=since), pages.append)
        if not pages:
            return None
        ages = [page.cache_max_age for page in pages if page.cache_max_age is not None]
        return Page([item for page in pages for item in page.items], pages[0].timestamp, min(ages, default=None))

    def _first(self) -> Conversation[T | None]:
        return next(iter((yield from self.limit(1)._all())), None)

    def _one(self) -> Conversation[T]:
        found = yield from self._one_or_none()
        if found is None:
            raise NoResultError(f"no {self._result.__name__} meets the conditions")
        return found

    def _one_or_none(self) -> Conversation[T | None]:
        found = yield from (self if self._limit == 1 else self.limit(2))._all()
        if len(found) > 1:
            raise MultipleResultsError(f"more than one {self._result.__name__} meets the conditions; see first()")
        return found[0] if found else None

    def _count(self) -> Conversation[int]:
        total = yield from send(operations.count(self._place, self._unordered().alive()))
        return total if self._limit is None else min(total, self._limit)

    def _exists(self) -> Conversation[bool]:
        return (yield from self._count()) > 0

    def _timestamp(self) -> Conversation[int]:
        return (yield from send(operations.get_timestamp(self._place)))

    def _delete(self) -> Conversation[int]:
        narrow = (self._wire.filters, self._wire.since, self._wire.before)
        if not any(narrow):
            raise QueryError("a query without conditions would delete everything: that is delete_all(), by name")
        if self._limit is not None or self._wire.sort:
            raise QueryError("Kinto does not delete in an order or up to a limit: leave sort() and limit() out")
        return (yield from delete_pages(self._place, self._unordered().alive(), self._gone))

    def _gone(self, ids: list[str]) -> Conversation[None]:
        return deleted(self._objects._mapper, ids)

    def _unordered(self) -> Wire:
        return replace(self._wire, sort=(), fields=())

    def __bool__(self) -> NoReturn:
        raise QueryError("a query has no truth value: ask it with exists(), count() or first()")

    def __repr__(self) -> str:
        return f"<query of {self._result.__name__}: GET {replace(self._wire, limit=self._limit).at(self._place.path)}>"


def delete_pages(place: Plural, wire: Wire, gone: Callable[[list[str]], Conversation[None]]) -> Conversation[int]:
    """Deletes what the query lists, page after page, and tells how many; ``gone`` follows, for the ids of each page."""
    number = 0
    listings = pages(operations.delete_listed(place, wire))
    step = next(listings, None)
    while step is not None:
        if isinstance(step, Emit):
            tombstones = load_page(Tombstone, step.value)
            number += len(tombstones)
            yield from gone([tombstone.id for tombstone in tombstones])
            step = next(listings, None)
        else:
            step = hand(listings, (yield step))
    return number


def _at_least_one(what: str, number: int) -> None:
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise QueryError(f"{what}() takes a number of objects from 1 up, not {number!r}")


def milliseconds(what: str, timestamp: int) -> int:
    """The timestamp, if it can be one.

    Raises:
        QueryError: it is not a positive number, or lies in the future, by the clock of this machine.
    """
    if isinstance(timestamp, bool) or not isinstance(timestamp, int) or timestamp < 1:
        raise QueryError(f"{what}() takes a timestamp in milliseconds, such as task.last_modified, not {timestamp!r}")
    if timestamp > time.time() * 1000 + _AHEAD:
        raise QueryError(
            f"{what}({timestamp}) is days ahead of this machine's clock, and Kinto takes no timestamp of the future: "
            "it is milliseconds since 1970, such as task.last_modified"
        )
    return timestamp


def _fields_of(model: type[BaseModel], owner: type[Stored]) -> tuple[str, ...]:
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise QueryError(f"select() takes a pydantic model class, not {model!r}")
    if issubclass(model, Stored):
        raise QueryError(
            f"select() takes a plain pydantic model: a {model.__name__} could be saved over what was not read"
        )
    asked, known = tuple(wire_names(model).values()), set(wire_names(owner).values())
    unknown = [name for name in asked if name not in known]
    if unknown and known != {*SERVER_OWNED}:  # a bare Record has any fields
        here = wire_names(owner).get(unknown[0])
        hint = f", but stores its {unknown[0]!r} as {here!r}: give it alias={here!r}" if here else ""
        raise QueryError(f"{owner.__name__} stores no field {unknown[0]!r} for {model.__name__} to select{hint}")
    return asked
