"""Conflicts: what a stale write tells, and how it is resolved."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from pydantic import BaseModel, Field, ValidationError, model_validator

from kinto_models import (
    AlreadyExistsError,
    AsyncClient,
    Client,
    ConflictError,
    NoClientError,
    NotFoundError,
    NotSavedError,
    Record,
)
from kinto_models.embedded import EmbeddedServer
from kinto_models.protocol.messages import Request, Response
from tests.conftest import Wire


class Address(BaseModel):
    city: str = ""
    street: str = ""


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""
    priority: int = 3
    tags: list[str] = []
    address: Address = Address()


@pytest.fixture
def pair(kinto: Client) -> tuple[Task, Task]:
    """The same task, read twice."""
    Task(id="t1", title="x").save()
    return Task.get("t1"), Task.find().one()


def test_a_stale_save_is_a_conflict_that_shows_all_three_sides(pair: tuple[Task, Task]) -> None:
    mine, theirs = pair
    theirs.title, theirs.priority = "theirs", 1
    theirs.save()
    mine.title, mine.tags = "mine", ["a"]
    before = mine.model_copy()
    with pytest.raises(ConflictError, match=r"412 \(errno 114\)") as caught:
        mine.save()
    error = caught.value
    assert error.mine is mine
    assert error.base is not None
    assert (error.base.title, error.base.priority) == ("x", 3)
    assert (error.theirs.title, error.theirs.priority) == ("theirs", 1)
    assert error.overlapping == {"title"}
    assert mine == before
    assert mine.etag == before.etag


@pytest.mark.parametrize("write", ["save", "replace", "delete"])
def test_every_conditional_write_can_conflict(pair: tuple[Task, Task], write: str) -> None:
    mine, theirs = pair
    theirs.title = "theirs"
    theirs.save()
    mine.priority = 1
    with pytest.raises(ConflictError) as caught:
        getattr(mine, write)()
    assert caught.value.theirs.title == "theirs"
    assert mine.saved


def test_rebasing_keeps_what_each_side_changed(pair: tuple[Task, Task]) -> None:
    mine, theirs = pair
    theirs.tags.append("theirs")
    theirs.save()
    mine.title = "mine"
    with pytest.raises(ConflictError) as caught:
        mine.save()
    assert caught.value.overlapping == frozenset()
    rebased = caught.value.rebase()
    assert rebased is mine
    assert mine.changes == {"title": "mine"}
    mine.save()
    assert (Task.get("t1").title, Task.get("t1").tags) == ("mine", ["theirs"])


def test_where_both_changed_the_same_rebasing_keeps_mine(pair: tuple[Task, Task]) -> None:
    mine, theirs = pair
    theirs.title, theirs.priority = "theirs", 7
    theirs.save()
    mine.title, mine.priority = "mine", 7
    with pytest.raises(ConflictError) as caught:
        mine.save()
    assert caught.value.overlapping == {"title"}
    caught.value.rebase().save()
    assert (Task.get("t1").title, Task.get("t1").priority) == ("mine", 7)


def test_rebasing_onto_an_object_that_was_read_again(pair: tuple[Task, Task]) -> None:
    mine, theirs = pair
    theirs.priority = 9
    theirs.save()
    mine.address.city = "Oslo"
    mine.rebase(Task.get("t1"))
    assert (mine.priority, mine.changes) == (9, {"address": Address(city="Oslo")})
    mine.save()
    with pytest.raises(NotSavedError, match="the same object"):
        mine.rebase(Task(id="other"))


def test_a_conflict_survives_pickle(pair: tuple[Task, Task]) -> None:
    mine, theirs = pair
    theirs.title = "theirs"
    theirs.save()
    mine.title = "mine"
    with pytest.raises(ConflictError) as caught:
        mine.save()
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.mine, error.theirs, error.base) == (mine, caught.value.theirs, caught.value.base)
    assert (error.status, error.overlapping, str(error)) == (412, {"title"}, str(caught.value))
    assert error.rebase().save().changed == {"title"}


def test_a_conflict_without_both_sides_cannot_be_rebased() -> None:
    with pytest.raises(NotSavedError, match=r"refresh\(\)"):
        ConflictError("x").rebase()


def test_rebasing_loses_no_ones_permissions(pair: tuple[Task, Task]) -> None:
    mine, theirs = Task.get("t1"), Task.get("t1")
    theirs.permissions.read.add("account:carol")
    theirs.save()
    mine.permissions.read.add("account:bob")
    mine.title = "mine"
    with pytest.raises(ConflictError) as caught:
        mine.save()
    caught.value.rebase()
    assert mine.changes == {"title": "mine"}
    assert mine.save().changed == {"title", "permissions"}
    assert set(Task.get("t1").permissions.read) == {"account:bob", "account:carol"}
    theirs.refresh()
    theirs.permissions.read.discard("account:bob")
    theirs.save()
    mine.permissions.read.add("account:zed")
    mine.rebase(Task.get("t1"))
    mine.save()
    assert set(Task.get("t1").permissions.read) == {"account:carol", "account:zed"}


def test_creating_what_exists_overlaps_where_it_differs(pair: tuple[Task, Task]) -> None:
    with pytest.raises(AlreadyExistsError) as caught:
        Task(id="t1", title="mine", priority=3).save()
    assert caught.value.overlapping == {"title"}


def test_overlapping_fields_are_named_as_on_the_class(kinto: Client) -> None:
    class Aliased(Record, bucket="todo", collection="tasks"):
        due_at: int = Field(default=0, alias="dueAt")
        flag: object = None

    Aliased(id="t2").save()
    mine, theirs = Aliased.get("t2"), Aliased.get("t2")
    theirs.due_at, theirs.flag = 1, 1
    theirs.save()
    mine.due_at, mine.flag = 2, True  # not the same JSON as 1
    with pytest.raises(ConflictError) as caught:
        mine.save()
    assert caught.value.overlapping == {"due_at", "flag"}


# With on_conflict


@pytest.mark.parametrize("how", ["mine", "theirs", "merge"])
def test_changes_that_do_not_overlap_are_put_together(pair: tuple[Task, Task], how: Any) -> None:
    mine, theirs = pair
    theirs.priority, theirs.address.street = 1, "Main"
    theirs.save()
    mine.title, mine.address.city = "mine", "Oslo"
    result = mine.save(on_conflict=how)
    assert result.changed == {"title", "address"}
    assert (mine.title, mine.priority, mine.address) == ("mine", 1, Address(city="Oslo", street="Main"))
    assert not mine.dirty
    assert (result.etag, Task.get("t1")) == (mine.etag, mine)


@pytest.mark.parametrize(("how", "title"), [("mine", "mine"), ("theirs", "theirs")])
def test_where_they_overlap_one_side_is_taken(pair: tuple[Task, Task], how: Any, title: str) -> None:
    mine, theirs = pair
    theirs.title, theirs.priority = "theirs", 1
    theirs.save()
    mine.title, mine.tags = "mine", ["a"]
    mine.save(on_conflict=how)
    assert Task.get("t1") == mine
    assert (mine.title, mine.priority, mine.tags) == (title, 1, ["a"])


def test_a_merge_leaves_an_overlap_to_the_caller(pair: tuple[Task, Task]) -> None:
    mine, theirs = pair
    theirs.tags, theirs.priority = ["theirs"], 1
    theirs.save()
    mine.tags.append("mine")
    etag = mine.etag
    with pytest.raises(ConflictError) as caught:
        mine.save(on_conflict="merge")
    assert caught.value.overlapping == {"tags"}
    assert caught.value.mine is mine
    assert (mine.etag, mine.priority, mine.changes) == (etag, 3, {"tags": ["mine"]})


def test_a_function_decides_with_both_sides_at_hand(pair: tuple[Task, Task]) -> None:
    mine, theirs = pair
    theirs.tags, theirs.priority = ["theirs"], 1
    theirs.save()
    mine.tags.append("mine")

    def both(conflict: ConflictError) -> None:
        assert conflict.mine is not mine
        assert conflict.mine.priority == 1
        assert conflict.overlapping == {"tags"}
        conflict.mine.tags = [*conflict.theirs.tags, *conflict.mine.tags]

    assert mine.save(on_conflict=both).changed == {"tags"}
    assert (mine.tags, mine.priority) == (["theirs", "mine"], 1)
    assert Task.get("t1") == mine


def test_a_function_that_raises_leaves_everything_as_it_was(pair: tuple[Task, Task]) -> None:
    mine, theirs = pair
    theirs.title = "theirs"
    theirs.save()
    mine.title = "mine"
    etag = mine.etag

    def refuse(conflict: ConflictError) -> None:
        raise LookupError("ask somebody")

    with pytest.raises(LookupError, match="ask somebody"):
        mine.save(on_conflict=refuse)
    assert (mine.etag, mine.changes) == (etag, {"title": "mine"})


def test_the_instance_changes_when_the_server_has_taken_it_and_not_before(pair: tuple[Task, Task], wire: Wire) -> None:
    mine, theirs = pair
    theirs.priority = 1
    theirs.save()
    mine.title = "mine"
    etag = mine.etag

    def cut(conflict: ConflictError) -> None:
        wire.transport.close()

    with pytest.raises(NoClientError):
        mine.save(on_conflict=cut)
    assert (mine.etag, mine.priority, mine.changes) == (etag, 3, {"title": "mine"})


def test_somebody_who_is_always_faster_is_given_way_to(pair: tuple[Task, Task]) -> None:
    mine, theirs = pair
    calls: list[int] = []

    def faster(conflict: ConflictError) -> None:
        calls.append(1)
        Task.get("t1").patch(priority=len(calls) + 10)

    theirs.patch(priority=10)
    mine.title = "mine"
    with pytest.raises(ConflictError, match="5 times"):
        mine.save(on_conflict=faster)
    assert (len(calls), mine.title, mine.dirty) == (5, "mine", True)


def test_permissions_of_both_sides_are_put_together(pair: tuple[Task, Task]) -> None:
    mine, theirs = Task.get("t1"), Task.get("t1")
    theirs.permissions.read.add("account:carol")
    theirs.save()
    mine.permissions.read.add("account:bob")
    assert mine.save(on_conflict="merge").changed == {"permissions"}
    assert set(Task.get("t1").permissions.read) == set(mine.permissions.read) == {"account:bob", "account:carol"}


def test_what_was_to_be_created_can_take_over_what_is_there(pair: tuple[Task, Task]) -> None:
    pair[0].patch(priority=9)
    task = Task(id="t1", title="new")
    result = task.save(on_conflict="mine")
    assert not result.created
    assert result.changed == {"title"}
    assert (task.title, task.priority) == ("new", 9)
    assert Task.get("t1") == task


def test_what_does_not_fit_together_is_left_to_the_caller(kinto: Client) -> None:
    class Span(Record, bucket="todo", collection="tasks"):
        first: int
        last: int

        @model_validator(mode="after")
        def ordered(self) -> Span:
            if self.first > self.last:
                raise ValueError("the first is after the last")
            return self

    mine = Span(id="s", first=1, last=5)
    mine.save()
    Span.get("s").patch(last=2)
    mine.first = 4
    with pytest.raises(ConflictError) as caught:
        mine.save(on_conflict="merge")
    assert isinstance(caught.value.__cause__, ValidationError)
    assert (mine.first, mine.last) == (4, 5)


def test_a_misspelt_way_is_refused_before_anything_is_sent(pair: tuple[Task, Task], wire: Wire) -> None:
    wire.clear()
    with pytest.raises(ValueError, match="on_conflict is one of 'raise', 'mine', 'theirs', 'merge' or a function"):
        pair[0].save(on_conflict="ours")  # type: ignore[arg-type]
    assert wire.sent == []


def test_a_coroutine_function_needs_async_code(pair: tuple[Task, Task]) -> None:
    mine, theirs = pair
    theirs.patch(priority=1)
    mine.title = "mine"

    async def later(conflict: ConflictError) -> None: ...

    with pytest.raises(TypeError, match="a plain one"):
        mine.save(on_conflict=later)
    assert mine.changes == {"title": "mine"}


async def test_async_code_may_await_in_between(server: EmbeddedServer, pair: tuple[Task, Task]) -> None:
    async with AsyncClient(server.url, auth=("alice", "s3cret")) as akinto:
        tasks = akinto.repository(Task)
        mine = await tasks.get("t1")
        pair[0].patch(tags=["theirs"])
        mine.tags = ["mine"]

        async def both(conflict: ConflictError) -> None:
            again = await tasks.get("t1")
            conflict.mine.tags = [*again.tags, "mine"]

        assert (await mine.asave(on_conflict=both)).changed == {"tags"}
        assert mine.tags == ["theirs", "mine"]

        async def more(task: Task) -> None:
            task.priority = await tasks.count()

        assert (await tasks.modify("t1", more)).priority == 1


def test_a_conflict_in_a_batch_is_resolved_too(kinto: Client, pair: tuple[Task, Task]) -> None:
    mine, theirs = pair
    theirs.patch(priority=1)
    mine.title = "mine"
    other = Task(id="t2", title="other")
    with kinto.batch() as batch:
        saved = batch.save(mine, on_conflict="merge")
        batch.save(other)
        modified = batch.repository(Task).modify("t1", lambda task: task.tags.append("a"))
    assert saved.result().changed == {"title"}
    assert (mine.title, mine.priority) == ("mine", 1)
    found = modified.result()
    assert (found.title, found.priority, found.tags) == ("mine", 1, ["a"])
    assert other.saved


# Repository.modify


def test_modifying_reads_changes_and_writes(kinto: Client, pair: tuple[Task, Task]) -> None:
    task = kinto.repository(Task).modify("t1", lambda task: task.tags.append("a"))
    assert (task.tags, task.dirty) == (["a"], False)
    assert Task.get("t1") == task


def test_modifying_begins_again_where_somebody_came_in_between(kinto: Client, pair: tuple[Task, Task]) -> None:
    seen: list[int] = []

    def more(task: Task) -> None:
        seen.append(task.priority)
        if len(seen) < 3:
            Task.get("t1").patch(priority=task.priority + 10)
        task.priority += 1

    assert kinto.repository(Task).modify("t1", more).priority == 24
    assert seen == [3, 13, 23]


def test_a_change_may_return_another_instance(kinto: Client, pair: tuple[Task, Task]) -> None:
    tasks = kinto.repository(Task)
    task = tasks.modify("t1", lambda task: task.model_copy(update={"title": "copied"}))
    assert (task.title, Task.get("t1").title) == ("copied", "copied")
    with pytest.raises(ValueError, match="'t2' where 't1'"):
        tasks.modify("t1", lambda task: Task(id="t2"))
    assert kinto.repository(Task).count() == 1


def test_a_change_that_changes_nothing_sends_nothing(kinto: Client, pair: tuple[Task, Task], wire: Wire) -> None:
    wire.clear()
    kinto.repository(Task).modify("t1", lambda task: None)
    assert [request.method for request in wire.sent] == ["GET"]


@pytest.mark.parametrize("returned", [6, "theirs", {"title": "x"}])
def test_what_is_returned_instead_of_a_change_is_refused(kinto: Client, pair: tuple[Task, Task], returned: Any) -> None:
    mine, theirs = pair
    with pytest.raises(TypeError, match="changed nothing: it changes the instance that it is handed"):
        kinto.repository(Task).modify("t1", lambda task: returned)
    theirs.patch(title="theirs")
    mine.title = "mine"
    with pytest.raises(TypeError, match="changed nothing"):
        mine.save(on_conflict=lambda _: returned)
    assert Task.get("t1").title == "theirs"
    kinto.repository(Task).modify("t1", lambda task: setattr(task, "title", "x") or returned)  # type: ignore[func-returns-value]
    assert Task.get("t1").title == "x"


def test_modifying_can_grant(kinto: Client, pair: tuple[Task, Task]) -> None:
    def grant(task: Task) -> None:
        if not task.permissions.read:
            other = Task.get("t1")
            other.permissions.read.add("account:carol")
            other.save()
        task.permissions.read.add("account:bob")

    kinto.repository(Task).modify("t1", grant)
    assert set(Task.get("t1").permissions.read) == {"account:bob", "account:carol"}


def test_modifying_gives_way_in_the_end(kinto: Client, pair: tuple[Task, Task]) -> None:
    def never(task: Task) -> None:
        Task.get("t1").patch(priority=task.priority + 1)
        task.title = "mine"

    waits: list[float] = []
    kinto._runner._sleep, kinto._runner.pacing.dice = waits.append, lambda: 0.5
    with pytest.raises(ConflictError, match="20 times"):
        kinto.repository(Task).modify("t1", never)
    assert Task.get("t1").title == "x"
    assert waits == [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, *[0.5] * 14]  # apart from others who begin again


def test_what_a_change_raises_comes_through(kinto: Client, pair: tuple[Task, Task]) -> None:
    with pytest.raises(ZeroDivisionError):
        kinto.repository(Task).modify("t1", lambda task: 1 // 0)
    with pytest.raises(NotFoundError):
        kinto.repository(Task).modify("t9", lambda task: None)


# What a function for a conflict may do


def test_a_function_may_return_the_instance_to_save(pair: tuple[Task, Task]) -> None:
    mine, theirs = pair
    theirs.patch(title="theirs", priority=1)
    mine.title = "mine"
    mine.save(on_conflict=lambda conflict: conflict.theirs)
    assert (mine.title, mine.priority, mine.dirty) == ("theirs", 1, False)


@pytest.mark.parametrize("made", [Task(id="t1", title="new"), Task(id="t2")], ids=lambda task: str(task.id))
def test_another_object_is_not_saved_in_its_place(kinto: Client, pair: tuple[Task, Task], made: Task) -> None:
    mine, theirs = pair
    theirs.patch(title="theirs")
    mine.title = "mine"
    with pytest.raises(ValueError, match="return a copy of it"):
        mine.save(on_conflict=lambda _: made)
    with pytest.raises(ValueError, match="return a copy of it"):
        mine.save(on_conflict=lambda conflict: setattr(conflict.mine, "id", "t3"))
    with pytest.raises(ValueError, match="return a copy of it"):
        kinto.repository(Task).modify("t1", lambda _: made)
    assert [task.id for task in Task.find()] == ["t1"]
    assert mine.changes == {"title": "mine"}


def test_a_grant_made_meanwhile_stays_for_the_next_save(pair: tuple[Task, Task]) -> None:
    mine, theirs = pair
    theirs.patch(priority=1)
    mine.title = "mine"

    def grant(conflict: ConflictError) -> None:
        mine.permissions.read.add("account:bob")
        mine.tags.append("late")

    mine.save(on_conflict=grant)
    assert mine.changes == {"tags": ["late"]}
    assert mine.save().changed == {"tags", "permissions"}
    assert set(Task.get("t1").permissions.read) == {"account:bob"}


def test_what_is_written_after_the_conflict_is_an_overlap_too(
    pair: tuple[Task, Task], wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = pair
    theirs.patch(priority=1)
    mine.title = "mine"
    mine.permissions.read.add("account:bob")
    send = wire.transport.send

    def late(request: Request) -> Response:
        if request.method == "GET":  # which a grant on unknown permissions, or a conflict of one, begins with
            monkeypatch.undo()
            Task.get("t1").patch(title="theirs")
        return send(request)

    mine.refresh()
    theirs.patch(priority=2)
    mine.title = "mine"
    mine.permissions.read.add("account:bob")
    monkeypatch.setattr(wire.transport, "send", late)
    with pytest.raises(ConflictError) as caught:
        mine.save(on_conflict="merge")
    assert caught.value.overlapping == {"title"}
    assert Task.get("t1").title == "theirs"


def test_only_what_was_given_overlaps_where_something_is_created(pair: tuple[Task, Task]) -> None:
    pair[0].patch(priority=9)
    task = Task(id="t1", title="x")
    assert task.save(on_conflict="merge").changed == frozenset()
    assert task.priority == 9


def test_who_is_given_way_to_is_shown(pair: tuple[Task, Task]) -> None:
    mine, theirs = pair
    theirs.patch(title="theirs")
    mine.title = "mine"

    def step(_: ConflictError[Task]) -> None:
        Task.get("t1").patch(priority=Task.get("t1").priority + 1)

    with pytest.raises(ConflictError, match="5 times") as caught:
        mine.save(on_conflict=step)
    assert caught.value.theirs.title == "theirs"
    assert caught.value.mine is mine


def test_a_set_has_no_order_wherever_it_is(kinto: Client) -> None:
    class Inner(BaseModel):
        labels: set[int] = set()
        a: int = 0

    class Tagged(Record, bucket="todo", collection="tasks"):
        inner: Inner = Inner()
        by: dict[str, list[Inner]] = {}

    Tagged(id="s", inner=Inner(labels={0, 8}), by={"x": [Inner(labels={0, 8})]}).save()
    mine, theirs = Tagged.get("s"), Tagged.get("s")
    theirs.inner.labels.add(99)
    theirs.save()
    for one in (mine.inner, mine.by["x"][0]):
        one.labels, one.a = {8, 0}, 1
    assert mine.save(on_conflict="merge").changed == {"inner", "by"}
    assert (mine.inner.labels, mine.inner.a) == ({0, 8, 99}, 1)
