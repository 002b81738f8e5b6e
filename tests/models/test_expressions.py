"""Conditions: what each expression asks of Kinto, and what is refused."""

from __future__ import annotations

import copy
import pickle
from datetime import date, datetime, timezone
from decimal import Decimal
from enum import Enum
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretBytes, SecretStr, field_serializer

from kinto_models import Condition, QueryError, Record, col, key
from kinto_models.models.expressions import conditions, sort_keys
from kinto_models.protocol.filters import Filter, Operator, Sort


class Level(Enum):
    LOW = "low"
    HIGH = "high"


class Address(BaseModel):
    city: str = ""
    zip_code: str | None = Field(default=None, alias="zip")


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""
    priority: int = Field(default=3, ge=0)
    score: float = 0.0
    due: datetime | None = None
    day: date | None = None
    cost: Decimal = Decimal(0)
    token: UUID | None = None
    level: Level = Level.LOW
    done: bool = False
    tags: list[str] = []
    numbers: set[int] = set()
    address: Address = Address()
    home: Address | None = None
    extra: dict[str, Any] = {}
    renamed: int = Field(default=0, alias="stored-as")
    shouted: str = ""

    @field_serializer("shouted")
    def _shout(self, value: str) -> str:
        return value.upper()


def filters(*values: Condition | bool) -> list[tuple[str, str, Any]]:
    return [(f.field, f.operator.value, f.value) for f in conditions(Record, values)]


def test_each_operator_is_one_of_kintos() -> None:
    assert filters(
        Task.priority == 1,
        Task.priority != 1,
        Task.priority < 1,
        Task.priority <= 1,
        Task.priority > 1,
        Task.priority >= 1,
        col(Task.priority).in_(1, 2),
        col(Task.priority).not_in(1, 2),
        col(Task.title).like("a*"),
        col(Task.title).exists(),
        col(Task.title).exists(False),
        col(Task.tags).contains("a", "b"),
        col(Task.tags).contains_any("a", "b"),
    ) == [
        ("priority", "eq", 1),
        ("priority", "not", 1),
        ("priority", "lt", 1),
        ("priority", "max", 1),
        ("priority", "gt", 1),
        ("priority", "min", 1),
        ("priority", "in", (1, 2)),
        ("priority", "exclude", (1, 2)),
        ("title", "like", "a*"),
        ("title", "has", True),
        ("title", "has", False),
        ("tags", "contains", ["a", "b"]),
        ("tags", "contains_any", ["a", "b"]),
    ]


def test_values_are_encoded_by_the_fields_own_type() -> None:
    at = datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc)
    token = UUID(int=7)
    assert filters(
        col(Task.due) < at,
        col(Task.day) == date(2026, 1, 2),
        Task.cost == Decimal("1.50"),
        col(Task.token) == token,
        Task.level == Level.HIGH,
        Task.title == "2.0",
        Task.score == 2,
        Task.shouted == "hey",
        col(Task.numbers).contains(1),
    ) == [
        ("due", "lt", "2026-01-02T03:04:00Z"),
        ("day", "eq", "2026-01-02"),
        ("cost", "eq", "1.50"),
        ("token", "eq", str(token)),
        ("level", "eq", "high"),
        ("title", "eq", "2.0"),
        ("score", "eq", 2.0),
        ("shouted", "eq", "HEY"),
        ("numbers", "contains", [1]),
    ]


def test_a_constraint_of_the_field_does_not_limit_what_it_is_compared_with() -> None:
    assert filters(Task.priority > -1, Task.priority < 2.5) == [("priority", "gt", -1), ("priority", "lt", 2.5)]


def test_null_is_a_value() -> None:
    assert filters(Task.due == None, Task.due != None) == [("due", "eq", None), ("due", "not", None)]


def test_a_bare_boolean_field_is_a_condition() -> None:
    assert filters(Task.done) == [("done", "eq", True)]
    with pytest.raises(QueryError, match="alone is no condition"):
        filters(Task.title)  # type: ignore[arg-type]


def test_names_are_those_that_are_stored() -> None:
    assert filters(Task.renamed == 1, Task.address.zip_code == "0150", Task.address.city == "Oslo") == [
        ("stored-as", "eq", 1),
        ("address.zip", "eq", "0150"),
        ("address.city", "eq", "Oslo"),
    ]


def test_sub_fields_of_optional_models_and_dicts() -> None:
    assert filters(col(Task.home).city == "Oslo", Task.extra["a"] == 1, col(Task.extra)["a"]["b"] == 2) == [
        ("home.city", "eq", "Oslo"),
        ("extra.a", "eq", 1),
        ("extra.a.b", "eq", 2),
    ]


def test_key_names_what_no_class_declares() -> None:
    assert filters(key("status") == "open", key("a.b") > 3) == [("status", "eq", "open"), ("a.b", "gt", 3)]


class Login(BaseModel):
    user: str = ""
    secret: SecretStr | None = None


class Vault(Record, bucket="todo", collection="vaults"):
    pin: SecretStr = Field(default=SecretStr(""), alias="stored-pin")
    tokens: list[SecretStr] = []
    login: Login | None = None
    codes: dict[str, SecretBytes] = {}


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: key("stored-pin") == "hush",
        lambda: key("login.secret") == "hush",
        lambda: key("login")["secret"].in_("hush"),
        lambda: key("codes.door") == "hush",
        lambda: col(Vault.tokens).contains(SecretStr("hush")),
        lambda: col(Vault.codes)["door"] == SecretBytes(b"hush"),
    ],
)
def test_no_way_to_name_a_secret_gets_it_into_an_address(wrong: Any) -> None:
    with pytest.raises(QueryError, match="is a secret") as caught:
        conditions(Vault, (wrong(),))
    assert "hush" not in str(caught.value)


def test_what_is_beside_a_secret_is_asked_for() -> None:
    asked = conditions(Vault, (key("login.user") == "x", key("pin") == "y"))  # pin is stored under another name
    assert asked == (Filter("login.user", Operator.EQ, "x"), Filter("pin", Operator.EQ, "y"))


def test_conditions_are_joined_by_and() -> None:
    both = (Task.priority < 3) & (Task.done == True)
    assert filters(both) == [("priority", "lt", 3), ("done", "eq", True)]
    assert filters((Task.priority < 3) & Task.done) == filters(both)


@pytest.mark.parametrize(
    ("ask", "hint"),
    [
        (lambda: filters(Task.done is True), "instead of 'is'"),
        (lambda: filters(Task.done is not None), "instead of 'is'"),
        (lambda: Task.priority < 3 and Task.done, "instead of 'and' pass several conditions"),
        (lambda: not (Task.priority < 3), "instead of 'not' the opposite comparison"),
        (lambda: not Task.done, "has no truth value on the class"),
        (lambda: Task.priority in (1, 2), r"instead of 'in' write col\(...\).in_"),
        (lambda: "docs" in Task.tags, r"write col\(Task.tags\).contains\('docs'\)"),
        (lambda: 1 < Task.priority < 3, "a chained comparison as two"),
        (lambda: (Task.priority < 3) | (Task.priority > 5), "Kinto has no 'or'"),
        (lambda: ~(col(Task.priority) < 3), "Kinto has no 'not'"),
        (lambda: filters(True), "Python made True"),
        (lambda: filters("priority < 3"), "made with a class's fields"),  # type: ignore[arg-type]
        (lambda: list(Task.tags), "not iterable"),
        (lambda: filters(Task.priority == "high"), "Task.priority is not compared with 'high': it holds int"),  # type: ignore[comparison-overlap]
        (lambda: filters(Task.title < 3), "it holds str"),  # type: ignore[operator]
        (lambda: filters(col(Task.due) < "tomorrow"), "it holds datetime"),  # type: ignore[operator]
        (lambda: filters(col(Task.level).in_("low")), "it holds Level"),  # type: ignore[arg-type]
        (lambda: col(Task.tags).contains(3), "it holds"),  # type: ignore[arg-type]
        (lambda: col(Task.tags).contains(), "at least one value"),
        (lambda: col(Task.title).like(3), "like.. takes text"),  # type: ignore[arg-type]
        (lambda: col("title"), r"col\(\) takes the field of a class"),
        (lambda: Task.extra["a.b"] == 1, "the dot in 'a.b'"),
        (lambda: col(Task.extra)[0], "into objects by name"),  # type: ignore[index]
        (lambda: Filter("score", Operator.EQ, float("nan")).parameter(), "no form in JSON"),
        (lambda: [f.parameter() for f in conditions(Record, (col(Task.title).in_("a,b"),))], "a comma"),
        (lambda: [f.parameter() for f in conditions(Record, (col(Task.title).in_(),))], "at least one value"),
        (lambda: [f.parameter() for f in conditions(Record, (Task.renamed > 1,))], "with == only"),
    ],
)
def test_what_kinto_cannot_do_is_a_type_error_that_says_what_to_write(ask: Any, hint: str) -> None:
    with pytest.raises(TypeError, match=hint):
        ask()


def test_sort_keys() -> None:
    assert sort_keys(
        Task, (Task.due, -col(Task.priority), "title", "-last_modified", "stored-as", "-address.city", +col(Task.id))
    ) == (
        Sort("due"),
        Sort("priority", descending=True),
        Sort("title"),
        Sort("last_modified", descending=True),
        Sort("stored-as"),
        Sort("address.city", descending=True),
        Sort("id"),
    )
    assert sort_keys(Task, ("renamed", -key("status"))) == (Sort("stored-as"), Sort("status", descending=True))
    with pytest.raises(QueryError, match="no field 'titel'"):
        sort_keys(Task, ("-titel",))
    with pytest.raises(QueryError, match="not 3"):
        sort_keys(Task, (3,))


def test_expressions_are_values() -> None:
    expr = col(Task.address).city
    assert repr(copy.deepcopy(expr)) == repr(copy.copy(expr)) == "<field Address.city>"
    assert hash(expr) == hash(col(Task.address).city)
    assert repr(Task.title == "x") == "<condition title eq 'x'>"
    assert repr(pickle.loads(pickle.dumps(Task.title == "x"))) == "<condition title eq 'x'>"


_floats = st.floats(allow_nan=False, allow_infinity=False)


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.lists(st.integers()), _floats))
def test_any_json_value_can_be_compared_with_an_undeclared_field(value: Any) -> None:
    assert filters(key("x") == value) == [("x", "eq", value)]


class Other(Record, bucket="todo", collection="others"):
    size: int = 0


class Deep(Record, bucket="todo", collection="tasks"):
    homes: dict[str, Address] = {}
    home: Address = Address()
    counts: dict[str, int] = {}
    open: Any = None


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        (lambda: col(Deep.home)["town"], "stores no field 'town', but city, zip_code"),
        (lambda: key(""), "takes the name of a stored field"),
        (lambda: key("a..b"), "takes the name of a stored field"),
        (lambda: key(5), "takes the name of a stored field"),  # type: ignore[arg-type]
        (lambda: conditions(Deep, (Other.size == 1,)), "Other is another class: name a field of Deep"),
        (lambda: conditions(Deep, ((Deep.home == Address()) & (Other.size == 1),)), "Other is another class"),
        (lambda: sort_keys(Deep, (Other.size,)), "Other is another class"),
        (lambda: sort_keys(Deep, ("home.town",)), "stores no field 'town'"),
        (lambda: sort_keys(Deep, ("--home",)), "has no field '-home'"),
        (lambda: col(Task.tags).like("a"), "like\\(\\) is for text"),
        (lambda: col(Task.address) < Address(), "no order for"),
        (lambda: col(Task.tags) > ["a"], "no order for"),
        (lambda: col(Task.due) < None, "nothing is less or more than None"),  # type: ignore[operator]
        (lambda: col(Task.title).contains("x"), "not a list to look into"),  # type: ignore[misc, call-overload]
        (lambda: col(Task.extra).contains_any("x"), "not a list to look into"),  # type: ignore[misc, call-overload]
        (lambda: col(Task.title).exists("no"), "takes True or False"),  # type: ignore[arg-type]
        (lambda: ~cast("Any", Task.done), "write Task.done == False"),
        (lambda: Task.done | (Task.priority == 1), "Kinto has no 'or'"),
        (lambda: bool(Task.done), "two queries instead of 'or'"),
    ],
)
def test_what_the_server_would_fail_on_or_answer_wrongly_is_refused(wrong: Any, remedy: str) -> None:
    with pytest.raises(QueryError, match=remedy):
        wrong()


def test_what_is_in_a_dict_has_its_type() -> None:
    homes: Any = col(Deep.homes)["mine"]
    assert filters(homes.city == "Rome", homes["zip"] == "1") == [
        ("homes.mine.city", "eq", "Rome"),
        ("homes.mine.zip", "eq", "1"),
    ]
    assert sort_keys(Deep, ("-homes.mine.zip", "open.any.thing")) == (
        Sort("homes.mine.zip", descending=True),
        Sort("open.any.thing"),
    )


def test_a_bare_boolean_is_joined_from_either_side() -> None:
    done: Any = Task.done
    wanted = [("done", "eq", True), ("priority", "eq", 5)]
    assert filters(done & (Task.priority == 5)) == wanted
    assert sorted(filters((Task.priority == 5) & done)) == wanted


def test_a_subclass_is_asked_by_the_fields_of_its_base() -> None:
    class Special(Task):
        more: int = 0

    assert conditions(Special, (Task.title == "x",))
    assert conditions(Task, (Special.more == 1,))
