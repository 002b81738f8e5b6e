"""ETags and timestamps: which conditions the server takes, which it ignores, and what it answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from kinto_models import AlreadyExistsError, Client, ConflictError, NotFoundError, NotSavedError, Record, ServerIds
from kinto_models.embedded import EmbeddedServer
from kinto_models.models.state import Snapshot
from kinto_models.models.stored import attach
from kinto_models.protocol import operations
from kinto_models.protocol.etags import format_etag
from kinto_models.protocol.paths import records
from tests.conftest import Wire
from tests.traps.conftest import ALICE, RECORDS, T1, Raw


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""
    done: bool = False


@pytest.fixture
def task(kinto: Client) -> Task:
    task = Task(id="t1", title="x")
    task.save()
    return task


def test_an_etag_is_sent_as_the_server_takes_it(task: Task, raw: Raw, wire: Wire) -> None:
    for wrong in ("5", 'W/"5"', '"a"', '"5", "6"'):
        assert raw("PATCH", T1, {"data": {}}, If_Match=wrong).status_code == 400
    task.title, read = "y", raw.data("GET", T1)["last_modified"]
    task.save()
    assert wire.last.headers["If-Match"] == f'"{read}"'


def test_no_write_is_made_under_a_timestamp_of_zero(kinto: Client, task: Task, raw: Raw, wire: Wire) -> None:
    """The server takes that for no condition at all."""
    assert raw("PATCH", T1, {"data": {"title": "theirs"}}, If_Match='"1"').status_code == 412
    assert raw("PATCH", T1, {"data": {"title": "theirs"}}, If_Match='"0"').status_code == 200
    odd = Task(id="t1", title="x")
    attach(odd, Snapshot(b'{"data":{"id":"t1","last_modified":0,"title":"x","done":false}}', None))
    odd.title = "mine"
    wire.clear()
    for write in (odd.save, odd.replace, odd.delete):
        with pytest.raises((NotSavedError, ValueError)):
            write()
    with pytest.raises(ValueError, match="positive"):
        format_etag(0)
    assert wire.sent == []


def test_a_write_has_no_condition_that_the_server_would_ignore(task: Task, raw: Raw, wire: Wire) -> None:
    assert raw("PATCH", T1, {"data": {}}, If_None_Match=str(task.etag)).status_code == 200
    task.refresh()
    task.title = "y"
    task.save()
    task.replace()
    task.delete()
    assert [request.headers.get("If-None-Match") for request in wire.sent if request.method != "GET"] == [None] * 3


def test_an_object_that_went_back_in_time_is_read_again(kinto: Client, task: Task, raw: Raw) -> None:
    """The server compares for equality, so that a newer timestamp here is no 304."""
    place, newer = records("todo", "tasks"), (task.last_modified or 0) + 1000
    assert raw("GET", T1, If_None_Match=f'"{newer}"').status_code == 200
    assert raw("GET", T1, If_None_Match=str(task.etag)).status_code == 304
    answer = kinto.run(operations.get_if_changed(place, "t1", since=newer))
    assert answer is not None
    assert answer.timestamp == task.last_modified


def test_only_creations_ask_for_absence(kinto: Client, raw: Raw, wire: Wire) -> None:
    class Posted(Task, ids=ServerIds):
        pass

    assert raw("GET", RECORDS, If_None_Match="*").status_code == 412  # even where it is empty
    assert raw("POST", RECORDS, {"data": {}}, If_Match='"5"').status_code == 412
    tasks = kinto.repository(Task)
    wire.clear()
    Posted().save()
    assert not {"If-Match", "If-None-Match"} & wire.last.headers.keys()
    tasks.create(Task(id="t1"))
    assert wire.last.headers["If-None-Match"] == "*"
    tasks.get("t1").delete()
    assert tasks.create(Task(id="t1")).saved  # over its tombstone
    wire.clear()
    tasks.find().all()
    tasks.count()
    tasks.get("t1").refresh()
    assert "*" not in [request.headers.get("If-None-Match") for request in wire.sent]


@pytest.mark.parametrize("write", ["save", "replace", "delete", "patch"])
def test_what_was_deleted_meanwhile_is_not_found_by_any_write(task: Task, raw: Raw, write: str) -> None:
    """To a PUT the server says 412, as to one that was changed, and to the others 404."""
    raw("DELETE", T1)
    assert raw("PUT", T1, {"data": {}}, If_Match=str(task.etag)).status_code == 412
    assert raw("PATCH", T1, {"data": {}}, If_Match=str(task.etag)).status_code == 404
    task.title = "y"
    writes: dict[str, Any] = {"patch": lambda: task.patch(title="z")}
    with pytest.raises(NotFoundError):
        writes.get(write, getattr(task, write))()
    assert task.changes == {"title": "y"}


def test_a_conflict_has_what_is_there_now_and_the_next_save_checks_that(task: Task, raw: Raw) -> None:
    newer = raw.data("PATCH", T1, {"data": {"done": True}})["last_modified"]
    refused = raw("PATCH", T1, {"data": {}}, If_Match=str(task.etag))
    assert (refused.status_code, refused.headers["ETag"]) == (412, f'"{newer}"')
    assert refused.json()["details"]["existing"]["done"]
    task.title = "y"
    with pytest.raises(ConflictError) as caught:
        task.save()
    assert (caught.value.theirs.last_modified, caught.value.theirs.done) == (newer, True)
    assert caught.value.rebase().save().changed == {"title"}
    assert raw.data("GET", T1)["done"]


@pytest.fixture
def stock() -> Iterator[Client]:
    """The active client of a server without the plugin that makes the check and the write one step."""
    server = EmbeddedServer(dict([ALICE]), {"kinto.includes": "kinto.plugins.accounts"})
    with Client(server.url, auth=ALICE) as kinto:
        kinto.bucket("todo").save()
        kinto.bucket("todo").collection("tasks").save()
        yield kinto
    server.stop()


def test_two_writes_at_the_same_moment_can_both_be_accepted_without_the_plugin(
    stock: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No client can prevent it: the server checks first and writes then. Whoever looks again is told."""
    from kinto.core.resource.model import Model  # which warns, but for the embedded server, which is there by now

    both_were_checked, update = threading.Barrier(2), Model.update_object

    def late(*args: Any, **kwargs: Any) -> Any:
        both_were_checked.wait(10)
        return update(*args, **kwargs)

    Task(id="t1", title="x").save()
    monkeypatch.setattr(Model, "update_object", late)
    mine, theirs = Task.get("t1"), Task.get("t1")
    mine.title, theirs.done = "mine", True
    threads = [threading.Thread(target=stock.repository(Task).save, args=(each,)) for each in (mine, theirs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    monkeypatch.undo()
    assert not mine.dirty
    assert not theirs.dirty
    found = Task.get("t1")
    assert (found.title == "mine") != found.done  # one of the two is lost
    loser = mine if found.done else theirs
    assert loser.refresh()
    assert loser == found


def test_the_timestamp_of_a_list_moves_with_deletions_and_that_of_its_parent_does_not(
    kinto: Client, task: Task
) -> None:
    tasks, place = kinto.repository(Task), kinto.bucket("todo").collections.get("tasks")
    before = tasks.timestamp()
    assert before == task.last_modified
    tasks.delete("t1")
    assert tasks.timestamp() > before
    assert not place.refresh()


def test_two_changes_within_a_second_are_two(task: Task, raw: Raw) -> None:
    """``Last-Modified`` counts seconds: it is never asked."""
    answers = [raw("PATCH", T1, {"data": {"title": str(number)}}) for number in range(10)]
    assert len({answer.headers["Last-Modified"] for answer in answers}) < 10
    assert len({answer.headers["ETag"] for answer in answers}) == 10
    task.title = "mine"
    with pytest.raises(ConflictError):
        task.save()


def test_a_deletion_brings_no_timestamp_of_its_own(kinto: Client, task: Task, raw: Raw, wire: Wire) -> None:
    assert raw("DELETE", f'{T1}?last_modified="99999999999999"').status_code == 500
    wire.clear()
    task.delete()
    assert (wire.last.method, wire.last.target) == ("DELETE", T1)
    (tombstone,) = kinto.repository(Task).changes(1).deleted
    assert tombstone.id == "t1"
    assert tombstone.last_modified == kinto.repository(Task).timestamp()


def test_a_page_that_is_no_longer_of_the_same_list_is_refused(paged: Client, paged_wire: Wire) -> None:
    everything = paged.repository(Record, bucket="todo", collection="tasks")
    etag = f'"{everything.timestamp()}"'
    paged_wire.clear()
    assert len(everything.find().all(consistent=True)) == 6
    assert [request.headers.get("If-Match") for request in paged_wire.sent] == [None, etag, etag]
    pages = everything.find().pages(consistent=True)
    next(pages)
    everything.patch("t0", n=9)
    with pytest.raises(ConflictError):
        list(pages)


def test_nothing_new_is_not_nothing_there(kinto: Client, task: Task, raw: Raw) -> None:
    tasks = kinto.repository(Task)
    unchanged = raw("GET", RECORDS, If_None_Match=f'"{tasks.timestamp()}"')
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    nothing = tasks.changes(tasks.timestamp())
    assert (len(nothing), nothing.flushed) == (0, False)
    assert tasks.find().all() == [task]
    assert task.refresh() is False
    assert task.title == "x"


def test_versions_compare_as_numbers(kinto: Client, raw: Raw) -> None:
    told = raw("GET", "/").json()["http_api_version"]
    assert isinstance(told, str)
    assert kinto.server_info().api_version == tuple(int(part) for part in told.split("."))
    assert kinto.server_info().api_version > (1, 9)
    assert float("1.23") < float("1.9")  # which is how a newer server would be taken for an older one


def test_creating_over_what_is_there_is_refused_whoever_made_it(task: Task, raw: Raw) -> None:
    assert raw("PUT", T1, {"data": {}}, If_None_Match="*").status_code == 412
    assert raw("POST", RECORDS, {"data": {"id": "t1"}}, If_None_Match="*").status_code == 412
    with pytest.raises(AlreadyExistsError) as caught:
        Task(id="t1").save()
    assert caught.value.theirs == task
