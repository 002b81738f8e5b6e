"""What the plugins of Remote Settings answer beside Kinto's own
(https://remote-settings.readthedocs.io/en/latest/client-specifications.html).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from kinto_models.errors import InvalidAnswerError
from kinto_models.protocol.bodies import encode
from kinto_models.protocol.etags import format_etag
from kinto_models.protocol.messages import Operation, Request, Response
from kinto_models.protocol.operations import Listing
from kinto_models.protocol.paths import Plural
from kinto_models.protocol.refusals import error_of
from kinto_models.types import Data

__all__ = ["CAPABILITY", "Changed", "get_changeset"]

CAPABILITY: Final = "changes"
"""Of servers that have changesets."""


@dataclass(frozen=True, slots=True)
class Changed:
    """One changeset.

    Attributes:
        metadata: of the collection.
        listing: its records, and tombstones where it is one since a timestamp, the latest change first.
        timestamp: of its records, in milliseconds.
    """

    metadata: Data
    listing: Listing
    timestamp: int


def get_changeset(place: Plural, *, expected: int, since: int | None) -> Operation[Changed]:
    """Reads the metadata and the records of a collection, of one moment.

    Parameters:
        place: its records.
        expected: what a cache on the way tells one answer from another by; not quoted, or it would be redirected.
        since: only what changed after this timestamp, deletions included.
    """
    asked = f"{place.path.removesuffix('/records')}/changeset?_expected={expected}"
    request = Request("GET", asked if since is None else f"{asked}&_since={quote(format_etag(since), safe='')}")

    def decode(response: Response) -> Changed:
        if response.status != 200:
            raise error_of(request, response)
        try:
            told = json.loads(response.body)
            metadata, changes, timestamp = told["metadata"], told["changes"], told["timestamp"]
        except (ValueError, LookupError, TypeError, RecursionError):
            metadata = changes = timestamp = None
        if not (isinstance(metadata, dict) and isinstance(changes, list) and type(timestamp) is int):
            raise InvalidAnswerError(f"{request.line}: the server answered something that is no changeset")
        cached = response.headers.get("Cache-Control")
        listing = Listing(encode({"data": changes}), timestamp, request, None, response.root, cached)
        return Changed(metadata, listing, timestamp)

    return Operation(request, decode)
