"""From one page to the next.

https://docs.kinto-storage.org/en/stable/api/1.x/pagination.html: the server gives the absolute address of the next
page, and the absence of one is the only sign of the end. The address is taken only where it leads back to the server
that gave it, because the credentials go there too.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from kinto_models.errors import ForeignPageError
from kinto_models.protocol.messages import Ahead, Emit, Operation, Stream
from kinto_models.protocol.operations import Listing, relist
from kinto_models.protocol.origins import origin_of

__all__ = ["pages"]


def pages(first: Operation[Listing], *, ahead: bool = False, consistent: bool = False) -> Stream[Listing]:
    """Gives one page after another; ends after the last.

    Parameters:
        first: the operation for the first page.
        ahead: whether to ask for a page before the one before it is given, so that both sides work at once.
        consistent: whether each page is to be of the same state of the list as the first.

    Raises:
        ConflictError: the list changed, and was to be consistent.
        ForeignPageError: the next page is on another origin, outside the server's root, or one that was read before.
    """
    seen = {first.request.target}
    following: Any = first
    only: int | None = None
    while following is not None:
        listing: Listing = yield following
        operation, error = None, None
        only = only or (listing.timestamp if consistent else None)
        try:
            operation = _following(listing, seen, only)
        except ForeignPageError as foreign:
            error = foreign
        following = (yield Ahead(operation)) if ahead and operation is not None else operation
        yield Emit(listing)
        if error is not None:
            raise error


def _following(listing: Listing, seen: set[str], only: int | None) -> Operation[Listing] | None:
    if not listing.next_page:
        return None
    target = _target(listing)
    if target in seen:
        raise ForeignPageError(f"{listing.request.line}: the server gives a page as the next that was read before")
    seen.add(target)
    return relist(listing, target, only=only)


def _target(listing: Listing) -> str:
    root = urlsplit(listing.root)
    try:
        page = urlsplit(listing.next_page or "")
        below = page.path.startswith(root.path + "/") and ".." not in unquote(page.path).split("/")
        here = origin_of(root) == origin_of(page) and below and (page.path + page.query).isprintable()
    except ValueError:  # no address at all, or a port that is no number
        page, here = root, False
    if not here:
        raise ForeignPageError(
            f"{listing.request.line}: the next page is not under {listing.root}, so it was not asked for: check the "
            "address given to the client, the Host header that a proxy passes to Kinto, and Kinto's http_scheme"
        )
    return page.path[len(root.path) :] + (f"?{page.query}" if page.query else "")
