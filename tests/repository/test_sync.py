"""Making a collection equal to what is desired: the plan tells what it takes, applying it does just that."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from kinto_models import (
    EVERYONE,
    AlreadyExistsError,
    AsyncClient,
    BatchError,
    BulkResult,
    Client,
    Collection,
    ConflictError,
    Group,
    NotFoundError,
    Outcome,
    Plan,
    Progress,
    ReadOnlyFieldError,
    Record,
    Repository,
    ServerIds,
)
from kinto_models.embedded import EmbeddedServer
from kinto_models.protocol import operations
from tests.conftest import Wire
from tests.faults import Bench, Cut
from tests.repository.conftest import ALICE, Opened, told


class Task(Record, bucket="todo", collection="tasks", readonly=("author",)):
    title: str = ""
    priority: int = Field(default=3, ge=0)
    tags: set[str] = set()
    author: str = "ada"


class Lenient(Record, bucket="todo", collection="tasks"):
    """The same records, without a rule."""


class Narrow(Record, bucket="todo", collection="tasks", unknown="ignore"):
    title: str = ""


@pytest.fixture
def tasks(kinto: Client) -> Repository[Task]:
    return kinto.repository(Task)


@pytest.fixture
def lenient(kinto: Client) -> Repository[Lenient]:
    return kinto.repository(Lenient)


def a(object_id: str, **values: Any) -> Lenient:
    return Lenient.model_validate({"id": object_id, **values})


def server_side(kinto: Client) -> dict[str, Any]:
    return {each.id: each.model_extra for each in kinto.repository(Lenient).find()}


def writes(wire: Wire) -> list[tuple[str, str]]:
    """Method and id of everything that was to be written."""
    listed: list[tuple[str, str]] = []
    for request in wire.sent:
        if request.target == "/batch":
            listed += [(p["method"], p["path"].rpartition("/")[2]) for p in json.loads(request.body or b"")["requests"]]
        elif not request.safe:
            listed.append((request.method, request.target.rpartition("/")[2]))
    return listed


# The plan


def test_a_plan_says_what_differs_and_writes_nothing(tasks: Repository[Task], wire: Wire) -> None:
    tasks.create_many([Task(id="same"), Task(id="changed", title="old", priority=1), Task(id="gone")])
    wire.clear()
    new, changed = Task(id="new"), Task(id="changed", title="new", priority=2)
    plan = tasks.sync_to([Task(id="same"), new, changed])
    assert writes(wire) == []
    assert plan
    assert len(plan) == 3
    assert [each is new for each in plan.creations] == [True]
    (revision,) = plan.patches
    assert revision.desired is changed
    assert revision.current.title == "old"
    assert revision.changed == {"title", "priority"}
    assert [each.id for each in plan.deletions] == ["gone"]
    assert plan.unchanged == 1


def test_a_plan_is_printed_to_be_read(tasks: Repository[Task]) -> None:
    tasks.create_many([Task(id="same"), Task(id="changed", title="old"), Task(id="gone")])
    plan = tasks.sync_to([Task(id="same"), Task(id="new"), Task(id="changed", title="new", tags={"x"})])
    assert str(plan) == (
        "1 to create, 1 to change, 1 to delete, 1 unchanged\n+ Task 'new'\n~ Task 'changed': tags, title\n- Task 'gone'"
    )


@pytest.mark.parametrize(
    ("number", "shown", "more"), [(20, 20, None), (21, 20, "+ and 1 more"), (500, 20, "+ and 480 more")]
)
def test_a_long_plan_is_cut_where_it_is_printed(
    tasks: Repository[Task], number: int, shown: int, more: str | None
) -> None:
    plan = tasks.sync_to(Task(id=f"t{each}") for each in range(number))
    lines = str(plan).splitlines()
    assert lines[0] == f"{number} to create, 0 to change, 0 to delete, 0 unchanged"
    assert lines[1 : shown + 1] == [f"+ Task 't{each}'" for each in range(shown)]
    assert lines[shown + 1 :] == ([more] if more else [])


def test_each_kind_of_a_long_plan_is_cut_by_itself(tasks: Repository[Task]) -> None:
    tasks.create_many(Task(id=f"c{each}") for each in range(22))
    tasks.create_many(Task(id=f"d{each}") for each in range(23))
    plan = tasks.sync_to([Task(id=f"c{each}", title="x") for each in range(22)])
    lines = str(plan).splitlines()
    assert lines[0] == "0 to create, 22 to change, 23 to delete, 0 unchanged"
    assert [line for line in lines if line[0] == "~"][-1] == "~ and 2 more"
    assert lines[-1] == "- and 3 more"
    assert len(lines) == 1 + 21 + 21


def test_a_plan_is_false_where_both_are_equal(tasks: Repository[Task], wire: Wire) -> None:
    tasks.create_many([Task(id="a", tags={"x", "y", "z"}), Task(id="b")])
    wire.clear()
    plan = tasks.sync_to([Task(id="b"), Task(id="a", tags={"z", "y", "x"})])
    assert not plan
    assert len(plan) == 0
    assert str(plan) == "0 to create, 0 to change, 0 to delete, 2 unchanged"
    assert tasks.apply(plan) == BulkResult()
    assert [request.method for request in wire.sent] == ["GET"]
    assert not tasks.sync_to(tasks.find())


def test_an_empty_collection_and_nothing_desired_are_equal(tasks: Repository[Task]) -> None:
    assert not tasks.sync_to([])
    tasks.create(Task(id="a"))
    plan = tasks.sync_to([])
    assert (len(plan.deletions), len(plan)) == (1, 1)


def test_what_is_not_desired_can_be_kept(tasks: Repository[Task]) -> None:
    tasks.create_many([Task(id="a"), Task(id="b")])
    plan = tasks.sync_to([Task(id="a"), Task(id="c")], delete=False)
    assert (len(plan.creations), plan.patches, plan.deletions) == (1, [], [])
    assert tasks.apply(plan) == BulkResult(created=1)
    assert tasks.count() == 3


def test_what_is_on_the_server_as_here_counts_as_read(tasks: Repository[Task], wire: Wire) -> None:
    tasks.create(Task(id="a"))
    mine = Task(id="a")
    assert not mine.saved
    tasks.sync_to([mine])
    assert (mine.saved, mine.dirty, mine.etag) == (True, False, tasks.get("a").etag)
    mine.title = "changed"
    wire.clear()
    mine.save()
    assert [request.method for request in wire.sent] == ["PATCH"]


# What counts as a difference


def test_unknown_fields_are_compared_where_the_class_keeps_them(
    kinto: Client, tasks: Repository[Task], lenient: Repository[Lenient]
) -> None:
    lenient.create(a("a", title="x", extra={"n": 1}))
    same = Task.model_validate({"id": "a", "title": "x", "extra": {"n": 1}})
    other = Task.model_validate({"id": "a", "title": "x", "extra": {"n": 2}})
    less = Task.model_validate({"id": "a", "title": "x"})
    more = Task.model_validate({"id": "a", "title": "x", "extra": {"n": 1}, "more": None})
    assert not tasks.sync_to([same])
    for desired, changed in ((other, "extra"), (less, "extra"), (more, "more")):
        (revision,) = tasks.sync_to([desired]).patches
        assert revision.changed == {changed}
    assert not kinto.repository(Narrow).sync_to([Narrow(id="a", title="x")])


def test_a_class_that_ignores_unknown_fields_leaves_them_alone(kinto: Client, lenient: Repository[Lenient]) -> None:
    lenient.create(a("a", title="x", extra=1))
    narrow = kinto.repository(Narrow)
    assert narrow.apply(narrow.sync_to([Narrow(id="a", title="y")])) == BulkResult(updated=1)
    assert server_side(kinto) == {"a": {"title": "y", "extra": 1}}


def test_removing_a_field_is_a_write_that_a_batch_can_carry(
    kinto: Client, lenient: Repository[Lenient], wire: Wire
) -> None:
    lenient.create_many([a("a", x=1, y={"n": 1, "m": 2}), a("b", x=1), a("c", x=1)])
    wire.clear()
    plan = lenient.sync_to([a("a", y={"n": 1}), a("b"), a("c", x=2)])
    assert [sorted(revision.changed) for revision in plan.patches] == [["x", "y"], ["x"], ["x"]]
    assert lenient.apply(plan) == BulkResult(updated=3)
    assert writes(wire) == [("PUT", "a"), ("PUT", "b"), ("PATCH", "c")]
    assert server_side(kinto) == {"a": {"y": {"n": 1}}, "b": {}, "c": {"x": 2}}
    assert not lenient.sync_to([a("a", y={"n": 1}), a("b"), a("c", x=2)])


def test_removing_a_field_keeps_the_permissions(lenient: Repository[Lenient]) -> None:
    there = a("a", x=1)
    there.permissions.read.add(EVERYONE)
    lenient.create(there)
    desired = a("a")
    desired.permissions.write.add(EVERYONE)
    lenient.apply(lenient.sync_to([desired]))
    assert set(lenient.get("a").permissions.read) == {"system.Everyone"}
    assert "system.Everyone" not in lenient.get("a").permissions.write


def test_a_default_that_the_server_lacks_is_no_difference(
    kinto: Client, tasks: Repository[Task], lenient: Repository[Lenient]
) -> None:
    """The class reads the record as it is desired."""
    lenient.create(a("a", title="x"))
    assert not tasks.sync_to([Task(id="a", title="x")])
    assert not tasks.sync_to([Task(id="a", title="x", priority=3, author="ada")])
    assert server_side(kinto)["a"] == {"title": "x"}
    plan = tasks.sync_to([Task(id="a", title="x", priority=4)])
    assert [revision.changed for revision in plan.patches] == [{"priority"}]
    tasks.apply(plan)
    assert server_side(kinto)["a"] == {"title": "x", "priority": 4}


def test_permissions_are_sent_with_creations_and_left_alone_otherwise(tasks: Repository[Task], wire: Wire) -> None:
    tasks.create_many([Task(id="same"), Task(id="changed")])
    desired = [Task(id="new"), Task(id="same"), Task(id="changed", title="x")]
    for each in desired:
        each.permissions.read.add(EVERYONE)
    tasks.apply(tasks.sync_to(desired))
    assert [set(tasks.get(each).permissions.read) for each in ("new", "same", "changed")] == [
        {"system.Everyone"},
        set(),
        set(),
    ]


# Applying


def test_n_differences_take_n_writes(kinto: Client, tasks: Repository[Task], wire: Wire) -> None:
    tasks.create_many(Task(id=f"t{number}") for number in range(30))
    desired = [Task(id=f"t{number}") for number in range(5, 33)]
    desired[0].title, desired[7].priority = "x", 0
    wire.clear()
    plan = tasks.sync_to(desired)
    assert len(plan) == 10
    assert tasks.apply(plan) == BulkResult(created=3, updated=2, deleted=5)
    assert sorted(writes(wire)) == sorted(
        [("PUT", f"t{number}") for number in (30, 31, 32)]
        + [("PATCH", "t5"), ("PATCH", "t12")]
        + [("DELETE", f"t{number}") for number in range(5)]
    )
    assert len([request for request in wire.sent if request.target == "/batch"]) == 1
    for task in desired:
        assert (task.saved, task.dirty) == (True, False)
        assert task.etag == tasks.get(task.id).etag
    assert not any(task.saved for task in plan.deletions)
    assert not tasks.sync_to(desired)
    wire.clear()
    assert tasks.save_many(desired) == BulkResult(unchanged=28)
    assert wire.sent == []


def test_one_difference_is_one_request(tasks: Repository[Task], wire: Wire) -> None:
    tasks.create_many([Task(id="a"), Task(id="b")])
    wire.clear()
    tasks.apply(tasks.sync_to([Task(id="a", title="x"), Task(id="b")]))
    assert [(request.method, request.target.rpartition("/")[2]) for request in wire.sent if not request.safe] == [
        ("PATCH", "a")
    ]
    assert json.loads(wire.last.body or b"") == {"data": {"title": "x"}}
    assert "If-Match" in wire.last.headers


def test_what_is_as_desired_by_the_time_of_applying_needs_no_write(tasks: Repository[Task]) -> None:
    tasks.create(Task(id="a"))
    desired = Task(id="a", title="x")
    plan = tasks.sync_to([desired])
    desired.title = ""
    assert tasks.apply(plan) == BulkResult(unchanged=1)


def test_what_is_desired_is_what_it_is_when_the_plan_is_applied(tasks: Repository[Task]) -> None:
    tasks.create(Task(id="a"))
    new, changed = Task(id="new", title="early"), Task(id="a", title="early")
    plan = tasks.sync_to([new, changed])
    new.title = changed.title = "late"
    changed.priority = 1
    tasks.apply(plan)
    assert {(task.id, task.title, task.priority) for task in tasks.find()} == {("new", "late", 3), ("a", "late", 1)}


def test_each_and_progress_hear_of_all(tasks: Repository[Task]) -> None:
    tasks.create_many([Task(id="changed"), Task(id="gone")])
    plan = tasks.sync_to([Task(id="new"), Task(id="changed", title="x")])
    heard: dict[str, Any] = {}
    seen: list[Progress] = []

    def each(task: Task, outcome: Outcome[Any]) -> None:
        heard[task.id] = outcome.result()

    assert tasks.apply(plan, each=each, progress=seen.append).total == 3
    assert heard["new"].created
    assert heard["changed"].changed == {"title"}
    assert heard["gone"] is True
    assert seen == [Progress(3, 0, 3)]


@pytest.mark.parametrize("removing", [True, False])
async def test_what_changed_since_the_comparison_is_not_overwritten(
    kinto: Client, server: EmbeddedServer, opened: Opened, removing: object
) -> None:
    """Of each kind one that somebody else was faster with, and one that is done."""
    lenient = kinto.repository(Lenient)
    for name in ("changed", "changed-too", "gone", "gone-too", "vanished", "vanished-too"):
        lenient.create(a(name, x=1, y=1))
    values = {"x": 2} if removing else {"x": 2, "y": 1}
    desired = [a(name, **values) for name in ("changed", "changed-too", "new", "new-too", "vanished")]
    async with opened(server.url) as client:
        repository = client.repository(Lenient)
        plan = await told(repository.sync_to(desired))
        lenient.patch("changed", x="theirs")
        lenient.patch("gone", x="theirs")
        lenient.create(a("new", x="theirs"))
        lenient.delete("vanished")
        lenient.delete("vanished-too")
        with pytest.raises(BatchError, match="4 of 8 failed") as caught:
            await told(repository.apply(plan))
    failures = {target.id: (target, error) for target, error in caught.value.failures}
    assert {name: type(error) for name, (_, error) in failures.items()} == {
        "changed": ConflictError,
        "gone": ConflictError,
        "new": AlreadyExistsError,
        "vanished": NotFoundError,
    }
    ours = {"x": 2} if removing else {"x": 2, "y": 1}
    assert server_side(kinto) == {
        "changed": {"x": "theirs", "y": 1},
        "changed-too": ours,
        "gone": {"x": "theirs", "y": 1},
        "new": {"x": "theirs"},
        "new-too": values,
    }
    assert [each.saved for each in desired] == [False, True, False, True, False]


def test_a_plan_that_only_removes_fields_changes_objects(lenient: Repository[Lenient]) -> None:
    """Also where nothing is left in them."""
    lenient.create_many([a("a", x=1), a("b", x=1, y=1)])
    plan = lenient.sync_to([a("a"), a("b", y=1)])
    heard: dict[str, Any] = {}
    result = lenient.apply(plan, each=lambda obj, outcome: heard.update({obj.id: outcome.result()}))
    assert result == BulkResult(updated=2)
    assert {name: each.changed for name, each in heard.items()} == {"a": {"x"}, "b": {"x"}}


@pytest.mark.parametrize("kind", ["creation", "change", "removal", "deletion"])
def test_a_conflict_of_a_plan_shows_mine_and_theirs(lenient: Repository[Lenient], kind: str) -> None:
    there = {} if kind == "creation" else {"a": a("a", x=1, y=1)}
    lenient.create_many(there.values())
    desired = {"creation": a("a", x=2), "change": a("a", x=2, y=1), "removal": a("a", x=2)}
    plan = lenient.sync_to([desired[kind]] if kind in desired else [])
    lenient.upsert(a("a", x="theirs"))
    with pytest.raises(BatchError, match="1 of 1 failed") as caught:
        lenient.apply(plan)
    ((target, error),) = caught.value.failures
    assert isinstance(error, ConflictError)
    assert error.mine is target
    assert error.theirs.model_extra["x"] == "theirs"


def test_after_a_conflict_a_new_plan_does_it(kinto: Client, tasks: Repository[Task]) -> None:
    tasks.create(Task(id="a"))
    desired = [Task(id="a", title="mine")]
    plan = tasks.sync_to(desired)
    tasks.patch("a", title="theirs", priority=1)
    with pytest.raises(BatchError):
        tasks.apply(plan)
    assert tasks.apply(tasks.sync_to(desired)) == BulkResult(updated=1)
    assert (tasks.get("a").title, tasks.get("a").priority) == ("mine", 3)
    assert not tasks.sync_to(desired)


def test_a_plan_that_was_applied_conflicts_when_it_is_applied_again(tasks: Repository[Task]) -> None:
    tasks.create_many([Task(id="changed"), Task(id="gone")])
    plan = tasks.sync_to([Task(id="new"), Task(id="changed", title="x")])
    tasks.apply(plan)
    tasks.patch("new", title="later")
    tasks.patch("changed", title="later")
    with pytest.raises(BatchError) as caught:
        tasks.apply(plan)
    failed = {target.id for target, _ in caught.value.failures}
    assert {"new", "changed"} <= failed
    assert {task.id: task.title for task in tasks.find()} == {"new": "later", "changed": "later"}


def test_a_server_that_goes_leaves_the_rest_as_it_was(bench: Bench, four: Client) -> None:
    with Client(bench.url, auth=ALICE, retry=0) as client:
        tasks = client.repository(Task)
        desired = [Task(id=f"t{number}") for number in range(10)]
        plan = tasks.sync_to(desired)
        bench.plan(Cut("request"), holding=b"t5")
        with pytest.raises(BatchError):
            tasks.apply(plan)
        assert [task.saved for task in desired] == [True] * 4 + [False] * 6
        assert four.repository(Task).count() == 4
        again = tasks.sync_to(desired)
        assert (len(again.creations), again.unchanged) == (6, 4)
        tasks.apply(again)
        assert not tasks.sync_to(desired)


# What is refused


def test_an_id_that_comes_twice_is_refused(tasks: Repository[Task], wire: Wire) -> None:
    with pytest.raises(ValueError, match="the id 'a' comes twice"):
        tasks.sync_to([Task(id="a"), Task(id="b"), Task(id="a")])
    assert writes(wire) == []


def test_a_field_that_is_fixed_is_not_changed(kinto: Client, tasks: Repository[Task]) -> None:
    tasks.create(Task(id="a"))
    with pytest.raises(ReadOnlyFieldError, match=r"Task\.author is readonly"):
        tasks.sync_to([Task(id="a", author="bob")])
    assert not tasks.sync_to([Task(id="a")])


def test_an_instance_that_does_not_fit_its_class_is_refused_where_it_is_compared(tasks: Repository[Task]) -> None:
    tasks.create_many([Task(id="there")])
    for object_id in ("there", "new"):
        desired = Task(id=object_id)
        desired.tags.add(1)  # type: ignore[arg-type]  # in place, so pydantic does not see it
        with pytest.raises(ValidationError):
            tasks.sync_to([desired])


def test_an_instance_of_another_class_is_refused(kinto: Client, tasks: Repository[Task]) -> None:
    strange: Any = a("a")
    with pytest.raises(TypeError, match="this repository is of Task, not of Lenient"):
        tasks.sync_to([strange])


def test_an_instance_of_another_class_is_refused_also_where_it_is_as_on_the_server(
    kinto: Client, tasks: Repository[Task]
) -> None:
    strange: Any = a("a")
    kinto.repository(Lenient).create(a("a"))
    with pytest.raises(TypeError, match="this repository is of Task, not of Lenient"):
        tasks.sync_to([strange])


def test_new_records_whose_ids_the_server_makes_are_not_one_another(kinto: Client) -> None:
    class Numbered(Record, bucket="todo", collection="tasks", ids=ServerIds):
        title: str = ""

    numbered = kinto.repository(Numbered)
    desired = [Numbered(title="a"), Numbered(title="b")]
    assert numbered.apply(numbered.sync_to(desired)) == BulkResult(created=2)
    assert not numbered.sync_to(desired)


def test_collections_and_groups_can_be_synchronised_too(kinto: Client) -> None:
    collections, groups = kinto.repository(Collection, bucket="todo"), kinto.repository(Group, bucket="todo")
    collections.patch("tasks", json_schema={"type": "object"}, cache_expires=5)
    desired = [Collection(id="tasks", cache_expires=6), Collection(id="new")]
    plan = collections.sync_to(desired)
    assert [sorted(revision.changed) for revision in plan.patches] == [["cache_expires", "json_schema"]]
    assert collections.apply(plan) == BulkResult(created=1, updated=1)
    assert collections.get("tasks").json_schema is None
    assert not collections.sync_to([Collection(id="tasks", cache_expires=6), Collection(id="new")])
    friends = [Group(id="friends", members={"account:bob"})]
    assert groups.apply(groups.sync_to(friends)) == BulkResult(created=1)
    assert not groups.sync_to(friends)


# Where from, and where to


def test_what_is_desired_can_be_what_another_server_has(kinto: Client, tasks: Repository[Task]) -> None:
    with Client.embedded() as source:
        source.bucket("todo").save()
        source.bucket("todo").collection("tasks").save()
        there = source.repository(Task)
        there.create_many(Task(id=f"t{number}", title=str(number)) for number in range(5))
        tasks.create_many([Task(id="t0", title="old"), Task(id="t1", title="1"), Task(id="t9")])
        desired = there.find().all()
        assert tasks.apply(tasks.sync_to(there.find())) == BulkResult(created=3, updated=1, deleted=1)
        assert not tasks.sync_to(desired)
        assert {task.id: task.title for task in tasks.find()} == {f"t{number}": str(number) for number in range(5)}
        desired[0].title = "changed"
        desired[0].save()  # comparing has not made it another server's
        assert there.get(desired[0].id).title == "changed"
        assert tasks.get(desired[0].id).title != "changed"


def test_records_that_the_server_checked_against_a_schema_are_equal(kinto: Client, tasks: Repository[Task]) -> None:
    """The server stamps such records with a field of its own."""
    collection = kinto.bucket("todo").collection("tasks")
    collection.json_schema = {"properties": {"title": {"type": "string"}}}
    collection.save(force=True)
    desired = [Task(id="a", title="x"), Task(id="b")]
    tasks.apply(tasks.sync_to(desired))
    assert b'"schema":' in kinto.run(operations.get(tasks._mapper.place, "a")).body
    assert not tasks.sync_to([Task(id="a", title="x"), Task(id="b")])
    assert not tasks.sync_to(desired)
    plan = tasks.sync_to([Task(id="a", title="y"), Task(id="b")])
    assert [revision.changed for revision in plan.patches] == [{"title"}]
    tasks.apply(plan)
    collection.refresh()
    collection.json_schema = {"properties": {"title": {"maxLength": 9}}}
    collection.save()
    assert not tasks.sync_to([Task(id="a", title="y"), Task(id="b")])


def test_removing_a_field_of_a_record_with_a_stamp(kinto: Client, lenient: Repository[Lenient]) -> None:
    collection = kinto.bucket("todo").collection("tasks")
    collection.json_schema = {"properties": {"title": {"type": "string"}}}
    collection.save(force=True)
    lenient.create(a("a", x=1, y=2))
    plan = lenient.sync_to([a("a", x=1)])
    assert [revision.changed for revision in plan.patches] == [{"y"}]
    lenient.apply(plan)
    assert not lenient.sync_to([a("a", x=1)])


def test_a_schema_refuses_what_does_not_meet_it(kinto: Client, tasks: Repository[Task]) -> None:
    collection = kinto.bucket("todo").collection("tasks")
    collection.json_schema = {"properties": {"title": {"maxLength": 3}}}
    collection.save(force=True)
    desired = [Task(id="a", title="too long"), Task(id="b")]
    with pytest.raises(BatchError, match="1 of 2 failed"):
        tasks.apply(tasks.sync_to(desired))
    assert [task.saved for task in desired] == [False, True]


def test_an_own_field_called_schema_is_compared(kinto: Client) -> None:
    class Stamped(Record, bucket="todo", collection="tasks"):
        schema_: int | None = Field(default=None, alias="schema")

    stamped = kinto.repository(Stamped)
    stamped.create(Stamped(id="a", schema=1))
    assert [revision.changed for revision in stamped.sync_to([Stamped(id="a", schema=2)]).patches] == [{"schema_"}]


def test_a_collection_of_many_pages_is_compared_as_a_whole() -> None:
    with Client.embedded(settings={"kinto.paginate_by": "3"}) as small:
        small.bucket("todo").save()
        small.bucket("todo").collection("tasks").save()
        tasks = small.repository(Task)
        tasks.create_many(Task(id=f"t{number}") for number in range(10))
        plan = tasks.sync_to(Task(id=f"t{number}") for number in range(1, 11))
        assert (len(plan.creations), len(plan.deletions), plan.unchanged) == (1, 1, 9)


async def test_an_async_client_does_the_same(server: EmbeddedServer, kinto: Client) -> None:
    async def desired() -> AsyncIterator[Task]:
        for each in [Task(id="same"), Task(id="new"), Task(id="changed", title="x")]:
            yield each

    kinto.repository(Task).create_many([Task(id="same"), Task(id="changed"), Task(id="gone")])
    async with AsyncClient(server.url, auth=ALICE) as client:
        tasks = client.repository(Task)
        seen: list[Progress] = []
        plan = await tasks.sync_to(desired())
        assert str(plan).splitlines()[0] == "1 to create, 1 to change, 1 to delete, 1 unchanged"
        assert await tasks.apply(plan, progress=seen.append) == BulkResult(created=1, updated=1, deleted=1)
        assert seen == [Progress(3, 0, 3)]
        assert not await tasks.sync_to(desired())
        assert not await tasks.sync_to([each async for each in tasks.find()])
        keep = await tasks.sync_to([], delete=False)
        assert (keep.unchanged, bool(keep)) == (0, False)
        assert isinstance(keep, Plan)


# The law


_names = st.sampled_from(["title", "x", "y.z", "schema-1"])
_values = st.none() | st.booleans() | st.sampled_from([0, 1, 1.5, "a", "é", [], [1], {}, {"n": 1}, {"n": None}])
_states = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d"]), st.dictionaries(_names, _values, max_size=3), max_size=4
)


@settings(max_examples=25)
@given(before=_states, desired=_states, delete=st.booleans())
def test_after_a_plan_was_applied_there_is_no_difference(
    kinto: Client, before: dict[str, Any], desired: dict[str, Any], delete: object
) -> None:
    lenient = kinto.repository(Lenient)
    lenient.delete_all()
    lenient.create_many([a(name, **values) for name, values in before.items()])
    wanted = [a(name, **values) for name, values in desired.items()]
    different = [name for name, values in desired.items() if repr(before.get(name)) != repr(values)]
    gone = [name for name in before if name not in desired] if delete else []
    plan = lenient.sync_to(wanted, delete=delete is True)
    assert len(plan) <= len(different) + len(gone)
    assert len(plan.deletions) == len(gone)
    result = lenient.apply(plan)
    assert result.total == len(plan)
    kept = {} if delete else {name: values for name, values in before.items() if name not in desired}
    after = server_side(kinto)
    assert after == {**kept, **desired}
    assert all(json.dumps(after[name], sort_keys=True) == json.dumps(desired[name], sort_keys=True) for name in desired)
    assert not lenient.sync_to(wanted, delete=delete is True)
    assert not lenient.sync_to([a(name, **values) for name, values in desired.items()], delete=delete is True)
    assert all(each.saved and not each.dirty for each in wanted)
