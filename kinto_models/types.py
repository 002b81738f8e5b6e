"""Words that every layer shares."""

from __future__ import annotations

from typing import Any

__all__ = ["Data", "EndOfLifeWarning"]

Data = dict[str, Any]
"""One JSON object, as Kinto stores it."""


class EndOfLifeWarning(FutureWarning):
    """The server says that it, or what was asked for, is going to end. A warning, not an error: it is shown once, and
    ``warnings.simplefilter("error", EndOfLifeWarning)`` makes it an error.

    Attributes:
        code: ``"soft-eol"`` for an end to come, ``"hard-eol"`` for one that has come; None where the server says
            neither (https://docs.kinto-storage.org/en/stable/api/1.x/deprecation.html).
        url: where more is said, or None.
    """

    def __init__(self, message: str, code: str | None = None, url: str | None = None) -> None:
        super().__init__(message)
        self.code: str | None = code
        self.url: str | None = url
