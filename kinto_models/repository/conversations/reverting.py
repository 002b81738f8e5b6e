"""Back to a state of before, as a conversation."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime
from typing import Any, TypeVar

from kinto_models.errors import ConflictError, NotFoundError, NotInHistoryError, UncertainOutcomeError
from kinto_models.models.attachments import has_file
from kinto_models.models.expressions import key
from kinto_models.models.history import HistoryEntry, read
from kinto_models.models.moments import in_milliseconds
from kinto_models.models.outcomes import SaveResult
from kinto_models.models.stored import Stored, state_of
from kinto_models.models.tracking import absorb, dump_json
from kinto_models.protocol.attachments import FIELD
from kinto_models.protocol.messages import Conversation
from kinto_models.repository.conversations import writes
from kinto_models.repository.conversations.chronicle import Chronicle, history_of
from kinto_models.repository.conversations.reads import NO_OBJECT
from kinto_models.repository.conversations.selection import milliseconds
from kinto_models.repository.conversations.sending import called
from kinto_models.repository.mapper import Mapper
from kinto_models.types import Data

__all__ = ["revert"]

R = TypeVar("R", bound=Stored)


def revert(mapper: Mapper[R], obj: R, to: HistoryEntry[Stored] | int | datetime) -> Conversation[SaveResult]:
    """Writes the object as it was, if it is the one that was read."""
    mapper.refuse_stranger(obj)
    entry = to if isinstance(to, HistoryEntry) else (yield from _entry_at(mapper, obj, to))
    if not _is_about(entry, mapper, obj.id):
        raise ValueError(f"{called(obj)} is not reverted to what another object was: the entry is about {entry.uri}")
    if entry.action == "delete":
        raise NotInHistoryError(
            f"{called(obj)} had been deleted then, by {entry.user_id}: there is no state to go back to"
        )
    then = read(type(obj), _with_the_file_of({}, entry.target.raw), mapper.objects)
    before, today = dump_json(obj), state_of(obj).data or {}
    written = then
    if mapper.knows(obj):
        written = _as_it_was(obj, read(type(obj), _with_the_file_of(today, entry.target.raw), mapper.objects))
    try:
        try:
            result = yield from writes.save(mapper, written, force=False)
        except NotFoundError as gone:
            if gone.errno != NO_OBJECT or written is then:
                raise
            written = then
            result = yield from writes.create(mapper, then)
    except (ConflictError, UncertainOutcomeError) as error:
        error.mine = obj
        raise
    mapper.adopt(obj, written, before, None)
    return result


def _entry_at(mapper: Mapper[R], obj: R, at: int | datetime) -> Conversation[HistoryEntry[Any]]:
    """The last change of the object up to a moment."""
    moment = milliseconds("revert", in_milliseconds("revert()", at))
    changed = key("target.data.last_modified")
    query = history_of(Chronicle[HistoryEntry[Any]], None, mapper, obj.id)
    entry = yield from query.where(changed <= moment).sort(-changed)._first()
    if entry is None:
        raise NotInHistoryError(
            f"the history has nothing of {called(obj)} up to {moment}: it was created later, or what is older was "
            "purged, not recorded, or is not shown to these credentials"
        )
    return entry


def _is_about(entry: HistoryEntry[Any], mapper: Mapper[Any], object_id: str) -> bool:
    kind, objects = mapper.model.__kinto__.kind, mapper.objects
    same_list = kind != "record" or entry.collection_id == objects.collection
    same_bucket = objects.bucket in (entry.bucket_id, "default")
    return entry.resource_name == kind and entry.object_id == object_id and same_list and same_bucket


def _with_the_file_of(today: Data, then: Data) -> Data:
    """The data of then with the file of today: one that was replaced is gone from the server."""
    data = {name: value for name, value in then.items() if name != FIELD or not has_file(then)}
    return {**data, FIELD: today[FIELD]} if has_file(today) else data


def _as_it_was(obj: R, then: R) -> R:
    """A copy of the instance, and of all that it knows of the server, with the data of then."""
    copy = deepcopy(obj)
    absorb(copy, then)
    vars(copy)["last_modified"] = obj.last_modified
    state_of(copy).permissions = None  # what is not saved of them is not sent
    return copy
