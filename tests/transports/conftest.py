"""Transports of the tests' own, and what they speak to."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from kinto_models.client import Client
from kinto_models.protocol.messages import Request, Response
from kinto_models.transports.aiohttp import AiohttpTransport
from kinto_models.transports.auth import Auth, Signer
from kinto_models.transports.base import Connection
from kinto_models.transports.limits import DEFAULT_LIMITS, Limits
from kinto_models.transports.requests import RequestsTransport
from tests.loopback import Loopback

_HERE = Path(__file__).parent
CA = _HERE / "ca.pem"  # both are valid until 2124, and the authority's own key is thrown away
CERTIFICATE = _HERE / "loopback.pem"
_FROM_THE_ENVIRONMENT = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


Listen: TypeAlias = Callable[..., Loopback]
"""Starts a server: ``listen()``, or ``listen(tls=True)``."""


@pytest.fixture
def listen() -> Iterator[Listen]:
    servers: list[Loopback] = []

    def start(*, tls: bool = False) -> Loopback:
        servers.append(Loopback(_context() if tls else None))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


Connect: TypeAlias = Callable[..., RequestsTransport]
"""Makes a transport that is closed in the end: ``connect(root, sign=..., headers=..., timeouts=(connect, read))``."""


@pytest.fixture
def connect() -> Iterator[Connect]:
    made: list[RequestsTransport] = []

    def transport(
        root: str,
        *,
        sign: Signer | None = None,
        headers: Mapping[str, str] | None = None,
        timeouts: tuple[float | None, float | None] = (5, 5),
        limits: Limits = DEFAULT_LIMITS,
    ) -> RequestsTransport:
        made.append(RequestsTransport(Connection.of(root, sign, headers, timeouts, limits)))
        return made[-1]

    yield transport
    for each in made:
        each.close()


@pytest.fixture
def transport(loopback: Loopback, connect: Connect) -> RequestsTransport:
    """A transport of the ``loopback`` server, anonymous, that waits at most 0.2 seconds for an answer."""
    return connect(loopback.url, timeouts=(5, 0.2))


ClientOf: TypeAlias = Callable[..., Client]
"""Makes a client that is closed in the end and never tries again: ``client_of(url, auth=...)``."""


@pytest.fixture
def client_of() -> Iterator[ClientOf]:
    made: list[Client] = []

    def client(url: str, **options: Any) -> Client:
        options.setdefault("retry", 0)
        made.append(Client(url, **options))
        return made[-1]

    yield client
    for each in made:
        each.close()


@pytest.fixture
def client(loopback: Loopback, client_of: ClientOf) -> Client:
    """An anonymous client of the ``loopback`` server."""
    return client_of(loopback.url)


@pytest.fixture(scope="session")
def authority() -> Path:
    """The CA that vouches for ``listen(tls=True)``."""
    return CA


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a proxy, a CA bundle nor a netrc of whoever runs the tests."""
    for name in _FROM_THE_ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", os.devnull)


@pytest.fixture
def unused_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port whose queue of connections is full, so that the next one is neither taken nor refused."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        port: int = listener.getsockname()[1]
        yield port


@pytest.fixture(scope="session")
def certificate() -> Path:
    """What ``listen(tls=True)`` shows, with its key."""
    return CERTIFICATE


Serve: TypeAlias = Callable[[Callable[[socket.socket], object]], int]
"""Hands each connection to a function, in a thread of its own, closes it, and returns the port: ``serve(function)``."""


@pytest.fixture
def serve() -> Iterator[Serve]:
    listener, threads = socket.create_server(("127.0.0.1", 0)), list[threading.Thread]()

    def accept(handle: Callable[[socket.socket], object]) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.settimeout(5)
                with suppress(OSError), connection:
                    handle(connection)

    def start(handle: Callable[[socket.socket], object]) -> int:
        threads.append(threading.Thread(target=accept, args=(handle,), daemon=True))
        threads[-1].start()
        port: int = listener.getsockname()[1]
        return port

    yield start
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for thread in threads:
        thread.join(5)


Send: TypeAlias = Callable[..., Response]
"""Sends on one transport, which is closed after it, and gives the last answer: ``send(url, *requests, auth=...)``."""


def _send_blocking(connection: Connection, requests: Sequence[Request]) -> Response:
    transport = RequestsTransport(connection)
    try:
        return [transport.send(request) for request in requests][-1]
    finally:
        transport.close()


async def _send_async(connection: Connection, requests: Sequence[Request]) -> Response:
    transport = AiohttpTransport(connection)
    try:
        return [await transport.send(request) for request in requests][-1]
    finally:
        await transport.close()


@pytest.fixture(params=["blocking", "blocking, signed", "async", "async, signed"])
def send(request: pytest.FixtureRequest) -> Send:
    """Each of the ways on which requests are sent: an auth object takes another one than no credentials."""
    kind: str = request.param

    def send(
        url: str,
        *requests: Request,
        auth: Auth = None,
        timeouts: tuple[float | None, float | None] = (5, 5),
        limits: Limits = DEFAULT_LIMITS,
    ) -> Response:
        sign = auth or ((lambda prepared: prepared) if kind.endswith("signed") else None)
        connection = Connection.of(url, sign, None, timeouts, limits)
        if kind.startswith("async"):
            return asyncio.run(_send_async(connection, requests))
        return _send_blocking(connection, requests)

    return send
