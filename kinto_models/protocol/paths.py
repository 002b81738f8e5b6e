"""Where objects live: ids, plural endpoints and object endpoints.

Ids are checked and quoted, never rewritten. An empty id would make ``DELETE .../records/`` out of the deletion of one
record, which Kinto redirects to the deletion of all of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from kinto_models.errors import DeclarationError, InvalidIdError

__all__ = [
    "ID_PATTERN",
    "Plural",
    "buckets",
    "check_id",
    "collections",
    "custom",
    "groups",
    "history",
    "records",
    "snapshot",
]

ID_PATTERN: Final = "[a-zA-Z0-9][a-zA-Z0-9_-]*"
"""What Kinto takes as an id unless its settings say otherwise (kinto.core.storage.generators), as a full match."""


_UNRESERVED = re.compile("[a-zA-Z0-9_.~-]+")  # of RFC 3986, which quote() leaves alone


def check_id(value: object, what: str = "record", pattern: str = ID_PATTERN) -> str:
    """Returns ``value``, if it is an id of this pattern.

    Raises:
        InvalidIdError: it is not; nothing is sent.
    """
    if isinstance(value, str) and re.fullmatch(pattern, value) and value.strip(".") and _is_unicode(value):
        return value
    raise InvalidIdError(
        f"{repr(value)[:80]} is not a {what} id: Kinto takes {pattern} and this library rewrites nothing"
    )


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


@dataclass(frozen=True, slots=True)
class Plural:
    """A plural endpoint: a list of objects, and the objects in it.

    Attributes:
        path: quoted, relative to the server's root (``/buckets/blog/collections``).
        what: the kind of object, for messages.
        pattern: what the ids here must match in full.
    """

    path: str
    what: str = "record"
    pattern: str = ID_PATTERN

    def object(self, object_id: str) -> str:
        """The path of one object.

        Raises:
            InvalidIdError: the id is not one that Kinto takes.
        """
        segment = check_id(object_id, self.what, self.pattern)
        return f"{self.path}/{segment if _UNRESERVED.fullmatch(segment) else quote(segment, safe='')}"


def buckets(pattern: str = ID_PATTERN) -> Plural:
    """``/buckets`` (https://docs.kinto-storage.org/en/stable/api/1.x/buckets.html)."""
    return Plural("/buckets", "bucket", pattern)


def groups(bucket: str, pattern: str = ID_PATTERN) -> Plural:
    """``/buckets/{bucket}/groups`` (https://docs.kinto-storage.org/en/stable/api/1.x/groups.html)."""
    return Plural(f"{buckets().object(bucket)}/groups", "group", pattern)


def collections(bucket: str, pattern: str = ID_PATTERN) -> Plural:
    """``/buckets/{bucket}/collections`` (https://docs.kinto-storage.org/en/stable/api/1.x/collections.html)."""
    return Plural(f"{buckets().object(bucket)}/collections", "collection", pattern)


def records(bucket: str, collection: str, pattern: str = ID_PATTERN) -> Plural:
    """``/buckets/{bucket}/collections/{collection}/records``
    (https://docs.kinto-storage.org/en/stable/api/1.x/records.html).
    """
    return Plural(f"{collections(bucket).object(collection)}/records", "record", pattern)


def history(bucket: str) -> Plural:
    """``/buckets/{bucket}/history``, of the history plugin
    (https://docs.kinto-storage.org/en/stable/api/1.x/history.html).
    """
    return Plural(f"{buckets().object(bucket)}/history", "history entry")


def snapshot(bucket: str, collection: str, at: int) -> str:
    """The path of the records of a collection as they were at a timestamp, of the same plugin."""
    check_id(collection, "collection")
    return f"{buckets().object(bucket)}/snapshot/collections/{collection}@{at}"


def custom(path: str, pattern: str = ID_PATTERN) -> Plural:
    """A plural endpoint of one's own, for a Kinto-Core resource that is not under a collection.

    Raises:
        DeclarationError: not an absolute, quoted path without a trailing slash, dots or query.
    """
    segments = path.split("/")[1:]
    if not path.startswith("/") or not all(re.fullmatch(r"[\w.~%@+:-]+", s) and s.strip(".") for s in segments):
        raise DeclarationError(f"{path!r} is not a plural endpoint: write a path such as '/articles', already quoted")
    return Plural(path, "object", pattern)
