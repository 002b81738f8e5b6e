"""Edits: parts of fields changed where they are, of an instance or without reading one."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any, cast

import pytest
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    computed_field,
)

from kinto_models import (
    Account,
    Client,
    ConflictError,
    DeclarationError,
    Edit,
    InvalidRequestError,
    NotFoundError,
    QueryError,
    ReadOnlyFieldError,
    Record,
    col,
    edit,
    key,
)
from tests.conftest import Wire


class Address(BaseModel):
    city: str = ""
    street: str = ""


class Task(Record, bucket="todo", collection="tasks", readonly=("author",)):
    title: str = ""
    priority: int = Field(default=3, ge=0)
    due_on: date | None = Field(default=None, alias="dueOn")
    tags: list[str] = []
    labels: set[int] = set()
    address: Address = Address()
    author: str = "ada"


@pytest.fixture
def task(kinto: Client) -> Task:
    task = Task.model_validate(
        {"id": "t1", "title": "x", "tags": ["a", "b"], "address": {"city": "Oslo", "street": "Main"}, "extra": 1}
    )
    task.save()
    return task


def stored(kinto: Client) -> dict[str, Any]:
    found = kinto.repository(Record, bucket="todo", collection="tasks").get("t1")
    return dict(found.model_extra or {})


EDITS: list[tuple[Edit, dict[str, Any]]] = [
    (edit(Task.title).set("y"), {"title": "y"}),
    (edit(Task.due_on).set(date(2026, 1, 2)), {"dueOn": "2026-01-02"}),
    (edit(Task.tags).append("c"), {"tags": ["a", "b", "c"]}),
    (edit(Task.tags).insert(0, "c"), {"tags": ["c", "a", "b"]}),
    (edit(Task.tags).insert(2, "c"), {"tags": ["a", "b", "c"]}),
    (edit(Task.tags).remove(0), {"tags": ["b"]}),
    (edit(Task.labels).append(7), {"labels": [7]}),
    (edit(Task.address.city).set("Rome"), {"address": {"city": "Rome", "street": "Main"}}),
    (edit(Task.address.street).unset(), {"address": {"city": "Oslo"}}),
    (edit(key("extra")).set({"a": [1]}), {"extra": {"a": [1]}}),
    (edit(key("new")).set(None), {"new": None}),
    (edit(Task.title).expect("x"), {}),
]


@pytest.mark.parametrize(("change", "expected"), EDITS, ids=lambda value: repr(value)[:60])
@pytest.mark.parametrize("how", ["instance", "id", "batch"])
def test_an_edit_changes_what_it_says_and_nothing_else(
    kinto: Client, task: Task, change: Edit, expected: dict[str, Any], how: str
) -> None:
    before, tasks = stored(kinto), kinto.repository(Task)
    if how == "instance":
        task.patch(change)
        after = task
    elif how == "id":
        after = tasks.patch("t1", change)
    else:
        with kinto.batch() as batch:
            outcome = batch.repository(Task).patch("t1", change)
            batch.save(Task(id="t2"))
        after = outcome.result()
    assert stored(kinto) == {**before, **expected}
    assert after == Task.get("t1")
    assert not after.dirty


@pytest.mark.parametrize("name", ["title", "extra", "never"])
def test_what_is_unset_is_gone_also_where_it_was_not_there(kinto: Client, task: Task, name: str) -> None:
    before = stored(kinto)
    task.patch(edit(key(name)).unset())
    assert stored(kinto) == {other: value for other, value in before.items() if other != name}
    assert Task.get("t1") == task


def test_whole_fields_go_by_the_least_powerful_patch(task: Task, wire: Wire) -> None:
    result = task.patch(edit(Task.title).set("y"), edit(Task.due_on).set(None), priority=1)
    assert wire.last.headers["Content-Type"] == "application/json"
    assert wire.body() == {"data": {"title": "y", "dueOn": None, "priority": 1}}
    assert result.changed == {"title", "due_on", "priority"}
    task.patch(edit(Task.tags).append("c"), title="z")
    assert wire.last.headers["Content-Type"] == "application/json-patch+json"
    assert [operation["path"] for operation in wire.body()][:2] == ["/data/tags/-", "/data/title"]


def test_an_instance_is_edited_as_it_was_read_and_an_id_whatever_happened(kinto: Client, task: Task) -> None:
    tasks = kinto.repository(Task)
    assert tasks.patch("t1", edit(Task.tags).append("c")).tags == ["a", "b", "c"]
    with pytest.raises(ConflictError):
        task.patch(edit(Task.tags).append("d"))
    assert task.tags == ["a", "b"]
    assert tasks.patch("t1", edit(Task.tags).append("d")).tags == ["a", "b", "c", "d"]


def test_what_is_expected_and_is_not_refuses_the_whole_patch(kinto: Client, task: Task) -> None:
    before = stored(kinto)
    with pytest.raises(InvalidRequestError, match="JSON Patch operation failed"):
        kinto.repository(Task).patch("t1", edit(Task.title).expect("other"), edit(Task.tags).append("c"))
    with pytest.raises(InvalidRequestError):
        task.patch(edit(Task.tags).remove(9))
    assert stored(kinto) == before
    assert not task.dirty


def test_other_unsaved_changes_stay_unsaved(kinto: Client, task: Task) -> None:
    task.priority = 1
    task.patch(edit(Task.tags).append("c"))
    assert (task.tags, task.changes) == (["a", "b", "c"], {"priority": 1})
    task.tags.append("mine")
    with pytest.raises(ValueError, match="unsaved changes in 'tags'"):
        task.patch(edit(Task.tags).append("d"))
    assert stored(kinto)["tags"] == ["a", "b", "c"]
    assert task.tags == ["a", "b", "c", "mine"]


def test_an_edit_costs_nobody_a_permission(kinto: Client, bob: Client) -> None:
    place = kinto.bucket("todo").collections.get("tasks")
    place.permissions.record_create.add(Account("bob"))
    place.save()
    his = Task(id="t1")
    his.permissions.read.add(Account("carol"))
    bob.repository(Task).create(his)
    kinto.repository(Task).patch("t1", edit(Task.tags).append("c"))
    bob.repository(Task).refresh(his)
    assert set(his.permissions.read) == {"account:carol"}
    assert "account:bob" in his.permissions.write


def test_bad_input_is_refused_before_anything_is_sent(kinto: Client, task: Task, wire: Wire) -> None:
    wire.clear()
    tasks = kinto.repository(Task)
    wrongs: list[Callable[[], object]] = [
        lambda: edit(Task.priority).set(-1),
        lambda: edit(Task.priority).expect("many"),  # type: ignore[arg-type]
        lambda: edit(Task.tags).append(3),  # type: ignore[arg-type]
        lambda: edit(Task.labels).append("x"),  # type: ignore[arg-type]
    ]
    for wrong in wrongs:
        with pytest.raises(ValidationError):
            wrong()
    with pytest.raises(QueryError, match="counted from 0"):
        edit(Task.tags).insert(-1, "x")
    with pytest.raises(QueryError, match="holds no list"):
        cast("Any", edit(Task.title)).append("x")
    with pytest.raises(QueryError, match=r"edit\(Task.tags\)"):
        edit("tags")
    targets: list[Any] = ["t1", task]
    for target in targets:
        with pytest.raises(ReadOnlyFieldError, match="author"):
            tasks.patch(target, edit(Task.author).set("bob"))
        with pytest.raises(TypeError, match=r"what edit\(...\) makes"):
            tasks.patch(target, "title")  # type: ignore[call-overload]
        for server_owned in ("id", "last_modified"):
            with pytest.raises(TypeError, match=server_owned):
                tasks.patch(target, edit(key(server_owned)).unset())
    assert wire.sent == []


def test_a_misspelt_field_is_refused(kinto: Client, task: Task) -> None:
    class Strict(Record, bucket="todo", collection="tasks", unknown="forbid"):
        title: str = ""

    with pytest.raises(AttributeError):
        edit(Task.titel)  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="no field 'extra'"):
        kinto.repository(Strict).patch("t1", edit(key("extra")).unset())
    with pytest.raises(NotFoundError):
        kinto.repository(Task).patch("t9", edit(Task.title).set("x"))


def test_names_with_slashes_and_tildes(kinto: Client, task: Task, wire: Wire) -> None:
    kinto.repository(Task).patch("t1", edit(key("a/b~c")).set(1), edit(Task.tags).append("c"))
    assert stored(kinto)["a/b~c"] == 1
    assert json.loads(wire.sent[-2].body or b"[]")[0]["path"] == "/data/a~1b~0c"


class Author(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    full_name: str = Field(default="", alias="fullName")

    @computed_field
    def shout(self) -> str:
        return self.full_name.upper()


class Book(Record, bucket="todo", collection="tasks"):
    author: Author | None = None
    authors: list[Author] = []
    secret: SecretStr | None = None
    hidden: str = Field(default="", exclude=True)
    name: str


@pytest.mark.parametrize("how", ["by name", "edit"])
def test_nested_models_are_stored_under_their_own_names(kinto: Client, how: str) -> None:
    books, ada = kinto.repository(Book), Author(fullName="Ada")
    books.create(Book(id="t1", name="x"))
    if how == "by name":
        books.patch("t1", author=ada, authors=[ada])
    else:
        books.patch("t1", edit(Book.author).set(ada), edit(Book.authors).append(ada))
    assert {name: stored(kinto)[name] for name in ("author", "authors")} == {
        "author": {"fullName": "Ada"},
        "authors": [{"fullName": "Ada"}],
    }
    assert books.patch("t1", edit(Book.author).expect(ada), name="y").name == "y"
    assert books.find(Book.author == ada).one().id == "t1"
    assert books.find(col(Book.authors).contains(ada)).count() == 1


def test_what_would_be_lost_or_break_the_object_is_refused(kinto: Client, wire: Wire) -> None:
    books = kinto.repository(Book)
    book = books.create(Book(id="t1", name="x"))
    wire.clear()
    for write in (
        lambda: books.patch("t1", secret="pw"),
        lambda: edit(Book.secret).set(SecretStr("pw")),
    ):
        with pytest.raises(DeclarationError, match="asterisks"):
            write()
    with pytest.raises(QueryError, match="name is required"):
        edit(Book.name).unset()
    with pytest.raises(QueryError, match="hidden is not stored"):
        books.patch("t1", hidden="x")
    targets: list[Any] = ["t1", book]
    for target in targets:
        with pytest.raises(TypeError, match="changed twice"):
            books.patch(target, edit(Book.name).set("y"), name="z")
    assert wire.sent == []
