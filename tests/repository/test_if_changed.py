"""Lists that are asked for only if they changed."""

from __future__ import annotations

from typing import Any

import pytest

from kinto_models import AsyncClient, Client, QueryError, Record
from kinto_models.embedded import EmbeddedServer
from tests.conftest import Wire
from tests.repository.conftest import carry_out


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""


def test_unchanged_is_told_from_empty(kinto: Client, wire: Wire) -> None:
    tasks = kinto.repository(Task)
    Task(id="a").save()
    page = tasks.find().if_changed(None)
    assert page is not None
    assert [task.id for task in page] == ["a"]
    assert page[0].etag

    wire.clear()
    assert tasks.find().if_changed(page.timestamp) is None
    assert wire.last.headers == {"If-None-Match": f'"{page.timestamp}"'}
    tasks.delete("a")
    empty = tasks.find().if_changed(page.timestamp)
    assert empty is not None
    assert len(empty) == 0
    assert tasks.find().if_changed(empty.timestamp) is None


def test_all_pages_come_where_something_changed(kinto: Client, server: EmbeddedServer) -> None:
    tasks = kinto.repository(Task)
    tasks.create_many(Task(id=f"t{n:02}") for n in range(30))
    query = tasks.find().sort("id")
    before = query.timestamp() - 1
    assert [task.id for task in query.if_changed(before) or ()] == [f"t{n:02}" for n in range(30)]
    limited = query.limit(3).if_changed(before)
    assert [task.id for task in limited or ()] == ["t00", "t01", "t02"]


async def test_async_and_batches_have_it_too(kinto: Client, server: EmbeddedServer) -> None:
    Task(id="a").save()
    async with AsyncClient(server.url, auth=("alice", "s3cret")) as awaited:
        page = await awaited.repository(Task).find().if_changed(None)
        assert page is not None
        assert await awaited.repository(Task).find().if_changed(page.timestamp) is None
        for client in (awaited, kinto):
            outcomes: list[Any] = []

            def fill(batch: Any, outcomes: list[Any] = outcomes) -> None:
                query = batch.repository(Task).find()
                outcomes.extend((query.if_changed(page.timestamp), query.if_changed(1), query.count()))

            await carry_out(client, fill)
            same, changed, count = (outcome.result() for outcome in outcomes)
            assert same is None
            assert [task.id for task in changed] == ["a"]
            assert count == 1


@pytest.mark.parametrize("since", [0, -1, "1", True, 10**15])
def test_what_is_no_timestamp_is_refused(kinto: Client, since: Any) -> None:
    with pytest.raises(QueryError, match="if_changed"):
        kinto.repository(Task).find().if_changed(since)
