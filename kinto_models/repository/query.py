"""Queries: what to list, built step by step and sent when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Generic, NoReturn, TypeVar

from pydantic import BaseModel

from kinto_models.errors import MultipleResultsError, NoResultError, QueryError
from kinto_models.models.expressions import Condition, conditions, sort_keys
from kinto_models.models.interface import Finder, Objects, Page
from kinto_models.models.stored import Stored
from kinto_models.models.tracking import SERVER_OWNED, wire_names
from kinto_models.protocol import operations
from kinto_models.protocol.filters import Query as Wire
from kinto_models.protocol.paging import pages
from kinto_models.protocol.paths import Plural
from kinto_models.repository.mapper import Tombstone, load_page
from kinto_models.repository.runner import Runner

__all__ = ["Query"]

T = TypeVar("T", bound=BaseModel)
M = TypeVar("M", bound=BaseModel)


class Query(Finder[T], Generic[T]):
    """See ``Finder``."""

    def __init__(self, runner: Runner, place: Plural, objects: Objects[Any], result: type[T]) -> None:
        self._runner = runner
        self._place = place
        self._objects = objects
        self._result = result
        self._wire = Wire()
        self._limit: int | None = None

    # What to list

    def where(self, *conditions_: Condition | bool) -> Query[T]:
        return self._with(filters=self._wire.filters + conditions(conditions_))

    def sort(self, *keys: object) -> Query[T]:
        return self._with(sort=sort_keys(self._objects.model, keys))

    def limit(self, number: int) -> Query[T]:
        _at_least_one("limit", number)
        limited = self._with()
        limited._limit = number
        return limited

    def since(self, timestamp: int) -> Query[T]:
        return self._with(since=_milliseconds("since", timestamp))

    def before(self, timestamp: int) -> Query[T]:
        return self._with(before=_milliseconds("before", timestamp))

    def select(self, model: type[M]) -> Query[M]:
        selected: Query[M] = Query(self._runner, self._place, self._objects, model)
        selected._wire = replace(self._wire, fields=_fields_of(model, self._objects.model))
        selected._limit = self._limit
        return selected

    # What to do with it

    def pages(self, size: int | None = None) -> Iterator[Page[T]]:
        left = self._limit
        if size is not None:
            _at_least_one("pages", size)
        asked = min((number for number in (left, size) if number is not None), default=None)
        first = operations.get_list(self._place, replace(self._wire, limit=asked).alive())
        for listing in self._runner.pages(pages(first)):
            page = load_page(self._result, listing, self._objects)
            if left is not None:
                page = Page(page.items[:left], page.timestamp)
                left -= len(page)
            yield page
            if left == 0:
                return

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            yield from page.items

    def all(self) -> list[T]:
        return list(self)

    def first(self) -> T | None:
        return next(iter(self.limit(1)), None)

    def one(self) -> T:
        found = self.one_or_none()
        if found is None:
            raise NoResultError(f"no {self._result.__name__} meets the conditions")
        return found

    def one_or_none(self) -> T | None:
        found = (self if self._limit == 1 else self.limit(2)).all()
        if len(found) > 1:
            raise MultipleResultsError(f"more than one {self._result.__name__} meets the conditions; see first()")
        return found[0] if found else None

    def count(self) -> int:
        total = self._runner.run(operations.count(self._place, self._unordered().alive()))
        return total if self._limit is None else min(total, self._limit)

    def exists(self) -> bool:
        return self.count() > 0

    def timestamp(self) -> int:
        return self._runner.run(operations.get_timestamp(self._place))

    def delete(self) -> int:
        narrow = (self._wire.filters, self._wire.since, self._wire.before)
        if not any(narrow):
            raise QueryError("a query without conditions would delete everything: that is delete_all(), by name")
        if self._limit is not None or self._wire.sort:
            raise QueryError("Kinto does not delete in an order or up to a limit: leave sort() and limit() out")
        return delete_pages(self._runner, self._place, self._unordered().alive())

    def _unordered(self) -> Wire:
        return replace(self._wire, sort=(), fields=())

    def _with(self, **changes: Any) -> Query[T]:
        changed = Query(self._runner, self._place, self._objects, self._result)
        changed._wire = replace(self._wire, **changes)
        changed._limit = self._limit
        return changed

    def __bool__(self) -> NoReturn:
        raise QueryError("a query has no truth value: ask it with exists(), count() or first()")

    def __repr__(self) -> str:
        return f"<query of {self._result.__name__}: GET {replace(self._wire, limit=self._limit).at(self._place.path)}>"


def delete_pages(runner: Runner, place: Plural, wire: Wire) -> int:
    """Deletes what the query lists, page after page, and tells how many."""
    deleted = 0
    for listing in runner.pages(pages(operations.delete_listed(place, wire))):
        deleted += len(load_page(Tombstone, listing))
    return deleted


def _at_least_one(what: str, number: int) -> None:
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise QueryError(f"{what}() takes a number of objects from 1 up, not {number!r}")


def _milliseconds(what: str, timestamp: int) -> int:
    if isinstance(timestamp, bool) or not isinstance(timestamp, int) or timestamp < 1:
        raise QueryError(f"{what}() takes a timestamp in milliseconds, such as task.last_modified, not {timestamp!r}")
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
        raise QueryError(f"{owner.__name__} has no field {unknown[0]!r} for {model.__name__} to select")
    return asked
