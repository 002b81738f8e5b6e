"""What to do about a conflict, as conversations: put both sides together and try again."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Final, TypeVar

from pydantic import ValidationError

from kinto_models.errors import ConflictError, UncertainOutcomeError
from kinto_models.models.interface import OnConflict
from kinto_models.models.merging import merge_instances, rebase
from kinto_models.models.outcomes import SaveResult
from kinto_models.models.stored import Stored, state_of
from kinto_models.models.tracking import dump_json, names_of
from kinto_models.protocol.messages import Conversation, Pause, call
from kinto_models.repository.conversations import writes
from kinto_models.repository.conversations.reads import get
from kinto_models.repository.conversations.sending import restless
from kinto_models.repository.mapper import Mapper

__all__ = ["modify", "save"]

R = TypeVar("R", bound=Stored)

_WAYS: Final = ("raise", "mine", "theirs", "merge")
_ROUNDS: Final = 5
"""How often both sides are put together before it is left to the caller."""
_TRIES: Final = 20
"""How often ``modify()`` reads and writes."""
_APART: Final = 0.02
"""Seconds of which it waits a random part before the second time, doubled for each one after."""
_FAR_APART: Final = 1.0


def save(mapper: Mapper[R], obj: R, *, force: bool, on_conflict: OnConflict[R]) -> Conversation[SaveResult]:
    """Saves the object, and does about a conflict what the caller said."""
    if not callable(on_conflict) and on_conflict not in _WAYS:
        raise ValueError(f"on_conflict is one of {', '.join(map(repr, _WAYS))} or a function, not {on_conflict!r}")
    try:
        return (yield from writes.save(mapper, obj, force=force))
    except ConflictError as error:
        if on_conflict == "raise":
            raise
        conflict = error
    except UncertainOutcomeError as error:
        if on_conflict == "raise" or not isinstance(error.refusal, ConflictError):
            raise
        conflict = mapper.conflict(error.refusal, obj)  # whichever it was: both sides are put together
    return (yield from _resolved(mapper, obj, conflict, on_conflict))


def _resolved(mapper: Mapper[R], obj: R, conflict: ConflictError, how: OnConflict[R]) -> Conversation[SaveResult]:
    # On a copy: the instance changes when the server has taken it, and not before.
    trial, before, held = deepcopy(obj), dump_json(obj), obj.permissions.held
    for _ in range(_ROUNDS):
        trial = yield from _rebased(mapper, obj, trial, conflict, how)
        try:
            # What a function made of both sides may build on theirs.
            result = yield from writes.save(mapper, trial, force=False, tells=not callable(how))
        except ConflictError as error:
            conflict = error
        except UncertainOutcomeError as error:
            error.mine = obj
            raise
        else:
            mapper.adopt(obj, trial, before, held)
            return result
    given_up = restless(obj, _ROUNDS)
    given_up.base, given_up.theirs, given_up.overlapping = conflict.base, conflict.theirs, conflict.overlapping
    raise given_up


def _rebased(mapper: Mapper[R], obj: R, trial: R, conflict: ConflictError, how: OnConflict[R]) -> Conversation[R]:
    """The copy with the changes of both."""
    if conflict.theirs is None or trial.permissions.changed:  # a conflict shows no permissions
        conflict.theirs = yield from get(mapper, trial.id)
        base = state_of(trial).data if trial.saved else None
        conflict.overlapping = names_of(mapper.model, merge_instances(trial, conflict.theirs, base).overlapping)
    if how == "merge" and conflict.overlapping:
        conflict.mine = obj
        raise conflict
    try:
        rebase(trial, conflict.theirs, "theirs" if how == "theirs" else "mine")
    except ValidationError as misfit:
        conflict.mine = obj
        raise conflict from misfit
    if not callable(how):
        return trial
    conflict.mine, before = trial, dump_json(trial)
    made = yield from call(how, conflict)
    changed = dump_json(trial) != before or trial.permissions.changed
    return _same_object(mapper, _made(mapper, made, trial, changed=changed), obj.id)


def _made(mapper: Mapper[R], made: object, handed: R, *, changed: bool) -> R:
    """What a function of the user's made of an instance: that one, or the one that it returned."""
    if isinstance(made, mapper.model):
        return made
    if made is not None and not changed:
        raise TypeError(
            f"the function returned {made!r} and changed nothing: it changes the instance that it is handed, or "
            "returns the one to save"
        )
    return handed


def _same_object(mapper: Mapper[R], made: R, object_id: str) -> R:
    if made.id != object_id or not mapper.knows(made):
        raise ValueError(
            f"the function made {type(made).__name__} {made.id!r} where {object_id!r} is to be saved: change the "
            "instance that it is handed, or return a copy of it"
        )
    return made


def modify(mapper: Mapper[R], object_id: str, change: Callable[[R], object]) -> Conversation[R]:
    """Reads, changes and saves an object until nobody comes in between."""
    obj = yield from get(mapper, object_id)
    for attempt in range(_TRIES):
        made = yield from call(change, obj)
        changed = obj.dirty or obj.permissions.changed
        wanted = _same_object(mapper, _made(mapper, made, obj, changed=changed), object_id)
        try:
            yield from writes.save(mapper, wanted, force=False, tells=False)
        except ConflictError:  # which shows no permissions, and the change may be one of them
            # Of those who all come back at once one is the first, again and again.
            yield Pause(mapper.pacing.dice() * min(_APART * 2.0**attempt, _FAR_APART))
            obj = yield from get(mapper, object_id)
        else:
            return wanted
    raise restless(obj, _TRIES)
