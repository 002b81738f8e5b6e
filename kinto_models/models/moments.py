"""Points in time, as Kinto counts them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Final

from kinto_models.errors import QueryError

__all__ = ["in_milliseconds"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND: Final = timedelta(milliseconds=1)


def in_milliseconds(what: str, at: int | datetime) -> int:
    """Milliseconds since 1970; what is no datetime is given back as it is.

    Raises:
        QueryError: a datetime that does not say in which timezone it is.
    """
    if not isinstance(at, datetime):
        return at
    if at.utcoffset() is None:
        raise QueryError(f"{what}: {at!r} does not say its timezone, such as by tzinfo=timezone.utc")
    return (at - _EPOCH) // _MILLISECOND
