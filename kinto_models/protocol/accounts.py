"""What is Kinto's own way with accounts (https://docs.kinto-storage.org/en/stable/api/1.x/accounts.html).

It answers with the hash of the password, also to a stranger who tries to sign up under a name that is taken. Nobody
here has a use for it, so it is taken out of an answer before anything reads it. And it hashes a password only where the
body is an object: one in a JSON patch would be stored as it is, and shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from kinto_models.protocol.bodies import JSON_PATCH, Patch, encode
from kinto_models.protocol.messages import Request, Response
from kinto_models.protocol.paths import Plural

__all__ = [
    "ACCOUNTS",
    "ACCOUNT_PATTERN",
    "PASSWORD",
    "hint_of",
    "refuse_unhashed",
    "without_hashes",
    "without_password",
]

ACCOUNTS: Final = "/accounts"
"""The plural endpoint."""

ACCOUNT_PATTERN: Final = "[a-zA-Z0-9][+.@a-zA-Z0-9_-]*"
"""What Kinto takes as an account's id (kinto.plugins.accounts.views), as a full match."""

PASSWORD: Final = "password"  # noqa: S105  # the name of the field
"""The field that holds a password on its way there, and a hash on its way back."""

_OF_ACCOUNTS: Final = re.compile(f"{ACCOUNTS}(?:[/?]|$)")


_ANOTHER: Final = "Username and account ID do not match"
"""Kinto's words to who is signed in, is no administrator and makes an account (kinto.plugins.accounts.views)."""

_BY_WHOM: Final = (
    "; who is signed in and no administrator makes no account for somebody else: sign_up() by a client without "
    "credentials, such as client.clone(auth=None), or by an administrator's"
)


def hint_of(request: Request, reason: str) -> str:
    """What to do where the server refused for this reason, or nothing."""
    return _BY_WHOM if _OF_ACCOUNTS.match(request.target) and _ANOTHER in reason else ""


def without_hashes(request: Request, response: Response) -> Response:
    """The answer without hashes of passwords, whatever it is."""
    if not _OF_ACCOUNTS.match(request.target) or not response.body:
        return response
    try:
        told = json.loads(response.body)
    except (ValueError, RecursionError):  # no JSON, of which an error would show the beginning
        return replace(response, body=b"") if PASSWORD.encode() in response.body else response
    cut = [account.pop(PASSWORD) for account in _accounts(told) if PASSWORD in account]
    return replace(response, body=json.dumps(told).encode()) if cut else response


def without_password(request: Request) -> Request:
    """The request without the password in it, for who is shown it."""
    if not _OF_ACCOUNTS.match(request.target) or PASSWORD.encode() not in (request.body or b""):
        return request
    told = json.loads(request.body or b"{}")
    for account in _accounts(told):
        if PASSWORD in account:
            account[PASSWORD] = "**********"
    return replace(request, body=encode(told))


def _accounts(told: Any) -> Iterator[dict[str, Any]]:
    """Every account in an answer: the one, those of a list, the one in the details of a 412."""
    if isinstance(told, dict):
        data, details = told.get("data"), told.get("details")
        existing = details.get("existing") if isinstance(details, dict) else None
        for each in (existing, *(data if isinstance(data, list) else [data])):
            if isinstance(each, dict):
                yield each


def refuse_unhashed(place: Plural, change: Patch) -> None:
    """Raises ValueError if Kinto would store a password as it is."""
    if place.path == ACCOUNTS and change.content_type == JSON_PATCH:
        for operation in json.loads(change.body):
            if f"{operation['path']}/".startswith(f"/data/{PASSWORD}/"):
                raise ValueError(
                    "Kinto hashes a password only where whole fields are sent, and would store this one as it is: "
                    "change the password by itself, by change_password()"
                )
