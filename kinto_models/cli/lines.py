"""Any text as a line that a terminal can be given."""

from __future__ import annotations

from typing import Final

__all__ = ["shown"]

_JOINERS: Final = "\u00a0\u200c\u200d\u3000"
"""Neither letters nor harmful: spaces, and what words and emoji are put together with."""


def shown(text: object) -> str:
    """Any text in one line that a terminal can be given."""
    line = str(text)
    if line.isprintable():
        return line
    return "".join(
        each if each.isprintable() or each in _JOINERS else each.encode("unicode_escape").decode() for each in line
    )
