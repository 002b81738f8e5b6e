# ruff: noqa: INP001  # pytest finds it by its name
"""Every Python block of these pages is run; so are the tables of conditions, and what is compared with kinto-http.py.
The tree of errors and the names of the reference are compared with the package.

One namespace a page. A page starts its own server in its first block; what it leaves open is closed here.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from doctest import ELLIPSIS
from types import ModuleType
from typing import Any
from urllib.parse import unquote

import pytest
from sybil import Document, Example, Region, Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

import kinto_models
from kinto_models import Client, KintoError, QueryError, errors
from kinto_models.models import binding
from tests.conftest import cheap_hashes, light_collections  # noqa: F401  # fixtures
from tests.peer import comparisons, pairs

_TABLE = re.compile(r"^\| (Condition|Not) \| (?:Kinto's filter|But) \|\n(?:\|.*\n)+", re.MULTILINE)
_ROW = re.compile(r"^\| `(.+?)`.*? \| `(.+?)`.* \|$", re.MULTILINE)
_TREE = re.compile(r"^KintoError\n(?:[│├└ ].*\n)+", re.MULTILINE)
_REFERENCE = re.compile(r"^::: kinto_models\.(\w+)$", re.MULTILINE)
_BRANCH = re.compile(r"^(.*)[├└]── (\w+)(?: +\((\w+)\))?", re.MULTILINE)


def tables(document: Document) -> Iterator[Region]:
    """The rows that say which filter a condition becomes, and those that say what to write instead of what."""
    for table in _TABLE.finditer(document.text):
        check = _becomes if table[1] == "Condition" else _refused
        for row in _ROW.finditer(document.text, table.start(), table.end()):
            yield Region(row.start(), row.end(), row.groups(), check)


def _becomes(example: Example) -> str | None:
    condition, expected = example.parsed
    query = _evaluate(f"Task.find({condition})", example)
    shown = unquote(repr(query).rpartition("?")[2].removesuffix(">"))
    return None if shown == expected else f"{condition} becomes {shown}, not {expected}"


def _refused(example: Example) -> None:
    wrong, right = example.parsed
    with pytest.raises(QueryError):
        _evaluate(f"Task.find({wrong})", example)
    _evaluate(f"Task.{right}" if right.startswith("find(") else f"Task.find({right})", example)


def _evaluate(code: str, example: Example) -> Any:
    return eval(code, dict(example.namespace))  # noqa: S307  # our own pages


def trees(document: Document) -> Iterator[Region]:
    """The tree of errors."""
    for tree in _TREE.finditer(document.text):
        yield Region(tree.start(), tree.end(), tree[0], _is_the_tree)


def _is_the_tree(example: Example) -> None:
    above: list[type[KintoError]] = [KintoError]
    for indent, name, builtin in _BRANCH.findall(example.parsed):
        error = getattr(errors, name)
        del above[len(indent) // 4 + 1 :]
        assert above[-1] in error.__bases__, name  # noqa: S101  # this is a test
        assert builtin in ("", *(base.__name__ for base in error.__bases__)), name  # noqa: S101
        above.append(error)
    names = {name for _, name, _ in _BRANCH.findall(example.parsed)}
    assert names == {*errors.__all__} - {"KintoError", "StatusError"}  # noqa: S101


def names(document: Document) -> Iterator[Region]:
    """The names of the reference: each public one, once."""
    listed = _REFERENCE.findall(document.text)
    if listed:
        yield Region(0, len(document.text), listed, _are_all)


def _are_all(example: Example) -> None:
    assert sorted(example.parsed) == sorted(kinto_models.__all__)  # noqa: S101


class Page(ModuleType):
    """The module that a page's code stands in: pickle looks for its classes there."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        super().__init__("page")
        self.__dict__["namespace"] = namespace

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["namespace"][name]
        except KeyError:
            raise AttributeError(name) from None


def begin(namespace: dict[str, Any]) -> None:
    """Makes a module of the page."""
    namespace["__name__"] = "page"
    sys.modules["page"] = Page(namespace)


def close(namespace: dict[str, Any]) -> None:
    """Closes the clients of a page, and takes away the one that ``connect()`` made current."""
    del sys.modules["page"]
    binding.BLOCKING.set_default(None)
    binding.AWAITED.set_default(None)
    for client in [value for value in namespace.values() if isinstance(value, Client)]:
        client.close()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=ELLIPSIS), tables, trees, names, comparisons, pairs],
    patterns=["*.md"],
    setup=begin,
    teardown=close,
).pytest()
