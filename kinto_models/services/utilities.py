"""What a server tells of its health and its software, and what its operators ask of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from kinto_models.errors import InvalidAnswerError
from kinto_models.models.principals import Principal, known, principal_of
from kinto_models.models.server import Counters, Heartbeat, ServerVersion
from kinto_models.protocol import utilities as operations
from kinto_models.protocol.capabilities import needed
from kinto_models.protocol.messages import Conversation, Operation, send
from kinto_models.repository.facts import Facts
from kinto_models.repository.running.runner import Runner
from kinto_models.types import Data

if TYPE_CHECKING:
    from kinto_models.repository.running.async_runner import AsyncRunner

__all__ = ["AsyncUtilities", "Utilities"]

M = TypeVar("M", bound=BaseModel)


def _heartbeat() -> Operation[Heartbeat]:
    return operations.heartbeat().map(lambda backends: Heartbeat(backends=backends))


def _version() -> Operation[ServerVersion]:
    return _as(ServerVersion, operations.version())


def _counters() -> Operation[Counters]:
    return _as(Counters, operations.counters())


def _flush(facts: Facts, *, dry: bool) -> Conversation[None]:
    flushing = operations.flush()
    needs = needed(flushing.request) if dry else None  # what is sent, the server answers itself
    if needs is not None and not (yield from facts.has(needs[0])):
        raise needs[1]
    yield from send(flushing)


def _delete_user_data(principal: Principal) -> Operation[None]:
    return operations.delete_user_data(known(principal_of(principal)))


def _as(model: type[M], operation: Operation[Data]) -> Operation[M]:
    def read(told: Data) -> M:
        try:
            return model.model_validate(told)
        except ValidationError:
            line = operation.request.line
            raise InvalidAnswerError(f"{line}: the server answered something that is not Kinto's JSON") from None

    return operation.map(read)


class Utilities:
    """What a server offers to those who run it: ``client.utilities``
    (https://docs.kinto-storage.org/en/stable/api/1.x/utilities.html).
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def heartbeat(self) -> Heartbeat:
        """How the server's backends are. A 503, by which it says that one of them fails, is such an answer too, and is
        not asked again.

        Raises:
            UnavailableError: a 503 of something before it.
            TransportError: no answer.
        """
        return self._runner.run(_heartbeat())

    def lbheartbeat(self) -> bool:
        """Whether the server answers at all, whatever its backends do: what load balancers ask. Asked once.

        Raises:
            TransportError: no answer.
        """
        return self._runner.run(operations.lbheartbeat())

    def version(self) -> ServerVersion:
        """Which software the server runs.

        Raises:
            ServerFailedError: its operator wrote nothing down: see its setting ``version_json_path``.
        """
        return self._runner.run(_version())

    def openapi(self) -> Data:
        """The description of the server's API, which is Swagger 2.0 in Kinto 26. It tells neither filters nor the kinds
        of patches.
        """
        return self._runner.run(operations.openapi())

    def contribute(self) -> Data:
        """Who makes the server, and where: its ``contribute.json``."""
        return self._runner.run(operations.tell("/contribute.json"))

    def counters(self) -> Counters:
        """How many objects the server holds, with Kinto's plugin ``kinto.plugins.counters``.

        Raises:
            MissingCapabilityError: the server has it not.
        """
        return self._runner.run(_counters())

    def flush(self) -> None:
        """Deletes everything on the server: all buckets, accounts, permissions and what is cached. Anybody can where
        there is Kinto's plugin ``kinto.plugins.flush``, which is for tests.

        It is not sent again where no answer came, since what others wrote in between would be gone too.

        Raises:
            MissingCapabilityError: the server has it not.
            UncertainOutcomeError: no answer came.
        """
        self._runner.converse(_flush(self._runner.facts, dry=self._runner.rehearsal is not None))

    def delete_user_data(self, principal: Principal) -> None:
        """Deletes all that a user alone may write, with what is in it, and takes the user out of all other permissions
        and groups. What others may write too stays. For those in the server's setting
        ``user-data_delete_principals``. The account itself stays, and can still sign in: delete it first.

        Kinto on PostgreSQL answers with a 503 where the user has nothing, or nothing any more: so a deletion whose
        answer is lost is uncertain there.

        Parameters:
            principal: of a user, such as ``Account("alice")``.

        Raises:
            ForbiddenError: the client is not in that setting.
            UncertainOutcomeError: no answer came, and what there is does not tell.
            ValueError: a group.
        """
        self._runner.run(_delete_user_data(principal))


class AsyncUtilities:
    """The same for async code: ``async_client.utilities``."""

    def __init__(self, runner: AsyncRunner) -> None:
        self._runner = runner

    async def heartbeat(self) -> Heartbeat:
        """How the server's backends are: see ``Utilities.heartbeat``."""
        return await self._runner.run(_heartbeat())

    async def lbheartbeat(self) -> bool:
        """Whether the server answers at all: see ``Utilities.lbheartbeat``."""
        return await self._runner.run(operations.lbheartbeat())

    async def version(self) -> ServerVersion:
        """Which software the server runs: see ``Utilities.version``."""
        return await self._runner.run(_version())

    async def openapi(self) -> Data:
        """The description of the server's API: see ``Utilities.openapi``."""
        return await self._runner.run(operations.openapi())

    async def contribute(self) -> Data:
        """Who makes the server, and where: see ``Utilities.contribute``."""
        return await self._runner.run(operations.tell("/contribute.json"))

    async def counters(self) -> Counters:
        """How many objects the server holds: see ``Utilities.counters``."""
        return await self._runner.run(_counters())

    async def flush(self) -> None:
        """Deletes everything on the server: see ``Utilities.flush``."""
        await self._runner.converse(_flush(self._runner.facts, dry=self._runner.rehearsal is not None))

    async def delete_user_data(self, principal: Principal) -> None:
        """Deletes all that a user alone may write: see ``Utilities.delete_user_data``."""
        await self._runner.run(_delete_user_data(principal))
