"""Where in a class an error of the server's is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, get_args, get_origin

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
    if len(ways) > 1 or (ways and ways[0] is None):
        return ()  # several may be meant, or one in a list
    start = (ways[0] if ways else None) or (parts[0],)
    return (*start, *(int(part) if part.isdigit() else part for part in parts[1:]))


def _ways(
    model: type[BaseModel], before: tuple[str, ...], *, listed: bool = False
) -> Iterator[tuple[tuple[str, ...] | None, str]]:
    """The way to each field of a class and of those in it, with the name that it is stored under; None for one that
    leads through a list.
    """
    for name, info in model.model_fields.items():
        way = (*before, name)
        yield None if listed else way, wire_name(name, info)
        for inner, many in _models_in(info.annotation):
            if inner is not model and len(way) <= _DEEP:
                yield from _ways(inner, way, listed=listed or many)


def _models_in(annotation: Any) -> Iterator[tuple[type[BaseModel], bool]]:
    """The models that a field may hold, and whether in a list or under a key."""
    held = bare(annotation)
    if isinstance(held, type) and issubclass(held, BaseModel):
        yield held, False
    for each in get_args(held):
        for inner, listed in _models_in(each):
            yield inner, listed or get_origin(held) in (list, set, frozenset, tuple, dict)
