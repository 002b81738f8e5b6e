"""The non-blocking transport, on the aiohttp library (extra ``async``).

One session for each event loop that it is used in, made at its first request and closed when the loop ends, so that a
client may be made before any loop runs and outlive it.
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, Final, NoReturn

import aiohttp
from requests.utils import prepend_scheme_if_needed, select_proxy
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
from kinto_models.protocol.messages import Raised, Request, Response
from kinto_models.transports.base import Connection
from kinto_models.transports.bodies import Body, TooLargeError
from kinto_models.transports.deadlines import ASKED, Asked, Deadlines
from kinto_models.transports.exchange import EXCHANGE
from kinto_models.transports.words import CLOSED, NO_COPY, failed, given_up, too_large, too_slow

__all__ = ["AiohttpTransport", "translate"]

_LONGEST_HEADER: Final = 65536
"""Bytes, as http.client has it: the address of a next page holds the filters of the query."""


_AT_ONCE: Final = 50
"""Connections; more requests wait for one. Waitress, which often serves Kinto, takes a hundred from everybody."""


_LARGE: Final = 1 << 20
"""Bytes of a body beyond which aiohttp warns that sending it at once may keep the event loop from all else."""


class _AsSaid(aiohttp.ClientRequest):
    """Tells when it begins to leave. Has no Accept header: ``skip_auto_headers`` would take a tenth of all the time."""

    DEFAULT_HEADERS = {n: v for n, v in aiohttp.ClientRequest.DEFAULT_HEADERS.items() if n != "Accept"}

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        ASKED.get().leaves(conn)  # what asks a proxy for a tunnel is a request of another class
        return await super().send(conn)


class _ProxyError(Exception):
    """The environment's proxy has no address that can be read."""


class _CutError(Exception):
    """Hides a cut connection from aiohttp, which would send a PUT or a DELETE again by itself."""


# Most specific first: a class stands before its bases.
_OURS: Final[tuple[tuple[type[Exception], type[TransportError]], ...]] = (
    (aiohttp.ConnectionTimeoutError, ConnectTimeoutError),
    (aiohttp.SocketTimeoutError, ReadTimeoutError),
    (asyncio.TimeoutError, TimedOutError),
    (_ProxyError, ProxyFailedError),
    (aiohttp.ClientProxyConnectionError, ProxyFailedError),
    (aiohttp.ClientHttpProxyError, ProxyFailedError),
    (aiohttp.ClientSSLError, TLSError),
    (aiohttp.ServerFingerprintMismatch, TLSError),
    (ssl.SSLError, TLSError),
    (zlib.error, BrokenAnswerError),
    (aiohttp.ClientPayloadError, BrokenAnswerError),
    (aiohttp.ClientResponseError, BrokenAnswerError),
    (aiohttp.ClientConnectionError, ConnectionFailedError),
    (aiohttp.InvalidURL, ConnectionFailedError),
    (aiohttp.ClientError, TransportError),
    (OSError, ConnectionFailedError),
)


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    try:
        return await send(request)
    except (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _CutError from error


def translate(error: Exception, request: Request, *, sent: bool = True) -> TransportError:
    """Our error for one of aiohttp or the socket."""
    named = error.__cause__ if isinstance(error, _CutError) and isinstance(error.__cause__, Exception) else error
    ours = next((ours for theirs, ours in _OURS if isinstance(named, theirs)), TransportError)
    return failed(ours, request, named, sent=sent)


async def _counted(
    answer: aiohttp.ClientResponse, limit: int | None, pour: Callable[[bytes], object] | None = None
) -> bytes:
    length = None if answer.content.is_eof() else answer.content_length  # a HEAD has no body
    body = Body(answer.headers.get("Content-Encoding", ""), limit, length, pour)
    while piece := await answer.content.readany():
        body.add(piece)
    return body.whole()


class AiohttpTransport:
    """Sends requests over a connection, without blocking the event loop."""

    def __init__(self, connection: Connection) -> None:
        for name, value in connection.headers.items():
            if not value.isascii():
                raise ValueError(f"the header {name!r} holds what is not ASCII, which aiohttp cannot send")
        self._connection = connection
        self._proxy = select_proxy(connection.root, dict(connection.proxies))
        self._elsewhere: dict[str, AiohttpTransport] = {}
        self._sessions: dict[asyncio.AbstractEventLoop, _Opened] = {}
        self._ends: dict[asyncio.AbstractEventLoop, AsyncGenerator[None, None]] = {}
        self._closed = False

    @property
    def root(self) -> str:
        """The absolute address that targets are relative to."""
        return self._connection.root

    async def send(self, request: Request) -> Response:
        """Sends one request, once; redirects are answers like others."""
        if self._closed:
            raise NoClientError(CLOSED)
        root = None if request.transfer is None else request.transfer.root
        there = self if root is None else self._toward(root)
        return await there._sent(request)  # noqa: SLF001  # it is one of us

    async def _sent(self, request: Request) -> Response:
        exchange = Asked(transfer=request.transfer)
        ASKED.set(exchange)
        if request.transfer is not None:
            EXCHANGE.set(exchange)  # which what signs looks for
        try:
            opened = self._sessions.get(asyncio.get_running_loop()) or await self._opened()
            exchange.deadlines = opened.deadlines
            async with opened.free:
                return await self._exchange(opened.session, request)
        except NoClientError:
            raise
        except Exception as error:  # noqa: BLE001  # what a server sends can make aiohttp raise a ValueError, or worse
            # A proxy's credentials stand in the texts of their errors.
            raise self._named(error, request, exchange) from (None if self._proxy else error)
        finally:
            exchange.ended()

    def _toward(self, root: str) -> AiohttpTransport:
        """The transport of another root, of which no more is known than where it is."""
        if root == self.root:
            return self
        if root not in self._elsewhere:
            self._elsewhere[root] = AiohttpTransport(self._connection.toward(root))
        return self._elsewhere[root]

    async def _exchange(self, session: aiohttp.ClientSession, request: Request) -> Response:
        if self._closed:  # while this one waited
            raise NoClientError(CLOSED)
        address, headers = self._connection.root + request.target, request.headers
        content: Any = request.body
        if self._connection.sign:
            signed = self._connection.signed(request)
            address, headers, content = str(signed.url), signed.headers, signed.body
        exchange = ASKED.get()
        if exchange.transfer is not None and exchange.transfer.body is not None:
            headers = {**headers, "Content-Length": str(len(exchange.transfer.body))}
            content = exchange.leaving(exchange.transfer.body)
        async with session.request(
            request.method,
            URL(address, encoded=True),
            data=BytesIO(content) if isinstance(content, bytes) and len(content) > _LARGE else content,
            headers=headers,
            skip_auto_headers=None if content is None else ("Content-Type",),  # nobody guesses what a body is
            allow_redirects=False,
        ) as answer:
            limit, length = self._connection.limits.answer_bytes, answer.content_length
            if exchange.transfer is not None and (sink := exchange.sink(answer.status)) is not None:
                body = await _counted(answer, limit if sink.bounded else None, partial(exchange.pour, sink))
            elif length is not None and length <= (limit or length) and "Content-Encoding" not in answer.headers:
                body = await answer.read()
            else:
                body = await _counted(answer, limit)
            if exchange.late:  # where a body ends with its connection, this one looks whole
                raise asyncio.TimeoutError
            return Response(answer.status, _Headers(answer.headers), body, self._connection.root)

    def _named(self, error: Exception, request: Request, exchange: Asked) -> Exception:
        if exchange.fault is not None:
            return Raised(exchange.fault)
        if self._closed:
            return given_up(request, sent=exchange.sent)
        if isinstance(error, TooLargeError):
            return too_large(request, self._connection.limits)
        if exchange.late:
            return too_slow(request, self._connection.limits)
        return translate(error, request, sent=exchange.sent)

    async def close(self) -> None:
        """Closes the connections."""
        self._closed = True
        for other in self._elsewhere.values():
            await other.close()
        here = asyncio.get_running_loop()
        for loop, end in list(self._ends.items()):
            if loop is here:
                await end.aclose()
            elif loop.is_running():
                asyncio.run_coroutine_threadsafe(end.aclose(), loop)

    def __reduce__(self) -> NoReturn:
        raise TypeError(NO_COPY)

    async def _opened(self) -> _Opened:
        """The session of this loop, which is closed when the loop ends at the latest."""
        loop = asyncio.get_running_loop()
        for ended in [each for each in self._sessions if each.is_closed()]:  # without closing what was left in it
            del self._sessions[ended], self._ends[ended]
        session = self._new_session()
        self._sessions[loop] = opened = _Opened(session, Deadlines(self._connection.limits.answer_seconds))

        async def until_the_end() -> AsyncGenerator[None, None]:
            try:
                yield
            finally:
                self._sessions.pop(loop, None)
                self._ends.pop(loop, None)
                opened.deadlines.close()
                await session.close()

        # Whoever ends a loop closes the generators that are left in it (asyncio.run() does).
        self._ends[loop] = end = until_the_end()
        await anext(end)
        return opened

    def _new_session(self) -> aiohttp.ClientSession:
        limits = self._connection.timeouts
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls(), limit=0),
            headers=dict(self._connection.headers),
            request_class=_AsSaid,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            # Not total and not the wait for a free connection: a thousand requests at once are no fault of the server.
            timeout=aiohttp.ClientTimeout(
                total=None, connect=self._tunnel_limit(), sock_connect=limits.connect, sock_read=limits.read
            ),
            proxy=self._proxy_address(),
            max_line_size=_LONGEST_HEADER,
            max_field_size=_LONGEST_HEADER,
            middlewares=(_once,),
        )

    def _proxy_address(self) -> str | None:
        if not self._proxy:
            return None
        try:
            address: str = prepend_scheme_if_needed(self._proxy, "http")  # type: ignore[no-untyped-call]  # not in the stubs
            URL(address)
        except Exception:  # noqa: BLE001  # requests knows many ways to refuse one
            raise _ProxyError from None
        return address

    def _tunnel_limit(self) -> float | None:
        """Seconds for a connection through a proxy, whose own answer aiohttp sets no limit."""
        limits = self._connection.timeouts
        if not self._proxy or limits.connect is None or limits.read is None:
            return None
        return limits.connect + limits.read

    def _tls(self) -> ssl.SSLContext | bool:
        if not self._connection.root.startswith("https:"):
            return True
        authorities = self._connection.authorities
        is_folder = Path(authorities).is_dir()
        return ssl.create_default_context(
            cafile=None if is_folder else authorities, capath=authorities if is_folder else None
        )


class _Opened:
    """One loop's session, what limits its time, and how many of its connections are free."""

    def __init__(self, session: aiohttp.ClientSession, deadlines: Deadlines) -> None:
        self.session = session
        self.deadlines = deadlines
        # And not aiohttp's own limit, which cancels whoever waits when the session is closed.
        self.free = asyncio.Semaphore(_AT_ONCE)


class _Headers(Mapping[str, str]):
    """The headers of an answer, in latin-1 as requests reads them: aiohttp's may be what no text can hold."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def __getitem__(self, name: str) -> str:
        value = self._headers[name]
        return value if value.isascii() else value.encode("utf-8", "surrogateescape").decode("latin-1")

    def __contains__(self, name: object) -> bool:
        return name in self._headers

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)
