"""The table, and the page that it stands on."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version

from tests.benchmarks.measuring import Measured

_PACKAGES = ("kinto-models", "kinto-http", "kinto", "pydantic", "requests", "aiohttp")


@dataclass(frozen=True)
class Bound:
    """What a figure must not exceed, or must be."""

    value: float
    exact: bool = False

    def misses(self, figure: float) -> bool:
        return figure != self.value if self.exact else figure > self.value

    def __str__(self) -> str:
        return f"{'' if self.exact else '≤ '}{self.value:g}"


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    ours: str
    against: str
    theirs: str
    figure: str
    bound: Bound | None
    missed: bool

    @classmethod
    def compared(
        cls, what: str, taken: Mapping[str, Measured], other: str, called: str, bound: float | None = None
    ) -> Row:
        """Ours beside another of the same measurement."""
        ours, theirs = taken["ours"], taken[other]
        ratio, limit = ours.of(theirs), None if bound is None else Bound(bound)
        against = called if other in ("both", "pydantic and requests") else f"{other} {called}"
        missed = limit is not None and limit.misses(ratio)
        return cls(what, _time(ours.median), against, _time(theirs.median), f"{ratio:.2f}", limit, missed)

    @classmethod
    def ratio(cls, what: str, ours: float, theirs: float, called: str, bound: float) -> Row:
        """Two sizes in bytes."""
        figure, limit = ours / theirs, Bound(bound)
        return cls(
            what, f"{ours:,.0f}", f"kinto-http {called}", f"{theirs:,.0f}", f"{figure:.4f}", limit, limit.misses(figure)
        )

    @classmethod
    def absolute(cls, what: str, figure: float, unit: str, bound: Bound) -> Row:
        """A figure that is compared with nothing."""
        return cls(what, f"{figure:.3g} {unit}".strip(), "", "", f"{figure:.3g}", bound, bound.misses(figure))


def table(rows: Sequence[Row]) -> str:
    """All rows, in Markdown."""
    lines = ["| What | Here | Against | There | Ratio | Bound |", "| --- | ---: | --- | ---: | ---: | ---: |"]
    for row in rows:
        figure = row.figure if row.against else ""
        bound = "" if row.bound is None else f"{row.bound}{' **missed**' if row.missed else ''}"
        lines.append(f"| {row.what} | {row.ours} | {row.against} | {row.theirs} | {figure} | {bound} |")
    return "\n".join(lines)


def page(rows: Sequence[Row]) -> str:
    """docs/performance.md."""
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    today = datetime.now(timezone.utc).date()
    return _PAGE.format(table=table(rows), versions=versions, python=python, machine=machine, today=today)


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.0f} µs"


_PAGE = """# Performance

What the types cost, and what they save. `make bench` wrote this page; run it on your machine: the ratios are what
counts.

{table}

Measured on {today}: {machine}, {python}, {versions}.

## How it is measured

Both sides run in turns, in one process and one run, there and back in each round, so that whatever else the machine
does, and whatever gets slower meanwhile, meets both. A figure is the median of the rounds, a ratio the median of the
rounds' own ratios. The first round is not counted, but where one takes a minute.

- **CPU** is the process time of the client alone. A server in another process answers at once, with the bytes that a
  real Kinto gave to the same requests. `requests` and `aiohttp` by themselves, with `.json()` and nothing else, show
  how much of it is the wire's.
- **Wall** is the time until it is done, against a real Kinto in another process, in memory, without history. Most of it
  is the server's, which is why ratios near 1 say little and those far from it much.
- **Memory** is how far the peak of a process rises above what it was after its first records.

## Where it comes from

- A request goes to urllib3's pool as it is: what is the same for every request is made once for a client, and neither
  address nor headers are parsed and written again.
- Answers are validated from their bytes. A loaded instance costs two references more than pydantic's own: what the
  server said is parsed only when someone asks what changed. While a page is made, Python's garbage collector pauses.
- `save()` sends the fields that changed, and nothing where none did.
- While a page or the answer to a batch is dealt with, the next one is on its way: in async code in the same event loop,
  otherwise by a thread that only waits.
- No `Accept` header is sent: Kinto has nothing but JSON, and reading that header again for each part takes it a
  twentieth of the time of a batch.
- Iterating asks for pages of 1,000 records, so that memory holds no more than that.
- `since()` asks for what changed, `sync_to()` writes what differs.

## What makes it slow

- A class with validators of its own in Python: they run for each record.
- `dirty`, `changes` and `save()` write the instance as JSON and compare it with what the server said: some 50 µs for
  nine fields.
- A query without `limit()` or `select()` that reads more than is used.
"""
