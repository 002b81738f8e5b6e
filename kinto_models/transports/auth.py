"""Credentials: what a client takes as ``auth``, as something that signs a prepared request.

https://docs.kinto-storage.org/en/stable/api/1.x/authentication.html. None of these shows a secret in its repr.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import TypeAlias

from requests import PreparedRequest
from requests.auth import AuthBase

from kinto_models.transports.headers import is_header

__all__ = ["Auth", "BasicAuth", "BearerToken", "HeaderAuth", "Signer", "parse_auth"]

Signer: TypeAlias = Callable[[PreparedRequest], PreparedRequest]
Auth: TypeAlias = "tuple[str, str] | str | AuthBase | Signer | None"
"""A ``(user, password)`` pair, ``"user:password"``, ``"Bearer token"``, a ``BearerToken``, a ``BrowserOAuth``, any
requests auth object, or None for anonymous."""


class HeaderAuth(AuthBase):
    """Signs with one Authorization header."""

    def __init__(self, scheme: str, value: str) -> None:
        if not is_header(scheme, value) or not value.strip():  # a scheme is made of what a header's name is made of
            raise ValueError(f"these are no {type(self).__name__} credentials: see the parameter auth of Client")
        self._header = f"{scheme} {value}"

    @property
    def header(self) -> str:
        """The value of the header. It is the secret itself."""
        return self._header

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        """Signs the request."""
        r.headers["Authorization"] = self._header
        return r

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self._header == other._header

    def __hash__(self) -> int:
        return hash(self._header)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class BasicAuth(HeaderAuth):
    """A user and a password, in UTF-8, such as those of Kinto's accounts.

    Raises:
        ValueError: a colon in the user's name, which HTTP cannot carry (RFC 7617).
    """

    def __init__(self, user: str, password: str) -> None:
        if ":" in user:
            raise ValueError("a user name cannot hold a colon")
        super().__init__("Basic", b64encode(f"{user}:{password}".encode()).decode())


class BearerToken(HeaderAuth):
    """A token, such as those of OpenID Connect.

    Parameters:
        token: sent as it is.
        scheme: the word before it, where the server's settings ask for another than ``Bearer``.
    """

    def __init__(self, token: str, scheme: str = "Bearer") -> None:
        super().__init__(scheme, token)


def parse_auth(auth: Auth) -> Signer | None:
    """Whatever ``auth`` is, as something that signs.

    Raises:
        ValueError: text that is neither ``user:password`` nor ``Scheme token``. The message does not repeat it.
        TypeError: an object of another kind.
    """
    if auth is None or callable(auth):
        return auth
    if isinstance(auth, tuple) and len(auth) == 2 and all(isinstance(part, str) for part in auth):
        return BasicAuth(*auth)
    if isinstance(auth, str):
        return _parse_text(auth)
    raise TypeError(f"auth takes a (user, password) pair, text or a requests auth object, not {type(auth).__name__}")


def _parse_text(text: str) -> Signer:
    # The scheme has no colon, a password may have spaces and a token colons: whichever comes first decides.
    first, space, rest = text.partition(" ")
    if ":" in first:
        return BasicAuth(*text.split(":", 1))
    if space and rest.strip():
        return BearerToken(rest.strip(), scheme=first)
    raise ValueError("auth is neither 'user:password' nor 'Bearer token'")
