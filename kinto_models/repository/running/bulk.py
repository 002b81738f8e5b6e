"""Bulk operations: any number of objects, a chunk of them in memory at a time."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sized
from contextlib import suppress
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel

from kinto_models.errors import KintoError
from kinto_models.models.outcomes import BulkResult, Outcome, Progress, SaveResult
from kinto_models.protocol.messages import Conversation
from kinto_models.repository.mapper import Shared
from kinto_models.repository.running.chunk import Entry
from kinto_models.repository.running.delivery import Delivery, batch_error

__all__ = ["Bulk", "listed"]

T = TypeVar("T")

_STEP: Final = 25
"""Objects between two calls of ``progress``."""


class Bulk(Generic[T]):
    """One bulk operation: counts, and tells who wants to know.

    Parameters:
        client: what all operations of a client share.
        begin: the conversation for one object.
        each: called with each object and its outcome, or None.
        progress: called every now and then, or None.
    """

    def __init__(
        self,
        client: Shared,
        begin: Callable[[T], Conversation[Any]],
        each: Callable[[T, Outcome[Any]], None] | None,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        for function in (each, progress):
            if iscoroutinefunction(function):
                raise TypeError(f"{function!r} would have to be awaited: each and progress are plain functions")
        self._begin, self._each, self._progress = begin, each, progress
        self._facts = client.facts
        self._delivery = Delivery(client, self._settled)
        self._counts: dict[str, int] = dict.fromkeys(("created", "updated", "deleted", "unchanged", "failed"), 0)
        self._failures: list[tuple[Any, Exception]] = []
        self._done = 0
        self._total: int | None = None

    def run(self, objs: Iterable[T]) -> Conversation[BulkResult]:
        """Carries it out for every object of an iterable."""
        self._total = _size(objs)
        yield from self._delivery.carry(self._entries(objs))
        return self._result()

    async def run_async(
        self, converse: Callable[[Conversation[Any]], Any], objs: Iterable[T] | AsyncIterable[T]
    ) -> BulkResult:
        """The same for an iterable that may be an async one."""
        self._total = _size(objs)
        async for part in _parts(objs, await self._part(converse) if isinstance(objs, AsyncIterable) else 0):
            await converse(self._delivery.carry(self._entries(part)))
            if self._delivery.stopped:
                break
        return self._result()

    async def _part(self, converse: Callable[[Conversation[Any]], Any]) -> int:
        with suppress(KintoError):  # that is met again, and told, when there is something to send
            size: int = await converse(self._facts.parts())
            return size
        return _STEP

    def _entries(self, objs: Iterable[T]) -> Iterator[Entry[Any]]:
        for obj in objs:
            yield Entry(Outcome(obj), partial(self._begin, obj))

    def _settled(self, entry: Entry[Any]) -> None:
        outcome = entry.outcome
        self._done += 1
        self._counts[_kind(outcome)] += 1
        if self._each is not None:
            self._each(outcome.target, outcome)
        elif outcome.error is not None:
            self._failures.append((outcome.target, outcome.error))
        if self._done % _STEP == 0:
            self._tell()

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(Progress(self._done, self._counts["failed"], self._total))

    def _result(self) -> BulkResult:
        if self._done % _STEP or not self._done:
            self._tell()
        if self._failures or self._delivery.stopped:
            raise batch_error(self._failures, self._counts["failed"], self._done, self._delivery.stopped)
        return BulkResult(**self._counts)


async def listed(objs: Iterable[T] | AsyncIterable[T]) -> list[T]:
    """All of an iterable that may be an async one."""
    return [obj async for obj in objs] if isinstance(objs, AsyncIterable) else list(objs)


async def _parts(objs: Iterable[T] | AsyncIterable[T], size: int) -> AsyncIterator[Iterable[T]]:
    if not isinstance(objs, AsyncIterable):
        yield objs
        return
    part: list[T] = []
    broken: Exception | None = None
    waiting = aiter(objs)
    while broken is None:
        try:
            part.append(await anext(waiting))
        except StopAsyncIteration:
            break
        except Exception as error:  # noqa: BLE001  # the caller's iterable: what it gave before is sent all the same
            broken = error
        if len(part) == size:
            yield part
            part = []
    yield part
    if broken is not None:
        raise broken


def _size(objs: object) -> int | None:
    if isinstance(objs, (str, bytes, BaseModel, Mapping)) or not isinstance(objs, (Iterable, AsyncIterable)):
        raise TypeError(f"this takes an iterable of objects, such as a list, not {type(objs).__name__}")
    return len(objs) if isinstance(objs, Sized) else None


def _kind(outcome: Outcome[Any]) -> str:
    if not outcome.done:
        return "failed"
    result = outcome.result()
    if isinstance(result, SaveResult):
        return "created" if result.created else "updated" if result.changed else "unchanged"
    return "deleted" if result else "unchanged"
