"""Laws, by hypothesis, against a real server: what is saved comes back, and a save sends exactly what differs."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AnyUrl, BaseModel, Field

from kinto_models import Client, Record
from tests.conftest import Wire


class Colour(Enum):
    RED = "red"
    BLUE = 2


class Leaf(BaseModel):
    name: str = ""
    weight: Decimal = Decimal(0)
    seen: list[date] = []


class Branch(BaseModel):
    leaf: Leaf = Leaf()
    leaves: list[Leaf] = []
    by_name: dict[str, Leaf] = {}


class Thing(Record, bucket="todo", collection="tasks"):
    text: str
    number: int
    real: float
    flag: bool | None
    day: date
    at: datetime
    hour: time
    span: timedelta
    cost: Decimal
    colour: Colour
    token: UUID
    link: AnyUrl
    branch: Branch
    tags: list[str]
    labels: set[str]
    pair: tuple[int, str]
    table: dict[str, list[int]]
    anything: Any = Field(alias="any-thing")


# Text that JSON and the memory backend can hold: any but lone surrogates and NUL, which PostgreSQL refuses.
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
# Integers of 64 bits: what the JSON parser of the server takes without turning them into floats.
integers = st.integers(-(2**63), 2**63 - 1)
# Kinto parses JSON with rapidjson's native numbers, which round some floats in the last place at each write; these
# it holds exactly.
reals = st.integers(-(10**6), 10**6).map(lambda number: number / 8)
json_values = st.recursive(
    st.none() | st.booleans() | integers | reals | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9)
leaves = st.builds(Leaf, name=texts, weight=decimals, seen=st.lists(st.dates(), max_size=2))
branches = st.builds(
    Branch, leaf=leaves, leaves=st.lists(leaves, max_size=2), by_name=st.dictionaries(texts, leaves, max_size=2)
)
zones = st.sampled_from([timezone.utc, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-3))])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": texts,
    "number": integers,
    "real": reals,
    "flag": st.none() | st.booleans(),
    "day": st.dates(),
    "at": st.datetimes(timezones=zones, min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)),  # noqa: DTZ001
    "hour": st.times(),
    "span": st.timedeltas(min_value=timedelta(days=-999), max_value=timedelta(days=999)),
    "cost": decimals,
    "colour": st.sampled_from(Colour),
    "token": st.uuids(),
    "link": st.builds(lambda n: AnyUrl(f"https://example.com/{n}?q=%C3%A9#x"), st.integers(0, 99)),
    "branch": branches,
    "tags": st.lists(texts, max_size=4),
    "labels": st.sets(texts, max_size=6),
    "pair": st.tuples(integers, texts),
    "table": st.dictionaries(texts, st.lists(integers, max_size=3), max_size=3),
    "anything": json_values,
}
# Names of unknown fields: none that pydantic or the library has, and none that Kinto owns.
unknown_names = st.from_regex(r"u_[a-z/~. é-]{0,6}", fullmatch=True)
unknowns = st.dictionaries(unknown_names, json_values, max_size=3)


@st.composite
def things(draw: st.DrawFn) -> Thing:
    values = {name: draw(strategy) for name, strategy in VALUES.items()}
    return Thing.model_validate({**values, **draw(unknowns)})


def server_side(kinto: Client, thing: Thing) -> dict[str, Any]:
    """What the server has, as a class without fields reads it."""
    return unordered(kinto.repository(Record, bucket="todo", collection="tasks").get(thing.id).model_extra or {})


def written(thing: Thing) -> dict[str, Any]:
    """The instance as JSON, read by other means than the library's."""
    return unordered(json.loads(thing.model_dump_json(by_alias=True, exclude={"id", "last_modified"})))


def unordered(data: dict[str, Any]) -> dict[str, Any]:
    """The order in which a set was written is nobody's."""
    return {**data, "labels": sorted(data["labels"])}


@settings(max_examples=150)
@given(thing=things())
def test_what_is_saved_comes_back_equal(kinto: Client, thing: Thing) -> None:
    assert thing.save().created
    found = Thing.get(thing.id)
    assert found == thing
    assert Thing.find(Thing.id == thing.id).one() == thing
    assert not found.dirty
    assert not thing.dirty


Edit = Callable[[Thing], None]


def assign(name: str, value: Any) -> Edit:
    return lambda thing: setattr(thing, name, value)


def grow(value: str) -> Edit:
    def edit(thing: Thing) -> None:
        thing.tags.append(value)
        thing.labels.add(value)
        thing.labels.discard(value[:1])

    return edit


def shrink(thing: Thing) -> None:
    thing.tags[:1] = []
    thing.table.clear()
    thing.labels.clear()


def descend(leaf: Leaf) -> Edit:
    def edit(thing: Thing) -> None:
        thing.branch.leaf.name = leaf.name
        thing.branch.leaves.insert(0, leaf)
        thing.branch.by_name["x"] = leaf
        thing.branch.leaf.seen.extend(leaf.seen)

    return edit


def learn(name: str, value: Any) -> Edit:
    return lambda thing: setattr(thing, name, value)


def forget(thing: Thing) -> None:
    for name in list(thing.model_extra or {}):
        delattr(thing, name)
        break


edits = st.one_of(
    st.sampled_from(sorted(VALUES)).flatmap(lambda name: VALUES[name].map(lambda value: assign(name, value))),
    texts.map(grow),
    leaves.map(descend),
    st.tuples(unknown_names, json_values).map(lambda pair: learn(*pair)),
    st.just(shrink),
    st.just(forget),
)


@settings(max_examples=150)
@given(thing=things(), rounds=st.lists(st.lists(edits, max_size=4), min_size=1, max_size=3), listed=st.booleans())
def test_any_changes_followed_by_a_save_leave_the_server_equal_and_send_what_differs(
    kinto: Client, wire: Wire, thing: Thing, rounds: list[list[Edit]], *, listed: bool
) -> None:
    thing.save()
    if listed:
        thing = Thing.find(Thing.id == thing.id).one()
    for changes in rounds:
        before = server_side(kinto, thing)
        for change in changes:
            change(thing)
        wire.clear()
        result = thing.save()
        after = written(thing)
        differing = {name for name in {*before, *after} if not same_json(before.get(name, ...), after.get(name, ...))}
        assert same_json(server_side(kinto, thing), after)
        assert sent_fields(wire) == differing
        assert len([r for r in wire.sent if r.method != "GET"]) == (1 if differing else 0)
        assert {wire_name(name) for name in result.changed} == differing
        assert Thing.get(thing.id) == thing
        assert not thing.dirty


def wire_name(name: str) -> str:
    return "any-thing" if name == "anything" else name


_LEFT_ALONE = [{"op": "remove", "path": f"/permissions/{ace}"} for ace in ("read", "write")]
"""Takes what is to stay as it is out of a JSON patch."""


def sent_fields(wire: Wire) -> set[str]:
    writes = [request for request in wire.sent if request.method == "PATCH"]
    names: set[str] = set()
    for request in writes:
        body = json.loads(request.body or b"")
        if isinstance(body, list):
            paths = [op["path"] for op in body if op not in _LEFT_ALONE]
            names |= {path.removeprefix("/data/").replace("~1", "/").replace("~0", "~") for path in paths}
        else:
            names |= set(body["data"])
    return names


def same_json(a: Any, b: Any) -> bool:
    """Equal as JSON text, but for the order of keys: 1, 1.0 and true differ."""
    return json.dumps(a, sort_keys=True, default=str) == json.dumps(b, sort_keys=True, default=str)


@pytest.mark.memory("the answer of PostgreSQL to a write has the float, and to a read an integer of the same digits")
@pytest.mark.parametrize("value", [2**63, 2**70, -(2**70)])
def test_an_instance_shows_what_the_server_made_of_a_number_that_it_cannot_hold(kinto: Client, value: int) -> None:
    records = kinto.repository(Record, bucket="todo", collection="tasks")
    record = records.create(Record.model_validate({"id": "r1", "x": value}))
    assert records.get("r1") == record
    assert float((record.model_extra or {})["x"]) == pytest.approx(float(value))
    assert not record.dirty


def test_text_that_is_no_unicode_is_refused_before_any_request(kinto: Client) -> None:
    records = kinto.repository(Record, bucket="todo", collection="tasks")
    with pytest.raises(ValueError, match="surrogates not allowed"):
        records.create(Record.model_validate({"id": "r1", "x": "\ud800"}))
    assert records.count() == 0
