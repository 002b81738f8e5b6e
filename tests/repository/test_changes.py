"""What changed since a moment, asked once and watched."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from kinto_models import AsyncClient, ChangeSet, Client, InvalidAnswerError, QueryError, Record, Tombstone
from kinto_models.embedded import EmbeddedServer
from tests.conftest import Wire
from tests.loopback import Loopback

_LIST = "/buckets/todo/collections/tasks/records"


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""
    deleted: bool = False


@pytest.fixture
def three(kinto: Client) -> list[Task]:
    tasks = [Task(id=f"t{number}", title="x") for number in range(3)]
    kinto.repository(Task).create_many(tasks)
    return tasks


@pytest.fixture
def paged() -> Iterator[Client]:
    """A client of a server that gives two objects to a page."""
    with Client.embedded(settings={"kinto.paginate_by": "2"}) as kinto:
        kinto.bucket("todo").save()
        kinto.bucket("todo").collection("tasks").save()
        yield kinto


def test_everything_that_is_there_comes_without_a_since(kinto: Client, three: list[Task]) -> None:
    found = kinto.repository(Task).changes()
    assert [task.id for task in found.updated] == ["t0", "t1", "t2"]
    assert (found.deleted, found.flushed, len(found), bool(found)) == ([], False, 3, True)
    assert found.timestamp == kinto.repository(Task).timestamp()
    assert all(task.saved and not task.dirty for task in found.updated)


def test_what_is_new_changed_and_deleted_since(kinto: Client, three: list[Task]) -> None:
    tasks = kinto.repository(Task)
    since = tasks.changes().timestamp
    tasks.patch("t1", title="y")
    tasks.create(Task(id="t3"))
    tasks.delete("t0")
    found = tasks.changes(since)
    assert [(task.id, task.title) for task in found.updated] == [("t1", "y"), ("t3", "")]
    assert found.deleted == [Tombstone(id="t0", last_modified=found.timestamp)]
    assert not found.flushed
    assert tasks.changes(found.timestamp) == ChangeSet(timestamp=found.timestamp)


def test_where_nothing_happened_the_server_sends_no_body(kinto: Client, three: list[Task], wire: Wire) -> None:
    tasks = kinto.repository(Task)
    since = tasks.timestamp()
    wire.clear()
    found = tasks.changes(since)
    assert not found
    assert found.timestamp == since
    (request,) = wire.sent
    assert request.target == f"{_LIST}?_sort=last_modified&_since=%22{since}%22"
    assert request.headers == {"If-None-Match": f'"{since}"'}
    assert wire.transport.send(request).status == 304


def test_a_record_with_a_field_called_deleted_is_no_tombstone(kinto: Client, three: list[Task]) -> None:
    tasks = kinto.repository(Task)
    since = tasks.timestamp()
    tasks.patch("t1", deleted=False, title="y")
    tasks.delete("t2")
    found = tasks.changes(since)
    assert [task.id for task in found.updated] == ["t1"]
    assert [stone.id for stone in found.deleted] == ["t2"]


def test_every_page_is_read(paged: Client) -> None:
    tasks = paged.repository(Task)
    since = tasks.timestamp()
    for number in range(7):
        tasks.create(Task(id=f"t{number}"))
    for number in range(3):
        tasks.delete(f"t{number}")
    found = tasks.changes(since)
    assert [task.id for task in found.updated] == ["t3", "t4", "t5", "t6"]
    assert [stone.id for stone in found.deleted] == ["t0", "t1", "t2"]


def test_what_changes_while_it_is_read_comes_once_as_it_is_at_last(loopback: Loopback) -> None:
    following = {"Next-Page": f"{loopback.url}{_LIST}?_since=1&_token=x", "ETag": '"7"'}
    loopback.answers(
        200, following, b'{"data":[{"id":"a","last_modified":3,"title":"old"},{"id":"b","last_modified":5}]}'
    )
    last = b'{"data":[{"id":"a","last_modified":8,"title":"new"},{"id":"b","last_modified":9,"deleted":true}]}'
    loopback.answers(200, {"ETag": '"9"'}, last)
    with Client(loopback.url) as kinto:
        found = kinto.repository(Task).changes(1)
    assert [(task.id, task.title) for task in found.updated] == [("a", "new")]
    assert [stone.id for stone in found.deleted] == ["b"]
    assert found.timestamp == 7  # what came later may come again, and none is missed


def test_a_list_that_was_emptied_without_a_trace_is_flushed(kinto: Client, three: list[Task]) -> None:
    tasks = kinto.repository(Task)
    since = tasks.timestamp()
    place = kinto.bucket("todo").collections.get("tasks")
    place.delete()
    kinto.bucket("todo").collection("tasks").save()
    found = tasks.changes(since)
    assert found.flushed
    assert found
    assert len(found) == 0
    assert found.timestamp > since


def test_an_answer_without_a_timestamp_is_no_kintos(loopback: Loopback) -> None:
    loopback.answers(200, {}, b'{"data":[]}')
    with Client(loopback.url) as kinto, pytest.raises(InvalidAnswerError, match="no ETag"):
        kinto.repository(Task).changes()


@pytest.mark.parametrize("since", [0, -1, True, "5", 1.5])
def test_what_is_no_timestamp_is_refused_before_anything_is_sent(kinto: Client, wire: Wire, since: int) -> None:
    wire.clear()
    with pytest.raises(QueryError, match="timestamp in milliseconds"):
        kinto.repository(Task).changes(since)
    assert wire.sent == []


def test_a_batch_can_ask_too(kinto: Client, three: list[Task]) -> None:
    tasks = kinto.repository(Task)
    since = tasks.timestamp()
    with kinto.batch() as batch:
        batch.delete(three[0])
        changed = batch.repository(Task).changes(since)
        batch.save(Task(id="t9"))
    assert [stone.id for stone in changed.result().deleted] == ["t0"]


# Watching


def test_watching_gives_what_happens_from_now_on(kinto: Client, three: list[Task], wire: Wire) -> None:
    tasks, seen = kinto.repository(Task), threading.Event()
    wire.clear()

    def work() -> None:
        while len(wire.sent) < 2:  # the moment that it begins at, and what happened since
            time.sleep(0.01)
        tasks.patch("t1", title="y")
        seen.wait(10)
        tasks.delete("t2")

    thread = threading.Thread(target=work)
    thread.start()
    watched = tasks.watch(interval=0.02)
    assert [task.title for task in next(watched).updated] == ["y"]
    seen.set()
    assert [stone.id for stone in next(watched).deleted] == ["t2"]
    thread.join()


def test_watching_begins_where_it_is_told(kinto: Client, three: list[Task], wire: Wire) -> None:
    tasks = kinto.repository(Task)
    since = three[0].last_modified
    assert since is not None
    wire.clear()
    found = next(tasks.watch(since))
    assert [task.id for task in found.updated] == ["t1", "t2"]
    assert len(wire.sent) == 1


def test_the_server_may_ask_to_be_asked_less_often(loopback: Loopback) -> None:
    loopback.answers(200, {"ETag": '"5"', "Backoff": "1"}, b'{"data":[{"id":"a","last_modified":5}]}')
    loopback.answers(304, {"ETag": '"5"', "Backoff": "1"}, b"")
    loopback.answers(200, {"ETag": '"6"'}, b'{"data":[{"id":"a","last_modified":6}]}')
    with Client(loopback.url) as kinto:
        watched = kinto.repository(Task).watch(4, interval=0.01)
        assert next(watched).timestamp == 5
        start = time.monotonic()
        assert next(watched).timestamp == 6
        assert time.monotonic() - start >= 2
    assert [received.headers.get("if-none-match") for received in loopback.received] == ['"4"', '"5"', '"5"']


@pytest.mark.parametrize("interval", [0, -1, float("nan"), float("inf")])
def test_an_interval_is_a_number_of_seconds(kinto: Client, interval: float) -> None:
    with pytest.raises(ValueError, match="interval is a number of seconds"):
        next(kinto.repository(Task).watch(interval=interval))


async def test_async_code_watches_too(server: EmbeddedServer, kinto: Client, three: list[Task]) -> None:
    async with AsyncClient(server.url, auth=("alice", "s3cret")) as akinto:
        tasks = akinto.repository(Task)
        since = (await tasks.changes()).timestamp

        async def work() -> None:
            await asyncio.sleep(0.05)
            await tasks.delete("t1")

        working = asyncio.ensure_future(work())
        async for found in tasks.watch(since, interval=0.02):
            assert [stone.id for stone in found.deleted] == ["t1"]
            break
        await working
