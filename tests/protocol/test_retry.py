"""What is sent again, how often, and after how long."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from kinto_models.errors import (
    BrokenAnswerError,
    ConnectionFailedError,
    ConnectTimeoutError,
    ProxyFailedError,
    ReadTimeoutError,
    TimedOutError,
    TLSError,
    TransportError,
)
from kinto_models.protocol.messages import Operation, Pause, Request, Response
from kinto_models.protocol.retry import DEFAULT_POLICY, RetryPolicy, attempts

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_READS = ("GET", "HEAD")
_WRITES = ("POST", "PUT", "PATCH", "DELETE")
_POLICY = RetryPolicy(retries=3, backoff=0.5, longest=30.0)


def _answer(status: int, after: str | None = None) -> Response:
    return Response(status, CaseInsensitiveDict({} if after is None else {"Retry-After": after}), b"", "http://kinto")


def _asking(request: Request) -> Operation[Response]:
    return Operation(request, lambda response: response)


def _run(
    method: str, outcomes: list[Response | TransportError], policy: RetryPolicy = _POLICY
) -> tuple[Any, list[float]]:
    """What stands in the end, and the waits before; every outcome must have been asked for."""
    request = Request(method, "/buckets")
    flow = attempts(_asking(request), policy)
    step, waits, left = next(flow), list[float](), list(outcomes)
    try:
        while True:
            if isinstance(step, Pause):
                waits.append(step.seconds)
                step = flow.send(None)
            else:
                assert step is request
                step = flow.send(left.pop(0))
    except StopIteration as done:
        assert left == []
        return done.value, waits
    except TransportError as error:
        assert left == []
        return error, waits


@pytest.mark.parametrize("method", _METHODS)
@pytest.mark.parametrize("status", [200, 201, 304, 307, 400, 401, 403, 404, 409, 412, 429, 501, 505])
def test_an_answer_that_would_not_change_stands(method: str, status: int) -> None:
    answer = _answer(status)
    assert _run(method, [answer]) == (answer, [])


@pytest.mark.parametrize("method", _READS)
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_read_is_sent_again_when_the_server_fails(method: str, status: int) -> None:
    answer = _answer(200)
    assert _run(method, [_answer(status), _answer(status), answer]) == (answer, [0.5, 1.0])


@pytest.mark.parametrize("method", _WRITES)
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_write_is_not_sent_again_when_the_server_fails(method: str, status: int) -> None:
    answer = _answer(status)
    assert _run(method, [answer]) == (answer, [])


_WIRE = [
    TransportError,
    ConnectionFailedError,
    ProxyFailedError,
    TimedOutError,
    ConnectTimeoutError,
    ReadTimeoutError,
    BrokenAnswerError,
]


@pytest.mark.parametrize("method", _READS)
@pytest.mark.parametrize("kind", _WIRE)
def test_a_read_is_sent_again_when_the_wire_breaks(method: str, kind: type[TransportError]) -> None:
    answer = _answer(200)
    assert _run(method, [kind("first"), kind("second"), answer]) == (answer, [0.5, 1.0])


@pytest.mark.parametrize("method", _WRITES)
@pytest.mark.parametrize("kind", [*_WIRE, TLSError])
def test_a_write_is_not_sent_again_when_the_wire_breaks(method: str, kind: type[TransportError]) -> None:
    error = kind("once")
    assert _run(method, [error]) == (error, [])


@pytest.mark.parametrize("method", _METHODS)
def test_a_certificate_that_is_not_accepted_is_not_tried_again(method: str) -> None:
    error = TLSError("no")
    assert _run(method, [error]) == (error, [])


@pytest.mark.parametrize("method", _METHODS)
@pytest.mark.parametrize("status", [429, 503])
def test_whatever_the_server_asks_to_be_sent_again_is_sent_again(method: str, status: int) -> None:
    answer = _answer(200)
    assert _run(method, [_answer(status, "7"), _answer(status, "0"), answer]) == (answer, [7.0, 0.0])


@pytest.mark.parametrize("status", [200, 400, 404, 409, 412, 500, 502])
def test_a_wait_that_comes_with_another_status_is_not_obeyed_by_a_write(status: int) -> None:
    answer = _answer(status, "1")
    assert _run("PUT", [answer]) == (answer, [])


def test_a_date_to_wait_for_is_obeyed() -> None:
    headers = {"Retry-After": "Mon, 06 May 2024 07:08:19 GMT", "Date": "Mon, 06 May 2024 07:08:09 GMT"}
    refused, answer = Response(503, CaseInsensitiveDict(headers), b"", "http://kinto"), _answer(200)
    assert _run("POST", [refused, answer]) == (answer, [10.0])


@pytest.mark.parametrize("method", _METHODS)
@pytest.mark.parametrize("after", ["31", "9" * 400])
def test_a_server_that_asks_for_more_than_the_longest_wait_is_not_waited_for(method: str, after: str) -> None:
    answer = _answer(503, after)
    assert _run(method, [answer]) == (answer, [])


def test_the_longest_wait_itself_is_waited() -> None:
    answer = _answer(200)
    assert _run("PUT", [_answer(503, "30"), answer]) == (answer, [30.0])


@pytest.mark.parametrize("after", ["", "soon", "-5", "1.5"])
def test_a_wait_that_cannot_be_read_counts_as_none(after: str) -> None:
    refused, answer = _answer(503, after), _answer(200)
    assert _run("PUT", [refused]) == (refused, [])
    assert _run("GET", [refused, answer]) == (answer, [0.5])


@pytest.mark.parametrize("retries", [0, 1, 2, 5])
def test_nothing_is_sent_more_often_than_the_policy_says(retries: int) -> None:
    policy = RetryPolicy(retries, backoff=0.0)
    failures: list[Response | TransportError] = [_answer(500) for _ in range(retries + 1)]
    outcome, waits = _run("GET", failures, policy)
    assert outcome is failures[-1]
    assert waits == [0.0] * retries
    cut: list[Response | TransportError] = [ConnectionFailedError(str(n)) for n in range(retries + 1)]
    assert _run("GET", cut, policy) == (cut[-1], [0.0] * retries)
    asked: list[Response | TransportError] = [_answer(429, "0") for _ in range(retries + 1)]
    assert _run("PUT", asked, policy)[0] is asked[-1]


def test_waits_double_up_to_the_longest() -> None:
    policy = RetryPolicy(retries=6, backoff=1.0, longest=5.0)
    assert _run("GET", [_answer(500) for _ in range(7)], policy)[1] == [1.0, 2.0, 4.0, 5.0, 5.0, 5.0]


@given(st.integers(0, 10**6), st.floats(0, 1e6), st.floats(0, 1e6), st.sampled_from(_METHODS))
def test_no_wait_is_longer_than_the_longest(attempt: int, backoff: float, longest: float, method: str) -> None:
    policy = RetryPolicy(10**6, backoff, longest)
    for outcome in (_answer(500), _answer(503, "12"), ReadTimeoutError("late")):
        delay = policy.delay(attempt, Request(method, "/buckets"), outcome)
        assert delay is None or 0 <= delay <= longest


def test_after_very_many_tries_there_still_is_a_wait() -> None:
    assert RetryPolicy(retries=5000).delay(2000, Request("GET", "/"), _answer(500)) == 30.0


def test_a_client_that_was_told_nothing_tries_twice_more() -> None:
    assert RetryPolicy(retries=2, backoff=0.1, longest=30.0) == DEFAULT_POLICY


@pytest.mark.parametrize("wrong", [{"retries": -1}, {"backoff": -0.1}, {"longest": -1.0}])
def test_a_policy_has_no_negative_numbers(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="negative"):
        RetryPolicy(**wrong)


def test_a_runner_that_forgets_the_outcome_is_told() -> None:
    flow = attempts(_asking(Request("GET", "/")), _POLICY)
    next(flow)
    with pytest.raises(TypeError, match="answered with"):
        next(flow)
