"""The non-blocking transport, on the aiohttp library (extra ``async``).

One session for each event loop that it is used in, made at its first request, so that a client may be made before any
loop runs and outlive it.
"""

from __future__ import annotations

import asyncio
import ssl
import weakref
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import aiohttp
from requests.utils import default_headers, select_proxy
from yarl import URL

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

__all__ = ["AiohttpTransport", "translate"]

# Most specific first: a class stands before its bases.
_OURS: Final[tuple[tuple[type[Exception], type[TransportError]], ...]] = (
    (aiohttp.ConnectionTimeoutError, ConnectTimeoutError),
    (aiohttp.SocketTimeoutError, ReadTimeoutError),
    (asyncio.TimeoutError, TimedOutError),
    (aiohttp.ClientProxyConnectionError, ProxyFailedError),
    (aiohttp.ClientHttpProxyError, ProxyFailedError),
    (aiohttp.ClientSSLError, TLSError),
    (aiohttp.ServerFingerprintMismatch, TLSError),
    (ssl.SSLError, TLSError),
    (aiohttp.ClientPayloadError, BrokenAnswerError),
    (aiohttp.ClientResponseError, BrokenAnswerError),
    (aiohttp.ClientConnectionError, ConnectionFailedError),
    (aiohttp.InvalidURL, ConnectionFailedError),
    (aiohttp.ClientError, TransportError),
    (OSError, ConnectionFailedError),
)
_LONGEST_HEADER: Final = 65536
"""Bytes, as http.client has it: the address of a next page holds the filters of the query."""


_AT_ONCE: Final = 50
"""Connections; more requests wait for one. Waitress, which often serves Kinto, takes a hundred from everybody."""


class _CutError(Exception):
    """Hides a cut connection from aiohttp, which would send a PUT or a DELETE again by itself."""


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    try:
        return await send(request)
    except (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _CutError from error


def translate(error: Exception, request: Request) -> TransportError:
    """Our error for one of aiohttp or the socket."""
    named = error.__cause__ if isinstance(error, _CutError) and isinstance(error.__cause__, Exception) else error
    ours = next((ours for theirs, ours in _OURS if isinstance(named, theirs)), TransportError)
    return failed(ours, request, named)


class AiohttpTransport:
    """Sends requests over a connection, without blocking the event loop."""

    def __init__(self, connection: Connection) -> None:
        own = dict(connection.headers)
        if own.get("Accept-Encoding") == default_headers()["Accept-Encoding"]:
            del own["Accept-Encoding"]  # what requests can decode; aiohttp says what it can
        self._connection = replace(connection, headers=own)
        self._url = URL(connection.root, encoded=True)
        self._proxy = select_proxy(connection.root, dict(connection.proxies))
        self._sessions: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession] = (
            weakref.WeakKeyDictionary()
        )
        self._closed = False

    @property
    def root(self) -> str:
        """The absolute address that targets are relative to."""
        return self._connection.root

    async def send(self, request: Request) -> Response:
        """Sends one request, once; redirects are answers like others."""
        session = self._session()
        try:
            async with session.request(
                request.method,
                URL(self._connection.root + request.target, encoded=True),
                data=request.body,
                headers=self._headers(request),
                allow_redirects=False,
            ) as answer:
                body = await answer.read()
                return Response(answer.status, answer.headers, body, self._connection.root)
        except Exception as error:  # noqa: BLE001  # what a server sends can make aiohttp raise a ValueError, or worse
            # A proxy's credentials stand in the texts of their errors.
            raise translate(error, request) from (None if self._proxy else error)

    def _headers(self, request: Request) -> Mapping[str, str]:
        if not self._connection.sign:
            return request.headers
        return self._connection.signed(request).headers

    async def close(self) -> None:
        """Closes the connections."""
        self._closed = True
        here = asyncio.get_running_loop()
        for loop, session in list(self._sessions.items()):
            if loop is here or loop.is_closed():
                await session.close()
            else:
                asyncio.run_coroutine_threadsafe(session.close(), loop)
        self._sessions.clear()

    def _session(self) -> aiohttp.ClientSession:
        if self._closed:
            raise NoClientError(CLOSED)
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None:
            session = self._sessions[loop] = self._new_session()
        return session

    def _new_session(self) -> aiohttp.ClientSession:
        limits = self._connection.timeouts
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls(), limit=_AT_ONCE),
            headers=dict(self._connection.headers),
            skip_auto_headers=("Content-Type",),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Not total and not the wait for a free connection: a thousand requests at once are no fault of the server.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=limits.connect, sock_read=limits.read),
            proxy=self._proxy,
            max_line_size=_LONGEST_HEADER,
            max_field_size=_LONGEST_HEADER,
            middlewares=(_once,),
        )

    def _tls(self) -> ssl.SSLContext | bool:
        if self._url.scheme != "https":
            return True
        authorities = self._connection.authorities
        is_folder = Path(authorities).is_dir()
        return ssl.create_default_context(
            cafile=None if is_folder else authorities, capath=authorities if is_folder else None
        )
