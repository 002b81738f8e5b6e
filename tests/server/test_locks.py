"""Which writes exclude each other, and which do not."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinto_models.server.locks import Locks, batched, bounded, listed, merged, ordered, path_of, staying, whole, writing

B, C, R = "/buckets/b", "/buckets/b/collections/c", "/buckets/b/collections/c/records/r"
NAMES = st.sampled_from(["a", "b"])
LEVELS = ("buckets", "collections", "records")


def locks(request: str) -> Locks:
    method, path = request.split()
    return writing(method, path_of(path))


def exclude(one: Locks, other: Locks) -> bool:
    return any(one[name] or other[name] for name in one.keys() & other.keys())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"PUT {R}", f"PATCH {R}"),
        (f"PUT {R}", f"POST {C}/records"),  # one list: each change has its own timestamp
        (f"PUT {R}", f"DELETE {C}/records"),
        (f"PUT {R}", f"DELETE {C}"),
        (f"PUT {R}", f"DELETE {B}/collections"),
        (f"PUT {R}", f"DELETE {B}"),
        (f"PUT {R}", "DELETE /buckets"),
        (f"PUT {R}", "POST /__flush__"),
        (f"PUT {R}", "DELETE /__user_data__/account:bob"),
        (f"PUT {R}", f"POST {R}/attachment"),
        (f"DELETE {R}", f"DELETE {R}/attachment"),
        (f"PUT {R}", f"PUT /v1{R}"),
        (f"PUT {R}", f"PUT {R}/"),
        (f"POST {B}/groups", f"DELETE {B}"),
        (f"PUT {C}", f"POST {B}/collections"),
        ("PUT /accounts/ada", "POST /__flush__"),
        ("PUT /accounts/ada", "POST /accounts/ada/validate/key"),
        ("POST /accounts", "POST /accounts/ada/reset-password"),
    ],
)
def test_what_could_undo_the_other_waits_for_it(one: str, other: str) -> None:
    assert exclude(locks(one), locks(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"PUT {R}", f"PUT {C}2/records/r"),
        (f"PUT {R}", f"DELETE {C}2"),
        (f"PUT {R}", f"PATCH {C}"),
        (f"PUT {R}", f"PATCH {B}"),
        (f"PUT {R}", f"PUT {B}/groups/g"),
        (f"PUT {R}", f"DELETE {B}/groups"),
        (f"PUT {R}", "DELETE /buckets/b2"),
        (f"PUT {R}", "PUT /accounts/ada"),
        (f"PUT {R}", f"PUT {R}".replace("/b/", "/b2/")),
    ],
)
def test_what_cannot_goes_on_beside_it(one: str, other: str) -> None:
    assert not exclude(locks(one), locks(other))


@given(st.lists(NAMES, min_size=1, max_size=3), st.lists(NAMES, min_size=1, max_size=3), st.sampled_from("XP"))
def test_a_deletion_waits_for_every_write_below_it_and_for_no_other(
    over: list[str], under: list[str], kind: str
) -> None:
    def path(names: list[str]) -> str:
        return "".join(f"/{level}/{name}" for level, name in zip(LEVELS, names, strict=False))

    gone, written = path(over), path(under)
    if kind == "P":
        gone = gone.rpartition("/")[0]
    affected = f"{written}/".startswith(f"{gone}/") or written.rpartition("/")[0] == gone.rpartition("/")[0]
    assert exclude(locks(f"DELETE {gone}"), locks(f"PUT {written}")) == (affected or written.rpartition("/")[0] == gone)


def test_a_default_bucket_that_may_be_made_waits_for_its_deletion_only() -> None:
    reads = staying(path_of(C))
    assert exclude(reads, locks(f"DELETE {B}"))
    assert not exclude(reads, locks(f"PUT {R}"))
    assert exclude(whole("buckets", "b"), locks(f"PUT {R}"))
    assert exclude(listed("buckets"), locks(f"PATCH {B}"))


def test_together_they_are_taken_in_one_order_and_exclusively_where_one_needs_it() -> None:
    first, second = locks(f"PUT {R}"), locks(f"DELETE {C}")
    there, back = ordered(merged([first, second])), ordered(merged([second, first]))
    assert there == back == sorted(there)
    assert len(dict(there)) == len(first.keys() | second.keys())
    assert sum(exclusive for _, exclusive in there) == 3  # both lists, and the collection with all in it
    assert all(-(2**63) <= key < 2**63 for key, _ in there)


def test_very_many_are_one_for_everything() -> None:
    many = merged(locks(f"PUT /buckets/b/collections/c{number}/records/r") for number in range(500))
    assert len(bounded(many)) == 1
    assert exclude(bounded(many), locks("PUT /accounts/ada"))
    assert bounded(locks(f"PUT {R}")) == locks(f"PUT {R}")


PARTS: list[dict[str, Any]] = [
    {"method": "PUT", "path": "/buckets/b"},
    {"method": "PUT", "path": "/v1/buckets/b/"},
    {"path": "/buckets"},
    {"method": "DELETE", "path": "/buckets/b?last_modified=5"},
    {"method": "PUT", "path": f"/buckets/{quote('bü/cket')}"},
    {"path": "/buckets/b", "headers": {"If-Match": '"5"'}},
    {"path": "/buckets/b", "headers": {"authorization": "Basic x"}},
    {},
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what Kinto imports, in this process
@pytest.mark.parametrize("defaults", [None, {}, {"method": "PATCH"}, {"path": "/buckets/d", "method": "POST"}])
def test_the_parts_of_a_batch_are_those_that_kinto_reads(defaults: dict[str, Any] | None) -> None:
    from kinto.core.utils import merge_dicts
    from pyramid.request import Request

    seen = [(method, path) for method, path, _ in batched({"requests": PARTS, "defaults": defaults})]
    expected = []
    for part in PARTS:
        merged_part = dict(part)
        merge_dicts(merged_part, defaults or {})  # as kinto.core.views.batch does
        if "path" in merged_part:
            asked = Request.blank(merged_part["path"])  # as kinto.core.utils.build_request does
            expected.append((merged_part.get("method", "GET"), path_of(asked.path_info)))
    assert seen == expected


@pytest.mark.parametrize(
    "body", [None, [], "x", {}, {"requests": {}}, {"requests": ["x", {"path": 5}, {"method": []}]}]
)
def test_a_batch_that_kinto_refuses_needs_no_lock(body: Any) -> None:
    assert [*batched(body)] == []


def test_a_part_may_say_whose_it_is() -> None:
    parts = [{"path": "/"}, {"path": "/", "headers": {"authorization": "x"}}]
    assert [credentials for *_, credentials in batched({"requests": parts})] == [None, "x"]
    defaults = {"headers": {"AUTHORIZATION": "y"}}
    assert [credentials for *_, credentials in batched({"requests": parts, "defaults": defaults})] == ["y", "y"]
    wrong = [{"path": "/", "headers": headers} for headers in (5, {"Authorization": 5})]
    assert [credentials for *_, credentials in batched({"requests": wrong})] == [None, None]
