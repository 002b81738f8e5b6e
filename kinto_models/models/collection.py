"""Collections: what buckets hold (https://docs.kinto-storage.org/en/stable/api/1.x/collections.html)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from pydantic import AliasChoices, Field

from kinto_models.models.async_interface import AsyncObjects
from kinto_models.models.historic import Historic
from kinto_models.models.interface import Objects
from kinto_models.models.options import Options
from kinto_models.models.outcomes import SaveResult
from kinto_models.models.permissions import CollectionPermissions
from kinto_models.models.record import Record
from kinto_models.models.resource import async_objects_of, objects_of
from kinto_models.models.review import ReviewStatus
from kinto_models.models.settings import Configured
from kinto_models.models.stored import permissions_of, state_of

__all__ = ["Collection"]

R = TypeVar("R", bound=Record)


class Collection(Configured, Historic):
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

    @property
    def review_status(self) -> ReviewStatus | str | None:
        """Where the collection is in its review, as the server last told: None where it tells nothing, and the server's
        own word where that is none of ``ReviewStatus``.
        """
        status = (state_of(self).data or {}).get("status")
        try:
            return ReviewStatus(status) if status is not None else None
        except ValueError:
            return str(status)

    def request_review(self, message: str = "", *, force: bool = False) -> SaveResult:
        """Asks for a review of the changes, on a server of Remote Settings. Another user is to ``approve()`` or
        ``decline()`` them, who has read the collection and is told of changes that were made since, as a conflict.

        Unsaved changes of the instance stay unsaved. ``refresh()`` shows what the server made of it: a ``to-sign`` is
        ``signed`` by then.

        Parameters:
            message: to the reviewer, stored as ``last_editor_comment``.
            force: whatever happened to the collection since it was read. A handle was not read, and is not checked.

        Raises:
            ConflictError: it changed since it was read.
            ForbiddenError: the server does not let this user do it, such as approve changes of their own.
            InvalidRequestError: the server does not take this step now.
        """
        return objects_of(self).review(self, ReviewStatus.TO_REVIEW, message=message, force=force)

    def approve(self, *, force: bool = False) -> SaveResult:
        """Approves the changes, which are then signed and published: see ``request_review()``."""
        return objects_of(self).review(self, ReviewStatus.TO_SIGN, force=force)

    def decline(self, message: str = "", *, force: bool = False) -> SaveResult:
        """Sends the changes back to their editors, with a message that is stored as ``last_reviewer_comment``: see
        ``request_review()``.
        """
        return objects_of(self).review(self, ReviewStatus.WORK_IN_PROGRESS, message=message, force=force)

    def rollback(self, message: str = "", *, force: bool = False) -> SaveResult:
        """Undoes all changes that were not published, with a message that is stored as ``last_editor_comment``: see
        ``request_review()``.
        """
        return objects_of(self).review(self, ReviewStatus.TO_ROLLBACK, message=message, force=force)

    def resign(self, *, force: bool = False) -> SaveResult:
        """Has what is published signed anew, such as before the certificate expires: see ``request_review()``."""
        return objects_of(self).review(self, ReviewStatus.TO_RESIGN, force=force)

    async def arequest_review(self, message: str = "", *, force: bool = False) -> SaveResult:
        """Asks for a review of the changes: see ``request_review()``."""
        return await async_objects_of(self).review(self, ReviewStatus.TO_REVIEW, message=message, force=force)

    async def aapprove(self, *, force: bool = False) -> SaveResult:
        """Approves the changes: see ``approve()``."""
        return await async_objects_of(self).review(self, ReviewStatus.TO_SIGN, force=force)

    async def adecline(self, message: str = "", *, force: bool = False) -> SaveResult:
        """Sends the changes back to their editors: see ``decline()``."""
        return await async_objects_of(self).review(self, ReviewStatus.WORK_IN_PROGRESS, message=message, force=force)

    async def arollback(self, message: str = "", *, force: bool = False) -> SaveResult:
        """Undoes all changes that were not published: see ``rollback()``."""
        return await async_objects_of(self).review(self, ReviewStatus.TO_ROLLBACK, message=message, force=force)

    async def aresign(self, *, force: bool = False) -> SaveResult:
        """Has what is published signed anew: see ``resign()``."""
        return await async_objects_of(self).review(self, ReviewStatus.TO_RESIGN, force=force)

    def records(self, model: type[R]) -> Objects[R]:
        """The records of this collection, as instances of ``model``. Does no I/O."""
        return objects_of(self).sibling(model, collection=self.id)

    def arecords(self, model: type[R]) -> AsyncObjects[R]:
        """The records of this collection, as instances of ``model``, for async code. Does no I/O."""
        return async_objects_of(self).sibling(model, collection=self.id)
