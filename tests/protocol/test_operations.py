"""One request for each thing that can be done, and the way to read its answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from requests.structures import CaseInsensitiveDict

from kinto_models.errors import AlreadyExistsError, InvalidAnswerError, KintoError, NotFoundError
from kinto_models.protocol import operations
from kinto_models.protocol.bodies import basic_patch, envelope, json_patch, merge_patch
from kinto_models.protocol.filters import Filter, Operator, Query
from kinto_models.protocol.messages import Operation, Request, Response
from kinto_models.protocol.operations import Answer, Listing
from kinto_models.protocol.paths import Plural

if TYPE_CHECKING:
    from tests.protocol.conftest import Kinto

_ROOT = "http://kinto.example/v1"
_LIST = "/buckets/blog/collections/articles/records"
_FIRST = f"{_LIST}/first"
_TWO = Query((Filter("a", Operator.EQ, 2),), limit=2)


def _response(status: int = 200, headers: dict[str, str] | None = None, body: bytes = b"{}") -> Response:
    return Response(status, CaseInsensitiveDict(headers or {}), body, _ROOT)


@pytest.mark.parametrize(
    ("make", "method", "target", "headers", "body"),
    [
        (lambda p: operations.get(p, "first"), "GET", _FIRST, {}, None),
        (lambda p: operations.get_if_changed(p, "first", since=5), "GET", _FIRST, {"If-None-Match": '"5"'}, None),
        (
            lambda p: operations.create(p, "first", b"{}"),
            "PUT",
            _FIRST,
            {"Content-Type": "application/json", "If-None-Match": "*"},
            b"{}",
        ),
        (
            lambda p: operations.create_anywhere(p, b"{}"),
            "POST",
            _LIST,
            {"Content-Type": "application/json"},
            b"{}",
        ),
        (
            lambda p: operations.replace(p, "first", b"{}", only=5),
            "PUT",
            _FIRST,
            {"Content-Type": "application/json", "If-Match": '"5"'},
            b"{}",
        ),
        (
            lambda p: operations.replace(p, "first", b"{}", only=None),
            "PUT",
            _FIRST,
            {"Content-Type": "application/json"},
            b"{}",
        ),
        (
            lambda p: operations.patch(p, "first", basic_patch({}), only=5),
            "PATCH",
            _FIRST,
            {"Content-Type": "application/json", "If-Match": '"5"'},
            b'{"data":{}}',
        ),
        (
            lambda p: operations.patch(p, "first", merge_patch({}), only=None),
            "PATCH",
            _FIRST,
            {"Content-Type": "application/merge-patch+json"},
            b'{"data":{}}',
        ),
        (
            lambda p: operations.patch(p, "first", json_patch([]), only=None),
            "PATCH",
            _FIRST,
            {"Content-Type": "application/json-patch+json"},
            b"[]",
        ),
        (lambda p: operations.delete(p, "first", only=5), "DELETE", _FIRST, {"If-Match": '"5"'}, None),
        (lambda p: operations.delete(p, "first", only=None), "DELETE", _FIRST, {}, None),
        (lambda p: operations.get_list(p, _TWO), "GET", f"{_LIST}?a=2&_limit=2", {}, None),
        (lambda p: operations.delete_listed(p, _TWO), "DELETE", f"{_LIST}?a=2&_limit=2", {}, None),
        (lambda p: operations.count(p, _TWO), "HEAD", f"{_LIST}?a=2&_limit=2", {}, None),
        (operations.get_timestamp, "HEAD", _LIST, {}, None),
    ],
)
def test_each_thing_is_one_request(
    place: Plural,
    make: Callable[[Plural], Operation[Any]],
    method: str,
    target: str,
    headers: dict[str, str],
    body: bytes | None,
) -> None:
    request = make(place).request
    assert (request.method, request.target, dict(request.headers), request.body) == (method, target, headers, body)
    assert request.safe is (method in ("GET", "HEAD"))


@pytest.mark.parametrize("only", [0, -1, True])
def test_no_write_is_made_under_a_timestamp_that_kinto_would_ignore(place: Plural, only: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        operations.replace(place, "first", b"{}", only=only)
    with pytest.raises(ValueError, match="positive"):
        operations.patch(place, "first", basic_patch({}), only=only)
    with pytest.raises(ValueError, match="positive"):
        operations.delete(place, "first", only=only)


@pytest.mark.parametrize(("status", "created"), [(200, False), (201, True)])
def test_the_status_tells_whether_an_object_is_new(place: Plural, status: int, created: object) -> None:
    for operation in (
        operations.create(place, "first", b"{}"),
        operations.create_anywhere(place, b"{}"),
        operations.replace(place, "first", b"{}", only=None),
    ):
        answer = operation.decode(_response(status, {"ETag": '"12"'}, b'{"data":{}}'))
        assert answer == Answer(b'{"data":{}}', 12, created is True, operation.request)


def test_an_object_that_did_not_change_is_none(place: Plural) -> None:
    operation = operations.get_if_changed(place, "first", since=12)
    assert operation.decode(_response(304, {"ETag": '"12"'}, b"")) is None
    assert operation.decode(_response(200, {"ETag": '"13"'}, b'{"data":{}}')) == Answer(
        b'{"data":{}}', 13, created=False, request=operation.request
    )


def test_a_page_knows_where_it_comes_from_and_what_follows(place: Plural) -> None:
    operation = operations.get_list(place, _TWO)
    response = _response(200, {"etag": '"12"', "next-page": f"{_ROOT}/next"}, b'{"data":[]}')
    assert operation.decode(response) == Listing(b'{"data":[]}', 12, operation.request, f"{_ROOT}/next", _ROOT)
    assert operation.decode(_response()).next_page is None


@pytest.mark.parametrize(
    "make",
    [
        lambda p: operations.get(p, "first"),
        lambda p: operations.create(p, "first", b"{}"),
        lambda p: operations.create_anywhere(p, b"{}"),
        lambda p: operations.replace(p, "first", b"{}", only=None),
        lambda p: operations.patch(p, "first", basic_patch({}), only=None),
        lambda p: operations.delete(p, "first", only=None),
        lambda p: operations.get_list(p, Query()),
        lambda p: operations.delete_listed(p, Query()),
        lambda p: operations.count(p, Query()),
        operations.get_timestamp,
    ],
)
@pytest.mark.parametrize("status", [100, 202, 204, 206, 299, 302, 304, 400, 404, 412, 418, 500, 503, 599, 999])
def test_an_answer_of_another_status_is_an_error_of_the_tree(
    place: Plural, make: Callable[[Plural], Operation[Any]], status: int
) -> None:
    operation = make(place)
    with pytest.raises(KintoError) as caught:
        operation.decode(_response(status, {"ETag": '"12"', "Total-Objects": "3"}))
    assert operation.request.line in str(caught.value)


@pytest.mark.parametrize("status", [201, 304])
def test_a_read_is_not_answered_with_a_creation_or_an_unasked_304(place: Plural, status: int) -> None:
    with pytest.raises(InvalidAnswerError):
        operations.get(place, "first").decode(_response(status))


@pytest.mark.parametrize("name", ["Total-Objects", "Total-Records", "total-objects"])
def test_the_count_is_read_from_the_headers(place: Plural, name: str) -> None:
    assert operations.count(place, Query()).decode(_response(200, {name: "42"}, b"")) == 42


def test_a_count_of_none_is_a_count(place: Plural) -> None:
    assert operations.count(place, Query()).decode(_response(200, {"Total-Objects": "0"}, b"")) == 0


@pytest.mark.parametrize("value", ["", "-1", "many", "1.5", "٣", "²", "9" * 5000])
def test_a_count_that_is_no_number_is_no_answer_of_kinto(place: Plural, value: str) -> None:
    with pytest.raises(InvalidAnswerError, match="how many"):
        operations.count(place, Query()).decode(_response(200, {"Total-Objects": value}, b""))


def test_a_head_without_the_headers_of_kinto_is_no_answer_of_kinto(place: Plural) -> None:
    with pytest.raises(InvalidAnswerError, match="how many"):
        operations.count(place, Query()).decode(_response())
    with pytest.raises(InvalidAnswerError, match="no ETag"):
        operations.get_timestamp(place).decode(_response())


def test_a_result_can_be_passed_through_a_function(place: Plural) -> None:
    operation = operations.get(place, "first")
    mapped = operation.map(lambda answer: answer.timestamp).map(str)
    assert mapped.request is operation.request
    assert mapped.decode(_response(200, {"ETag": '"12"'})) == "12"
    with pytest.raises(NotFoundError):
        mapped.decode(_response(404))


def test_a_request_shows_neither_its_query_in_messages_nor_its_body_in_its_repr() -> None:
    request = Request("PUT", "/buckets/blog?token=s3cret", {}, b'{"password":"s3cret"}')
    assert request.line == "PUT /buckets/blog"
    assert "password" not in repr(request)
    assert "password" not in repr(_response(body=b'{"password":"s3cret"}'))


def test_kinto_takes_a_whole_life_of_an_object(real: Kinto) -> None:
    place, run = real.collection(), real.client.run
    assert run(operations.count(place, Query())) == 0
    created = run(operations.create(place, "first", envelope({"a": 1})))
    assert (created.created, json.loads(created.body)["data"]["a"]) == (True, 1)
    with pytest.raises(AlreadyExistsError) as caught:
        run(operations.create(place, "first", envelope({"a": 2})))
    assert caught.value.details["existing"]["a"] == 1
    elsewhere = run(operations.create_anywhere(place, envelope({"a": 3})))
    assert elsewhere.created
    assert run(operations.count(place, Query())) == 2
    assert run(operations.get_timestamp(place)) == elsewhere.timestamp
    replaced = run(operations.replace(place, "first", envelope({"b": 1}), only=created.timestamp))
    assert (replaced.created, "a" in json.loads(replaced.body)["data"]) == (False, False)
    tombstone = json.loads(run(operations.delete(place, "first", only=replaced.timestamp)).body)["data"]
    assert tombstone == {"id": "first", "deleted": True, "last_modified": run(operations.get_timestamp(place))}
    with pytest.raises(NotFoundError) as missing:
        run(operations.get(place, "first"))
    assert missing.value.errno == 110
    assert run(operations.create(place, "first", envelope({}))).created
    assert len(json.loads(run(operations.delete_listed(place, Query())).body)["data"]) == 2
    assert run(operations.count(place, Query())) == 0
