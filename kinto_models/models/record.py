"""Records: what collections hold (https://docs.kinto-storage.org/en/stable/api/1.x/records.html)."""

from __future__ import annotations

from typing import ClassVar

from kinto_models.models.historic import Historic
from kinto_models.models.options import Options

__all__ = ["Record"]


class Record(Historic):
    """A record. Subclass it with pydantic fields; by itself it holds any JSON object.

    Its class keywords:

    - `bucket`, `collection`: where the records live: ids, or declared `Bucket` and `Collection` classes.
    - `readonly`: names of fields that are fixed after creation.
    - `ids`: makes the ids of new records; UUID4 by default.
    - `path`: a plural endpoint of one's own instead, for a Kinto-Core resource.
    - `unknown`: stored fields that the class does not declare are kept (`"preserve"`, the default), left on the server
      and out of the instance (`"ignore"`), or make reading an error (`"forbid"`).

    Raises:
        DeclarationError: when the class is made, for a misspelt keyword, an id that Kinto does not take, or a field
            that has the name of a method.
    """

    __kinto__: ClassVar[Options] = Options("record")
