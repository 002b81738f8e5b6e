"""The way up: what a model asks of the repository that it is bound to, and of the client that is active.

Models know no repository and no client, only these protocols. A client makes itself active here, for a block (a
context variable, so that threads and tasks do not see each other's) or for the whole process. Blocking and async
clients are active side by side: ``task.save()`` uses the one, ``await task.asave()`` the other.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Generic, Protocol, TypeVar

from kinto_models.errors import NoClientError
from kinto_models.models.async_interface import AsyncObjects
from kinto_models.models.interface import Objects
from kinto_models.models.stored import Stored

__all__ = ["AWAITED", "BLOCKING", "Active", "AsyncRepositories", "Repositories", "anyone"]

R = TypeVar("R", bound=Stored)


class Repositories(Protocol):
    """What a model asks of a client."""

    def repository(self, model: type[R], *, bucket: str | None = None, collection: str | None = None) -> Objects[R]:
        """The objects of a class."""
        ...


class AsyncRepositories(Protocol):
    """What a model asks of an async client."""

    def repository(
        self, model: type[R], *, bucket: str | None = None, collection: str | None = None
    ) -> AsyncObjects[R]:
        """The objects of a class."""
        ...


C = TypeVar("C")


class Active(Generic[C]):
    """Which client of one kind is active here.

    Parameters:
        kind: the class of the clients, for the error.
        block: how a block with one begins.
        default: what makes one active in the whole process.
    """

    def __init__(self, kind: str, block: str, default: str) -> None:
        self._kind, self._block, self._connect = kind, block, default
        # A stack and no tokens: a test's fixture may leave a block in another context than it entered it in.
        self._of_blocks: ContextVar[tuple[C, ...]] = ContextVar(f"kinto_models_{kind}", default=())
        self._of_process: C | None = None

    def enter(self, client: C) -> None:
        """Makes a client active until it leaves."""
        self._of_blocks.set((*self._of_blocks.get(), client))

    def leave(self, client: C) -> None:
        """Makes active what was so before the client entered last."""
        stack = list(self._of_blocks.get())
        for index in reversed(range(len(stack))):
            if stack[index] is client:
                del stack[index]
                break
        self._of_blocks.set(tuple(stack))

    def set_default(self, client: C | None) -> None:
        """Makes a client active wherever no block has one of its own; None takes it away."""
        self._of_process = client

    def get(self) -> C | None:
        """The active client, or None."""
        stack = self._of_blocks.get()
        return stack[-1] if stack else self._of_process

    def current(self) -> C:
        """The active client.

        Raises:
            NoClientError: there is none.
        """
        client = self.get()
        if client is None:
            raise NoClientError(
                f'no {self._kind} is active here: write \'{self._block} {self._kind}("https://example.com/v1", '
                f"auth=...):' around this code, call {self._connect} once for the whole process, or use "
                f"client.repository(...){self._hint()}"
            )
        return client

    def _hint(self) -> str:
        if self is BLOCKING and AWAITED.get() is not None:
            return "; an AsyncClient is active: with it, await the twin whose name begins with an a, such as asave()"
        if self is AWAITED and BLOCKING.get() is not None:
            return "; a Client is active: with it, call the twin without the a, such as save()"
        return ""


BLOCKING: Active[Repositories] = Active("Client", "with", "kinto_models.connect(...)")
AWAITED: Active[AsyncRepositories] = Active("AsyncClient", "async with", "await kinto_models.aconnect(...)")


def anyone() -> Repositories | AsyncRepositories:
    """The active client of either kind, where all that is wanted is a handle.

    Raises:
        NoClientError: there is none.
    """
    return BLOCKING.get() or AWAITED.get() or BLOCKING.current()
