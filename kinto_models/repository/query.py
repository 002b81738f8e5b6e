"""Queries: what to list, built step by step and sent when it is asked for. One line an ending."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from kinto_models.models.async_interface import AsyncFinder
from kinto_models.models.interface import Finder, Page
from kinto_models.repository.conversations.chronicle import Chronicle
from kinto_models.repository.conversations.selection import Selection
from kinto_models.repository.running.runner import Runner

if TYPE_CHECKING:
    from kinto_models.repository.running.async_runner import AsyncRunner  # and asyncio with it

__all__ = ["AsyncHistory", "AsyncQuery", "History", "Query"]

T = TypeVar("T", bound=BaseModel)
M = TypeVar("M", bound=BaseModel)


class Query(Selection[T], Finder[T]):
    """See ``Finder``."""

    _runner: Runner

    def select(self, model: type[M]) -> Query[M]:
        return self._of(Query[M], model)

    def pages(self, size: int | None = None, *, consistent: bool = False) -> Iterator[Page[T]]:
        return self._runner.stream(self._paged(size, consistent=consistent))

    def __iter__(self) -> Iterator[T]:
        # Not a loop with a variable, which would hold a page while the next one is read.
        return chain.from_iterable(map(attrgetter("items"), self.pages()))

    def all(self, *, consistent: bool = False) -> list[T]:
        return self._runner.converse(self._all(consistent=consistent))

    def if_changed(self, since: int | None) -> Page[T] | None:
        return self._runner.converse(self._if_changed(since))

    def first(self) -> T | None:
        return self._runner.converse(self._first())

    def one(self) -> T:
        return self._runner.converse(self._one())

    def one_or_none(self) -> T | None:
        return self._runner.converse(self._one_or_none())

    def count(self) -> int:
        return self._runner.converse(self._count())

    def exists(self) -> bool:
        return self._runner.converse(self._exists())

    def timestamp(self) -> int:
        return self._runner.converse(self._timestamp())

    def delete(self) -> int:
        return self._runner.converse(self._delete())


class AsyncQuery(Selection[T], AsyncFinder[T]):
    """See ``AsyncFinder``."""

    _runner: AsyncRunner

    def select(self, model: type[M]) -> AsyncQuery[M]:
        return self._of(AsyncQuery[M], model)

    def pages(self, size: int | None = None, *, consistent: bool = False) -> AsyncIterator[Page[T]]:
        return self._runner.stream(self._paged(size, consistent=consistent))

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for item in page.items:
                yield item

    async def all(self, *, consistent: bool = False) -> list[T]:
        return await self._runner.converse(self._all(consistent=consistent))

    async def if_changed(self, since: int | None) -> Page[T] | None:
        return await self._runner.converse(self._if_changed(since))

    async def first(self) -> T | None:
        return await self._runner.converse(self._first())

    async def one(self) -> T:
        return await self._runner.converse(self._one())

    async def one_or_none(self) -> T | None:
        return await self._runner.converse(self._one_or_none())

    async def count(self) -> int:
        return await self._runner.converse(self._count())

    async def exists(self) -> bool:
        return await self._runner.converse(self._exists())

    async def timestamp(self) -> int:
        return await self._runner.converse(self._timestamp())

    async def delete(self) -> int:
        return await self._runner.converse(self._delete())


class History(Chronicle[T], Query[T]):
    """A query of a history."""

    def select(self, model: type[M]) -> Query[M]:
        return self._of(History[M], model)


class AsyncHistory(Chronicle[T], AsyncQuery[T]):
    """The same for async code."""

    def select(self, model: type[M]) -> AsyncQuery[M]:
        return self._of(AsyncHistory[M], model)
