"""Runs operations over a blocking transport. All decisions are made elsewhere: here is only sending and waiting."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

from kinto_models.errors import KintoError, TransportError
from kinto_models.protocol.messages import Conversation, Operation, Request, Response
from kinto_models.protocol.operations import Listing
from kinto_models.protocol.retry import Pause, RetryPolicy, attempts
from kinto_models.transports.base import Transport

__all__ = ["Runner"]

T = TypeVar("T")

_log = logging.getLogger("kinto_models")


class Runner:
    """Runs operations, conversations and pages.

    Parameters:
        transport: sends requests.
        policy: when to send again.
        sleep: waits for a number of seconds.
    """

    def __init__(self, transport: Transport, policy: RetryPolicy, sleep: Callable[[float], None] = time.sleep) -> None:
        self.transport = transport
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
                    _log.info("%s: trying again in %.3g s", request.line, step.seconds)
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

    def pages(self, flow: Generator[Operation[Listing], Listing, None]) -> Iterator[Listing]:
        """The pages of a flow, each read when it is asked for."""
        operation = next(flow, None)
        while operation is not None:
            listing = self.run(operation)
            yield listing
            try:
                operation = flow.send(listing)
            except StopIteration:
                return
