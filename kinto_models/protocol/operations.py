"""The operations on Kinto's objects and lists, each one request and the way to read its answer.

https://docs.kinto-storage.org/en/stable/api/1.x/. Bodies of answers stay bytes here: what they mean is the business of
whoever knows the model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from typing import Any, Final, TypeVar

from kinto_models.errors import InvalidAnswerError
from kinto_models.protocol.accounts import refuse_unhashed, without_hashes
from kinto_models.protocol.bodies import BASIC, Patch
from kinto_models.protocol.etags import IF_ABSENT, if_match, if_none_match, timestamp_of
from kinto_models.protocol.filters import Query, Sort
from kinto_models.protocol.messages import Operation, Request, Response
from kinto_models.protocol.paths import Plural, snapshot
from kinto_models.protocol.refusals import error_of

__all__ = [
    "Answer",
    "Listing",
    "count",
    "create",
    "create_anywhere",
    "delete",
    "delete_listed",
    "get",
    "get_if_changed",
    "get_list",
    "get_object_timestamp",
    "get_snapshot",
    "get_timestamp",
    "hello",
    "patch",
    "replace",
]

T = TypeVar("T")

_TOMBSTONE: Final = {"id", "last_modified", "deleted"}
_NOTHING: Final = b'{"data":[]}'
_JSON: Final = {"Content-Type": BASIC}
_LIGHT: Final = {"Response-Behavior": "light"}
_NEW_JSON: Final = {**_JSON, **IF_ABSENT}


@dataclass(frozen=True, slots=True)
class Answer:
    """One object, as the server told it.

    Attributes:
        body: JSON of ``{"data": ..., "permissions": ...}``.
        timestamp: milliseconds, from the ETag header; None where the server sent none.
        created: the object is new.
        request: what was asked.
        cache_control: the header of this name, or None.
    """

    body: bytes = field(repr=False)
    timestamp: int | None
    created: bool
    request: Request
    cache_control: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a list.

    Attributes:
        body: JSON of ``{"data": [...]}``.
        timestamp: of the whole list, in milliseconds; None where the server sent none.
        request: what was asked.
        next_page: the address that the server gave for the next page, unchecked, or None on the last.
        root: the server's root.
        cache_control: the header of this name, or None.
        unchanged: whether the server says, without sending it, that the list is as it was.
    """

    body: bytes = field(repr=False)
    timestamp: int | None
    request: Request
    next_page: str | None
    root: str
    cache_control: str | None = None
    unchanged: bool = False

    def alive(self) -> Listing:
        """The same without its tombstones, ``{"id", "last_modified", "deleted": true}`` and no more."""
        return self._only(lambda each: not _is_tombstone(each)) if b'"deleted"' in self.body else self

    def dead(self) -> Listing:
        """Its tombstones only."""
        return self._only(_is_tombstone) if b'"deleted"' in self.body else replaced(self, body=_NOTHING)

    def _only(self, wanted: Callable[[Any], bool]) -> Listing:
        try:
            data = json.loads(self.body)["data"]
            kept = [each for each in data if wanted(each)]
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            return self  # whoever reads it says what is wrong with it
        return self if len(kept) == len(data) else replaced(self, body=json.dumps({"data": kept}).encode())


def _is_tombstone(each: Any) -> bool:
    return each.get("deleted") is True and each.keys() == _TOMBSTONE


def _operation(
    request: Request, read: Callable[[Response], T], *accepted: int, idempotent: bool | None = None
) -> Operation[T]:
    def decode(response: Response) -> T:
        told = without_hashes(request, response)
        if told.status in accepted:
            return read(told)
        raise error_of(request, told)

    return Operation(request, decode, idempotent)


def _one(request: Request, *accepted: int, idempotent: bool | None = None) -> Operation[Answer]:
    def read(response: Response) -> Answer:
        told = response.headers.get("Cache-Control")
        return Answer(response.body, timestamp_of(response), response.status == 201, request, told)

    return _operation(request, read, *accepted, idempotent=idempotent)


def hello() -> Operation[bytes]:
    """What the server says of itself, at its root."""
    return _operation(Request("GET", "/"), lambda response: response.body, 200)


def get(place: Plural, object_id: str) -> Operation[Answer]:
    """Reads one object."""
    return _one(Request("GET", place.object(object_id)), 200)


def get_if_changed(place: Plural, object_id: str, *, since: int) -> Operation[Answer | None]:
    """Reads one object; None if its timestamp still is ``since``, by a 304 without a body."""
    changed = _one(Request("GET", place.object(object_id), if_none_match(since)), 200)

    def decode(response: Response) -> Answer | None:
        return None if response.status == 304 else changed.decode(response)

    return Operation(changed.request, decode)


def create(place: Plural, object_id: str, body: bytes) -> Operation[Answer]:
    """Creates an object under a known id; fails where one exists.

    A tombstone is no obstacle. Needs the right to create on the parent.
    """
    request = Request("PUT", place.object(object_id), _NEW_JSON, body)
    return _one(request, 201, 200)


def create_anywhere(place: Plural, body: bytes) -> Operation[Answer]:
    """Creates an object under an id that the server makes."""
    return _one(Request("POST", place.path, _JSON, body), 201, 200)


def replace(place: Plural, object_id: str, body: bytes, *, only: int | None) -> Operation[Answer]:
    """Writes all fields, creating the object where there is none; ``only`` if its timestamp is this one."""
    request = Request("PUT", place.object(object_id), {**_JSON, **if_match(only)}, body)
    return _one(request, 200, 201)


def patch(place: Plural, object_id: str, change: Patch, *, only: int | None, light: bool = False) -> Operation[Answer]:
    """Changes an object, ``only`` if its timestamp is this one. A ``light`` answer has the fields only that changed.

    Raises:
        ValueError: a password that Kinto would not hash.
    """
    refuse_unhashed(place, change)
    headers = {"Content-Type": change.content_type, **if_match(only), **(_LIGHT if light else {})}
    idempotent = True if change.content_type == BASIC else None  # a list can be added to twice
    return _one(Request("PATCH", place.object(object_id), headers, change.body), 200, idempotent=idempotent)


def delete(place: Plural, object_id: str, *, only: int | None) -> Operation[Answer]:
    """Deletes an object, ``only`` if its timestamp is this one; answers its tombstone."""
    return _one(Request("DELETE", place.object(object_id), if_match(only)), 200)


def _list(request: Request) -> Operation[Listing]:
    def read(response: Response) -> Listing:
        next_page = response.headers.get("Next-Page")
        unchanged = response.status == 304
        body = _NOTHING if unchanged else response.body
        told = response.headers.get("Cache-Control")
        return Listing(body, timestamp_of(response), request, next_page, response.root, told, unchanged)

    # Deleted once more, a page is another one.
    again = False if request.method == "DELETE" else None
    return _operation(request, read, 200, *([304] if "If-None-Match" in request.headers else []), idempotent=again)


def get_list(place: Plural, query: Query, *, unless: int | None = None) -> Operation[Listing]:
    """Reads one page, ``unless`` the list has this timestamp; ``paging.pages`` goes on."""
    return _list(Request("GET", query.at(place.path), if_none_match(unless)))


def get_changes(place: Plural, since: int | None) -> Operation[Listing]:
    """Reads the first page of what changed after ``since``, deletions included, in the order of the changes. A 304,
    which says that nothing did, is an empty page.
    """
    query = Query(sort=(Sort("last_modified"),), since=since)
    return _list(Request("GET", query.at(place.path), if_none_match(since)))


def get_snapshot(bucket: str, collection: str, at: int) -> Operation[Listing]:
    """Reads all records of a collection as they were at a timestamp, in milliseconds: in one page, tombstones of those
    that were deleted then and are there again included.
    """
    return _list(Request("GET", snapshot(bucket, collection, at)))


def delete_listed(place: Plural, query: Query) -> Operation[Listing]:
    """Deletes one page of what the query lists, and answers the tombstones; ``paging.pages`` goes on.

    The server follows its own order, the newest first, correctly, and others not: leave ``query.sort`` empty.
    """
    return _list(Request("DELETE", query.at(place.path)))


def relist(listing: Listing, target: str, *, only: int | None = None) -> Operation[Listing]:
    """The same as made this page, at another target of the same server; ``only`` if the list has this timestamp."""
    headers = {name: value for name, value in listing.request.headers.items() if name != "If-None-Match"}
    return _list(Request(listing.request.method, target, {**headers, **if_match(only)}))


def _head(place: Plural, query: Query, read: Callable[[Mapping[str, str]], int | None]) -> Operation[int]:
    request = Request("HEAD", query.at(place.path))

    def decode(response: Response) -> int:
        if (value := read(response.headers)) is None:
            raise InvalidAnswerError(f"{request.line}: the server's headers do not say how many there are")
        return value

    return _operation(request, decode, 200)


def _stamp(request: Request) -> Operation[int]:
    def read(response: Response) -> int:
        if (timestamp := timestamp_of(response)) is None:
            raise InvalidAnswerError(f"{request.line}: the server sent no ETag")
        return timestamp

    return _operation(request, read, 200)


def count(place: Plural, query: Query) -> Operation[int]:
    """How many objects the query lists, without reading them. Tombstones are not counted."""

    def total(headers: Mapping[str, str]) -> int | None:
        value = headers.get("Total-Objects") or headers.get("Total-Records") or ""
        return int(value) if re.fullmatch("[0-9]{1,18}", value) else None

    return _head(place, query, total)


def get_timestamp(place: Plural) -> Operation[int]:
    """The timestamp of the whole list, in milliseconds: it grows with every change in it, deletions included."""
    return _stamp(Request("HEAD", place.path))


def get_object_timestamp(place: Plural, object_id: str) -> Operation[int]:
    """The timestamp of one object, in milliseconds, without reading it. A refusal has no body, and so no errno."""
    return _stamp(Request("HEAD", place.object(object_id)))
