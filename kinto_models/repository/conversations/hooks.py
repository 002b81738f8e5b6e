"""A class's hooks and a client's subscribers, called around the conversations that read and write."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeVar

from kinto_models.errors import KintoError
from kinto_models.models.events import Action, Event
from kinto_models.models.hooks import Hooks
from kinto_models.models.outcomes import SaveResult
from kinto_models.models.stored import Stored, as_told, state_of
from kinto_models.models.tracking import differing, dump, names_of
from kinto_models.protocol.messages import Conversation, Raised, call
from kinto_models.repository.mapper import Mapper

__all__ = ["attended", "deleted", "deleting", "hook", "loaded", "saved", "saving", "tell"]

R = TypeVar("R", bound=Stored)


_SAVE: Final = ("before_save", "after_save")
_DELETE: Final = ("before_delete", "after_delete")


def attended(mapper: Mapper[Any], model: type[Stored], hooks: tuple[str, ...] = _SAVE) -> bool:
    """Whether anybody wants to know of the writing of such an object."""
    for name in hooks:  # without the generator of any(), which takes longer than all of this
        if getattr(model, name) is not getattr(Hooks, name):
            return True
    return bool(mapper.subscribers)


def saving(
    mapper: Mapper[R], obj: R, write: Conversation[SaveResult], old: R | None = None
) -> Conversation[SaveResult]:
    """The writing of an instance, with its hooks.

    Parameters:
        mapper: of the class.
        obj: the instance.
        write: the conversation that writes it, not yet begun.
        old: the object as it is on the server, where the instance does not know it.
    """
    return _saving(mapper, obj, write, old) if attended(mapper, type(obj)) else write


def _saving(mapper: Mapper[R], obj: R, write: Conversation[SaveResult], old: R | None) -> Conversation[SaveResult]:
    old = old or _known(mapper, obj)
    yield from hook(obj, "before_save", old)
    before = state_of(obj).snapshot
    try:
        result = yield from write
    except Exception:
        if state_of(obj).snapshot is not before:  # the data are written, and the grants are not
            names = names_of(type(obj), differing(dump(old) if old else {}, dump(obj)))
            yield from saved(mapper, obj, old, SaveResult(created=old is None, changed=names, etag=obj.etag))
        raise
    yield from saved(mapper, obj, old, result)
    return result


def saved(mapper: Mapper[R], obj: R, old: R | None, result: SaveResult) -> Conversation[None]:
    """What follows when the server has taken what was to be saved."""
    if mapper.dry is None and (result.created or result.changed):
        action: Action = "created" if result.created else "updated"
        yield from _followed(hook(obj, "after_save", old, result), tell(mapper, action, obj.id, obj, old))


def deleting(mapper: Mapper[R], target: R | str, delete: Conversation[bool]) -> Conversation[bool]:
    """The deletion of an instance's object, or of the one with this id, with its hooks."""
    model = mapper.model if isinstance(target, str) else type(target)
    return _deleting(mapper, target, delete) if attended(mapper, model, _DELETE) else delete


def _deleting(mapper: Mapper[R], target: R | str, delete: Conversation[bool]) -> Conversation[bool]:
    if isinstance(target, str):
        done = yield from delete
        yield from deleted(mapper, [target] if done else [])
        return done
    object_id, old = target.id, _known(mapper, target)
    yield from hook(target, "before_delete", old)
    done = yield from delete
    if done and mapper.dry is None:
        yield from _followed(hook(target, "after_delete", old), tell(mapper, "deleted", object_id, target, old))
    return done


def deleted(mapper: Mapper[Any], ids: Iterable[str]) -> Conversation[None]:
    """What follows when objects are deleted of which only the ids are known."""
    for object_id in ids:
        yield from tell(mapper, "deleted", object_id, None, None)


def loaded(model: type[Any], objs: Iterable[Any]) -> Conversation[None]:
    """What follows when instances were read."""
    if issubclass(model, Hooks) and model.after_load is not Hooks.after_load:
        for obj in objs:
            yield from hook(obj, "after_load")


def hook(obj: Stored, name: str, *args: object) -> Conversation[None]:
    """Calls a hook, where the class has one."""
    if getattr(type(obj), name) is not getattr(Hooks, name):
        try:
            yield from call(getattr(obj, name), *args)
        except KintoError as error:  # such as the conflict of another object that the hook saves
            raise Raised(error) from None


def tell(mapper: Mapper[R], action: Action, object_id: str, obj: R | None, old: R | None) -> Conversation[None]:
    """Tells the client's subscribers."""
    if mapper.subscribers and mapper.dry is None:
        path = mapper.place.object(object_id)
        model = mapper.model if obj is None else type(obj)
        yield from mapper.subscribers.tell(Event(action, model, object_id, path, obj, old))


def _followed(first: Conversation[None], then: Conversation[None]) -> Conversation[None]:
    """One and then the other, even if the first raises: what is done is told."""
    try:
        yield from first
    except Exception:
        yield from then
        raise
    yield from then


def _known(mapper: Mapper[R], obj: R) -> R | None:
    return as_told(obj) if mapper.knows(obj) else None
