"""Where in a class an error of the server's is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel

from kinto_models.models.expressions import bare, wire_name

__all__ = ["located"]

_DEEP: Final = 4
"""Levels to look into: a class may hold itself."""
_MISSING: Final = re.compile("'(.+)' is a required property")
_UNEXPECTED: Final = re.compile(r".*\('(.+?)'(?:, .*)? (?:was|were) unexpected\)")


def located(model: type[BaseModel], name: Any, description: str) -> tuple[str | int, ...]:
    """Where in a class an error of the server's is, as pydantic would say it: empty where that cannot be told.

    Parameters:
        model: the class.
        name: as the server says it: only the last part of the way there, which may be a number, and the last of all
            required fields where one is missing.
        description: the server's text, which knows better.
    """
    for pattern in (_MISSING, _UNEXPECTED):
        if found := pattern.fullmatch(description):
            name = found[1]
    if not isinstance(name, str):
        return ()
    parts = name.removeprefix("data.").split(".")
    ways = [way for way, wire in _ways(model, ()) if wire == parts[0]]
    nearest = [way for way in ways if len(way) == min(map(len, ways))]
    start = nearest[0] if len(nearest) == 1 else (parts[0],)  # where several may be meant, the name as Kinto says it
    return (*start, *(int(part) if part.isdigit() else part for part in parts[1:]))


def _ways(model: type[BaseModel], before: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """The way to each field of a class and of those in it, with the name that it is stored under."""
    for name, info in model.model_fields.items():
        yield (*before, name), wire_name(name, info)
        kind = bare(info.annotation)
        if isinstance(kind, type) and issubclass(kind, BaseModel) and len(before) < _DEEP:
            yield from _ways(kind, (*before, name))
