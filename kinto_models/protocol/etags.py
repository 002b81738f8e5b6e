"""Timestamps, ETags and preconditions.

Kinto's ETag is the object's or list's timestamp in milliseconds, between double quotes
(https://docs.kinto-storage.org/en/stable/api/1.x/timestamps.html). ``Last-Modified`` has a precision of one second and
is never used.
"""

from __future__ import annotations

import re
from typing import Final

from kinto_models.protocol.messages import Response

__all__ = ["IF_ABSENT", "format_etag", "if_match", "if_none_match", "parse_etag", "timestamp_of"]

IF_ABSENT: Final = {"If-None-Match": "*"}
"""Only if no such object exists."""

_ETAG = re.compile(r'"([0-9]{1,18})"')  # milliseconds have 13 digits


def parse_etag(value: str | None) -> int | None:
    """The timestamp in an ETag header, or None where there is none that Kinto could have sent."""
    match = _ETAG.fullmatch(value.strip()) if value else None
    return int(match.group(1)) if match else None


def format_etag(timestamp: int) -> str:
    """The ETag of a timestamp.

    Raises:
        ValueError: not a positive number of milliseconds. Kinto takes ``"0"`` for no precondition at all, so that a
            write under it would be unconditional.
    """
    if isinstance(timestamp, bool) or not isinstance(timestamp, int) or timestamp <= 0:
        raise ValueError(f"a timestamp is a positive number of milliseconds, not {timestamp!r}")
    return f'"{timestamp}"'


def if_match(timestamp: int | None) -> dict[str, str]:
    """Only if the object is still the one with this timestamp; None asks for no condition."""
    return {} if timestamp is None else {"If-Match": format_etag(timestamp)}


def if_none_match(timestamp: int | None) -> dict[str, str]:
    """Only if the timestamp differs from this one; None asks for no condition."""
    return {} if timestamp is None else {"If-None-Match": format_etag(timestamp)}


def timestamp_of(response: Response) -> int | None:
    """The timestamp that the answer's ETag header carries."""
    return parse_etag(response.headers.get("ETag"))
