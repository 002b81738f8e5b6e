"""Batches: what the server makes of the requests in one, and what this library puts there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kinto_models import (
    AlreadyExistsError,
    BatchError,
    Client,
    InvalidIdError,
    NotFoundError,
    Record,
    RefusedError,
)
from kinto_models.embedded import EmbeddedServer
from tests.conftest import Wire
from tests.loopback import Loopback
from tests.traps.conftest import RECORDS, T1, Raw


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""
    places: dict[str, int] = {}


def batched(raw: Raw, *requests: dict[str, Any], **envelope: Any) -> list[Any]:
    """The answers to a batch that is sent without the library."""
    listed: list[Any] = raw("POST", "/batch", {"requests": list(requests), **envelope}).json()["responses"]
    return listed


def sent(wire: Wire) -> Any:
    """The last batch."""
    return next(json.loads(request.body or b"") for request in reversed(wire.sent) if request.target == "/batch")


def test_each_part_gets_its_own_answer_whatever_the_paths_look_like(kinto: Client, raw: Raw, wire: Wire) -> None:
    one, two = batched(raw, {"method": "GET", "path": f"/v1{T1}"}, {"method": "GET", "path": T1})
    assert one["path"] == two["path"] == f"/v1{T1}"
    with kinto.batch() as batch:
        tasks = batch.repository(Task)
        created, missing, other = batch.save(Task(id="t1", title="x")), tasks.get_or_none("t2"), tasks.get_or_none("t3")
        found = tasks.find(Task.title == "x").all()
        tasks.delete("t1")
        after = tasks.get_or_none("t1")
    assert created.result().created
    assert missing.result() is other.result() is after.result() is None
    assert [task.id for task in found.result()] == ["t1"]
    assert [part["path"] for part in sent(wire)["requests"]][:3] == [T1, f"{RECORDS}/t2", f"{RECORDS}/t3"]


def test_a_patch_that_a_batch_would_change_goes_alone(kinto: Client, raw: Raw, wire: Wire) -> None:
    raw("PUT", T1, {"data": {"extra": 1}})
    merge = {"Content-Type": "application/merge-patch+json"}
    part = {"method": "PATCH", "path": T1, "headers": merge, "body": {"data": {"extra": None}}}
    assert batched(raw, part)[0]["body"]["data"]["extra"] is None  # stored, and not removed
    listed = {"method": "PATCH", "path": T1, "body": [{"op": "remove", "path": "/data/extra"}]}
    other = {"method": "PUT", "path": f"{RECORDS}/t2", "body": {"data": {}}}
    assert raw("POST", "/batch", {"requests": [other, listed]}).status_code == 400
    assert raw("GET", f"{RECORDS}/t2").status_code == 404  # which failed too
    task = Task.get("t1")
    delattr(task, "extra")
    wire.clear()
    with kinto.batch() as batch:
        batch.save(Task(id="t3"))
        batch.save(task)
        batch.save(Task(id="t4"))
    alone = [request.headers["Content-Type"] for request in wire.sent if request.target == T1]
    assert alone == ["application/json-patch+json"]
    assert "extra" not in raw.data("GET", T1)


def test_headers_of_parts_are_text_and_the_envelope_has_none_that_parts_inherit(
    kinto: Client, raw: Raw, wire: Wire
) -> None:
    task = Task(id="t1")
    task.save()
    part = {"method": "PATCH", "path": T1, "body": {"data": {"title": "x"}}}
    refused = raw("POST", "/batch", {"requests": [{**part, "headers": {"If-Match": 5}}]})
    assert refused.status_code == 400
    inherited = raw("POST", "/batch", {"requests": [part]}, If_Match='"5"')
    assert [each["status"] for each in inherited.json()["responses"]] == [412]
    task.title = "y"
    etag = task.etag
    with kinto.batch() as batch:
        batch.save(task)
        batch.save(Task(id="t2"))
        batch.repository(Task).patch("t1", title="z")
    envelope = next(request for request in wire.sent if request.target == "/batch")
    assert envelope.headers == {"Content-Type": "application/json"}
    headers = [part.get("headers") for part in json.loads(envelope.body or b"")["requests"]]
    assert headers[:2] == [{"If-Match": etag}, {"If-None-Match": "*"}]
    assert Task.get("t1").title == "z"


def test_a_name_with_batch_in_it_fails_no_other_part(kinto: Client, raw: Raw) -> None:
    place = "/buckets/todo/collections/batches/records/x"
    parts = [{"method": "PUT", "path": path, "body": {"data": {}}} for path in (T1, place)]
    assert raw("POST", "/batch", {"requests": parts}).status_code == 400
    assert raw("GET", T1).status_code == 404
    kinto.bucket("todo").collection("batches").save()
    with kinto.batch() as batch:
        batch.save(Task(id="t1"))
        batch.repository(Task, collection="batches").create(Task(id="x"))
        batch.save(Task(id="batchy"))
    assert (Task.find().count(), kinto.repository(Task, collection="batches").count()) == (2, 1)


def test_a_batch_is_never_longer_than_the_server_takes(kinto: Client, raw: Raw, wire: Wire) -> None:
    parts = [{"method": "GET", "path": T1}] * 26
    assert raw("POST", "/batch", {"requests": parts}).status_code == 400
    assert batched(raw) == []
    assert kinto.repository(Task).create_many(Task(id=f"t{number}") for number in range(60)).created == 60
    sizes = [len(json.loads(each.body or b"")["requests"]) for each in wire.sent if each.target == "/batch"]
    assert sizes == [25, 25, 10]
    wire.clear()
    with kinto.batch():
        pass
    assert wire.sent == []


def test_a_success_that_holds_failures_is_a_failure(kinto: Client, raw: Raw) -> None:
    raw("PUT", T1, {"data": {}})
    answer = raw(
        "POST",
        "/batch",
        {
            "requests": [
                {"method": "PUT", "path": T1, "body": {"data": {}}, "headers": {"If-None-Match": "*"}},
                {"method": "PUT", "path": f"{RECORDS}/t2", "body": {"data": {}}},
            ]
        },
    )
    assert (answer.status_code, [each["status"] for each in answer.json()["responses"]]) == (200, [412, 201])
    stands: list[Any] = []
    with pytest.raises(BatchError, match="2 of 3") as caught, kinto.batch() as batch:  # noqa: PT012
        batch.save(Task(id="t1"))
        stands += [batch.save(Task(id="t3"))]
        batch.repository(Task).get("missing")
    assert [type(error) for _, error in caught.value.failures] == [AlreadyExistsError, NotFoundError]
    assert stands[0].result().created
    assert raw("GET", f"{RECORDS}/t3").status_code == 200  # a 4xx takes nothing back


def test_a_409_fails_what_was_answered_with_success_before_it(loopback: Loopback) -> None:
    """It ends the transaction, and the server's own answer does not say so."""
    loopback.answers(body=b'{"http_api_version":"1.23","url":"http://x/v1/","settings":{"batch_max_requests":25}}')
    done = {"status": 201, "path": "/", "headers": {"ETag": '"5"'}, "body": {"data": {"id": "a", "last_modified": 5}}}
    conflict = {"status": 409, "path": "/", "headers": {"Retry-After": "3"}, "body": {"errno": 122}}
    loopback.answers(body=json.dumps({"responses": [done, conflict]}).encode())
    tasks = [Task(id="a"), Task(id="b")]
    with Client(loopback.url, retry=0) as client, pytest.raises(BatchError, match="2 of 2") as caught:
        client.repository(Task).create_many(tasks)
    for _, error in caught.value.failures:
        assert isinstance(error, RefusedError)
        assert (error.status, error.errno, error.retry_after) == (409, 122, 3)
    assert not any(task.saved for task in tasks)


def test_no_part_leads_to_the_list_by_a_slash_too_many(kinto: Client, raw: Raw, wire: Wire) -> None:
    """In a batch the server follows its own redirects."""
    raw("PUT", T1, {"data": {}})
    (answer,) = batched(raw, {"method": "DELETE", "path": f"{RECORDS}/"})
    assert (answer["status"], [each["id"] for each in answer["body"]["data"]]) == (200, ["t1"])
    raw("PUT", T1, {"data": {}})
    wire.clear()
    with pytest.raises(BatchError) as caught, kinto.batch() as batch:  # noqa: PT012
        batch.repository(Task).delete("")
        batch.repository(Task).delete("t2/")
    assert [type(error) for _, error in caught.value.failures] == [InvalidIdError, InvalidIdError]
    assert wire.sent == []
    assert Task.find().count() == 1


def test_reads_in_a_batch_tell_what_they_tell_alone(kinto: Client, server: EmbeddedServer) -> None:
    Task(id="t1").save()
    with kinto.batch() as batch:
        tasks = batch.repository(Task)
        count, timestamp, found = tasks.count(), tasks.timestamp(), tasks.get("t1")
    alone = kinto.repository(Task)
    assert (count.result(), timestamp.result()) == (alone.count(), alone.timestamp())
    assert found.result().etag == alone.get("t1").etag


def test_no_defaults_are_merged_into_bodies(kinto: Client, raw: Raw, wire: Wire) -> None:
    part = {"method": "PUT", "path": T1, "body": {"data": {"places": {"b": 2}}}}
    batched(raw, part, defaults={"body": {"data": {"title": "x", "places": {"a": 1}}}})
    assert raw.data("GET", T1)["places"] == {"a": 1, "b": 2}
    task = Task.get("t1")
    task.places = {"c": 3}
    with kinto.batch() as batch:
        batch.save(task)
        batch.save(Task(id="t2"))
    assert sent(wire).keys() == {"requests"}
    assert raw.data("GET", T1)["places"] == {"c": 3}
