"""JSON Schemas made of classes and checked before they are sent, on a server that applies them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Literal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, Json, computed_field, field_serializer
from typing_extensions import NotRequired, TypedDict

from kinto_models import (
    BatchError,
    Bucket,
    Client,
    Collection,
    DeclarationError,
    Group,
    InvalidRequestError,
    InvalidSchemaError,
    Outcome,
    Record,
    col,
    edit,
    key,
)
from kinto_models.protocol import operations
from tests.conftest import Wire

DRAFT_7 = "http://json-schema.org/draft-07/schema#"


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Address(BaseModel):
    city: str = Field(min_length=2)
    zip_: str | None = Field(default=None, alias="zip")
    inner: Address | None = None


class Options(TypedDict):
    depth: int
    name: NotRequired[str]


@dataclass
class Size:
    width: int
    height: int = 1


class Task(Record, bucket="todo", collection="tasks"):
    title: str = Field(max_length=20, pattern="^[a-z ]*$")
    priority: int = Field(default=3, ge=0, lt=10)
    due: datetime | None = None
    day: date = date(2026, 1, 1)
    lasts: timedelta = timedelta(0)
    cost: Decimal = Decimal(0)
    tags: set[str] = set()
    pair: tuple[int, str] = (1, "a")
    state: Literal["open", "done"] = "open"
    colour: Colour = Colour.RED
    home: Address = Field(default=Address(city="Rome"), description="where it is done")
    others: list[Address] = []
    options: Options = {"depth": 1}
    size: Size = Size(1)
    ref: UUID | None = None
    anything: Any = None
    kept: str = Field(default="", exclude=True)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def loud(self) -> str:
        return self.title.upper()


@pytest.fixture
def applied(kinto: Client) -> Collection:
    """The collection of the tasks, whose records must meet the schema of the class."""
    collection = kinto.bucket("todo").collections.get("tasks")
    collection.json_schema = Task.kinto_schema()
    collection.save()
    return collection


def test_a_schema_says_what_is_stored() -> None:
    schema = Task.kinto_schema()
    assert schema["$schema"] == DRAFT_7
    assert schema["required"] == ["title"]
    assert schema["properties"].keys().isdisjoint(("id", "last_modified", "loud", "kept", "schema"))
    assert schema["properties"]["title"]["maxLength"] == 20
    assert schema["properties"]["home"]["allOf"] == [{"$ref": "#/definitions/Address"}]
    assert "zip" in schema["definitions"]["Address"]["properties"]
    assert [item["type"] for item in schema["properties"]["pair"]["items"]] == ["integer", "string"]


def test_a_bare_class_has_one_too() -> None:
    assert Record.kinto_schema() == {
        "$schema": DRAFT_7,
        "type": "object",
        "title": "Record",
        "additionalProperties": True,
    }


@pytest.mark.parametrize(("unknown", "said"), [("preserve", True), ("ignore", None), ("forbid", False)])
def test_unknown_fields_are_taken_as_the_class_takes_them(unknown: Any, said: Any) -> None:
    class Closed(Record, unknown=unknown):
        title: str

    assert Closed.kinto_schema().get("additionalProperties") is said


# PostgreSQL keeps no NUL in a text.
characters = st.characters(codec="utf-8", exclude_characters="\0")
texts = st.text(characters)
addresses = st.builds(Address, city=st.text(characters, min_size=2), zip=st.none() | texts)
tasks = st.builds(
    Task,
    title=st.text(alphabet="abc ", max_size=20),
    priority=st.integers(0, 9),
    due=st.none() | st.datetimes(),
    day=st.dates(),
    lasts=st.timedeltas(),
    cost=st.decimals(allow_nan=False, allow_infinity=False),
    tags=st.sets(st.text(characters, max_size=3)),
    pair=st.tuples(st.integers(-9, 9), texts),
    state=st.sampled_from(["open", "done"]),
    colour=st.sampled_from(Colour),
    home=addresses,
    others=st.lists(addresses, max_size=2),
    options=st.fixed_dictionaries({"depth": st.integers(0, 9)}, optional={"name": texts}),
    size=st.builds(Size, st.integers(0, 9)),
    ref=st.none() | st.uuids(),
    anything=st.none() | st.booleans() | texts,
)


@given(tasks)
@settings(max_examples=60)
def test_what_the_class_writes_meets_its_schema(applied: Collection, task: Task) -> None:
    applied.records(Task).create(task)
    assert Task.get(task.id).title == task.title


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"title": "TOO LOUD"}, ("title",)),
        ({"title": "x" * 21}, ("title",)),
        ({"title": "x", "priority": 10}, ("priority",)),
        ({"title": "x", "priority": "high"}, ("priority",)),
        ({"title": "x", "tags": ["a", "a"]}, ("tags",)),
        ({"title": "x", "pair": [1, 2]}, ()),
        ({"title": "x", "pair": [1, "a", "b"]}, ("pair",)),
        ({"title": "x", "state": "lost"}, ("state",)),
        ({"title": "x", "home": {"city": "x"}}, ("city",)),
        ({"title": "x", "home": {}}, ("city",)),
        ({"title": "x", "size": {}}, ("width",)),
        ({"title": "x", "options": {}}, ("depth",)),
        ({}, ("title",)),
    ],
)
def test_what_does_not_fit_the_class_is_refused_by_the_server(
    applied: Collection, wrong: dict[str, Any], where: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        applied.records(Record).create(Record.model_validate({"id": "wrong", **wrong}))
    assert [entry["loc"] for entry in caught.value.errors] == [where]
    assert all(entry["msg"] and entry["type"] == "kinto.body" for entry in caught.value.errors)


class Strict(Record, bucket="todo", collection="tasks"):
    """A class that the collection's schema is stricter than."""

    name: str = Field(alias="title")
    place: Address | None = None
    street: str = ""


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        ({"properties": {"title": {"maxLength": 2}}}, ("name",)),
        ({"required": ["title", "street", "size"]}, ("size",)),
        ({"properties": {"place": {"properties": {"city": {"maxLength": 2}}}}}, ("place", "city")),
        ({"properties": {"place": {"properties": {"zip": {"maxLength": 2}}}}}, ("place", "zip_")),
        ({"properties": {"title": {}}, "additionalProperties": False}, ("place",)),
        ({"anyOf": [{"required": ["size"]}, {"required": ["more"]}]}, None),
    ],
)
@pytest.mark.parametrize("way", ["save", "patch", "by id", "replace", "batch"])
def test_a_refusal_points_at_the_fields_of_the_class(
    kinto: Client, schema: dict[str, Any], where: tuple[str, ...] | None, way: str
) -> None:
    task = Strict(title="long", place=Address(city="Rome", zip="00118"))
    task.save()
    kinto.bucket("todo").collections.patch("tasks", json_schema=schema)
    before = task.model_dump()
    with pytest.raises(InvalidRequestError) as caught:
        _write(kinto, task, way)
    found = [entry["loc"] for entry in caught.value.errors]
    assert found == [where] if where is not None else len(found) == 1
    if way in {"patch", "by id"}:
        assert task.model_dump() == before


def _write(kinto: Client, task: Strict, way: str) -> None:
    tasks = kinto.repository(Strict)
    if way == "batch":
        batch = kinto.batch()
        outcomes: list[Outcome[Any]] = [batch.patch(task, street="x")]
        outcomes.append(batch.repository(Strict).patch(task.id, street="y"))
        with pytest.raises(BatchError, match="2 of 2 failed"), batch:
            pass
        for outcome in outcomes:
            outcome.result()
    if way == "patch":
        task.patch(street="x")
    elif way == "by id":
        tasks.patch(task.id, street="x")
    else:
        task.street = "x"
        tasks.replace(task) if way == "replace" else task.save()


def test_where_several_fields_may_be_meant_none_is_named(kinto: Client) -> None:
    class Twice(Record, bucket="todo", collection="tasks"):
        home: Address
        work: Address

    schema = {"properties": {"work": {"properties": {"city": {"maxLength": 3}}}}}
    kinto.bucket("todo").collections.patch("tasks", json_schema=schema)
    with pytest.raises(InvalidRequestError) as caught:
        Twice(home=Address(city="Rome"), work=Address(city="Rome")).save()
    assert [(entry["loc"], entry["msg"]) for entry in caught.value.errors] == [((), "'Rome' is too long")]


def test_one_of_several_classes_is_told_by_its_tag(kinto: Client) -> None:
    class Cat(BaseModel):
        kind: Literal["cat"] = "cat"
        lives: int = 9

    class Dog(BaseModel):
        kind: Literal["dog"] = "dog"
        tricks: list[str] = []

    class Owner(Record, bucket="todo", collection="tasks"):
        pet: Cat | Dog = Field(discriminator="kind")

    kinto.bucket("todo").collections.patch("tasks", json_schema=Owner.kinto_schema())
    for pet in (Cat(), Dog(tricks=["sit"])):
        Owner(pet=pet).save()
    with pytest.raises(InvalidRequestError):
        kinto.repository(Record, bucket="todo", collection="tasks").create(Record.model_validate({"pet": {"kind": 3}}))


def test_an_error_of_kintos_own_points_there_too(kinto: Client) -> None:
    group = Record.model_validate({"id": "wrong", "members": ["/buckets/a/groups/b"]})
    with pytest.raises(InvalidRequestError) as caught:
        kinto.repository(Members).create(Members.model_validate(group.model_dump(exclude={"last_modified"})))
    assert [entry["loc"] for entry in caught.value.errors] == [("people", 0)]


class Members(Record, path="/buckets/todo/groups"):
    people: list[str] = Field(alias="members")


# The server's timestamp


class Plain(Record, bucket="todo", collection="tasks"):
    title: str


class Closed(Plain, unknown="forbid"):
    """Refuses what it does not declare."""


class Ignoring(Plain, unknown="ignore"):
    """Leaves out what it does not declare."""


@pytest.mark.parametrize("model", [Plain, Closed, Ignoring])
def test_the_timestamp_of_the_schema_is_no_part_of_a_record(kinto: Client, wire: Wire, model: type[Plain]) -> None:
    kinto.bucket("todo").collections.patch("tasks", json_schema={"type": "object"})
    tasks = kinto.repository(model)
    task = tasks.create(model(id="first", title="a"))
    assert b'"schema":' in kinto.run(operations.get(tasks._mapper.place, "first")).body
    since = tasks.timestamp() - 1
    read = [task, tasks.get("first"), *tasks.find(), *tasks.changes(since).updated, tasks.patch("first", title="b")]
    for each in read:
        assert not each.dirty
        assert "schema" not in each.model_dump()
        assert "schema" not in each.model_fields_set
    task.refresh()
    task.title = "c"
    wire.clear()
    assert task.save().changed == {"title"}
    assert wire.body() == {"data": {"title": "c"}}
    task.replace()
    assert wire.body() == {"data": {"title": "c"}, **({"permissions": {}} if "permissions" in wire.body() else {})}
    assert not tasks.sync_to([model(id="first", title="c")])


def test_a_record_that_was_checked_again_is_merged_without_it(kinto: Client) -> None:
    tasks, collections = kinto.repository(Plain), kinto.bucket("todo").collections
    collections.patch("tasks", json_schema={"type": "object"})
    task = tasks.create(Plain(id="first", title="a"))
    collections.patch("tasks", json_schema={"type": "object", "title": "x"})
    tasks.patch("first", title="theirs")
    setattr(task, "mine", 1)  # noqa: B010  # an unknown field
    task.save(on_conflict="merge")
    assert tasks.get("first").model_dump(exclude={"last_modified"}) == {"id": "first", "title": "theirs", "mine": 1}


def test_a_field_of_ones_own_called_schema_is_kept(kinto: Client) -> None:
    task = Plain.model_validate({"id": "first", "title": "a", "schema": 3})
    task.save()
    assert Plain.get("first").model_extra == {"schema": 3}
    nested = Plain.model_validate({"id": "second", "title": "a", "inner": {"schema": 1_700_000_000_000}})
    nested.save()
    assert Plain.get("second").model_extra == {"inner": {"schema": 1_700_000_000_000}}


def test_a_class_that_stores_a_schema_of_its_own_cannot_be_checked_against_one() -> None:
    class Own(Record):
        schema_: int = Field(alias="schema")

    with pytest.raises(DeclarationError, match="another name"):
        Own.kinto_schema()


# Of buckets


def test_a_bucket_has_schemas_for_all_that_is_in_it(kinto: Client, wire: Wire) -> None:
    class Articles(Collection, bucket="todo"):
        owner: str

    class Team(Group, bucket="todo"):
        motto: str

    todo = kinto.buckets.get("todo")
    todo.record_schema = Plain.kinto_schema()
    todo.collection_schema = Articles.kinto_schema()
    todo.group_schema = Team.kinto_schema()
    assert todo.save().changed == {"record_schema", "collection_schema", "group_schema"}
    assert wire.body()["data"].keys() == {"record:schema", "collection:schema", "group:schema"}
    kinto.repository(Articles).create(Articles(id="a", owner="x"))
    kinto.repository(Team).create(Team(id="a", motto="x", members={"account:bob"}))
    Plain(title="x").save()
    for wrong in (Collection(id="b"), Group(id="b"), Record(id="b")):
        place = {"collection": "tasks"} if isinstance(wrong, Record) else {}
        with pytest.raises(InvalidRequestError, match="required"):
            kinto.repository(type(wrong), bucket="todo", **place).create(wrong)
    again = kinto.buckets.get("todo")
    assert (again.record_schema, again.dirty) == (Plain.kinto_schema(), False)
    again.record_schema = None
    again.save()
    assert kinto.buckets.get("todo").record_schema is None


# What the server would take and then fail on

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"properties": {"pair": {"items": [{"type": "integer"}]}}}, f'add "\\$schema": "{DRAFT_7}"'),
    ({"properties": {"a": {"$ref": "#/definitions/gone"}}}, "put what it means under 'definitions'"),
    ({"properties": {"a": {"$ref": "http://example.com/schema.json"}}}, "Kinto fetches none"),
    ({"properties": {"a": {"pattern": "(?<name>x"}}}, "none of Python's"),
    ({"patternProperties": {"(": {}}}, "none of Python's"),
    ({"allOf": [{"not": {"pattern": "["}}]}, "none of Python's"),
    ({"$schema": DRAFT_7, "properties": {"a": {"prefixItems": [{}]}}}, "'prefixItems' is unknown to the draft"),
    ({"$schema": DRAFT_7, "allOf": [{"$ref": "#"}]}, "never come to an end"),
    ({"properties": {"a": {"anyOf": [{"$ref": "#/properties/a"}]}}}, "never come to an end"),
    ({"title": "q", "properties": {"a": {"$ref": "#/title"}}}, "leads to no schema"),
    (
        {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 3, "exclusiveMinimum": True},
        f'name "{DRAFT_7}"',
    ),
    ({"minProperties": 5}, "say it of a field"),
    ({"const": {"a": 1}}, "say it of a field"),
    ({"properties": {"a": {"$dynamicRef": "#nope"}}}, "refer to a schema by its place"),
    ({"properties": {"a": {"$id": "x", "$ref": "#/definitions/q"}}}, "refer to a schema by its place"),
    ({"properties": {"a": {"dependencies": {"b": ["c"]}}}}, "'dependencies' is unknown to the newest draft"),
]


@pytest.mark.parametrize(("schema", "remedy"), REFUSED)
@pytest.mark.parametrize("way", ["create", "save", "replace", "force", "upsert", "patch", "by id", "edit", "in place"])
def test_a_schema_that_the_server_would_fail_on_is_refused_before_the_request(
    kinto: Client, wire: Wire, schema: dict[str, Any], remedy: str, way: str
) -> None:
    collection = kinto.bucket("todo").collections.get("tasks")
    wire.clear()
    with pytest.raises(InvalidSchemaError, match=remedy):
        _store(kinto, collection, schema, way)
    assert wire.sent == []


def _store(kinto: Client, collection: Collection, schema: dict[str, Any], way: str) -> None:
    collections = kinto.bucket("todo").collections
    match way:
        case "create":
            collections.create(Collection(id="new", json_schema=schema))
        case "save" | "replace":
            collection.json_schema = schema
            getattr(collection, way)()
        case "force":
            collections.replace(Collection(id="tasks", json_schema=schema), force=True)
        case "upsert":
            collections.upsert(Collection(id="tasks", json_schema=schema))
        case "patch":
            collection.patch(json_schema=schema)
        case "by id":
            collections.patch("tasks", json_schema=schema)
        case "edit":
            collections.patch("tasks", edit(Collection.json_schema).set(schema))
        case _:
            collection.json_schema = {}
            collection.json_schema.update(schema)
            collection.save()


def test_a_part_of_a_schema_is_not_edited(kinto: Client, wire: Wire) -> None:
    with pytest.raises(TypeError, match="set\\(\\) the whole of it"):
        kinto.bucket("todo").collections.patch("tasks", edit(col(Collection.json_schema)["items"]).set([{}]))
    assert wire.sent == []


@pytest.mark.parametrize("field", ["record_schema", "collection_schema", "group_schema"])
def test_so_are_those_of_a_bucket(kinto: Client, wire: Wire, field: str) -> None:
    with pytest.raises(InvalidSchemaError, match="none of Python's"):
        kinto.buckets.create(Bucket(id="new", **{field: {"pattern": "["}}))  # type: ignore[arg-type]
    assert wire.sent == []


@pytest.mark.parametrize(("schema", "_remedy"), REFUSED[:1])
def test_what_is_refused_here_is_what_the_server_fails_on(kinto: Client, schema: dict[str, Any], _remedy: str) -> None:
    class Raw(Record, path="/buckets/todo/collections"):
        """A collection as any object."""

    kinto.repository(Raw).patch("tasks", edit(key("schema")).set(schema))
    with pytest.raises(Exception, match="500"):
        kinto.repository(Record, bucket="todo", collection="tasks").create(Record.model_validate({"pair": [1]}))


def test_a_collection_with_such_a_schema_can_be_read_and_repaired(kinto: Client) -> None:
    class Raw(Record, path="/buckets/todo/collections"):
        """A collection as any object."""

    kinto.repository(Raw).patch("tasks", edit(key("schema")).set(REFUSED[0][0]))
    collection = kinto.bucket("todo").collections.get("tasks")
    collection.cache_expires = 3
    collection.save()
    collection.json_schema = {"$schema": DRAFT_7, **REFUSED[0][0]}
    collection.save()
    kinto.repository(Record, bucket="todo", collection="tasks").create(Record.model_validate({"pair": [1]}))


@pytest.mark.parametrize(
    "schema",
    [
        {
            "$schema": DRAFT_7,
            "properties": {"pair": {"items": [{"$ref": "#/definitions/a~1b"}]}},
            "definitions": {"a/b": {}},
        },
        {"properties": {"pair": {"prefixItems": [{"$ref": "#/$defs/a"}]}}, "$defs": {"a": {"$ref": "#"}}},
        {"properties": {"items": {"type": "array", "items": True}, "pattern": {"const": "["}}},
        {
            "$id": "http://x.y/a",
            "properties": {"a": {"$ref": "http://x.y/a#/definitions/a%25b"}},
            "definitions": {"a%b": {}},
        },
        {"$schema": DRAFT_7, "properties": {"inner": {"$ref": "#"}, "minProperties": {"minProperties": 1}}},
        {"properties": {"a": {"enum": [{"$ref": "x", "pattern": "["}]}}},
        {"allOf": [{"$ref": "#/definitions/list/items/0"}], "definitions": {"list": {"items": {}}}, "$schema": DRAFT_7}
        | {"definitions": {"list": {"items": [{}]}}},
    ],
)
def test_a_good_schema_passes(kinto: Client, schema: dict[str, Any]) -> None:
    kinto.bucket("todo").collections.patch("tasks", json_schema=schema)
    Plain(title="x").save()


def test_a_class_whose_schema_would_fail_says_so() -> None:
    class Rusty(Record):
        title: str = Field(pattern=r"^\p{Lu}")

    with pytest.raises(InvalidSchemaError, match="none of Python's"):
        Rusty.kinto_schema()


def test_a_class_that_holds_itself_has_one(kinto: Client) -> None:
    kinto.bucket("todo").collections.patch("tasks", json_schema=Tree.kinto_schema())
    Tree(size=1, kids=[Tree(size=2)]).save()
    with pytest.raises(InvalidRequestError):
        kinto.repository(Record, bucket="todo", collection="tasks").create(
            Record.model_validate({"kids": [{"size": "x"}]})
        )


class Tree(Record, bucket="todo", collection="tasks"):
    size: int = 0
    kids: list[Tree] = []


def test_what_a_serialiser_makes_meets_the_schema(kinto: Client) -> None:
    class Odd(Record, bucket="todo", collection="tasks"):
        inner: Json[list[int]] = [1]
        silent: int = 1
        said: int = 1

        @field_serializer("silent")
        def _unsaid(self, value: int):  # type: ignore[no-untyped-def]  # noqa: ANN202
            return str(value)

        @field_serializer("said")
        def _told(self, value: int) -> str:
            return str(value)

    schema = Odd.kinto_schema()
    assert [schema["properties"][name].get("type") for name in ("inner", "silent", "said")] == [
        "string",
        None,
        "string",
    ]
    kinto.bucket("todo").collections.patch("tasks", json_schema=schema)
    Odd.model_validate({"inner": "[1]", "silent": 2, "said": 3}).save()


def test_a_field_without_a_schema_is_named() -> None:
    class Odd(Record):
        model_config = ConfigDict(arbitrary_types_allowed=True)

        thing: complex = 1j

        @field_serializer("thing")
        def _as_text(self, thing: complex) -> str:
            return str(thing)

    assert Odd.kinto_schema()["properties"]["thing"]["type"] == "string"

    class Odder(Record):
        model_config = ConfigDict(arbitrary_types_allowed=True)

        thing: Client

    with pytest.raises(DeclarationError, match="Odder has no JSON Schema"):
        Odder.kinto_schema()
