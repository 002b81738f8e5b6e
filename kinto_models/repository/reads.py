"""How single objects are read, as conversations."""

from __future__ import annotations

from typing import Final, TypeVar

from kinto_models.errors import NotFoundError
from kinto_models.models.stored import Stored
from kinto_models.protocol import operations
from kinto_models.protocol.messages import Conversation, send
from kinto_models.repository.hooks import loaded
from kinto_models.repository.mapper import Mapper

__all__ = ["NO_OBJECT", "NO_PARENT", "get", "get_or_none"]

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
