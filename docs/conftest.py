"""Every Python block of these pages is run, and every row of a table of conditions is compared with its filter.

One namespace a page. A page starts its own server in its first block; what it leaves open is closed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from doctest import ELLIPSIS
from typing import Any
from urllib.parse import unquote

from sybil import Document, Example, Region, Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from kinto_models import Client
from kinto_models.models import binding

_ROW = re.compile(r"^\| `(?P<condition>[^`]+)` \| `(?P<filter>[^`]+)` \|", re.MULTILINE)
_TABLE = re.compile(r"^\| Condition \| Kinto's filter \|.*\n(?:\|.*\n)+", re.MULTILINE)


def conditions(document: Document) -> Iterator[Region]:
    """The rows of tables that say which filter a condition becomes."""
    for table in _TABLE.finditer(document.text):
        for row in _ROW.finditer(document.text, table.start(), table.end()):
            yield Region(row.start(), row.end(), (row["condition"], row["filter"]), _compare)


def _compare(example: Example) -> str | None:
    condition, expected = example.parsed
    query = eval(f"Task.find({condition})", example.namespace)  # noqa: S307  # our own pages
    shown = unquote(repr(query).rpartition("?")[2].removesuffix(">"))
    return None if shown == expected else f"{condition} becomes {shown}, not {expected}"


def close(namespace: dict[str, Any]) -> None:
    """Closes the clients of a page, and takes away the one that ``connect()`` made current."""
    binding.set_default(None)
    for client in [value for value in namespace.values() if isinstance(value, Client)]:
        client.close()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=ELLIPSIS), conditions], patterns=["*.md"], teardown=close
).pytest()
