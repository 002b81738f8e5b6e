"""Kinto's query language: filters, sorting, limits, time bounds and partial fields.

https://docs.kinto-storage.org/en/stable/api/1.x/filtering.html. Values travel as JSON, because the server parses
them as JSON wherever it can: the text ``2.0`` is the number, ``"2.0"`` the string.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final
from urllib.parse import quote

from kinto_models.errors import QueryError
from kinto_models.protocol.etags import format_etag

__all__ = ["Filter", "Operator", "Query", "Sort"]


class Operator(Enum):
    """The server's comparison words: the prefix of a filter's name."""

    EQ = "eq"
    NOT = "not"
    LT = "lt"
    MAX = "max"
    GT = "gt"
    MIN = "min"
    IN = "in"
    EXCLUDE = "exclude"
    LIKE = "like"
    HAS = "has"
    CONTAINS = "contains"
    CONTAINS_ANY = "contains_any"


# The server reads a name as PREFIX_FIELD only where FIELD is made of these
# (kinto.core.resource.Resource._extract_filters); anything else is compared for equality under the whole name.
_PLAIN_FIELD = re.compile(r"[\w.]+")
_READ_AS_OPERATOR = re.compile(rf"(_|(?:{'|'.join(o.value for o in Operator)})_)", re.IGNORECASE)


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (ValueError, TypeError) as exc:
        raise QueryError(f"{value!r} has no form in JSON, so nothing can be compared with it") from exc


def _undivided(name: str) -> str:
    if "," in name:
        raise QueryError(f"Kinto cannot be asked for the field {name!r} alone: it would split it at the comma")
    return name


@dataclass(frozen=True, slots=True)
class Filter:
    """One comparison.

    Attributes:
        field: the name in the stored JSON; dots lead into sub-objects.
        operator: how to compare.
        value: the JSON value to compare with; a list for IN, EXCLUDE, CONTAINS and CONTAINS_ANY.
    """

    field: str
    operator: Operator
    value: Any

    def parameter(self) -> tuple[str, str]:
        """Name and value in the query string, not yet quoted.

        Raises:
            QueryError: Kinto has no words for it.
        """
        if self.operator in (Operator.IN, Operator.EXCLUDE):
            return self._name(), ",".join(self._listed())
        return self._name(), _json(self.value)

    def _name(self) -> str:
        plain = _PLAIN_FIELD.fullmatch(self.field)
        ambiguous = _READ_AS_OPERATOR.match(self.field)
        if self.operator is Operator.EQ and not ambiguous:
            return self.field
        if not plain:
            only = "not at all, because it would read it as an operator" if ambiguous else "with == only"
            raise QueryError(f"Kinto compares {self.field!r} {only}: names take letters, digits, _ and dots")
        return f"{self.operator.value}_{self.field}"

    def _listed(self) -> Iterator[str]:
        if not self.value:
            raise QueryError(f"{self.operator.value} on {self.field!r} needs at least one value")
        for value in self.value:
            # The server splits at every comma (kinto.core.schema.FieldList) and knows no way to escape one.
            if "," in (text := _json(value)):
                raise QueryError(f"{value!r} has a comma, which Kinto cannot take in a list: compare it with == alone")
            yield text


NOT_DELETED: Final = Filter("deleted", Operator.NOT, value=True)
"""Met by every object, and by no tombstone."""


@dataclass(frozen=True, slots=True)
class Sort:
    """One key to sort by.

    Attributes:
        field: the name in the stored JSON; dots lead into sub-objects.
        descending: the greatest first.
    """

    field: str
    descending: bool = False

    def parameter(self) -> str:
        """The key as the server takes it.

        Raises:
            QueryError: a name that the server would silently not sort by.
        """
        if not _PLAIN_FIELD.fullmatch(self.field):
            raise QueryError(f"Kinto cannot sort by {self.field!r}: names take letters, digits, _ and dots")
        return f"-{self.field}" if self.descending else self.field


@dataclass(frozen=True, slots=True)
class Query:
    """What to ask of a plural endpoint.

    Attributes:
        filters: all must hold.
        sort: keys, the first first; the server's own order is the newest first.
        limit: objects to a page, at the most; the server may give fewer.
        since: only what changed after this timestamp, in milliseconds.
        before: only what changed before this timestamp, in milliseconds.
        fields: only these fields, and always ``id`` and ``last_modified``.
    """

    filters: tuple[Filter, ...] = ()
    sort: tuple[Sort, ...] = ()
    limit: int | None = None
    since: int | None = None
    before: int | None = None
    fields: tuple[str, ...] = ()

    @property
    def timed(self) -> bool:
        """Whether the server lists tombstones too: it does as soon as a filter bears on ``last_modified``."""
        since_or_before = self.since is not None or self.before is not None
        return since_or_before or any(f.field == "last_modified" for f in self.filters)

    def alive(self) -> Query:
        """The same without tombstones."""
        if not self.timed:
            return self
        return replace(self, filters=(*self.filters, NOT_DELETED))

    def at(self, path: str) -> str:
        """The target of this query at a plural endpoint.

        Raises:
            QueryError: Kinto has no words for it.
        """
        try:
            text = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in self._parameters())
        except UnicodeEncodeError as exc:
            raise QueryError(f"{exc.object!r} is not Unicode, so nothing can be compared with it") from exc
        return f"{path}?{text}" if text else path

    def _parameters(self) -> Iterator[tuple[str, str]]:
        # HAS first: on Kinto's memory backend it lets the filters before it be forgotten. The order means nothing else.
        for filter_ in sorted(self.filters, key=lambda each: each.operator is not Operator.HAS):
            yield filter_.parameter()
        if self.sort:
            yield "_sort", ",".join(key.parameter() for key in self.sort)
        if self.limit is not None:
            yield "_limit", str(self.limit)
        if self.since is not None:
            yield "_since", format_etag(self.since)
        if self.before is not None:
            yield "_before", format_etag(self.before)
        if self.fields:
            yield "_fields", ",".join(_undivided(name) for name in self.fields)
