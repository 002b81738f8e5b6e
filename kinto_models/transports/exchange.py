"""How far one exchange came, noted by the connection that it goes over for whoever makes an error of a failure."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

__all__ = ["EXCHANGE", "Exchange"]


@dataclass(slots=True, eq=False)
class Exchange:
    """One request and its answer.

    Attributes:
        sent: whether a byte of the request may have left.
        late: whether the answer was given up because it took too long as a whole.
    """

    sent: bool = False
    late: bool = False


EXCHANGE: Final[ContextVar[Exchange]] = ContextVar("EXCHANGE")
"""The exchange of the ``send()`` that is under way in this thread."""
