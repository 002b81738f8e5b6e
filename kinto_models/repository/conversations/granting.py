"""Permissions that are changed principal by principal, whoever else is in them."""

from __future__ import annotations

from dataclasses import replace as replaced
from typing import TypeVar

from kinto_models.errors import ConflictError, UncertainOutcomeError, UnknownPermissionsError
from kinto_models.models.outcomes import SaveResult
from kinto_models.models.stored import Stored, changes_of, state_of
from kinto_models.models.tracking import Changes, dump_json
from kinto_models.protocol import operations
from kinto_models.protocol.bodies import basic_patch
from kinto_models.protocol.messages import Conversation, send
from kinto_models.repository.conversations.patches import grant_patch, patch_of
from kinto_models.repository.conversations.sending import ROUNDS, called, patched, restless
from kinto_models.repository.mapper import Draft, Mapper

__all__ = ["granted", "rest"]

R = TypeVar("R", bound=Stored)


def granted(  # noqa: PLR0913  # what is saved, under which condition, and what of it counts
    mapper: Mapper[R],
    draft: Draft[R],
    changes: Changes,
    *,
    only: int | None,
    keep: frozenset[str] = frozenset(),
    tells: bool = True,
) -> Conversation[SaveResult]:
    """Saves changes of data, ``only`` if the object's timestamp is this one, and all changes of permissions; ``tells``
    as in ``resolved()``.
    """
    obj, sent = draft.obj, frozenset[str]()
    for _ in range(ROUNDS):
        seen = yield from send(operations.get(mapper.place, obj.id))
        told = mapper.load(seen)
        at = only if changes else told.last_modified  # a grant is no conflict with what others did meanwhile
        shown = state_of(told).shown
        try:
            if shown is None:
                sent = yield from _data_first(mapper, draft, changes, at, tells=tells)
                draft, changes, only = rest(draft), Changes(), None
                keep = changes_of(obj).names  # made while the answer was on its way
                continue
            change = grant_patch(changes, draft.pending, shown, mapper.aces)
            if change is None:
                return replaced(mapper.acknowledge(draft, seen, keep), changed=sent)
            answer = yield from patched(mapper, draft, change, changes, only=at, tells=tells)
        except ConflictError:
            if changes:
                raise
        except UncertainOutcomeError as error:
            if changes or error.refusal is None:
                raise
        else:
            result = mapper.acknowledge(draft, answer, keep)
            return replaced(result, changed=result.changed | sent)
    raise restless(obj, ROUNDS)


def _data_first(
    mapper: Mapper[R], draft: Draft[R], changes: Changes, at: int | None, *, tells: bool
) -> Conversation[frozenset[str]]:
    """Who may write an object without being in its ``write`` sees no permissions. By a write she is there, and the
    server shows them.
    """
    change = patch_of(changes, {}, mapper.aces) if changes else basic_patch({})
    draft.held = None
    answer = yield from patched(mapper, draft, change, changes, only=at, tells=tells)
    sent = mapper.acknowledge(draft, answer).changed
    if not draft.obj.permissions.known:
        raise UnknownPermissionsError(
            f"the server does not show the permissions of {called(draft.obj)} to these credentials, which are not in "
            "its 'write': nobody can change what nobody sees"
        )
    return sent


def rest(draft: Draft[R]) -> Draft[R]:
    """What is left of it once the data is written: the changes of permissions."""
    obj = draft.obj
    return replaced(draft, dumped=dump_json(obj), names=frozenset(), held=obj.permissions.held).by_principal()
