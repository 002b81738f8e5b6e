"""Accounts: the users of Kinto's accounts plugin (https://docs.kinto-storage.org/en/stable/api/1.x/accounts.html)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from pydantic import Field, FieldSerializationInfo, SecretStr, field_serializer

from kinto_models.models.ids import UUID4Ids
from kinto_models.models.principals import Account
from kinto_models.models.settings import Configured
from kinto_models.protocol.accounts import ACCOUNT_PATTERN, ACCOUNTS, PASSWORD

__all__ = ["UserAccount", "check_password"]

_LONGEST: Final = 72
"""Bytes of a password that bcrypt looks at."""


def check_password(password: str) -> None:
    """Refuses what Kinto takes for no password, or would cut short. No error repeats it.

    Raises:
        ValueError: it is empty, longer than 72 bytes in UTF-8, holds U+0000, or is not Unicode.
    """
    if not password:
        raise ValueError("an empty password is none")
    if "\0" in password:
        raise ValueError("a password with U+0000 ends there for some versions of bcrypt, which Kinto hashes it with")
    if len(password.encode("utf-8", "surrogatepass")) > _LONGEST:
        raise ValueError(
            f"a password has at most {_LONGEST} bytes in UTF-8: bcrypt, which Kinto hashes it with, fails on more, or "
            "leaves the rest out without a word"
        )
    if any("\ud800" <= character <= "\udfff" for character in password):
        raise ValueError("a password that is not Unicode cannot be sent")


class _Names(UUID4Ids):
    pattern = ACCOUNT_PATTERN


class UserAccount(Configured, path=ACCOUNTS, ids=_Names(), hide_input_in_errors=True):
    """A user of Kinto's accounts plugin. Subclass it for fields of one's own; what it does not declare is kept.

    Attributes:
        id: the user's name, which cannot change.
        password: on its way to the server only: None in what was read, and again once it was saved. It is at most 72
            bytes in UTF-8, and shown in no repr, error or pickle. What the server answers is a hash, which is dropped
            before anything reads it.
    """

    __kinto_settings__: ClassVar[Mapping[str, str]] = {PASSWORD: PASSWORD}
    __kinto_checks__: ClassVar[Mapping[str, Callable[[Any], None]]] = {PASSWORD: check_password}

    id: str = Field(pattern=f"^{ACCOUNT_PATTERN}$", alias="id")
    password: SecretStr | None = None

    @field_serializer(PASSWORD, when_used="json-unless-none")
    def _for_the_wire(self, password: SecretStr | str, info: FieldSerializationInfo) -> str:
        # In plain text only where it is to be read back, as what is sent is; and what was put here unvalidated too.
        secret = password if isinstance(password, SecretStr) else SecretStr(password)
        return secret.get_secret_value() if info.round_trip else str(secret)

    @property
    def principal(self) -> Account:
        """The user as a principal, to be granted permissions: ``Account("alice")``."""
        return Account(self.id)

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        return {**state, "__dict__": {**state["__dict__"], PASSWORD: None}}
