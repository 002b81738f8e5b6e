"""From the origin to the destination: reads both, tells what differs, and has it written.

It holds what the destination has in one list, and a page of the origin's. Lists are read in the order of their changes:
what changes meanwhile comes once more, at the end, and nothing is missed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from kinto_models.errors import ForbiddenError, KintoError, UnauthorizedError
from kinto_models.models.changes import ChangeSet
from kinto_models.models.interface import Page
from kinto_models.models.options import Kind
from kinto_models.models.outcomes import Outcome, Progress
from kinto_models.protocol.messages import Conversation, Stream, drain
from kinto_models.replication.driving import Flow, at, following
from kinto_models.replication.places import Copy, Pair, Place
from kinto_models.replication.plans import PlannedList, ReplicationPlan, result_of, written
from kinto_models.replication.results import ReplicationResult, retold
from kinto_models.replication.writing import Granted, Tally, Write, compared, deletion, fetched
from kinto_models.repository.conversations import changes, reads
from kinto_models.repository.conversations.selection import milliseconds
from kinto_models.services.accounts import me

__all__ = ["copied"]

_INSIDE: Final[dict[Kind, tuple[Kind, ...]]] = {
    "bucket": ("group", "collection"),
    "collection": ("record",),
    "group": (),
    "record": (),
}
"""What is in an object: groups first, because permissions name them."""

_HIDDEN: Final = (ForbiddenError, UnauthorizedError)
_PART: Final = 1_000
"""Objects to deal with at a time."""


def copied(  # noqa: PLR0913  # see replicate()
    pair: Pair,
    *,
    permissions: bool,
    since: int | Mapping[str, int] | None,
    delete: bool,
    dry_run: bool,
    progress: Callable[[Progress], None] | None,
) -> Flow[ReplicationResult | ReplicationPlan]:
    """Replicates a pair; see ``replicate()``."""
    for each in since.values() if isinstance(since, Mapping) else () if since is None else (since,):
        milliseconds("replicate", each)
    origin, destination = pair.origin, pair.destination
    for place in (origin, destination):
        if place.runner.signed:  # what is shown to a stranger is not what was meant
            yield from at(place, me(place.mapper.facts, signed=True))
    one, other = pair.ids or (None, None)
    here, there = (yield from _bucket(origin, one)), (yield from _bucket(destination, other))
    copying = _Copying(Tally(progress), since, here, delete=delete, dry_run=dry_run)
    if permissions:
        copying.renaming = _Renaming(here, there, (yield from _writer(destination)))
    if one is None or other is None:
        yield from copying.all(origin, destination)
    elif origin.kind == "bucket":
        yield from copying.whole(origin, destination, here, there)
    else:
        yield from copying.whole(origin, destination, one, other)
    lists, tally = copying.lists, copying.tally
    if dry_run:
        tally.end()
        return ReplicationPlan(tuple(lists), tuple(tally.failures))
    return result_of(lists, tally)


class _Renaming:
    """What principals of the origin are at the destination."""

    def __init__(self, origin: str, destination: str, writer: str) -> None:
        self._groups = f"/buckets/{origin}/groups/", f"/buckets/{destination}/groups/"
        self._writer = writer

    def granted(self, mine: Copy, theirs: Copy | None) -> Granted:
        """What the permissions are to be.

        Raises:
            UnknownPermissionsError: the origin does not show them.
        """
        granted = {name: {*map(self._named, principals)} for name, principals in mine.permissions.all().items()}
        # Kinto puts whoever writes into the write of it, and would do so again.
        shown = theirs.permissions.all() if theirs is not None and theirs.permissions.known else {}
        granted.setdefault("write", set()).update({self._writer}.intersection(shown.get("write", ())))
        return granted

    def _named(self, principal: str) -> str:
        old, new = self._groups
        return new + principal.removeprefix(old) if principal.startswith(old) else principal


def _bucket(place: Place, object_id: str | None) -> Flow[str]:
    """The real id of the bucket, which that of the default bucket is not: permissions name the real one."""
    bucket = object_id if place.kind == "bucket" else place.objects.bucket
    return (yield from at(place, place.mapper.facts.find_default_bucket())) if bucket == "default" else bucket or ""


def _writer(place: Place) -> Flow[str]:
    """The principal of who writes here; none of an anonymous one."""
    info = yield from at(place, place.mapper.facts.info(refresh=False))
    return info.user.id if info.user else ""


class _Copying:
    """One replication.

    Attributes:
        tally: the count of it.
        lists: those that were read so far.
        renaming: of principals, or None where permissions are left alone.
    """

    def __init__(
        self, tally: Tally, since: int | Mapping[str, int] | None, bucket: str, *, delete: bool, dry_run: bool
    ) -> None:
        self.tally = tally
        self.lists: list[PlannedList] = []
        self.renaming: _Renaming | None = None
        self._since = since
        self._bucket = bucket
        self._delete = delete
        self._dry_run = dry_run

    def whole(self, origin: Place, destination: Place, one: str, other: str) -> Flow[None]:
        """An object, and what is in it."""
        part = self._part(origin, destination)
        mine = yield from at(origin, reads.get(origin.mapper, one))
        theirs = yield from at(destination, _found(destination, other))
        self.tally.expect(1)
        yield from self._settle(part, [(mine, theirs, other)])
        yield from self._inside(origin, destination, one, other, fresh=theirs is None)

    def all(self, origin: Place, destination: Place, *, fresh: bool = False) -> Flow[None]:
        """All of a list, and what is in its objects; ``fresh`` where the destination's is only just being made."""
        part = self._part(origin, destination)
        since = self._since_of(origin)
        if since is not None and not fresh:
            part._since = since
            found = yield from at(origin, changes.changes(origin.mapper, since))
            if not found.flushed and found.timestamp >= since:
                yield from self._replay(part, found)
                return
        seen = yield from self._compare(part, fresh=fresh)
        if _INSIDE[origin.kind]:
            for each, made in seen.items():
                yield from self._inside(origin, destination, each, each, fresh=made)

    def _since_of(self, origin: Place) -> int | None:
        if _INSIDE[origin.kind]:
            return None  # what did not change may hold what did
        return self._since.get(origin.path) if isinstance(self._since, Mapping) else self._since

    def _inside(self, origin: Place, destination: Place, one: str, other: str, *, fresh: bool) -> Flow[None]:
        for kind in _INSIDE[origin.kind]:
            below = destination.below(kind, other)
            if not self.tally.is_lost(below.path):
                yield from self.all(origin.below(kind, one), below, fresh=fresh)

    def _part(self, origin: Place, destination: Place) -> PlannedList:
        self.lists.append(PlannedList(origin, destination))
        return self.lists[-1]

    def _compare(self, part: PlannedList, *, fresh: bool) -> Flow[dict[str, bool]]:
        """All that the origin has, and what the destination has besides. Tells which ids there are, and whether each is
        only just being made.
        """
        origin, destination = part._origin, part._destination
        current: dict[str, Copy] = {}
        if not fresh:
            current = yield from at(destination, _listed(destination))
        if self.tally.is_watched:
            self.tally.expect((yield from at(origin, origin.all()._count())))
        seen: dict[str, bool] = {}
        stream: Stream[Page[Copy]] = origin.all()._paged(None)
        while True:
            reading = following(stream)
            page = yield from at(origin, reading)
            if page is None:
                break
            if part._timestamp is None and not _INSIDE[origin.kind]:
                part._timestamp = page.timestamp
            known = {each.id: current.pop(each.id, None) for each in page if each.id not in seen}
            ask = [each.id for each in page if each.id in seen or (self.renaming is not None and known[each.id])]
            seen.update((object_id, theirs is None) for object_id, theirs in known.items())
            yield from self._take(part, page, known, ask)
        if self._delete:
            there = yield from self._left(part, current)
            seen.update(dict.fromkeys(there, False))
        return seen

    def _left(self, part: PlannedList, left: Mapping[str, Copy]) -> Flow[list[str]]:
        """Deletes what the origin has not, and tells what it has all the same.

        That something is not listed is no proof: to whoever may not read all, Kinto lists what is shared with them, or
        nothing. The answer that nothing has that id is: only who may read all gets it (``kinto.authorization``).
        """
        origin, ids = part._origin.under(self._bucket), list(left)
        found: list[str] = []
        self.tally.expect(len(ids))
        for start in range(0, len(ids), _PART):
            outcomes = yield from at(origin, fetched(origin, ids[start : start + _PART]))
            hidden = next((each.error for each in outcomes.values() if isinstance(each.error, _HIDDEN)), None)
            if hidden is not None:
                self.tally.expect(start + 1 - len(ids))
                self._hidden(part, hidden)
                break
            mine = self._told(part, outcomes)
            there = [(each, left[object_id], object_id) for object_id, each in mine.items() if each is not None]
            found += [object_id for _, _, object_id in there]
            yield from self._settle(part, there)
            gone = [deletion(part._destination, left[object_id]) for object_id, each in mine.items() if each is None]
            yield from self._write(part, gone)
        return found

    def _replay(self, part: PlannedList, found: ChangeSet[Copy]) -> Flow[None]:
        """What the origin tells of the time since."""
        part._timestamp = found.timestamp
        self.tally.expect(len(found))
        for start in range(0, len(found.updated), _PART):
            some = found.updated[start : start + _PART]
            yield from self._take(part, some, {}, [each.id for each in some])
        for start in range(0, len(found.deleted) if self._delete else 0, _PART):
            ids = [each.id for each in found.deleted[start : start + _PART]]
            theirs = yield from self._read(part, part._destination, ids)
            gone = [deletion(part._destination, each) for each in theirs.values() if each is not None]
            self._unchanged(part, sum(each is None for each in theirs.values()))
            yield from self._write(part, gone)

    def _take(
        self, part: PlannedList, page: Sequence[Copy], known: Mapping[str, Copy | None], ask: Sequence[str]
    ) -> Flow[None]:
        """Some of the origin's objects, with what the destination has of them, where that need not be asked."""
        mine: Mapping[str, Copy | None] = {each.id: each for each in page}
        if self.renaming is not None:  # lists show no permissions
            mine = yield from self._read(part, part._origin, list(mine))
        theirs = {**known, **((yield from self._read(part, part._destination, ask)) if ask else {})}
        asked = set(ask)
        pairs = [
            (each, theirs.get(object_id), object_id)
            for object_id, each in mine.items()
            if each is not None and (object_id in theirs or object_id not in asked)
        ]
        self.tally.expect(-sum(each is None for each in mine.values()))  # gone meanwhile
        yield from self._settle(part, pairs)

    def _read(self, part: PlannedList, place: Place, ids: Sequence[str]) -> Flow[dict[str, Copy | None]]:
        """These objects, without those that cannot be read, which are failures."""
        return self._told(part, (yield from at(place, fetched(place, ids))))

    def _told(self, part: PlannedList, outcomes: Mapping[str, Outcome[Copy | None]]) -> dict[str, Copy | None]:
        found: dict[str, Copy | None] = {}
        for object_id, outcome in outcomes.items():
            if outcome.error is not None:
                self._failed(part, object_id, outcome.error, lost=False)
            else:
                found[object_id] = outcome.result()
        return found

    def _settle(self, part: PlannedList, pairs: Sequence[tuple[Copy, Copy | None, str]]) -> Flow[None]:
        """Has what differs written: objects of the origin, what the destination has of each, and their ids there."""
        differing: list[Write] = []
        for mine, theirs, object_id in pairs:
            try:
                granted = self.renaming.granted(mine, theirs) if self.renaming is not None else None
                write = compared(part._destination, mine, theirs, granted, object_id)
            except (KintoError, ValueError) as error:
                self._failed(part, object_id, error, lost=theirs is None)
                continue
            if write is not None:
                differing.append(write)
            else:
                part._writes.pop(object_id, None)
                self._unchanged(part, 1)
        yield from self._write(part, differing)

    def _write(self, part: PlannedList, writes: Sequence[Write]) -> Flow[None]:
        if self._dry_run:
            part._writes.update((write.obj.id, write) for write in writes)
            self.tally.count("unchanged", len(writes))  # here, all that was looked at
        else:
            yield from written(part, writes, self.tally)

    def _unchanged(self, part: PlannedList, number: int) -> None:
        part.unchanged += number
        self.tally.count("unchanged", number)

    def _failed(self, part: PlannedList, object_id: str, error: Exception, *, lost: bool) -> None:
        part._failed = True
        self.tally.failed(part._destination.uri(object_id), error)
        if lost:
            self.tally.lost.append(part._destination.uri(object_id))

    def _hidden(self, part: PlannedList, error: ForbiddenError | UnauthorizedError) -> None:
        part._failed = True
        told = retold(
            error,
            f"nothing was deleted here: who reads {part._origin.path} is not shown all of it, and what is not listed "
            "may be there. Read with credentials that may read all, or keep what only the destination has: "
            f"delete=False (--keep). The server said: {error}",
        )
        self.tally.failed(part.destination, told)


def _listed(place: Place) -> Conversation[dict[str, Copy]]:
    listed: dict[str, Copy] = {}
    yield from drain(place.all()._paged(None), lambda page: listed.update((each.id, each) for each in page))
    return listed


def _found(place: Place, object_id: str) -> Conversation[Copy | None]:
    try:
        return (yield from reads.get_or_none(place.mapper, object_id))
    except ForbiddenError:
        if place.kind != "bucket":
            raise
        return None  # Kinto does not tell a bucket that is not there from one that may not be seen
