"""What a write says of the file beside a record: what is so today, whatever an instance remembers of it.

kinto-attachment removes a file that another one takes the place of. It refuses a record that tells of another one than
before, but only once that is stored, and not every storage takes that back; a record that tells of none it lets pass,
and nobody finds the file any more. So neither is sent. Without the plugin the field is like any other.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

from kinto_models.models.attachments import has_file, not_written
from kinto_models.models.stored import Stored, state_of
from kinto_models.models.tracking import Changes, names_of, same
from kinto_models.protocol.attachments import CAPABILITY, FIELD
from kinto_models.protocol.messages import Conversation
from kinto_models.repository.mapper import Draft, Mapper
from kinto_models.types import Data

__all__ = ["changed", "keep_file", "refuse_file"]

R = TypeVar("R", bound=Stored)


def changed(mapper: Mapper[R], draft: Draft[R], told: Data) -> Conversation[Changes]:
    """What of a draft the object, as the server told it, has not; without the file, of which the draft then tells as
    the object does.

    Raises:
        ReadOnlyFieldError: the instance was read with the file that is there, and tells of another one, or of none.
    """
    changes = draft.changes(told)
    if not (yield from keep_file(mapper, draft, told)):
        return changes
    if told is state_of(draft.obj).data and (FIELD in changes.written or FIELD in changes.removed):
        raise not_written(mapper.model)
    written = {name: value for name, value in changes.written.items() if name != FIELD}
    removed = tuple(name for name in changes.removed if name != FIELD)
    draft.names = changes.names - names_of(mapper.model, {FIELD})
    return Changes(written, removed, draft.names)


def keep_file(mapper: Mapper[R], draft: Draft[R], told: Data) -> Conversation[bool]:
    """Has a draft tell of the file what the object tells, if that differs and is the plugin's to say; ``told`` is empty
    for an object that is not there. Tells whether it did.
    """
    if not has_file(told) and not _is_gone(mapper, draft, told):
        return False
    if same(draft.data.get(FIELD), told.get(FIELD)) or not (yield from mapper.facts.has(CAPABILITY)):
        return False
    draft.keep_file(told)
    return True


def refuse_file(mapper: Mapper[R], names: Collection[str]) -> Conversation[None]:
    """Raises ReadOnlyFieldError if the file is among the fields with these names, and the plugin's to say."""
    if names_of(mapper.model, {FIELD}) & {*names} and (yield from mapper.facts.has(CAPABILITY)):
        raise not_written(mapper.model)


def _is_gone(mapper: Mapper[R], draft: Draft[R], told: Data) -> bool:
    """Whether a draft remembers a file that the object had once: it went with the object, or was detached. One of
    another place may well be there, and what is told of it is copied.
    """
    return has_file(draft.data) and told is not state_of(draft.obj).data and mapper.belongs(draft.obj)
