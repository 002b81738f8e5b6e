"""Servers that are not there, or answer what is not Kinto's: one error of the tree each, and the instance untouched."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kinto_models import (
    BrokenAnswerError,
    Client,
    ConnectionFailedError,
    ForeignPageError,
    InvalidAnswerError,
    KintoError,
    NotFoundError,
    NotSavedError,
    ReadTimeoutError,
    Record,
    RedirectError,
    ServerFailedError,
    ServerIds,
    TransportError,
    UnavailableError,
    UncertainOutcomeError,
)
from tests.loopback import Loopback
from tests.reliability import hostile
from tests.reliability.hostile import Task, saved, state


class Anywhere(Record, bucket="todo", collection="tasks", ids=ServerIds):
    """The same, under ids that the server makes."""


READS = ("refresh", "get", "get_or_none", "all", "count", "timestamp")
WRITES = ("create", "save", "replace", "patch", "patch by id", "delete", "get_or_create", "upsert", "delete_all")
USES = {name: hostile.USES[name] for name in (*WRITES, *READS)}
WITH_BODY = [name for name in USES if name not in ("count", "timestamp")]


def expect(loopback: Loopback, use: str, error: type[KintoError], message: str | None = None) -> None:
    task = saved()
    before = state(task)
    with Client(loopback.url, retry=0, timeout=2) as kinto, pytest.raises(KintoError, match=message) as caught:
        USES[use](kinto, task)
    assert caught.type is error
    assert before == state(task)


@pytest.mark.parametrize("use", USES)
def test_a_server_that_is_not_there(use: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    task = saved()
    not_there = pytest.raises(ConnectionFailedError, match="is it running, and is its address right")
    with Client(f"http://127.0.0.1:{port}/v1", retry=0) as kinto, not_there as caught:
        USES[use](kinto, task)
    assert isinstance(caught.value, ConnectionError)
    assert task.changes == {"title": "y", "tags": ["z"]}


@pytest.mark.parametrize("use", WITH_BODY)
@pytest.mark.parametrize(
    "body",
    [b"<html>It works!</html>", b'{"data": {"id": "t1", "las', b"", b"[]", b"null", b"{}", b'{"data": 3}', b"\xff\xfe"],
)
def test_an_answer_that_is_not_kintos(loopback: Loopback, use: str, body: bytes) -> None:
    loopback.answers(200, {"Content-Type": "text/html"}, body)
    expect(loopback, use, InvalidAnswerError, "not Kinto's")


@pytest.mark.parametrize("use", USES)
def test_a_redirect_to_another_host_is_not_followed(loopback: Loopback, use: str) -> None:
    loopback.answers(302, {"Location": "https://user:pw@evil.example/v1/?token=x"})
    expect(loopback, use, RedirectError, "redirects to https://evil.example/v1/, which is not followed")
    assert len(loopback.received) == 1


@pytest.mark.parametrize("use", USES)
def test_a_failure_without_a_body(loopback: Loopback, use: str) -> None:
    loopback.answers(500, {}, b"")
    expect(loopback, use, ServerFailedError, "500: no explanation")


@pytest.mark.parametrize("use", [name for name in USES if name != "refresh"])
def test_a_304_that_nobody_asked_for(loopback: Loopback, use: str) -> None:
    loopback.answers(304)
    expect(loopback, use, InvalidAnswerError, "304 that was not asked for")


@pytest.mark.parametrize("use", USES)
def test_an_answer_that_breaks_off(loopback: Loopback, use: str) -> None:
    loopback.says(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"data": {"id"')
    if use in ("count", "timestamp"):  # a HEAD has no body to break off
        expect(loopback, use, InvalidAnswerError)
    else:
        reads = use in READS
        error = BrokenAnswerError if reads else UncertainOutcomeError
        expect(loopback, use, error, r"decoded \(" if reads else "may have done it all the same")


def test_a_server_that_never_answers(loopback: Loopback) -> None:
    loopback.says(b"", "stall")
    task = saved()
    with Client(loopback.url, retry=0, timeout=(2, 0.1)) as kinto, pytest.raises(UncertainOutcomeError) as caught:
        kinto.repository(Task).save(task)
    assert isinstance(caught.value.__cause__, ReadTimeoutError)
    assert caught.value.mine is task
    assert task.dirty


def test_a_404_that_is_not_kintos_is_not_an_absent_record(loopback: Loopback) -> None:
    for _ in range(2):
        loopback.answers(404, {}, b"<html>\n<b>Not Found</b>\n</html>")
    with Client(loopback.url) as kinto:
        with pytest.raises(NotFoundError, match="404: <html> <b>Not Found</b> </html>"):
            kinto.repository(Task).get_or_none("t1")
        with pytest.raises(NotFoundError):
            kinto.repository(Task).delete("t1", missing_ok=True)
        loopback.answers(404, {}, b"<html>Not Found</html>")
        with pytest.raises(NotFoundError, match="404: <html>Not Found</html>"):
            kinto.repository(Task).save(saved())


def test_odd_permissions_and_timestamps_are_unknown(loopback: Loopback) -> None:
    odd: list[Any] = [[], "all", {"read": "me"}, {"read": [3]}]
    for permissions in odd:
        told = {"data": {"id": "t1", "last_modified": 0}, "permissions": permissions}
        loopback.answers(200, {}, json.dumps(told).encode())
        with Client(loopback.url) as kinto:
            task = kinto.repository(Task).get("t1")
            assert not task.permissions.known
            assert task.etag is None


@pytest.mark.parametrize("timestamp", [0, -5, True])
def test_a_timestamp_that_is_none_makes_no_condition(loopback: Loopback, timestamp: Any) -> None:
    loopback.answers(200, {}, json.dumps({"data": {"id": "t1", "last_modified": timestamp}}).encode())
    with Client(loopback.url) as kinto:
        task = kinto.repository(Task).get("t1")
        task.title = "new"
        with pytest.raises(NotSavedError, match="never told the timestamp"):
            task.save()


def test_pages_stay_on_the_server(loopback: Loopback) -> None:
    page = b'{"data": [{"id": "t1", "last_modified": 5}]}'
    loopback.answers(
        200, {"Next-Page": "https://evil.example/v1/buckets/todo/collections/tasks/records?_token=x"}, page
    )
    with Client(loopback.url, auth=("alice", "s3cret")) as kinto:
        found = iter(kinto.repository(Task).find())
        assert next(found).id == "t1"
        with pytest.raises(ForeignPageError):
            next(found)
    assert len(loopback.received) == 1


def test_reads_are_tried_again_and_writes_that_would_do_more_are_not(loopback: Loopback) -> None:
    loopback.answers(503, {}, b"")
    loopback.answers(200, {}, b'{"data": {"id": "t1", "last_modified": 5}}')
    with Client(loopback.url, retry=1) as kinto:
        assert kinto.repository(Task).get("t1").last_modified == 5
        loopback.answers(503, {}, b"")
        with pytest.raises(UnavailableError):
            kinto.repository(Anywhere).create(Anywhere())
    assert [each.line.split()[0] for each in loopback.received] == ["GET", "GET", "POST"]


def test_a_write_is_sent_again_when_the_server_asks_for_it(loopback: Loopback) -> None:
    loopback.answers(429, {"Retry-After": "0"}, b"")
    loopback.answers(200, {"ETag": '"6"'}, b'{"data": {"id": "t1", "last_modified": 6, "title": "y", "tags": ["z"]}}')
    task = saved()
    with Client(loopback.url) as kinto:
        kinto.repository(Task).save(task)
    assert [each.line.split()[0] for each in loopback.received] == ["PATCH", "PATCH"]
    assert loopback.received[0].body == loopback.received[1].body
    assert not task.dirty


statuses = st.sampled_from([200, 201, 204, 206, 301, 304, 400, 401, 404, 405, 409, 412, 418, 429, 500, 503, 599])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["data", "id", "details", "existing", "errno", "message", "last_modified", "permissions", "title"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
bodies = st.binary(max_size=30) | values.map(lambda value: json.dumps(value).encode())


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    use=st.sampled_from(sorted(USES)),
    status=statuses,
    body=bodies,
    etag=st.sampled_from(["", '"0"', '"5"', "W/x", "9" * 50]),
)
def test_whatever_is_answered_only_errors_of_the_tree_come_out(
    loopback: Loopback, use: str, status: int, body: bytes, etag: str
) -> None:
    task = saved()
    before = (task.model_dump(), task.etag, task.changes)
    for _ in range(4):
        loopback.answers(status, {"ETag": etag, "Total-Objects": "x"}, body)
    client: Any = Client(loopback.url, retry=0, timeout=2)
    try:
        USES[use](client, task)
    except KintoError as error:
        assert str(error)
        assert before == (task.model_dump(), task.etag, task.changes)
        assert isinstance(error, (TransportError, InvalidAnswerError)) or status >= 400
    finally:
        client.close()
        loopback.forget()
