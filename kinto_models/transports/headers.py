"""What HTTP can carry in a header (RFC 9110, 5.5). The errors name a header, never its value: it may be a secret."""

from __future__ import annotations

import re

__all__ = ["is_header"]

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def is_header(name: object, value: object) -> bool:
    """Whether this is a header that can be sent as it is."""
    named = isinstance(name, str) and _NAME.fullmatch(name) is not None
    return named and isinstance(value, str) and _VALUE.fullmatch(value) is not None
