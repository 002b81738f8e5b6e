"""What is to be written at the destination: carried out as soon as it is known, or kept as a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from kinto_models.models.outcomes import Progress
from kinto_models.replication.driving import Flow, at, drive, drive_async
from kinto_models.replication.places import Place
from kinto_models.replication.results import ReplicationFailure, ReplicationResult, failed, some
from kinto_models.replication.writing import Tally, Write, carried

__all__ = ["PlannedList", "ReplicationPlan", "result_of", "written"]

_MARKS: Final = {"create": "+", "update": "~", "delete": "-"}


@dataclass(slots=True, eq=False)
class PlannedList:
    """What is to be written in one list. ``print()`` shows it.

    Attributes:
        unchanged: how many objects are as they are to be.
    """

    _origin: Place
    _destination: Place
    unchanged: int = 0
    _writes: dict[str, Write] = field(default_factory=dict)
    _since: int | None = None
    _timestamp: int | None = None
    _failed: bool = False

    @property
    def origin(self) -> str:
        """Path of the list that it is compared with."""
        return self._origin.path

    @property
    def destination(self) -> str:
        """Path of the list."""
        return self._destination.path

    @property
    def creations(self) -> list[str]:
        """Ids of objects that are to be created."""
        return self._of("create")

    @property
    def changes(self) -> dict[str, frozenset[str]]:
        """Ids of objects that are to be changed, with the names of what differs."""
        return {object_id: self._writes[object_id].changed for object_id in self._of("update")}

    @property
    def deletions(self) -> list[str]:
        """Ids of objects that are to be deleted."""
        return self._of("delete")

    def _of(self, kind: str) -> list[str]:
        return [object_id for object_id, write in self._writes.items() if write.kind == kind]

    def __len__(self) -> int:
        return len(self._writes)

    def __str__(self) -> str:
        changes = self.changes
        sizes = len(self.creations), len(changes), len(self.deletions), self.unchanged
        lines = ["{}: {} to create, {} to change, {} to delete, {} unchanged".format(self.destination, *sizes)]
        for kind, mark in _MARKS.items():
            named = {object_id: ", ".join(sorted(changes.get(object_id, ()))) for object_id in self._of(kind)}
            lines += some([f"  {mark} {object_id}{names and f': {names}'}" for object_id, names in named.items()])
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<planned {self}>"


@dataclass(frozen=True, slots=True, eq=False)
class ReplicationPlan:
    """What a replication would write: ``replicate(..., dry_run=True)``. ``print(plan)`` shows it; it is false where
    nothing differs. It holds what would be written, and nothing else of either side.

    Attributes:
        lists: in the order in which they would be written.
        failures: objects that could not be read.
    """

    lists: tuple[PlannedList, ...]
    failures: tuple[ReplicationFailure, ...] = ()

    def __bool__(self) -> bool:
        return len(self) > 0

    def __len__(self) -> int:
        return sum(map(len, self.lists))

    def __str__(self) -> str:
        return "\n".join([*(str(each) for each in self.lists), *failed(self.failures)])

    def apply(self, *, progress: Callable[[Progress], None] | None = None) -> ReplicationResult:
        """Writes it, each object only if nobody wrote it since it was compared.

        Raises:
            TypeError: it was made with async clients: await ``aapply()``.
            KintoError: the destination cannot be reached.
        """
        self._check(awaited=False)
        return drive(self._applied(Tally(progress)))

    async def aapply(self, *, progress: Callable[[Progress], None] | None = None) -> ReplicationResult:
        """Writes it: see ``apply()``."""
        self._check(awaited=True)
        return await drive_async(self._applied(Tally(progress)))

    def _check(self, *, awaited: bool) -> None:
        if any(each._destination.awaited is not awaited for each in self.lists):
            raise TypeError("a plan of areplicate() is applied by 'await plan.aapply()', one of replicate() by apply()")

    def _applied(self, tally: Tally) -> Flow[ReplicationResult]:
        tally.failures.extend(self.failures)
        tally.total = sum(len(each) + each.unchanged for each in self.lists) + len(self.failures)
        for each in self.lists:
            tally.count("unchanged", each.unchanged)
            yield from written(each, list(each._writes.values()), tally)
        return result_of(self.lists, tally)


def written(part: PlannedList, writes: Iterable[Write], tally: Tally) -> Flow[None]:
    """Writes what is to be in a list."""
    before = len(tally.failures)
    if tally.is_lost(part.destination):
        part._failed = True
    else:
        yield from at(part._destination, carried(part._destination, writes, tally.settled))
    part._failed = part._failed or len(tally.failures) > before


def result_of(lists: Iterable[PlannedList], tally: Tally) -> ReplicationResult:
    """All in all. Where something failed in a list, it is to be begun again where it was begun."""
    timestamps = {each.origin: each._since if each._failed else each._timestamp for each in lists}
    return tally.result({path: timestamp for path, timestamp in timestamps.items() if timestamp is not None})
