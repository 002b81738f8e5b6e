"""Conflicts: what a stale write tells, and how it is resolved."""

from __future__ import annotations

import pickle

import pytest
from pydantic import BaseModel, Field

from kinto_models import (
    AlreadyExistsError,
    Client,
    ConflictError,
    NotSavedError,
    Record,
    UnknownPermissionsError,
)


class Address(BaseModel):
    city: str = ""


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
    with pytest.raises(UnknownPermissionsError):
        caught.value.rebase()
    assert mine.changes == {"title": "mine"}
    mine.rebase(Task.get("t1"))
    mine.save()
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
