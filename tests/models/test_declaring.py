"""Classes: what their keywords do, and what is refused when they are made."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.alias_generators import to_camel

from kinto_models import (
    Bucket,
    Collection,
    DeclarationError,
    Group,
    InvalidIdError,
    Record,
    ServerIds,
    UUID4Ids,
    col,
)
from kinto_models.models.tracking import dump, wire_names
from kinto_models.repository.places import place_of

T = TypeVar("T")

if TYPE_CHECKING:
    MadeLater: TypeAlias = "Address"


class Todo(Bucket, bucket="todo"):
    pass


class Tasks(Collection, bucket=Todo, collection="tasks"):
    pass


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""
    priority: int = 3


def place(model: type[Record]) -> str:
    return place_of(model, None, None).path


def test_a_record_lives_where_its_keywords_say() -> None:
    assert place(Task) == "/buckets/todo/collections/tasks/records"


def test_declared_classes_stand_for_their_ids() -> None:
    class ByClass(Record, collection=Tasks):
        pass

    class ByBoth(Record, bucket=Todo, collection="notes"):
        pass

    class Moved(Record, bucket="archive", collection=Tasks):
        pass

    assert place(ByClass) == "/buckets/todo/collections/tasks/records"
    assert place(ByBoth) == "/buckets/todo/collections/notes/records"
    assert place(Moved) == "/buckets/archive/collections/tasks/records"


def test_a_declared_bucket_collection_or_group_has_its_id_by_default() -> None:
    class Editors(Group, bucket=Todo, group="editors"):
        pass

    assert (Todo().id, Tasks().id, Editors().id) == ("todo", "tasks", "editors")
    assert Editors().principal == "/buckets/todo/groups/editors"
    assert Bucket().id != Bucket().id


def test_a_subclass_inherits_what_it_does_not_say_anew() -> None:
    class Later(Task, collection="later", readonly=("title",)):
        due: int | None = None

    class Latest(Later):
        pass

    assert place(Latest) == "/buckets/todo/collections/later/records"
    assert Latest.__kinto__.readonly == {"title"}
    assert Task.__kinto__.readonly == frozenset()


def test_a_path_of_ones_own_takes_the_place_of_bucket_and_collection() -> None:
    class Article(Record, path="/articles"):
        pass

    assert place(Article) == "/articles"


@pytest.mark.parametrize(
    "path", ["articles", "/articles/", "/a//b", "/../accounts", "/a?b", "/a b", "//evil.example/x", ""]
)
def test_a_path_that_is_no_plural_endpoint_is_refused(path: str) -> None:
    with pytest.raises(DeclarationError, match="plural endpoint"):
        type("Article", (Record,), {}, path=path)


def test_a_class_without_a_place_says_what_to_write() -> None:
    class Homeless(Record):
        pass

    with pytest.raises(DeclarationError, match=r"does not say which bucket .* bucket=\"...\""):
        place_of(Homeless, None, None)
    with pytest.raises(DeclarationError, match="which collection"):
        place_of(Homeless, "todo", None)
    assert place_of(Homeless, "todo", "tasks").path == "/buckets/todo/collections/tasks/records"


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"buckt": "todo"}, "did you mean 'bucket'"),
        ({"read_only": ("title",)}, "did you mean 'readonly'"),
        ({"frozn": True}, "did you mean 'frozen'"),
        ({"group": "editors"}, "no keyword 'group'"),
        ({"bucket": "a/b"}, "not a bucket id"),
        ({"bucket": ".."}, "not a bucket id"),
        ({"collection": ""}, "not a collection id"),
        ({"bucket": 3}, "not a bucket id"),
        ({"bucket": Tasks}, "not a class that declares the id of a bucket"),
        ({"collection": Collection}, "not a class that declares the id of a collection"),
        ({"readonly": "title"}, "names of fields"),
        ({"readonly": ("titel",)}, "'titel', which is not a field"),
        ({"unknown": "keep"}, "preserve, ignore, forbid"),
        ({"ids": object()}, "ids takes a callable"),
        ({"ids": type("Odd", (UUID4Ids,), {"pattern": "("})}, "no regular expression"),
        ({"path": 5}, "path takes a plural endpoint"),
        ({"path": "/articles", "bucket": "todo"}, "one or the other"),
    ],
)
def test_a_wrong_class_keyword_is_an_error_when_the_class_is_made(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        type("Wrong", (Record,), {"__module__": __name__}, **keywords)


@pytest.mark.parametrize(
    "name", ["save", "delete", "permissions", "dirty", "etag", "find", "copy", "json", "schema", "model_dump"]
)
def test_a_field_cannot_take_the_name_of_a_method(name: str) -> None:
    with pytest.raises(DeclarationError, match=re.escape(f"write {name}_: ... = Field(alias={name!r})")):
        type("Wrong", (Record,), {"__annotations__": {name: str}, "__module__": __name__})


def test_nor_can_it_through_a_mixin() -> None:
    class Mixin(BaseModel):
        dirty: bool = False

    with pytest.raises(DeclarationError, match="'dirty'"):
        type("Wrong", (Mixin, Record), {"__module__": __name__})


def test_the_names_of_a_kind_are_reserved_for_that_kind_only() -> None:
    class Fine(Record):
        collections: int = 0

    assert Fine(collections=3).collections == 3
    with pytest.raises(DeclarationError, match="'collections'"):
        type("Wrong", (Bucket,), {"__annotations__": {"collections": int}, "__module__": __name__})


def test_a_method_can_be_overridden() -> None:
    class Loud(Task):
        def save(self, **options: Any) -> Any:
            return "saved"

    assert Loud().save() == "saved"


def test_two_fields_cannot_be_stored_under_one_name() -> None:
    with pytest.raises(DeclarationError, match="both stored as 'x'"):

        class _Twice(Record):
            x: int = 0
            y: int = Field(default=0, alias="x")

    with pytest.raises(DeclarationError, match="both stored as 'id'"):

        class _Second(Record):
            key: str = Field(default="", alias="id")


def test_a_field_must_be_read_from_where_it_is_stored() -> None:
    with pytest.raises(DeclarationError, match="stored as 'z' but not read from there"):

        class _Only(Record):
            x: int = Field(default=1, serialization_alias="z")

    with pytest.raises(DeclarationError, match="stored as 'b' but not read from there"):

        class _Apart(Record):
            x: int = Field(default=0, validation_alias="a", serialization_alias="b")

    class Both(Record):
        x: int = Field(default=0, validation_alias=AliasChoices("a", "b"), serialization_alias="b")

    assert wire_names(Both)["x"] == "b"


def test_aliases_and_alias_generators_name_what_is_stored() -> None:
    class Camel(Record):
        model_config = ConfigDict(alias_generator=to_camel)
        due_date: int = 0
        kept: int = Field(default=0, alias="Kept")

    stored = dump(Camel.model_validate({"dueDate": 3, "Kept": 4}))
    assert stored == {"dueDate": 3, "Kept": 4}


@pytest.mark.parametrize("bad", ["", "..", "a/b", "ab\n", "!!!", "🎉", "-a", " a", "a b", "é"])
def test_an_id_that_kinto_does_not_take_is_refused_when_the_instance_is_made(bad: str) -> None:
    with pytest.raises(ValidationError, match="pattern"):
        Task(id=bad)
    task = Task()
    with pytest.raises(ValidationError, match="pattern"):
        task.id = bad


def test_ids_are_random_uuids_by_default() -> None:
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", Task().id)
    assert Task().id != Task().id


def test_an_id_generator_makes_ids_and_says_which_there_can_be() -> None:
    class Counting:
        pattern = "n[0-9]+"

        def __init__(self) -> None:
            self.made = 0

        def __call__(self) -> str:
            self.made += 1
            return f"n{self.made}"

    class Numbered(Record, bucket="todo", collection="tasks", ids=Counting()):
        pass

    class Sub(Numbered):
        pass

    assert [Numbered().id, Sub().id] == ["n1", "n2"]
    assert Numbered(id="n7").id == "n7"
    with pytest.raises(ValidationError):
        Numbered(id="7")
    with pytest.raises(InvalidIdError):
        place_of(Numbered, None, None).object("x")


def test_id_generators_can_be_given_as_classes() -> None:
    class Server(Record, ids=ServerIds):
        pass

    class Random(Server, ids=UUID4Ids):
        pass

    assert Server().id == ""
    assert len(Random().id) == 36


@pytest.mark.parametrize(("unknown", "kept"), [("preserve", {"extra": 1}), ("ignore", {})])
def test_unknown_fields_are_kept_or_left_out(unknown: str, kept: dict[str, int]) -> None:
    cls: type[Task] = type("Some", (Task,), {"__module__": __name__}, unknown=unknown)
    assert (cls.model_validate({"extra": 1}).model_extra or {}) == kept


def test_unknown_fields_can_be_forbidden_and_a_subclass_can_allow_them_again() -> None:
    class Strict(Task, unknown="forbid"):
        pass

    class Loose(Strict, unknown="preserve"):
        model_config = ConfigDict(str_strip_whitespace=True)

    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Strict.model_validate({"extra": 1})
    assert Loose.model_validate({"extra": 1, "title": " x "}).model_dump()["extra"] == 1
    assert Loose(title=" x ").title == "x"


def test_assigning_validates() -> None:
    task = Task()
    with pytest.raises(ValidationError, match="valid integer"):
        task.priority = "high"  # type: ignore[assignment]
    assert task.priority == 3


class Address(BaseModel):
    city: str = ""


def test_fields_can_be_named_on_every_kind_of_class() -> None:
    class Boxed(Record, Generic[T], bucket="b", collection="c"):
        value: T

    class Mixin(BaseModel):
        mixed: int = 1

    class Mixed(Mixin, Task):
        own: Address = Address()

    made = create_model("Made", __base__=Task, extra_field=(int, 2))

    expected = {
        (Boxed[int], "value"): "value",
        (Mixed, "mixed"): "mixed",
        (Mixed, "priority"): "priority",
        (made, "extra_field"): "extra_field",
        (made, "title"): "title",
    }
    assert {key: col(getattr(*key))._field.path for key in expected} == expected
    assert repr(Mixed.own.city == "Oslo") == "<condition own.city eq 'Oslo'>"
    assert Boxed[int](value=3).value == 3
    assert (Mixed().mixed, Mixed().priority, made().extra_field) == (1, 3, 2)  # type: ignore[attr-defined]


def test_naming_a_field_on_the_class_does_not_become_its_default() -> None:
    assert col(Task.priority) is not None

    class Sub(Task):
        required: int

    with pytest.raises(ValidationError, match="required"):
        Sub()  # type: ignore[call-arg]
    assert Sub(required=1).priority == 3


def test_a_forward_reference_is_resolved_when_the_field_is_named() -> None:
    class Outer(Record, bucket="b", collection="c"):
        inner: MadeLater | None = None

    globals()["MadeLater"] = Address
    assert repr(col(Outer.inner).city == "Oslo") == "<condition inner.city eq 'Oslo'>"


def test_a_forward_reference_within_a_function_works() -> None:
    class Inner(BaseModel):
        city: str = ""

    class Outer(Record, bucket="b", collection="c"):
        inner: Inner = Inner()

    assert repr(Outer.inner.city == "Oslo") == "<condition inner.city eq 'Oslo'>"


def test_a_misspelt_field_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="titel"):
        Task.titel  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="has no field 'ctiy'"):
        col(type("P", (Record,), {"__annotations__": {"a": Address}, "__module__": __name__}).a).ctiy  # type: ignore[attr-defined]


def test_an_instance_without_the_value_does_not_show_the_classs_field() -> None:
    bare = Task.model_construct()
    del bare.title
    with pytest.raises(AttributeError):
        bare.title


def test_completion_lists_fields_on_the_class() -> None:
    assert {"title", "priority", "id", "save"} <= set(dir(Task))


def test_several_bases_all_have_their_say() -> None:
    class Here(Record, bucket="todo"):
        x: int = 0

    class There(Record, collection="tasks", readonly=("y",), ids=ServerIds):
        y: int = 0

    class Both(Here, There, readonly=(name for name in ["x"])):
        pass

    assert place(Both) == "/buckets/todo/collections/tasks/records"
    assert Both.__kinto__.readonly == {"x", "y"}
    assert Both().id == ""


def test_a_bucket_that_is_given_wins_over_that_of_a_declared_collection() -> None:
    class Archive(Bucket, bucket="archive"):
        pass

    class Moved(Record, bucket=Archive, collection=Tasks):
        pass

    assert place(Moved) == "/buckets/archive/collections/tasks/records"
