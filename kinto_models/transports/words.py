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


def failed(ours: type[TransportError], request: Request, theirs: Exception) -> TransportError:
    """Our error for one of a library or the socket."""
    error = ours(f"{request.line}: {_SAYS.get(ours, 'the exchange failed')} ({type(theirs).__name__})")
    error.request = request.line
    return error


def given_up(request: Request) -> TransportError:
    """The error of a request that was under way when its client was closed."""
    error = ConnectionFailedError(f"{request.line}: the client was closed; the server may have done it all the same")
    error.request = request.line
    return error
