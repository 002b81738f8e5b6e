"""The way up: what a model asks of the repository that it is bound to, and of the client that is active.

Models know no repository and no client, only these protocols. A client makes itself current here, for a block (a
context variable, so that threads and tasks do not see each other's) or for the whole process.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Protocol, TypeVar

from kinto_models.errors import NoClientError
from kinto_models.models.interface import Objects
from kinto_models.models.stored import Stored

__all__ = ["Repositories", "activate", "current", "deactivate", "set_default"]

R = TypeVar("R", bound=Stored)


class Repositories(Protocol):
    """What a model asks of a client."""

    def repository(self, model: type[R], *, bucket: str | None = None, collection: str | None = None) -> Objects[R]:
        """The objects of a class."""
        ...


_of_block: ContextVar[Repositories | None] = ContextVar("kinto_models_client", default=None)
_of_process: list[Repositories] = []


def activate(client: Repositories) -> Token[Repositories | None]:
    """Makes a client current until the token is given back."""
    return _of_block.set(client)


def deactivate(token: Token[Repositories | None]) -> None:
    """Makes current what was current before ``activate``."""
    _of_block.reset(token)


def set_default(client: Repositories | None) -> None:
    """Makes a client current wherever no block has one of its own; None takes it away."""
    _of_process[:] = [] if client is None else [client]


def current() -> Repositories:
    """The current client.

    Raises:
        NoClientError: there is none.
    """
    client = _of_block.get() or (_of_process[0] if _of_process else None)
    if client is None:
        raise NoClientError(
            "no client is active here: write 'with Client(\"https://example.com/v1\", auth=...):' around this code, "
            "call kinto_models.connect(...) once for the whole process, or use client.repository(...)"
        )
    return client
