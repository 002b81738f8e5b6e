"""What happened in a collection since a moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel

from kinto_models.types import Data

__all__ = ["ChangeSet", "RemoteChangeSet", "Tombstone"]

T = TypeVar("T")


class Tombstone(BaseModel, frozen=True):
    """What is left of a deleted object (https://docs.kinto-storage.org/en/stable/api/1.x/timestamps.html).

    Attributes:
        id: of the object that was deleted.
        last_modified: when that was, in milliseconds since the epoch, by the server's clock.
        deleted: always true.
    """

    id: str
    last_modified: int
    deleted: Literal[True] = True


@dataclass(frozen=True, slots=True)
class ChangeSet(Generic[T]):
    """What happened in a list of objects since a timestamp; false where nothing did.

    Attributes:
        updated: objects that are new or changed, as they are now, the latest change last.
        deleted: what is left of those that were deleted, the latest last.
        timestamp: of the list in milliseconds, to go on from: ``changes(since=found.timestamp)``.
        flushed: the list is another one than it was: it has changed, and shows no change. It was deleted and made anew,
            or emptied without a trace, and what is held of it is worth nothing. Credentials that see a part of the list
            only see the same when another part changes.
    """

    updated: list[T] = field(default_factory=list)
    deleted: list[Tombstone] = field(default_factory=list)
    timestamp: int = 0
    flushed: bool = False

    def __bool__(self) -> bool:
        return bool(self.updated or self.deleted or self.flushed)

    def __len__(self) -> int:
        return len(self.updated) + len(self.deleted)


@dataclass(frozen=True, slots=True)
class RemoteChangeSet(ChangeSet[T]):
    """What ``changeset()`` of Remote Settings tells: what a ``ChangeSet`` does, and the collection's metadata at that
    moment.

    Attributes:
        metadata: the collection as JSON, with its ``signature`` where it is signed;
            ``Collection.model_validate(found.metadata)`` makes an instance of it.
    """

    metadata: Data = field(default_factory=dict)
