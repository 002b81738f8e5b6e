"""Answers without what the client knows: ``Response-Behavior: light``
(https://docs.kinto-storage.org/en/stable/api/1.x/records.html#patch-record).

Kinto then tells the fields only that changed, without timestamp and permissions; the rest is what was read, because the
write was conditional on that. With the history plugin it answers with a 500.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

from kinto_models.errors import InvalidAnswerError
from kinto_models.models.state import State
from kinto_models.models.stored import Stored, state_of
from kinto_models.protocol import operations
from kinto_models.protocol.bodies import BASIC, Patch, encode, envelope
from kinto_models.protocol.messages import Conversation
from kinto_models.protocol.operations import Answer
from kinto_models.repository.mapper import Mapper

__all__ = ["patch"]

_WORTH_IT: Final = 1_000
"""Bytes of an object from which on it is worth leaving out."""


def patch(mapper: Mapper[Any], obj: Stored, change: Patch, *, only: int | None) -> Conversation[Answer]:
    """Sends a patch of an instance, ``only`` if its timestamp is this one. The answer is whole in any case."""
    state = state_of(obj)
    light = mapper.light and (yield from _may_be_light(mapper, state, change, only))
    answer = yield from mapper.send(operations.patch(mapper.place, obj.id, change, only=only, light=light))
    return replace(answer, body=_whole(state, answer)) if light else answer


def _may_be_light(mapper: Mapper[Any], state: State, change: Patch, only: int | None) -> Conversation[bool]:
    if state.data is None or only is None or only != state.timestamp or change.content_type != BASIC:
        return False
    if len(encode(state.data)) < _WORTH_IT or json.loads(change.body).keys() != {"data"}:
        return False
    return not (yield from mapper.facts.has("history"))


def _whole(state: State, answer: Answer) -> bytes:
    try:
        data = {**(state.data or {}), **json.loads(answer.body)["data"], "last_modified": answer.timestamp}
    except (ValueError, LookupError, TypeError, RecursionError):
        raise InvalidAnswerError(f"{answer.request.line}: the server answered something that is not Kinto's") from None
    if answer.timestamp is None:
        raise InvalidAnswerError(f"{answer.request.line}: the server sent no ETag")
    return envelope(data, state.shown)
