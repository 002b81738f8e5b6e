"""What happened since a moment, once and again and again, as conversations."""

from __future__ import annotations

import math
from typing import Any, TypeVar

from kinto_models.errors import BackoffError, InvalidAnswerError
from kinto_models.models.changes import ChangeSet, Tombstone
from kinto_models.models.interface import Page
from kinto_models.models.stored import Stored
from kinto_models.protocol import operations
from kinto_models.protocol.messages import Conversation, Emit, Pause, Stream, drain, send
from kinto_models.protocol.operations import Listing
from kinto_models.protocol.paging import pages
from kinto_models.repository.conversations.hooks import loaded
from kinto_models.repository.conversations.selection import milliseconds
from kinto_models.repository.loading import load_page
from kinto_models.repository.mapper import Mapper

__all__ = ["changes", "sides", "watch"]

R = TypeVar("R", bound=Stored)


def changes(mapper: Mapper[R], since: int | None) -> Conversation[ChangeSet[R]]:
    """What changed after ``since``; everything that is there where that is None."""
    if since is not None:
        milliseconds("changes", since)
    listings: list[Listing] = []
    first = operations.get_changes(mapper.place, since)
    yield from drain(pages(first), listings.append)
    # In the order of the changes, so that one made meanwhile comes once more, at the end.
    items: dict[str, Any] = {}
    for listing in listings:
        updated, deleted = yield from sides(mapper, listing)
        found: list[Any] = [*updated, *deleted]
        for item in sorted(found, key=lambda each: each.last_modified or 0):
            items.pop(item.id, None)
            items[item.id] = item
    timestamp = listings[0].timestamp
    if timestamp is None:
        raise InvalidAnswerError(f"{first.request.line}: the server sent no ETag")
    dead = [item for item in items.values() if isinstance(item, Tombstone)]
    alive = [item for item in items.values() if not isinstance(item, Tombstone)]
    flushed = since is not None and timestamp > since and not items
    return ChangeSet(alive, dead, timestamp, flushed)


def sides(mapper: Mapper[R], listing: Listing) -> Conversation[tuple[Page[R], Page[Tombstone]]]:
    """The objects of a page, and its tombstones."""
    updated = load_page(mapper.model, listing.alive(), mapper.objects)
    yield from loaded(mapper.model, updated)
    return updated, load_page(Tombstone, listing.dead())


def watch(mapper: Mapper[R], since: int | None, interval: float) -> Stream[ChangeSet[R]]:
    """The same again and again, ``interval`` seconds apart."""
    if isinstance(interval, bool) or not isinstance(interval, (int, float)) or not 0 < interval < math.inf:
        raise ValueError(f"interval is a number of seconds above 0, not {interval!r}")
    if since is not None:
        milliseconds("watch", since)
    return _watched(mapper, since, interval)


def _watched(mapper: Mapper[R], since: int | None, interval: float) -> Stream[ChangeSet[R]]:
    if since is None:
        since = yield from send(operations.get_timestamp(mapper.place))
    while True:
        try:
            found = yield from changes(mapper, since)
        except BackoffError as error:
            yield Pause(error.retry_after)
            continue
        if found:
            yield Emit(found)
        since = found.timestamp
        yield Pause(interval)
