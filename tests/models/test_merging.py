"""The laws of the three-way merge."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kinto_models.models.merging import Merge, merge
from kinto_models.models.tracking import same

scalars = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0]) | st.sampled_from(["", "a", "b"])
names = st.sampled_from("abc")
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=3), max_leaves=6
)
objects = st.dictionaries(names, values, max_size=3)


@given(base=objects, other=objects)
def test_where_one_side_did_not_change_the_other_one_stands(base: dict[str, Any], other: dict[str, Any]) -> None:
    assert same(merge(base, base, other).data, other)
    assert same(merge(base, other, base).data, other)
    assert not merge(base, base, other).overlapping
    assert not merge(base, other, base).overlapping


@given(base=objects, both=objects)
def test_the_same_change_on_both_sides_is_one_change(base: dict[str, Any], both: dict[str, Any]) -> None:
    merged = merge(base, both, both)
    assert same(merged.data, both)
    assert not merged.overlapping


@given(base=objects, mine=objects, theirs=objects)
def test_it_does_not_matter_who_is_who(base: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    here, there = merge(base, mine, theirs), merge(base, theirs, mine)
    assert here.overlapping == there.overlapping
    assert same(merge(base, theirs, mine, "theirs").data, here.data)
    for name in {*here.data, *there.data} - here.overlapping:
        assert same(here.data.get(name, ...), there.data.get(name, ...))


@given(base=objects, mine=objects, theirs=objects)
def test_every_change_of_one_side_alone_survives(
    base: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any]
) -> None:
    merged = merge(base, mine, theirs)
    for name in {*base, *mine, *theirs}:
        was, here, there = (side.get(name, ...) for side in (base, mine, theirs))
        if same(was, here):
            assert same(merged.data.get(name, ...), there)
        if same(was, there):
            assert same(merged.data.get(name, ...), here)


@given(base=objects, mine=objects, theirs=objects)
def test_an_overlap_is_where_both_changed_to_different_values(
    base: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any]
) -> None:
    for name in merge(base, mine, theirs).overlapping:
        was, here, there = (side.get(name, ...) for side in (base, mine, theirs))
        assert not same(was, here)
        assert not same(was, there)
        assert not same(here, there)


def test_objects_are_merged_key_by_key_and_lists_are_not() -> None:
    base = {"o": {"x": 1, "y": {"z": 1}, "gone": 1}, "list": [1]}
    mine = {"o": {"x": 2, "y": {"z": 1}, "gone": 1}, "list": [1, 2]}
    theirs = {"o": {"x": 1, "y": {"z": 2, "new": 1}}, "list": [3, 1]}
    merged = merge(base, mine, theirs)
    assert merged.data == {"o": {"x": 2, "y": {"z": 2, "new": 1}}, "list": [1, 2]}
    assert merged.overlapping == {"list"}
    assert merge(base, mine, theirs, "theirs").data["list"] == [3, 1]


def test_what_one_side_removed_and_the_other_changed_overlaps() -> None:
    merged = merge({"a": 1}, {}, {"a": 2})
    assert merged == Merge({}, frozenset({"a"}))
    assert merge({"a": 1}, {}, {"a": 2}, "theirs").data == {"a": 2}


def test_objects_that_both_sides_made_are_not_mixed() -> None:
    merged = merge({}, {"o": {"x": 1}}, {"o": {"y": 1}})
    assert merged == Merge({"o": {"x": 1}}, frozenset({"o"}))
