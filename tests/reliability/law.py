"""The law of two clients: whatever they do to one collection in turn, the server and their instances are what a model
in memory says, and each call returns or raises what the model says.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias
from uuid import uuid4

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from kinto_models import AlreadyExistsError, Client, ConflictError, NotFoundError, Record, col
from kinto_models.embedded import EmbeddedServer
from tests.reliability.figures import SLOW, Figure
from tests.reliability.servers import AUTH, POSTGRES, production

__all__ = ["law", "measure", "obey"]

STEPS: Final = 1_000
_LONG: Final = 50
"""Steps of one story, at most."""

Fields: TypeAlias = dict[str, Any]
How: TypeAlias = Literal["raise", "mine", "theirs", "merge"]


class Task(Record, bucket="law"):
    title: str = ""
    count: int = 0
    tags: list[str] = []


def fields_of(task: Task) -> Fields:
    return {"title": task.title, "count": task.count, "tags": list(task.tags)}


@dataclass
class Version:
    """An object of the model, as one write left it."""

    number: int
    fields: Fields


@dataclass
class Held:
    """An instance, and the version that it was read or saved as."""

    task: Task
    base: Version


@dataclass
class Side:
    """One of the two clients, and what it knows."""

    kinto: Client
    tasks: Any
    held: dict[str, Held] = field(default_factory=dict)
    since: int | None = None
    seen: int = 0


ids = st.sampled_from(["a", "b", "c"])
sides = st.sampled_from([0, 1])
picks = st.integers(0, 7)
values = st.one_of(
    st.tuples(st.just("title"), st.sampled_from(["", "x", "y", "é"])),
    st.tuples(st.just("count"), st.integers(-2, 2)),
    st.tuples(st.just("tags"), st.lists(st.sampled_from(["p", "q"]), max_size=2)),
)


def _holds(law: Law) -> bool:
    return any(side.held for side in law.sides)


def _is_free(law: Law) -> bool:
    return len(law.there) < 3


class Law(RuleBasedStateMachine):
    """One story."""

    url: str
    steps: int = 0

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.sides: list[Side] = []
        self.there: dict[str, Version] = {}
        self.last: dict[str, int] = {}
        """The last write of every id that ever was."""

    @initialize()
    def begin(self) -> None:
        place = f"law-{uuid4()}"
        for _ in range(2):
            kinto = Client(self.url, auth=AUTH, retry=0)
            self.sides.append(Side(kinto, kinto.repository(Task, collection=place)))
        self.sides[0].kinto.bucket("law").collection(place).save()
        for object_id in ("a", "b"):  # both have read both, or most stories would be of nothing
            self.create(0, object_id, ("title", ""))
            self.hold(self.sides[1], object_id)

    def teardown(self) -> None:
        for side in self.sides:
            side.kinto.close()

    # What the model says of a write

    def write(self, object_id: str, fields: Fields | None) -> Version:
        self.number += 1
        self.last[object_id] = self.number
        version = Version(self.number, {} if fields is None else dict(fields))
        if fields is None:
            del self.there[object_id]
        else:
            self.there[object_id] = version
        return version

    def refusal(self, object_id: str, held: Held | None) -> type[Exception] | None:
        """What a conditional write of an instance meets, or any other write of an object that must be there."""
        if object_id not in self.there:
            return NotFoundError
        if held is not None and self.there[object_id].number != held.base.number:
            return ConflictError
        return None

    def meets(self, expected: type[Exception] | None, call: Callable[[], object]) -> bool:
        """Calls; tells whether it was done, which it must be unless an error is expected."""
        type(self).steps += 1
        try:
            call()
        except (NotFoundError, ConflictError) as error:
            assert expected is type(error), f"{type(error).__name__} where {expected} was expected: {error}"
            return False
        assert expected is None, f"no {expected}"
        return True

    def taken(self, pick: int) -> tuple[Side, Held, str]:
        """An instance that one of the two holds, and its id."""
        held = [(side, object_id) for side in self.sides for object_id in sorted(side.held)]
        side, object_id = held[pick % len(held)]
        return side, side.held[object_id], object_id

    def aimed(self, pick: int) -> str:
        """The id of an object that is there, or now and then of one that need not be."""
        there = sorted(self.there) if pick < 7 else []
        return there[pick % len(there)] if there else "abc"[pick % 3]

    # What the two do

    @precondition(_is_free)
    @rule(which=sides, object_id=ids, value=values)
    def create(self, which: int, object_id: str, value: tuple[str, Any]) -> None:
        side, task = self.sides[which], Task.model_validate({"id": object_id, value[0]: value[1]})
        expected = AlreadyExistsError if object_id in self.there else None
        if self.meets(expected, lambda: side.tasks.create(task)):
            side.held[object_id] = Held(task, self.write(object_id, fields_of(task)))

    @rule(which=sides, pick=picks)
    def get(self, which: int, pick: int) -> None:
        side, object_id = self.sides[which], self.aimed(pick)
        if self.meets(self.refusal(object_id, None), lambda: self.hold(side, object_id)):
            assert fields_of(side.held[object_id].task) == self.there[object_id].fields

    def hold(self, side: Side, object_id: str) -> None:
        task = side.tasks.get(object_id)
        side.held[object_id] = Held(task, self.there[object_id])

    @precondition(_holds)
    @rule(pick=picks, value=values)
    def change(self, pick: int, value: tuple[str, Any]) -> None:
        setattr(self.taken(pick)[1].task, *value)

    @precondition(_holds)
    @rule(pick=picks, value=values, how=st.sampled_from(["raise", "mine", "theirs", "merge", "merge"]))
    def save(self, pick: int, value: tuple[str, Any], how: How) -> None:
        side, held, object_id = self.taken(pick)
        setattr(held.task, *value)
        mine, base = fields_of(held.task), held.base.fields
        changed = {name for name in mine if mine[name] != base[name]}
        expected, wanted = self.refusal(object_id, held) if changed else None, mine
        if expected is ConflictError and how != "raise":
            expected, wanted = self.merged(mine, held.base.fields, self.there[object_id].fields, how)
        if self.meets(expected, lambda: side.tasks.save(held.task, on_conflict=how)):
            if changed and wanted != self.there[object_id].fields:
                held.base = self.write(object_id, wanted)
            elif changed:
                held.base = self.there[object_id]  # both had come to the same
            assert fields_of(held.task) == wanted
            assert not held.task.dirty
        else:
            assert fields_of(held.task) == mine

    @staticmethod
    def merged(mine: Fields, base: Fields, theirs: Fields, how: How) -> tuple[type[Exception] | None, Fields]:
        ours = {name for name in mine if mine[name] != base[name]}
        both = {name for name in ours if theirs[name] not in (base[name], mine[name])}
        if both and how == "merge":
            return ConflictError, mine
        taken = ours - both if how == "theirs" else ours
        return None, {name: mine[name] if name in taken else theirs[name] for name in mine}

    @precondition(_holds)
    @rule(pick=picks, value=values)
    def patch(self, pick: int, value: tuple[str, Any]) -> None:
        (side, held, object_id), change = self.taken(pick), dict([value])
        sent = held.base.fields[value[0]] != value[1]
        expected = self.refusal(object_id, held) if sent else None
        if self.meets(expected, lambda: side.tasks.patch(held.task, **change)) and sent:
            held.base = self.write(object_id, {**self.there[object_id].fields, **change})

    @rule(which=sides, pick=picks, value=values)
    def patch_by_id(self, which: int, pick: int, value: tuple[str, Any]) -> None:
        side, object_id, change = self.sides[which], self.aimed(pick), dict([value])
        if self.meets(self.refusal(object_id, None), lambda: side.tasks.patch(object_id, **change)):
            self.write(object_id, {**self.there[object_id].fields, **change})

    @rule(which=sides, pick=picks)
    def increment(self, which: int, pick: int) -> None:
        def more(task: Task) -> None:
            task.count += 1

        side, object_id = self.sides[which], self.aimed(pick)
        if self.meets(self.refusal(object_id, None), lambda: side.tasks.modify(object_id, more)):
            before = self.there[object_id].fields
            self.write(object_id, {**before, "count": before["count"] + 1})

    @precondition(_holds)
    @rule(pick=picks, force=st.booleans())
    def replace(self, pick: int, *, force: bool) -> None:
        side, held, object_id = self.taken(pick)
        expected = None if force else self.refusal(object_id, held)
        if self.meets(expected, lambda: side.tasks.replace(held.task, force=force)):
            held.base = self.write(object_id, fields_of(held.task))

    @precondition(_holds)
    @rule(pick=picks, by_id=st.booleans())
    def delete(self, pick: int, *, by_id: bool) -> None:
        side, held, object_id = self.taken(pick)
        target = object_id if by_id else held.task
        expected = self.refusal(object_id, None if by_id else held)
        if self.meets(expected, lambda: side.tasks.delete(target)):
            self.write(object_id, None)
            if not by_id:
                del side.held[object_id]

    @precondition(_holds)
    @rule(pick=picks)
    def refresh(self, pick: int) -> None:
        side, held, object_id = self.taken(pick)
        if self.meets(self.refusal(object_id, None), lambda: side.tasks.refresh(held.task)):
            held.base = self.there[object_id]
            assert fields_of(held.task) == held.base.fields

    @rule(
        which=sides, does=st.dictionaries(ids, st.sampled_from(["create", "patch", "delete"]), min_size=2), value=values
    )
    def batch(self, which: int, does: dict[str, str], value: tuple[str, Any]) -> None:
        type(self).steps += 1
        change, outcomes = dict([value]), {}
        batch = self.sides[which].kinto.batch()
        try:
            with batch:
                tasks: Any = batch.repository(Task, collection=self.sides[which].tasks.collection)
                for object_id, what in does.items():
                    if what == "create":
                        outcomes[object_id] = tasks.create(Task.model_validate({"id": object_id, **change}))
                    elif what == "patch":
                        outcomes[object_id] = tasks.patch(object_id, **change)
                    else:
                        outcomes[object_id] = tasks.delete(object_id)
        except Exception:
            if all(outcome.done for outcome in outcomes.values()):
                raise
        for object_id, what in does.items():
            self.one_of_a_batch(object_id, what, change, outcomes[object_id].error)

    def one_of_a_batch(self, object_id: str, what: str, change: Fields, error: Exception | None) -> None:
        there = self.there.get(object_id)
        if what == "create":
            assert type(error) is (AlreadyExistsError if there else type(None))
            if not there:
                self.write(object_id, {**fields_of(Task()), **change})
            return
        assert type(error) is (type(None) if there else NotFoundError)
        if there:
            self.write(object_id, {**there.fields, **change} if what == "patch" else None)

    @rule(which=sides, least=st.integers(-2, 2))
    def query(self, which: int, least: int) -> None:
        type(self).steps += 1
        found = self.sides[which].tasks.find(Task.count >= least).sort(col(Task.count), "id").all()
        wanted = sorted((v.fields["count"], i) for i, v in self.there.items() if v.fields["count"] >= least)
        assert [(task.count, task.id) for task in found] == wanted

    @rule(which=sides)
    def changes(self, which: int) -> None:
        type(self).steps += 1
        side = self.sides[which]
        found = side.tasks.changes(side.since)
        after = {object_id: number for object_id, number in self.last.items() if number > side.seen}
        updated = sorted((number, object_id) for object_id, number in after.items() if object_id in self.there)
        gone = sorted((number, object_id) for object_id, number in after.items() if object_id not in self.there)
        assert [task.id for task in found.updated] == [object_id for _, object_id in updated]
        assert {task.id: fields_of(task) for task in found.updated} == {
            object_id: self.there[object_id].fields for _, object_id in updated
        }
        if side.since is not None:  # all that is there has no tombstones
            assert [tombstone.id for tombstone in found.deleted] == [object_id for _, object_id in gone]
        assert not found.flushed
        side.since, side.seen = found.timestamp, self.number

    @precondition(lambda self: bool(self.sides))
    @invariant()
    def the_server_has_what_the_model_has(self) -> None:
        there = {task.id: fields_of(task) for task in self.sides[0].tasks.find().all()}
        assert there == {object_id: version.fields for object_id, version in self.there.items()}


def law(url: str) -> type[Law]:
    """The law, for this server."""
    return type("Law", (Law,), {"url": url})


def obey(url: str, steps: int) -> int:
    """Tells stories until there were so many steps, each a call of the library; how many there were.

    Raises:
        AssertionError: a difference.
    """
    with Client(url, auth=AUTH) as kinto:
        kinto.bucket("law").save()
    machine = law(url)
    while machine.steps < steps:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=5,
                stateful_step_count=min(_LONG, steps),
                database=None,
                deadline=None,
                suppress_health_check=SLOW,
            ),
        )
    return machine.steps


def measure(steps: int = STEPS) -> list[Figure]:
    """On memory, and on PostgreSQL where there is one."""
    server = EmbeddedServer(dict([AUTH]), {})
    try:
        figures = [_figure("memory", server.url, steps)]
    finally:
        server.stop()
    if not POSTGRES:
        print("the law: not on PostgreSQL, because KINTO_MODELS_TEST_POSTGRES is not set")
        return figures
    with production() as postgres:
        return [*figures, _figure("PostgreSQL", postgres.url, steps)]


def _figure(where: str, url: str, steps: int) -> Figure:
    started, wrong, done = time.monotonic(), "", 0
    try:
        done = obey(url, steps)
    except AssertionError as error:  # hypothesis has printed the story
        wrong = str(error)
    took = time.monotonic() - started
    what = f"two clients against a model, on {where}, {done} steps in {took:.0f} s"
    return Figure(what, wrong or "no difference", f"no difference in {steps} steps", not wrong)
