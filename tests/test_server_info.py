"""What a server says of itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kinto_models import (
    AsyncClient,
    Client,
    EndOfLifeError,
    EndOfLifeWarning,
    ForbiddenError,
    Group,
    InvalidAnswerError,
    MissingCapabilityError,
    NotFoundError,
    Record,
    ServerFailedError,
    ServerInfo,
)
from kinto_models.embedded import EmbeddedServer
from tests.conftest import Wire
from tests.loopback import Loopback

_LEAST = {"http_api_version": "1.9", "url": "http://kinto/v1/", "settings": {}}


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""


def test_a_kinto_introduces_itself(kinto: Client) -> None:
    info = kinto.server_info()
    assert info.url == f"{kinto.url}/"
    assert info.api_version >= (1, 20)
    assert info.settings.batch_max_requests == 25
    assert not info.settings.readonly
    assert info.user is not None
    assert info.user.id == "account:alice"
    assert {"account:alice", "system.Authenticated"} <= set(info.user.principals)
    assert info.require("history").url.startswith("http")
    with pytest.raises(MissingCapabilityError, match="no capability 'openid', but accounts"):
        info.require("openid")


def test_who_is_anonymous_is_no_user(server: EmbeddedServer) -> None:
    with Client(server.url) as nobody:
        assert nobody.server_info().user is None


def test_the_default_bucket_has_a_real_id(kinto: Client) -> None:
    user = kinto.server_info().user
    assert user is not None
    assert user.bucket is not None
    kinto.bucket("default").collection("tasks").save()
    kinto.repository(Task, bucket="default").create(Task(id="t1"))
    assert kinto.repository(Task, bucket=user.bucket).get("t1").id == "t1"


def test_it_is_asked_once_for_a_client_batches_included(kinto: Client, wire: Wire) -> None:
    wire.clear()
    first = kinto.server_info()
    with kinto.batch() as batch:
        batch.save(Task())
        batch.save(Task())
    assert kinto.server_info() == first
    assert [request.target for request in wire.sent] == ["/", "/batch"]
    kinto.server_info(refresh=True)
    assert wire.last.target == "/"


async def test_async_code_asks_too(server: EmbeddedServer) -> None:
    async with AsyncClient(server.url, auth=("bob", "hunter2")) as akinto:
        info = await akinto.server_info()
    assert info.user is not None
    assert info.user.id == "account:bob"


def test_what_the_class_does_not_know_is_kept(loopback: Loopback) -> None:
    loopback.answers(body=json.dumps({**_LEAST, "eos": "2030-01-02", "config": {"hash": "x"}}).encode())
    with Client(loopback.url) as client:
        info = client.server_info()
    assert info.model_extra == {"config": {"hash": "x"}}
    assert (info.api_version, str(info.eos), info.capabilities) == ((1, 9), "2030-01-02", {})
    assert ServerInfo.model_validate_json(info.model_dump_json()) == info


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"settings":{}}', b'{"settings":3,"url":"x"}'])
def test_what_is_no_kinto_says_so_each_time(loopback: Loopback, body: bytes) -> None:
    loopback.answers(body=body)
    loopback.answers(body=json.dumps(_LEAST).encode())
    with Client(loopback.url) as client:
        with pytest.raises(InvalidAnswerError, match="does not introduce itself"):
            client.server_info()
        assert client.server_info(refresh=True).url == "http://kinto/v1/"


def test_a_server_that_fails_is_an_error_like_any_other(loopback: Loopback) -> None:
    loopback.answers(500)
    with Client(loopback.url, retry=0) as client, pytest.raises(ServerFailedError):
        client.server_info()


def test_a_service_that_has_ended_says_so(loopback: Loopback) -> None:
    body = b'{"code":410,"errno":202,"error":"Gone","message":"The service has ended, see https://example.com"}'
    loopback.answers(410, {"Alert": '{"code":"hard-eol","message":"x","url":"https://example.com"}'}, body)
    warned = pytest.warns(EndOfLifeWarning, match="x: https://example.com")
    refused = pytest.raises(EndOfLifeError, match="see https://example.com")
    with Client(loopback.url) as client, warned, refused as caught:
        client.repository(Task).get("t1")
    assert (caught.value.status, caught.value.errno) == (410, 202)


@pytest.mark.parametrize(
    ("alert", "said"),
    [
        (
            '{"code":"soft-eol","message":"It ends in May","url":"https://example.com"}',
            "It ends in May: https://example.com",
        ),
        ('{"code":"soft-eol","message":"It ends in May"}', "It ends in May"),
        ("It ends in May", "It ends in May"),
        ("[1]", r"\[1\]"),
        ('{"code":"hard-eol"}', "hard-eol"),
    ],
)
def test_a_server_that_is_going_to_end_is_a_warning(loopback: Loopback, alert: str, said: str) -> None:
    loopback.answers(200, {"Alert": alert}, b'{"data":{"id":"t1","last_modified":5}}')
    with Client(loopback.url) as client, pytest.warns(EndOfLifeWarning, match=f"^the server says: {said}$"):
        assert client.repository(Task).get("t1").id == "t1"


@pytest.mark.parametrize(
    ("alert", "code", "url"),
    [
        ('{"code":"soft-eol","message":"x","url":"https://example.com"}', "soft-eol", "https://example.com"),
        ('{"code":"hard-eol","message":"x"}', "hard-eol", None),
        ("It ends", None, None),
    ],
)
def test_a_warning_tells_an_end_to_come_from_one_that_has_come(
    loopback: Loopback, alert: str, code: str | None, url: str | None
) -> None:
    loopback.answers(200, {"Alert": alert}, b'{"data":{"id":"t1","last_modified":5}}')
    with Client(loopback.url) as client, pytest.warns(EndOfLifeWarning) as caught:
        client.repository(Task).get("t1")
    told: Any = caught[0].message
    assert (told.code, told.url) == (code, url)


async def test_async_code_is_warned_too(loopback: Loopback) -> None:
    loopback.answers(200, {"alert": "It ends"}, b'{"data":{"id":"t1","last_modified":5}}')
    async with AsyncClient(loopback.url) as client:
        with pytest.warns(EndOfLifeWarning, match="It ends"):
            await client.repository(Task).get("t1")


def test_a_server_without_default_buckets_says_so() -> None:
    class Note(Record, bucket="default", collection="notes"):
        text: str

    class Friends(Group, bucket="default", group="friends"):
        """One's own."""

    with Client.embedded(settings={"kinto.includes": "kinto.plugins.accounts"}) as plain:
        with pytest.raises(ForbiddenError, match="capability 'default_bucket'"):
            Note.get("n1")
        with pytest.raises(NotFoundError, match="capability 'default_bucket'"):
            Note(text="x").save()
        bucket = plain.bucket("todo")
        bucket.permissions.read.add(Friends)
        with pytest.raises(MissingCapabilityError, match="'default_bucket'"):
            bucket.save()
