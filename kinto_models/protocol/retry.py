"""When to send a request again, and after how long: pure, its clock and its dice handed in, and never asleep.

A request is sent again where it certainly was not carried out and that may change: nothing of it was sent, or the
server says so, by a 409, a 429 or a ``Retry-After`` (https://docs.kinto-storage.org/en/stable/api/1.x/backoff.html).
Where nobody knows whether it was, it is sent again if it only reads, or if a second time does no more than the first.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias, TypeVar

from kinto_models.errors import AnswerTooLargeError, BackoffError, TLSError, TransportError
from kinto_models.protocol.messages import Operation, Pause, Raised, Request, Response
from kinto_models.protocol.refusals import backoff_of, is_kintos, retry_after, uncertain

__all__ = ["DEFAULT_POLICY", "Attempts", "Pacing", "RetryPolicy", "attempts"]


T = TypeVar("T")
Outcome: TypeAlias = "Response | TransportError"

_ABORTED: Final = 409
_ASKING: Final = (_ABORTED, 429, 503)
"""Statuses whose ``Retry-After`` says that the request was not carried out."""
_FAILED: Final = (500, 502, 503, 504)
_RACES: Final = 20
"""How often a 409 is met before it is left to the caller: it says that others are writing, not that anything fails."""
_APART: Final = 1.0
"""Seconds, at most, that are added to what a 409 asks for: enough to meet others no more."""
_WAYS: Final = ("wait", "raise", "ignore")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, and how long apart, a request is sent again. A subclass may decide otherwise in ``delay()``.

    What may not be sent twice is not, whatever the policy: a write of which nobody knows whether it was carried out,
    and that would do more the second time.

    Attributes:
        retries: further tries after the first; 0 turns retrying off. A 409, which says that others were faster, is met
            up to 20 times, within the budget.
        backoff: seconds; the wait before the first further try is a random part of them, doubled for each one after. A
            server that asks for a wait gets that much on top of it.
        longest: seconds that a single wait may take. A server that asks for more is not waited for: the error is
            raised at once, with its ``retry_after``.
        budget: seconds after the first try in which a further one may begin; None for no limit.
        on_backoff: what to do when a server that is under load asks all clients to send nothing for a while, by the
            header ``Backoff``: ``"wait"``, unless it takes longer than ``longest``, ``"raise"`` a ``BackoffError``, or
            ``"ignore"`` it.

    Raises:
        ValueError: a negative number, or another word.
    """

    retries: int = 2
    backoff: float = 0.1
    longest: float = 30.0
    budget: float | None = 60.0
    on_backoff: Literal["wait", "raise", "ignore"] = "wait"

    @classmethod
    def of(cls, retry: int | RetryPolicy) -> RetryPolicy:
        """Reads what a client takes as ``retry``.

        Raises:
            ValueError: a negative number.
            TypeError: neither a whole number nor a policy.
        """
        if isinstance(retry, RetryPolicy):
            return retry
        if isinstance(retry, bool) or not isinstance(retry, int):
            raise TypeError(f"retry is a number of further tries or a RetryPolicy, not {retry!r}")
        return cls(retries=retry)

    def __post_init__(self) -> None:
        numbers = (self.retries, self.backoff, self.longest, 0 if self.budget is None else self.budget)
        if not all(isinstance(number, (int, float)) for number in numbers) or not isinstance(self.retries, int):
            raise TypeError(f"{self!r}: retries is a whole number; the others are seconds")
        if not all(number >= 0 for number in numbers):
            raise ValueError(f"{self!r}: none of the numbers may be negative")
        if self.on_backoff not in _WAYS:
            raise ValueError(f"on_backoff is one of {', '.join(map(repr, _WAYS))}, not {self.on_backoff!r}")

    def delay(self, attempt: int, request: Request, outcome: Response | TransportError, chance: float) -> float | None:
        """Seconds to wait before sending again, or None where the outcome stands.

        Parameters:
            attempt: tries that were made before this one.
            request: what was sent.
            outcome: what came of it.
            chance: a random number from 0 up to 1.
        """
        status = outcome.status if isinstance(outcome, Response) else 0
        if attempt >= (max(self.retries, _RACES) if status == _ABORTED and self.retries else self.retries):
            return None
        most = min(self.longest, _APART) if status == _ABORTED else self.longest
        spread = chance * min(self.backoff * 2.0 ** min(attempt, 32), most)
        asked = retry_after(outcome) if isinstance(outcome, Response) and status in _ASKING else None
        if asked is not None:
            return min(asked + spread, self.longest) if asked <= self.longest else None
        return spread if _may_change(request, outcome) else None


DEFAULT_POLICY: Final = RetryPolicy()


class Pacing:
    """What all requests of a client share when they are sent again.

    Parameters:
        policy: of the client.
        clock: tells seconds, from whenever it likes.
        dice: tells a random number from 0 up to 1.
        renews: whether the transport gets other credentials where the server refuses a request with a 401.
    """

    def __init__(
        self, policy: RetryPolicy, clock: Callable[[], float], dice: Callable[[], float], *, renews: bool = False
    ) -> None:
        self.policy: RetryPolicy = policy
        self.renews: bool = renews
        self.clock: Callable[[], float] = clock
        self.dice: Callable[[], float] = dice
        self._quiet_until = float("-inf")

    def heed(self, response: Response) -> None:
        """Notes that the server wants no requests for a while."""
        if seconds := backoff_of(response):
            self._quiet_until = max(self._quiet_until, self.clock() + seconds)

    def quiet(self, request: Request) -> float:
        """Seconds to wait before a request is sent.

        Raises:
            BackoffError: the policy does not wait, or not that long.
        """
        left = self._quiet_until - self.clock()
        if left <= 0 or self.policy.on_backoff == "ignore":
            return 0.0
        if self.policy.on_backoff == "raise" or left > self.policy.longest:
            error = BackoffError(
                f"{request.line}: not sent, because the server asks its clients to send nothing for {left:.3g} s more: "
                "see RetryPolicy.on_backoff"
            )
            error.retry_after = left
            raise error
        return left

    def next(self, attempt: int, operation: Operation[Any], outcome: Outcome, began: float) -> Pause | None:
        """How long to wait before an operation is sent again, or None where the outcome stands."""
        if isinstance(outcome, Response):
            if "Backoff" in outcome.headers:
                self.heed(outcome)
            if outcome.status < 400 or outcome.status in operation.answers:
                return None
        if _is_doubtful(operation.request, outcome) and not operation.repeatable:
            return None
        delay = self.policy.delay(attempt, operation.request, outcome, self.dice())
        if delay is None:
            return None
        if not (isinstance(delay, (int, float)) and delay >= 0):
            raise TypeError(f"{type(self.policy).__name__}.delay() returned {delay!r}: it is seconds, or None")
        try:
            delay = max(delay, self.quiet(operation.request))
        except BackoffError:
            return None
        late = self.policy.budget is not None and self.clock() + delay - began > self.policy.budget
        return None if late else Pause(delay, "trying again")


def _may_change(request: Request, outcome: Outcome) -> bool:
    """Whether another try may end otherwise."""
    if isinstance(outcome, TransportError):
        return not isinstance(outcome, (TLSError, AnswerTooLargeError))  # neither gets better
    if outcome.status == 500:
        return request.safe  # what the server stumbles over is in the request, more often than not
    return outcome.status in _FAILED or outcome.status == 429


def _is_doubtful(request: Request, outcome: Outcome) -> bool:
    """Whether the request may have been carried out all the same."""
    if request.safe:
        return False
    if isinstance(outcome, TransportError):
        return outcome.sent
    refused = outcome.status == 503 and retry_after(outcome) is not None and is_kintos(outcome)
    return outcome.status in _FAILED and not refused


Attempts: TypeAlias = Generator["Request | Pause", "Response | TransportError", T]


def attempts(operation: Operation[T], pacing: Pacing) -> Attempts[T]:
    """Sends until an outcome stands: yields what to send or how long to wait, receives what came of it, and returns
    what the operation reads in it.

    Raises:
        BackoffError: the server wants no requests now; nothing was sent.
        UncertainOutcomeError: nobody knows whether a write was carried out.
        KintoError: the last outcome was a TransportError, or is read as another one.
    """
    request, attempt, doubt, began = operation.request, 0, operation.doubtful, pacing.clock()
    while True:
        try:
            if attempt == 0 and (seconds := pacing.quiet(request)):
                yield Pause(seconds, "the server asks to wait")
            outcome = yield request
            doubted, doubt = doubt, doubt or _is_doubtful(request, outcome)
            pause = pacing.next(attempt, operation, outcome, began)
        except Exception as error:  # no more is sent: a closed client, no login, a Backoff, a policy of the user's own
            if doubt:
                cause = error.error if isinstance(error, Raised) else error  # what is to be sent cannot be read again
                raise uncertain(request, cause) from cause
            raise
        if pause is None:
            break
        yield pause
        attempt += 1
    if isinstance(outcome, Response):
        return operation.decode(replace(outcome, again=True) if doubted else outcome)
    raise (uncertain(request, outcome) if doubt else outcome)
