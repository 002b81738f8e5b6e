"""When to send a request again, and after how long: pure, without clock, randomness or sleep.

Sent again are reads that met a broken wire or a failing server, and anything that a 429 or a 503 asks to be sent again
by ``Retry-After`` (https://docs.kinto-storage.org/en/stable/api/1.x/backoff.html): such a request was not carried out.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

from kinto_models.errors import TLSError, TransportError
from kinto_models.protocol.messages import Operation, Pause, Request, Response
from kinto_models.protocol.refusals import retry_after

__all__ = ["DEFAULT_POLICY", "Attempts", "RetryPolicy", "attempts"]


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, and how long apart, a request is sent again.

    Attributes:
        retries: further tries after the first; 0 turns retrying off.
        backoff: seconds before the first further try of a failed read, doubled for each one after.
        longest: seconds that a single wait may take. A server that asks for more is not waited for: the error is
            raised at once, with its ``retry_after``.
    """

    retries: int = 2
    backoff: float = 0.1
    longest: float = 30.0

    @classmethod
    def of(cls, retry: int | RetryPolicy) -> RetryPolicy:
        """Reads what a client takes as ``retry``.

        Raises:
            ValueError: a negative number.
        """
        return cls(retries=retry) if isinstance(retry, int) else retry

    def __post_init__(self) -> None:
        if self.retries < 0 or self.backoff < 0 or self.longest < 0:
            raise ValueError(f"{self!r}: none of the three may be negative")

    def delay(self, attempt: int, request: Request, outcome: Response | TransportError) -> float | None:
        """Seconds to wait before sending again, or None where the outcome stands. ``attempt`` counts from 0."""
        if attempt >= self.retries:
            return None
        asked = retry_after(outcome) if isinstance(outcome, Response) and outcome.status in (429, 503) else None
        if asked is not None:
            return asked if asked <= self.longest else None
        if request.safe and _failed(outcome):
            return min(self.backoff * 2.0 ** min(attempt, 32), self.longest)
        return None


DEFAULT_POLICY: Final = RetryPolicy()


def _failed(outcome: Response | TransportError) -> bool:
    if isinstance(outcome, Response):
        return outcome.status in (500, 502, 503, 504)
    return not isinstance(outcome, TLSError)  # a certificate does not get better


Attempts: TypeAlias = Generator["Request | Pause", "Response | TransportError | None", T]


def attempts(operation: Operation[T], policy: RetryPolicy) -> Attempts[T]:
    """Sends until an outcome stands: yields what to send or how long to wait, receives what came of it, and returns
    what the operation reads in it.

    Raises:
        KintoError: the last outcome was a TransportError, or is read as another one.
    """
    request, attempt = operation.request, 0
    while True:
        outcome = yield request
        if outcome is None:
            raise TypeError("a request is answered with a response or an error")
        delay = policy.delay(attempt, request, outcome)
        if delay is None:
            break
        yield Pause(delay)
        attempt += 1
    if isinstance(outcome, TransportError):
        raise outcome
    return operation.decode(outcome)
