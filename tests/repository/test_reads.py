"""What is read of single objects without reading them, and how long an answer may be kept."""

from __future__ import annotations

from typing import Any

import pytest

from kinto_models import EVERYONE, Client, ForbiddenError, InvalidIdError, NotFoundError, Record, key
from kinto_models.embedded import EmbeddedServer
from tests.conftest import Wire
from tests.repository.conftest import Opened, carry_out, told


class Task(Record, bucket="todo", collection="tasks"):
    title: str


def test_whether_an_object_exists_costs_one_request_without_a_body(kinto: Client, wire: Wire) -> None:
    tasks = kinto.repository(Task)
    task = tasks.create(Task(id="first", title="a"))
    wire.clear()
    assert tasks.exists("first")
    assert tasks.timestamp("first") == task.last_modified
    assert [(request.method, request.target) for request in wire.sent] == [("HEAD", tasks_path("first"))] * 2


def tasks_path(object_id: str) -> str:
    return f"/buckets/todo/collections/tasks/records/{object_id}"


@pytest.mark.parametrize("kind", ["buckets", "collections", "groups"])
def test_every_kind_can_be_asked_for(kinto: Client, kind: str) -> None:
    objects: Any = kinto.buckets if kind == "buckets" else getattr(kinto.bucket("todo"), kind)
    objects.upsert(objects.model(id="here"))
    assert objects.exists("here")
    assert objects.timestamp("here") == objects.get("here").last_modified


async def test_what_does_not_exist_says_why(kinto: Client, opened: Opened) -> None:
    async with opened(kinto.url) as client:
        tasks = client.repository(Task)
        assert not await told(tasks.exists("gone"))
        with pytest.raises(NotFoundError) as caught:
            await told(tasks.timestamp("gone"))
        assert caught.value.errno == 110
        nowhere = client.repository(Task, collection="gone")
        for ask in (nowhere.exists, nowhere.timestamp):
            with pytest.raises(NotFoundError) as caught:
                await told(ask("first"))
            assert caught.value.errno == 111
        with pytest.raises(ForbiddenError):
            await told(client.repository(Task, bucket="gone").exists("first"))
        with pytest.raises(InvalidIdError):
            await told(tasks.exists("a/b"))


async def test_in_a_batch_too(kinto: Client, opened: Opened) -> None:
    kinto.repository(Task).create(Task(id="first", title="a"))
    async with opened(kinto.url) as client:
        seen: list[Any] = []

        def ask(batch: Any) -> None:
            tasks = batch.repository(Task)
            seen.extend([tasks.exists("first"), tasks.exists("gone"), tasks.timestamp("first"), tasks.timestamp()])

        await carry_out(client, ask)
    first = Task.get("first")
    assert [outcome.result() for outcome in seen] == [True, False, first.last_modified, first.last_modified]


def test_how_long_an_answer_may_be_kept(kinto: Client, server: EmbeddedServer) -> None:
    """Kinto allows it to anonymous readers only."""
    collection = kinto.bucket("todo").collections.get("tasks")
    collection.cache_expires = 60
    collection.permissions.read.add(EVERYONE)
    collection.save()
    kinto.repository(Task).create(Task(id="first", title="a"))
    assert Task.get("first").cache_max_age == 0
    assert [page.cache_max_age for page in Task.find().pages()] == [0]
    assert Task(title="new").cache_max_age is None
    with Client(server.url) as anybody:
        tasks = anybody.repository(Task)
        assert tasks.get("first").cache_max_age == 60
        assert [page.cache_max_age for page in tasks.find().pages()] == [60]
        assert [each.cache_max_age for each in tasks.find().limit(1)] == [60]


@pytest.mark.parametrize("kind", ["buckets", "collections", "groups"])
def test_other_kinds_are_listed_counted_filtered_and_deleted_as_records_are(kinto: Client, kind: str) -> None:
    todo = kinto.bucket("todo")
    objects: Any = kinto.buckets if kind == "buckets" else getattr(todo, kind)
    place = {} if kind == "buckets" else {"bucket": "todo"}
    size = key("size")
    objects.create_many([objects.model(id=f"n{number}", size=number) for number in range(5)])
    assert {each.id for each in objects.find(size >= 3, size.exists())} == {"n3", "n4"}
    assert objects.find(size < 3).count() == 3
    assert [each.id for each in objects.find(size.exists()).sort(-size).limit(2)] == ["n4", "n3"]
    assert objects.find(size == 0).delete() == 1
    assert objects.delete_many(["n1", "n2"]).deleted == 2
    with kinto.batch() as batch:
        many: Any = batch.repository(objects.model, **place)
        counted, _ = many.find(size.exists()).count(), many.delete("n3")
    assert counted.result() == 2
    gone = [tombstone.id for tombstone in objects.changes(1).deleted][-1:]
    assert gone == ([] if kind == "buckets" else ["n3"])  # whose tombstones Kinto shows to nobody with rights on some
    assert objects.find(size.exists()).delete() == 1
