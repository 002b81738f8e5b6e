"""What an object can do that has a history: look at it, and go back."""

from __future__ import annotations

from datetime import datetime

from typing_extensions import Self

from kinto_models.models.async_interface import AsyncFinder
from kinto_models.models.history import HistoryEntry
from kinto_models.models.interface import Finder
from kinto_models.models.outcomes import SaveResult
from kinto_models.models.resource import Resource, async_objects_of, objects_of
from kinto_models.models.stored import Stored

__all__ = ["Historic"]


class Historic(Resource):
    """A record, collection or group. Subclass those instead."""

    def history(self) -> Finder[HistoryEntry[Self]]:
        """What happened to this object, the latest first: a query of ``HistoryEntry``
        (https://docs.kinto-storage.org/en/stable/api/1.x/history.html).

        Raises:
            MissingCapabilityError: when it is ended, where the server has no history: ``kinto.plugins.history``.
        """
        return objects_of(self).history(self.id)

    def revert(self, to: HistoryEntry[Stored] | int | datetime) -> SaveResult:
        """Brings the object's data back to what they were, as ``save()`` writes: if nobody changed it since it was
        read. One that was deleted is created again. Unsaved changes of fields are dropped; permissions stay as they
        are, and so do fields that a class with ``unknown="ignore"`` does not declare.

        Parameters:
            to: an entry of its history; or a timestamp in milliseconds, or a datetime with a timezone, for the state
                that it had then.

        Raises:
            NotInHistoryError: it did not exist then, or the history does not tell; nothing is written.
            InvalidRecordError: its data, as they were then, do not fit what the class is today; nothing is written.
            ConflictError: it changed on the server since it was read: ``refresh()`` it, and look again.
            AlreadyExistsError: it was never read or saved here, and exists.
            ReadOnlyFieldError: a field that is fixed after creation would change; nothing is written.
            ValueError: an entry about another object.
            QueryError: not a timestamp.
            MissingCapabilityError: the server has no history: ``kinto.plugins.history``.
        """
        return objects_of(self).revert(self, to)

    def ahistory(self) -> AsyncFinder[HistoryEntry[Self]]:
        """What happened to this object, for async code: see ``history()``."""
        return async_objects_of(self).history(self.id)

    async def arevert(self, to: HistoryEntry[Stored] | int | datetime) -> SaveResult:
        """Brings the object's data back to what they were: see ``revert()``."""
        return await async_objects_of(self).revert(self, to)
