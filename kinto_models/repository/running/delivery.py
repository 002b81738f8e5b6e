"""Many conversations in few requests: packs what they ask into batches, in order, and hands each its own answer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kinto_models.errors import (
    AbortedError,
    BackoffError,
    BatchError,
    KintoError,
    LoginError,
    NoClientError,
    NotSentError,
    RefusedError,
    TransportError,
    UnauthorizedError,
    UnavailableError,
    UncertainOutcomeError,
)
from kinto_models.models.outcomes import called
from kinto_models.models.stored import Stored
from kinto_models.protocol.batches import batch
from kinto_models.protocol.messages import Ahead, Conversation, Operation, Pause, Raised, Step, send
from kinto_models.protocol.refusals import answer_of, uncertain
from kinto_models.repository.mapper import Shared
from kinto_models.repository.running.chunk import Chunk, Entry, Running

__all__ = ["Delivery", "batch_error", "unsent"]


_UNREACHABLE: Final = (TransportError, UnavailableError, NoClientError, BackoffError, LoginError)
"""After one of these nothing more is sent; NoClientError is that of a client that was closed."""
_TOO_LARGE: Final = 413
_SHOWN: Final = 3
"""Failures that the message of a BatchError repeats."""


class Delivery:
    """Carries out entries.

    Parameters:
        client: the server's facts, and the pacing of what is sent again.
        settled: called with each entry whose outcome is known.
        ahead: whether to begin what follows while a batch is on its way: only where nobody makes it meanwhile, who may
            want to know first what became of that.

    Attributes:
        stopped: why what follows is not sent, or None: the server could not be reached.
    """

    def __init__(self, client: Shared, settled: Callable[[Entry[Any]], object], *, ahead: bool = False) -> None:
        self._facts, self._pacing = client.facts, client.pacing
        self._settled = settled
        self._ahead = ahead
        self._news: list[Entry[Any]] = []
        self._chunk = Chunk()
        self._flight: _Flight | None = None
        self._limit: int | None = None
        self._pause: Pause | None = None
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
        if self._is_full():
            yield from self._launch()
        if any(chunk.holds(entry.outcome.target) for chunk in self._unsettled()):
            yield from self._flush()  # to begin with what the first of the two made of the instance
        running = yield from self._begun(entry)
        if running is None:
            return
        if running.alone or any(chunk.needs(running) for chunk in self._unsettled()):
            yield from self._flush()
        if self._chunk.running and self._limit is None:
            yield from self._ask_limit()
        self._chunk.add(running)
        if running.alone or (self._is_full() and not self._ahead):
            yield from self._flush()

    def _unsettled(self) -> Iterable[Chunk]:
        return (self._chunk,) if self._flight is None else (self._flight.chunk, self._chunk)

    def _ask_limit(self) -> Conversation[None]:
        """Asks how many go in one batch: when there are two, because one needs none."""
        try:
            self._limit = yield from self._facts.parts()
        except _UNREACHABLE as error:
            self._note(error)
        if self._is_full():
            yield from self._flush()

    def _is_full(self) -> bool:
        return self._limit is not None and len(self._chunk.running) >= self._limit

    def _launch(self) -> Conversation[None]:
        """Sends the chunk, once the one before it is answered, and deals with that answer while it is on its way."""
        if len(self._chunk.running) < 2:  # noqa: PLR2004  # one needs no batch
            yield from self._flush()
            return
        before, results = yield from self._landed()
        try:
            if not self.stopped:
                yield from self._depart()
        except GeneratorExit:
            handing = self._hand_all(before, results)
            next(handing, None)  # as far as it goes without asking for anything
            handing.close()
            raise
        yield from self._hand_all(before, results)
        if any(not running.ended for running in before):
            yield from self._flush()
        yield from self._finish(before)

    def _depart(self) -> Conversation[None]:
        chunk, self._chunk = self._chunk, Chunk()
        try:
            self._flight = _Flight(chunk, (yield Ahead(batch([one.operation for one in chunk.running]))))
        except GeneratorExit:
            self._give_up(chunk.running)
            raise

    def _landed(self) -> Conversation[tuple[Sequence[Running], Sequence[Any]]]:
        """What was on its way, and its results."""
        flight, self._flight = self._flight, None
        if flight is None:
            return (), ()
        return flight.chunk.running, (yield from self._answer(flight.chunk.running, flight.step))

    def _flush(self) -> Conversation[None]:
        """Carries all that was begun to its end."""
        before, results = yield from self._landed()
        yield from self._hand_all(before, results)
        yield from self._finish(before)
        chunk, self._chunk = self._chunk, Chunk()
        yield from self._finish(chunk.running)

    def _finish(self, going: Sequence[Running]) -> Conversation[None]:
        """What asks for something is sent, until nothing does."""
        while left := [running for running in going if not running.ended]:
            if self._pause is not None:
                pause, self._pause = self._pause, None
                yield pause
            for part in _parted([running for running in left if not running.alone]):
                yield from self._send(part)
            for running in [running for running in left if running.alone]:
                yield from self._send_alone(running)
            self._tell()
        self._tell()

    def _begun(self, entry: Entry[Any]) -> Conversation[Running | None]:
        if self.stopped is not None:
            entry.outcome.fail(unsent(entry.outcome.target, self.stopped))
            self._told(entry)
            self._tell()
            return None
        try:
            running = Running(entry, entry.begin())
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this object's, and told as its outcome
            entry.outcome.fail(error)
            self._told(entry)
        else:
            if (step := self._resume(running, running.conversation.send, None)) is not None:
                yield from self._go_on(running, step)
            if not running.ended:
                return running
        self._tell()
        return None

    def _send(self, running: Sequence[Running]) -> Conversation[None]:
        if self.stopped or len(running) < 2:  # noqa: PLR2004  # one needs no batch
            for one in running:
                yield from self._send_alone(one)
            return
        results = yield from self._answer(running, batch([one.operation for one in running]))
        yield from self._hand_all(running, results)

    def _answer(self, running: Sequence[Running], step: Step) -> Conversation[Sequence[Any]]:
        """The results of a batch; none where it failed as a whole, which is dealt with then."""
        try:
            results: Sequence[Any] = yield step
        except RefusedError as error:
            if error.status != _TOO_LARGE:
                yield from self._fail(running, error)
                return ()
            middle = len(running) // 2
            yield from self._send(running[:middle])
            yield from self._send(running[middle:])
            return ()
        except UncertainOutcomeError as error:
            yield from self._doubt(running, error)
            return ()
        except KintoError as error:
            yield from self._fail(running, error)
            return ()
        except GeneratorExit:
            self._give_up(running)
            raise
        return results

    def _hand_all(self, running: Sequence[Running], results: Sequence[Any]) -> Conversation[None]:
        try:
            for one, result in zip(running, results):  # noqa: B905  # none at all where the batch failed
                # What came alone was sent again as often as it is.
                again = len(running) > 1 and self._goes_again(one, result)
                if not again and (step := self._hand(one, result)) is not None:
                    yield from self._go_on(one, step)
        except GeneratorExit:
            self._give_up([one for one in running if not one.ended])
            raise

    def _goes_again(self, running: Running, result: Any) -> bool:
        """Whether a part of a batch is sent once more."""
        if isinstance(result, UnauthorizedError) and self._pacing.renews:
            running.alone = True  # the batch itself is nobody's and is never refused
            return True
        return isinstance(result, AbortedError) and self._goes_after_a_pause(running, result)

    def _goes_after_a_pause(self, running: Running, error: AbortedError) -> bool:
        """Whether what the server took back is sent once more."""
        running.since = running.since or self._pacing.clock()
        pause = self._pacing.next(running.aborted, running.operation, answer_of(error), running.since)
        if pause is None:
            return False
        running.aborted += 1
        if self._pause is None or self._pause.seconds < pause.seconds:
            self._pause = pause
        return True

    def _doubt(self, running: Sequence[Running], error: UncertainOutcomeError) -> Conversation[None]:
        """A batch that may have been carried out, and was not sent again because of some parts: those fail, and the
        others are sent again.
        """
        others = [one for one in running if one.operation.repeatable]
        if len(others) == len(running) or not self._pacing.policy.retries:
            yield from self._fail(running, error)
            return
        for one in others:
            one.operation = one.operation.again()
        yield from self._fail([one for one in running if not one.operation.repeatable], error)

    def _send_alone(self, running: Running) -> Conversation[None]:
        if self.stopped:
            doubtful, request = running.operation.doubtful, running.operation.request
            why = uncertain(request, self.stopped) if doubtful else unsent(running.entry.outcome.target, self.stopped)
            yield from self._hand_all([running], [why])
            return
        try:
            result = yield from send(running.operation)
        except KintoError as error:
            self._note(error)
            result = error
        except GeneratorExit:
            self._give_up([running])
            raise
        yield from self._hand_all([running], [result])

    def _hand(self, running: Running, result: Any) -> Step | None:
        talk = running.conversation
        if not isinstance(result, KintoError):
            return self._resume(running, talk.send, result)
        step = self._resume(running, talk.throw, result)
        if running.entry.outcome.error is not result:
            result.__traceback__ = None  # answered: its frames would keep the whole chunk alive
        return step

    def _go_on(self, running: Running, step: Step | None) -> Conversation[None]:
        """Has done what a conversation asks for that is no request."""
        talk = running.conversation
        while step is not None:
            try:
                result = yield step
            except Exception as error:  # noqa: BLE001  # the conversation hears of it first
                step = self._resume(running, talk.throw, error)
            else:
                step = self._resume(running, talk.send, result)

    def _resume(self, running: Running, resume: Callable[[Any], Step], result: Any) -> Step | None:
        """Lets a conversation go on until it ends or asks for a request, or for something else, which it returns."""
        try:
            step = resume(result)
            while isinstance(step, Ahead):  # nothing in a batch is sent ahead of the rest
                step = running.conversation.send(step.operation)
        except StopIteration as done:
            running.ended = True
            running.entry.outcome.succeed(done.value)
            self._told(running.entry)
        except Raised as raised:
            self._settle(running, raised.error)
        except Exception as error:  # noqa: BLE001  # see _begun
            self._settle(running, error)
        else:
            if not isinstance(step, Operation):
                return step
            running.asks(step)
        return None

    def _fail(self, running: Sequence[Running], error: KintoError) -> Conversation[None]:
        """Hands each the error of the batch as a whole. A refusal says nothing of any object, and is not for those who
        would take it for that of the one that they write.
        """
        self._note(error)
        for one in running:
            failure = _own(one, error)
            if isinstance(failure, RefusedError) and not one.operation.request.safe:
                self._settle(one, failure)
            elif (step := self._hand(one, failure)) is not None:
                yield from self._go_on(one, step)

    def _give_up(self, running: Sequence[Running]) -> None:
        error = UncertainOutcomeError(
            "given up while the answer was on its way: it may have been carried out, and may not"
        )
        error.__cause__ = TransportError("given up while the answer was on its way")
        self.stopped = error
        for one in running:
            self._settle(one, _own(one, error))

    def _settle(self, running: Running, error: Exception) -> None:
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
        # After an uncertain outcome it is looked at what is there, which tells whether the server can be reached.
        looked = isinstance(error, UncertainOutcomeError) and (error.refusal or self._pacing.policy.retries)
        if isinstance(error, _UNREACHABLE) and not looked:
            self.stopped = error


@dataclass(frozen=True, slots=True)
class _Flight:
    """A chunk that is on its way, and how its results are asked for."""

    chunk: Chunk
    step: Step


def _own(running: Running, error: KintoError) -> KintoError:
    """The error of a batch as that of one of its parts: a read is never uncertain."""
    cause = error.__cause__
    if isinstance(error, UncertainOutcomeError) and running.entry.reads and isinstance(cause, KintoError):
        return copy.copy(cause)
    own, target = copy.copy(error), running.entry.outcome.target
    own.__cause__ = cause
    if isinstance(own, UncertainOutcomeError) and isinstance(target, Stored):
        own.mine = target
    return own


def _parted(running: Sequence[Running]) -> Iterable[Sequence[Running]]:
    """What goes in one batch: the less, the more often it was taken back, because less can come in between."""
    size = max(1, len(running) >> max((one.aborted for one in running), default=0))
    return (running[start : start + size] for start in range(0, len(running), size))


def unsent(target: Any, cause: BaseException) -> NotSentError:
    """The error of what was not sent because of something that happened before."""
    why = "the batch was given up" if isinstance(cause, GeneratorExit) else _stopping(cause)
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
        parts.append(f"what followed was not sent, because {_stopping(stopped)}")
    error = BatchError("; ".join(parts))
    error.failures = tuple(failures)
    error.__cause__ = stopped
    return error


def _stopping(cause: BaseException) -> str:
    what = "nobody is signed in" if isinstance(cause, LoginError) else "the server could not be reached"
    return f"{what}: {cause}"
