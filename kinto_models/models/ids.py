"""Where the ids of new objects come from."""

from __future__ import annotations

from typing import Protocol, runtime_checkable
from uuid import uuid4

from kinto_models.protocol.paths import ID_PATTERN

__all__ = ["IdGenerator", "ServerIds", "UUID4Ids"]


@runtime_checkable
class IdGenerator(Protocol):
    """Makes ids, and says which ids there can be: the client's side of a Kinto-Core id generator.

    Attributes:
        pattern: a regular expression that an id matches in full. The server's settings must agree.
    """

    pattern: str

    def __call__(self) -> str:
        """A new id."""
        ...


class UUID4Ids:
    """Random UUIDs for new objects; takes any id that Kinto takes by default. The default."""

    pattern: str = ID_PATTERN

    def __call__(self) -> str:
        """A new id."""
        return str(uuid4())


class ServerIds:
    """Leaves it to the server: the id of a new object is empty until it is created, by POST."""

    pattern: str = ID_PATTERN

    def __call__(self) -> str:
        """Nothing yet."""
        return ""
