"""The writes of a replication: what each does, and the count of them."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, Final, Literal, TypeAlias

from kinto_models.errors import AlreadyExistsError, ConflictError
from kinto_models.models.outcomes import Outcome, Progress
from kinto_models.models.stored import changes_of, state_of
from kinto_models.models.tracking import parse
from kinto_models.protocol.messages import Conversation
from kinto_models.replication.places import Copy, Place
from kinto_models.replication.results import ReplicationFailure, ReplicationResult, retold
from kinto_models.repository.conversations import reads, writes
from kinto_models.repository.running.chunk import Entry
from kinto_models.repository.running.delivery import Delivery

__all__ = ["Granted", "Tally", "Write", "carried", "compared", "deletion", "fetched"]

Kind: TypeAlias = Literal["create", "update", "delete"]
Granted: TypeAlias = "Mapping[str, Iterable[str]]"
"""Principals by Kinto's name of the ACE."""

_STEP: Final = 25
"""Objects between two calls of ``progress``."""
_LAST_PLACE: Final = 1e-15
_WHOLE: Final = 2.0**53
"""Whole numbers below it that Kinto stored once, it stores as they are."""
_log = logging.getLogger("kinto_models")


@dataclass(frozen=True, slots=True, eq=False)
class Write:
    """One object that is to be written, if nobody else writes it meanwhile.

    Attributes:
        place: the list that it is in.
        obj: as it is to be; tied to what is there, where something is.
        kind: what is to be done.
        changed: names of the fields that differ, and ``permissions`` where they do.
    """

    place: Place
    obj: Copy
    kind: Kind
    changed: frozenset[str] = frozenset()

    @property
    def uri(self) -> str:
        """The path of the object."""
        return self.place.uri(self.obj.id)

    def begin(self) -> Conversation[Any]:
        """The conversation that does it."""
        if self.kind == "create":
            return writes.create(self.place.mapper, self.obj, tells=True)
        if self.kind == "update":  # whole: a batch can carry no patch that removes fields
            return writes.replace(self.place.mapper, self.obj, force=False)
        return writes.delete(self.place.mapper, self.obj, force=False, missing_ok=True)


def compared(place: Place, mine: Copy, theirs: Copy | None, granted: Granted | None, object_id: str) -> Write | None:
    """What it takes to have ``mine`` where ``theirs`` is, under this id; None where nothing differs.

    Parameters:
        place: the destination.
        mine: at the origin.
        theirs: at the destination, or None.
        granted: what its permissions are to be, or None where they are not the matter.
        object_id: at the destination.
    """
    data = mine.model_extra or {}  # all of it: a copy declares nothing
    differs = theirs is None or not _alike(data, theirs.model_extra or {})
    if granted is None and not differs:
        return None
    wanted = parse(place.mapper.model, {**data, "id": object_id})
    if theirs is None:
        _grant(wanted, granted or {})
        return Write(place, wanted, "create")
    place.mapper.tie(wanted, theirs)
    if granted is not None:
        if not wanted.permissions.known:  # not shown to this writer: then whatever they are, they become these
            state_of(wanted).permissions = type(wanted.permissions)({})
        _grant(wanted, granted)
    changed = changes_of(wanted).names if differs else frozenset[str]()
    changed |= {"permissions"} if wanted.permissions.changed else frozenset()
    return Write(place, wanted, "update", changed) if differs or changed else None


def _alike(a: Any, b: Any) -> bool:
    """Whether two JSON values are the same, but for what Kinto's parser does to floats: it rounds some in the last
    place, at each write, and no second run would find them equal.
    """
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_alike(value, b[name]) for name, value in a.items())
    if isinstance(a, list):
        return len(a) == len(b) and all(map(_alike, a, b))
    if not isinstance(a, float) or (max(abs(a), abs(b)) < _WHOLE and a.is_integer() and b.is_integer()):
        return bool(a == b)
    return math.isclose(a, b, rel_tol=_LAST_PLACE)


def _for_a_replication(error: Exception) -> Exception:
    """The error of a write: nobody has an instance here to refresh."""
    if isinstance(error, AlreadyExistsError):
        what = "it came to be at the destination since that was read, or the writer is not shown it"
    elif isinstance(error, ConflictError):
        what = "somebody changed it at the destination since it was compared"
    else:
        return error
    return retold(error, f"{error.request}: {what}: nothing was overwritten, replicate again")


def _grant(obj: Copy, granted: Granted) -> None:
    for name, ace in obj.permissions._by_name().items():
        ace.replace(granted.get(name, ()))


def deletion(place: Place, theirs: Copy) -> Write:
    """The deletion of what the origin has not."""
    return Write(place, theirs, "delete")


def carried(place: Place, listed: Iterable[Write], settle: Callable[[Write, Outcome[Any]], None]) -> Conversation[None]:
    """Carries out writes, in batches.

    Raises:
        KintoError: the server cannot be reached any more.
    """
    of_outcome: dict[int, Write] = {}

    def entries() -> Iterable[Entry[Any]]:
        for write in listed:
            outcome: Outcome[Any] = Outcome(write.obj)
            of_outcome[id(outcome)] = write
            yield Entry(outcome, write.begin)

    def settled(entry: Entry[Any]) -> None:
        settle(of_outcome.pop(id(entry.outcome)), entry.outcome)

    delivery = Delivery(place.runner, settled)
    yield from delivery.carry(entries())
    if delivery.stopped is not None:
        raise delivery.stopped


def fetched(place: Place, ids: Iterable[str]) -> Conversation[dict[str, Outcome[Copy | None]]]:
    """Reads objects one by one, which shows their permissions, in batches; None for those that are not there.

    Raises:
        KintoError: the server cannot be reached any more.
    """
    outcomes: dict[str, Outcome[Copy | None]] = {object_id: Outcome(object_id) for object_id in ids}
    delivery = Delivery(place.runner, lambda _: None)
    yield from delivery.carry(
        Entry(outcome, partial(reads.get_or_none, place.mapper, object_id), reads=True)
        for object_id, outcome in outcomes.items()
    )
    if delivery.stopped is not None:
        raise delivery.stopped
    return outcomes


class Tally:
    """Counts what was dealt with, and tells who wants to know.

    Parameters:
        progress: called every now and then, or None.

    Attributes:
        total: how many there are to deal with, or None where that is not known.
        lost: paths of the objects that could not be made, and so nothing in them.
    """

    def __init__(self, progress: Callable[[Progress], None] | None) -> None:
        if iscoroutinefunction(progress):
            raise TypeError(f"{progress!r} would have to be awaited: progress is a plain function")
        self._progress = progress
        self._counts: dict[str, int] = dict.fromkeys(("created", "updated", "deleted", "unchanged"), 0)
        self._told = 0
        self.failures: list[ReplicationFailure] = []
        self.lost: list[str] = []
        self.total: int | None = None

    def settled(self, write: Write, outcome: Outcome[Any]) -> None:
        """Takes what became of a write."""
        if outcome.error is not None:
            self.failed(write.uri, _for_a_replication(outcome.error))
            if write.kind == "create":
                self.lost.append(write.uri)
        else:
            self.count(f"{write.kind}d" if outcome.result() else "unchanged")

    def failed(self, uri: str, error: Exception) -> None:
        """Takes a failure."""
        self.failures.append(ReplicationFailure(uri, error))
        self._tell()

    def count(self, what: str, number: int = 1) -> None:
        """Takes objects that were dealt with."""
        self._counts[what] += number
        self._tell()

    def expect(self, number: int) -> None:
        """Takes a number of objects that are to be dealt with."""
        if self.is_watched:
            self.total = (self.total or 0) + number

    @property
    def is_watched(self) -> bool:
        """Whether anybody wants to know how far it is."""
        return self._progress is not None

    def is_lost(self, path: str) -> bool:
        """Whether it is in what could not be made."""
        return any(path.startswith(f"{lost}/") for lost in self.lost)

    def result(self, timestamps: Mapping[str, int]) -> ReplicationResult:
        """All in all."""
        self.end()
        if self.failures:
            first, others = self.failures[0], len(self.failures) - 1
            more = f", and {others} more" if others else ""
            _log.warning("%s was not replicated: %s%s", first.uri, first.error, more)
        return ReplicationResult(**self._counts, failures=tuple(self.failures), timestamps=timestamps)

    def end(self) -> None:
        """Tells once more."""
        self._tell(last=True)

    def _tell(self, *, last: bool = False) -> None:
        done = sum(self._counts.values()) + len(self.failures)
        if self._progress is not None and (last or done >= self._told + _STEP):
            self._told = done
            self._progress(Progress(done, len(self.failures), self.total))
