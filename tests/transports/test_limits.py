"""Answers that are huge, never end, or decompress into gigabytes."""

from __future__ import annotations

import gzip
import socket
import ssl
import time
import tracemalloc
import zlib
from collections.abc import Callable
from math import inf, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from requests.auth import HTTPDigestAuth

from kinto_models import AnswerTooLargeError, AsyncClient, BrokenAnswerError, Client, Limits, ReadTimeoutError
from kinto_models.protocol.messages import Request
from kinto_models.transports.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from tests.loopback import Loopback
    from tests.transports.conftest import Connect, Send, Serve

_GET: Final = Request("GET", "/")
_OK: Final = b"HTTP/1.1 200 OK\r\n"


def test_a_client_that_was_told_nothing_takes_256_mib_in_300_seconds() -> None:
    assert Limits() == DEFAULT_LIMITS == Limits(answer_bytes=256 * 2**20, answer_seconds=300.0)


@pytest.mark.parametrize("field", ["answer_bytes", "answer_seconds"])
@pytest.mark.parametrize("nonsense", [0, -1, True, nan, "3", (1, 2)])
def test_a_limit_that_is_none_is_refused(field: str, nonsense: Any) -> None:
    with pytest.raises(ValueError, match="a limit is a positive number, or None"):
        Limits(**{field: nonsense})


@pytest.mark.parametrize("nonsense", [1.5, inf])
def test_a_fraction_of_a_byte_is_refused(nonsense: Any) -> None:
    with pytest.raises(ValueError, match="answer_bytes"):
        Limits(answer_bytes=nonsense)


# Bytes


def _framed(body: bytes, framing: str, coding: str = "") -> bytes:
    head = _OK + (f"Content-Encoding: {coding}\r\n".encode() if coding else b"")
    if framing == "length":
        return head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    if framing == "chunked":
        return head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    return head + b"\r\n" + body


def _bare(body: bytes) -> bytes:
    deflating = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflating.compress(body) + deflating.flush()


_FRAMINGS = pytest.mark.parametrize("framing", ["length", "chunked", "until it closes"])
_CODINGS = pytest.mark.parametrize(
    ("coding", "compress"),
    [("", bytes), ("identity", bytes), ("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", _bare)],
)


@_FRAMINGS
@_CODINGS
def test_an_answer_as_large_as_it_may_be_comes_whole(
    loopback: Loopback, send: Send, framing: str, coding: str, compress: Callable[[bytes], bytes]
) -> None:
    body = bytes(range(256)) * 400
    loopback.says(_framed(compress(body), framing, coding))
    assert send(loopback.url, _GET, limits=Limits(answer_bytes=len(body))).body == body


@_FRAMINGS
@_CODINGS
def test_an_answer_with_a_byte_more_is_an_error_that_says_what_takes_more(
    loopback: Loopback, send: Send, framing: str, coding: str, compress: Callable[[bytes], bytes]
) -> None:
    body = bytes(range(256)) * 400
    loopback.says(_framed(compress(body), framing, coding))
    with pytest.raises(AnswerTooLargeError, match=r"more than 102399 bytes; .*Limits\(answer_bytes=") as caught:
        send(loopback.url, _GET, limits=Limits(answer_bytes=len(body) - 1))
    assert isinstance(caught.value, BrokenAnswerError)
    assert (caught.value.request, caught.value.sent) == ("GET /", True)


def test_an_answer_that_says_that_it_is_huge_is_not_waited_for(loopback: Loopback, send: Send) -> None:
    loopback.says(_OK + b"Content-Length: 1000000000000\r\n\r\n{", "stall")
    with pytest.raises(AnswerTooLargeError):
        send(loopback.url, _GET)


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_length_without_a_body_is_no_large_answer(loopback: Loopback, send: Send, method: str) -> None:
    status = b"200 OK" if method == "HEAD" else b"304 Not Modified"
    loopback.says(b"HTTP/1.1 " + status + b"\r\nContent-Length: 1000000000000\r\n\r\n", "keep")
    assert send(loopback.url, Request(method, "/"), _GET).body == b"{}"


@pytest.fixture(scope="module")
def bombs() -> dict[str, bytes]:
    """Half a gigabyte each, in half a megabyte."""

    def bomb(wbits: int) -> bytes:
        deflating = zlib.compressobj(1, wbits=wbits)
        return b"".join(deflating.compress(bytes(2**20)) for _ in range(512)) + deflating.flush()

    made = {"gzip": bomb(31), "deflate": bomb(15), "deflate, bare": bomb(-15)}
    return {**made, "gzip, in members": gzip.compress(bytes(2**20)) * 512}


@pytest.mark.parametrize("kind", ["gzip", "deflate", "deflate, bare", "gzip, in members"])
def test_an_answer_that_decompresses_into_gigabytes_never_does(
    loopback: Loopback, send: Send, bombs: dict[str, bytes], kind: str
) -> None:
    loopback.answers(200, {"Content-Encoding": kind.partition(",")[0]}, bombs[kind])
    tracemalloc.start()
    try:
        with pytest.raises(AnswerTooLargeError):
            send(loopback.url, _GET, limits=Limits(answer_bytes=1_000_000))
        assert tracemalloc.get_traced_memory()[1] < 12_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "compress", "gzip;q=1"])
def test_an_encoding_that_nobody_asked_for_is_a_broken_answer(loopback: Loopback, send: Send, coding: str) -> None:
    loopback.answers(200, {"Content-Encoding": coding})
    with pytest.raises(BrokenAnswerError):
        send(loopback.url, _GET)
    assert loopback.only.headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("compressed", [gzip.compress(b"{}")[:-1], gzip.compress(b"{}") + b"{}", b"{}"])
def test_a_compressed_body_that_breaks_off_or_goes_on_is_a_broken_answer(
    loopback: Loopback, send: Send, compressed: bytes
) -> None:
    loopback.answers(200, {"Content-Encoding": "gzip"}, compressed)
    with pytest.raises(BrokenAnswerError):
        send(loopback.url, _GET)


@pytest.mark.parametrize("framing", ["chunked", "until it closes"])
def test_an_answer_that_never_ends_is_given_up_and_its_connection_closed(
    send: Send, serve: Serve, framing: str
) -> None:
    chunked = framing == "chunked"
    hung_up: list[str] = []

    def endless(connection: socket.socket) -> None:
        connection.recv(65536)
        piece = b" " * 65536
        connection.sendall(_OK + (b"Transfer-Encoding: chunked\r\n" if chunked else b"") + b"\r\n")
        try:
            while True:
                connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        except OSError:
            hung_up.append("yes")

    with pytest.raises(AnswerTooLargeError):
        send(f"http://127.0.0.1:{serve(endless)}/v1", _GET, limits=Limits(answer_bytes=5_000_000))
    deadline = time.monotonic() + 5
    while not hung_up:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_after_an_answer_that_was_too_large_the_next_request_gets_a_connection_of_its_own(
    loopback: Loopback, connect: Connect
) -> None:
    loopback.answers(200, {}, b"x" * 100)
    transport = connect(loopback.url, limits=Limits(answer_bytes=10))
    with pytest.raises(AnswerTooLargeError):
        transport.send(_GET)
    assert transport.send(_GET).body == b"{}"
    assert [received.connection for received in loopback.received] == [1, 2]


def test_the_answer_to_an_auth_object_is_bounded_too(loopback: Loopback, connect: Connect) -> None:
    challenge = {"WWW-Authenticate": 'Digest realm="kinto", nonce="abc", qop="auth"'}
    loopback.answers(401, challenge, b"x" * 100)
    transport = connect(loopback.url, sign=HTTPDigestAuth("alice", "s3cret"), limits=Limits(answer_bytes=10))
    with pytest.raises(AnswerTooLargeError):
        transport.send(_GET)
    assert len(loopback.received) == 1


def test_no_limit_is_no_limit(loopback: Loopback, send: Send) -> None:
    loopback.answers(200, {"Content-Encoding": "gzip"}, gzip.compress(bytes(3_000_000)))
    assert len(send(loopback.url, _GET, limits=Limits(None, None)).body) == 3_000_000


# Seconds

_DRIPPING: Final = [
    (_OK + b"Content-Length: 60\r\n\r\n", b" " * 60),
    (_OK + b"\r\n", b" " * 60),
    (_OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 12 + b"0\r\n\r\n"),
    (_OK + b"X-Drip: ", b"d" * 60 + b"\r\nContent-Length: 2\r\n\r\n{}"),
    (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + _OK + b"Content-Length: 2\r\n\r\n{}"),
]


def _drip(connection: socket.socket, begun: bytes, rest: bytes) -> None:
    """What is begun at once, and the rest a byte at a time, in about five seconds."""
    connection.recv(65536)
    connection.sendall(begun)
    for at in range(len(rest)):
        connection.sendall(rest[at : at + 1])
        time.sleep(5 / len(rest))


@pytest.mark.parametrize(("begun", "rest"), _DRIPPING)
def test_an_answer_that_drips_so_that_no_read_times_out_is_given_up(
    send: Send, serve: Serve, begun: bytes, rest: bytes
) -> None:
    port = serve(lambda connection: _drip(connection, begun, rest))
    with pytest.raises(ReadTimeoutError, match=r"within 0.3 s; .*Limits\(answer_seconds=") as caught:
        send(f"http://127.0.0.1:{port}/v1", _GET, limits=Limits(answer_seconds=0.3))
    assert (caught.value.request, caught.value.sent) == ("GET /", True)


def test_an_answer_that_drips_under_tls_is_given_up(
    send: Send, serve: Serve, certificate: Path, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def drip(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as wrapped:
            _drip(wrapped, *_DRIPPING[0])

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    with pytest.raises(ReadTimeoutError, match="answer_seconds"):
        send(f"https://127.0.0.1:{serve(drip)}/v1", _GET, limits=Limits(answer_seconds=0.3))


def test_a_server_that_says_nothing_has_no_more_time_than_a_whole_answer(loopback: Loopback, send: Send) -> None:
    loopback.says(b"", "stall")
    with pytest.raises(ReadTimeoutError, match="answer_seconds"):
        send(loopback.url, _GET, timeouts=(5, None), limits=Limits(answer_seconds=0.2))


def test_a_read_that_times_out_is_told_from_a_whole_answer_that_does(loopback: Loopback, send: Send) -> None:
    loopback.says(b"", "stall")
    with pytest.raises(ReadTimeoutError, match="no answer within the time limit"):
        send(loopback.url, _GET, timeouts=(5, 0.2), limits=Limits(answer_seconds=60))


def test_each_answer_has_all_the_time(loopback: Loopback, send: Send) -> None:
    loopback.delay = 0.9
    assert send(loopback.url, _GET, _GET, limits=Limits(answer_seconds=1.5)).body == b"{}"
    assert [received.connection for received in loopback.received] == [1, 1]


# Of a client


@pytest.fixture
def large(loopback: Loopback) -> str:
    """A server whose answer has eleven bytes."""
    loopback.answers(200, {}, b'{"data":[]}')
    return loopback.url


def test_a_client_has_limits(large: str) -> None:
    with Client(large, limits=Limits(answer_bytes=10), retry=0) as kinto, pytest.raises(AnswerTooLargeError):
        kinto.server_info()


async def test_an_async_client_has_limits(large: str) -> None:
    async with AsyncClient(large, limits=Limits(answer_bytes=10), retry=0) as kinto:
        with pytest.raises(AnswerTooLargeError):
            await kinto.server_info()
