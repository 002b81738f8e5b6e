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
    field_validator,
)

from kinto_models import (
    Account,
    Client,
    Collection,
    ConflictError,
    DeclarationError,
    Edit,
    Group,
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


def stored(kinto: Client, object_id: str = "t1") -> dict[str, Any]:
    found = kinto.repository(Record, bucket="todo", collection="tasks").get(object_id)
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
    task.patch(edit(Task.title if name == "title" else key(name)).unset())
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


# What the class would not take


class Size(BaseModel):
    width: int = 1


class Checked(Record, bucket="todo", collection="tasks"):
    slug: str = "x"
    few: list[str] = Field(default=[], min_length=1, max_length=2)
    counts: dict[str, int] = {}
    sizes: dict[str, Size] = {}
    size: Size = Size()

    @field_validator("slug")
    @classmethod
    def _is_slug(cls, value: str) -> str:
        if " " in value:
            raise ValueError("no spaces")
        return value.upper()


@pytest.fixture
def checked(kinto: Client) -> Checked:
    checked = Checked(id="c1", slug="A", few=["a"], counts={"a": 1}, sizes={"q": Size()})
    checked.save()
    return checked


@pytest.mark.parametrize("target", ["instance", "id"])
@pytest.mark.parametrize(
    "make",
    [
        lambda: edit(Checked.slug).set("x y"),
        lambda: edit(cast("Any", col(Checked.counts)["a"])).set("many"),
        lambda: edit(cast("Any", col(Checked.sizes)["q"]).width).set("wide"),
        lambda: edit(cast("Any", col(Checked.size)["width"])).set("wide"),
    ],
)
def test_a_value_that_the_class_could_not_read_is_not_sent(
    kinto: Client, checked: Checked, wire: Wire, target: str, make: Callable[[], Edit]
) -> None:
    wire.clear()
    with pytest.raises(ValidationError):
        kinto.repository(Checked).patch(cast("Any", checked if target == "instance" else "c1"), make())
    assert wire.sent == []


def test_a_whole_field_is_validated_as_by_an_assignment(kinto: Client, checked: Checked, wire: Wire) -> None:
    tasks = kinto.repository(Checked)
    with pytest.raises(ValidationError, match="no spaces"):
        tasks.patch("c1", slug="x y")
    assert wire.sent == []
    assert tasks.patch("c1", slug="abc").slug == "ABC"
    assert stored(kinto, "c1")["slug"] == "ABC"
    tasks.refresh(checked)
    checked.patch(edit(Checked.slug).set("def"))
    assert (checked.slug, stored(kinto, "c1")["slug"]) == ("DEF", "DEF")


@pytest.mark.parametrize("make", [lambda: edit(Checked.few).append("c"), lambda: edit(Checked.few).insert(0, "c")])
def test_an_instance_knows_when_a_list_would_be_too_long(
    kinto: Client, checked: Checked, wire: Wire, make: Callable[[], Edit]
) -> None:
    checked.patch(edit(Checked.few).append("b"))
    wire.clear()
    with pytest.raises(ValidationError, match="at most 2"):
        checked.patch(make())
    with pytest.raises(ValidationError, match="at least 1"):
        checked.patch(edit(Checked.few).remove(0), edit(Checked.few).remove(0))
    assert wire.sent == []
    assert checked.few == ["a", "b"]


def test_a_declared_field_is_edited_by_its_class_and_not_by_its_name(kinto: Client, checked: Checked) -> None:
    with pytest.raises(TypeError, match="declares 'slug': edit the field of the class"):
        kinto.repository(Checked).patch("c1", edit(key("slug")).unset())
    with pytest.raises(QueryError, match="Task is another class"):
        checked.patch(edit(Task.title).set("x"))
    with pytest.raises(QueryError, match="stores no field 'nope'"):
        edit(col(Checked.size)["nope"])


def test_a_member_that_kinto_refuses_is_not_appended(kinto: Client, wire: Wire) -> None:
    groups = kinto.bucket("todo").groups
    groups.create(Group(id="team"))
    wire.clear()
    for wrong in ("/buckets/todo/groups/x", "system.Everyone", "a b"):
        with pytest.raises(ValueError, match="grant|no principal"):
            groups.patch("team", edit(Group.members).append(wrong))
        with pytest.raises(ValueError, match="grant|no principal"):
            groups.patch("team", members={wrong})
        team = Group(id="team")
        team.members.add(wrong)
        with pytest.raises(ValueError, match="grant|no principal"):
            groups.upsert(team)
    assert wire.sent == []


def test_what_others_stored_as_a_member_can_be_read(kinto: Client) -> None:
    class Raw(Record, path="/buckets/todo/groups"):
        """A group as any object."""

    kinto.repository(Raw).create(Raw.model_validate({"id": "team", "members": ["a b"]}))
    team = kinto.bucket("todo").groups.get("team")
    assert team.members == {"a b"}
    assert [each.id for each in kinto.bucket("todo").groups.find()] == ["team"]


@pytest.mark.parametrize("change", ["edit", "grant", "removal"])
def test_a_json_patch_of_a_collection_leaves_what_others_grant_meanwhile(
    kinto: Client, wire: Wire, change: str
) -> None:
    """Kinto writes all permissions that a JSON patch leaves in it again, as it read them."""
    kinto.bucket("todo").collections.patch("tasks", colour=1)
    tasks: Any = kinto.bucket("todo").collections.find(col(Collection.id) == "tasks").one()
    if change == "edit":
        tasks.patch(edit(key("colour")).set(1), edit(key("other")).unset())
    elif change == "grant":
        tasks.permissions.read.add("account:carol")
        tasks.save()
    else:
        del tasks.colour
        tasks.save()
    operations = [(operation["op"], operation["path"]) for operation in wire.body()]
    left = [name for name in ("read", "write", "record:create") if not (change == "grant" and name == "read")]
    assert [operation for operation in operations if operation[0] == "remove" and "permissions" in operation[1]] == [
        ("remove", f"/permissions/{name}") for name in left
    ]
