"""The blocking transport, on the requests library.

One session a thread (requests does not promise that sessions are thread-safe), each keeping its connections alive.
The environment's proxies and CA bundle are honoured, and read once: requests by itself reads them again for every
request, and takes credentials from a netrc file that nobody mentioned.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import requests
import urllib3.exceptions
from requests.hooks import default_hooks
from requests.structures import CaseInsensitiveDict
from requests.utils import default_headers, get_environ_proxies

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
from kinto_models.transports.auth import HeaderAuth, Signer
from kinto_models.transports.base import Timeouts
from kinto_models.transports.headers import is_header

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
    (_Lower.NewConnectionError, ConnectionFailedError),
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
    """Our error for one of requests, urllib3 or the socket. Its text names the class only: theirs hold addresses, and
    an address may hold the credentials of a proxy.
    """
    # Within a body requests makes a ConnectionError of everything, time limits included, and keeps urllib3's inside.
    inner = error.args[0] if isinstance(error, _Foreign.ConnectionError) and error.args else error
    named = inner if isinstance(inner, _Lower.ReadTimeoutError) else error
    ours = next((ours for theirs, ours in _OURS if isinstance(named, theirs)), TransportError)
    text = _SAYS.get(ours, "the exchange failed")
    translated = ours(f"{request.line}: {text} ({type(error).__name__})")
    translated.request = request.line
    return translated


_SAYS: Final[dict[type[TransportError], str]] = {
    ConnectTimeoutError: "no connection within the time limit; nothing was sent",
    ReadTimeoutError: "no answer within the time limit; the server may have done it all the same",
    TimedOutError: "the time limit is over",
    ProxyFailedError: "the proxy named in the environment does not work",
    TLSError: "the server's certificate or TLS is not accepted",
    BrokenAnswerError: "the answer broke off or cannot be decoded; the server may have done it all the same",
    ConnectionFailedError: "no connection to the server, or it was cut: is it running, and is its address right?",
}


def _authorities() -> str | bool:
    """The CA bundle that the environment names, or True for requests' own."""
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    if bundle and not os.path.exists(bundle):  # noqa: PTH110  # a file or a folder, as requests takes both
        raise ValueError(f"REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names {bundle}, which does not exist")
    return bundle or True


def _checked(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in headers.items():
        if not is_header(name, value):
            raise ValueError(f"HTTP cannot carry the header {name!r} with this value")
    return headers


class RequestsTransport:
    """Sends requests to the server at ``root``, blocking.

    Parameters:
        root: the server's root, version included.
        sign: adds credentials to a prepared request, or None.
        headers: sent with every request.
        timeouts: seconds to connect and to read.
    """

    def __init__(self, root: str, sign: Signer | None, headers: Mapping[str, str], timeouts: Timeouts) -> None:
        self._root = root
        self._sign = sign
        self._headers = {**default_headers(), "Accept": "application/json", **_checked(headers)}
        self._foreign_auth = sign is not None and not isinstance(sign, HeaderAuth)
        self._timeout: Any = (timeouts.connect, timeouts.read)  # the stubs know no None for connect alone
        self._proxies = get_environ_proxies(root)
        self._verify = _authorities() if root.startswith("https:") else True
        self._local = threading.local()
        # Weak, so that a session goes with the thread that it was made for.
        self._sessions: weakref.WeakSet[requests.Session] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._closed = False

    @property
    def root(self) -> str:
        """The absolute address that targets are relative to."""
        return self._root

    def send(self, request: Request) -> Response:
        """Sends one request, once; redirects are answers like others."""
        prepared, session = self._prepare(request), self._session()
        try:
            answer = self._exchange(session, prepared)
            return Response(answer.status_code, answer.headers, answer.content, self._root)
        except Exception as error:  # noqa: BLE001  # what a server sends can make requests raise a ValueError, or worse
            # A proxy's credentials stand in the texts of their errors.
            raise translate(error, request) from (None if self._proxies else error)

    def _exchange(self, session: requests.Session, prepared: requests.PreparedRequest) -> requests.Response:
        if self._foreign_auth:  # one of several steps, such as digest, needs the session's hooks and cookies
            return session.send(
                prepared, timeout=self._timeout, allow_redirects=False, proxies=self._proxies, verify=self._verify
            )
        adapter = session.get_adapter(self._root)  # no cookies, and no look at where a redirect leads
        return adapter.send(prepared, timeout=self._timeout, proxies=self._proxies, verify=self._verify)

    def close(self) -> None:
        """Closes the connections of every thread."""
        with self._lock:
            self._closed = True
            for session in self._sessions:
                session.close()

    def _prepare(self, request: Request) -> requests.PreparedRequest:
        # Assembled by hand: the target is quoted already, and prepare() would parse and quote it again.
        prepared = requests.PreparedRequest()
        prepared.method = request.method
        prepared.url = self._root + request.target
        prepared.headers = CaseInsensitiveDict(self._headers)
        prepared.headers.update(request.headers)
        if request.body is not None:
            prepared.headers["Content-Length"] = str(len(request.body))
        prepared.body = request.body
        prepared.hooks = default_hooks()
        if self._foreign_auth:
            prepared.prepare_cookies({})
        return self._sign(prepared) if self._sign else prepared

    def _session(self) -> requests.Session:
        if self._closed:
            raise NoClientError(
                "this client is closed: make a new one; an instance stays with the client that it came from, until "
                "another one saves it: client.repository(Task).save(task)"
            )
        with suppress(AttributeError):
            session: requests.Session = self._local.session
            return session
        session = requests.Session()
        session.trust_env = False
        with self._lock:
            self._sessions.add(session)
        self._local.session = session
        return session
