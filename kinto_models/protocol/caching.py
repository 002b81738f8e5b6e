"""How long an answer may be kept (https://docs.kinto-storage.org/en/stable/api/1.x/collections.html: cache_expires)."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["max_age_of"]

_NEVER: Final = re.compile(r"(?:^|,)\s*no-(?:store|cache)\s*(?:,|=|$)", re.IGNORECASE)
_MAX_AGE: Final = re.compile(r"(?:^|,)\s*max-age=\"?([0-9]{1,10})\"?\s*(?:,|$)", re.IGNORECASE)


def max_age_of(cache_control: str | None) -> int | None:
    """Seconds that a Cache-Control header allows (RFC 9111, 5.2.2): 0 where it forbids, None where it says nothing."""
    if cache_control is None:
        return None
    if _NEVER.search(cache_control):
        return 0
    found = _MAX_AGE.search(cache_control)
    return int(found[1]) if found else None
