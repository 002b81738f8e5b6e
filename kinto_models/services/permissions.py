"""The list of what the client's user may do where: a query like others, of a list that is made when it is asked for."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NoReturn, TypeVar

from pydantic import BaseModel

from kinto_models.errors import QueryError
from kinto_models.models.entries import PermissionEntry
from kinto_models.models.interface import Page
from kinto_models.protocol.messages import Stream
from kinto_models.protocol.paths import Plural
from kinto_models.repository.conversations.selection import Selection
from kinto_models.repository.query import AsyncQuery, Query

__all__ = ["AsyncPermissionsQuery", "PermissionsQuery", "async_permissions", "permissions"]

T = TypeVar("T", bound=BaseModel)
M = TypeVar("M", bound=BaseModel)
S = TypeVar("S", bound=Selection[Any])

_PLACE: Final = Plural("/permissions", "permission entry")
_LOOKED_INTO: Final = ("uri", "resource_name", "bucket_id", "collection_id", "group_id", "record_id")
"""All that the server compares, sorts by and selects (kinto.views.permissions.PermissionsSchema)."""


class _Entries:
    """What stands in for a repository, to which entries are not tied."""

    model: type[PermissionEntry] = PermissionEntry


class _OfPermissions(Selection[T]):
    """Refuses what the server ignores in this list, or cannot do."""

    def since(self, timestamp: int | datetime) -> NoReturn:  # noqa: ARG002  # of other lists
        """Raises QueryError."""
        raise _timeless("since()")

    def before(self, timestamp: int | datetime) -> NoReturn:  # noqa: ARG002  # of other lists
        """Raises QueryError."""
        raise _timeless("before()")

    def _handed_to(self, other: S, **changes: Any) -> S:
        handed = super()._handed_to(other, **changes)
        wire = handed._wire
        for name in [*(each.field for each in wire.filters), *(each.field for each in wire.sort), *wire.fields]:
            if name not in _LOOKED_INTO:
                raise QueryError(
                    f"Kinto does not look into {name!r} of its list of permissions, but {', '.join(_LOOKED_INTO)}: "
                    "look at the entries yourself"
                )
        return handed

    def _pages(
        self, size: int | None = None, *, consistent: bool = False, unless: int | None = None
    ) -> Stream[Page[T]]:
        if consistent or unless is not None:
            raise _timeless("consistent=True" if consistent else "if_changed()")
        return super()._pages(size)

    def _timestamp(self) -> NoReturn:
        raise _timeless("timestamp()")

    def _delete(self) -> NoReturn:
        raise QueryError("a permission is not deleted but taken back: by permissions.read.discard() of its object")


def _timeless(what: str) -> QueryError:
    return QueryError(f"the list of permissions has no timestamps, so {what} means nothing there: leave it out")


class PermissionsQuery(_OfPermissions[T], Query[T]):
    """See ``Finder``."""

    def select(self, model: type[M]) -> PermissionsQuery[M]:
        return self._of(PermissionsQuery[M], model)


class AsyncPermissionsQuery(_OfPermissions[T], AsyncQuery[T]):
    """See ``AsyncFinder``."""

    def select(self, model: type[M]) -> AsyncPermissionsQuery[M]:
        return self._of(AsyncPermissionsQuery[M], model)


def permissions(runner: Any) -> PermissionsQuery[PermissionEntry]:
    """All that the user of this blocking runner may do."""
    return PermissionsQuery(runner, _PLACE, _Entries(), PermissionEntry)


def async_permissions(runner: Any) -> AsyncPermissionsQuery[PermissionEntry]:
    """The same, awaited."""
    return AsyncPermissionsQuery(runner, _PLACE, _Entries(), PermissionEntry)
