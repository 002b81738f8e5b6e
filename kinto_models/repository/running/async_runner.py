"""Runs operations over a transport that does not block: what ``runner`` does, awaited.

In a module of its own, because blocking programs need no event loop and should not load one.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
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
    Started,
    Step,
    Stream,
    fail,
    hand,
)
from kinto_models.protocol.rehearsal import Rehearsal
from kinto_models.protocol.retry import Pacing, RetryPolicy, attempts
from kinto_models.repository.events import Subscribers
from kinto_models.repository.facts import Facts
from kinto_models.repository.running.narrating import narrated, note_pause
from kinto_models.repository.running.runner import heed
from kinto_models.transports.base import AsyncTransport

__all__ = ["AsyncRunner"]

T = TypeVar("T")


class AsyncRunner:
    """Runs operations, conversations and streams, awaited. What is cancelled has changed no instance.

    Parameters:
        transport: sends requests.
        policy: when to send again.
        light: whether answers are to leave out what the client knows.
        renews: whether the transport gets other credentials where the server refuses a request.
        signed: whether requests carry credentials.
        rehearsal: carries out writes in a dry run.
        sleep: waits for a number of seconds.
    """

    def __init__(  # noqa: PLR0913  # what it sends with, and how
        self,
        transport: AsyncTransport,
        policy: RetryPolicy,
        *,
        light: bool = False,
        renews: bool = False,
        signed: bool = False,
        rehearsal: Rehearsal | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.transport = transport
        self.facts: Facts = Facts()
        self.subscribers: Subscribers = Subscribers(awaited=True)
        self.light: bool = light
        self.pacing: Pacing = Pacing(policy, time.monotonic, random.random, renews=renews)
        self.rehearsal: Rehearsal | None = rehearsal
        self.signed: bool = signed
        self._sleep = sleep

    async def run(self, operation: Operation[T]) -> T:
        """Sends one operation, again where the policy says so, and reads its answer."""
        if self.rehearsal is not None and self.rehearsal.minds(operation):
            return await self.converse(self.rehearsal.carry(operation))
        flow = narrated(attempts(operation, self.pacing))
        try:
            step = next(flow)
            while True:
                if isinstance(step, Pause):
                    await self._sleep(step.seconds)
                    step = next(flow)
                    continue
                try:
                    response = await self.transport.send(step)
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

    async def converse(self, conversation: Conversation[T]) -> T:
        """Runs the operations that a conversation yields, and returns what it returns."""
        started: list[asyncio.Future[Any]] = []
        try:
            step = next(conversation)
            while True:
                try:
                    result = await self._result(step, started)
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
            _drop(started)

    async def stream(self, stream: Stream[T]) -> AsyncIterator[T]:
        """What a stream gives, each operation sent when its result is asked for."""
        started: list[asyncio.Future[Any]] = []
        try:
            while (emitted := await self._advance(stream, started)) is not None:
                value = emitted.value
                del emitted  # whoever asked for it may be the only one to hold it
                yield value
                del value
        finally:
            _drop(started)

    async def _advance(self, stream: Stream[T], started: list[asyncio.Future[Any]]) -> Emit[T] | None:
        step = next(stream, None)
        while not (step is None or isinstance(step, Emit)):
            try:
                result = await self._result(step, started)
            except Exception as error:  # noqa: BLE001  # see converse()
                step = fail(stream, error)
            else:
                step = hand(stream, result)
        return step

    async def _result(self, step: Step, started: list[asyncio.Future[Any]]) -> Any:
        if isinstance(step, Ahead):
            started[:] = [asyncio.ensure_future(self.run(step.operation))]  # the one before was waited for
            await asyncio.sleep(0)  # it goes off now, and not when this task waits for the next time
            return Started(started[0])
        if isinstance(step, Pause):
            note_pause("batch", step)
            return await self._sleep(step.seconds)
        if isinstance(step, Call):
            result = await asyncio.to_thread(step.function) if step.blocks else step.function()
            return await result if isinstance(result, Awaitable) else result
        return await step.future if isinstance(step, Started) else await self.run(step)


def _drop(started: Iterable[asyncio.Future[Any]]) -> None:
    """Gives up what was asked for ahead, if nobody waited for it."""
    for task in started:
        task.cancel()
