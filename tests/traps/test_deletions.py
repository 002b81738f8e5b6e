"""Tombstones, and deletions of many objects: what is listed, what is counted, and what goes."""

from __future__ import annotations

from typing import Any

import pytest

from kinto_models import (
    Account,
    Client,
    InvalidIdError,
    QueryError,
    Record,
    RedirectError,
    TimedOutError,
    UncertainOutcomeError,
)
from kinto_models.embedded import EmbeddedServer
from kinto_models.protocol.messages import Operation, Request
from kinto_models.protocol.refusals import error_of
from tests.conftest import Wire
from tests.traps.conftest import BOB, RECORDS, T1, Raw, between


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""


class Numbered(Record, bucket="todo", collection="tasks"):
    n: int


@pytest.fixture
def gone(kinto: Client) -> int:
    """The timestamp before two tasks were made, one of which was deleted."""
    tasks = kinto.repository(Task)
    since = tasks.timestamp()
    tasks.create_many([Task(id="t1", title="x"), Task(id="t2", title="x")])
    tasks.delete("t1")
    return since


def test_tombstones_are_listed_by_changes_only(kinto: Client, raw: Raw, gone: int) -> None:
    assert [each["id"] for each in raw.data("GET", f"{RECORDS}?_since={gone}")] == ["t1", "t2"]
    assert [each["id"] for each in raw.data("GET", f"{RECORDS}?gt_last_modified={gone}")] == ["t1", "t2"]
    assert raw.data("GET", f"{RECORDS}?deleted=true") == []
    tasks = kinto.repository(Task)
    for query in (tasks.find().since(gone), tasks.find(Task.last_modified > gone)):  # type: ignore[operator]
        assert [task.id for task in query] == ["t2"]
    assert [stone.id for stone in tasks.changes(gone).deleted] == ["t1"]


def test_deletions_are_asked_for_without_conditions(kinto: Client, raw: Raw, gone: int) -> None:
    """A tombstone has no fields, and so meets none."""
    assert [each["id"] for each in raw.data("GET", f'{RECORDS}?title="x"&_since={gone}')] == ["t2"]
    tasks: Any = kinto.repository(Task)
    with pytest.raises(TypeError):
        tasks.changes(gone, Task.title == "x")
    with pytest.raises(AttributeError):
        tasks.find(Task.title == "x").changes(gone)


def test_what_is_deleted_is_not_counted(kinto: Client, gone: int) -> None:
    tasks = kinto.repository(Task)
    assert tasks.count() == tasks.find().since(gone).count() == 1
    assert not tasks.find(Task.id == "t1").exists()


def test_a_collection_that_was_made_anew_is_flushed(kinto: Client, raw: Raw, gone: int) -> None:
    tasks = kinto.repository(Task)
    since = tasks.timestamp()
    raw("DELETE", "/buckets/todo/collections/tasks")
    raw("PUT", "/buckets/todo/collections/tasks", {"data": {}})
    assert raw.data("GET", f"{RECORDS}?_since={since}") == []
    found = tasks.changes(since)
    assert (found.flushed, bool(found), len(found)) == (True, True, 0)


def test_who_may_see_some_objects_only_is_told_that_something_changed(kinto: Client, bob: Client) -> None:
    """The server shows them no tombstones: an empty list that moved is all there is to know."""
    tasks = [Task(id="t1"), Task(id="t2"), Task(id="t3")]
    for task in tasks[:2]:
        task.permissions.read.add(Account("bob"))
    kinto.repository(Task).create_many(tasks)
    his = bob.repository(Task)
    read = his.changes()
    assert [task.id for task in read.updated] == ["t1", "t2"]
    tasks[0].delete()
    found = his.changes(read.timestamp)
    assert (found.updated, found.deleted, found.flushed) == ([], [], True)
    assert [task.id for task in his.changes().updated] == ["t2"]


def test_everything_is_deleted_however_many_pages_it_takes(paged: Client, paged_wire: Wire) -> None:
    raw = Raw(paged.url)
    first = raw("DELETE", f"{RECORDS}?_sort=last_modified&min_n=0")
    assert len(first.json()["data"]) == 2
    second = raw("DELETE", first.headers["Next-Page"].removeprefix(paged.url))
    assert second.json()["data"] == []  # and four are left
    tasks = paged.repository(Numbered)
    with pytest.raises(QueryError):
        tasks.find(Numbered.n >= 0).sort(Numbered.n).delete()
    assert tasks.find(Numbered.n >= 3).delete() == 3
    tasks.create_many(Numbered(id=f"new-{n}", n=n) for n in range(5))
    paged_wire.clear()
    assert tasks.delete_all() == 6
    assert {request.method for request in paged_wire.sent} == {"DELETE"}
    assert len({request.target for request in paged_wire.sent}) == 3
    assert tasks.count() == 0


def test_a_condition_takes_no_permissions_of_what_it_leaves(paged: Client) -> None:
    tasks = paged.repository(Numbered)
    for n in range(6):
        task = tasks.get(f"t{n}")
        task.permissions.read.add("account:carol")
        task.save()
    assert tasks.find(Numbered.n < 4).delete() == 4
    assert set(tasks.get("t4").permissions.read) == {"account:carol"}
    raw = Raw(paged.url)
    tasks.create_many(Numbered(id=f"new-{n}", n=n) for n in range(4))
    raw("DELETE", RECORDS)  # one page of it all
    assert raw("GET", f"{RECORDS}/t4").json()["permissions"] == {}


def test_what_may_not_be_deleted_stays_and_is_not_counted(paged: Client) -> None:
    hers = paged.repository(Numbered)
    for n in range(5):
        task = hers.get(f"t{n}")
        task.permissions.write.add(Account("bob"))
        task.save()
    with Client(paged.url, auth=BOB) as bob:
        assert bob.repository(Numbered).delete_all() == 5
    (left,) = hers.find()
    assert left.id == "t5"
    left.refresh()
    assert set(left.permissions.write) == {"account:alice"}


@pytest.mark.parametrize("wrong", ["", "/", "t1/", ".", "..", "?"])
def test_an_id_that_would_lead_to_the_list_deletes_nothing(
    kinto: Client, raw: Raw, wire: Wire, server: EmbeddedServer, wrong: str
) -> None:
    raw("PUT", T1, {"data": {}})
    redirect = raw("DELETE", f"{RECORDS}/")
    assert (redirect.status_code, redirect.headers["Location"]) == (307, f"{server.url}{RECORDS}")
    wire.clear()
    with pytest.raises(InvalidIdError):
        kinto.repository(Task).delete(wrong)
    assert wire.sent == []
    request = Request("DELETE", f"{RECORDS}/")

    def refused(response: Any) -> None:
        raise error_of(request, response)

    with pytest.raises(RedirectError):
        kinto.run(Operation(request, refused))
    assert len(wire.sent) == 1  # and none where it leads to
    assert Task.find().count() == 1


def test_a_deletion_of_all_that_is_cut_short_takes_no_permissions_of_what_is_left(paged: Client) -> None:
    tasks = paged.repository(Numbered)
    for n in range(6):
        task = tasks.get(f"t{n}")
        task.permissions.read.add("account:carol")
        task.save()

    def cut() -> None:
        raise TimedOutError("cut")

    between(paged, cut)
    with pytest.raises(UncertainOutcomeError):
        tasks.delete_all()
    raw = Raw(paged.url)
    for left in tasks.find().all():
        assert raw("GET", f"{RECORDS}/{left.id}").json()["permissions"] == {
            "read": ["account:carol"],
            "write": ["account:alice"],
        }
