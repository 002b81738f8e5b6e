"""Endpoints that only some servers have, and what switches them on."""

from __future__ import annotations

import re
from typing import Final

from kinto_models.errors import MissingCapabilityError
from kinto_models.protocol.messages import Request

__all__ = ["missing", "needed"]

_NO_ENDPOINT: Final = 111
"""Kinto's errno for an address that it does not know, where nothing above it is missing."""

_ENDPOINTS: Final = {
    "accounts": ("accounts", "kinto.includes = kinto.plugins.accounts"),
    "permissions": ("permissions_endpoint", "kinto.experimental_permissions_endpoint = true"),
    "__flush__": ("flush_endpoint", "kinto.includes = kinto.plugins.flush"),
    "__counters__": ("counters_endpoint", "kinto.includes = kinto.plugins.counters"),
}
"""The capability and the setting behind each, by the first part of its path."""

_PATH: Final = re.compile(r"/([^/?]+)(/[^?]*)?")


def needed(request: Request) -> tuple[str, MissingCapabilityError] | None:
    """The capability that a server has where it has this endpoint, and the error where it has not; None for Kinto's own
    endpoints.
    """
    found = _PATH.match(request.target)
    if found is None or found[1] not in _ENDPOINTS:
        return None
    capability, setting = _ENDPOINTS[found[1]]
    return capability, MissingCapabilityError(
        f"{request.line}: the server has not the capability {capability!r}, which its operator switches on by the "
        f"setting {setting}"
    )


def missing(request: Request, status: int, errno: int | None) -> MissingCapabilityError | None:
    """The error of a 404 that says that the server has no such endpoint at all, or None for any other answer."""
    needs, found = needed(request), _PATH.match(request.target)
    if status != 404 or needs is None or found is None:
        return None
    unexplained = request.method == "HEAD" and not found[2]  # which has no body, and so no errno
    return needs[1] if errno == _NO_ENDPOINT or unexplained else None
