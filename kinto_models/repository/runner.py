"""Runs operations over a transport, blocking or awaited. All decisions are made elsewhere: here is only sending and
waiting.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeVar

from kinto_models.errors import KintoError, TransportError
from kinto_models.protocol.messages import Conversation, Emit, Operation, Request, Response, Stream, hand
from kinto_models.protocol.retry import Pause, RetryPolicy, attempts
from kinto_models.repository.delivery import Limits
from kinto_models.transports.base import AsyncTransport, Transport

__all__ = ["AsyncRunner", "Runner"]

T = TypeVar("T")

_log = logging.getLogger("kinto_models")


class Runner:
    """Runs operations, conversations and streams.

    Parameters:
        transport: sends requests.
        policy: when to send again.
        sleep: waits for a number of seconds.
    """

    def __init__(self, transport: Transport, policy: RetryPolicy, sleep: Callable[[float], None] = time.sleep) -> None:
        self.transport = transport
        self.limits = Limits()
        self._policy = policy
        self._sleep = sleep

    def run(self, operation: Operation[T]) -> T:
        """Sends one operation, again where the policy says so, and reads its answer."""
        return operation.decode(self._exchange(operation.request))

    def _exchange(self, request: Request) -> Response:
        flow = attempts(request, self._policy)
        try:
            step = next(flow)
            while True:
                if isinstance(step, Pause):
                    _log_pause(request, step)
                    self._sleep(step.seconds)
                    step = next(flow)
                else:
                    step = flow.send(self._outcome(step))
        except StopIteration as done:
            response: Response = done.value
            return response

    def _outcome(self, request: Request) -> Response | TransportError:
        try:
            return self.transport.send(request)
        except TransportError as error:
            return error

    def converse(self, conversation: Conversation[T]) -> T:
        """Runs the operations that a conversation yields, and returns what it returns."""
        try:
            operation = next(conversation)
            while True:
                try:
                    result = self.run(operation)
                except KintoError as error:
                    operation = conversation.throw(error)
                else:
                    operation = conversation.send(result)
        except StopIteration as done:
            value: T = done.value
            return value

    def stream(self, stream: Stream[T]) -> Iterator[T]:
        """What a stream gives, each operation sent when its result is asked for."""
        while (emitted := self._advance(stream)) is not None:
            yield emitted.value

    def _advance(self, stream: Stream[T]) -> Emit[T] | None:
        step = next(stream, None)
        while isinstance(step, Operation):
            step = hand(stream, self.run(step))
        return step


class AsyncRunner:
    """The same, awaited. What is cancelled has changed no instance.

    Parameters:
        transport: sends requests.
        policy: when to send again.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        transport: AsyncTransport,
        policy: RetryPolicy,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.transport = transport
        self.limits = Limits()
        self._policy = policy
        self._sleep = sleep

    async def run(self, operation: Operation[T]) -> T:
        """Sends one operation, again where the policy says so, and reads its answer."""
        return operation.decode(await self._exchange(operation.request))

    async def _exchange(self, request: Request) -> Response:
        flow = attempts(request, self._policy)
        try:
            step = next(flow)
            while True:
                if isinstance(step, Pause):
                    _log_pause(request, step)
                    await self._sleep(step.seconds)
                    step = next(flow)
                else:
                    step = flow.send(await self._outcome(step))
        except StopIteration as done:
            response: Response = done.value
            return response

    async def _outcome(self, request: Request) -> Response | TransportError:
        try:
            return await self.transport.send(request)
        except TransportError as error:
            return error

    async def converse(self, conversation: Conversation[T]) -> T:
        """Runs the operations that a conversation yields, and returns what it returns."""
        try:
            operation = next(conversation)
            while True:
                try:
                    result = await self.run(operation)
                except KintoError as error:
                    operation = conversation.throw(error)
                else:
                    operation = conversation.send(result)
        except StopIteration as done:
            value: T = done.value
            return value

    async def stream(self, stream: Stream[T]) -> AsyncIterator[T]:
        """What a stream gives. While one result is dealt with, the next is asked for."""
        emitted = await self._advance(stream)
        while emitted is not None:
            ahead = asyncio.ensure_future(self._advance(stream))
            try:
                yield emitted.value
                emitted = await ahead
            finally:
                _drop(ahead)

    async def _advance(self, stream: Stream[T]) -> Emit[T] | None:
        step = next(stream, None)
        while isinstance(step, Operation):
            step = hand(stream, await self.run(step))
        return step


def _drop(task: asyncio.Future[Any]) -> None:
    """Gives up what was asked for ahead, if nobody waited for it; its error is nobody's then."""
    if not task.cancel() and not task.cancelled():
        task.exception()


def _log_pause(request: Request, pause: Pause) -> None:
    _log.info("%s: trying again in %.3g s", request.line, pause.seconds)
