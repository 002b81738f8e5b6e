"""What Kinto's history plugin remembers: who did what when, and what the object was afterwards.

https://docs.kinto-storage.org/en/stable/api/1.x/history.html. An object is remembered as it was then, which need not
fit what its class is today: so its data are read when they are asked for, and an entry is always readable.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import cached_property
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar, cast, overload

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, PrivateAttr, ValidationError

from kinto_models.errors import InvalidRecordError, NotInHistoryError, QueryError
from kinto_models.models.changes import Tombstone
from kinto_models.models.expressions import Expr, col, field_of
from kinto_models.models.fields import FieldsOnClass
from kinto_models.models.options import Kind
from kinto_models.models.stored import Stored, state_of
from kinto_models.models.tracking import parse
from kinto_models.types import Data

__all__ = ["HistoryEntry", "HistoryTarget", "read", "tie", "was"]

T = TypeVar("T")
M = TypeVar("M", bound=Stored)
R_co = TypeVar("R_co", bound=Stored, covariant=True)


@dataclass(frozen=True, slots=True)
class _Tie:
    """What the data of an entry are read as, and the repository that the instance is bound to."""

    model: Any
    objects: Any = field(compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Tie, (self.model, None)  # as of all instances, the repository stays behind


class HistoryTarget(BaseModel, Generic[R_co]):
    """An object as it was after a change.

    Attributes:
        raw: its data as JSON; the tombstone for a deletion. Stored under ``target.data``.
        permissions: who might do what with it then; empty for most deletions.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow", frozen=True)

    raw: dict[str, Any] = Field(alias="data")
    permissions: dict[str, list[str]] = {}

    _tie: _Tie = PrivateAttr(default_factory=lambda: _Tie(Stored, None))

    @cached_property
    def data(self) -> R_co:
        """Its data, as an instance of its class that counts as never saved: ``save()`` creates the object again where
        it was deleted, and is refused where it exists; ``revert()`` brings one back to this state.

        Raises:
            InvalidRecordError: they do not fit what the class is today; ``raw`` has them, and ``entry.as_(Record)``.
            NotInHistoryError: it was deleted.
        """
        data: R_co = read(self._tie.model, self.raw, self._tie.objects)
        return data


def _in_utc(date: datetime) -> datetime:
    return date if date.tzinfo is not None else date.replace(tzinfo=timezone.utc)


def _as_stored(date: datetime) -> str:
    return _in_utc(date).astimezone(timezone.utc).isoformat()


class HistoryEntry(FieldsOnClass, Generic[R_co]):
    """One change of one object. Its fields can be named in queries: ``HistoryEntry.action == "update"``; those of the
    object as it was then by ``was()``.

    Attributes:
        id: of the entry.
        last_modified: of the entry, in milliseconds; entries are listed by it, the newest first. The changes of one
            batch are not always in the order in which they were made: ``timestamp`` is.
        action: ``"create"``, ``"update"`` or ``"delete"``.
        date: when it was.
        user_id: the principal of who did it, such as ``account:alice``.
        uri: of the object, such as ``/buckets/todo/collections/tasks/records/first``.
        resource_name: what the object is: ``"bucket"``, ``"collection"``, ``"group"`` or ``"record"``.
        collection_id: id of the collection, or of the one that it is in.
        group_id: id of the group.
        record_id: id of the record.
        target: the object as it was afterwards.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow", frozen=True)

    id: str
    last_modified: int
    action: Literal["create", "update", "delete"]
    date: Annotated[datetime, AfterValidator(_in_utc), PlainSerializer(_as_stored, when_used="json")]
    user_id: str
    uri: str
    resource_name: Kind
    collection_id: str | None = None
    group_id: str | None = None
    record_id: str | None = None
    target: HistoryTarget[R_co]

    @property
    def bucket_id(self) -> str:
        """Id of the bucket, or of the one that the object is in."""
        return self.uri.split("/")[2]

    @property
    def object_id(self) -> str:
        """Id of the object."""
        return self.uri.rpartition("/")[2]

    @property
    def timestamp(self) -> int:
        """The object's timestamp after the change, in milliseconds; that of its tombstone for a deletion."""
        timestamp: int = self.target.raw["last_modified"]
        return timestamp

    @property
    def tombstone(self) -> Tombstone | None:
        """What was left of the object, for a deletion."""
        return Tombstone.model_validate(self.target.raw) if self.action == "delete" else None

    def as_(self, model: type[M]) -> HistoryEntry[M]:
        """The same entry, with ``target.data`` as an instance of this class.

        Raises:
            TypeError: a class of another kind of objects.
        """
        if not (isinstance(model, type) and issubclass(model, Stored) and model.__kinto__.kind == self.resource_name):
            raise TypeError(f"{self.uri} is a {self.resource_name}, which cannot be read as {model!r}")
        target: HistoryTarget[Any] = HistoryTarget(data=self.target.raw, permissions=self.target.permissions)
        entry = cast("HistoryEntry[M]", self.model_copy(update={"target": target}))
        objects = self.target._tie.objects
        tie(entry, model, objects and objects.sibling(model, bucket=self.bucket_id, collection=self.collection_id))
        return entry


def tie(entry: HistoryEntry[Any], model: type[Stored], objects: Any) -> None:
    """Says what the data of an entry are read as, and which repository the instance is bound to."""
    entry.target._tie = _Tie(model, objects)


def read(model: type[M], data: Data, objects: Any) -> M:
    """An object as it was, as an instance that counts as never saved: no ETag of today's belongs to it.

    Raises:
        InvalidRecordError: the data do not fit the class.
        NotInHistoryError: they are a tombstone.
    """
    named = f"{model.__name__} {data.get('id')!r}"
    if data.get("deleted") is True:
        raise NotInHistoryError(
            f"{named} was deleted by this change, so there is no state after it: see entry.tombstone"
        )
    try:
        obj = parse(model, data)
    except ValidationError as exc:
        raise _misfit(model, named, data, exc) from exc
    state_of(obj).objects = objects
    return obj


def _misfit(model: type[Stored], named: str, data: Data, error: ValidationError) -> InvalidRecordError:
    entries = error.errors(include_url=False, include_context=False, include_input=False)
    where = ".".join(str(part) for part in entries[0]["loc"]) or "the whole"
    misfit = InvalidRecordError(
        f"{named}, as it was then, does not fit: {where}: {entries[0]['msg']}; entry.target.raw has it as JSON, and "
        "Record takes it in any form: entry.as_(Record)"
    )
    misfit.model, misfit.object_id, misfit.errors = model.__name__, data.get("id"), tuple({**each} for each in entries)
    return misfit


@overload
def was(field: Expr[T]) -> Expr[T]: ...
@overload
def was(field: T | None) -> Expr[T]: ...
def was(field: Any) -> Any:
    """A class's field as it was after a change, in a query of the history: ``was(Task.title) == "Old"``.

    Raises:
        QueryError: not the field of a model class; for a field without one, use ``key("target.data.name")``.
    """
    there = field_of(col(field))
    if there.root is HistoryEntry:
        raise QueryError(f"was() takes a field of the object, and {there.label} is one of the entry: leave was() out")
    return Expr(replace(there, path=f"target.data.{there.path}", root=HistoryEntry))
