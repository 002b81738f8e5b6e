"""How objects are written, as conversations: each yields operations and returns what the caller asked for.

An instance is changed only by an answer: an error on the way leaves it as it was.
"""

from __future__ import annotations

from dataclasses import replace as replaced
from functools import partial
from typing import Any, TypeVar

from kinto_models.errors import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    KintoError,
    NotFoundError,
    NotSavedError,
    UncertainOutcomeError,
)
from kinto_models.models.changes import Tombstone
from kinto_models.models.ids import ServerIds
from kinto_models.models.outcomes import SaveResult
from kinto_models.models.stored import Stored, as_told, changes_of, state_of
from kinto_models.models.tracking import Changes, absorb, names_of, parse
from kinto_models.protocol import operations
from kinto_models.protocol.attachments import FIELD
from kinto_models.protocol.bodies import envelope
from kinto_models.protocol.filters import NOT_DELETED
from kinto_models.protocol.filters import Query as Wire
from kinto_models.protocol.messages import Conversation, send
from kinto_models.protocol.operations import Answer
from kinto_models.repository.conversations.granting import granted, rest
from kinto_models.repository.conversations.hooks import attended, deleted, deleting, loaded, saving
from kinto_models.repository.conversations.keeping import changed, keep_file
from kinto_models.repository.conversations.patches import patch_of
from kinto_models.repository.conversations.reads import NO_OBJECT, NO_PARENT, get, get_or_none, read_data
from kinto_models.repository.conversations.resolving import resolved
from kinto_models.repository.conversations.selection import delete_pages
from kinto_models.repository.conversations.sending import (
    ROUNDS,
    called,
    missing_or_conflict,
    patched,
    restless,
    unchanged,
)
from kinto_models.repository.loading import load_one
from kinto_models.repository.mapper import Draft, Mapper

__all__ = [
    "create",
    "created",
    "delete",
    "delete_all",
    "get_or_create",
    "overwrite",
    "refresh",
    "replace",
    "save",
    "upsert",
]

R = TypeVar("R", bound=Stored)


def create(mapper: Mapper[R], obj: R, *, tells: bool = False) -> Conversation[SaveResult]:
    """Creates the object; an error where one has its id.

    Parameters:
        mapper: of the class.
        obj: the instance.
        tells: as of ``resolved``, also under an id that others may use.
    """
    mapper.refuse_stranger(obj)
    return saving(mapper, obj, _create(mapper, obj, tells=tells or _is_made_here(obj)))


def _create(mapper: Mapper[R], obj: R, *, tells: bool) -> Conversation[SaveResult]:
    draft = yield from _drafted(mapper, obj)
    yield from keep_file(mapper, draft, {})
    mapper.refuse_unusable(draft.all().data)
    granted = {ace: sorted(grants.granted) for ace, grants in draft.pending.items() if grants.granted}
    body = envelope(draft.body, draft.permissions or granted or None)
    if obj.id == "" and isinstance(mapper.model.__kinto__.ids, ServerIds):
        operation = operations.create_anywhere(mapper.place, body)
    else:
        operation = operations.create(mapper.place, obj.id, body)
    try:
        answer = yield from resolved(mapper, draft, mapper.send(operation), tells=tells)
    except AlreadyExistsError as error:
        raise mapper.conflict(error, obj) from None
    return mapper.acknowledge(draft, replaced(answer, created=True))


def _is_made_here(obj: Stored) -> bool:
    """Whether nobody else can know the id."""
    return "id" not in obj.model_fields_set and type(obj).model_fields["id"].default_factory is not None


def created(mapper: Mapper[R], obj: R) -> Conversation[R]:
    """Creates the object and returns it."""
    yield from create(mapper, obj)
    return obj


def save(mapper: Mapper[R], obj: R, *, force: bool, tells: bool = True) -> Conversation[SaveResult]:
    """Creates a new object, patches a changed one, sends nothing for one that is not; ``tells`` as for ``resolved``."""
    mapper.refuse_stranger(obj)
    if not mapper.knows(obj):
        return replace(mapper, obj, force=True) if force else create(mapper, obj)
    write = _save(mapper, obj, force=force, tells=tells)
    if attended(mapper, type(obj)) and (obj.dirty or obj.permissions.changed):
        return saving(mapper, obj, write)
    return write


def _save(mapper: Mapper[R], obj: R, *, force: bool, tells: bool) -> Conversation[SaveResult]:
    draft = yield from _drafted(mapper, obj)  # first of all: what cannot be stored must not pass for unchanged
    changes = yield from changed(mapper, draft, state_of(obj).data or {})
    if not changes and not draft.permissions and not draft.pending:
        return SaveResult(created=False, changed=frozenset(), etag=obj.etag)
    mapper.refuse(changes)
    only = unchanged(obj, force=force)
    if draft.pending or (force and draft.permissions):
        return (yield from granted(mapper, draft.by_principal(), changes, only=only, tells=tells))
    change = patch_of(changes, draft.permissions, mapper.aces)
    answer = yield from patched(mapper, draft, change, changes, only=only, tells=tells)
    return mapper.acknowledge(draft, answer)


def replace(mapper: Mapper[R], obj: R, *, force: bool) -> Conversation[SaveResult]:
    """Writes the whole object."""
    mapper.refuse_stranger(obj)
    return saving(mapper, obj, _replace(mapper, obj, force=force))


def _replace(mapper: Mapper[R], obj: R, *, force: bool) -> Conversation[SaveResult]:
    if not mapper.knows(obj) and not force:
        raise NotSavedError(
            f"{called(obj)} was never read or saved here, so there is no ETag to check: save() creates it, "
            "replace(force=True) overwrites whatever is there"
        )
    draft = yield from _drafted(mapper, obj)
    base = (state_of(obj).data if mapper.knows(obj) else None) or {}
    if base:
        mapper.refuse((yield from changed(mapper, draft, base)))
    elif mapper.model.__kinto__.readonly and (found := (yield from get_or_none(mapper, obj.id))) is not None:
        mapper.refuse(draft.changes(state_of(found).data))  # force is about who was faster, not about what is fixed
    else:
        mapper.refuse_unusable(draft.data)
    if force and (FIELD in base or FIELD in draft.data):  # nor about which file is there by now
        yield from keep_file(mapper, draft, (yield from read_data(mapper, obj.id)))
    if force:  # whatever others hold on what is there, it may be more than was seen
        draft = draft.by_principal()
    has_pending = bool(draft.pending)
    result = yield from overwrite(mapper, draft.all(), only=unchanged(obj, force=force))
    if not has_pending:
        return result
    second = yield from granted(mapper, rest(draft), Changes(), only=None, keep=changes_of(obj).names)
    return SaveResult(result.created, result.changed | second.changed, second.etag)


def overwrite(mapper: Mapper[R], draft: Draft[R], *, only: int | None) -> Conversation[SaveResult]:
    """Writes a whole draft, ``only`` if the object's timestamp is this one."""
    # With any ACE in it, a PUT replaces all of them (https://docs.kinto-storage.org/en/stable/api/1.x/permissions.html).
    permissions = draft.obj.permissions.all() if draft.permissions else None
    if draft.pending:
        draft.held = None  # not sent here
    body = envelope(draft.body, permissions)
    write = mapper.send(operations.replace(mapper.place, draft.obj.id, body, only=only))
    try:
        answer = yield from resolved(mapper, draft, write)
    except ConflictError as error:
        raise missing_or_conflict(mapper, error, draft.obj) from None
    return mapper.acknowledge(draft, answer)


def _drafted(mapper: Mapper[R], obj: R) -> Conversation[Draft[R]]:
    """What is to be written of an instance, once all in it is known."""
    permissions = state_of(obj).permissions
    if permissions is not None and permissions._is_open:
        permissions._close((yield from mapper.facts.find_default_bucket()), mapper.facts)
    return mapper.draft(obj)


def delete_all(mapper: Mapper[Any]) -> Conversation[int]:
    """Deletes every object."""
    # Not without a filter: with its first page Kinto then takes the permissions of all objects away, those included
    # that are still there when the second fails (kinto.core.resource.Model.delete_objects).
    return delete_pages(mapper.place, Wire(filters=(NOT_DELETED,)), partial(deleted, mapper))


def delete(mapper: Mapper[R], target: R | str, *, force: bool, missing_ok: bool) -> Conversation[bool]:
    """Deletes an object; False where there was none and that is no error."""
    if not isinstance(target, str):
        mapper.refuse_stranger(target)
    return deleting(mapper, target, _delete(mapper, target, force=force, missing_ok=missing_ok))


def _delete(mapper: Mapper[R], target: R | str, *, force: bool, missing_ok: bool) -> Conversation[bool]:
    obj = None if isinstance(target, str) else target
    if obj is not None and not mapper.knows(obj) and not force:
        raise NotSavedError(
            f"{called(obj)} was never read or saved here, so there is no ETag to check: refresh() it first, "
            "or delete(force=True)"
        )
    object_id = target if isinstance(target, str) else target.id
    only = None if obj is None else unchanged(obj, force=force)
    deleted = True
    try:
        answer = yield from send(operations.delete(mapper.place, object_id, only=only))
        mapper.refuse_other(answer, load_one(Tombstone, answer).id)
    except NotFoundError as error:
        if not (missing_ok and _is_gone(error)):
            raise
        deleted = False
    except ConflictError as error:
        raise (error if obj is None else mapper.conflict(error, obj)) from None
    except UncertainOutcomeError as error:
        if not _is_gone(error.refusal):
            error.mine, error.base = obj, as_told(obj) if obj is not None and mapper.knows(obj) else None
            raise
    if obj is not None:
        mapper.forget(obj)
    return deleted


def _is_gone(error: KintoError | None) -> bool:
    return isinstance(error, NotFoundError) and error.errno in (NO_OBJECT, NO_PARENT)


def refresh(mapper: Mapper[R], obj: R) -> Conversation[bool]:
    """Makes the instance what the object is on the server; tells whether that had changed."""
    mapper.refuse_stranger(obj)
    state, before = state_of(obj), state_of(obj).timestamp if mapper.knows(obj) else None
    if before is None or state.shown is None:  # a list shows no permissions, and a 304 would not bring them either
        answer: Answer | None = yield from send(operations.get(mapper.place, obj.id))
    else:
        answer = yield from send(operations.get_if_changed(mapper.place, obj.id, since=before))
    if answer is not None:
        told = mapper.load(answer)
        mapper.take(obj, told)
    elif state.data is not None:
        absorb(obj, parse(mapper.model, state.data))
        state.permissions = None
    yield from loaded(type(obj), (obj,))
    return answer is not None and obj.last_modified != before


def get_or_create(mapper: Mapper[R], obj: R) -> Conversation[tuple[R, bool]]:
    """Creates the object, or reads the one that is there."""
    for _ in range(ROUNDS):
        try:
            yield from create(mapper, obj)
        except (AlreadyExistsError, ForbiddenError, UncertainOutcomeError) as error:
            # Who may write the object but not create beside it gets a 403 where others get a 412.
            found = yield from _found(mapper, obj.id, error)
            if found is not None:
                return found, False
        else:
            return obj, True
    raise restless(obj, ROUNDS)


def upsert(mapper: Mapper[R], obj: R) -> Conversation[SaveResult]:
    """Creates the object, or patches the one that is there to have the same fields."""
    for _ in range(ROUNDS):
        try:
            return (yield from create(mapper, obj, tells=True))
        except (AlreadyExistsError, ForbiddenError, UncertainOutcomeError) as error:
            theirs = None if isinstance(error, ForbiddenError) else error.theirs
            theirs = theirs or (yield from _found(mapper, obj.id, error))
        if theirs is not None:
            try:
                return (yield from saving(mapper, obj, _merged(mapper, obj, theirs), theirs))
            except (ConflictError, NotFoundError):
                continue
    raise restless(obj, ROUNDS)


def _merged(mapper: Mapper[R], obj: R, theirs: R) -> Conversation[SaveResult]:
    found, draft = state_of(theirs), (yield from _drafted(mapper, obj))
    written = (yield from changed(mapper, draft, found.data or {})).written
    changes = Changes(written, names=names_of(mapper.model, written))
    draft.names = changes.names
    mapper.refuse(changes)
    if draft.pending or draft.permissions:  # added to those of others, as the fields are
        return (yield from granted(mapper, draft.by_principal(), changes, only=found.timestamp))
    if not changes:
        mapper.take(obj, theirs)
        return SaveResult(created=False, changed=frozenset(), etag=obj.etag)
    change = patch_of(changes, {}, mapper.aces)
    write = mapper.send(operations.patch(mapper.place, obj.id, change, only=found.timestamp))
    return mapper.acknowledge(draft, (yield from resolved(mapper, draft, write, changes)))


def _found(mapper: Mapper[R], object_id: str, error: KintoError) -> Conversation[R | None]:
    if isinstance(error, UncertainOutcomeError) and not isinstance(error.refusal, AlreadyExistsError):
        raise error from error.__cause__
    try:
        return (yield from get(mapper, object_id))
    except (NotFoundError, ForbiddenError) as unread:
        if isinstance(error, ForbiddenError):
            raise error from None
        if unread.errno != NO_OBJECT:
            raise
        return None
