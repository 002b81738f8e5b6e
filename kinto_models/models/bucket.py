"""Buckets: what holds everything else (https://docs.kinto-storage.org/en/stable/api/1.x/buckets.html)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import AliasChoices, Field

from kinto_models.models.async_interface import AsyncObjects
from kinto_models.models.collection import Collection
from kinto_models.models.group import Group
from kinto_models.models.interface import Objects
from kinto_models.models.options import Options
from kinto_models.models.permissions import BucketPermissions
from kinto_models.models.resource import async_objects_of, handle, objects_of, place_of
from kinto_models.models.settings import Configured
from kinto_models.models.stored import permissions_of

__all__ = ["Bucket"]


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
