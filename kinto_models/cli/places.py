"""Where in a server: ``blog/articles/hello``, as people write it, or one of Kinto's paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from kinto_models.errors import InvalidIdError
from kinto_models.protocol import paths
from kinto_models.protocol.paths import Plural, check_id

__all__ = ["ANY_ID", "Place", "Spot", "place_of", "short", "spot_of"]

ANY_ID: Final = "[^/]+"
"""Ids that are the server's own business, such as those of accounts."""


@dataclass(frozen=True)
class Place:
    """A list, or an object in it.

    Attributes:
        plural: the list.
        object_id: of the object; None for the list itself.
    """

    plural: Plural
    object_id: str | None = None


@dataclass(frozen=True)
class Spot:
    """A bucket, a collection, a record or a group."""

    bucket: str
    collection: str | None = None
    record: str | None = None
    group: str | None = None

    @property
    def kind(self) -> str:
        """Which of them."""
        return next((name for name in ("group", "record", "collection") if getattr(self, name) is not None), "bucket")

    @property
    def place(self) -> Place:
        """The object."""
        if self.group is not None:
            return Place(paths.groups(self.bucket), self.group)
        if self.collection is None:
            return Place(paths.buckets(), self.bucket)
        if self.record is None:
            return Place(paths.collections(self.bucket), self.collection)
        return Place(paths.records(self.bucket, self.collection, ANY_ID), self.record)


def spot_of(text: str) -> Spot:
    """Reads ``bucket``, ``bucket/collection`` or ``bucket/collection/record``, or Kinto's path of one of these, or of a
    group.

    Raises:
        ValueError: another form, or what is no id.
    """
    parts = text.strip("/").split("/")
    if text.startswith("/"):
        parts = [unquote(part) for part in parts]
        if len(parts) == 4 and parts[::2] == ["buckets", "groups"]:  # noqa: PLR2004  # two names, two ids
            return Spot(check_id(parts[1], "bucket"), group=check_id(parts[3], "group"))
        if parts[::2] != ["buckets", "collections", "records"][: len(parts[::2])] or len(parts) % 2:
            raise ValueError("the path of a bucket, a collection, a record or a group, such as /buckets/blog")
        parts = parts[1::2]
    if len(parts) > 3:  # noqa: PLR2004  # bucket, collection, record
        raise ValueError("written as BUCKET, BUCKET/COLLECTION or BUCKET/COLLECTION/RECORD")
    kinds = zip(parts, ("bucket", "collection", "record"), (paths.ID_PATTERN, paths.ID_PATTERN, ANY_ID), strict=False)
    return Spot(*(check_id(part, kind, pattern) for part, kind, pattern in kinds))


def place_of(text: str) -> Place:
    """Reads the same; with a slash at its end the list that is in it; and any path of Kinto's.

    Raises:
        ValueError: another form, or what is no id.
    """
    if text.startswith("/"):
        return _path(text)
    spot, inside = spot_of(text), text.endswith("/")
    if not inside:
        return spot.place
    if spot.record is not None:
        raise InvalidIdError("there is nothing in a record: leave the slash at its end out")
    if spot.collection is not None:
        return Place(paths.records(spot.bucket, spot.collection))
    return Place(paths.collections(spot.bucket))


def _path(text: str) -> Place:
    """A list has an odd number of parts, an object an even one: ``/buckets``, ``/buckets/blog``."""
    parts = [unquote(part) for part in text.strip("/").split("/")]
    if not all(part.strip(".") and "/" not in part for part in parts):
        raise ValueError("a path of Kinto's, such as /buckets/blog/groups")
    object_id = parts.pop() if len(parts) % 2 == 0 else None
    return Place(paths.custom("".join(f"/{quote(part, safe='')}" for part in parts), ANY_ID), object_id)


def short(uri: str) -> str:
    """Kinto's path of an object as people write it, where it has such a form."""
    parts = uri.strip("/").split("/")
    if len(parts) % 2 == 0 and parts[::2] == ["buckets", "collections", "records"][: len(parts[::2])]:
        return "/".join(parts[1::2])
    return uri
