"""The blocking transport, on the requests library.

One session a thread (requests does not promise that sessions are thread-safe), each keeping its connections alive.
"""

from __future__ import annotations

import threading
import weakref
from contextlib import suppress
from functools import cached_property
from typing import Any, Final

import requests
import urllib3.exceptions
from urllib3 import HTTPConnectionPool, Timeout

from kinto_models.errors import (
    BrokenAnswerError,
    ConnectionFailedError,
    ConnectTimeoutError,
    NoClientError,
    ProxyFailedError,
    ReadTimeoutError,
    TimedOutError,
    TLSError,
    TransportError,
)
from kinto_models.protocol.messages import Request, Response
from kinto_models.transports.base import Connection
from kinto_models.transports.words import CLOSED, failed

__all__ = ["RequestsTransport", "translate"]

_Foreign = requests.exceptions
_Lower = urllib3.exceptions

# Most specific first: a class stands before its bases.
_OURS: Final[tuple[tuple[type[Exception], type[TransportError]], ...]] = (
    (_Foreign.ConnectTimeout, ConnectTimeoutError),
    (_Foreign.ReadTimeout, ReadTimeoutError),
    (_Foreign.Timeout, TimedOutError),
    (_Foreign.ProxyError, ProxyFailedError),
    (_Foreign.InvalidProxyURL, ProxyFailedError),
    (_Foreign.SSLError, TLSError),
    (_Foreign.ChunkedEncodingError, BrokenAnswerError),
    (_Foreign.ContentDecodingError, BrokenAnswerError),
    (_Foreign.InvalidHeader, BrokenAnswerError),
    (_Foreign.ConnectionError, ConnectionFailedError),
    (_Lower.NewConnectionError, ConnectionFailedError),
    (_Lower.ConnectTimeoutError, ConnectTimeoutError),
    (_Lower.ReadTimeoutError, ReadTimeoutError),
    (_Lower.TimeoutError, TimedOutError),
    (_Lower.ProxyError, ProxyFailedError),
    (_Lower.ProxySchemeUnknown, ProxyFailedError),
    (_Lower.ProxySchemeUnsupported, ProxyFailedError),
    (_Lower.SSLError, TLSError),
    (_Lower.IncompleteRead, BrokenAnswerError),
    (_Lower.InvalidChunkLength, BrokenAnswerError),
    (_Lower.DecodeError, BrokenAnswerError),
    (_Lower.ResponseError, BrokenAnswerError),
    (_Lower.ResponseNotChunked, BrokenAnswerError),
    (_Lower.BodyNotHttplibCompatible, BrokenAnswerError),
    (_Lower.InvalidHeader, BrokenAnswerError),
    (_Lower.HeaderParsingError, BrokenAnswerError),
    (_Lower.ProtocolError, ConnectionFailedError),
    (_Lower.ClosedPoolError, ConnectionFailedError),
    (_Lower.EmptyPoolError, ConnectionFailedError),
    (_Lower.FullPoolError, ConnectionFailedError),
    (_Lower.HostChangedError, ConnectionFailedError),
    (_Lower.MaxRetryError, ConnectionFailedError),
    (_Lower.PoolError, ConnectionFailedError),
    (_Lower.LocationParseError, ConnectionFailedError),
    (_Lower.LocationValueError, ConnectionFailedError),
    (_Lower.URLSchemeUnknown, ConnectionFailedError),
    (_Foreign.RequestException, TransportError),
    (_Lower.HTTPError, TransportError),
    (OSError, ConnectionFailedError),
)


def translate(error: Exception, request: Request) -> TransportError:
    """Our error for one of requests, urllib3 or the socket."""
    # Within a body requests makes a ConnectionError of everything, time limits included, and keeps urllib3's inside.
    inner = error.args[0] if isinstance(error, _Foreign.ConnectionError) and error.args else error
    named = inner if isinstance(inner, _Lower.ReadTimeoutError) else error
    ours = next((ours for theirs, ours in _OURS if isinstance(named, theirs)), TransportError)
    return failed(ours, request, error)


class RequestsTransport:
    """Sends requests over a connection, blocking."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        limits = connection.timeouts
        self._timeout = Timeout(connect=limits.connect, read=limits.read)
        self._local = threading.local()
        # Weak, so that a session goes with the thread that it was made for.
        self._sessions: weakref.WeakSet[_Session] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._closed = False

    @property
    def root(self) -> str:
        """The absolute address that targets are relative to."""
        return self._connection.root

    def send(self, request: Request) -> Response:
        """Sends one request, once; redirects are answers like others."""
        session = self._session()
        try:
            return self._signed(session, request) if self._connection.sign else self._plain(session, request)
        except Exception as error:  # noqa: BLE001  # what a server sends can make requests raise a ValueError, or worse
            # A proxy's credentials stand in the texts of their errors.
            raise translate(error, request) from (None if self._connection.proxies else error)

    def _plain(self, session: _Session, request: Request) -> Response:
        # Past what requests does for a browser's sake (cookies, redirects, encodings), on the pool that it made.
        answer = session.pool.urlopen(
            request.method,
            session.prefix + request.target,
            body=request.body,
            headers=self._connection.headers_of(request),
            timeout=self._timeout,
            retries=False,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
        )
        try:
            body = answer.read(decode_content=True)
        except _Lower.ProtocolError as error:
            raise _Foreign.ChunkedEncodingError(error) from error
        finally:
            answer.release_conn()
        return Response(answer.status, answer.headers, body, self.root)

    def _signed(self, session: _Session, request: Request) -> Response:
        # An auth object of several steps, such as digest, needs the session's hooks and cookies.
        connection, prepared = self._connection, self._connection.signed(request)
        limits: Any = connection.timeouts  # the stubs know no None for connect alone
        answer = session.requests.send(
            prepared,
            timeout=(limits.connect, limits.read),
            allow_redirects=False,
            proxies=dict(connection.proxies),
            verify=connection.authorities,
        )
        return Response(answer.status_code, answer.headers, answer.content, self.root)

    def close(self) -> None:
        """Closes the connections of every thread."""
        with self._lock:
            self._closed = True
            for session in self._sessions:
                session.requests.close()

    def _session(self) -> _Session:
        if self._closed:
            raise NoClientError(CLOSED)
        with suppress(AttributeError):
            session: _Session = self._local.session
            return session
        session = _Session(self._connection)
        with self._lock:
            self._sessions.add(session)
        self._local.session = session
        return session


class _Session:
    """One thread's session, and the pool that it keeps for the server."""

    def __init__(self, connection: Connection) -> None:
        self.requests = requests.Session()
        self.requests.trust_env = False
        self._connection = connection

    @cached_property
    def pool(self) -> HTTPConnectionPool:
        """Made by requests, with its proxies and its TLS."""
        connection, adapter = self._connection, self._adapter
        base, proxies = self._base, dict(connection.proxies)
        pool: HTTPConnectionPool = adapter.get_connection_with_tls_context(base, connection.authorities, proxies)
        adapter.cert_verify(pool, base.url, connection.authorities, None)
        return pool

    @cached_property
    def prefix(self) -> str:
        """What stands before a target in the request line: the root's path, or all of it for a proxy."""
        line: str = self._adapter.request_url(self._base, dict(self._connection.proxies))
        return line[:-1]

    @property
    def _adapter(self) -> Any:
        return self.requests.get_adapter(self._connection.root)

    @property
    def _base(self) -> requests.PreparedRequest:
        return self._connection.signed(Request("GET", "/"))
