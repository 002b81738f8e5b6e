"""Many conversations in few requests: packs what they ask into batches, in order, and hands each its own answer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from kinto_models.errors import (
    BatchError,
    KintoError,
    NotSentError,
    RefusedError,
    TransportError,
    UnavailableError,
)
from kinto_models.models.outcomes import Outcome, called
from kinto_models.models.stored import Stored
from kinto_models.protocol.batches import batch, batchable, get_limit
from kinto_models.protocol.messages import Conversation, Operation, Request
from kinto_models.repository.mapper import send

__all__ = ["Delivery", "Entry", "Limits", "batch_error", "unsent"]

T = TypeVar("T")

_TOO_LARGE: Final = 413
_SHOWN: Final = 3
"""Failures that the message of a BatchError repeats."""


class Limits:
    """How much the server takes at once: asked when it is first needed, and once for a client."""

    def __init__(self) -> None:
        self._parts: int | None = None

    def parts(self) -> Conversation[int]:
        """Requests in one batch."""
        if self._parts is None:
            self._parts = yield from send(get_limit())
        return self._parts


@dataclass(slots=True)
class Entry(Generic[T]):
    """One thing to do.

    Attributes:
        outcome: told what became of it.
        settled: whether it was.
        begin: starts its conversation: late, so that of two writes of one instance the second sees what the first did.
    """

    outcome: Outcome[T]
    begin: Callable[[], Conversation[T]]
    settled: bool = False


class _Running:
    """An entry whose conversation asks for something."""

    def __init__(self, entry: Entry[Any], conversation: Conversation[Any], operation: Operation[Any]) -> None:
        self.entry = entry
        self.conversation = conversation
        self.operation = operation
        self.ended = False


class _Paths:
    """Paths of objects and lists, and whether another one is one of them, above or below one."""

    def __init__(self) -> None:
        self._paths: set[str] = set()
        self._above: set[str] = set()

    def add(self, path: str) -> None:
        self._paths.add(path)
        self._above.update(_above(path))

    def touch(self, path: str) -> bool:
        return path in self._paths or path in self._above or not self._paths.isdisjoint(_above(path))


@dataclass(slots=True)
class _Chunk:
    """What will go in one batch: nothing in it depends on anything else in it.

    The server does the parts of a batch in order, but a conversation may have a second request, which would come after
    parts that were to follow it.
    """

    running: list[_Running] = field(default_factory=list)
    instances: set[int] = field(default_factory=set)
    read: _Paths = field(default_factory=_Paths)
    written: _Paths = field(default_factory=_Paths)

    def holds(self, target: Any) -> bool:
        return isinstance(target, Stored) and id(target) in self.instances

    def needs(self, request: Request) -> bool:
        """Whether the request depends on one that is in here."""
        path = _path(request)
        return self.written.touch(path) or (not request.safe and self.read.touch(path))

    def add(self, running: _Running) -> None:
        self.running.append(running)
        self.instances.add(id(running.entry.outcome.target))
        request = running.operation.request
        (self.read if request.safe else self.written).add(_path(request, len(self.running)))


def _path(request: Request, number: int = 0) -> str:
    path = request.target.partition("?")[0]
    return f"{path}/ {number}" if request.method == "POST" else path  # what it creates is none of the others


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:length]) for length in range(2, len(parts))]


class Delivery:
    """Carries out entries.

    Parameters:
        limits: of the server.
        settled: called with each entry whose outcome is known.

    Attributes:
        stopped: why what follows is not sent, or None: the server could not be reached.
    """

    def __init__(self, limits: Limits, settled: Callable[[Entry[Any]], object]) -> None:
        self._limits = limits
        self._settled = settled
        self.stopped: KintoError | None = None

    def carry(self, entries: Iterable[Entry[Any]]) -> Conversation[None]:
        """Carries out entries as they come; ends early where the server cannot be reached any more."""
        chunk = _Chunk()
        for entry in entries:
            if chunk.holds(entry.outcome.target):
                chunk = yield from self._flushed(chunk)
            running = None if self.stopped else self._begun(entry)
            if running is not None:
                chunk = yield from self._taken(running, chunk)
            if self.stopped:
                return
        yield from self._flushed(chunk)

    def _begun(self, entry: Entry[Any]) -> _Running | None:
        conversation = entry.begin()
        try:
            return _Running(entry, conversation, next(conversation))
        except StopIteration as done:
            entry.outcome.succeed(done.value)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this object's, and told as its outcome
            entry.outcome.fail(error)
        self._told(entry)
        return None

    def _taken(self, running: _Running, chunk: _Chunk) -> Conversation[_Chunk]:
        request = running.operation.request
        alone = not batchable(request)
        if alone or chunk.needs(request):
            chunk = yield from self._flushed(chunk)
        chunk.add(running)
        full = alone or (len(chunk.running) > 1 and len(chunk.running) >= (yield from self._limits.parts()))
        return (yield from self._flushed(chunk)) if full else chunk

    def _flushed(self, chunk: _Chunk) -> Conversation[_Chunk]:
        """Carries a chunk to its end: what asks again is sent again, until nothing does."""
        going = chunk.running
        while going:
            together = [running for running in going if batchable(running.operation.request)]
            alone = [running for running in going if not batchable(running.operation.request)]
            yield from self._sent(together)
            for running in alone:
                yield from self._sent([running])
            going = [running for running in going if not running.ended]
        return _Chunk()

    def _sent(self, running: Sequence[_Running]) -> Conversation[None]:
        if self.stopped or len(running) < 2:  # noqa: PLR2004  # one needs no batch
            for one in running:
                yield from self._sent_alone(one)
            return
        try:
            results = yield from send(batch([one.operation for one in running]))
        except RefusedError as error:
            if error.status != _TOO_LARGE:
                self._fail(running, error)
                return
            middle = len(running) // 2
            yield from self._sent(running[:middle])
            yield from self._sent(running[middle:])
        except KintoError as error:
            self._fail(running, error)
        else:
            for one, result in zip(running, results, strict=True):
                self._hand(one, result)

    def _sent_alone(self, running: _Running) -> Conversation[None]:
        if self.stopped:
            self._settle(running, unsent(running.entry.outcome.target, self.stopped))
            return
        try:
            result = yield from send(running.operation)
        except KintoError as error:
            self._note(error)
            result = error
        self._hand(running, result)

    def _hand(self, running: _Running, result: Any) -> None:
        talk = running.conversation
        try:
            running.operation = talk.throw(result) if isinstance(result, KintoError) else talk.send(result)
        except StopIteration as done:
            running.ended = True
            running.entry.outcome.succeed(done.value)
            self._told(running.entry)
        except Exception as error:  # noqa: BLE001  # see _begun
            self._settle(running, error)

    def _fail(self, running: Sequence[_Running], error: KintoError) -> None:
        # An error of the batch as a whole says nothing of any object, so no conversation hears of it.
        self._note(error)
        for one in running:
            self._settle(one, copy.copy(error))

    def _settle(self, running: _Running, error: Exception) -> None:
        running.ended = True
        running.conversation.close()
        running.entry.outcome.fail(error)
        self._told(running.entry)

    def _told(self, entry: Entry[Any]) -> None:
        entry.settled = True
        self._settled(entry)

    def _note(self, error: KintoError) -> None:
        if isinstance(error, (TransportError, UnavailableError)):
            self.stopped = error


def unsent(target: Any, cause: BaseException) -> NotSentError:
    """The error of what was not sent because the server could not be reached any more."""
    error = NotSentError(f"{called(target)} was not sent, because the server could not be reached before: {cause}")
    error.__cause__ = cause
    return error


def batch_error(failures: Sequence[tuple[Any, Exception]], failed: int, total: int) -> BatchError:
    """The error that holds all failures."""
    shown = "; ".join(str(error) for _, error in failures[:_SHOWN])
    more = f"; and {failed - _SHOWN} more" if failed > _SHOWN and shown else ""
    error = BatchError(f"{failed} of {total} failed: {shown}{more}")
    error.failures = tuple(failures)
    return error
