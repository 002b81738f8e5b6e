"""The address of a server's root, as people write it and as requests need it."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

__all__ = ["Address"]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server's root is.

    Attributes:
        root: absolute, version included, without a trailing slash, credentials, query or fragment.
        userinfo: the credentials that the address carried, or None.
    """

    root: str
    userinfo: tuple[str, str] | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Address:
        """Reads an address.

        Raises:
            ValueError: no http or https address. The message does not repeat its credentials.
        """
        parts = _split(url)
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("the server's address is written as https://example.com/v1")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        port = "" if parts.port is None else f":{parts.port}"
        userinfo = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        return cls(f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}", userinfo)


def _split(url: str) -> SplitResult | None:
    """The parts, or None where it is no address: Python's own error would repeat it, password included."""
    try:
        parts = urlsplit(url.strip())
        _ = parts.port  # read only now, and maybe no number
    except ValueError:
        return None
    return parts
