"""What is sent again, how often, and after how long."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from kinto_models.errors import (
    AnswerTooLargeError,
    BackoffError,
    BrokenAnswerError,
    ConnectionFailedError,
    ConnectTimeoutError,
    KintoError,
    NoClientError,
    ProxyFailedError,
    ReadTimeoutError,
    TimedOutError,
    TLSError,
    TransportError,
    UncertainOutcomeError,
)
from kinto_models.protocol.messages import Operation, Pause, Request, Response
from kinto_models.protocol.retry import DEFAULT_POLICY, Pacing, RetryPolicy, attempts

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_READS = ("GET", "HEAD")
_REPEATABLE = ("PUT", "DELETE")
_ONCE = ("POST", "PATCH")
_WRITES = (*_REPEATABLE, *_ONCE)
_POLICY = RetryPolicy(retries=3, backoff=0.5, longest=30.0)


def _answer(
    status: int, after: str | None = None, backoff: str | None = None, body: bytes = b'{"errno":201}'
) -> Response:
    headers = {"Retry-After": after, "Backoff": backoff}
    told = {name: value for name, value in headers.items() if value is not None}
    return Response(status, CaseInsensitiveDict(told), body, "http://kinto")


def _wire(kind: type[TransportError] = ConnectionFailedError, *, sent: bool = True) -> TransportError:
    error = kind("on the wire")
    error.sent = sent
    return error


@dataclass
class Run:
    """Runs an operation against outcomes that are lined up, in a time of its own that only waits pass."""

    policy: RetryPolicy = _POLICY
    chance: float = 1.0
    now: float = 1000.0
    takes: float = 0.0
    waits: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pacing = Pacing(self.policy, lambda: self.now, lambda: self.chance)

    def __call__(
        self,
        method: str,
        *outcomes: Response | TransportError | NoClientError,
        idempotent: bool | None = None,
        doubtful: bool = False,
    ) -> Any:
        """What stands in the end; every outcome must have been asked for."""
        request, left = Request(method, "/buckets"), list(outcomes)
        flow = attempts(Operation(request, lambda response: response, idempotent, doubtful), self.pacing)
        self.waits = []
        try:
            step = next(flow)
            while True:
                if isinstance(step, Pause):
                    self.waits.append(step.seconds)
                    self.now += step.seconds
                    step = next(flow)
                    continue
                assert step is request
                outcome = left.pop(0)
                self.now += self.takes
                step = flow.throw(outcome) if isinstance(outcome, NoClientError) else flow.send(outcome)
        except StopIteration as done:
            assert left == []
            return done.value
        except KintoError as error:
            assert left == []
            return error


@pytest.mark.parametrize("method", _METHODS)
@pytest.mark.parametrize("status", [200, 201, 304, 307, 400, 401, 403, 404, 409, 412, 501, 505])
def test_an_answer_that_would_not_change_stands(method: str, status: int) -> None:
    answer, run = _answer(status), Run()
    assert run(method, answer) is answer
    assert run.waits == []


@pytest.mark.parametrize("method", _READS)
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_read_is_sent_again_when_the_server_fails(method: str, status: int) -> None:
    answer, run = _answer(200), Run()
    assert run(method, _answer(status), _answer(status), answer) is answer
    assert run.waits == [0.5, 1.0]


@pytest.mark.parametrize("method", _REPEATABLE)
@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_write_that_does_no_more_the_second_time_is_sent_again_when_a_gateway_fails(method: str, status: int) -> None:
    run = Run()
    assert run(method, _answer(status), _answer(200)).status == 200
    assert run.waits == [0.5]


@pytest.mark.parametrize("method", _ONCE)
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_another_write_is_not_sent_again_when_the_server_fails(method: str, status: int) -> None:
    answer, run = _answer(status), Run()
    assert run(method, answer) is answer
    assert run.waits == []


@pytest.mark.parametrize("method", _WRITES)
def test_what_the_server_stumbles_over_is_not_written_again(method: str) -> None:
    answer = _answer(500)
    assert Run()(method, answer) is answer


_WIRE = [
    TransportError,
    ConnectionFailedError,
    ProxyFailedError,
    TimedOutError,
    ConnectTimeoutError,
    ReadTimeoutError,
    BrokenAnswerError,
]


@pytest.mark.parametrize("method", [*_READS, *_REPEATABLE])
@pytest.mark.parametrize("kind", _WIRE)
def test_what_may_be_sent_twice_is_sent_again_when_the_wire_breaks(method: str, kind: type[TransportError]) -> None:
    run = Run()
    assert run(method, _wire(kind), _wire(kind), _answer(200)).status == 200
    assert run.waits == [0.5, 1.0]


@pytest.mark.parametrize("method", _ONCE)
@pytest.mark.parametrize("kind", [*_WIRE, TLSError])
def test_what_may_not_be_sent_twice_ends_uncertain_when_the_wire_breaks(
    method: str, kind: type[TransportError]
) -> None:
    error, run = _wire(kind), Run()
    outcome = run(method, error)
    assert isinstance(outcome, UncertainOutcomeError)
    assert outcome.__cause__ is error
    assert (outcome.request, outcome.refusal, run.waits) == (f"{method} /buckets", None, [])


@pytest.mark.parametrize("method", _METHODS)
@pytest.mark.parametrize("kind", _WIRE)
def test_whatever_never_left_is_sent_again(method: str, kind: type[TransportError]) -> None:
    run = Run()
    assert run(method, _wire(kind, sent=False), _answer(200)).status == 200
    assert run.waits == [0.5]


@pytest.mark.parametrize("method", _METHODS)
def test_what_never_left_is_certain(method: str) -> None:
    errors = [_wire(ConnectTimeoutError, sent=False) for _ in range(4)]
    assert Run()(method, *errors) is errors[-1]


@pytest.mark.parametrize("method", _METHODS)
def test_a_certificate_that_is_not_accepted_is_not_tried_again(method: str) -> None:
    error = _wire(TLSError, sent=False)
    assert Run()(method, error) is error


def test_an_answer_that_is_too_large_is_not_asked_for_again() -> None:
    error = _wire(AnswerTooLargeError)
    assert Run()("GET", error) is error
    assert isinstance(Run()("PUT", error), UncertainOutcomeError)


@pytest.mark.parametrize("headers", [{"If-Match": '"1"'}, {"If-None-Match": "*"}])
@pytest.mark.parametrize("method", _METHODS)
def test_a_write_under_a_condition_may_be_sent_twice(method: str, headers: dict[str, str]) -> None:
    assert Operation(Request(method, "/buckets", headers), lambda response: response).repeatable


def test_what_was_sent_in_another_batch_is_as_doubtful_as_if_it_had_been_sent_here() -> None:
    assert Run()("PUT", _answer(412), doubtful=True).again
    never_left = [_wire(sent=False) for _ in range(4)]
    assert isinstance(Run()("PUT", *never_left, doubtful=True), UncertainOutcomeError)
    closed = NoClientError("closed")
    outcome = Run()("PUT", closed, doubtful=True)
    assert isinstance(outcome, UncertainOutcomeError)
    assert outcome.__cause__ is closed
    under_load = Run(RetryPolicy(on_backoff="raise"))
    under_load("GET", _answer(200, backoff="10"))
    outcome = under_load("PUT", doubtful=True)
    assert isinstance(outcome, UncertainOutcomeError)
    assert isinstance(outcome.__cause__, BackoffError)


def test_an_operation_may_know_better_than_its_method() -> None:
    assert isinstance(Run()("DELETE", _wire(), idempotent=False), UncertainOutcomeError)
    assert Run()("PATCH", _wire(), _answer(200), idempotent=True).status == 200


def test_a_first_try_that_may_have_been_carried_out_is_not_forgotten() -> None:
    assert Run()("PUT", _wire(), _answer(412)).again
    assert Run()("PUT", _answer(502), _answer(201)).again
    assert not Run()("PUT", _wire(sent=False), _answer(412)).again
    assert not Run()("PUT", _answer(503, "0"), _answer(412)).again
    outcome = Run()("PUT", _wire(), *(_wire(sent=False) for _ in range(3)))
    assert isinstance(outcome, UncertainOutcomeError)


def test_a_client_that_is_closed_between_two_tries_does_not_make_the_first_one_certain() -> None:
    closed = NoClientError("closed")
    outcome = Run()("PUT", _wire(), closed)
    assert isinstance(outcome, UncertainOutcomeError)
    assert outcome.__cause__ is closed
    assert Run()("PUT", closed) is closed
    assert Run()("GET", _wire(), closed) is closed


@pytest.mark.parametrize("method", _METHODS)
@pytest.mark.parametrize("status", [409, 429, 503])
def test_whatever_the_server_asks_to_be_sent_again_is_sent_again(method: str, status: int) -> None:
    run = Run()
    assert run(method, _answer(status, "7"), _answer(status, "0"), _answer(200)).status == 200
    assert run.waits == [7.5, 1.0]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"errno":true}'])
def test_what_something_before_kinto_says_proves_nothing(body: bytes) -> None:
    refused = _answer(503, "0", body=body)
    assert Run()("POST", refused) is refused
    assert Run()("PUT", refused, _answer(412)).again


def test_who_lost_a_race_does_not_wait_long() -> None:
    run = Run(RetryPolicy(retries=1, backoff=10.0))
    run("PUT", *[_answer(409, "0") for _ in range(4)], _answer(200))
    assert run.waits == [1.0] * 4


def test_a_policy_that_fails_does_not_make_a_write_certain() -> None:
    class Broken(RetryPolicy):
        def delay(
            self, attempt: int, request: Request, outcome: Response | TransportError, chance: float
        ) -> float | None:
            return float("nan")

    outcome = Run(Broken())("PUT", _wire())
    assert isinstance(outcome, UncertainOutcomeError)
    assert isinstance(outcome.__cause__, TypeError)
    with pytest.raises(TypeError, match=r"Broken.delay\(\) returned nan: it is seconds, or None"):
        Run(Broken())("GET", _wire())


@pytest.mark.parametrize("method", _METHODS)
def test_a_server_that_wants_fewer_requests_is_tried_again_also_where_it_does_not_say_when(method: str) -> None:
    run = Run()
    assert run(method, _answer(429), _answer(200)).status == 200
    assert run.waits == [0.5]


@pytest.mark.parametrize("status", [200, 400, 404, 412, 500])
def test_a_wait_that_comes_with_another_status_is_not_obeyed_by_a_write(status: int) -> None:
    answer = _answer(status, "1")
    assert Run()("PUT", answer) is answer


def test_a_date_to_wait_for_is_obeyed() -> None:
    headers = {"Retry-After": "Mon, 06 May 2024 07:08:19 GMT", "Date": "Mon, 06 May 2024 07:08:09 GMT"}
    refused, run = Response(503, CaseInsensitiveDict(headers), b'{"errno":201}', "http://kinto"), Run(chance=0.0)
    assert run("POST", refused, _answer(200)).status == 200
    assert run.waits == [10.0]


@pytest.mark.parametrize("method", _METHODS)
@pytest.mark.parametrize("after", ["31", "9" * 400])
def test_a_server_that_asks_for_more_than_the_longest_wait_is_not_waited_for(method: str, after: str) -> None:
    answer = _answer(503, after)
    assert Run()(method, answer) is answer


def test_the_longest_wait_itself_is_waited() -> None:
    run = Run()
    assert run("PUT", _answer(503, "30"), _answer(200)).status == 200
    assert run.waits == [30.0]


@pytest.mark.parametrize("after", ["", "soon", "-5", "1.5"])
def test_a_wait_that_cannot_be_read_counts_as_none(after: str) -> None:
    refused = _answer(503, after)
    assert Run()("POST", refused) is refused
    assert Run()("GET", refused, _answer(200)).status == 200


@pytest.mark.parametrize("retries", [0, 1, 2, 5])
def test_nothing_is_sent_more_often_than_the_policy_says(retries: int) -> None:
    run = Run(RetryPolicy(retries, backoff=0.0))
    failures = [_answer(500) for _ in range(retries + 1)]
    assert run("GET", *failures) is failures[-1]
    assert run.waits == [0.0] * retries
    cut = [_wire() for _ in range(retries + 1)]
    assert run("GET", *cut) is cut[-1]
    asked = [_answer(429, "0") for _ in range(retries + 1)]
    assert run("PUT", *asked) is asked[-1]


def test_a_lost_race_is_run_again_more_often_than_a_failure() -> None:
    races = [_answer(409, "0") for _ in range(21)]
    assert Run(RetryPolicy(backoff=0.0))("PUT", *races) is races[-1]
    assert Run(RetryPolicy(retries=0))("PUT", races[0]) is races[0]


def test_no_try_begins_when_the_budget_is_spent() -> None:
    run = Run(RetryPolicy(retries=9, backoff=1.0, budget=10.0))
    failures = [_answer(500) for _ in range(4)]
    assert run("GET", *failures) is failures[-1]  # 1 + 2 + 4, and 8 would be too long
    assert run.waits == [1.0, 2.0, 4.0]
    slow = Run(RetryPolicy(retries=9, backoff=0.0, budget=10.0), takes=4.0)
    assert slow("GET", *failures[:3]) is failures[2]
    unlimited = Run(RetryPolicy(retries=3, backoff=100.0, longest=1000.0, budget=None))
    assert unlimited("GET", *failures) is failures[-1]


def test_waits_double_up_to_the_longest() -> None:
    run = Run(RetryPolicy(retries=6, backoff=1.0, longest=5.0))
    run("GET", *[_answer(500) for _ in range(7)])
    assert run.waits == [1.0, 2.0, 4.0, 5.0, 5.0, 5.0]


def test_a_wait_is_a_random_part_of_what_it_may_be() -> None:
    half, none = Run(chance=0.5), Run(chance=0.0)
    half("GET", *[_answer(500) for _ in range(4)])
    none("GET", *[_answer(500) for _ in range(4)])
    assert (half.waits, none.waits) == ([0.25, 0.5, 1.0], [0.0, 0.0, 0.0])


@given(st.integers(0, 10**6), st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1), st.sampled_from(_METHODS))
def test_no_wait_is_longer_than_the_longest(
    attempt: int, backoff: float, longest: float, chance: float, method: str
) -> None:
    policy = RetryPolicy(10**6, backoff, longest)
    for outcome in (_answer(500), _answer(503, "12"), _answer(409, "3"), ReadTimeoutError("late")):
        delay = policy.delay(attempt, Request(method, "/buckets"), outcome, chance)
        assert delay is None or 0 <= delay <= longest


def test_after_very_many_tries_there_still_is_a_wait() -> None:
    assert RetryPolicy(retries=5000).delay(2000, Request("GET", "/"), _answer(500), 1.0) == 30.0


def test_a_client_that_was_told_nothing_tries_twice_more_within_a_minute() -> None:
    assert RetryPolicy(retries=2, backoff=0.1, longest=30.0, budget=60.0, on_backoff="wait") == DEFAULT_POLICY


def test_a_policy_of_ones_own_decides() -> None:
    class Patient(RetryPolicy):
        def delay(
            self, attempt: int, request: Request, outcome: Response | TransportError, chance: float
        ) -> float | None:
            return 7.0 if attempt < 1 else None

    run = Run(Patient())
    assert run("GET", _answer(404), _answer(404)).status == 404
    assert run.waits == [7.0]
    assert isinstance(run("POST", _wire()), UncertainOutcomeError)  # it does not decide what may be sent twice


# Backoff


def test_a_server_under_load_is_given_the_time_it_asks_for() -> None:
    run = Run()
    run("GET", _answer(200, backoff="10"))
    run.now += 3
    run("GET", _answer(200))
    assert run.waits == [7.0]
    run("GET", _answer(200))
    assert run.waits == []


@pytest.mark.parametrize("policy", [RetryPolicy(on_backoff="raise"), RetryPolicy(longest=9.0)])
def test_who_does_not_wait_that_long_is_told_how_long_it_is(policy: RetryPolicy) -> None:
    run = Run(policy)
    run("GET", _answer(200, backoff="10"))
    error = run("PUT")
    assert isinstance(error, BackoffError)
    assert error.retry_after == 10.0
    assert "PUT /buckets: not sent" in str(error)
    run.now += 10
    assert run("PUT", _answer(200)).status == 200


def test_who_ignores_it_goes_on() -> None:
    run = Run(RetryPolicy(on_backoff="ignore"))
    run("GET", _answer(200, backoff="10"))
    run("GET", _answer(200))
    assert run.waits == []


def test_a_further_try_waits_for_the_longer_of_the_two() -> None:
    run = Run()
    assert run("GET", _answer(503, "2", backoff="5"), _answer(200)).status == 200
    assert run.waits == [5.0]
    impatient, failed = Run(RetryPolicy(on_backoff="raise")), _answer(503, "2", backoff="5")
    assert impatient("GET", failed) is failed


@pytest.mark.parametrize("value", ["", "soon", "-1", "0", "1.5", "٣"])
def test_a_backoff_that_cannot_be_read_counts_as_none(value: str) -> None:
    run = Run()
    run("GET", _answer(200, backoff=value))
    run("GET", _answer(200))
    assert run.waits == []


# Words


def test_a_shorter_wait_does_not_end_a_longer_one() -> None:
    pacing = Run().pacing
    for backoff in ("10", "1"):
        pacing.heed(_answer(200, backoff=backoff))
    assert pacing.quiet(Request("GET", "/")) == 10.0


def test_a_wait_of_days_counts_as_an_hour() -> None:
    run = Run(RetryPolicy(longest=1e6))
    run("GET", _answer(200, backoff="9" * 400))
    run("GET", _answer(200))
    assert run.waits == [3600.0]


@pytest.mark.parametrize("wrong", ["3", None, 1.5, True, [], RetryPolicy])
def test_a_client_takes_a_number_of_tries_or_a_policy(wrong: Any) -> None:
    with pytest.raises(TypeError, match="a number of further tries or a RetryPolicy"):
        RetryPolicy.of(wrong)


@pytest.mark.parametrize("wrong", [{"retries": 1.5}, {"backoff": "x"}, {"longest": None}, {"budget": "60"}])
def test_a_policy_is_made_of_numbers(wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="retries is a whole number; the others are seconds"):
        RetryPolicy(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"retries": -1}, {"backoff": -0.1}, {"longest": -1.0}, {"budget": -1.0}, {"backoff": float("nan")}]
)
def test_a_policy_has_no_negative_numbers(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="negative"):
        RetryPolicy(**wrong)


def test_a_policy_knows_three_ways_to_meet_a_backoff() -> None:
    with pytest.raises(ValueError, match="'wait', 'raise', 'ignore', not 'sleep'"):
        RetryPolicy(on_backoff="sleep")  # type: ignore[arg-type]  # that is the test
