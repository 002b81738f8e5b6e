"""Runs operations over a blocking transport. All decisions are made elsewhere: here is only sending and waiting."""

from __future__ import annotations

import random
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TypeVar

from kinto_models.errors import KintoError, TransportError
from kinto_models.protocol.messages import (
    Ahead,
    Call,
    Conversation,
    Emit,
    Operation,
    Pause,
    Raised,
    Response,
    Started,
    Step,
    Stream,
    called,
    fail,
    hand,
)
from kinto_models.protocol.refusals import alert_of
from kinto_models.protocol.rehearsal import Rehearsal
from kinto_models.protocol.retry import Pacing, RetryPolicy, attempts
from kinto_models.repository.events import Subscribers
from kinto_models.repository.facts import Facts
from kinto_models.repository.running.narrating import narrated, note_pause
from kinto_models.transports.base import SENT, Transport

__all__ = ["Runner", "heed"]

T = TypeVar("T")


class Runner:
    """Runs operations, conversations and streams.

    Parameters:
        transport: sends requests.
        policy: when to send again.
        light: whether answers are to leave out what the client knows.
        renews: whether the transport gets other credentials where the server refuses a request.
        ahead: whether requests may be sent by another thread than the caller's.
        signed: whether requests carry credentials.
        rehearsal: carries out writes in a dry run.
        sleep: waits for a number of seconds.
    """

    def __init__(  # noqa: PLR0913  # what it sends with, and how
        self,
        transport: Transport,
        policy: RetryPolicy,
        *,
        light: bool = False,
        renews: bool = False,
        ahead: bool = True,
        signed: bool = False,
        rehearsal: Rehearsal | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.transport = transport
        self.facts: Facts = Facts()
        self.subscribers: Subscribers = Subscribers(awaited=False)
        self.light: bool = light
        self.pacing: Pacing = Pacing(policy, time.monotonic, random.random, renews=renews)
        self.rehearsal: Rehearsal | None = rehearsal
        self.signed: bool = signed
        self._ahead = ahead
        self._sleep = sleep

    def run(self, operation: Operation[T]) -> T:
        """Sends one operation, again where the policy says so, and reads its answer."""
        if self.rehearsal is not None and self.rehearsal.minds(operation):
            return self.converse(self.rehearsal.carry(operation))
        flow = narrated(attempts(operation, self.pacing))
        try:
            step = next(flow)
            while True:
                if isinstance(step, Pause):
                    SENT.get()()  # or as good as out
                    self._sleep(step.seconds)
                    step = next(flow)
                    continue
                try:
                    response = self.transport.send(step)
                except TransportError as error:
                    step = flow.send(error)
                except (KintoError, Raised) as error:  # the client was closed, nobody signed in, a file failed
                    step = flow.throw(error)
                else:
                    heed(response)
                    step = flow.send(response)
        except StopIteration as done:
            result: T = done.value
            return result
        except Raised as raised:
            raise raised.error from raised.error.__cause__

    def converse(self, conversation: Conversation[T]) -> T:
        """Runs the operations that a conversation yields, and returns what it returns."""
        try:
            step = next(conversation)
            while True:
                try:
                    result = self._result(step)
                except Exception as error:  # noqa: BLE001  # of an operation, or of a function of the user's
                    step = conversation.throw(error)
                else:
                    step = conversation.send(result)
        except StopIteration as done:
            value: T = done.value
            return value
        except Raised as raised:
            raise raised.error from raised.error.__cause__
        finally:
            conversation.close()

    def stream(self, stream: Stream[T]) -> Iterator[T]:
        """What a stream gives, each operation sent when its result is asked for."""
        while (emitted := self._advance(stream)) is not None:
            value = emitted.value
            del emitted  # whoever asked for it may be the only one to hold it
            yield value
            del value

    def _advance(self, stream: Stream[T]) -> Emit[T] | None:
        step = next(stream, None)
        while not (step is None or isinstance(step, Emit)):
            try:
                result = self._result(step)
            except Exception as error:  # noqa: BLE001  # see converse()
                step = fail(stream, error)
            else:
                step = hand(stream, result)
        return step

    def _result(self, step: Step) -> Any:
        if isinstance(step, Ahead):
            return self._started(step.operation)
        if isinstance(step, Pause):
            note_pause("batch", step)
            return self._sleep(step.seconds)
        if isinstance(step, Call):
            return called(step)
        return step.future.result() if isinstance(step, Started) else self.run(step)

    def _started(self, operation: Operation[T]) -> Operation[T] | Started:
        """The operation on its way, in a thread that waits for the server while this one works."""
        future: Future[T] = Future()
        out = threading.Event()

        def work() -> None:
            try:
                future.set_result(self.run(operation))
            except BaseException as error:  # noqa: BLE001  # it is raised where the result is asked for
                future.set_exception(error)
            finally:
                out.set()

        if self._ahead:
            # A daemon, because nobody may ever ask: the end of the process does not wait for a page.
            context = copy_context()
            context.run(SENT.set, out.set)
            with suppress(RuntimeError):  # no thread can be started at the end of the interpreter
                threading.Thread(target=context.run, args=(work,), name="kinto_models", daemon=True).start()
                # Or this thread would hold the interpreter while it works, and the request would leave after that.
                out.wait()
                return Started(future)
        return operation


def heed(response: Response) -> None:
    """Warns of what the server warns of."""
    if "Alert" in response.headers and (alert := alert_of(response)) is not None:
        warnings.warn(alert, stacklevel=2)
