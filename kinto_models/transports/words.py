"""What the errors of the wire say. Their texts name the foreign class only: foreign texts hold addresses, and an
address may hold the credentials of a proxy.
"""

from __future__ import annotations

from typing import Final

from kinto_models.errors import (
    AnswerTooLargeError,
    BrokenAnswerError,
    ConnectionFailedError,
    ConnectTimeoutError,
    ProxyFailedError,
    ReadTimeoutError,
    TimedOutError,
    TLSError,
    TransportError,
)
from kinto_models.protocol.messages import Request
from kinto_models.transports.limits import Limits

__all__ = ["CLOSED", "NO_COPY", "failed", "given_up", "too_large", "too_slow"]

CLOSED: Final = (
    "this client is closed: make a new one; an instance stays with the client that it came from, until another one "
    "saves it: client.repository(Task).save(task)"
)

NO_COPY: Final = (
    "a client holds connections and credentials, and is neither pickled nor copied deeply: make another one"
)

_MAY_BE_DONE: Final = "the server may have done it all the same"

_SAYS: Final[dict[type[TransportError], str]] = {
    ConnectTimeoutError: "no connection within the time limit; nothing was sent",
    ReadTimeoutError: "no answer within the time limit",
    TimedOutError: "the time limit is over",
    ProxyFailedError: "the proxy named in the environment does not work",
    TLSError: "the server's certificate or TLS is not accepted",
    BrokenAnswerError: "the answer broke off or cannot be decoded",
    ConnectionFailedError: "no connection to the server, or it was cut: is it running, and is its address right?",
}

_DOUBTFUL: Final = (ReadTimeoutError, BrokenAnswerError)
"""Errors after which the server may have carried the request out."""


def failed(ours: type[TransportError], request: Request, theirs: Exception, *, sent: bool) -> TransportError:
    """Our error for one of a library or the socket."""
    says = _SAYS.get(ours, "the exchange failed")
    if ours in _DOUBTFUL:
        says += _doubt(request)
    return _error(ours, request, f"{says} ({type(theirs).__name__})", sent=sent)


def given_up(request: Request, *, sent: bool) -> TransportError:
    """The error of a request that was under way when its client was closed."""
    outcome = _doubt(request) if sent else "; nothing was sent"
    return _error(ConnectionFailedError, request, f"the client was closed{outcome}", sent=sent)


def too_large(request: Request, limits: Limits) -> TransportError:
    """The error of an answer that has more bytes than it may have."""
    says = (
        f"the answer has more than {limits.answer_bytes} bytes; the client's limits=Limits(answer_bytes=...) takes more"
    )
    return _error(AnswerTooLargeError, request, says, sent=True)


def too_slow(request: Request, limits: Limits) -> TransportError:
    """The error of an answer that takes longer than it may take."""
    says = (
        f"no whole answer within {limits.answer_seconds} s; the client's limits=Limits(answer_seconds=...) takes more"
    )
    return _error(ReadTimeoutError, request, says + _doubt(request), sent=True)


def _doubt(request: Request) -> str:
    """What else the caller should know: nothing where there was nothing to carry out."""
    return "" if request.safe else f"; {_MAY_BE_DONE}"


def _error(ours: type[TransportError], request: Request, says: str, *, sent: bool) -> TransportError:
    error = ours(f"{request.line}: {says}")
    error.request = request.line
    if not sent:
        error.sent = False
    return error
