"""Changes: what counts as one, and what an answer of the server does to an instance."""

from __future__ import annotations

import copy
import pickle
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel, Field, ValidationError, computed_field

from kinto_models import Record, UnknownPermissionsError
from kinto_models.models.state import Snapshot
from kinto_models.models.stored import attach_all, changes_of
from kinto_models.models.tracking import absorb, diff, dump, parse, same
from kinto_models.protocol.bodies import encode


class Address(BaseModel):
    city: str = ""


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""
    due: datetime | None = None
    tags: list[str] = []
    labels: set[str] = set()
    address: Address = Address()
    cost: Decimal = Decimal(0)
    anything: Any = None
    made: UUID = Field(default_factory=uuid4)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def shout(self) -> str:
        return self.title.upper()


def loaded(**data: Any) -> Task:
    """A task as a list answer of a server would bring it."""
    told = {"id": "t1", "last_modified": 5, **data}
    task = parse(Task, told)
    attach_all([task], Snapshot(encode({"data": [told]}), None))
    return task


def test_a_loaded_object_is_saved_and_clean() -> None:
    task = loaded(title="x", due="2026-01-01T00:00:00+00:00", cost="1.50", extra={"a": 1})
    assert task.saved
    assert not task.dirty
    assert task.changes == {}
    assert task.etag == '"5"'


def test_a_new_object_is_dirty_and_all_of_it_is_new() -> None:
    task = Task(title="x")
    assert (task.saved, task.dirty, task.etag) == (False, True, None)
    assert task.changes["title"] == "x"
    assert "id" not in task.changes


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda t: setattr(t, "title", "y"), {"title": "y"}),
        (lambda t: t.tags.append("b"), {"tags": ["a", "b"]}),
        (lambda t: t.labels.add("b"), {"labels": {"b"}}),
        (lambda t: setattr(t.address, "city", "Oslo"), {"address": Address(city="Oslo")}),
        (lambda t: t.anything["list"].append(2), {"anything": {"list": [1, 2]}}),
        (lambda t: setattr(t, "undeclared", 1), {"undeclared": 1}),
        (lambda t: t.model_extra["kept"].append(1), {"kept": [1]}),
        (
            lambda t: setattr(t, "due", datetime(2026, 1, 1, 1, tzinfo=timezone.utc)),
            {"due": datetime(2026, 1, 1, 1, tzinfo=timezone.utc)},
        ),
        (lambda t: setattr(t, "anything", True), {"anything": True}),
        (lambda t: setattr(t, "cost", Decimal("1.500")), {"cost": Decimal("1.500")}),
    ],
)
def test_a_change_is_seen_wherever_it_is_made(change: Any, expected: dict[str, Any]) -> None:
    task = loaded(title="x", tags=["a"], anything={"list": [1]}, kept=[], cost="1.50", due="2026-01-01T00:00:00Z")
    change(task)
    assert task.dirty
    assert task.changes == expected


def test_a_change_that_is_taken_back_is_none() -> None:
    task = loaded(title="x", tags=["a"])
    task.title = "y"
    task.tags.append("b")
    task.title = "x"
    task.tags.pop()
    assert not task.dirty


def test_a_removed_unknown_field_is_a_change() -> None:
    task = loaded(extra=1)
    del task.extra  # type: ignore[attr-defined]
    assert changes_of(task).removed == ("extra",)
    assert task.dirty
    assert task.changes == {}


@pytest.mark.parametrize(("before", "after"), [(1, True), (1, 1.0), (0, False), ({"a": 1}, {"a": 1.0}), ([1], [True])])
def test_json_types_are_told_apart(before: Any, after: Any) -> None:
    task = loaded(anything=before)
    task.anything = after
    assert task.changes == {"anything": after}
    assert not same(before, after)


@pytest.mark.parametrize("name", ["schema", "copy", "json", "dict", "model_config", "permissions", "saved", "etag"])
def test_an_undeclared_field_that_is_called_as_something_of_the_class_is_a_field(name: str) -> None:
    task = loaded(**{name: {"a": 1}})
    assert not task.dirty
    assert task.model_extra is not None
    task.model_extra[name] = {"a": 2}
    assert changes_of(task).written == {name: {"a": 2}}


def test_the_order_of_keys_is_no_change() -> None:
    task = loaded(anything={"a": 1, "b": 2})
    task.anything = {"b": 2, "a": 1}
    assert not task.dirty


def test_the_order_of_a_set_is_no_change() -> None:
    labels = [str(number) for number in range(50)]
    task = loaded(labels=labels)
    task.labels = {*labels[::-1]}
    assert not task.dirty
    task.labels.discard("7")
    assert task.dirty


def test_another_spelling_by_the_server_is_no_change() -> None:
    assert not loaded(due="2026-01-01T01:00:00+01:00", cost=1.5, address={"city": "", "unknown": 1}).dirty


def test_defaults_that_the_server_lacks_are_no_change_even_where_they_differ_each_time() -> None:
    task = loaded()
    assert not task.dirty
    task.made = task.made
    assert task.changes == {"made": task.made}


def test_a_mutable_default_that_the_server_lacks_is_seen_when_it_changes() -> None:
    task = loaded()
    task.tags.append("a")
    assert task.changes == {"tags": ["a"]}


def test_what_is_computed_is_not_stored() -> None:
    assert "shout" not in dump(Task(title="x"))
    assert not loaded(title="x", shout="X").dirty


def test_a_change_in_place_that_does_not_fit_is_found_before_it_is_sent() -> None:
    task = loaded(tags=["a"])
    task.tags.append(3)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="valid string"):
        parse(Task, dump(task))


def test_what_cannot_be_stored_is_a_change_and_can_be_looked_at() -> None:
    task = loaded(anything=1.5, tags=["a"])
    task.anything = float("nan")
    task.tags.append(3)  # type: ignore[arg-type]
    assert task.dirty
    assert set(task.changes) == {"anything", "tags"}


def test_values_that_did_not_change_stay_the_callers_own_objects() -> None:
    task = loaded(title="x", tags=["a"])
    tags = task.tags
    absorb(task, parse(Task, {"id": "t1", "last_modified": 6, "title": "y", "tags": ["a"], "new": 1}))
    assert (task.title, task.last_modified, task.model_extra) == ("y", 6, {"new": 1})
    assert task.tags is tags


def test_fields_that_are_kept_are_not_overwritten() -> None:
    task = loaded(title="mine", extra="mine")
    absorb(task, parse(Task, {"id": "t1", "last_modified": 6, "title": "theirs"}), keep={"title", "extra"})
    assert (task.title, task.model_extra) == ("mine", {"extra": "mine"})


def test_diff_tells_stored_names_and_names_on_the_class() -> None:
    class Aliased(Record):
        due: int = Field(default=0, alias="dueAt")

    obj = parse(Aliased, {"id": "a", "dueAt": 1})
    obj.due = 2
    changes = diff(obj, {"id": "a", "dueAt": 1})
    assert changes.written == {"dueAt": 2}
    assert changes.names == {"due"}


@pytest.mark.parametrize(
    "copied",
    [
        copy.copy,
        copy.deepcopy,
        lambda t: t.model_copy(),
        lambda t: t.model_copy(deep=True),
        lambda t: pickle.loads(pickle.dumps(t)),
    ],
    ids=["copy", "deepcopy", "model_copy", "deep model_copy", "pickle"],
)
def test_copies_keep_what_is_known_of_the_server(copied: Any) -> None:
    task = loaded(title="x", tags=["a"])
    task.title = "y"
    other = copied(task)
    assert other == task
    assert (other.saved, other.etag, other.changes) == (True, '"5"', {"title": "y"})
    other.title = "x"
    assert task.changes == {"title": "y"}
    assert not other.dirty


def test_a_copy_with_another_id_is_a_new_object() -> None:
    task = loaded(title="x")
    other = task.model_copy(update={"id": "t2"})
    assert (other.saved, other.etag) == (False, None)
    assert other.permissions.known


def test_a_pickle_holds_only_its_own_part_of_a_page() -> None:
    page = [{"id": f"t{n}", "last_modified": 5, "title": "x" * 1000} for n in range(100)]
    tasks = [parse(Task, each) for each in page]
    attach_all(tasks, Snapshot(encode({"data": page}), None))
    assert len(pickle.dumps(tasks[7])) < 5000
    assert tasks[7].etag == '"5"'


def test_permissions_of_a_listed_object_are_unknown_not_empty() -> None:
    task = loaded(title="x")
    assert not task.permissions.known
    for use in (
        lambda: list(task.permissions.read),
        lambda: task.permissions.write.replace(["account:bob"]),
        lambda: "x" in task.permissions.read,
    ):
        with pytest.raises(UnknownPermissionsError, match=r"refresh\(\) it"):
            use()
    assert repr(task.permissions) == "<permissions <read: unknown> <write: unknown>>"
