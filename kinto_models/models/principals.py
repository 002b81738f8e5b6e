"""Who may do something: Kinto's principals (https://docs.kinto-storage.org/en/stable/concepts.html#permissions)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, runtime_checkable

__all__ = ["AUTHENTICATED", "EVERYONE", "Account", "HasPrincipal", "Principal", "principal_of"]

EVERYONE: Final = "system.Everyone"
"""Anyone, anonymous or not."""

AUTHENTICATED: Final = "system.Authenticated"
"""Anyone with valid credentials."""


@runtime_checkable
class HasPrincipal(Protocol):
    """Anything that stands for a principal, such as a group."""

    @property
    def principal(self) -> str:
        """The principal, as Kinto writes it."""
        ...


@dataclass(frozen=True, slots=True)
class Account:
    """A user of Kinto's accounts plugin."""

    name: str

    @property
    def principal(self) -> str:
        """``account:NAME``."""
        return f"account:{self.name}"


Principal: TypeAlias = "str | HasPrincipal"
"""A principal in Kinto's own words, an ``Account``, or a ``Group`` instance."""


def principal_of(value: Principal) -> str:
    """The principal, as Kinto writes it.

    Raises:
        ValueError: text that is empty or has a space, which the server would store and never match.
        TypeError: neither text nor something that has a principal.
    """
    if isinstance(value, type):
        raise TypeError(f"{value.__name__} is a class: pass an instance, {value.__name__}(...)")
    text = value.principal if isinstance(value, HasPrincipal) else value
    if not isinstance(text, str):
        raise TypeError(f"a principal is text, an Account or a Group, not {type(value).__name__}")
    if not text or any(character.isspace() for character in text):
        raise ValueError(f"{text!r} is no principal: it is empty or has a space")
    return text
