"""What is written: JSON bodies and the three kinds of patch.

https://docs.kinto-storage.org/en/stable/api/1.x/_details-patch-object.html. The content types are spelled exactly:
``application/merge-patch+json; charset=utf-8`` is silently taken for a basic patch by the server, and
``application/json-patch+json; charset=utf-8`` answered with a 500.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = [
    "BASIC",
    "JSON_PATCH",
    "MERGE_PATCH",
    "Patch",
    "basic_patch",
    "encode",
    "envelope",
    "has_nul",
    "json_patch",
    "merge_patch",
]

BASIC: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"


_NUL: Final = rb"\u0000"
_IS_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # and no text that shows how it is written
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def encode(value: Any) -> bytes:
    """JSON in UTF-8.

    Raises:
        ValueError: NaN or an infinity, which JSON has no form for, or text that is not Unicode.
    """
    return _ENCODER.encode(value).encode()


def has_nul(body: bytes) -> bool:
    """Whether a text in this JSON holds U+0000, which PostgreSQL cannot store."""
    return _NUL in body and _IS_NUL.search(body) is not None


def envelope(data: Mapping[str, Any] | bytes | None = None, permissions: Mapping[str, Any] | None = None) -> bytes:
    """Kinto's ``{"data": ..., "permissions": ...}``, without what is None; ``data`` may be JSON already.

    The server leaves alone what is absent, and replaces what is there.
    """
    parts: list[bytes] = []
    if data is not None:
        parts.append(b'"data":' + (data if isinstance(data, bytes) else encode(data)))
    if permissions is not None:
        parts.append(b'"permissions":' + encode(permissions))
    return b"{%b}" % b",".join(parts)


@dataclass(frozen=True, slots=True)
class Patch:
    """A change to an object.

    Attributes:
        content_type: one of ``BASIC``, ``MERGE_PATCH``, ``JSON_PATCH``.
        body: its JSON.
    """

    content_type: str
    body: bytes


def basic_patch(data: Mapping[str, Any] | None = None, permissions: Mapping[str, Any] | None = None) -> Patch:
    """Sets top-level fields and whole ACEs; a null is stored as null, nothing can be removed."""
    return Patch(BASIC, envelope(data, permissions))


def merge_patch(data: Mapping[str, Any]) -> Patch:
    """RFC 7396: merges objects key by key; a null removes the key."""
    return Patch(MERGE_PATCH, envelope(data))


def json_patch(operations: Iterable[Mapping[str, Any]]) -> Patch:
    """RFC 6902: operations under ``/data`` and ``/permissions``, all or none of them done.

    Raises:
        ValueError: a path elsewhere, which the server would accept and ignore.
    """
    listed = list(operations)
    for operation in listed:
        for key in ("path", "from"):
            if key in operation and not operation[key].startswith(("/data/", "/permissions/")):
                raise ValueError(f"{operation[key]!r} is neither under /data/ nor under /permissions/")
    return Patch(JSON_PATCH, encode(listed))
