"""What the errors of the wire say. Their texts name the foreign class only: foreign texts hold addresses, and an
address may hold the credentials of a proxy.
"""

from __future__ import annotations

from typing import Final

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
from kinto_models.protocol.messages import Request

__all__ = ["CLOSED", "failed", "given_up"]

CLOSED: Final = (
    "this client is closed: make a new one; an instance stays with the client that it came from, until another one "
    "saves it: client.repository(Task).save(task)"
)

_SAYS: Final[dict[type[TransportError], str]] = {
    ConnectTimeoutError: "no connection within the time limit; nothing was sent",
    ReadTimeoutError: "no answer within the time limit; the server may have done it all the same",
    TimedOutError: "the time limit is over",
    ProxyFailedError: "the proxy named in the environment does not work",
    TLSError: "the server's certificate or TLS is not accepted",
    BrokenAnswerError: "the answer broke off or cannot be decoded; the server may have done it all the same",
    ConnectionFailedError: "no connection to the server, or it was cut: is it running, and is its address right?",
}


def failed(ours: type[TransportError], request: Request, theirs: Exception, *, sent: bool) -> TransportError:
    """Our error for one of a library or the socket."""
    says = _SAYS.get(ours, "the exchange failed")
    return _error(ours, request, f"{says} ({type(theirs).__name__})", sent=sent)


def given_up(request: Request, *, sent: bool) -> TransportError:
    """The error of a request that was under way when its client was closed."""
    outcome = "the server may have done it all the same" if sent else "nothing was sent"
    return _error(ConnectionFailedError, request, f"the client was closed; {outcome}", sent=sent)


def _error(ours: type[TransportError], request: Request, says: str, *, sent: bool) -> TransportError:
    error = ours(f"{request.line}: {says}")
    error.request = request.line
    if not sent:
        error.sent = False
    return error
