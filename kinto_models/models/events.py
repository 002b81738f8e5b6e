"""What a client tells its subscribers: what it wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar

from kinto_models.models.stored import Stored

__all__ = ["Action", "Event"]

R_co = TypeVar("R_co", bound=Stored, covariant=True)

Action: TypeAlias = Literal["created", "updated", "deleted"]
"""What was done to an object."""


@dataclass(frozen=True, slots=True)
class Event(Generic[R_co]):
    """Something that the server has acknowledged.

    Attributes:
        action: ``"created"``, ``"updated"`` or ``"deleted"``.
        model: the class of the instance, or of the repository where there was none.
        id: of the object.
        path: of the object below the server's root, such as ``/buckets/todo/collections/tasks/records/first``.
        obj: the instance, as it is afterwards; None for a deletion by id or by a query.
        old: the object as it was before, where an instance knew it.
    """

    action: Action
    model: type[R_co]
    id: str
    path: str
    obj: R_co | None
    old: R_co | None
