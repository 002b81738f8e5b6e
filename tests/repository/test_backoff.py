"""A server that asks its clients to send nothing for a while, by the header Backoff."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kinto_models import BackoffError, BatchError, Client, NotSentError, Record, RetryPolicy
from kinto_models.embedded import EmbeddedServer
from tests.loopback import Loopback
from tests.repository.conftest import ALICE, Opened, carry_out, told


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""


def _says(loopback: Loopback, *ids: str, backoff: str | None = None) -> None:
    told_ = {"data": {"id": ids[0], "last_modified": 5}, "permissions": {}}
    loopback.answers(200, {} if backoff is None else {"Backoff": backoff}, json.dumps(told_).encode())


def _waits(client: Any) -> list[float]:
    """What the client waits, instead of waiting."""
    waits: list[float] = []

    async def later(seconds: float) -> None:
        waits.append(seconds)

    runner: Any = client._runner
    runner._sleep = waits.append if isinstance(client, Client) else later
    return waits


async def test_the_next_request_waits(loopback: Loopback, opened: Opened) -> None:
    _says(loopback, "a", backoff="7")
    _says(loopback, "b")
    async with opened(loopback.url) as client:
        waits = _waits(client)
        await told(client.repository(Task).get("a"))
        assert waits == []
        await told(client.repository(Task).get("b"))
    assert [round(each) for each in waits] == [7]


async def test_who_does_not_want_to_wait_is_told(loopback: Loopback, opened: Opened) -> None:
    _says(loopback, "a", backoff="7")
    async with opened(loopback.url, retry=RetryPolicy(on_backoff="raise")) as client:
        task = await told(client.repository(Task).get("a"))
        task.title = "new"
        with pytest.raises(BackoffError, match="not sent") as caught:
            await told(client.repository(Task).save(task))
        assert 6 < caught.value.retry_after <= 7
        with pytest.raises(BatchError) as failed:
            await carry_out(client, lambda batch: [batch.save(task), batch.save(Task())])
    assert [type(error) for _, error in failed.value.failures] == [NotSentError] * 2
    assert isinstance(failed.value.__cause__, BackoffError)
    assert task.dirty
    assert len(loopback.received) == 1


async def test_who_watches_comes_again_when_the_time_is_over(loopback: Loopback, opened: Opened) -> None:
    loopback.answers(304, {"ETag": '"5"', "Backoff": "3600"})
    loopback.answers(200, {"ETag": '"6"'}, b'{"data":[{"id":"a","last_modified":6}]}')
    async with opened(loopback.url, retry=RetryPolicy(longest=1)) as client:
        waits = _waits(client)
        client._runner.pacing.clock = lambda: sum(waits)
        watching = client.repository(Task).watch(5, interval=1)
        found = next(watching) if isinstance(client, Client) else await anext(watching)
    assert [task.id for task in found.updated] == ["a"]
    assert waits == [1, 3599]


def test_a_kinto_that_is_configured_so_is_given_the_time() -> None:
    server = EmbeddedServer(dict([ALICE]), {"kinto.backoff": "3"})
    try:
        with Client(server.url, auth=ALICE) as client:
            waits = _waits(client)
            client.buckets.get_or_none("default")
            client.buckets.count()
        assert [round(each) for each in waits] == [3]
    finally:
        server.stop()
