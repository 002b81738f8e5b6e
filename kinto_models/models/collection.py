"""Collections: what buckets hold (https://docs.kinto-storage.org/en/stable/api/1.x/collections.html)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from pydantic import AliasChoices, Field

from kinto_models.models.async_interface import AsyncObjects
from kinto_models.models.interface import Objects
from kinto_models.models.options import Options
from kinto_models.models.permissions import CollectionPermissions
from kinto_models.models.record import Record
from kinto_models.models.resource import async_objects_of, objects_of
from kinto_models.models.settings import Configured
from kinto_models.models.stored import permissions_of

__all__ = ["Collection"]

R = TypeVar("R", bound=Record)


class Collection(Configured):
    """A collection. A declared one says where it is: ``class Tasks(Collection, bucket="todo", collection="tasks")``.

    Attributes:
        json_schema: the JSON Schema that records must meet, such as ``Task.kinto_schema()``, stored as ``schema``. Only
            servers with the capability ``schema`` heed it, and only when a record is written.
        cache_expires: seconds that anonymous readers may cache records.
        sort: the order in which Kinto Admin shows records.
        display_fields: the fields that Kinto Admin shows, stored as ``displayFields``.
        attachment: settings of the attachment plugin.
    """

    __kinto__: ClassVar[Options] = Options("collection")
    __kinto_schemas__: ClassVar[frozenset[str]] = frozenset(("schema",))
    __kinto_settings__: ClassVar[Mapping[str, str]] = {
        "json_schema": "schema",
        "cache_expires": "cache_expires",
        "sort": "sort",
        "display_fields": "displayFields",
        "attachment": "attachment",
    }

    json_schema: dict[str, Any] | None = Field(
        default=None, validation_alias=AliasChoices("schema", "json_schema"), serialization_alias="schema"
    )
    cache_expires: int | None = None
    sort: str | None = None
    display_fields: list[str] | None = Field(
        default=None,
        validation_alias=AliasChoices("displayFields", "display_fields"),
        serialization_alias="displayFields",
    )
    attachment: dict[str, Any] | None = None

    @property
    def permissions(self) -> CollectionPermissions:
        """Who may do what with the collection. Changes are sent by the next ``save()``."""
        return permissions_of(self, CollectionPermissions)

    def records(self, model: type[R]) -> Objects[R]:
        """The records of this collection, as instances of ``model``. Does no I/O."""
        return objects_of(self).sibling(model, collection=self.id)

    def arecords(self, model: type[R]) -> AsyncObjects[R]:
        """The records of this collection, as instances of ``model``, for async code. Does no I/O."""
        return async_objects_of(self).sibling(model, collection=self.id)
