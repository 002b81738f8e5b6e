"""The three-way merge: what two sides made of the same object, in JSON.

Field by field, and objects within objects key by key. A list is one value: where both sides changed it, nobody can tell
what the two together mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, TypeVar

from pydantic import BaseModel

from kinto_models.errors import NotSavedError
from kinto_models.models.stored import Stored, state_of
from kinto_models.models.tracking import absorb, diff, dump, parse, same, wire_names
from kinto_models.protocol.bodies import encode
from kinto_models.types import Data

__all__ = ["Merge", "Side", "merge", "merge_instances", "rebase"]

S = TypeVar("S", bound=Stored)

Side: TypeAlias = Literal["mine", "theirs"]

_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Merge:
    """What came of a merge.

    Attributes:
        data: all changes of either side, and those of the preferred side where both changed the same to different
            values.
        overlapping: the stored names of the fields where that is so.
    """

    data: Data
    overlapping: frozenset[str]


def merge(base: Data, mine: Data, theirs: Data, prefer: Side = "mine") -> Merge:
    """Puts together what both sides made of ``base``."""
    data: Data = {}
    overlapping: set[str] = set()
    for name in {**theirs, **mine}:
        value, overlaps = _value(base.get(name, _ABSENT), mine.get(name, _ABSENT), theirs.get(name, _ABSENT), prefer)
        if overlaps:
            overlapping.add(name)
        if value is not _ABSENT:
            data[name] = value
    return Merge(data, frozenset(overlapping))


def _value(base: Any, mine: Any, theirs: Any, prefer: Side) -> tuple[Any, bool]:
    """The value, and whether both sides changed it."""
    if same(mine, theirs) or same(base, theirs):
        return mine, False
    if same(base, mine):
        return theirs, False
    if isinstance(base, dict) and isinstance(mine, dict) and isinstance(theirs, dict):
        inner = merge(base, mine, theirs, prefer)
        return inner.data, bool(inner.overlapping)
    return (mine if prefer == "mine" else theirs), True


def merge_instances(mine: S, theirs: S, base: Data | None, prefer: Side = "mine") -> Merge:
    """Puts together two instances of one object.

    Parameters:
        mine: the instance with changes.
        theirs: the object as it was read later.
        base: what ``mine`` was read as; None for a new instance, whose changes are the fields that it was given.
        prefer: whose value stands where both changed the same.
    """
    if base is None:
        names = wire_names(type(mine))
        given = {names.get(name, name) for name in (*mine.model_fields_set, *(mine.model_extra or {}))}
        return merge({}, {wire: value for wire, value in dump(mine).items() if wire in given}, dump(theirs), prefer)
    before = dump(parse(type(mine), base))
    return merge(before, _side(mine, base, before), _side(theirs, base, before), prefer)


def _side(obj: Stored, base: Data, before: Data) -> Data:
    changes = diff(obj, base)
    written = {wire: value for wire, value in before.items() if wire not in changes.removed}
    aligned: Data = _aligned(obj, {**written, **changes.written}, before)
    return aligned


def _aligned(value: Any, told: Any, base: Any) -> Any:
    """The JSON of a value with its sets in the order of ``base`` where they are equal: a set has none of its own."""
    if isinstance(value, (set, frozenset)) and isinstance(told, list) and isinstance(base, list):
        return base if sorted(map(encode, told)) == sorted(map(encode, base)) else told
    if isinstance(value, BaseModel) and isinstance(told, dict) and isinstance(base, dict):
        names = {wire: name for name, wire in wire_names(type(value)).items()}
        return {w: _aligned(getattr(value, str(names.get(w, w)), None), v, base.get(w)) for w, v in told.items()}
    if isinstance(value, dict) and isinstance(told, dict) and isinstance(base, dict) and len(value) == len(told):
        inner = zip(value.values(), told.items(), strict=True)
        return {key: _aligned(each, json, base.get(key)) for each, (key, json) in inner}
    if (
        isinstance(value, (list, tuple))
        and isinstance(told, list)
        and isinstance(base, list)
        and len(value) == len(told) == len(base)
    ):
        return [_aligned(*each) for each in zip(value, told, base, strict=True)]
    return told


def rebase(obj: S, theirs: S, prefer: Side = "mine") -> None:
    """Puts the unsaved changes of an instance on top of ``theirs``, the same object read later.

    Raises:
        NotSavedError: ``theirs`` is not that.
        pydantic.ValidationError: what the two sides make together does not fit the class.
    """
    if not theirs.saved or theirs.id != obj.id:
        raise NotSavedError("rebase() takes the same object as it is on the server")
    moved = obj.permissions.moved(theirs.permissions) if obj.permissions.changed else None
    data = merge_instances(obj, theirs, state_of(obj).data if obj.saved else None, prefer).data
    absorb(obj, parse(type(obj), {**data, "id": theirs.id, "last_modified": theirs.last_modified}))
    state_of(obj).take(state_of(theirs))
    state_of(obj).permissions = moved
