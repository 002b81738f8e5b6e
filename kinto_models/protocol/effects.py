"""What a write makes of an object, as Kinto would (https://docs.kinto-storage.org/en/stable/api/1.x/records.html)."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kinto_models.protocol.bodies import JSON_PATCH, MERGE_PATCH
from kinto_models.protocol.messages import Request
from kinto_models.types import Data

__all__ = ["Stored", "written"]


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as a server has it.

    Attributes:
        data: with its id and its timestamp.
        permissions: principals by ACE, as far as they are shown.
    """

    data: Data
    permissions: Mapping[str, list[str]] = field(default_factory=dict)


def written(request: Request, before: Stored | None) -> Stored:
    """The object after a POST, PUT or PATCH, its id and timestamp aside.

    Raises:
        ValueError: a JSON Patch that the object does not allow.
    """
    body = json.loads(request.body or b"{}")
    old = before or Stored({})
    if request.method != "PATCH":
        return Stored(body.get("data") or {}, body.get("permissions") or old.permissions)
    kind = request.headers.get("Content-Type")
    if kind == JSON_PATCH:
        return _patched(old, body)
    change = body.get("data") or {}
    data = _merged(old.data, change) if kind == MERGE_PATCH else {**old.data, **change}
    return Stored(data, {**old.permissions, **(body.get("permissions") or {})})


def _merged(old: Any, change: Data) -> Data:
    """RFC 7396, but for an empty object, which Kinto puts where nothing is (kinto.core.utils.recursive_update_dict)."""
    merged = dict(old) if isinstance(old, dict) else {}
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = merged[key] if not value and key in merged else _merged(merged.get(key), value)
        else:
            merged[key] = value
    return merged


def _patched(old: Stored, operations: list[Data]) -> Stored:
    """RFC 6902, over principals as the keys of their ACE, which Kinto makes where they are missing."""
    aces = {ace: dict.fromkeys(principals) for ace, principals in old.permissions.items()}
    document: Data = copy.deepcopy({"data": old.data, "permissions": aces})
    for operation in operations:
        _apply(document, operation)
    patched = {ace: list(held) for ace, held in document["permissions"].items()}
    return Stored(document["data"], {**old.permissions, **patched})  # an ACE that is taken out stays as it is


def _apply(document: Data, operation: Data) -> None:
    op, path = operation["op"], _segments(operation["path"])
    if op in ("move", "copy"):
        source = _segments(operation["from"])
        value = copy.deepcopy(_at(document, source))
        if op == "move":
            _remove(document, source)
        _add(document, path, value)
    elif op == "add":
        _add(document, path, operation.get("value"))
    elif op == "remove":
        _remove(document, path)
    elif op == "replace":
        _remove(document, path)
        _add(document, path, operation.get("value"))
    elif op != "test" or _at(document, path) != operation.get("value"):
        raise ValueError(f"{op} {operation['path']}")


def _segments(pointer: str) -> list[str]:
    return [segment.replace("~1", "/").replace("~0", "~") for segment in pointer.split("/")[1:]]


def _at(document: Any, path: list[str]) -> Any:
    for segment in path:
        document = document[_key(document, segment)] if segment else document
    return document


def _add(document: Data, path: list[str], value: Any) -> None:
    if path[0] == "permissions" and len(path) > 2:  # a principal below its ACE
        document["permissions"].setdefault(path[1], {})
    holder, last = _at(document, path[:-1]), path[-1]
    if isinstance(holder, list):
        holder.insert(len(holder) if last == "-" else _key(holder, last, end=1), value)
    else:
        holder[last] = value


def _remove(document: Data, path: list[str]) -> None:
    holder = _at(document, path[:-1])
    if path[0] == "permissions":  # of which not all may be shown
        holder.pop(path[-1], None)
    else:
        del holder[_key(holder, path[-1])]


def _key(holder: Any, segment: str, *, end: int = 0) -> Any:
    """How the holder names what a segment means.

    Raises:
        ValueError: it has no such thing.
    """
    if isinstance(holder, dict):
        if segment in holder:
            return segment
    elif isinstance(holder, list) and segment.isdecimal() and int(segment) < len(holder) + end:
        return int(segment)
    raise ValueError(f"there is no {segment!r}")
