"""Buckets: what holds everything else (https://docs.kinto-storage.org/en/stable/api/1.x/buckets.html)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, TypeVar, cast

from pydantic import AliasChoices, Field

from kinto_models.errors import QueryError
from kinto_models.models.async_interface import AsyncFinder, AsyncObjects
from kinto_models.models.collection import Collection
from kinto_models.models.expressions import Condition
from kinto_models.models.group import Group
from kinto_models.models.history import HistoryEntry
from kinto_models.models.interface import Finder, Objects
from kinto_models.models.options import Options
from kinto_models.models.permissions import BucketPermissions
from kinto_models.models.resource import Resource, async_objects_of, handle, objects_of, place_of
from kinto_models.models.settings import Configured
from kinto_models.models.stored import permissions_of

__all__ = ["Bucket"]

F = TypeVar("F", Finder[HistoryEntry[Resource]], AsyncFinder[HistoryEntry[Resource]])


def _schema(kind: str) -> Any:
    wire = f"{kind}:schema"
    return Field(default=None, validation_alias=AliasChoices(wire, f"{kind}_schema"), serialization_alias=wire)


class Bucket(Configured):
    """A bucket. A declared one says its id: ``class Todo(Bucket, bucket="todo")``.

    Attributes:
        record_schema: the JSON Schema that all records in it must meet, besides that of their collection; stored as
            ``record:schema``.
        collection_schema: the one for its collections, such as ``Articles.kinto_schema()``; ``collection:schema``.
        group_schema: the one for its groups; ``group:schema``.
    """

    __kinto__: ClassVar[Options] = Options("bucket")
    __kinto_schemas__: ClassVar[frozenset[str]] = frozenset(("record:schema", "collection:schema", "group:schema"))
    __kinto_settings__: ClassVar[Mapping[str, str]] = {
        "record_schema": "record:schema",
        "collection_schema": "collection:schema",
        "group_schema": "group:schema",
    }

    record_schema: dict[str, Any] | None = _schema("record")
    collection_schema: dict[str, Any] | None = _schema("collection")
    group_schema: dict[str, Any] | None = _schema("group")

    @property
    def permissions(self) -> BucketPermissions:
        """Who may do what with the bucket. Changes are sent by the next ``save()``."""
        return permissions_of(self, BucketPermissions)

    @property
    def collections(self) -> Objects[Collection]:
        """The collections of this bucket. Does no I/O."""
        return objects_of(self).sibling(Collection, bucket=self.id)

    @property
    def acollections(self) -> AsyncObjects[Collection]:
        """The collections of this bucket, for async code. Does no I/O."""
        return async_objects_of(self).sibling(Collection, bucket=self.id)

    @property
    def groups(self) -> Objects[Group]:
        """The groups of this bucket. Does no I/O."""
        return objects_of(self).sibling(Group, bucket=self.id)

    @property
    def agroups(self) -> AsyncObjects[Group]:
        """The groups of this bucket, for async code. Does no I/O."""
        return async_objects_of(self).sibling(Group, bucket=self.id)

    @property
    def history(self) -> Finder[HistoryEntry[Resource]]:
        """All that happened to the bucket and to what is in it, the latest first: a query of ``HistoryEntry``. Does no
        I/O (https://docs.kinto-storage.org/en/stable/api/1.x/history.html).
        """
        return cast("Finder[HistoryEntry[Resource]]", objects_of(self).history_in(self.id))

    @property
    def ahistory(self) -> AsyncFinder[HistoryEntry[Resource]]:
        """All that happened to the bucket and to what is in it, for async code. Does no I/O."""
        return cast("AsyncFinder[HistoryEntry[Resource]]", async_objects_of(self).history_in(self.id))

    def purge_history(
        self, *conditions: Condition | bool, before: int | datetime | None = None, everything: bool = False
    ) -> int:
        """Deletes entries of the history for good, and tells how many: those that meet all conditions.

        Parameters:
            conditions: as of a query, such as ``HistoryEntry.user_id == "account:bot"``.
            before: only older ones: milliseconds since the epoch, or a datetime with a timezone.
            everything: all of it, without conditions.

        Raises:
            QueryError: not a condition, or not a timestamp; no condition at all, or one besides ``everything``. Nothing
                is deleted.
            MissingCapabilityError: the server has no history: ``kinto.plugins.history``.
        """
        return _purged(self.history, conditions, before, everything=everything).delete()

    async def apurge_history(
        self, *conditions: Condition | bool, before: int | datetime | None = None, everything: bool = False
    ) -> int:
        """Deletes entries of the history for good: see ``purge_history()``."""
        return await _purged(self.ahistory, conditions, before, everything=everything).delete()

    def collection(self, collection_id: str) -> Collection:
        """A collection by its id, as a way to its records: nothing is read, and it need not exist.

        Raises:
            InvalidIdError: not an id.
        """
        return handle(place_of(self).sibling(Collection, bucket=self.id), collection_id)

    def group(self, group_id: str) -> Group:
        """A group by its id, such as to grant it permissions: nothing is read, and it need not exist.

        Raises:
            InvalidIdError: not an id.
        """
        return handle(place_of(self).sibling(Group, bucket=self.id), group_id)


def _purged(
    history: F, conditions: tuple[Condition | bool, ...], before: int | datetime | None, *, everything: bool
) -> F:
    narrow = bool(conditions) or before is not None
    if everything == narrow:
        raise QueryError(
            "purge_history() with everything=True takes no conditions: leave one or the other out"
            if everything
            else "purge_history() without conditions would delete all of it: say so, by everything=True"
        )
    chosen = history.where(*conditions)
    if before is not None:
        return chosen.before(before)
    return chosen.since(1) if everything else chosen  # all of them, which a query does not delete without being told
