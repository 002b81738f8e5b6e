"""Who may do something: Kinto's principals (https://docs.kinto-storage.org/en/stable/concepts.html#permissions)."""

from __future__ import annotations

from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

from typing_extensions import Self

from kinto_models.errors import DeclarationError
from kinto_models.models.options import Options
from kinto_models.protocol.paths import groups

__all__ = [
    "AUTHENTICATED",
    "EVERYONE",
    "Account",
    "HasPrincipal",
    "OpenPrincipal",
    "Principal",
    "group_principal",
    "known",
    "principal_of",
    "refuse_blanks",
]

EVERYONE: Final = "system.Everyone"
"""Anyone, anonymous or not."""

_ACCOUNT: Final = "account:"
_DEFAULT: Final = "/buckets/default/"

AUTHENTICATED: Final = "system.Authenticated"
"""Anyone with valid credentials."""


@runtime_checkable
class HasPrincipal(Protocol):
    """Anything that stands for a principal, such as a group."""

    @property
    def principal(self) -> str:
        """The principal, as Kinto writes it."""
        ...


class Account(str):
    """A user of Kinto's accounts plugin, as the principal that she is: ``Account("alice") == "account:alice"``."""

    __slots__ = ()

    def __new__(cls, name: str) -> Self:
        """The user of this name.

        Raises:
            ValueError: no name, or one with a space.
        """
        refuse_blanks(name, "no user's name")
        return super().__new__(cls, _ACCOUNT + name)

    @property
    def name(self) -> str:
        """The user's name."""
        return self[len(_ACCOUNT) :]

    @property
    def principal(self) -> str:
        """``account:NAME``."""
        return str(self)

    def __repr__(self) -> str:
        return f"Account({self.name!r})"

    def __getnewargs__(self) -> tuple[str]:
        return (self.name,)


class OpenPrincipal(str):
    """A group in a default bucket whose real id is not known yet: ``/buckets/default/groups/ID``, which the server
    would store and never match.

    Attributes:
        facts: those of the client whose default bucket it is; None for that of whoever saves it.
    """

    __slots__ = ("facts",)

    facts: Any

    def __new__(cls, principal: str, facts: Any = None) -> Self:
        """One of these facts."""
        made = super().__new__(cls, principal)
        made.facts = facts
        return made

    def closed(self, bucket: str, facts: Any) -> str:
        """The principal, in the bucket of this real id.

        Raises:
            DeclarationError: it is of another client.
        """
        if self.facts not in (None, facts):
            raise _unknown_bucket(f"the group of {self}")
        return f"/buckets/{bucket}/{self.removeprefix(_DEFAULT)}"

    def __deepcopy__(self, memo: object) -> Self:
        return self  # its facts are nobody's copy

    def __reduce__(self) -> tuple[Any, ...]:
        return OpenPrincipal, (str(self),)


@runtime_checkable
class _Group(Protocol):
    def _principal(self) -> str: ...


Principal: TypeAlias = "str | HasPrincipal | type[HasPrincipal]"
"""A principal in Kinto's own words, an ``Account``, a ``Group``, or a declared class of it, which says its id."""


def principal_of(value: Principal) -> str:
    """The principal, as Kinto writes it; an ``OpenPrincipal`` where that is not known yet.

    Raises:
        ValueError: text that is empty or has a space, which the server would store and never match.
        TypeError: neither text nor something that has a principal.
        DeclarationError: a group whose bucket is not known.
    """
    text: object = value
    if isinstance(value, type):
        text = _of_class(value)
    elif isinstance(value, _Group):
        text = value._principal()
    elif isinstance(value, HasPrincipal):
        text = value.principal
    if not isinstance(text, str):
        raise TypeError(f"a principal is text, an Account or a Group, not {type(value).__name__}")
    refuse_blanks(text)
    if text.startswith(_DEFAULT) and not isinstance(text, OpenPrincipal):
        return OpenPrincipal(text)
    return text


def refuse_blanks(text: object, called: str = "no principal") -> None:
    """Refuses what the server would store and never match.

    Raises:
        ValueError: it is no text, is empty or has a space.
    """
    if not isinstance(text, str) or not text or any(character.isspace() for character in text):
        raise ValueError(f"{text!r} is {called}: it is empty or has a space")


def known(principal: str) -> str:
    """The principal, if it is known to be one.

    Raises:
        DeclarationError: it is that of a group in the default bucket, whose real id nobody asked for.
    """
    if isinstance(principal, OpenPrincipal):
        raise _unknown_bucket(str(principal))
    return principal


def _of_class(declared: type) -> str:
    options = getattr(declared, "__kinto__", None)
    if not isinstance(options, Options) or options.kind != "group" or options.own_id is None:
        name = declared.__name__
        raise TypeError(f"{name} is a class without an id of its own: pass an instance, {name}(...)")
    return group_principal(options.bucket, options.own_id, declared.__name__)


def group_principal(bucket: str | None, group_id: str, called: str, facts: Any = None) -> str:
    """A group as a principal: its path, with the real id of its bucket if ``facts`` have it.

    Raises:
        DeclarationError: it is not known which bucket it is in.
    """
    if bucket is None:
        raise DeclarationError(f"{called} names no bucket: declare it, or save or read the group first")
    principal = groups(bucket).object(group_id)
    if bucket != "default":
        return principal
    real = None if facts is None else facts.default_bucket
    return groups(real).object(group_id) if real is not None else OpenPrincipal(principal, facts)


def _unknown_bucket(called: str) -> DeclarationError:
    return DeclarationError(
        f"{called} is in the default bucket, which is another one for each user: as a principal a group is known by "
        "the real id of its bucket, which client.server_info() asks for; it is client.server_info().user.bucket"
    )
