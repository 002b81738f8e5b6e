"""The accounts of a server, and who the client is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import SecretStr

from kinto_models.errors import UnauthorizedError
from kinto_models.models.account import UserAccount
from kinto_models.protocol.messages import Conversation
from kinto_models.repository.conversations import patching, writes
from kinto_models.repository.facts import Facts
from kinto_models.repository.mapper import Mapper
from kinto_models.repository.repository import AsyncRepository, Repository

if TYPE_CHECKING:
    from kinto_models.models.server import ServerUser

__all__ = ["Accounts", "AsyncAccounts", "me"]

A = TypeVar("A", bound=UserAccount)
B = TypeVar("B", bound=UserAccount)


def _sign_up(mapper: Mapper[A], account_id: str, password: str | SecretStr, fields: dict[str, Any]) -> Conversation[A]:
    account = mapper.model(id=account_id, **fields)  # without the password, which no error is to repeat
    account.password = _secret(password)
    return (yield from writes.created(mapper, account))


def _change_password(mapper: Mapper[A], target: A | str, password: str | SecretStr) -> Conversation[A]:
    changed: A = yield from patching.patch(mapper, target, (), {"password": _secret(password)})
    return changed if isinstance(target, str) else target


def _secret(password: str | SecretStr) -> SecretStr:
    if isinstance(password, SecretStr):
        return password
    if not isinstance(password, str):
        raise TypeError(f"a password is text or a SecretStr, not {type(password).__name__}")
    return SecretStr(password)


def me(facts: Facts, *, signed: bool) -> Conversation[ServerUser | None]:
    """Who the client is to the server.

    Parameters:
        facts: of the server.
        signed: whether the client has credentials.
    """
    user = (yield from facts.info(refresh=True)).user
    if user is None and signed:  # Kinto greets a stranger all the same
        refused = UnauthorizedError(
            "GET /: the server does not know these credentials: they are wrong, expired or taken back, or of a kind "
            "that it does not take"
        )
        refused.status, refused.request, refused.reason = 401, "GET /", "the server answered as to a stranger"
        raise refused
    return user


class Accounts(Repository[A]):
    """The accounts of a server with Kinto's accounts plugin: ``client.accounts``.

    A repository like others, besides what is about passwords: administrators (``account_write_principals`` and, to list
    them, ``account_read_principals`` of Kinto's settings) see and change all accounts, everybody else their own. An
    account that was read is saved by ``PATCH``; what would replace it whole needs its password.
    """

    def of(self, model: type[B]) -> Accounts[B]:
        """The same accounts, as instances of another class. Does no I/O."""
        return Accounts(self._runner, model)

    def sign_up(self, account_id: str, password: str | SecretStr, **fields: Any) -> A:
        """Makes an account and returns it. A client for its user is another one: ``client.clone(auth=...)``.

        Anybody may who the server lets, which is its setting ``account_create_principals``; with credentials, only
        administrators.

        Parameters:
            account_id: the user's name.
            password: at most 72 bytes in UTF-8.
            fields: what else the account is to hold.

        Raises:
            AlreadyExistsError: the name is taken.
            pydantic.ValidationError: a name that Kinto does not take, or a value that does not fit its field.
            ValueError: a password that Kinto does not take, or would cut short; nothing is sent.
            UncertainOutcomeError: no answer came, so that the account may be there: try whether the password works.
            MissingCapabilityError: the server has no accounts.
        """
        return self._runner.converse(_sign_up(self._mapper, account_id, password, fields))

    def change_password(self, target: A | str, password: str | SecretStr) -> A:
        """Changes a password, and returns the account.

        Whose own it is goes on with another client, ``client.clone(auth=...)``: the credentials of this one are old.

        Parameters:
            target: an instance, which is changed if it is still the one that was read, or an id.
            password: the new one, at most 72 bytes in UTF-8.

        Raises:
            ValueError: a password that Kinto does not take, or would cut short; nothing is sent.
            ConflictError: the account changed since the instance was read.
            UncertainOutcomeError: no answer came: one of the two passwords works.
            NotFoundError: there is none.
        """
        return self._runner.converse(_change_password(self._mapper, target, password))


class AsyncAccounts(AsyncRepository[A]):
    """The same for async code: ``async_client.accounts``."""

    def of(self, model: type[B]) -> AsyncAccounts[B]:
        """The same accounts, as instances of another class. Does no I/O."""
        return AsyncAccounts(self._runner, model)

    async def sign_up(self, account_id: str, password: str | SecretStr, **fields: Any) -> A:
        """Makes an account and returns it: see ``Accounts.sign_up``."""
        return await self._runner.converse(_sign_up(self._mapper, account_id, password, fields))

    async def change_password(self, target: A | str, password: str | SecretStr) -> A:
        """Changes a password, and returns the account: see ``Accounts.change_password``."""
        return await self._runner.converse(_change_password(self._mapper, target, password))
