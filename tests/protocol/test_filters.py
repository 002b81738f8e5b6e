"""What is asked of a list, as text and as a real Kinto understands it."""

from __future__ import annotations

import json
from math import inf, nan
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinto_models.errors import QueryError
from kinto_models.protocol import operations
from kinto_models.protocol.filters import Filter, Operator, Query, Sort
from kinto_models.protocol.paths import Plural

if TYPE_CHECKING:
    from tests.protocol.conftest import Kinto

_LISTS = (Operator.IN, Operator.EXCLUDE)
_text = st.text(st.characters(exclude_categories=["Cs"]))
_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _text
_values = st.recursive(_scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=5)
_names = st.from_regex(r"[\w.]+", fullmatch=True)
_scalar_operators = st.sampled_from([each for each in Operator if each not in _LISTS])


@given(_names, _scalar_operators, _values)
def test_a_value_is_read_back_as_json(name: str, operator: Operator, value: Any) -> None:
    parameter, text = Filter(name, operator, value).parameter()
    assert json.loads(text) == value
    if operator is not Operator.EQ:
        assert parameter == f"{operator.value}_{name}"
    else:
        assert parameter in (name, f"eq_{name}")


@given(_names, st.sampled_from(_LISTS), st.lists(_scalars, min_size=1, max_size=5))
def test_a_list_is_split_at_its_commas_or_refused(name: str, operator: Operator, values: list[Any]) -> None:
    comparison = Filter(name, operator, values)
    if any("," in json.dumps(value, ensure_ascii=False) for value in values):
        with pytest.raises(QueryError, match="comma"):
            comparison.parameter()
    else:
        parameter, text = comparison.parameter()
        assert parameter == f"{operator.value}_{name}"
        assert [json.loads(part) for part in text.split(",")] == values


@given(st.lists(st.tuples(_names, _scalar_operators, _values), max_size=4), st.none() | st.integers(min_value=0))
def test_a_query_survives_being_quoted(filters: list[tuple[str, Operator, Any]], limit: int | None) -> None:
    query = Query(tuple(Filter(*each) for each in filters), (Sort("a.b", descending=True), Sort("é")), limit)
    target = query.at("/path")
    assert target.isascii()
    assert not set(target) & set(' "<>#+')
    path, _, text = target.partition("?")
    assert path == "/path"
    expected = [each.parameter() for each in query.filters] + [("_sort", "-a.b,é")]
    expected += [] if limit is None else [("_limit", str(limit))]
    assert sorted(parse_qsl(text, keep_blank_values=True, strict_parsing=True)) == sorted(expected)


@pytest.mark.parametrize(
    ("comparison", "parameter"),
    [
        (Filter("title", Operator.EQ, "a"), ("title", '"a"')),
        (Filter("version", Operator.EQ, "2.0"), ("version", '"2.0"')),
        (Filter("version", Operator.EQ, 2.0), ("version", "2.0")),
        (Filter("done", Operator.EQ, value=True), ("done", "true")),
        (Filter("due", Operator.EQ, None), ("due", "null")),
        (Filter("title", Operator.EQ, "null"), ("title", '"null"')),
        (Filter("id", Operator.EQ, "123"), ("id", '"123"')),
        (Filter("n", Operator.NOT, 1), ("not_n", "1")),
        (Filter("n", Operator.LT, 1), ("lt_n", "1")),
        (Filter("n", Operator.MAX, 1), ("max_n", "1")),
        (Filter("n", Operator.GT, 1), ("gt_n", "1")),
        (Filter("n", Operator.MIN, 1), ("min_n", "1")),
        (Filter("n", Operator.IN, [1, "1", None]), ("in_n", '1,"1",null')),
        (Filter("n", Operator.EXCLUDE, ("a",)), ("exclude_n", '"a"')),
        (Filter("title", Operator.LIKE, "wri*"), ("like_title", '"wri*"')),
        (Filter("due", Operator.HAS, value=False), ("has_due", "false")),
        (Filter("tags", Operator.CONTAINS, ["a,b"]), ("contains_tags", '["a,b"]')),
        (Filter("tags", Operator.CONTAINS_ANY, ["a", 1]), ("contains_any_tags", '["a",1]')),
        (Filter("min_age", Operator.EQ, 5), ("eq_min_age", "5")),
        (Filter("min_age", Operator.MIN, 5), ("min_min_age", "5")),
        (Filter("in_progress", Operator.EQ, value=True), ("eq_in_progress", "true")),
        (Filter("contains_any_x", Operator.EQ, 1), ("eq_contains_any_x", "1")),
        (Filter("_x", Operator.EQ, 1), ("eq__x", "1")),
        (Filter("_limit", Operator.EQ, 1), ("eq__limit", "1")),
        (Filter("minimum", Operator.EQ, 1), ("minimum", "1")),
        (Filter("my-name", Operator.EQ, 1), ("my-name", "1")),
        (Filter("a.b", Operator.GT, 1), ("gt_a.b", "1")),
    ],
)
def test_each_comparison_has_its_words(comparison: Filter, parameter: tuple[str, str]) -> None:
    assert comparison.parameter() == parameter


def test_every_operator_is_spoken_of_here() -> None:
    assert sorted(each.value for each in Operator) == sorted(
        ["eq", "not", "lt", "max", "gt", "min", "in", "exclude", "like", "has", "contains", "contains_any"]
    )


@pytest.mark.parametrize("operator", [each for each in Operator if each is not Operator.EQ])
@pytest.mark.parametrize("name", ["my-name", "a b", "a/b", "", "a\n", "é-è"])
def test_a_name_that_kinto_compares_with_equals_only_is_refused_for_the_rest(operator: Operator, name: str) -> None:
    with pytest.raises(QueryError, match="== only"):
        Filter(name, operator, ["a"]).parameter()


@pytest.mark.parametrize("name", ["_my-name", "in_my-name", "contains_my-name"])
def test_a_name_that_kinto_cannot_compare_at_all_is_refused(name: str) -> None:
    with pytest.raises(QueryError):
        Filter(name, Operator.EQ, "a").parameter()


@pytest.mark.parametrize("operator", _LISTS)
@pytest.mark.parametrize("value", ["a,b", ["a", "b"], {"a": 1, "b": 2}])
def test_a_value_with_a_comma_is_refused_in_a_list(operator: Operator, value: Any) -> None:
    with pytest.raises(QueryError, match="comma"):
        Filter("title", operator, ["fine", value]).parameter()


@pytest.mark.parametrize("operator", _LISTS)
def test_an_empty_list_is_refused(operator: Operator) -> None:
    with pytest.raises(QueryError, match="at least one"):
        Filter("title", operator, []).parameter()


@pytest.mark.parametrize("operator", [Operator.EQ, Operator.LT, Operator.CONTAINS, *_LISTS])
@pytest.mark.parametrize("value", [nan, inf, -inf, {1, 2}, object(), b"a"])
def test_a_value_that_json_has_no_form_for_is_a_query_error(operator: Operator, value: Any) -> None:
    with pytest.raises(QueryError, match="no form in JSON"):
        Filter("title", operator, [value]).parameter()


def test_text_that_is_not_unicode_is_a_query_error() -> None:
    with pytest.raises(QueryError):
        Query((Filter("title", Operator.EQ, "\ud800"),)).at("/path")


@pytest.mark.parametrize("name", ["my-name", "", "a,b", "-a", "a b", "+a"])
def test_a_name_that_kinto_would_silently_not_sort_by_is_refused(name: str) -> None:
    with pytest.raises(QueryError, match="sort"):
        Query(sort=(Sort(name),)).at("/path")


@pytest.mark.parametrize(
    ("query", "target"),
    [
        (Query(), "/path"),
        (Query(limit=3), "/path?_limit=3"),
        (Query(sort=(Sort("a"), Sort("b.c", descending=True))), "/path?_sort=a%2C-b.c"),
        (Query(since=12, before=34), "/path?_since=%2212%22&_before=%2234%22"),
        (Query(fields=("title", "a.b")), "/path?_fields=title%2Ca.b"),
        (Query((Filter("a", Operator.EQ, "x y&z=+é"),)), "/path?a=%22x%20y%26z%3D%2B%C3%A9%22"),
        (Query((Filter("a b", Operator.EQ, 1),)), "/path?a%20b=1"),
        (
            Query((Filter("a", Operator.MIN, 1), Filter("a", Operator.LT, 3)), (Sort("a"),), 2, 12),
            "/path?min_a=1&lt_a=3&_sort=a&_limit=2&_since=%2212%22",
        ),
    ],
)
def test_a_query_has_its_words(query: Query, target: str) -> None:
    assert query.at("/path") == target


@pytest.mark.parametrize("bound", [{"since": 0}, {"before": 0}, {"since": -1}])
def test_a_time_bound_that_is_no_timestamp_is_refused(bound: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        Query(**bound).at("/path")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "query",
    [
        Query(since=12),
        Query(before=12),
        Query((Filter("last_modified", Operator.GT, 12),)),
        Query((Filter("last_modified", Operator.EQ, 12),)),
    ],
)
def test_only_a_query_that_bears_on_time_asks_to_leave_tombstones_out(query: Query) -> None:
    assert query.alive().filters == (*query.filters, Filter("deleted", Operator.NOT, value=True))
    assert query.alive().at("/path").count("not_deleted=true") == 1


@pytest.mark.parametrize("query", [Query(), Query((Filter("a", Operator.EQ, 1),), limit=2, sort=(Sort("a"),))])
def test_any_other_query_is_left_alone(query: Query) -> None:
    assert query.alive() is query


_OBJECTS: list[dict[str, Any]] = [
    {
        "id": "a",
        "n": 1,
        "version": "2.0",
        "title": "Write",
        "tags": ["x", "y"],
        "due": None,
        "done": True,
        "min_age": 5,
        "in_progress": True,
        "_x": 1,
        "my-name": "one",
        "sub": {"k": 1},
        "a b": 1,
    },
    {
        "id": "b",
        "n": 2,
        "version": 2.0,
        "title": "Rewrite, again",
        "tags": ["y", "a,b"],
        "due": "null",
        "done": False,
        "min_age": 6,
        "in_progress": False,
        "_x": 2,
        "my-name": "two",
        "sub": {"k": 2},
        "a b": 2,
    },
    {
        "id": "123",
        "n": 3,
        "version": "2",
        "title": 'naïve "🔑" & more',
        "tags": [1],
        "due": "2024-01-01",
        "done": "true",
        "min_age": 7,
        "in_progress": None,
        "_x": 3,
        "my-name": "three",
        "sub": {"k": 3},
        "a b": 3,
        "extra": 1,
    },
]


@pytest.fixture(scope="module")
def stored(real: Kinto) -> Plural:
    return real.collection(*_OBJECTS)


@pytest.mark.parametrize(
    ("comparison", "found"),
    [
        (Filter("n", Operator.EQ, 2), "b"),
        (Filter("n", Operator.EQ, "2"), ""),
        (Filter("n", Operator.NOT, 2), "a 123"),
        (Filter("n", Operator.LT, 2), "a"),
        (Filter("n", Operator.MAX, 2), "a b"),
        (Filter("n", Operator.GT, 2), "123"),
        (Filter("n", Operator.MIN, 2), "b 123"),
        (Filter("n", Operator.IN, [1, 3]), "a 123"),
        (Filter("n", Operator.IN, ["1", "3"]), ""),
        (Filter("n", Operator.EXCLUDE, [1, 3]), "b"),
        (Filter("version", Operator.EQ, "2.0"), "a"),
        (Filter("version", Operator.EQ, 2.0), "b"),
        (Filter("version", Operator.EQ, 2), "b"),
        (Filter("version", Operator.EQ, "2"), "123"),
        (Filter("version", Operator.IN, ["2.0", "2"]), "a 123"),
        (Filter("id", Operator.EQ, "123"), "123"),
        (Filter("id", Operator.IN, ["123", "a"]), "a 123"),
        (Filter("id", Operator.EXCLUDE, ["123"]), "a b"),
        (Filter("title", Operator.EQ, "Rewrite, again"), "b"),
        (Filter("title", Operator.EQ, 'naïve "🔑" & more'), "123"),
        (Filter("title", Operator.LIKE, "writ"), "a b"),
        (Filter("title", Operator.LIKE, "writ*"), "a"),
        (Filter("title", Operator.LIKE, "*again"), "b"),
        (Filter("title", Operator.LIKE, "*🔑*"), "123"),
        (Filter("title", Operator.IN, ["Write"]), "a"),
        (Filter("due", Operator.EQ, None), "a"),
        (Filter("due", Operator.EQ, "null"), "b"),
        (Filter("due", Operator.NOT, None), "b 123"),
        (Filter("due", Operator.IN, [None, "2024-01-01"]), "a 123"),
        (Filter("done", Operator.EQ, value=True), "a"),
        (Filter("done", Operator.EQ, "true"), "123"),
        (Filter("extra", Operator.HAS, value=True), "123"),
        (Filter("extra", Operator.HAS, value=False), "a b"),
        (Filter("tags", Operator.CONTAINS, ["y"]), "a b"),
        (Filter("tags", Operator.CONTAINS, ["x", "y"]), "a"),
        (Filter("tags", Operator.CONTAINS, ["a,b"]), "b"),
        (Filter("tags", Operator.CONTAINS_ANY, ["x", "a,b"]), "a b"),
        (Filter("tags", Operator.CONTAINS_ANY, [1]), "123"),
        (Filter("min_age", Operator.EQ, 6), "b"),
        (Filter("min_age", Operator.MIN, 6), "b 123"),
        (Filter("in_progress", Operator.EQ, value=False), "b"),
        (Filter("in_progress", Operator.EQ, None), "123"),
        (Filter("_x", Operator.EQ, 2), "b"),
        (Filter("_x", Operator.GT, 1), "b 123"),
        (Filter("my-name", Operator.EQ, "two"), "b"),
        (Filter("a b", Operator.EQ, 2), "b"),
        (Filter("sub.k", Operator.EQ, 2), "b"),
        (Filter("sub.k", Operator.MIN, 2), "b 123"),
    ],
)
def test_kinto_finds_what_the_comparison_says(real: Kinto, stored: Plural, comparison: Filter, found: str) -> None:
    assert real.ids(stored, Query((comparison,), sort=(Sort("n"),))) == found.split()
    assert real.client.run(operations.count(stored, Query((comparison,)))) == len(found.split())


def test_every_operator_is_asked_of_kinto() -> None:
    table = test_kinto_finds_what_the_comparison_says.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert {comparison.operator for comparison, _ in table} == set(Operator)


def test_kinto_joins_comparisons_with_and(real: Kinto, stored: Plural) -> None:
    query = Query((Filter("n", Operator.GT, 1), Filter("done", Operator.EQ, value=False)))
    assert real.ids(stored, query) == ["b"]


def test_kinto_forgets_no_comparison_beside_the_one_whether_a_field_is_there(real: Kinto, stored: Plural) -> None:
    absent, small = Filter("extra", Operator.HAS, value=False), Filter("n", Operator.LT, 2)
    assert real.ids(stored, Query((small, absent))) == ["a"]
    assert real.ids(stored, Query((absent, small))) == ["a"]


def test_kinto_sorts_and_limits(real: Kinto, stored: Plural) -> None:
    assert real.ids(stored, Query(sort=(Sort("n", descending=True),))) == ["123", "b", "a"]
    assert real.ids(stored, Query(sort=(Sort("sub.k"), Sort("n")), limit=2)) == ["a", "b"]
    assert real.ids(stored, Query()) == ["123", "b", "a"]


def test_kinto_gives_only_the_fields_asked_for(real: Kinto, stored: Plural) -> None:
    listed = real.data(stored, Query(fields=("title", "sub.k"), sort=(Sort("n"),), limit=1))
    assert listed == [{"id": "a", "last_modified": listed[0]["last_modified"], "title": "Write", "sub": {"k": 1}}]


def test_kinto_lists_tombstones_unless_it_is_asked_for_what_is_alive(real: Kinto) -> None:
    place = real.collection({"id": "a"}, {"id": "b"}, {"id": "c"})
    before_all = min(each["last_modified"] for each in real.data(place, Query())) - 1
    real.client.run(operations.delete(place, "b", only=None))
    query = Query(since=before_all, sort=(Sort("id"),))
    assert real.ids(place, query) == ["a", "b", "c"]
    assert real.ids(place, query.alive()) == ["a", "c"]
    bounded = Query((Filter("last_modified", Operator.GT, before_all),), sort=(Sort("id"),))
    assert real.ids(place, bounded) == ["a", "b", "c"]
    assert real.ids(place, bounded.alive()) == ["a", "c"]


def test_kinto_takes_timestamps_as_bounds_of_time(real: Kinto) -> None:
    place = real.collection({"id": "a"}, {"id": "b"}, {"id": "c"})
    time = {each["id"]: each["last_modified"] for each in real.data(place, Query())}
    assert real.ids(place, Query(since=time["a"], before=time["c"])) == ["b"]
    assert real.ids(place, Query((Filter("last_modified", Operator.MIN, time["b"]),), (Sort("id"),))) == ["b", "c"]
    assert real.ids(place, Query((Filter("last_modified", Operator.EQ, time["b"]),))) == ["b"]
