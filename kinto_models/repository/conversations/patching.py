"""patch() as conversations: whole fields and edits, of an instance or of the object with an id."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pydantic_core import to_jsonable_python

from kinto_models.errors import NotSavedError, UnknownPermissionsError
from kinto_models.models.attachments import has_file
from kinto_models.models.edits import Edit, applied, value_of
from kinto_models.models.expressions import refuse_foreign
from kinto_models.models.outcomes import SaveResult
from kinto_models.models.stored import Stored, as_told, state_of
from kinto_models.models.tracking import (
    SERVER_OWNED,
    Changes,
    diff,
    differing,
    dump,
    dump_json,
    names_of,
    parse,
    wire_names,
)
from kinto_models.protocol import operations
from kinto_models.protocol.bodies import BASIC
from kinto_models.protocol.messages import Conversation
from kinto_models.repository.conversations.hooks import attended, hook, loaded, saved, tell
from kinto_models.repository.conversations.keeping import refuse_file
from kinto_models.repository.conversations.patches import edit_patch
from kinto_models.repository.conversations.sending import called, patched, unchanged
from kinto_models.repository.mapper import Draft, Mapper
from kinto_models.types import Data

__all__ = ["patch", "valued"]

R = TypeVar("R", bound=Stored)


def patch(mapper: Mapper[R], target: R | str, edits: Sequence[Edit], values: dict[str, Any]) -> Conversation[Any]:
    """Changes some fields of an instance, or of the object with this id."""
    if isinstance(target, str):
        return _patch_by_id(mapper, target, edits, values)
    mapper.refuse_stranger(target)
    return _patch_instance(mapper, target, edits, values)


def _patch_instance(
    mapper: Mapper[R], obj: R, edits: Sequence[Edit], values: dict[str, Any]
) -> Conversation[SaveResult]:
    """Changes some fields of an instance, and leaves its other changes alone."""
    data = state_of(obj).data
    if data is None or not mapper.knows(obj):
        raise NotSavedError(f"{called(obj)} was never read or saved here: save() it, or patch() it by its id")
    edited = _edited(mapper, edits, values)
    _refuse_unknown(mapper, values)
    if has_file(data):
        yield from refuse_file(mapper, edited | values.keys())
    trial, old = parse(mapper.model, data).model_copy(update=values), None
    changes = _changed(mapper, trial, data, values)
    if not changes and not edits:
        return SaveResult(created=False, changed=frozenset(), etag=obj.etag)
    _refuse_unreadable(mapper, edits, data)
    if attended(mapper, type(obj)):
        old = as_told(obj)
        trial, touched = yield from _consulted(mapper, obj, trial, old)
        if has_file(data):
            yield from refuse_file(mapper, touched)
        changes = _changed(mapper, trial, data, {*values, *touched})
    mapper.refuse(_with_edits(changes, edits, edited))
    unsaved, aces = _unsaved(obj, data, edited), _aces(obj, trial)
    sent = changes.names | edited | ({"permissions"} if aces else set())
    draft = Draft(obj, dump_json(obj), trial, {}, names=sent)
    change = edit_patch(edits, changes, aces, mapper.aces)
    only, tells = unchanged(obj, force=False), change.content_type == BASIC or not edits
    answer = yield from patched(mapper, draft, change, _with_edits(changes, edits, edited), only=only, tells=tells)
    result = mapper.acknowledge(draft, answer, keep=unsaved - changes.names)
    yield from saved(mapper, obj, old, result)
    return result


def _unsaved(obj: Stored, data: Data, edited: frozenset[str]) -> frozenset[str]:
    """The names of the fields with other changes; none of them may be edited."""
    unsaved = diff(obj, data).names
    if both := sorted(unsaved & edited):
        raise ValueError(
            f"{called(obj)} has unsaved changes in {both[0]!r}: save() or refresh() it before that is edited"
        )
    return unsaved


def _aces(obj: Stored, trial: Stored) -> dict[str, list[str]]:
    """The permissions that a hook changed in the copy."""
    permissions = state_of(trial).permissions
    if permissions is None:
        return {}
    if permissions.pending():
        raise UnknownPermissionsError(
            f"the permissions of {called(obj)} are not known, so a hook cannot change them in a patch(): refresh() it"
        )
    return permissions.changes()


def _patch_by_id(mapper: Mapper[R], object_id: str, edits: Sequence[Edit], values: dict[str, Any]) -> Conversation[R]:
    """Changes some fields of an object that was not read, and returns it as it is then."""
    edits, values = _with_absence(mapper, edits, values)
    edited = _edited(mapper, edits, values)
    if not values and not edits:
        raise TypeError("patch() takes at least one field to change")
    changes = valued(mapper, values)
    mapper.refuse(_with_edits(changes, edits, edited))
    yield from refuse_file(mapper, edited | values.keys())
    answer = yield from mapper.send(
        operations.patch(mapper.place, object_id, edit_patch(edits, changes, {}, mapper.aces), only=None)
    )
    obj = mapper.load(answer)
    yield from tell(mapper, "updated", obj.id, obj, None)
    yield from loaded(mapper.model, (obj,))
    return obj


def valued(mapper: Mapper[R], values: Mapping[str, Any]) -> Changes:
    """Fields by their names on the class, as they are stored."""
    _refuse_unknown(mapper, values)
    names, data = wire_names(mapper.model), dict[str, Any]()
    for name, value in values.items():
        known = name in names
        data[names.get(name, name)] = value_of(mapper.model, name, value) if known else to_jsonable_python(value)
    return Changes(data, names=frozenset(values))


def _with_absence(
    mapper: Mapper[R], edits: Sequence[Edit], values: dict[str, Any]
) -> tuple[Sequence[Edit], dict[str, Any]]:
    """The same, with None where it is absence as an edit that takes the field out."""
    absent = {name: wire for name, wire in mapper.model.__kinto_settings__.items() if values.get(name, 0) is None}
    gone = [Edit("unset", (wire,), root=mapper.model) for wire in absent.values()]
    return [*edits, *gone], {name: value for name, value in values.items() if name not in absent}


def _consulted(mapper: Mapper[R], obj: R, trial: R, old: R | None) -> Conversation[tuple[R, frozenset[str]]]:
    """The copy once the hook has seen it, and the names of the fields that it changed."""
    seen = mapper.draft(trial).told  # with values of the fields' types
    state_of(seen).take(state_of(obj))
    before = dump(seen)
    yield from hook(seen, "before_save", old)
    return seen, names_of(mapper.model, differing(before, dump(seen)))


def _edited(mapper: Mapper[R], edits: Sequence[Edit], values: dict[str, Any]) -> frozenset[str]:
    """The names of the fields that these change."""
    for each in edits:
        if not isinstance(each, Edit):
            raise TypeError(f"patch() takes what edit(...) makes, and fields by name, not {each!r}")
        name, closed = each.path[0], mapper.model.model_config.get("extra") == "forbid"
        refuse_foreign(mapper.model, each.root)
        if each.root is None and name in wire_names(mapper.model).values():
            raise TypeError(f"{mapper.model.__name__} declares {name!r}: edit the field of the class, and not a key()")
        if name in mapper.model.__kinto_schemas__ and len(each.path) > 1:
            raise TypeError(f"{name!r} is checked as a whole: set() the whole of it")
        if names_of(mapper.model, {name}) & values.keys():
            raise TypeError(f"{name!r} is changed twice: by name and by an edit")
        if name in SERVER_OWNED or (closed and name not in wire_names(mapper.model).values()):
            raise TypeError(f"{mapper.model.__name__} has no field {name!r} to edit")
    return names_of(mapper.model, {each.path[0] for each in edits if each.how != "test"})


def _refuse_unreadable(mapper: Mapper[R], edits: Sequence[Edit], data: Data) -> None:
    """Raises what pydantic says of the object as the edits would leave it."""
    try:
        edited = applied(edits, data)
    except (LookupError, ValueError, TypeError):
        return  # the server refuses what cannot be done to what it has
    parse(mapper.model, edited)


def _with_edits(changes: Changes, edits: Sequence[Edit], edited: frozenset[str]) -> Changes:
    """The changes, with the fields that edits set as a whole, and the names of those that they change."""
    whole = {each.path[0]: each.value for each in edits if each.how == "set" and len(each.path) == 1}
    return replace(changes, written={**whole, **changes.written}, names=changes.names | edited)


def _changed(mapper: Mapper[R], trial: R, data: Data, names: Collection[str]) -> Changes:
    """The changes of these fields."""
    changes, wires = mapper.draft(trial).changes(data), {wire_names(mapper.model).get(name, name) for name in names}
    written = {wire: value for wire, value in changes.written.items() if wire in wires}
    removed = tuple(wire for wire in changes.removed if wire in wires)
    return Changes(written, removed, changes.names & frozenset(names))


def _refuse_unknown(mapper: Mapper[R], values: Mapping[str, Any]) -> None:
    declared = mapper.model.model_fields.keys() - {*SERVER_OWNED}
    if not declared - mapper.model.__kinto_settings__.keys() and mapper.model.model_config.get("extra") == "allow":
        return  # without fields of its own it holds any JSON object
    for name in values:
        if name not in declared:
            raise TypeError(
                f"{mapper.model.__name__} has no field {name!r} to patch; it has {', '.join(sorted(declared))}"
            )
