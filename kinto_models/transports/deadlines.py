"""Gives up what takes too long, with one timer for all exchanges of an event loop.

aiohttp would have one for each, which costs a twentieth of the time of a small one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from kinto_models.protocol.messages import Body
from kinto_models.transports.exchange import Exchange

__all__ = ["ASKED", "Asked", "Deadlines"]


@dataclass(slots=True, eq=False)
class Asked(Exchange):
    """An exchange whose connection can be given up.

    Attributes:
        deadlines: those of its loop; None before it has one.
    """

    deadlines: Deadlines | None = None
    _connection: Any = None

    def leaves(self, connection: Any) -> None:
        """The request begins to leave over this connection of aiohttp's."""
        self.sent = True
        self._connection = connection
        if self.deadlines is not None:
            self.deadlines.add(self)

    async def leaving(self, body: Body) -> AsyncGenerator[bytes, None]:
        """What is sent. The time of the answer begins when all of it is out."""
        for piece in self.pieces(body):
            yield piece
            if self.deadlines is not None and self._connection is not None:
                self.deadlines.discard(self)
                self.deadlines.add(self)

    def give_up(self) -> None:
        """Ends the connection, and with it the wait for the answer."""
        self.late = True
        if self._connection.transport is not None:
            self._connection.transport.abort()

    def ended(self) -> None:
        """Whatever came of it, there is nothing to give up any more."""
        if self.deadlines is not None:
            self.deadlines.discard(self)


ASKED: Final[ContextVar[Asked]] = ContextVar("ASKED")
"""The exchange of the ``send()`` that is under way in this task."""


class Deadlines:
    """The exchanges of one loop that are under way.

    Parameters:
        seconds: that each may take; None for any time.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._under_way: dict[Asked, float] = {}  # all may take as long, so the first is the first to end
        self._timer: asyncio.TimerHandle | None = None

    def add(self, exchange: Asked) -> None:
        """Gives it up in time, unless it is discarded before."""
        if self._seconds is not None:
            self._under_way[exchange] = until = self._loop.time() + self._seconds
            if self._timer is None:
                self._timer = self._loop.call_at(until, self._strike)

    def discard(self, exchange: Asked) -> None:
        """It has ended, however."""
        self._under_way.pop(exchange, None)

    def close(self) -> None:
        """Stops the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _strike(self) -> None:
        self._timer = None
        for exchange, until in list(self._under_way.items()):
            if until > self._loop.time():
                self._timer = self._loop.call_at(until, self._strike)
                return
            self.discard(exchange)
            exchange.give_up()
