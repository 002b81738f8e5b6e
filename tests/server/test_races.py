"""Two requests at the same moment, with the plugin: one of them is first."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial

import pytest

from tests.server.conftest import COLLECTION, COUNTER, RECORDS, Writer, at_once, increments

ROUNDS = 25


@pytest.fixture(autouse=True)
def in_turns() -> Iterator[None]:
    """Threads of the embedded server interrupt each other more often than they would, and so between any two steps."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(usual)


def test_no_increment_is_lost(write: Writer) -> None:
    done = at_once(*[partial(increments, write, COUNTER, 15)] * 4)
    assert write("GET", COUNTER).json()["data"]["n"] == sum(done) == 60


def test_batches_that_go_through_collections_in_opposite_orders_all_succeed(write: Writer) -> None:
    def fill(number: int) -> list[int]:
        found = []
        for turn in range(6):
            lists = [f"{RECORDS}/w{number}-{turn}", f"{COLLECTION}2/records/w{number}-{turn}"]
            paths = [f"{path}-{part}" for part in range(4) for path in (lists if number % 2 else lists[::-1])]
            found += write.batch(*(("PUT", path, {}) for path in paths))
        return found

    statuses = at_once(*[partial(fill, number) for number in range(4)])
    assert {status for each in statuses for status in each} == {201}
    assert len(write.ids()) + len(write.ids(f"{COLLECTION}2/records")) == 4 * 6 * 8 + 1


def test_batches_that_go_through_buckets_in_opposite_orders_all_succeed(write: Writer) -> None:
    def fill(number: int) -> list[int]:
        found = []
        for turn in range(6):
            buckets = ["b", "b2"] if number % 2 else ["b2", "b"]
            found += write.batch(*(("PUT", f"/buckets/{name}/groups/g{number}-{turn}", {}) for name in buckets))
        return found

    assert write("PUT", "/buckets/b2").status_code == 201
    statuses = at_once(*[partial(fill, number) for number in range(4)])
    assert [set(each) for each in statuses] == [{201}] * 4


def test_batches_into_collections_of_their_own_do_not_refuse_each_other_in_the_history(write: Writer) -> None:
    def fill(number: int) -> list[int]:
        path = f"{COLLECTION}{number or ''}/records/w"
        found = []
        for turn in range(6):
            found += write.batch(*(("PUT", f"{path}{turn}-{part}", {}) for part in range(8)))
        return found

    statuses = at_once(*[partial(fill, number) for number in (0, 2)])
    assert [set(each) for each in statuses] == [{201}] * 2


def test_a_list_is_deleted_as_it_was_read_or_not_at_all(write: Writer) -> None:
    for turn in range(ROUNDS):
        write("PUT", f"{RECORDS}/old", {})
        etag = write("GET", RECORDS).headers["ETag"]
        created, deleted = at_once(
            partial(write, "PUT", f"{RECORDS}/new{turn}", {}), partial(write, "DELETE", RECORDS, If_Match=etag)
        )
        assert created.status_code == 201
        left = {200: {f"new{turn}"}, 412: {"old", f"new{turn}"}}[deleted.status_code]
        assert write.ids() - {"counter"} == left
        write("DELETE", RECORDS)


def test_a_record_outlives_no_collection(write: Writer) -> None:
    for turn in range(ROUNDS):
        path = f"/buckets/b/collections/c{turn}"
        write("PUT", path)
        created, deleted = at_once(partial(write, "PUT", f"{path}/records/r", {}), partial(write, "DELETE", path))
        assert (created.status_code, deleted.status_code) in {(201, 200), (404, 200)}
        write("PUT", path)
        assert write.ids(f"{path}/records") == set()


def test_nothing_outlives_a_bucket(write: Writer) -> None:
    for turn in range(ROUNDS):
        path = f"/buckets/b{turn}"
        write("PUT", path)
        created, deleted = at_once(partial(write, "PUT", f"{path}/groups/g", {}), partial(write, "DELETE", "/buckets"))
        assert created.status_code in {201, 403}
        assert deleted.status_code == 200
        write("PUT", path)
        assert write.ids(f"{path}/groups") == set()


def test_the_default_bucket_and_its_real_id_are_one(write: Writer) -> None:
    inside = "/collections/c/records/counter"
    write("PUT", f"/buckets/default{inside}", {"n": 0})
    real = write("GET", "/").json()["user"]["bucket"]
    done = at_once(*(partial(increments, write, f"/buckets/{name}{inside}", 15) for name in ("default", real) * 2))
    assert write("GET", f"/buckets/{real}{inside}").json()["data"]["n"] == sum(done) == 60


def test_parts_of_a_batch_in_the_default_bucket_are_no_exception(write: Writer) -> None:
    inside = "/collections/c/records/counter"
    write("PUT", f"/buckets/default{inside}", {"n": 0})
    real = write("GET", "/").json()["user"]["bucket"]

    def add(name: str) -> None:
        for _ in range(15):
            status = 412
            while status == 412:
                read = write("GET", f"/buckets/{real}{inside}")
                part = {
                    "method": "PATCH",
                    "path": f"/v1/buckets/{name}{inside}",
                    "body": {"data": {"n": read.json()["data"]["n"] + 1}},
                    "headers": {"If-Match": read.headers["ETag"]},
                }
                status = write.send("POST", "/batch", {"requests": [part]}).json()["responses"][0]["status"]
            assert status == 200

    at_once(*(partial(add, name) for name in ("default", real) * 2))
    assert write("GET", f"/buckets/{real}{inside}").json()["data"]["n"] == 60


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_what_the_default_bucket_makes_by_itself_outlives_it_no_more_than_the_rest(write: Writer, method: str) -> None:
    for turn in range(ROUNDS):
        path = f"/buckets/default/collections/c{turn}/records"
        write("GET", "/buckets/default")
        asked = partial(write, "GET", path) if method == "GET" else partial(write, "PUT", f"{path}/r", {})
        statuses = [each.status_code for each in at_once(asked, partial(write, "DELETE", "/buckets/default"))]
        assert statuses == [200 if method == "GET" else 201, 200]
        real = write("GET", "/").json()["user"]["bucket"]
        exists = real in write.ids("/buckets")
        # Whoever was last, the collection is there only if the bucket is. This question makes the bucket again.
        assert write.ids("/buckets/default/collections") == ({f"c{turn}"} if exists else set())
        write("DELETE", "/buckets/default")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "", 200), ("POST", "/collections/c/records", 201)],
)
def test_a_default_bucket_that_is_deleted_at_the_same_time_is_made_again(
    write: Writer, method: str, path: str, status: int
) -> None:
    asked = partial(write, method, f"/buckets/default{path}", {} if method == "POST" else None)
    for _ in range(2 * ROUNDS):
        write("GET", "/buckets/default/collections/c")
        answers = at_once(asked, partial(write, "DELETE", "/buckets/default"), asked)
        assert [each.status_code for each in answers] == [status, 200, status]


@pytest.mark.parametrize("path", ["collections/a%00", "collections/a%00/records"])
def test_what_no_id_can_be_is_refused_in_the_default_bucket_too(write: Writer, path: str) -> None:
    assert write("GET", "/buckets/default").status_code == 200
    assert write("GET", f"/buckets/default/{path}").status_code == 400
    assert write.batch(("POST", f"/buckets/default/{path}", {}), ("PUT", COUNTER, {})) == [400, 200]
