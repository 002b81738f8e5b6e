"""The blocking transport, on the requests library.

One pool of connections for all threads. With an auth object that signs each request, one session a thread: requests
does not promise that sessions are thread-safe.
"""

from __future__ import annotations

import os
import threading
import weakref
import zlib
from contextlib import suppress
from functools import partial
from typing import Any, Final, NoReturn

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from urllib3 import Retry, Timeout

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
from kinto_models.protocol.messages import Raised, Request, Response
from kinto_models.transports.base import SENT, Connection
from kinto_models.transports.bodies import Body, TooLargeError
from kinto_models.transports.exchange import EXCHANGE, Exchange, Leaving
from kinto_models.transports.limits import Limits
from kinto_models.transports.wire import WireResponse
from kinto_models.transports.words import CLOSED, NO_COPY, failed, too_large, too_slow

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
    (_Lower.HostChangedError, ConnectionFailedError),
    (_Lower.MaxRetryError, ConnectionFailedError),
    (_Lower.PoolError, ConnectionFailedError),
    (_Lower.LocationParseError, ConnectionFailedError),
    (_Lower.LocationValueError, ConnectionFailedError),
    (_Lower.URLSchemeUnknown, ConnectionFailedError),
    (zlib.error, BrokenAnswerError),
    (_Foreign.RequestException, TransportError),
    (_Lower.HTTPError, TransportError),
    (OSError, ConnectionFailedError),
)


_NEVER: Final = Retry.from_int(False, redirect=False)  # noqa: FBT003  # as urllib3 has it; made once, for it takes time


def translate(error: Exception, request: Request, *, sent: bool = True) -> TransportError:
    """Our error for one of requests, urllib3 or the socket."""
    ours = next((ours for theirs, ours in _OURS if isinstance(error, theirs)), TransportError)
    return failed(ours, request, error, sent=sent)


class RequestsTransport:
    """Sends requests over a connection, blocking."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        limits = connection.timeouts
        self._timeout = Timeout(connect=limits.connect, read=limits.read)
        self._shared: _Pool | None = None
        self._local = threading.local()
        # Weak, so that a session goes with the thread that it was made for.
        self._sessions: weakref.WeakSet[requests.Session] = weakref.WeakSet()
        self._elsewhere: dict[str, RequestsTransport] = {}
        self._lock = threading.Lock()
        self._closed = False

    @property
    def root(self) -> str:
        """The absolute address that targets are relative to."""
        return self._connection.root

    def send(self, request: Request) -> Response:
        """Sends one request, once; redirects are answers like others."""
        if self._closed:
            raise NoClientError(CLOSED)
        root = None if request.transfer is None else request.transfer.root
        there = self if root is None else self._toward(root)
        return there._sent(request)  # noqa: SLF001  # it is one of us

    def _sent(self, request: Request) -> Response:
        exchange = Exchange(transfer=request.transfer)
        outer = EXCHANGE.set(exchange)
        try:
            return self._signed(request) if self._connection.sign else self._plain(request)
        except Exception as error:  # noqa: BLE001  # what a server sends can make requests raise a ValueError, or worse
            # A proxy's credentials stand in the texts of their errors. No name for it: that would be a cycle.
            raise self._named(error, request, exchange) from (None if self._connection.proxies else error)
        finally:
            EXCHANGE.reset(outer)

    def _toward(self, root: str) -> RequestsTransport:
        """The transport of another root, of which no more is known than where it is."""
        if root == self.root:
            return self
        with self._lock:
            if root not in self._elsewhere:
                self._elsewhere[root] = RequestsTransport(self._connection.toward(root))
            return self._elsewhere[root]

    def _named(self, error: Exception, request: Request, exchange: Exchange) -> Exception:
        if exchange.fault is not None:
            return Raised(exchange.fault)
        if isinstance(error, TooLargeError):
            return too_large(request, self._connection.limits)
        if exchange.late:
            return too_slow(request, self._connection.limits)
        return translate(error, request, sent=exchange.sent)

    def _plain(self, request: Request) -> Response:
        # Past what requests does for a browser's sake (cookies, redirects, encodings), on the pool that it made.
        shared, headers = self._pool(), self._connection.headers_of(request)
        body: Any = request.body
        if request.transfer is not None and request.transfer.body is not None:
            body = Leaving(EXCHANGE.get(), request.transfer.body)
            headers["Content-Length"] = str(len(body))
        answer = shared.pool.urlopen(
            request.method,
            shared.prefix + request.target,
            body=body,
            headers=headers,
            timeout=self._timeout,
            retries=_NEVER,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
        )
        return Response(answer.status, answer.headers, _whole(answer, self._connection.limits), self.root)

    def _signed(self, request: Request) -> Response:
        # An auth object of several steps, such as digest, needs the session's hooks and cookies.
        connection, prepared = self._connection, self._connection.signed(request)
        limits: Any = connection.timeouts  # the stubs know no None for connect alone
        answer = self._session().send(
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
                session.close()
            for other in self._elsewhere.values():
                other.close()
            if self._shared is not None:
                self._shared.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(NO_COPY)

    def _pool(self) -> _Pool:
        shared = self._shared
        if shared is None or shared.process != os.getpid():  # a forked process must not speak on its parent's sockets
            with self._lock:
                if self._shared is None or self._shared.process != os.getpid():
                    self._shared = _Pool(self._connection)
                shared = self._shared
        return shared

    def _session(self) -> requests.Session:
        with suppress(AttributeError):
            session: requests.Session = self._local.session
            return session
        session = _new_session(self._connection.limits)
        with self._lock:
            self._sessions.add(session)
        self._local.session = session
        return session


def _new_session(limits: Limits) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(limits))
    return session


class _Adapter(HTTPAdapter):
    """Makes connections that tell, and reads no more of an answer than it may have."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(pool_maxsize=_KEPT)
        self._limits = limits

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        if not issubclass(pool.ConnectionCls, _Telling):
            told = {"seconds": self._limits.answer_seconds}
            pool.ConnectionCls = type("Connection", (_Telling, pool.ConnectionCls), told)
        return pool

    def send(self, *args: Any, **options: Any) -> requests.Response:
        answer: Any = super().send(*args, **options)
        answer._content = _whole(answer.raw, self._limits)  # noqa: SLF001  # before requests or an auth object reads all
        return answer  # type: ignore[no-any-return]


def _whole(answer: Any, limits: Limits) -> bytes:
    """The body of one of urllib3's answers, decompressed; its connection is given back, or closed where that fails."""
    coding, length = answer.headers.get("Content-Encoding", ""), answer.length_remaining
    exchange = EXCHANGE.get()
    try:
        if exchange.transfer is not None and (sink := exchange.sink(answer.status)) is not None:
            limit = limits.answer_bytes if sink.bounded else None
            body = Body(coding, limit, length, partial(exchange.pour, sink))
        elif not coding and length is not None and length <= (limits.answer_bytes or length):
            return answer.read(decode_content=False)  # type: ignore[no-any-return]
        else:
            body = Body(coding, limits.answer_bytes, length)
        while piece := answer.read(_PIECE, decode_content=False):
            body.add(piece)
        return body.whole()
    except _Lower.ProtocolError as error:
        raise _Foreign.ChunkedEncodingError(error) from error
    finally:
        if not answer.isclosed():
            answer.close()
        answer.release_conn()


_PIECE: Final = 65536
"""Bytes of an answer that are read at once."""


class _Telling:
    """A connection of urllib3's that tells who sends over it how far that is: it is mixed into urllib3's."""

    sock: Any
    timeout: Any
    seconds: float | None
    _connecting = False

    def connect(self) -> None:
        self._connecting = True
        try:
            super().connect()  # type: ignore[misc]
        finally:
            self._connecting = False

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()  # as http.client does it, but before anything is noted
        if not self._connecting:  # what asks a proxy for a tunnel is sent here too
            EXCHANGE.get().sent = True
        super().send(data)  # type: ignore[misc]

    def response_class(self, sock: Any, *args: Any, **options: Any) -> WireResponse:  # which http.client calls
        return WireResponse(sock, self.timeout, self.seconds, *args, **options)

    def getresponse(self, *args: Any, **options: Any) -> Any:
        SENT.get()()
        return super().getresponse(*args, **options)  # type: ignore[misc]


class _Pool:
    """The connections that all threads share, made by requests with its proxies and its TLS.

    Attributes:
        pool: urllib3's, which promises to be thread-safe, as requests does not of its sessions.
        prefix: what stands before a target in the request line: the root's path, or all of it for a proxy.
        process: the process that it was made in.
        session: the session that it belongs to.
    """

    def __init__(self, connection: Connection) -> None:
        self.session = _new_session(connection.limits)
        adapter: Any = self.session.get_adapter(connection.root)
        base, proxies = connection.signed(Request("GET", "/")), dict(connection.proxies)
        self.pool: Any = adapter.get_connection_with_tls_context(base, connection.authorities, proxies)
        adapter.cert_verify(self.pool, base.url, connection.authorities, None)
        self.prefix: str = adapter.request_url(base, proxies)[:-1]
        self.process = os.getpid()

    def close(self) -> None:
        self.pool.close()  # the session only forgets it
        self.session.close()


_KEPT: Final = 50
"""Connections that are kept open: more threads than this open and close some."""
