"""What a command writes: results on stdout, for people or as JSON, and all else on stderr.

Text that comes from a server is shown, and never obeyed: it is no markup, and what would move the cursor, colour the
terminal or turn the direction of writing is written out.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any, Final

from rich.console import Console, RenderableType
from rich.highlighter import JSONHighlighter
from rich.table import Table
from rich.text import Text

from kinto_models.cli.lines import shown

__all__ = ["Screen", "as_json", "cell", "columns", "compact", "moment"]

_BEYOND_ASCII: Final = re.compile(r"[^\x20-\x7e\n]")
_MOST: Final = 200
"""Characters of a value in a table: one that is very long makes all lines long. JSON has it whole."""
_WIDE: Final = 10_000
"""Columns of what is no terminal: there, lines are broken by whoever reads them."""


def compact(value: Any) -> str:
    """A JSON value in one line for people: text without its quotes."""
    if value is None:
        return ""
    return shown(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def moment(timestamp: int | None) -> str:
    """A timestamp of Kinto's for people, in UTC."""
    if timestamp is None:
        return ""
    try:
        return f"{datetime.fromtimestamp(timestamp / 1000, timezone.utc):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):  # of a year that no calendar has
        return str(timestamp)


def as_json(value: Any, *, indent: int | None = None) -> str:
    """JSON without a character that a terminal obeys."""
    utf8 = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
    text = json.dumps(value, ensure_ascii=not utf8, indent=indent)
    return _BEYOND_ASCII.sub(lambda found: found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1], text)


def columns(*whole: str, cut: Iterable[str]) -> Table:
    """A table with a line for each object.

    Parameters:
        whole: headings of columns that keep their width while there is any left.
        cut: those of the columns after them, whose ``cell()`` is cut off where it does not fit.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", caption_justify="left")
    for heading in whole:
        table.add_column(heading, no_wrap=True, overflow="ellipsis")
    for heading in cut:
        table.add_column(cell(heading), max_width=_MOST)
    return table


def cell(text: str) -> Text:
    """What stands in one line, and is cut off where that is too short."""
    return Text(text, no_wrap=True, overflow="ellipsis")


class Screen:
    """The two streams.

    Parameters:
        machine: results are JSON.

    Attributes:
        machine: whether they are.
        out: rich's console on stdout.
        err: rich's console on stderr.
    """

    def __init__(self, *, machine: bool) -> None:
        self.machine: bool = machine
        self.out: Console = _console(stderr=False)
        self.err: Console = _console(stderr=True)

    def document(self, value: Any) -> None:
        """Writes the one JSON document of a result."""
        self.out.file.write(as_json(value, indent=2) + "\n")

    def line(self, value: Any) -> None:
        """Writes a line of a result of JSON lines."""
        self.out.file.write(as_json(value) + "\n")

    def show(self, *what: RenderableType) -> None:
        """Writes a result for people."""
        for each in what:
            self.out.print(each)

    def pretty(self, value: Any) -> None:
        """Writes JSON for people, in colours."""
        self.out.print(JSONHighlighter()(Text(as_json(value, indent=2))))

    def note(self, text: str, style: str = "dim") -> None:
        """Says something beside the result."""
        self.err.print(Text(shown(text), style))

    def fail(self, text: str) -> None:
        """Says what went wrong, in one line."""
        self.err.print(Text.assemble(("error: ", "bold red"), shown(text)), soft_wrap=True)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leaves it to whoever ends the program, which rich would end with a status of its own."""
        raise BrokenPipeError


def _console(*, stderr: bool) -> Console:
    console = _Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDE
    return console
