"""How single objects are read, as conversations."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from kinto_models.errors import ForbiddenError, NotFoundError
from kinto_models.models.state import Snapshot
from kinto_models.models.stored import Stored
from kinto_models.protocol import operations
from kinto_models.protocol.messages import Conversation, send
from kinto_models.repository.conversations.hooks import loaded
from kinto_models.repository.mapper import Mapper
from kinto_models.types import Data

__all__ = ["NO_OBJECT", "NO_PARENT", "exists", "get", "get_or_none", "read_data", "timestamp"]

R = TypeVar("R", bound=Stored)

NO_OBJECT: Final = 110
"""Kinto's errno for an object that does not exist (https://docs.kinto-storage.org/en/stable/api/1.x/errors.html). A 404
without it is somebody else's, such as that of a server that is no Kinto."""

NO_PARENT: Final = 111
"""Kinto's errno for an object whose parent does not exist, and for an endpoint that does not."""


def get(mapper: Mapper[R], object_id: str) -> Conversation[R]:
    """Reads one object."""
    obj = mapper.load((yield from send(operations.get(mapper.place, object_id))))
    yield from loaded(mapper.model, (obj,))
    return obj


def get_or_none(mapper: Mapper[R], object_id: str) -> Conversation[R | None]:
    """Reads one object; None where its parent exists and it does not."""
    try:
        return (yield from get(mapper, object_id))
    except NotFoundError as error:
        if error.errno != NO_OBJECT:
            raise
        return None


def exists(mapper: Mapper[Any], object_id: str) -> Conversation[bool]:
    """Whether there is such an object."""
    try:
        yield from send(operations.get_object_timestamp(mapper.place, object_id))
    except NotFoundError:  # of a HEAD, which does not say what there is not
        return (yield from get_or_none(mapper, object_id)) is not None
    return True


def timestamp(mapper: Mapper[Any], object_id: str | None) -> Conversation[int]:
    """The timestamp of the list, or of one object."""
    if object_id is None:
        return (yield from send(operations.get_timestamp(mapper.place)))
    asked = operations.get_object_timestamp(mapper.place, object_id)
    try:
        return (yield from send(asked))
    except NotFoundError:  # see exists()
        yield from get(mapper, object_id)
    return (yield from send(asked))


def read_data(mapper: Mapper[Any], object_id: str) -> Conversation[Data]:
    """An object as it is stored, whether it fits the class or not; nothing where there is none, or none to be seen."""
    try:
        answer = yield from send(operations.get(mapper.place, object_id))
    except ForbiddenError:  # whoever may only create
        return {}
    except NotFoundError as error:
        if error.errno != NO_OBJECT:
            raise
        return {}
    data: Data = Snapshot(answer.body, None).parsed()["data"]
    return data
