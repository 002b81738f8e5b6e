"""A login by OpenID Connect, as Kinto's plugin has it: what the browser is sent to, and what comes back
(https://docs.kinto-storage.org/en/stable/api/1.x/authentication.html).
"""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from kinto_models.errors import InvalidAnswerError, LoginError, MissingCapabilityError
from kinto_models.protocol.messages import Operation, Request, Response
from kinto_models.protocol.refusals import error_of
from kinto_models.protocol.words import plain

__all__ = ["Grant", "Provider", "grant_of", "is_user", "login", "provider_of"]

_REDIRECTS = range(300, 400)
_ERROR = "error="
"""What follows the callback where the provider refused; no base64 begins so."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Who vouches for users.

    Attributes:
        name: as the server's settings have it.
        path: where a login begins, relative to the server's root.
        scheme: the word that the server wants before a token.
    """

    name: str
    path: str
    scheme: str


@dataclass(frozen=True, slots=True)
class Grant:
    """What the provider gave.

    Attributes:
        token: the secret.
        seconds: that it is valid for; None where the provider did not say.
    """

    token: str = field(repr=False)
    seconds: float | None


def provider_of(told: bytes, name: str | None) -> Provider:
    """The provider of this name, or the first one, by what a server says of itself.

    Raises:
        MissingCapabilityError: there is none; those that there are are named.
    """
    providers = {provider.name: provider for provider in _providers(told)}
    if not providers:
        raise MissingCapabilityError(
            "the server has no capability 'openid', so nobody signs in there by a browser: it needs Kinto's plugin "
            "kinto.plugins.openid and a provider in its settings"
        )
    if name is None:
        return next(iter(providers.values()))
    if name not in providers:
        has = ", ".join(repr(plain(each)) for each in providers)
        raise MissingCapabilityError(f"the server has no OpenID provider {name!r}, but {has}")
    return providers[name]


def _providers(told: bytes) -> list[Provider]:
    try:
        openid = json.loads(told)["capabilities"].get("openid")
        listed = openid["providers"] if openid else []
        found = [
            Provider(_text(each["name"]), _text(each["auth_path"]), _text(each.get("header_type") or "Bearer"))
            for each in listed
        ]
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise InvalidAnswerError("GET /: the server does not tell its OpenID providers as Kinto does") from None
    # The address of a login is handed to the browser: it must not become one of another host.
    if not all(each.path.startswith("/") for each in found):
        raise InvalidAnswerError("GET /: the login of an OpenID provider is no path of this server")
    return found


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def is_user(told: bytes) -> bool:
    """Whether a server took the credentials of who asked what it says of itself."""
    try:
        return bool(json.loads(told).get("user"))
    except (ValueError, AttributeError, RecursionError):
        return False


def login(provider: Provider, callback: str, scope: str) -> Operation[None]:
    """Begins a login, by a redirect to the provider, which whoever signs in follows.

    Parameters:
        provider: who vouches.
        callback: the address whose end the grant is added to.
        scope: what is asked of the provider, separated by spaces.

    Raises:
        InvalidRequestError: the server does not take that callback or scope.
    """
    request = Request("GET", f"{provider.path}?callback={quote(callback, safe='')}&scope={quote(scope, safe='')}")

    def read(response: Response) -> None:
        if response.status not in _REDIRECTS:
            raise error_of(request, response)

    return Operation(request, read)


def grant_of(answer: str) -> Grant:
    """What was added to the callback, as it was added.

    Raises:
        LoginError: the provider refused, or it is no grant. The message holds nothing of a token.
    """
    if answer.startswith(_ERROR):
        why = ": ".join(value for _, value in parse_qsl(answer))
        raise LoginError(f"the provider refused the login: {plain(why)}")
    try:
        told: dict[str, Any] = json.loads(b64decode(unquote(answer), validate=True))
        token, error, seconds = told.get("access_token"), told.get("error"), told.get("expires_in")
    except (ValueError, AttributeError, RecursionError):
        raise LoginError("what the provider gave the server is no grant of a token") from None
    if not isinstance(token, str) or not token:
        why = f": {plain(error)}" if isinstance(error, str) else ""
        raise LoginError(f"the provider gave the server no token{why}")
    return Grant(token, _seconds(seconds))


def _seconds(told: Any) -> float | None:
    # A number, which some providers write as text.
    try:
        seconds = 0.0 if isinstance(told, bool) else float(told)
    except (ValueError, TypeError, OverflowError):
        return None
    return seconds if 0 < seconds < float("inf") else None
