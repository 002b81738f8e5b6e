"""How single objects are read, as conversations."""

from __future__ import annotations

from typing import TypeVar

from kinto_models.errors import NotFoundError
from kinto_models.models.stored import Stored
from kinto_models.protocol import operations
from kinto_models.protocol.messages import Conversation
from kinto_models.repository.mapper import Mapper, send

__all__ = ["get", "get_or_none"]

R = TypeVar("R", bound=Stored)

_NO_PARENT = 111
"""Kinto's errno for an object whose parent does not exist, where 110 is an object that does not exist itself
(https://docs.kinto-storage.org/en/stable/api/1.x/errors.html)."""


def get(mapper: Mapper[R], object_id: str) -> Conversation[R]:
    """Reads one object."""
    return mapper.load((yield from send(operations.get(mapper.place, object_id))))


def get_or_none(mapper: Mapper[R], object_id: str) -> Conversation[R | None]:
    """Reads one object; None where its parent exists and it does not."""
    try:
        return (yield from get(mapper, object_id))
    except NotFoundError as error:
        if error.errno == _NO_PARENT:
            raise
        return None
