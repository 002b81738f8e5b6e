"""Answers without what the client knows: ``Response-Behavior: diff``
(https://docs.kinto-storage.org/en/stable/api/1.x/records.html#patch-record).

Kinto then tells the fields only that became something else than was sent, without timestamp and permissions; the rest
is what was read, because the write was conditional on that. With the history plugin it answers with a 500.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from kinto_models.errors import InvalidAnswerError
from kinto_models.models.state import State
from kinto_models.models.stored import Stored, state_of
from kinto_models.protocol import operations
from kinto_models.protocol.bodies import BASIC, Patch, envelope
from kinto_models.protocol.messages import Conversation
from kinto_models.protocol.operations import Answer
from kinto_models.repository.mapper import Mapper

__all__ = ["patch"]

_WORTH_IT: Final = 1_000
"""Bytes of the last answer from which on it is worth leaving out."""


def patch(mapper: Mapper[Any], obj: Stored, change: Patch, *, only: int | None) -> Conversation[Answer]:
    """Sends a patch of an instance, ``only`` if its timestamp is this one. The answer is whole in any case."""
    state = state_of(obj)
    sent = yield from _what_is_light(mapper, state, change, only)
    answer = yield from mapper.send(operations.patch(mapper.place, obj.id, change, only=only, light=sent is not None))
    return answer if sent is None else replace(answer, body=_whole(state, sent, answer))


def _what_is_light(mapper: Mapper[Any], state: State, change: Patch, only: int | None) -> Conversation[Any]:
    """The data that are sent, if the answer need not repeat them; None if it is to be whole."""
    known = only is not None and only == state.timestamp and state.snapshot is not None
    if not (mapper.light and known and change.content_type == BASIC):
        return None
    told, sent = json.dumps(state.data), json.loads(change.body)
    if len(told) < _WORTH_IT or sent.keys() != {"data"} or (yield from mapper.facts.has("history")):
        return None
    return sent["data"]


def _whole(state: State, sent: Mapping[str, Any], answer: Answer) -> bytes:
    try:
        differing = json.loads(answer.body)["data"]
        data = {**(state.data or {}), **sent, **differing, "last_modified": answer.timestamp}
    except (ValueError, LookupError, TypeError, RecursionError):
        raise InvalidAnswerError(f"{answer.request.line}: the server answered something that is not Kinto's") from None
    if answer.timestamp is None:
        raise InvalidAnswerError(f"{answer.request.line}: the server sent no ETag")
    return envelope(data, state.shown)
