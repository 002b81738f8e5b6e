"""What a server says, as an error, a warning or a log may repeat it."""

from __future__ import annotations

__all__ = ["plain"]

_SHOWN = 500
"""Characters of what is repeated."""


def plain(text: str, shown: int = _SHOWN) -> str:
    """The text in one line, without what would move a cursor, colour a terminal or turn the direction of writing."""
    line = text if text.isprintable() else "".join(each if each.isprintable() else " " for each in text)
    return " ".join(line.split())[:shown]
