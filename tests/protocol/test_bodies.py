"""What is written: JSON, and the three kinds of patch."""

from __future__ import annotations

import json
from math import inf, nan
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinto_models.errors import InvalidRequestError
from kinto_models.protocol import operations
from kinto_models.protocol.bodies import (
    BASIC,
    JSON_PATCH,
    MERGE_PATCH,
    Patch,
    basic_patch,
    encode,
    envelope,
    has_nul,
    json_patch,
    merge_patch,
)

if TYPE_CHECKING:
    from tests.protocol.conftest import Kinto

_text = st.text(st.characters(exclude_categories=["Cs"]))
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=10,
)


def _holds_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_holds_nul(each) for item in value.items() for each in item)
    return any(map(_holds_nul, value)) if isinstance(value, list) else isinstance(value, str) and "\0" in value


@given(_json | st.text(st.sampled_from('\0\\u0a"')))
def test_u_0000_is_found_in_any_text_and_told_from_what_looks_like_it(value: Any) -> None:
    assert has_nul(encode(value)) is _holds_nul(value)


@given(_json)
def test_any_json_value_is_read_back_as_it_was(value: Any) -> None:
    assert json.loads(encode(value)) == value


@given(_text)
def test_text_travels_in_utf_8_and_not_escaped(text: str) -> None:
    assert encode(text) == json.dumps(text, ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize("value", [nan, inf, -inf, {"a": [nan]}, "\ud800", {"\udfff": 1}])
def test_what_json_has_no_form_for_is_a_value_error(value: Any) -> None:
    with pytest.raises(ValueError):
        encode(value)


def test_a_body_holds_only_what_is_to_be_written() -> None:
    assert envelope() == b"{}"
    assert envelope({"a": 1}) == b'{"data":{"a":1}}'
    assert envelope(permissions={"read": []}) == b'{"permissions":{"read":[]}}'
    assert envelope({}, {}) == b'{"data":{},"permissions":{}}'


def test_the_content_types_are_those_that_kinto_compares_letter_by_letter() -> None:
    assert (BASIC, MERGE_PATCH, JSON_PATCH) == (
        "application/json",
        "application/merge-patch+json",
        "application/json-patch+json",
    )


def test_a_basic_patch_sets_fields_and_permissions() -> None:
    assert basic_patch({"a": None}, {"read": ["system.Everyone"]}) == Patch(
        "application/json", b'{"data":{"a":null},"permissions":{"read":["system.Everyone"]}}'
    )


def test_a_merge_patch_keeps_its_nulls_because_they_remove() -> None:
    assert merge_patch({"a": {"b": None}}) == Patch("application/merge-patch+json", b'{"data":{"a":{"b":null}}}')


def test_a_json_patch_is_a_bare_list() -> None:
    change = json_patch(iter([{"op": "add", "path": "/data/a", "value": 1}]))
    assert change == Patch("application/json-patch+json", b'[{"op":"add","path":"/data/a","value":1}]')


@given(_text, st.sampled_from(["path", "from"]))
def test_a_json_patch_goes_nowhere_but_into_data_and_permissions(path: str, key: str) -> None:
    operation = {"op": "move", "path": "/data/a", "from": "/data/b", key: path}
    if path.startswith(("/data/", "/permissions/")):
        assert json.loads(json_patch([operation]).body) == [operation]
    else:
        with pytest.raises(ValueError, match="neither under /data/ nor under /permissions/"):
            json_patch([operation])


@given(_text, st.sampled_from(["/data/", "/permissions/"]))
def test_a_path_under_data_or_permissions_is_taken_as_it_is(rest: str, root: str) -> None:
    operation = {"op": "remove", "path": root + rest}
    assert json.loads(json_patch([operation]).body) == [operation]


@pytest.mark.parametrize("path", ["", "/", "/data", "/foo", "/database/a", "data/a", "//data/a", "/Data/a"])
def test_one_wrong_path_among_others_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        json_patch([{"op": "remove", "path": "/data/a"}, {"op": "remove", "path": path}])


@pytest.mark.parametrize(
    ("change", "after"),
    [
        (basic_patch({"b": 3, "a": {"y": 1}}), {"a": {"y": 1}, "b": 3}),
        (basic_patch({"b": None}), {"a": {"x": 1}, "b": None}),
        (merge_patch({"b": None, "a": {"y": 1}}), {"a": {"x": 1, "y": 1}}),
        (
            json_patch([{"op": "remove", "path": "/data/b"}, {"op": "add", "path": "/data/a/y", "value": [1]}]),
            {"a": {"x": 1, "y": [1]}},
        ),
        (json_patch([{"op": "move", "from": "/data/b", "path": "/data/c"}]), {"a": {"x": 1}, "c": 2}),
    ],
)
def test_kinto_does_what_each_kind_of_patch_says(real: Kinto, change: Patch, after: dict[str, Any]) -> None:
    place = real.collection({"id": "first", "a": {"x": 1}, "b": 2})
    answer = real.client.run(operations.patch(place, "first", change, only=None))
    data = json.loads(answer.body)["data"]
    assert data.pop("last_modified") == answer.timestamp
    assert data == {"id": "first", **after}


def test_kinto_does_none_of_a_json_patch_of_which_one_part_fails(real: Kinto) -> None:
    place = real.collection({"id": "first", "a": 1})
    change = json_patch(
        [{"op": "add", "path": "/data/b", "value": 2}, {"op": "test", "path": "/data/a", "value": "other"}]
    )
    with pytest.raises(InvalidRequestError):
        real.client.run(operations.patch(place, "first", change, only=None))
    assert "b" not in json.loads(real.client.run(operations.get(place, "first")).body)["data"]
