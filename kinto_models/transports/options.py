"""What a client is told, as one value: for whoever passes it on, and for a clone of the client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from typing_extensions import TypedDict

from kinto_models.protocol.origins import origin_of
from kinto_models.protocol.retry import RetryPolicy
from kinto_models.transports.address import Address
from kinto_models.transports.auth import Auth
from kinto_models.transports.base import Timeout
from kinto_models.transports.limits import Limits

__all__ = ["AllOptions", "Options", "cloned"]


class Options(TypedDict, total=False):
    """What a client takes beside its address and its credentials: see ``Client``."""

    headers: Mapping[str, str] | None
    timeout: Timeout
    retry: int | RetryPolicy
    light_answers: bool
    limits: Limits
    dry_run: bool


class AllOptions(Options, total=False):
    """The same with both."""

    url: str
    auth: Auth


def cloned(told: AllOptions, changes: AllOptions) -> AllOptions:
    """What a client is told that is the clone of another.

    Raises:
        ValueError: it is of another server, and would take what was given for this one there.
    """
    address = Address.parse(told.get("url", ""))
    kept: dict[str, Any] = {**told, "url": address.root, "auth": told.get("auth") or address.userinfo}
    if "url" in changes and _origin(changes["url"]) != _origin(address.root):
        secret = [name for name in ("auth", "headers") if kept.get(name) and name not in changes]
        if secret:
            raise ValueError(
                f"the {' and '.join(secret)} of this client may hold secrets, which were given for {address.root} "
                f"only: for another server, write clone(url=..., {', '.join(f'{name}=...' for name in secret)})"
            )
    if "url" in changes and "auth" not in changes and Address.parse(changes["url"]).userinfo:
        kept["auth"] = None  # those in the new address
    made: Any = {**kept, **changes}
    return made  # type: ignore[no-any-return]


def _origin(url: str) -> tuple[str, str | None, int | None]:
    return origin_of(urlsplit(Address.parse(url).root))
