"""Who may do something: Kinto's principals (https://docs.kinto-storage.org/en/stable/concepts.html#permissions)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, runtime_checkable

from kinto_models.errors import DeclarationError
from kinto_models.models.options import Options
from kinto_models.protocol.paths import groups

__all__ = ["AUTHENTICATED", "EVERYONE", "Account", "HasPrincipal", "Principal", "group_principal", "principal_of"]

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


Principal: TypeAlias = "str | HasPrincipal | type[HasPrincipal]"
"""A principal in Kinto's own words, an ``Account``, a ``Group``, or a declared class of it, which says its id."""


def principal_of(value: Principal) -> str:
    """The principal, as Kinto writes it.

    Raises:
        ValueError: text that is empty or has a space, which the server would store and never match.
        TypeError: neither text nor something that has a principal.
        DeclarationError: a group whose bucket is not known.
    """
    if isinstance(value, type):
        text = _of_class(value)
    else:
        text = value.principal if isinstance(value, HasPrincipal) else value
    if not isinstance(text, str):
        raise TypeError(f"a principal is text, an Account or a Group, not {type(value).__name__}")
    if not text or any(character.isspace() for character in text):
        raise ValueError(f"{text!r} is no principal: it is empty or has a space")
    return text


def _of_class(declared: type) -> str:
    options = getattr(declared, "__kinto__", None)
    if not isinstance(options, Options) or options.kind != "group" or options.own_id is None:
        name = declared.__name__
        raise TypeError(f"{name} is a class without an id of its own: pass an instance, {name}(...)")
    return group_principal(options.bucket, options.own_id, declared.__name__)


def group_principal(bucket: str | None, group_id: str, called: str) -> str:
    """A group as a principal: its path.

    Raises:
        DeclarationError: it is not known which bucket it is in.
    """
    if bucket is None:
        raise DeclarationError(f"{called} names no bucket: declare it, or save or read the group first")
    if bucket == "default":
        raise DeclarationError(
            f"{called} is in the default bucket, which is another one for each user: as a principal a group is known "
            "by the real id of its bucket, client.server_info().user.bucket"
        )
    return groups(bucket).object(group_id)
