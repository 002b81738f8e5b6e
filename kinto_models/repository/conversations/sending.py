"""What goes out for an instance, and what a refusal says about it."""

from __future__ import annotations

from typing import Final, TypeVar

from kinto_models.errors import ConflictError, NotFoundError, NotSavedError, StatusError
from kinto_models.models.stored import Stored, state_of
from kinto_models.models.tracking import Changes
from kinto_models.protocol.bodies import Patch
from kinto_models.protocol.messages import Conversation
from kinto_models.protocol.operations import Answer
from kinto_models.repository.conversations import light
from kinto_models.repository.conversations.reads import NO_OBJECT
from kinto_models.repository.conversations.resolving import resolved
from kinto_models.repository.mapper import Draft, Mapper

__all__ = ["ROUNDS", "called", "missing_or_conflict", "patched", "restless", "unchanged"]

R = TypeVar("R", bound=Stored)

ROUNDS: Final = 5
"""How often an object may come, go or change between two requests before it is left to the caller."""


def patched(  # noqa: PLR0913  # what is sent, under which condition, and what of it counts
    mapper: Mapper[R], draft: Draft[R], change: Patch, changes: Changes, *, only: int | None, tells: bool = True
) -> Conversation[Answer]:
    """Sends a patch of an instance, which makes these changes, ``only`` if its timestamp is this one; ``tells`` as in
    ``resolved()``.
    """
    write = light.patch(mapper, draft.obj, change, only=only)
    try:
        return (yield from resolved(mapper, draft, write, changes, tells=tells))
    except ConflictError as error:
        raise mapper.conflict(error, draft.obj) from None
    except NotFoundError as error:
        was_read = error.errno == NO_OBJECT and mapper.knows(draft.obj)
        raise (_gone(error) if was_read else error) from None


def unchanged(obj: Stored, *, force: bool) -> int | None:
    """The timestamp to make a write conditional on, or None where it is to be forced."""
    if force:
        return None
    timestamp = state_of(obj).timestamp
    if timestamp is None:
        raise NotSavedError(f"the server never told the timestamp of {called(obj)}: refresh() it, or use force=True")
    return timestamp


def missing_or_conflict(mapper: Mapper[R], error: ConflictError, obj: R) -> ConflictError | NotFoundError:
    """What a refused PUT says: with an ``If-Match`` on what does not exist it is a 412 without the existing object."""
    if isinstance(error.details, dict) and error.details.get("existing"):
        return mapper.conflict(error, obj)
    return _gone(error)


def _gone(error: StatusError) -> NotFoundError:
    gone = NotFoundError(f"{error.request}: it was deleted since it was read; replace(force=True) creates it anew")
    vars(gone).update(vars(error))
    return gone


def called(obj: Stored) -> str:
    """The instance in an error."""
    return f"{type(obj).__name__} {obj.id!r}"


def restless(obj: Stored, times: int) -> ConflictError:
    """The error of an object that is never the one that was read."""
    error = ConflictError(f"{called(obj)} came, went or changed {times} times while it was being written: try again")
    error.mine = obj
    return error
