"""What an object does: the methods that reach a server, through the repository that the instance is bound to.

``Resource`` is Kinto-Core's word for what has an id, a timestamp and permissions. Users subclass ``Record``,
``Bucket``, ``Collection`` and ``Group``.
"""

from __future__ import annotations

from typing import Any, TypeVar

from typing_extensions import Self

from kinto_models.errors import NoClientError
from kinto_models.models import binding
from kinto_models.models.async_interface import AsyncFinder, AsyncObjects
from kinto_models.models.edits import Edit
from kinto_models.models.expressions import Condition
from kinto_models.models.interface import Finder, Objects, OnConflict
from kinto_models.models.merging import rebase
from kinto_models.models.outcomes import SaveResult
from kinto_models.models.schemas import schema_of
from kinto_models.models.stored import Stored, state_of
from kinto_models.protocol.paths import check_id

__all__ = ["Resource", "async_objects_of", "handle", "objects_of", "place_of"]

R = TypeVar("R", bound="Resource")


class Resource(Stored):
    """An object on a Kinto server. Subclass ``Record``, ``Bucket``, ``Collection`` or ``Group`` instead.

    Attributes:
        id: checked by full match when an instance is made and never rewritten; made by the class's ``ids`` where none
            is given (https://docs.kinto-storage.org/en/stable/api/1.x/records.html).
        last_modified: milliseconds since the epoch, as the server last told; None for what was never saved.
    """

    @classmethod
    def get(cls, object_id: str) -> Self:
        """Reads one object through the active client.

        Raises:
            InvalidIdError: not an id; nothing is sent.
            NotFoundError: there is none.
            NoClientError: no client is active.
        """
        return binding.BLOCKING.current().repository(cls).get(object_id)

    @classmethod
    def find(cls, *conditions: Condition | bool) -> Finder[Self]:
        """A query for objects of this class through the active client: see ``Finder``.

        Raises:
            QueryError: not a condition, or one that Kinto cannot answer.
            NoClientError: no client is active.
        """
        return binding.BLOCKING.current().repository(cls).find(*conditions)

    def save(self, *, force: bool = False, on_conflict: OnConflict[Self] = "raise") -> SaveResult:
        """Writes what changed: creates a new object, patches the changed fields of one that was read or saved before,
        and sends nothing where nothing changed.

        Parameters:
            force: overwrite, whatever happened on the server in between.
            on_conflict: what to do where the object changed on the server since it was read. ``"raise"``; or put the
                changes of both sides together and save them: where both changed the same, ``"mine"`` keeps this
                instance's value, ``"theirs"`` the server's, and ``"merge"`` raises. Or a function that is handed the
                ``ConflictError``, whose ``mine`` is a copy with the changes of both and mine where they overlap:
                what it makes of that copy is saved, unless it raises. Tried five times.

        Raises:
            pydantic.ValidationError: a value that does not fit its field; nothing is sent.
            ReadOnlyFieldError: a field that is fixed after creation was changed; nothing is sent.
            ConflictError: the object changed on the server since it was read; the instance stays as it is.
            AlreadyExistsError: it was to be created, and an object with this id exists.
            NotFoundError: it was deleted meanwhile.
        """
        return objects_of(self).save(self, force=force, on_conflict=on_conflict)

    def patch(self, *edits: Edit, **changes: Any) -> SaveResult:
        """Changes these fields only, and here once the server has taken them: whole ones by name, parts of them by
        ``edit()``, as in ``task.patch(edit(Task.tags).append("docs"), title="New")``.

        Other changes of the instance stay unsaved. Raises as ``save()`` does, and ``TypeError`` for a field that the
        class does not have, and:
            InvalidRequestError: an edit that the stored object does not allow, such as one of a list that it lacks.
            ValueError: unsaved changes in a field that is to be edited.
        """
        return objects_of(self).patch(self, *edits, **changes)

    def replace(self, *, force: bool = False) -> SaveResult:
        """Writes every field, by PUT: what the server has and the instance has not is gone.

        Raises as ``save()`` does, and:
            NotSavedError: it was never read or saved; ``save()`` creates it, ``force=True`` overwrites what is there.
        """
        return objects_of(self).replace(self, force=force)

    def delete(self, *, force: bool = False, missing_ok: bool = False) -> bool:
        """Deletes the object, if it is the one that was read. The instance stays, as a new one.

        Parameters:
            force: whatever happened on the server in between.
            missing_ok: return False, instead of raising, where there is none.

        Raises:
            ConflictError: it changed since it was read.
            NotFoundError: there is none.
            NotSavedError: it was never read or saved, so that there is no ETag to check; ``force=True`` deletes it.
        """
        return objects_of(self).delete(self, force=force, missing_ok=missing_ok)

    def refresh(self) -> bool:
        """Reads the object again, permissions included, and drops the unsaved changes of the instance, those made
        while the answer is on its way included.

        Returns whether the object had changed on the server; where not, its data is not sent again.

        Raises:
            NotFoundError: it was deleted.
        """
        return objects_of(self).refresh(self)

    @classmethod
    def kinto_schema(cls) -> dict[str, Any]:
        """The JSON Schema of what the class stores, for ``Collection.json_schema`` or one of a bucket's: Draft 7, which
        is what Kinto checks, with its ``$schema``, and without what is the server's, such as the id
        (https://docs.kinto-storage.org/en/stable/api/1.x/collections.html#collection-json-schema).

        What a validator in Python refuses, a schema cannot; ``format`` is never checked by Kinto.

        Raises:
            DeclarationError: a field that has no JSON Schema, or is stored as ``schema`` in a record.
            InvalidSchemaError: the schema is one that Kinto would take and then fail on, such as by a pattern that is
                none of Python's.
        """
        return schema_of(cls)

    # The same for async code, through an AsyncClient

    @classmethod
    async def aget(cls, object_id: str) -> Self:
        """Reads one object through the active async client: see ``get()``."""
        return await binding.AWAITED.current().repository(cls).get(object_id)

    @classmethod
    def afind(cls, *conditions: Condition | bool) -> AsyncFinder[Self]:
        """A query for objects of this class through the active async client: see ``AsyncFinder``."""
        return binding.AWAITED.current().repository(cls).find(*conditions)

    async def asave(self, *, force: bool = False, on_conflict: OnConflict[Self] = "raise") -> SaveResult:
        """Writes what changed: see ``save()``. What is changed here while the server answers stays changed. The
        function for a conflict may be a coroutine function.
        """
        return await async_objects_of(self).save(self, force=force, on_conflict=on_conflict)

    async def apatch(self, *edits: Edit, **changes: Any) -> SaveResult:
        """Writes these fields only: see ``patch()``."""
        return await async_objects_of(self).patch(self, *edits, **changes)

    async def areplace(self, *, force: bool = False) -> SaveResult:
        """Writes every field: see ``replace()``."""
        return await async_objects_of(self).replace(self, force=force)

    async def adelete(self, *, force: bool = False, missing_ok: bool = False) -> bool:
        """Deletes the object: see ``delete()``."""
        return await async_objects_of(self).delete(self, force=force, missing_ok=missing_ok)

    async def arefresh(self) -> bool:
        """Reads the object again: see ``refresh()``."""
        return await async_objects_of(self).refresh(self)

    def rebase(self, theirs: Self) -> None:
        """Puts the unsaved changes of this instance on top of ``theirs``, the same object read later. Sends nothing.

        Fields are merged one by one, and objects in them key by key. Where both sides changed the same, this one's
        value stays.

        Raises:
            NotSavedError: ``theirs`` is another object, or was never read or saved.
            pydantic.ValidationError: what the two sides make together does not fit the class.
        """
        rebase(self, theirs)


def objects_of(obj: R) -> Objects[R]:
    """The repository that the instance is bound to, or that of the active client."""
    bound: Objects[R] | None = state_of(obj).objects
    if bound is not None and bound.awaited:
        raise NoClientError(
            _WRONG_KIND.format(
                "an AsyncClient", "use the twin whose name begins with an a, such as asave() or arecords()"
            )
        )
    return bound if bound is not None else binding.BLOCKING.current().repository(type(obj))


def async_objects_of(obj: R) -> AsyncObjects[R]:
    """The same, for async code."""
    bound: AsyncObjects[R] | None = state_of(obj).objects
    if bound is not None and not bound.awaited:
        raise NoClientError(
            _WRONG_KIND.format("a blocking Client", "use the twin without the a, such as save() or records()")
        )
    return bound if bound is not None else binding.AWAITED.current().repository(type(obj))


_WRONG_KIND = (
    "this instance came from {}: {}, or use a repository of the client that is to do it: "
    "client.repository(Task).save(task)"
)


def place_of(obj: R) -> Objects[R] | AsyncObjects[R]:
    """Where the instance is: the repository of either kind that it is bound to, or that of the active client."""
    bound: Objects[R] | AsyncObjects[R] | None = state_of(obj).objects
    return bound if bound is not None else binding.anyone().repository(type(obj))


def handle(objects: Objects[R] | AsyncObjects[R], object_id: str) -> R:
    """An instance that stands for an object by its id alone. Nothing is read, and the object need not exist.

    Parameters:
        objects: the repository, of either kind, that it is bound to.
        object_id: its id.

    Raises:
        InvalidIdError: not an id.
    """
    options = objects.model.__kinto__
    make: Any = objects.model.model_construct  # pydantic's plugin for mypy takes it for the base's
    obj: R = make(id=check_id(object_id, options.kind, options.ids.pattern))
    state_of(obj).objects = objects
    return obj
