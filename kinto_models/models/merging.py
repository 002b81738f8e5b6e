"""The three-way merge: what two sides made of the same object, in JSON.

Field by field, and objects within objects key by key. A list is one value: where both sides changed it, nobody can tell
what the two together mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, TypeVar

from kinto_models.errors import NotSavedError
from kinto_models.models.stored import Stored, state_of
from kinto_models.models.tracking import Changes, absorb, diff, dump, parse, same, wire_names
from kinto_models.types import Data

__all__ = ["Merge", "Side", "merge", "merged", "rebase"]

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
        value, overlaps = _merged(base.get(name, _ABSENT), mine.get(name, _ABSENT), theirs.get(name, _ABSENT), prefer)
        if overlaps:
            overlapping.add(name)
        if value is not _ABSENT:
            data[name] = value
    return Merge(data, frozenset(overlapping))


def _merged(base: Any, mine: Any, theirs: Any, prefer: Side) -> tuple[Any, bool]:
    """The value, and whether both sides changed it."""
    if same(mine, theirs) or same(base, theirs):
        return mine, False
    if same(base, mine):
        return theirs, False
    if isinstance(base, dict) and isinstance(mine, dict) and isinstance(theirs, dict):
        inner = merge(base, mine, theirs, prefer)
        return inner.data, bool(inner.overlapping)
    return (mine if prefer == "mine" else theirs), True


def merged(mine: S, theirs: S, base: Data | None, prefer: Side = "mine") -> Merge:
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
    return merge(before, _changed(before, diff(mine, base)), _changed(before, diff(theirs, base)), prefer)


def _changed(data: Data, changes: Changes) -> Data:
    return {**{name: value for name, value in data.items() if name not in changes.removed}, **changes.written}


def rebase(obj: S, theirs: S, prefer: Side = "mine") -> None:
    """Puts the unsaved changes of an instance on top of ``theirs``, the same object read later.

    Raises:
        NotSavedError: ``theirs`` is not that.
        pydantic.ValidationError: what the two sides make together does not fit the class.
    """
    if not theirs.saved or theirs.id != obj.id:
        raise NotSavedError("rebase() takes the same object as it is on the server")
    moved = obj.permissions.moved(theirs.permissions) if obj.permissions.changed else None
    data = merged(obj, theirs, state_of(obj).data if obj.saved else None, prefer).data
    absorb(obj, parse(type(obj), {**data, "id": theirs.id, "last_modified": theirs.last_modified}))
    state_of(obj).take(state_of(theirs))
    state_of(obj).permissions = moved
