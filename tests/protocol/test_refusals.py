"""From an answer that is no success to an error, and the errors themselves."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from kinto_models import errors
from kinto_models.client import Client
from kinto_models.errors import (
    AbortedError,
    AlreadyExistsError,
    BatchError,
    CallerError,
    ConflictError,
    EndOfLifeError,
    ForbiddenError,
    InvalidAnswerError,
    InvalidRequestError,
    KintoError,
    NotFoundError,
    NotSavedError,
    RedirectError,
    RefusedError,
    ServerError,
    ServerFailedError,
    StatusError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
)
from kinto_models.protocol import operations
from kinto_models.protocol.bodies import envelope
from kinto_models.protocol.messages import Request, Response
from kinto_models.protocol.paths import records
from kinto_models.protocol.refusals import error_of, retry_after

if TYPE_CHECKING:
    from tests.protocol.conftest import Kinto

_ROOT = "http://kinto.example/v1"
_GET = Request("GET", "/buckets/blog?token=s3cret")
_KINTO = json.dumps(
    {"code": 400, "errno": 107, "error": "Invalid parameters", "message": "n in body: Required", "details": [{"a": 1}]}
).encode()


def _response(status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> Response:
    return Response(status, CaseInsensitiveDict(headers or {}), body, _ROOT)


def _refusal(status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> StatusError:
    error = error_of(_GET, _response(status, headers, body))
    assert isinstance(error, StatusError)
    return error


@pytest.mark.parametrize(
    ("status", "kind", "blames", "builtin"),
    [
        (400, InvalidRequestError, CallerError, ValueError),
        (401, UnauthorizedError, CallerError, PermissionError),
        (403, ForbiddenError, CallerError, PermissionError),
        (404, NotFoundError, CallerError, LookupError),
        (405, RefusedError, CallerError, Exception),
        (409, AbortedError, RefusedError, Exception),
        (412, ConflictError, CallerError, Exception),
        (413, RefusedError, CallerError, Exception),
        (410, EndOfLifeError, CallerError, Exception),
        (429, TooManyRequestsError, CallerError, Exception),
        (499, RefusedError, CallerError, Exception),
        (500, ServerFailedError, ServerError, Exception),
        (502, ServerFailedError, ServerError, Exception),
        (503, UnavailableError, ServerError, Exception),
        (504, ServerFailedError, ServerError, Exception),
        (599, ServerFailedError, ServerError, Exception),
    ],
)
def test_each_status_has_its_error(
    status: int, kind: type[StatusError], blames: type[Exception], builtin: type[Exception]
) -> None:
    error = _refusal(status, {"Retry-After": "3"}, _KINTO)
    assert type(error) is kind
    assert isinstance(error, blames)
    assert isinstance(error, builtin)
    assert (error.status, error.errno, error.reason) == (status, 107, "n in body: Required")
    assert error.details == [{"a": 1}]
    assert error.request == "GET /buckets/blog"
    assert error.retry_after == 3.0
    assert str(error).startswith(f"GET /buckets/blog: {status} (errno 107): n in body: Required")
    assert "s3cret" not in str(error)


def test_a_412_to_a_creation_says_that_the_object_exists() -> None:
    request = Request("PUT", "/buckets/blog", {"If-None-Match": "*"})
    assert type(error_of(request, _response(412))) is AlreadyExistsError
    assert type(error_of(Request("PUT", "/buckets/blog", {"If-Match": '"1"'}), _response(412))) is ConflictError


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 429, 500, 502, 503])
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "no explanation"),
        (b"  \n", "no explanation"),
        (b"<html><body>Bad Gateway</body></html>", "<html><body>Bad Gateway</body></html>"),
        (b'{"code": 400, "mess', '{"code": 400, "mess'),
        (b'["a", "list"]', '["a", "list"]'),
        (b'"text"', '"text"'),
        (b"null", "null"),
        (b"\xff\xfe\x00", "\ufffd\ufffd"),
        (b"x" * 5000, "x" * 120),
        (b"[" * 100_000, "[" * 120),
        (b'{"error": "Gone"}', "Gone"),
        (b'{"message": "", "error": "Gone"}', "Gone"),
        (b'{"message": {"a": 1}}', '{"message": {"a": 1}}'),
        (b'{"message": null, "error": ""}', '{"message": null, "error": ""}'),
        (b"{}", "{}"),
    ],
)
def test_a_body_that_is_not_kintos_is_shown_in_part_and_breaks_nothing(status: int, body: bytes, reason: str) -> None:
    error = _refusal(status, body=body)
    assert (error.status, error.errno, error.reason, error.details) == (status, None, reason, None)
    assert f": {status}: {reason}" in str(error)


@pytest.mark.parametrize("errno", ["107", None, True, 1.5, [107], {"a": 1}])
def test_an_errno_of_another_type_is_none(errno: Any) -> None:
    error = _refusal(400, body=json.dumps({"errno": errno, "message": "No"}).encode())
    assert error.errno is None
    assert str(error) == "GET /buckets/blog: 400: No"


_HEADERS = st.dictionaries(st.sampled_from(["Location", "Retry-After"]), st.text())
_FIELDS = st.sampled_from(["errno", "message", "error", "details"])


@given(st.integers(100, 999), st.binary(max_size=60), _HEADERS)
def test_whatever_a_server_answers_there_is_an_error_of_the_tree(
    status: int, body: bytes, headers: dict[str, str]
) -> None:
    error = error_of(_GET, _response(status, headers, body))
    assert isinstance(error, CallerError if 400 <= status < 500 else ServerError)
    assert str(error).startswith("GET /buckets/blog: ")
    assert "s3cret" not in str(error)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_FIELDS, inner),
        max_leaves=5,
    )
)
def test_whatever_json_a_server_answers_there_is_an_error_of_the_tree(body: Any) -> None:
    error = _refusal(400, body=json.dumps(body).encode())
    assert isinstance(error.reason, str)
    assert error.reason
    assert error.errno is None or type(error.errno) is int


@pytest.mark.parametrize("status", [401, 403])
def test_an_error_of_rights_says_that_the_bucket_may_not_exist(status: int) -> None:
    assert "where the bucket does not exist" in str(_refusal(status, body=_KINTO))
    assert ("anonymous" in str(_refusal(status, body=_KINTO))) is (status == 401)


@pytest.mark.parametrize("status", [400, 404, 412, 500])
def test_no_other_error_says_so(status: int) -> None:
    assert "bucket does not exist" not in str(_refusal(status, body=_KINTO))


def test_kinto_indeed_answers_so_for_a_bucket_that_does_not_exist(real: Kinto) -> None:
    operation = operations.get(records("nowhere", "articles"), "first")
    with pytest.raises(ForbiddenError, match="bucket does not exist"):
        real.client.run(operation)
    anonymous = Client(real.client.url, retry=0)
    try:
        with pytest.raises(UnauthorizedError, match="anonymous"):
            anonymous.run(operation)
    finally:
        anonymous.close()


def test_kinto_says_where_a_request_is_invalid(real: Kinto) -> None:
    place = real.collection()
    with pytest.raises(InvalidRequestError) as caught:
        real.client.run(operations.create(place, "first", envelope({"id": "second"})))
    assert (caught.value.status, caught.value.errno) == (400, 107)
    assert isinstance(caught.value.details, list)
    assert caught.value.request == f"PUT {place.path}/first"


def test_a_304_that_nobody_asked_for_is_an_error() -> None:
    error = error_of(_GET, _response(304, {"ETag": '"1"'}))
    assert type(error) is InvalidAnswerError
    assert "304 that was not asked for" in str(error)


@pytest.mark.parametrize("status", [100, 202, 204, 206, 600, 999])
def test_a_status_that_kinto_has_not_is_an_error(status: int) -> None:
    error = error_of(_GET, _response(status))
    assert type(error) is InvalidAnswerError
    assert f"answered a {status}, which is not Kinto's" in str(error)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308, 399])
def test_a_redirect_of_any_kind_is_an_error(status: int) -> None:
    assert type(error_of(_GET, _response(status, {"Location": "/v2"}))) is RedirectError


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("http://evil.example/v1/", "http://evil.example/v1/"),
        ("https://kinto.example:8443/v1/x?token=s3cret#s3cret", "https://kinto.example:8443/v1/x"),
        ("http://alice:s3cret@evil.example/x", "http://evil.example/x"),
        ("http://[::1]:8888/v1", "http://[::1]:8888/v1"),
        ("//evil.example/x", "http://evil.example/x"),
        ("/v2/x", "http://kinto.example/v2/x"),
        ("other", "http://kinto.example/v1/buckets/other"),
        ("", "http://kinto.example/v1/buckets/blog"),
    ],
)
def test_a_redirect_is_an_error_that_says_where_to_without_secrets(location: str, shown: str) -> None:
    error = error_of(_GET, _response(307, {"Location": location}))
    assert type(error) is RedirectError
    assert error.location == shown
    assert f"redirects to {shown}, which is not followed" in str(error)
    assert "s3cret" not in str(error) + repr(vars(error))


@pytest.mark.parametrize("location", ["http://[evil", "http://evil.example:port/", "http://evil.example:99999/"])
def test_a_redirect_to_an_address_that_is_none_is_an_error_too(location: str) -> None:
    error = error_of(_GET, _response(302, {"Location": location}))
    assert type(error) is RedirectError
    assert "an address that is none" in str(error)


def test_a_redirect_without_location_is_an_error_too() -> None:
    assert type(error_of(_GET, _response(302))) is RedirectError


_NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone.utc)


def _waits(value: str, date: str | None = format_datetime(_NOW, usegmt=True)) -> float | None:
    return retry_after(_response(503, {"Retry-After": value, **({} if date is None else {"Date": date})}))


@given(st.integers(min_value=0, max_value=10**9))
def test_seconds_to_wait_are_read(seconds: int) -> None:
    assert _waits(str(seconds)) == seconds
    assert _waits(f" {seconds} ", None) == seconds


@given(st.integers(min_value=-(10**8), max_value=10**9))
def test_a_date_to_wait_for_is_read_against_the_date_of_the_answer(seconds: int) -> None:
    until = format_datetime(_NOW + timedelta(seconds=seconds), usegmt=True)
    assert _waits(until) == max(0, seconds)


@pytest.mark.parametrize(
    ("value", "date"),
    [
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("1e3", None),
        ("٣", None),
        ("²", None),
        ("1, 2", None),
        ("Mon, 06 May 2024 07:08:19 GMT", None),
        ("Mon, 06 May 2024 07:08:19 GMT", "yesterday"),
        ("Mon, 06 May 2024 07:08:19 -0000", "Mon, 06 May 2024 07:08:09 GMT"),
        ("Mon, 99 May 2024 07:08:19 GMT", "Mon, 06 May 2024 07:08:09 GMT"),
        ("Mon, 06 May 99999 07:08:19 GMT", "Mon, 06 May 2024 07:08:09 GMT"),
        ("Mon, 06 May 2024 07:08:19 +99999999999999", "Mon, 06 May 2024 07:08:09 GMT"),
        ("Mon, 06 May 2024 07:08:19 GMT", "Mon, 06 May 2024 07:08:09 +99999999999999"),
    ],
)
def test_a_wait_that_is_neither_is_none(value: str, date: str | None) -> None:
    assert _waits(value, date) is None


def test_an_answer_that_asks_for_no_wait_has_none() -> None:
    assert retry_after(_response(503)) is None
    assert _refusal(503).retry_after is None


@given(st.text() | st.from_regex(r"Mon, [0-9]{1,3} May [0-9]{1,6} [0-9:]{0,9} [+-][0-9]{0,20}"), st.text())
def test_whatever_a_server_asks_for_is_seconds_or_none(value: str, date: str) -> None:
    for wait in (_waits(value), _waits(value, date)):
        assert wait is None or wait >= 0


_CLASSES: list[type[KintoError]] = [getattr(errors, name) for name in errors.__all__]
_ATTRIBUTES: dict[str, Any] = {
    "failures": (("a", "its error"),),
    "status": 412,
    "errno": 114,
    "reason": "No",
    "details": {"existing": {"id": "a"}},
    "request": "PUT /buckets/blog",
    "retry_after": 1.5,
    "sent": False,
    "refusal": None,
    "mine": {"id": "a"},
    "base": {"id": "b"},
    "theirs": {"id": "c"},
    "overlapping": frozenset({"title"}),
    "location": "http://kinto.example/v1",
    "model": "Task",
    "object_id": "a",
    "errors": ({"loc": ("title",)},),
}


def _attributes(kind: type[KintoError]) -> dict[str, Any]:
    names = {name for each in kind.__mro__ if issubclass(each, KintoError) for name in each.__annotations__}
    return {name: _ATTRIBUTES[name] for name in names}


def test_every_error_is_named_and_of_the_tree() -> None:
    defined = {each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)}
    assert defined == set(_CLASSES)
    assert errors.__all__ == sorted(errors.__all__)
    assert all(issubclass(kind, KintoError) for kind in _CLASSES)


@pytest.mark.parametrize("kind", _CLASSES)
def test_every_error_has_a_place_in_the_drawn_tree(kind: type[KintoError]) -> None:
    blamed = (errors.CallerError, errors.ServerError, errors.TransportError)
    assert kind in (KintoError, StatusError, BatchError) or sum(issubclass(kind, each) for each in blamed) == 1
    assert kind is StatusError or kind.__name__ in (errors.__doc__ or "")
    assert kind.__doc__


@pytest.mark.parametrize("kind", _CLASSES)
@pytest.mark.parametrize("args", [(), ("it went wrong",), ("it went wrong", "twice")])
def test_every_error_survives_pickle_with_all_that_it_knows(kind: type[KintoError], args: tuple[Any, ...]) -> None:
    error = kind(*args)
    for name, value in _attributes(kind).items():
        assert hasattr(error, name), "every attribute has a default"
        setattr(error, name, value)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(error, protocol))
        assert type(again) is kind
        assert (again.args, str(again), vars(again)) == (args, str(error), _attributes(kind))
    assert (str(copy.copy(error)), vars(copy.deepcopy(error))) == (str(error), vars(error))


@pytest.mark.parametrize("kind", _CLASSES)
def test_every_error_says_what_it_was_told(kind: type[KintoError]) -> None:
    assert str(kind("it went wrong")) == "it went wrong"


def test_an_error_of_an_answer_survives_pickle() -> None:
    error = _refusal(400, {"Retry-After": "3"}, _KINTO)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), vars(again)) == (str(error), vars(error))
    assert again.details == [{"a": 1}]


def test_a_conflict_that_does_not_hold_both_sides_cannot_be_rebased() -> None:
    with pytest.raises(NotSavedError, match="both sides"):
        ConflictError("it changed").rebase()
