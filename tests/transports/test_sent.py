"""What an error of the wire knows of its request: whether any of it may have reached the server."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from requests import PreparedRequest

from kinto_models.errors import ConnectionFailedError, ProxyFailedError, ReadTimeoutError, TLSError, TransportError
from kinto_models.protocol.messages import Request
from kinto_models.transports.aiohttp import AiohttpTransport
from kinto_models.transports.base import Connection
from kinto_models.transports.requests import RequestsTransport

if TYPE_CHECKING:
    from tests.loopback import Loopback, Then
    from tests.transports.conftest import Listen, Send, Serve

# Python 3.10's asyncio warns of what TLS broke off as if somebody had left it open.
_UNCLOSED = pytest.mark.filterwarnings(
    f"{'ignore' if sys.version_info < (3, 11) else 'error'}::pytest.PytestUnraisableExceptionWarning"
)
_WRITE: Final = Request("PUT", "/buckets/blog", {"If-None-Match": "*"}, b'{"data":{}}')
_OK: Final = b"HTTP/1.1 200 OK\r\n"


# Before anything was sent


def test_nothing_was_sent_where_nobody_listens(send: Send, unused_port: int) -> None:
    with pytest.raises(ConnectionFailedError) as caught:
        send(f"http://127.0.0.1:{unused_port}/v1", _WRITE)
    assert caught.value.sent is False


def test_nothing_was_sent_to_a_host_that_does_not_exist(send: Send) -> None:
    with pytest.raises(ConnectionFailedError) as caught:
        send("http://nowhere.invalid/v1", _WRITE)
    assert caught.value.sent is False


def test_nothing_was_sent_where_no_connection_came_in_time(send: Send, full_port: int) -> None:
    with pytest.raises(TransportError) as caught:
        send(f"http://127.0.0.1:{full_port}/v1", _WRITE, timeouts=(0.1, 5))
    assert caught.value.sent is False


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_nothing_was_sent_by_a_proxy_that_is_not_there(
    send: Send, unused_port: int, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{unused_port}")
    with pytest.raises(ProxyFailedError) as caught:
        send(f"{scheme}://kinto.example/v1", _WRITE)
    assert caught.value.sent is False


@pytest.mark.parametrize("address", ["http://[broken", "ftp://127.0.0.1:1", "http://127.0.0.1:99999", "socks9://x:1"])
def test_nothing_was_sent_by_a_proxy_whose_address_is_broken(
    send: Send, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("http_proxy", address)
    with pytest.raises(TransportError) as caught:
        send("http://kinto.example/v1", _WRITE)
    assert caught.value.sent is False


@pytest.mark.parametrize(
    ("raw", "then"),
    [
        (b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", "close"),
        (b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n", "keep"),
        (b"nonsense\r\n\r\n", "close"),
        (b"", "close"),
        (b"", "reset"),
        (b"", "stall"),
        (b"HTTP/1.1 200", "stall"),
    ],
)
def test_nothing_was_sent_where_the_proxy_makes_no_tunnel(
    loopback: Loopback, send: Send, monkeypatch: pytest.MonkeyPatch, raw: bytes, then: Then
) -> None:
    loopback.says(raw, then)
    monkeypatch.setenv("https_proxy", loopback.origin)
    with pytest.raises(TransportError) as caught:
        send("https://kinto.example/v1", _WRITE, timeouts=(0.2, 0.2))
    assert caught.value.sent is False
    assert loopback.only.line.startswith("CONNECT ")


def test_nothing_was_sent_where_tls_fails_within_the_tunnel(
    loopback: Loopback, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    loopback.says(_OK + b"\r\n", "keep")
    loopback.says(b"\x15\x03\x03\x00\x02\x02\x28")  # an alert: the handshake fails
    monkeypatch.setenv("https_proxy", loopback.origin)
    with pytest.raises(TransportError) as caught:
        send("https://kinto.example/v1", _WRITE, timeouts=(2, 2))
    assert caught.value.sent is False
    assert len(loopback.received) == 2


def test_nothing_was_sent_to_a_server_whose_certificate_is_refused(listen: Listen, send: Send) -> None:
    server = listen(tls=True)
    with pytest.raises(TLSError) as caught:
        send(server.url, _WRITE)
    assert caught.value.sent is False
    assert server.received == []


@pytest.mark.parametrize(
    ("raw", "then"), [(b"HTTP/1.1 400 Bad Request\r\n\r\n", "close"), (b"", "close"), (b"", "stall")]
)
def test_nothing_was_sent_where_the_tls_handshake_fails(loopback: Loopback, send: Send, raw: bytes, then: Then) -> None:
    loopback.says(raw, then)
    with pytest.raises(TransportError) as caught:
        send(loopback.url.replace("http:", "https:"), _WRITE, timeouts=(0.2, 0.2))
    assert caught.value.sent is False


def _raises(request: PreparedRequest) -> PreparedRequest:
    raise OSError("the key is not there")


def _elsewhere(request: PreparedRequest) -> PreparedRequest:
    request.url = str(request.url).replace("127.0.0.1", "localhost")
    return request


@pytest.mark.parametrize("auth", [_raises, _elsewhere])
def test_nothing_was_sent_where_the_auth_object_raises_or_points_elsewhere(
    loopback: Loopback, send: Send, auth: Callable[[PreparedRequest], PreparedRequest]
) -> None:
    with pytest.raises(TransportError) as caught:
        send(loopback.url, _WRITE, auth=auth)
    assert caught.value.sent is False
    assert loopback.received == []


def test_nothing_was_sent_where_the_server_went_away_between_two_requests(loopback: Loopback, send: Send) -> None:
    def leave(request: PreparedRequest) -> PreparedRequest:
        if request.method == "PUT":
            loopback.close()
        return request

    loopback.says(_OK + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}")
    with pytest.raises(ConnectionFailedError) as caught:
        send(loopback.url, Request("GET", "/"), _WRITE, auth=leave)
    assert caught.value.sent is False
    assert len(loopback.received) == 1


def test_nothing_was_sent_on_a_pool_that_was_closed(loopback: Loopback) -> None:
    transport = RequestsTransport(Connection.of(loopback.url, None, None, 5))
    transport._pool().close()
    with pytest.raises(ConnectionFailedError) as caught:
        transport.send(_WRITE)
    assert caught.value.sent is False
    transport.close()


async def test_nothing_was_sent_where_the_client_was_closed_while_it_connected(full_port: int) -> None:
    transport = AiohttpTransport(Connection.of(f"http://127.0.0.1:{full_port}/v1", None, None, 0.5))
    asking = asyncio.ensure_future(transport.send(_WRITE))
    await asyncio.sleep(0.05)
    await transport.close()
    with pytest.raises(ConnectionFailedError, match="nothing was sent") as caught:
        await asking
    assert caught.value.sent is False


# And after


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"HTTP/1.1 20",
        _OK + b"Content-Le",
        _OK + b"ETag: W",
        _OK + b"Content-Length: 50\r\n\r\n{",
        _OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"nonsense\r\n\r\n",
        _OK + b"Content-Length: 2\r\nContent-Encoding: gzip\r\n\r\n{}",
    ],
)
@pytest.mark.parametrize("then", ["close", "reset", "stall"])
def test_a_request_whose_answer_did_not_come_whole_may_have_been_carried_out(
    loopback: Loopback, send: Send, begun: bytes, then: Then
) -> None:
    loopback.says(begun, then)
    with pytest.raises(TransportError) as caught:
        send(loopback.url, _WRITE, timeouts=(5, 0.2))
    assert caught.value.sent is True


def test_a_request_on_a_connection_that_was_used_before_may_have_been_carried_out(
    loopback: Loopback, send: Send
) -> None:
    loopback.answers()
    loopback.says(b"")
    with pytest.raises(ConnectionFailedError) as caught:
        send(loopback.url, Request("GET", "/"), _WRITE)
    assert caught.value.sent is True
    assert [received.connection for received in loopback.received] == [1, 1]


def test_a_request_that_a_proxy_took_may_have_been_carried_out(
    loopback: Loopback, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    loopback.says(b"")
    monkeypatch.setenv("http_proxy", loopback.origin)
    with pytest.raises(ConnectionFailedError) as caught:
        send("http://kinto.example/v1", _WRITE)
    assert caught.value.sent is True


def test_a_request_that_was_cut_while_it_was_sent_may_have_been_carried_out(send: Send, serve: Serve) -> None:
    def cut(connection: socket.socket) -> None:
        connection.recv(100)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    large = Request("PUT", "/buckets/blog", {}, b" " * 20_000_000)
    with pytest.raises(TransportError) as caught:
        send(f"http://127.0.0.1:{serve(cut)}/v1", large)
    assert caught.value.sent is True


@_UNCLOSED
def test_a_request_after_whose_handshake_tls_fails_may_have_been_carried_out(
    send: Send, serve: Serve, certificate: Path, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def garble(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as wrapped:
            wrapped.recv(65536)
            socket.socket.send(wrapped, b"\x17\x03\x03\x00\x20" + b"\x00" * 32)  # a record that nobody signed

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    with pytest.raises(TransportError) as caught:
        send(f"https://127.0.0.1:{serve(garble)}/v1", _WRITE)
    assert caught.value.sent is True


@_UNCLOSED
def test_a_request_in_a_tunnel_that_breaks_may_have_been_carried_out(
    listen: Listen, send: Send, serve: Serve, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = listen(tls=True)
    server.says(b"")

    def tunnel(near: socket.socket) -> None:
        near.recv(65536)
        with socket.create_connection(("127.0.0.1", server.port)) as far:
            near.sendall(_OK + b"\r\n")
            back = threading.Thread(target=_pump, args=(far, near))
            back.start()
            _pump(near, far)
            back.join(5)

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{serve(tunnel)}")
    with pytest.raises(ConnectionFailedError) as caught:
        send(server.url, _WRITE)
    assert caught.value.sent is True
    assert server.only.line.startswith("PUT ")


def _pump(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)


def test_a_time_limit_after_sending_is_told_from_one_before(loopback: Loopback, send: Send, full_port: int) -> None:
    loopback.says(b"", "stall")
    with pytest.raises(ReadTimeoutError) as after:
        send(loopback.url, _WRITE, timeouts=(5, 0.1))
    with pytest.raises(TransportError) as before:
        send(f"http://127.0.0.1:{full_port}/v1", _WRITE, timeouts=(0.1, 5))
    assert (before.value.sent, after.value.sent) == (False, True)
