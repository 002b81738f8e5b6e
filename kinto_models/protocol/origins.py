"""Whose an address is (RFC 6454): what is trusted with secrets, and what is not."""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult

__all__ = ["origin_of"]

_PORTS: Final = {"http": 80, "https": 443}


def origin_of(parts: SplitResult) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of an address.

    Raises:
        ValueError: a port that is no number.
    """
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
