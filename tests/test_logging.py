"""What the standard logger ``kinto_models`` is told."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from kinto_models import AsyncClient, Client, NotFoundError, Record
from kinto_models.embedded import EmbeddedServer
from tests.faults import Answer, Bench, Cut


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG, "kinto_models"):
        yield caplog


def _ours(log: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in log.records if record.name == "kinto_models"]


def _values(record: Any) -> dict[str, Any]:
    told: dict[str, Any] = record.kinto
    return told


def test_a_request_is_one_line_at_debug_with_its_values(kinto: Client, log: pytest.LogCaptureFixture) -> None:
    Task(id="secretive", title="private").save()
    Task.find(Task.title == "private").all()
    put, get = _ours(log)
    assert (put.levelno, get.levelno) == (logging.DEBUG, logging.DEBUG)
    assert put.getMessage().startswith("PUT /buckets/todo/collections/tasks/records/secretive: 201, ")
    assert _values(put).keys() == {"request", "status", "bytes", "seconds"}
    assert _values(put)["status"] == 201
    assert _values(put)["bytes"] > len("private")
    assert "private" not in log.text
    assert "?" not in get.getMessage()


async def test_async_requests_are_told_as_well(server: EmbeddedServer, log: pytest.LogCaptureFixture) -> None:
    async with AsyncClient(server.url, auth=("alice", "s3cret")) as kinto:
        with pytest.raises(NotFoundError):
            await kinto.repository(Task).get("missing")
    [record] = _ours(log)
    assert _values(record)["status"] == 404


def test_nothing_is_said_above_debug_where_all_goes_well(kinto: Client, log: pytest.LogCaptureFixture) -> None:
    kinto.repository(Task).create_many(Task() for _ in range(60))
    with kinto.batch() as batch:
        batch.save(Task())
        batch.save(Task())
    assert {record.levelno for record in _ours(log)} == {logging.DEBUG}


def test_a_retry_is_told_at_info_and_what_it_failed_with_at_debug(
    server: EmbeddedServer, kinto: Client, log: pytest.LogCaptureFixture
) -> None:
    with Bench(server.url) as bench, Client(bench.url, auth=("alice", "s3cret")) as client:
        bench.plan(Cut("request"), on="GET")
        bench.plan(Answer(503, {"Retry-After": "0"}), on="GET")
        assert client.buckets.exists("todo")  # a HEAD
        assert client.buckets.get("todo").id == "todo"
        told = [(record.levelno, _values(record)) for record in _ours(log)][1:]
    levels = [level for level, _ in told]
    assert levels == [logging.DEBUG, logging.INFO] * 2 + [logging.DEBUG]
    assert [values["status"] for level, values in told if level == logging.DEBUG] == [None, 503, 200]
    assert {values["why"] for level, values in told if level == logging.INFO} == {"trying again"}


def test_a_dry_run_tells_at_info_what_it_does_not_send(kinto: Client, log: pytest.LogCaptureFixture) -> None:
    with kinto.clone(dry_run=True):
        Task(id="a").save()
    [record] = [record for record in _ours(log) if record.levelno == logging.INFO]
    assert record.getMessage() == "PUT /buckets/todo/collections/tasks/records/a: not sent, in a dry run"
