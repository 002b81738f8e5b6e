"""How much, and how long, an answer may be: a server that never ends it must not take all memory or all time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["DEFAULT_LIMITS", "Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client takes of one answer. Beyond, the connection is given up and an error raised.

    Attributes:
        answer_bytes: of a body, decompressed; None for no limit. Beyond: ``AnswerTooLargeError``.
        answer_seconds: until the answer is whole, headers included, however steadily it drips; None for no limit.
            Beyond: ``ReadTimeoutError``. For a ``Client`` they begin when the request is out, for an ``AsyncClient``
            when it begins to leave.

    Raises:
        ValueError: not a positive number, or None; a fraction of a byte.
    """

    answer_bytes: int | None = 256 * 1024 * 1024
    answer_seconds: float | None = 300.0

    def __post_init__(self) -> None:
        whole = self.answer_bytes is None or isinstance(self.answer_bytes, int)
        if not whole or not all(is_limit(limit) for limit in (self.answer_bytes, self.answer_seconds)):
            raise ValueError(f"{self!r}: a limit is a positive number, or None")


def is_limit(limit: object) -> bool:
    """Whether this is a positive number, or None for no limit."""
    return limit is None or (isinstance(limit, (int, float)) and not isinstance(limit, bool) and limit > 0)


DEFAULT_LIMITS: Final = Limits()
