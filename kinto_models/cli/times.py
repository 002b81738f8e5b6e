"""Moments as people write them."""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone
from typing import Annotated, Final

import typer

__all__ = ["Before", "Since", "timestamp_of"]

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def timestamp_of(text: str) -> int:
    """A timestamp of Kinto's: milliseconds as they are, a date in ISO 8601, UTC if it says nothing else, or how long
    ago: ``90s``, ``15m``, ``24h``, ``7d``, ``2w``.

    Raises:
        ValueError: none of these.
    """
    if text.isascii() and text.isdigit():
        return int(text)
    if ago := re.fullmatch(r"([0-9]{1,6})([smhdw])", text):
        return round((time.time() - int(ago[1]) * _SECONDS[ago[2]]) * 1000)
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ValueError("a timestamp, a date such as 2030-01-31 or 2030-01-31T12:00, or an age such as 24h") from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp() * 1000)


Since = Annotated[
    str,
    typer.Option(
        "--since",
        metavar="WHEN",
        help="Only what is younger: a timestamp, a date (UTC) such as 2030-01-31, or an age: 24h, 7d.",
        rich_help_panel="Lists",
    ),
]
Before = Annotated[
    str, typer.Option("--before", metavar="WHEN", help="Only what is older than that.", rich_help_panel="Lists")
]
