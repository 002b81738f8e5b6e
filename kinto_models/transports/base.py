"""What a client needs of a transport."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from kinto_models.protocol.messages import Request, Response

__all__ = ["DEFAULT_TIMEOUT", "Timeout", "Timeouts", "Transport"]

Timeout: TypeAlias = "float | tuple[float | None, float | None] | None"
"""Seconds for both, a (connect, read) pair, or None for no limit."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait.

    Attributes:
        connect: for a connection; None for no limit.
        read: between two reads of an answer; None for no limit.
    """

    connect: float | None
    read: float | None

    @classmethod
    def of(cls, timeout: Timeout) -> Timeouts:
        """Reads what a client takes as ``timeout``.

        Raises:
            ValueError: not a positive number, a pair of them, or None.
        """
        pair = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        if len(pair) != 2 or not all(_is_limit(limit) for limit in pair):
            raise ValueError(f"timeout is seconds, a (connect, read) pair of seconds, or None, not {timeout!r}")
        return cls(*pair)


def _is_limit(limit: object) -> bool:
    return limit is None or (isinstance(limit, (int, float)) and not isinstance(limit, bool) and limit > 0)


DEFAULT_TIMEOUT: Final = (5.0, 30.0)
"""Seconds to connect, and to wait for an answer."""


class Transport(Protocol):
    """Sends requests to one server. Safe to use from several threads."""

    @property
    def root(self) -> str:
        """The absolute address that targets are relative to."""
        ...

    def send(self, request: Request) -> Response:
        """Sends one request, once, and reads the whole answer.

        Raises:
            TransportError: the exchange did not complete.
        """
        ...

    def close(self) -> None:
        """Gives the connections back; nothing can be sent afterwards."""
        ...
