"""How a collection is made equal to what is desired: the comparison, and the carrying out of a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from kinto_models.errors import ConflictError
from kinto_models.models.attachments import has_file
from kinto_models.models.interface import Page
from kinto_models.models.outcomes import SaveResult
from kinto_models.models.plans import Plan, Revision
from kinto_models.models.stamps import without_stamp
from kinto_models.models.stored import Stored, state_of
from kinto_models.models.tracking import SERVER_OWNED, absorb, dump, same
from kinto_models.protocol import operations
from kinto_models.protocol.messages import Conversation, Stream, drain
from kinto_models.repository.conversations import writes
from kinto_models.repository.conversations.hooks import saving
from kinto_models.repository.conversations.keeping import changed
from kinto_models.repository.conversations.patches import patch_of
from kinto_models.repository.conversations.resolving import resolved
from kinto_models.repository.mapper import Mapper
from kinto_models.types import Data

__all__ = ["compare", "steps", "taking"]

R = TypeVar("R", bound=Stored)


def compare(mapper: Mapper[R], pages: Stream[Page[R]], desired: Iterable[R], *, delete: bool) -> Conversation[Plan[R]]:
    """Reads what is there, and tells what differs from what is desired.

    Parameters:
        mapper: of the class.
        pages: what is there, the latest change last: what changes meanwhile then comes again, and is not missed.
        desired: what is to be there.
        delete: whether nothing else is.
    """
    current: dict[str, R] = {}
    yield from drain(pages, lambda page: current.update((obj.id, obj) for obj in page))
    plan: Plan[R] = Plan()
    seen: set[str] = set()
    unchanged = 0
    for obj in desired:
        mapper.refuse_stranger(obj)
        if obj.id in seen:
            raise ValueError(f"the id {obj.id!r} comes twice in what is desired")
        seen.update([obj.id] if obj.id else [])  # the server is to make the others
        theirs = current.pop(obj.id, None)
        if theirs is None:
            mapper.draft(obj)
            plan.creations.append(obj)
        elif _is_stored_so(obj, state_of(theirs).data or {}):
            _tie(mapper, obj, theirs)
            unchanged += 1
        elif changes := (yield from changed(mapper, mapper.draft(obj), state_of(theirs).data or {})):
            mapper.refuse(changes)
            plan.patches.append(Revision(obj, theirs, changes.names))
        else:
            _tie(mapper, obj, theirs, file=True)
            unchanged += 1
    return Plan(plan.creations, plan.patches, list(current.values()) if delete else [], unchanged)


def _tie(mapper: Mapper[R], obj: R, theirs: R, *, file: bool = False) -> None:
    """Lets an instance count as read here, if it does not belong elsewhere; ``file`` where it may tell of another one,
    or of none.
    """
    state = state_of(obj)
    if state.objects is None or state.objects.url == mapper.objects.url:
        unsaved = state.permissions
        if file and (has_file(state_of(theirs).data or {}) or has_file(dump(obj))):
            absorb(obj, theirs)
        mapper.tie(obj, theirs)
        state.permissions = unsaved


def steps(plan: Plan[R]) -> list[R]:
    """The instances that a plan is about."""
    return [*plan.creations, *(revision.desired for revision in plan.patches), *plan.deletions]


def taking(mapper: Mapper[R], plan: Plan[R]) -> Callable[[R], Conversation[Any]]:
    """What begins the conversation for each of the plan's instances."""
    created = {id(obj) for obj in plan.creations}
    revised = {id(revision.desired): revision for revision in plan.patches}

    def begin(obj: R) -> Conversation[Any]:
        if id(obj) in revised:
            return _revise(mapper, revised[id(obj)])
        if id(obj) in created:
            return writes.create(mapper, obj)
        return writes.delete(mapper, obj, force=False, missing_ok=True)

    return begin


def _revise(mapper: Mapper[R], revision: Revision[R]) -> Conversation[SaveResult]:
    try:
        return (yield from saving(mapper, revision.desired, _revised(mapper, revision), revision.current))
    except ConflictError as error:
        raise mapper.conflict(error, revision.desired, state_of(revision.current).data) from None


def _revised(mapper: Mapper[R], revision: Revision[R]) -> Conversation[SaveResult]:
    draft = mapper.draft(revision.desired)
    draft.permissions, draft.held = {}, None
    changes = yield from changed(mapper, draft, state_of(revision.current).data or {})
    only = state_of(revision.current).timestamp
    if not changes:  # any more
        mapper.tie(draft.obj, revision.current)
        return SaveResult(created=False, changed=frozenset(), etag=draft.obj.etag)
    if changes.removed:  # a PUT, which a batch can carry: only JSON Patch removes a field otherwise
        return (yield from writes.overwrite(mapper, draft, only=only))
    change = patch_of(changes, {}, mapper.aces)
    write = mapper.send(operations.patch(mapper.place, revision.desired.id, change, only=only))
    return mapper.acknowledge(draft, (yield from resolved(mapper, draft, write, changes)))


def _is_stored_so(obj: Stored, told: Data) -> bool:
    """Whether the instance's JSON is the stored one, letter by letter: most often it is, and nothing need be parsed."""
    mine, told = dump(obj), without_stamp(type(obj), told)
    return len(mine) == len(told) - len(SERVER_OWNED) and all(k in told and same(v, told[k]) for k, v in mine.items())
