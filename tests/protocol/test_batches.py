"""Many operations in one request: what the bytes are, and what becomes of each answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from kinto_models.errors import (
    AbortedError,
    AlreadyExistsError,
    ConflictError,
    InvalidAnswerError,
    InvalidRequestError,
    KintoError,
    NotFoundError,
    RefusedError,
    ServerFailedError,
    UnavailableError,
    UncertainOutcomeError,
)
from kinto_models.protocol import operations
from kinto_models.protocol.batches import batch, batchable, limit_of
from kinto_models.protocol.bodies import basic_patch, envelope, json_patch, merge_patch
from kinto_models.protocol.filters import Query
from kinto_models.protocol.messages import Operation, Request, Response
from kinto_models.protocol.operations import Answer
from kinto_models.protocol.paths import Plural, records
from tests.protocol.conftest import Kinto

_ROOT = "http://kinto.example/v1"
_LIST = "/buckets/blog/collections/articles/records"
_PLACE = records("blog", "articles")


def _response(status: int = 200, headers: dict[str, str] | None = None, body: bytes = b"{}") -> Response:
    return Response(status, CaseInsensitiveDict(headers or {}), body, _ROOT)


def _part(status: int = 200, body: Any = None, **headers: str) -> dict[str, Any]:
    return {
        "status": status,
        "path": "/v1/x",
        "body": body,
        "headers": {k.replace("_", "-"): headers[k] for k in headers},
    }


def _answers(*parts: Any) -> Response:
    return _response(200, {}, json.dumps({"responses": list(parts)}).encode())


def _decode(operations_: list[Operation[Any]], *parts: Any) -> list[Any]:
    return batch(operations_).decode(_answers(*parts))


# What is sent


def test_a_batch_is_the_bytes_of_its_requests_in_order(place: Plural) -> None:
    request = batch(
        [
            operations.create(place, "first", b'{"data":{"a": 1.0,  "b":"\xc3\xa9"}}'),
            operations.get(place, "first"),
            operations.patch(place, "first", basic_patch({"a": 2}), only=5),
            operations.delete(place, "first", only=6),
            operations.count(place, Query(limit=2)),
        ]
    ).request
    assert (request.method, request.target) == ("POST", "/batch")
    assert dict(request.headers) == {"Content-Type": "application/json"}
    first = f'"path":"{_LIST}/first"'

    # Bodies are those of the operations, letter by letter: not parsed and written again.
    assert (request.body or b"").decode() == (
        '{"requests":['
        f'{{"method":"PUT",{first},"headers":{{"If-None-Match":"*"}},'
        '"body":{"data":{"a": 1.0,  "b":"é"}}},'
        f'{{"method":"GET",{first}}},'
        f'{{"method":"PATCH",{first},"headers":{{"If-Match":"\\"5\\""}},"body":{{"data":{{"a":2}}}}}},'
        f'{{"method":"DELETE",{first},"headers":{{"If-Match":"\\"6\\""}}}},'
        f'{{"method":"HEAD","path":"{_LIST}?_limit=2"}}'
        "]}"
    )


def test_no_condition_of_a_part_stands_on_the_whole(place: Plural) -> None:
    # Kinto hands the headers of the batch request down to each part.
    request = batch([operations.delete(place, "first", only=6), operations.get(place, "first")]).request
    assert dict(request.headers) == {"Content-Type": "application/json"}
    assert not request.safe


_texts = st.text(st.characters(codec="utf-8"), max_size=5)


@given(bodies=st.lists(st.dictionaries(_texts, st.integers() | _texts, max_size=3), max_size=5))
def test_whatever_the_bodies_are_a_batch_is_json_that_holds_them(bodies: list[dict[str, Any]]) -> None:
    sent = json.loads(
        batch([operations.create_anywhere(_PLACE, envelope(body)) for body in bodies]).request.body or b""
    )
    assert [part["body"] for part in sent["requests"]] == [{"data": body} for body in bodies]


@pytest.mark.parametrize(
    ("operation", "carried"),
    [
        (operations.create(_PLACE, "first", b"{}"), True),
        (operations.create_anywhere(_PLACE, b"{}"), True),
        (operations.replace(_PLACE, "first", b"{}", only=5), True),
        (operations.delete(_PLACE, "first", only=5), True),
        (operations.delete_listed(_PLACE, Query()), True),
        (operations.get(_PLACE, "first"), True),
        (operations.get_list(_PLACE, Query()), True),
        (operations.count(_PLACE, Query()), True),
        (operations.get_timestamp(_PLACE), True),
        (operations.patch(_PLACE, "first", basic_patch({}), only=5), True),
        # Taken for a basic patch, which would store the nulls.
        (operations.patch(_PLACE, "first", merge_patch({}), only=5), False),
        # A list as the body of a part is a 400 for the whole batch.
        (operations.patch(_PLACE, "first", json_patch([]), only=5), False),
        # A 304 within a batch is a 500 for the whole batch.
        (operations.get_if_changed(_PLACE, "first", since=5), False),
        (operations.get(records("blog", "batches"), "first"), False),
        (operations.get(records("batch", "articles"), "first"), False),
        (operations.get(_PLACE, "batch-1"), False),
        (operations.get(_PLACE, "a-batch"), True),
        (operations.get(records("blog", "a-batch"), "first"), True),
        (batch([]), False),
    ],
)
def test_a_batch_carries_what_kinto_does_the_same_in_it(operation: Operation[Any], carried: object) -> None:
    assert batchable(operation.request) is carried


# What comes back


def test_each_answer_is_read_by_its_own_operation_in_order(place: Plural) -> None:
    listed: list[Operation[Any]] = [
        operations.create(place, "a", b"{}"),
        operations.get(place, "b"),
        operations.count(place, Query()),
        operations.get_timestamp(place),
        operations.get_list(place, Query()),
        operations.delete(place, "c", only=None),
    ]
    created, got, count, timestamp, page, deleted = _decode(
        listed,
        _part(201, {"data": {"id": "a"}}, ETag='"12"'),
        _part(200, {"data": {"id": "b"}}, etag='"13"'),
        _part(200, None, TOTAL_OBJECTS="42"),
        _part(200, "", eTaG='"14"'),
        _part(200, {"data": []}, next_page=f"{_ROOT}/next"),
        _part(200, {"data": {"id": "c", "deleted": True}}, ETag='"15"'),
    )
    assert created == Answer(b'{"data": {"id": "a"}}', 12, created=True, request=listed[0].request)
    assert got == Answer(b'{"data": {"id": "b"}}', 13, created=False, request=listed[1].request)
    assert (count, timestamp) == (42, 14)
    assert (json.loads(page.body), page.next_page, page.root) == ({"data": []}, f"{_ROOT}/next", _ROOT)
    assert deleted.timestamp == 15


def test_each_error_is_that_of_its_own_request(place: Plural) -> None:
    refusal = {"errno": 114, "message": "Resource was modified meanwhile", "details": {"existing": {"id": "a"}}}
    parts: list[tuple[Operation[Any], dict[str, Any], type[KintoError]]] = [
        (operations.create(place, "a", b"{}"), _part(412, refusal), AlreadyExistsError),
        (operations.replace(place, "b", b"{}", only=5), _part(412, refusal), ConflictError),
        (operations.get(place, "c"), _part(404, {"errno": 110}), NotFoundError),
        (operations.create(place, "d", b"{}"), _part(400, {"errno": 107, "details": [{}]}), InvalidRequestError),
        (operations.get(place, "e"), _part(503, {"errno": 201}, Retry_After="7"), UnavailableError),
        (operations.get(place, "f"), _part(500, {"errno": 999}), ServerFailedError),
        (operations.get(place, "g"), _part(304, None), InvalidAnswerError),
        (operations.count(place, Query()), _part(200, None), InvalidAnswerError),
    ]
    errors = _decode([operation for operation, _, _ in parts], *(part for _, part, _ in parts))
    assert [type(error) for error in errors] == [kind for _, _, kind in parts]
    for error, (operation, _, _) in zip(errors, parts, strict=True):
        assert operation.request.line in str(error)
    assert errors[0].details["existing"] == {"id": "a"}
    assert errors[3].details == [{}]
    assert errors[4].retry_after == 7


def test_an_object_that_did_not_change_is_none_also_where_it_comes_in_a_batch(place: Plural) -> None:
    assert _decode([operations.get_if_changed(place, "a", since=12)], _part(304, None, ETag='"12"')) == [None]


def test_a_409_takes_back_all_that_was_answered_before(place: Plural) -> None:
    # Kinto aborts the transaction, whatever the other answers said.
    listed = [operations.create(place, name, b"{}") for name in "abcde"]
    done, aborted = _part(201, {"data": {}}), _part(409, {"errno": 122})
    *errors, last = _decode(listed, done, aborted, done, aborted, done)
    assert [(type(error), error.status, error.errno) for error in errors] == [(AbortedError, 409, 122)] * 4
    assert [error.request for error in errors] == [operation.request.line for operation in listed[:4]]
    assert len({id(error) for error in errors}) == 4
    assert last.created  # what comes after is carried out


def test_a_batch_may_be_sent_twice_if_each_of_its_parts_may(place: Plural) -> None:
    once, twice = operations.create_anywhere(place, b"{}"), operations.create(place, "a", b"{}")
    assert batch([twice, twice]).repeatable
    assert not batch([twice, once]).repeatable


def test_the_parts_of_a_batch_that_was_tried_before_know_it(place: Plural) -> None:
    parts = [operations.create(place, "a", b"{}"), operations.get(place, "b")]
    operation = batch(parts)
    first = _answers(_part(412), _part(404))
    assert [type(result) for result in operation.decode(first)] == [AlreadyExistsError, NotFoundError]
    assert [type(result) for result in operation.again().decode(first)] == [UncertainOutcomeError, NotFoundError]


@pytest.mark.parametrize(
    ("status", "kind"), [(400, InvalidRequestError), (413, RefusedError), (500, ServerFailedError)]
)
def test_a_refused_batch_is_one_error(place: Plural, status: int, kind: type[KintoError]) -> None:
    with pytest.raises(kind, match="POST /batch"):
        batch([operations.get(place, "a")]).decode(_response(status))


@pytest.mark.parametrize("number", [0, 1, 3])
def test_an_answer_with_too_many_or_too_few_parts_is_none_of_kinto(place: Plural, number: int) -> None:
    two = [operations.get(place, "a"), operations.get(place, "b")]
    with pytest.raises(InvalidAnswerError, match="not one for each of the 2 requests; the server may have done them"):
        _decode(two, *[_part(200, {"data": {}})] * number)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b'{"responses": null}',
        b'{"responses": {"a": 1}}',
        b'{"responses": "a"}',
        b'{"responses": [null]}',
        b'{"responses": [[]]}',
        b'{"responses": [{}]}',
        b'{"responses": [{"status": "200"}]}',
        b'{"responses": [{"status": true}]}',
        b'{"responses": [{"status": 200.0}]}',
        b'{"responses": [{"status": null}]}',
        b'{"responses": [{"status": 200, "headers": [1]}]}',
        b'{"responses": [{"status": 200, "headers": "a"}]}',
        b'{"responses": [{"status": ' + b"9" * 5000 + b"}]}",
        b'{"responses": [{"status": 200, "body": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]}",
    ],
)
def test_what_is_no_answer_to_a_batch_is_told_as_such(place: Plural, body: bytes) -> None:
    with pytest.raises(InvalidAnswerError, match="POST /batch"):
        batch([operations.get(place, "a")]).decode(_response(body=body))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_statuses = st.sampled_from([200, 201, 204, 301, 304, 400, 401, 404, 409, 412, 429, 500, 503, 0, -1, 10**9]) | _json
_names = st.sampled_from(["ETag", "etag", "Next-Page", "Retry-After", "Date", "Location", "Total-Objects"])
_parts = (
    st.fixed_dictionaries(
        {}, optional={"status": _statuses, "body": _json, "headers": st.dictionaries(_names, _json) | _json}
    )
    | _json
)


@given(st.binary(max_size=60) | st.builds(lambda value: json.dumps(value).encode(), _json | st.lists(_parts)))
def test_garbage_is_never_another_error(body: bytes) -> None:
    with pytest.raises(InvalidAnswerError):
        batch([operations.get(_PLACE, "a")]).decode(_response(body=body))
    with pytest.raises(InvalidAnswerError):
        operations.hello().map(limit_of).decode(_response(body=body))


@given(parts=st.lists(_parts, min_size=6, max_size=6))
def test_garbage_within_an_answer_is_an_error_of_the_tree(parts: list[Any]) -> None:
    listed: list[Operation[Any]] = [
        operations.get(_PLACE, "a"),
        operations.get_if_changed(_PLACE, "a", since=5),
        operations.create(_PLACE, "a", b"{}"),
        operations.get_list(_PLACE, Query()),
        operations.count(_PLACE, Query()),
        operations.get_timestamp(_PLACE),
    ]
    try:
        results = batch(listed).decode(_answers(*parts))
    except InvalidAnswerError:
        return
    assert len(results) == 6
    assert not [result for result in results if isinstance(result, Exception) and not isinstance(result, KintoError)]


@given(data=st.dictionaries(st.text(st.characters(), max_size=5), _json, min_size=1, max_size=4))
def test_a_body_reads_the_same_alone_and_in_a_batch(data: dict[str, Any]) -> None:
    """Unicode, lone surrogates, big integers and every float."""
    operation = operations.get(_PLACE, "a")
    alone = json.dumps({"data": data}).encode()
    (inside,) = batch([operation]).decode(_response(body=b'{"responses":[{"status":200,"body":' + alone + b"}]}"))
    assert repr(json.loads(inside.body)) == repr(json.loads(operation.decode(_response(body=alone)).body))


@pytest.mark.parametrize(
    "text",
    [
        '"\\ud800"',
        '"\\ud83d\\ude00 é 日本 \\u0000 \\u2028"',
        "12345678901234567890123456789012345678901234567890",
        "-0.0",
        "1e-320",
        "0.1000000000000000055511151231257827",
        "1.7976931348623157e308",
        "1e22",
        "1.0",
    ],
)
def test_values_that_json_libraries_differ_about_survive(place: Plural, text: str) -> None:
    alone = f'{{"data":{{"é":{text}}}}}'.encode()
    operation = operations.get(place, "a")
    (inside,) = batch([operation]).decode(_response(body=b'{"responses":[{"status":200,"body":' + alone + b"}]}"))
    assert repr(json.loads(inside.body)) == repr(json.loads(alone))


@given(
    status=st.sampled_from([400, 403, 404, 412, 429, 500, 503]),
    body=st.dictionaries(st.sampled_from(["errno", "message", "error", "details", "x"]), _json, min_size=1),
    headers=st.dictionaries(st.sampled_from(["Retry-After", "Date"]), st.text(max_size=6)),
)
def test_an_error_is_the_same_alone_and_in_a_batch(status: int, body: Any, headers: dict[str, str]) -> None:
    operation = operations.create(_PLACE, "a", b"{}")
    (inside,) = batch([operation]).decode(_answers({"status": status, "body": body, "headers": headers}))
    with pytest.raises(KintoError) as alone:
        operation.decode(_response(status, headers, json.dumps(body).encode()))
    assert type(inside) is type(alone.value)
    assert str(inside) == str(alone.value)
    assert repr(vars(inside)) == repr(vars(alone.value))


# How much a server takes


@pytest.mark.parametrize(
    ("settings", "limit"),
    [
        ({"batch_max_requests": 25}, 25),
        ({"batch_max_requests": 10}, 10),
        ({"batch_max_requests": 1}, 1),
        ({"batch_max_requests": 10_000}, 10_000),
        # Unlimited: as many as are worth waiting for.
        ({"batch_max_requests": 0}, 500),
        ({"batch_max_requests": -1}, 500),
        ({"batch_max_requests": None}, 500),
        # What is not said, or no number, is Kinto's default.
        ({}, 25),
        ({"batch_max_requests": "10"}, 25),
        ({"batch_max_requests": True}, 25),
        ({"batch_max_requests": 10.5}, 25),
        ({"batch_max_requests": [10]}, 25),
    ],
)
def test_the_server_says_how_much_it_takes(settings: dict[str, Any], limit: int) -> None:
    body = json.dumps({"project_name": "kinto", "settings": settings}).encode()
    assert operations.hello().map(limit_of).decode(_response(body=body)) == limit


def test_the_limit_is_asked_at_the_root() -> None:
    assert operations.hello().map(limit_of).request == Request("GET", "/")


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"null", b"[]", b"{}", b'{"settings": null}', b'{"settings": [25]}', b"[" * 100_000]
)
def test_a_root_that_is_none_of_kinto_is_told_as_such(body: bytes) -> None:
    with pytest.raises(InvalidAnswerError, match="does not introduce itself as a Kinto"):
        operations.hello().map(limit_of).decode(_response(body=body))


def test_a_root_that_fails_is_an_error_of_its_own() -> None:
    with pytest.raises(ServerFailedError, match="GET /"):
        operations.hello().map(limit_of).decode(_response(500))


# And a real server


def test_kinto_does_a_batch_in_order_and_answers_each(real: Kinto) -> None:
    place, run = real.collection({"id": "there", "a": 1}), real.client.run
    listed: list[Operation[Any]] = [
        operations.create(place, "new", envelope({"a": 1.5, "b": "é\u2028", "c": 2**53 + 1})),
        operations.get(place, "new"),
        operations.create(place, "there", envelope({})),
        operations.get(place, "missing"),
        operations.count(place, Query()),
        operations.delete(place, "there", only=None),
        operations.count(place, Query()),
        operations.get_timestamp(place),
        operations.create_anywhere(place, envelope({"a": 3})),
        operations.get_list(place, Query()),
    ]
    results = run(batch(listed))
    created, got, exists, missing, two, deleted, one, timestamp, posted, page = results
    assert created.created
    data = json.loads(got.body)["data"]
    assert (data["a"], data["b"], data["c"]) == (1.5, "é\u2028", 2**53 + 1)
    assert got.timestamp == created.timestamp == data["last_modified"]
    assert isinstance(exists, AlreadyExistsError)
    assert exists.details["existing"]["a"] == 1
    assert isinstance(missing, NotFoundError)
    assert missing.errno == 110
    assert (two, one) == (2, 1)
    assert deleted.timestamp == timestamp
    assert posted.created
    assert len(json.loads(page.body)["data"]) == 2
    assert page.timestamp == posted.timestamp


def test_kinto_says_its_limit(real: Kinto) -> None:
    assert real.client.run(operations.hello().map(limit_of)) == 25


@pytest.mark.parametrize(
    "make",
    [
        lambda place: operations.patch(place, "there", json_patch([]), only=None),
        lambda place: operations.get(place, "batch-1"),
    ],
)
def test_what_a_batch_cannot_carry_would_fail_all_of_it(real: Kinto, make: Any) -> None:
    """That is why ``batchable()`` is asked."""
    place = real.collection({"id": "there"})
    with pytest.raises(InvalidRequestError):
        real.client.run(batch([operations.create(place, "new", envelope({})), make(place)]))
    assert real.ids(place, Query()) == ["there"]


def test_a_304_within_a_batch_fails_all_of_it(real: Kinto) -> None:
    place = real.collection({"id": "there"})
    since = real.client.run(operations.get(place, "there")).timestamp
    assert since is not None
    with pytest.raises(ServerFailedError):
        real.client.run(batch([operations.get_if_changed(place, "there", since=since), operations.get(place, "there")]))
