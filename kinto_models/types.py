"""Words that every layer shares."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final, Literal

__all__ = ["UNSET", "Data", "Unset"]

Data = dict[str, Any]
"""One JSON object, as Kinto stores it."""


class Unset(Enum):
    """The type of ``UNSET``: not given at all, where None is a value of its own."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final[Literal[Unset.UNSET]] = Unset.UNSET
