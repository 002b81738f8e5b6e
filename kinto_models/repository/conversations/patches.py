"""What changed, as the least powerful patch that says it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

from kinto_models.models.edits import Edit
from kinto_models.models.permissions import Grants
from kinto_models.models.tracking import Changes
from kinto_models.protocol.bodies import Patch, basic_patch, json_patch

__all__ = ["edit_patch", "grant_patch", "patch_of"]

_Operations: TypeAlias = "list[dict[str, Any]]"

_ALWAYS: Final = ("read", "write")
"""The ACEs that an object has for a JSON patch even where nobody is in them (kinto.core.utils.apply_json_patch)."""


def patch_of(changes: Changes, permissions: Mapping[str, list[str]], every: Collection[str]) -> Patch:
    """Changes of data, and whole ACEs: only JSON Patch can remove a field without also merging sub-objects.

    Parameters:
        changes: of data.
        permissions: those that changed, whole.
        every: the names of all permissions that such an object has.
    """
    if not changes.removed:
        return basic_patch(changes.written or None, permissions or None)
    return json_patch(_of_data(changes) + _of_aces(permissions) + _leaving_alone(every, permissions))


def grant_patch(
    changes: Changes, pending: Mapping[str, Grants], shown: Mapping[str, Iterable[str]], every: Collection[str]
) -> Patch | None:
    """Changes of data, and of single principals in ACEs; None where everything is so already."""
    operations, touched = _of_data(changes), set[str]()
    for ace, grants in pending.items():
        held = set(shown.get(ace, ()))
        granted, revoked = sorted(grants.granted - held), sorted(grants.revoked & held)
        if granted or revoked:
            touched.add(ace)
        if granted and ace not in shown and ace not in _ALWAYS:
            operations.append(_add(f"/permissions/{ace}", {principal: principal for principal in granted}))
            granted = []
        operations += [_add(f"/permissions/{ace}/{_pointer(principal)}", principal) for principal in granted]
        operations += [_remove(f"/permissions/{ace}/{_pointer(principal)}") for principal in revoked]
    return json_patch(operations + _leaving_alone(every, touched)) if operations else None


def edit_patch(
    edits: Sequence[Edit], changes: Changes, permissions: Mapping[str, list[str]], every: Collection[str]
) -> Patch:
    """Operations in their order, then changes of whole fields, and whole ACEs. Not by a merge patch where that could
    say it: the server would write all permissions again, as they were when it read them.
    """
    if all(each.how == "set" and len(each.path) == 1 for each in edits):
        whole = {each.path[0]: each.value for each in edits}
        return patch_of(replace(changes, written={**whole, **changes.written}), permissions, every)
    operations = [operation for each in edits for operation in _of_edit(each)]
    return json_patch(operations + _of_data(changes) + _of_aces(permissions) + _leaving_alone(every, permissions))


def _of_edit(each: Edit) -> _Operations:
    path = "/".join(["/data", *map(_pointer, each.path)])
    if each.how == "unset":  # what is not there cannot be removed, but what was just added can
        return [_add(path, None), _remove(path)]
    if each.how == "remove":
        return [_remove(path)]
    return [{**_add(path, each.value), "op": "test" if each.how == "test" else "add"}]


def _of_data(changes: Changes) -> _Operations:
    written = [_add(f"/data/{_pointer(name)}", value) for name, value in changes.written.items()]
    return [_remove(f"/data/{_pointer(name)}") for name in changes.removed] + written


def _of_aces(permissions: Mapping[str, list[str]]) -> _Operations:
    # In a JSON patch an ACE is an object of its principals.
    return [_add(f"/permissions/{ace}", {p: p for p in principals}) for ace, principals in permissions.items()]


def _leaving_alone(every: Collection[str], touched: Collection[str]) -> _Operations:
    # The server writes every ACE that what it patched has: as it read it, or empty for who may not see it. What is
    # taken out stays as it is (kinto.core.resource.Resource.process_object). What may be absent is put there first.
    operations: _Operations = []
    for ace in every:
        if ace not in touched:
            operations += [_add(f"/permissions/{ace}", {})] if ace not in _ALWAYS else []
            operations.append(_remove(f"/permissions/{ace}"))
    return operations


def _add(path: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}


def _remove(path: str) -> dict[str, Any]:
    return {"op": "remove", "path": path}


def _pointer(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
