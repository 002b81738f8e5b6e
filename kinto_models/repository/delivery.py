"""Many conversations in few requests: packs what they ask into batches, in order, and hands each its own answer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
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
from kinto_models.protocol.messages import Ahead, Conversation, Operation, Request, Step
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


def _above(path: str) -> tuple[str, ...]:
    return _and_above(path.rpartition("/")[0])


@lru_cache(maxsize=256)
def _and_above(path: str) -> tuple[str, ...]:
    parts = path.split("/")
    return tuple("/".join(parts[:length]) for length in range(2, len(parts) + 1))


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
        self._news: list[Entry[Any]] = []
        self._chunk = _Chunk()
        self.stopped: KintoError | None = None

    def carry(self, entries: Iterable[Entry[Any]]) -> Conversation[None]:
        """Carries out entries as they come; ends early where the server cannot be reached any more."""
        waiting = iter(entries)
        broken: Exception | None = None
        while not self.stopped:
            try:
                entry = next(waiting)
            except StopIteration:
                break
            except Exception as error:  # noqa: BLE001  # the caller's iterable: what it gave before is sent all the same
                broken = error
                break
            yield from self._take(entry)
        yield from self._flush()
        if broken is not None:
            raise broken

    def _take(self, entry: Entry[Any]) -> Conversation[None]:
        if self._chunk.holds(entry.outcome.target):
            yield from self._flush()  # to begin with what the first of the two made of the instance
        running = self._begun(entry)
        if running is None:
            return
        request = running.operation.request
        alone = not batchable(request)
        if alone or self._chunk.needs(request):
            yield from self._flush()
        yield from self._flush_if_full()
        self._chunk.add(running)
        if alone:
            yield from self._flush()
        elif len(self._chunk.running) > 1:
            yield from self._flush_if_full()

    def _flush_if_full(self) -> Conversation[None]:
        if not self._chunk.running or self.stopped:
            return
        try:
            limit = yield from self._limits.parts()
        except (TransportError, UnavailableError) as error:
            self._note(error)
            return
        if len(self._chunk.running) >= limit:
            yield from self._flush()

    def _flush(self) -> Conversation[None]:
        """Carries the chunk to its end: what asks again is sent again, until nothing does."""
        going, self._chunk = self._chunk.running, _Chunk()
        while going:
            together = [running for running in going if batchable(running.operation.request)]
            alone = [running for running in going if not batchable(running.operation.request)]
            yield from self._send(together)
            for running in alone:
                yield from self._send_alone(running)
            self._tell()
            going = [running for running in going if not running.ended]

    def _begun(self, entry: Entry[Any]) -> _Running | None:
        if self.stopped is not None:
            entry.outcome.fail(unsent(entry.outcome.target, self.stopped))
            self._told(entry)
            self._tell()
            return None
        conversation = entry.begin()
        try:
            return _Running(entry, conversation, _asked(conversation, next(conversation)))
        except StopIteration as done:
            entry.outcome.succeed(done.value)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this object's, and told as its outcome
            entry.outcome.fail(error)
        self._told(entry)
        self._tell()
        return None

    def _send(self, running: Sequence[_Running]) -> Conversation[None]:
        if self.stopped or len(running) < 2:  # noqa: PLR2004  # one needs no batch
            for one in running:
                yield from self._send_alone(one)
            return
        try:
            results = yield from send(batch([one.operation for one in running]))
        except RefusedError as error:
            if error.status != _TOO_LARGE:
                self._fail(running, error)
                return
            middle = len(running) // 2
            yield from self._send(running[:middle])
            yield from self._send(running[middle:])
        except KintoError as error:
            self._fail(running, error)
        except GeneratorExit:
            self._fail(running, _given_up())
            raise
        else:
            for one, result in zip(running, results, strict=True):
                self._hand(one, result)

    def _send_alone(self, running: _Running) -> Conversation[None]:
        if self.stopped:
            self._settle(running, unsent(running.entry.outcome.target, self.stopped))
            return
        try:
            result = yield from send(running.operation)
        except KintoError as error:
            self._note(error)
            result = error
        except GeneratorExit:
            self._fail([running], _given_up())
            raise
        self._hand(running, result)

    def _hand(self, running: _Running, result: Any) -> None:
        talk = running.conversation
        try:
            step = talk.throw(result) if isinstance(result, KintoError) else talk.send(result)
            running.operation = _asked(talk, step)
        except StopIteration as done:
            running.ended = True
            running.entry.outcome.succeed(done.value)
            self._told(running.entry)
        except Exception as error:  # noqa: BLE001  # see _begun
            self._settle(running, error)
        if isinstance(result, KintoError) and running.entry.outcome.error is not result:
            result.__traceback__ = None  # answered: its frames would keep the whole chunk alive

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
        self._news.append(entry)

    def _tell(self) -> None:
        # Only when every answer is with its instance: who is told may raise.
        news, self._news = self._news, []
        for entry in news:
            self._settled(entry)

    def _note(self, error: KintoError) -> None:
        if isinstance(error, (TransportError, UnavailableError)):
            self.stopped = error


def _asked(conversation: Conversation[Any], step: Step) -> Operation[Any]:
    """What is asked for: nothing in a batch is sent ahead of the rest."""
    while isinstance(step, Ahead):
        step = conversation.send(step.operation)
    if not isinstance(step, Operation):
        raise TypeError(step)
    return step


def _given_up() -> TransportError:
    return TransportError("given up while the answer was on its way; the server may have done it all the same")


def unsent(target: Any, cause: BaseException) -> NotSentError:
    """The error of what was not sent because of something that happened before."""
    why = "the batch was given up" if isinstance(cause, GeneratorExit) else f"the server could not be reached: {cause}"
    error = NotSentError(f"{called(target)} was not sent, because {why}")
    error.__cause__ = cause
    return error


def batch_error(
    failures: Sequence[tuple[Any, Exception]], failed: int, total: int, stopped: Exception | None = None
) -> BatchError:
    """The error that holds all failures, and says why what followed was not sent if something stopped it."""
    texts = list(dict.fromkeys(str(error) for _, error in failures))
    parts = [f"{failed} of {total} failed", *texts[:_SHOWN], *(["and others"] if len(texts) > _SHOWN else [])]
    if stopped is not None:
        parts.append(f"what followed was not sent, because the server could not be reached: {stopped}")
    error = BatchError("; ".join(parts))
    error.failures = tuple(failures)
    error.__cause__ = stopped
    return error
