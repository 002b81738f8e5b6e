"""Writes of which nobody knows whether they were carried out, resolved by looking at what is there.

A second try of a write that the first one carried out is refused, because its condition is not true any more. If the
server then has exactly what was sent, the write is a success, whoever sent it: that is what it was for. Of a change
that builds on what was there, such as an increment, nothing that is there can tell, and neither of a creation under an
id that others may use: it is there to be the first.
"""

from __future__ import annotations

from typing import TypeVar

from kinto_models.errors import (
    KintoError,
    ServerFailedError,
    TimedOutError,
    UncertainOutcomeError,
)
from kinto_models.models.stored import Stored, as_told, state_of
from kinto_models.models.tracking import Changes, diff, parse
from kinto_models.protocol import operations
from kinto_models.protocol.messages import Conversation, send
from kinto_models.protocol.operations import Answer
from kinto_models.repository.mapper import Draft, Mapper

__all__ = ["resolved"]

R = TypeVar("R", bound=Stored)


def resolved(
    mapper: Mapper[R],
    draft: Draft[R],
    write: Conversation[Answer],
    changes: Changes | None = None,
    *,
    tells: bool = True,
) -> Conversation[Answer]:
    """The answer to a write, or what the server has where it has what was written.

    Parameters:
        mapper: of the class.
        draft: what is written.
        write: the conversation that writes it, not yet begun.
        changes: what is written of its data; None for all of it.
        tells: whether what is there can tell: not of what builds on what was there before.

    Raises:
        UncertainOutcomeError: that cannot be told.
        KintoError: of the write.
    """
    try:
        return (yield from write)
    except UncertainOutcomeError as error:
        error.mine, error.base = draft.obj, as_told(draft.obj) if mapper.knows(draft.obj) else None
        if draft.obj.id and _is_worth_a_look(mapper, error):
            seen = yield from _looked(mapper, draft, error, changes)
            if seen is not None and tells:
                return seen
        if isinstance(error.refusal, ServerFailedError):  # of which nobody knows either, and which says more
            raise error.refusal from None
        raise


def _looked(
    mapper: Mapper[R], draft: Draft[R], error: UncertainOutcomeError, changes: Changes | None
) -> Conversation[Answer | None]:
    """What the server has, if that is what was written; else it is noted in the error."""
    try:
        seen = yield from send(operations.get(mapper.place, draft.obj.id))
        error.theirs = mapper.load(seen)
    except KintoError:  # it is not there, or not to be seen
        return None
    return seen if _shows(draft, error.theirs, changes) else None


def _is_worth_a_look(mapper: Mapper[R], error: UncertainOutcomeError) -> bool:
    """Whether the server answers: it did, or was cut off, and did not let us wait in vain."""
    patient = mapper.pacing.policy.retries > 0 and not isinstance(error.__cause__, TimedOutError)
    return patient or error.refusal is not None


def _shows(draft: Draft[R], theirs: R, changes: Changes | None) -> bool:
    data, wanted = state_of(theirs).data or {}, draft.told
    if changes is not None:  # made once more, they would change nothing
        again = {name: value for name, value in {**data, **changes.written}.items() if name not in changes.removed}
        try:
            wanted = parse(type(theirs), again)
        except ValueError:  # pydantic's: they do not go together
            return False
    return not diff(wanted, data) and _grants_shown(draft, theirs)


def _grants_shown(draft: Draft[R], theirs: R) -> bool:
    if not draft.held or not any(draft.held.values()):
        return True
    shown = state_of(theirs).shown or {}
    return all(
        grants.granted <= set(shown.get(ace, ())) and grants.revoked.isdisjoint(shown.get(ace, ()))
        for ace, grants in draft.obj.permissions.grants().items()
    )
