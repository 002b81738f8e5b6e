"""What the plugins of Remote Settings add to collections, as conversations: reviews and changesets."""

from __future__ import annotations

import random
from typing import Final, TypeVar

from kinto_models.errors import DeclarationError, MissingCapabilityError, NotFoundError
from kinto_models.models.changes import RemoteChangeSet
from kinto_models.models.outcomes import SaveResult
from kinto_models.models.review import COMMENTS, ReviewStatus
from kinto_models.models.stored import Stored, as_told, changes_of
from kinto_models.models.tracking import Changes, dump_json, names_of
from kinto_models.protocol.bodies import basic_patch
from kinto_models.protocol.messages import Conversation, send
from kinto_models.protocol.remote_settings import CAPABILITY, get_changeset
from kinto_models.repository.conversations.changes import sides
from kinto_models.repository.conversations.hooks import saved
from kinto_models.repository.conversations.selection import milliseconds
from kinto_models.repository.conversations.sending import patched, unchanged
from kinto_models.repository.mapper import Draft, Mapper

__all__ = ["changeset", "review"]

R = TypeVar("R", bound=Stored)

_BUSTING: Final = (9_999_000_000_000_000, 9_999_999_999_999_999)
"""What is expected where caches are to be passed by: the server has what begins with 9999 kept for a shorter time, and
refuses what is below ``since``."""


def review(
    mapper: Mapper[R], obj: R, status: ReviewStatus | str, *, message: str, force: bool
) -> Conversation[SaveResult]:
    """Asks for the next step. It is always sent: what the instance has for its status may be old."""
    if mapper.model.__kinto__.kind != "collection":
        raise TypeError(f"collections are reviewed, and {mapper.model.__name__} is none: collection.request_review()")
    mapper.refuse_stranger(obj)
    status = ReviewStatus(status)
    written = {"status": status.value}
    if status in COMMENTS:
        written[COMMENTS[status]] = message
    elif message:
        raise ValueError(f"{status.value!r} takes no message")
    names = names_of(mapper.model, written)
    known = mapper.knows(obj)
    unsaved = changes_of(obj).names if known else frozenset(obj.model_fields_set)
    old = as_told(obj) if known else None
    only = unchanged(obj, force=force) if known else None  # of a handle nobody has read what it stands for
    draft = Draft(obj, dump_json(obj), obj, {}, names=names)
    answer = yield from patched(mapper, draft, basic_patch(written), Changes(written, names=names), only=only)
    result = mapper.acknowledge(draft, answer, keep=unsaved - names)
    yield from saved(mapper, obj, old, result)
    return result


def changeset(
    mapper: Mapper[R], since: int | None, *, expected: int | None, bust_cache: bool
) -> Conversation[RemoteChangeSet[R]]:
    """The metadata and the records of a collection, of one moment."""
    if mapper.place.what != "record":
        raise DeclarationError(f"{mapper.model.__name__} is no record of a collection, which changesets are of")
    if since is not None:
        milliseconds("changeset", since)
    if expected is not None and bust_cache:
        raise ValueError("a changeset is one that is expected, or passes caches by: say expected or bust_cache")
    if expected is not None and (isinstance(expected, bool) or not isinstance(expected, int) or expected < 0):
        raise ValueError(f"expected is a timestamp in milliseconds, not {expected!r}")
    number = random.randint(*_BUSTING) if bust_cache else expected or 0  # noqa: S311  # it is to differ, and no secret
    try:
        changed = yield from send(get_changeset(mapper.place, expected=number, since=since))
    except NotFoundError as error:
        if (yield from mapper.facts.has(CAPABILITY)):
            raise  # there is no such collection
        raise MissingCapabilityError(
            f"the server has not the capability {CAPABILITY!r}, which the plugin kinto-remote-settings brings, and "
            "without it no changesets: changes() asks any Kinto"
        ) from error
    updated, deleted = yield from sides(mapper, changed.listing)
    found = sorted(updated, key=lambda each: each.last_modified or 0)
    flushed = since is not None and changed.timestamp > since and not (updated or deleted)
    dead = sorted(deleted, key=lambda each: each.last_modified)
    return RemoteChangeSet(found, dead, changed.timestamp, flushed, changed.metadata)
