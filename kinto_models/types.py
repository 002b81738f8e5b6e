"""Words that every layer shares."""

from __future__ import annotations

from typing import Any

__all__ = ["Data", "EndOfLifeWarning"]

Data = dict[str, Any]
"""One JSON object, as Kinto stores it."""


class EndOfLifeWarning(FutureWarning):
    """The server says that it, or what was asked for, is going to end. A warning, not an error: it is shown once, and
    ``warnings.simplefilter("error", EndOfLifeWarning)`` makes it an error.
    """
