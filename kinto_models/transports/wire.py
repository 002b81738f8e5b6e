"""What http.client reads an answer from: a socket that is read until a moment, and knows whether it has ended."""

from __future__ import annotations

from http.client import HTTPResponse, IncompleteRead
from io import BufferedReader, RawIOBase
from math import inf
from time import monotonic
from typing import Any

from kinto_models.transports.exchange import EXCHANGE

__all__ = ["WireResponse"]


class _Wire(RawIOBase):
    """Stands for a socket where http.client makes a file of it.

    Attributes:
        ended: whether the server has sent all that it will.
    """

    __slots__ = ("_bytes", "_sock", "_timeout", "_until", "ended")

    def __init__(self, sock: Any, timeout: float | None, seconds: float | None) -> None:
        self._sock = sock
        self._bytes = sock.makefile("rb", buffering=0)
        self._timeout = inf if timeout is None else timeout
        self._until = inf if seconds is None else monotonic() + seconds
        self.ended = False

    def makefile(self, _mode: str) -> BufferedReader:
        return BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            self._hurry()
            number: int = self._bytes.readinto(buffer)
        except TimeoutError:
            EXCHANGE.get().late = monotonic() >= self._until
            raise
        self.ended = number == 0
        return number

    def _hurry(self) -> None:
        left = self._until - monotonic()
        if left <= 0:
            raise TimeoutError
        if left < self._timeout:  # else the socket's own limit, which is the one between two reads, strikes first
            self._sock.settimeout(left)

    def close(self) -> None:
        self._bytes.close()
        super().close()


class WireResponse(HTTPResponse):
    """An answer that has to be there in time, and whose headers have to be whole: http.client takes what it got.

    Parameters:
        sock: the socket, whose time limit is set.
        timeout: that limit: seconds between two reads, or None.
        seconds: for all of the answer, from now on, or None.
    """

    def __init__(self, sock: Any, timeout: float | None, seconds: float | None, *args: Any, **options: Any) -> None:
        self._wire = _Wire(sock, timeout, seconds)
        super().__init__(self._wire, *args, **options)  # type: ignore[arg-type]

    def begin(self) -> None:
        """Reads status and headers."""
        super().begin()
        if self._wire.ended:
            raise IncompleteRead(b"")
