"""The page of threats names tests that exist, and what a hostile server can do to a client: blocking and async."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import re
from collections.abc import Callable
from inspect import isawaitable
from math import isfinite
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest

from kinto_models import (
    AsyncClient,
    Client,
    ConflictError,
    EndOfLifeWarning,
    ForeignPageError,
    InvalidAnswerError,
    InvalidIdError,
    InvalidRecordError,
    KintoError,
    NoClientError,
    Record,
    RedirectError,
    RetryPolicy,
    UnavailableError,
)
from tests.loopback import Loopback
from tests.test_coverage import functions_of

_ROOT = Path(__file__).parent.parent
_PAGE = (_ROOT / "docs" / "security.md").read_text(encoding="utf-8")
_NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", _PAGE)))


@pytest.mark.parametrize(("file", "name"), _NAMED)
def test_a_test_that_is_named_exists(file: str, name: str) -> None:
    assert name in functions_of(_ROOT / file)


def test_each_threat_has_a_test_or_says_that_it_is_not_met() -> None:
    rows = [line for line in _PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| ---", "| Threat"))]
    assert len(rows) > 30
    for row in rows:
        threat, happens, shown = (cell.strip() for cell in row.strip("|").split(" | "))
        assert threat
        assert happens
        assert re.search(r"`tests/[\w/]+\.py::\w+`", shown) or "not there yet" in happens, row


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""
    n: int = 0


Ask: TypeAlias = Callable[..., Any]
"""Asks by a client of its own: ``ask(server, lambda tasks: tasks.get("t1"))``; options are the client's."""


@pytest.fixture(params=["blocking", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    usual: dict[str, Any] = {"retry": 0, "auth": ("alice", "s3cret")}

    def blocking(server: Loopback, use: Callable[[Any], Any], **options: Any) -> Any:
        with Client(server.url, **(usual | options)) as kinto:
            return use(kinto.repository(Task))

    async def awaited(server: Loopback, use: Callable[[Any], Any], **options: Any) -> Any:
        async with AsyncClient(server.url, **(usual | options)) as kinto:
            result = use(kinto.repository(Task))
            return await result if isawaitable(result) else result

    if request.param == "blocking":
        return blocking
    return lambda *args, **options: asyncio.run(awaited(*args, **options))


def _get(tasks: Any) -> Any:
    return tasks.get("t1")


def _all(tasks: Any) -> Any:
    return tasks.find().all()


def _record(**data: Any) -> bytes:
    return json.dumps({"data": {"id": "t1", "last_modified": 5, "title": "x", **data}}).encode()


def _stored() -> Task:
    """One that was read, and changed since."""
    loopback = Loopback()
    loopback.answers(body=_record())
    with Client(loopback.url, auth=("alice", "s3cret")) as kinto:
        task = kinto.repository(Task).get("t1")
    loopback.close()
    task.title = "y"
    return task


# Where credentials go


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "use", [_get, _all, lambda tasks: tasks.create(Task(id="t1")), lambda tasks: tasks.delete("t1")]
)
def test_a_redirect_is_an_error_and_its_target_hears_nothing(
    loopback: Loopback, ask: Ask, status: int, use: Callable[[Any], Any]
) -> None:
    elsewhere = Loopback()
    loopback.answers(status, {"Location": f"{elsewhere.url}/?token=s3cret"})
    with pytest.raises(RedirectError) as caught:
        ask(loopback, use)
    elsewhere.close()
    assert elsewhere.received == []
    assert "s3cret" not in str(caught.value) + caught.value.location


@pytest.mark.parametrize(
    "page",
    ["//elsewhere.invalid/v1/x", "http://127.0.0.1:1/v1/x", "{root}@elsewhere.invalid/x", "{root}/../x", "{root}"],
)
def test_a_next_page_elsewhere_is_an_error_and_not_asked_for(loopback: Loopback, ask: Ask, page: str) -> None:
    loopback.answers(200, {"Next-Page": page.format(root=loopback.url)}, b'{"data":[]}')
    with pytest.raises(ForeignPageError):
        ask(loopback, _all)
    assert len(loopback.received) == 1


def test_a_next_page_that_leads_round_in_circles_is_an_error(loopback: Loopback, ask: Ask) -> None:
    for page in ("?_token=a", "?_token=b", "?_token=a"):
        loopback.answers(200, {"Next-Page": f"{loopback.url}/x{page}"}, b'{"data":[]}')
    with pytest.raises(ForeignPageError, match="read before"):
        ask(loopback, _all)
    assert len(loopback.received) == 3


# What is shown


def test_the_log_of_a_retry_names_method_and_path_only(
    loopback: Loopback, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    loopback.answers(503, {"Retry-After": "0"})
    loopback.answers(body=b'{"data":[]}')
    with caplog.at_level(logging.DEBUG, "kinto_models"):
        ask(loopback, lambda tasks: tasks.find(Task.title == "private").all(), retry=1)
    ours = [record.getMessage() for record in caplog.records if record.name == "kinto_models"]
    assert any("/buckets/todo/collections/tasks/records" in line for line in ours)
    assert not any("private" in line or "s3cret" in line for line in ours)


def test_a_client_and_what_belongs_to_it_are_not_pickled() -> None:
    with Client("http://127.0.0.1:1/v1", auth=("alice", "s3cret")) as kinto:
        for belongs in (kinto, kinto.repository(Task), kinto.repository(Task).find(), kinto.batch()):
            with pytest.raises((TypeError, pickle.PicklingError)) as caught:
                pickle.dumps(belongs)
            assert "s3cret" not in str(caught.value)


def test_a_pickle_of_an_instance_holds_neither_its_client_nor_credentials() -> None:
    pickled = pickle.dumps(_stored())
    assert b"s3cret" not in pickled
    assert b"YWxpY2U6czNjcmV0" not in pickled  # of Basic
    with pytest.raises(NoClientError):
        pickle.loads(pickled).save()


def test_a_pickle_of_an_error_holds_no_credentials(loopback: Loopback, ask: Ask) -> None:
    theirs = {"details": {"existing": {"id": "t1", "last_modified": 6, "title": "z"}}}
    loopback.answers(412, {"ETag": '"6"'}, json.dumps(theirs).encode())
    with pytest.raises(ConflictError) as caught:
        ask(loopback, lambda tasks: tasks.save(_stored()))
    pickled = pickle.dumps(caught.value)
    assert b"s3cret" not in pickled
    assert b"YWxpY2U6czNjcmV0" not in pickled
    assert pickle.loads(pickled).mine.title == "y"


_ESCAPES: Final = "a\x1b[31mred\nINFO a forged line\r\x07\x9b\u202e"


def _is_one_line(text: str) -> bool:
    return text.isprintable()


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (403, {}, json.dumps({"message": _ESCAPES}).encode()),
        (400, {}, json.dumps({"error": _ESCAPES}).encode()),
        (500, {}, f"<p>{_ESCAPES}".encode()),
        (302, {"Location": "/\x1b[31mred"}, b""),
        (200, {}, b'{"data":"\x1b[31mred\\n'),
        (200, {}, _record(n=_ESCAPES)),
        (200, {}, _record(id=_ESCAPES)),
    ],
)
def test_an_error_is_one_line_without_control_characters_whatever_the_server_says(
    loopback: Loopback, ask: Ask, status: int, headers: dict[str, str], body: bytes
) -> None:
    loopback.answers(status, headers, body)
    with pytest.raises(KintoError) as caught:
        ask(loopback, _get)
    assert _is_one_line(str(caught.value))


def test_an_error_about_a_next_page_is_one_line_too(loopback: Loopback, ask: Ask) -> None:
    loopback.answers(200, {"Next-Page": f"{loopback.url}/\x1b[31mred"}, b'{"data":[]}')
    loopback.answers(500)
    with pytest.raises(KintoError) as caught:
        ask(loopback, _all)
    assert _is_one_line(str(caught.value))


@pytest.mark.parametrize("alert", [json.dumps({"message": _ESCAPES}), "\x1b[31mred"])
def test_a_warning_is_one_line_without_control_characters_whatever_the_server_says(
    loopback: Loopback, ask: Ask, alert: str
) -> None:
    loopback.answers(200, {"Alert": alert}, _record())
    with pytest.warns(EndOfLifeWarning, match="the server says") as told:
        ask(loopback, _get)
    assert _is_one_line(str(told[0].message))


# Ids and names


_USES_OF_AN_ID: Final[dict[str, Callable[[Any, str], Any]]] = {
    "get": lambda tasks, wrong: tasks.get(wrong),
    "delete": lambda tasks, wrong: tasks.delete(wrong),
    "patch": lambda tasks, wrong: tasks.patch(wrong, title="x"),
    "exists": lambda tasks, wrong: tasks.exists(wrong),
}


@pytest.mark.parametrize("use", _USES_OF_AN_ID)
@pytest.mark.parametrize(
    "wrong",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "/",
        "%2e%2e",
        "a%2fb",
        "a\n",
        "a\r\nX-Admin: 1",
        "a?b",
        "a#b",
        "a b",
        "\u00e9",
        "\ud800",
    ],
)
def test_an_id_that_would_be_another_path_or_header_is_refused_before_anything_is_sent(
    loopback: Loopback, ask: Ask, use: str, wrong: str
) -> None:
    with pytest.raises(InvalidIdError):
        ask(loopback, lambda tasks: _USES_OF_AN_ID[use](tasks, wrong))
    assert loopback.received == []


@pytest.mark.parametrize("where", ["bucket", "collection"])
@pytest.mark.parametrize("wrong", ["..", "a/b", "%2e%2e", "a\r\nX-Admin: 1", "a?b", "\u00e9", "\ud800"])
def test_a_bucket_or_collection_that_would_be_another_path_is_refused(where: str, wrong: str) -> None:
    for client in (Client("http://127.0.0.1:1/v1"), AsyncClient("http://127.0.0.1:1/v1")):
        with pytest.raises(InvalidIdError):
            client.repository(Task, **{where: wrong})


def test_an_id_of_the_server_that_is_a_path_is_refused(loopback: Loopback, ask: Ask) -> None:
    loopback.answers(body=_record(id="../../x"))
    with pytest.raises(InvalidRecordError):
        ask(loopback, _get)


# JSON


_DEEP: Final = b"[" * 100_000 + b"]" * 100_000
_BOMBS: Final = [
    b'{"data":' * 100_000,
    _DEEP,
    b'{"data":' + _DEEP + b"}",
    b'{"data":{"id":"t1","last_modified":5,"title":"x","more":' + _DEEP + b"}}",
    b'{"data":{"id":"t1","last_modified":5,"n":' + b"9" * 100_000 + b"}}",
    b'{"data":{"id":"t1","last_modified":5,"more":' + b"9" * 100_000 + b"}}",
    b'{"data":{"id":"t1","last_modified":' + b"9" * 100_000 + b"}}",
    b'{"errno":' + b"9" * 100_000 + b',"message":' + _DEEP + b"}",
    b'{"details":{"existing":' + _DEEP + b"}}",
]


@pytest.mark.parametrize("status", [200, 400, 412, 503])
@pytest.mark.parametrize("bomb", range(len(_BOMBS)))
def test_json_that_is_deep_or_has_huge_numbers_is_an_error_of_the_tree(
    loopback: Loopback, ask: Ask, bomb: int, status: int
) -> None:
    uses: list[Callable[[Any], Any]] = [_get, _all, lambda tasks: tasks.save(_stored())]
    for use in uses:
        loopback.answers(status, {}, _BOMBS[bomb])
        with pytest.raises(KintoError) as caught:
            ask(loopback, use)
        assert len(str(caught.value)) < 1000
        loopback.forget()


# Headers that lie


@pytest.mark.parametrize(
    "wait", ["1000000000000", "-5", "-1000000000000", "Fri, 31 Dec 9999 23:59:59 GMT", "nan", "inf", "1e9", "9" * 400]
)
def test_a_wait_without_end_or_sense_is_not_waited_for(loopback: Loopback, ask: Ask, wait: str) -> None:
    for _ in range(2):
        loopback.answers(503, {"Retry-After": wait, "Date": "Tue, 14 Nov 2023 22:13:20 GMT"})
    with pytest.raises(UnavailableError):
        ask(loopback, _get, retry=RetryPolicy(retries=1, backoff=0.0, longest=0.05))


@pytest.mark.parametrize(
    "wait",
    ["1000000000000", "-5", "nan", "9" * 400],
)
def test_a_wait_that_an_error_tells_is_a_number_of_seconds_or_none(loopback: Loopback, ask: Ask, wait: str) -> None:
    loopback.answers(503, {"Retry-After": wait})
    with pytest.raises(UnavailableError) as caught:
        ask(loopback, _get)
    asked = caught.value.retry_after
    assert asked is None or (isfinite(asked) and asked >= 0)


@pytest.mark.parametrize("backoff", ["1000000000000", "-5", "nan", "9" * 400, "x"])
def test_a_backoff_without_end_or_sense_does_not_stop_a_client(loopback: Loopback, ask: Ask, backoff: str) -> None:
    loopback.answers(200, {"Backoff": backoff}, _record())
    assert ask(loopback, _get).id == "t1"


@pytest.mark.parametrize("number", ["-1", "1e3", "9" * 5000, "", "0x10", "1, 2", "\u00b2"])
def test_a_number_of_objects_that_is_none_is_an_error(loopback: Loopback, ask: Ask, number: str) -> None:
    raw = f"HTTP/1.1 200 OK\r\nTotal-Objects: {number}\r\nContent-Length: 0\r\n\r\n"
    loopback.says(raw.encode("latin-1"), "keep")
    with pytest.raises(InvalidAnswerError):
        ask(loopback, lambda tasks: tasks.count())


@pytest.mark.parametrize("etag", ["W/x", '"' + "9" * 5000 + '"', "*", '"5", "6"', '"-5"'])
def test_an_etag_that_kinto_does_not_make_is_no_timestamp(loopback: Loopback, ask: Ask, etag: str) -> None:
    loopback.answers(200, {"ETag": etag}, b"")
    with pytest.raises(InvalidAnswerError):
        ask(loopback, lambda tasks: tasks.timestamp())


@pytest.mark.parametrize("kind", ["application/json", "text/html", "image/png", "", "application/json; charset=utf-16"])
def test_a_body_is_what_it_is_and_not_what_its_content_type_says(loopback: Loopback, ask: Ask, kind: str) -> None:
    loopback.answers(200, {"Content-Type": kind}, _record())
    assert ask(loopback, _get).title == "x"
    loopback.answers(200, {"Content-Type": kind}, b"<html>")
    with pytest.raises(InvalidAnswerError):
        ask(loopback, _get)


# Another object


@pytest.mark.parametrize(
    "use",
    [
        _get,
        lambda tasks: tasks.create(Task(id="t1", title="x")),
        lambda tasks: tasks.save(_stored()),
        lambda tasks: tasks.refresh(_stored()),
        lambda tasks: tasks.patch("t1", title="y"),
    ],
    ids=["get", "create", "save", "refresh", "patch"],
)
def test_another_object_than_the_one_that_was_asked_for_is_an_error(
    loopback: Loopback, ask: Ask, use: Callable[[Any], Any]
) -> None:
    loopback.answers(200, {"ETag": '"6"'}, _record(id="t2", last_modified=6))
    with pytest.raises(InvalidAnswerError):
        ask(loopback, use)
