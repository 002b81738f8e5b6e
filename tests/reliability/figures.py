"""What a measurement tells: figures, each with its bound; or why it could not be made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hypothesis import HealthCheck

__all__ = ["SLOW", "Figure", "Measurement", "SkippedError"]

SLOW: Final = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
"""What hypothesis is not to complain of where each example is many requests."""


class SkippedError(Exception):
    """Something that the measurement needs is not here; the message says what."""


@dataclass(frozen=True)
class Figure:
    """One line of what is printed.

    Attributes:
        what: was measured.
        value: as it is printed.
        bound: that it was held against, in words.
        held: whether it is within it.
    """

    what: str
    value: object
    bound: str
    held: bool

    def __str__(self) -> str:
        return f"{'ok    ' if self.held else 'FAILED'} {self.what}: {self.value}   [{self.bound}]"


Measurement = Callable[[], list[Figure]]
"""Prints what explains its figures, and returns them; raises ``SkippedError`` where it cannot be made."""
