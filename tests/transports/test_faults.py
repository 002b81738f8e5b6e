"""What can go wrong on a wire, each made on a real socket."""

from __future__ import annotations

import gzip
import pickle
import traceback
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kinto_models.errors import BrokenAnswerError, ConnectionFailedError, TLSError, TransportError
from kinto_models.protocol.messages import Request, Response
from kinto_models.transports.requests import RequestsTransport

if TYPE_CHECKING:
    from tests.loopback import Loopback, Then
    from tests.transports.conftest import Connect

_ASK = Request("GET", "/buckets/blog?_limit=3&secret=s3cret")

_OK = b"HTTP/1.1 200 OK\r\n"


def test_a_port_that_nobody_listens_on_is_a_connection_error(connect: Connect, unused_port: int) -> None:
    with pytest.raises(ConnectionFailedError, match="is it running") as caught:
        connect(f"http://127.0.0.1:{unused_port}/v1").send(_ASK)
    assert isinstance(caught.value, ConnectionError)
    assert caught.value.request == "GET /buckets/blog"


def test_a_host_that_does_not_exist_is_a_connection_error(connect: Connect) -> None:
    with pytest.raises(ConnectionFailedError):
        connect("http://nowhere.invalid/v1").send(_ASK)


@pytest.mark.parametrize("host", [".example", "a" * 70 + ".example", "exa mple", "a\x00b"])
def test_a_host_that_is_no_name_is_a_transport_error(connect: Connect, host: str) -> None:
    with pytest.raises(TransportError):
        connect(f"http://{host}/v1").send(_ASK)


def test_a_connection_closed_before_the_answer_is_a_connection_error(
    loopback: Loopback, transport: RequestsTransport
) -> None:
    loopback.says(b"")
    with pytest.raises(ConnectionFailedError):
        transport.send(_ASK)


def test_a_connection_reset_before_the_answer_is_a_connection_error(
    loopback: Loopback, transport: RequestsTransport
) -> None:
    loopback.says(b"", "reset")
    with pytest.raises(ConnectionFailedError):
        transport.send(_ASK)


@pytest.mark.parametrize("begun", [b"Content-Length: 50\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"])
@pytest.mark.parametrize("end", ["close", "reset"])
def test_an_answer_that_breaks_off_is_a_broken_answer(
    loopback: Loopback, transport: RequestsTransport, begun: bytes, end: Then
) -> None:
    loopback.says(_OK + begun, end)
    with pytest.raises(BrokenAnswerError, match="broke off"):
        transport.send(_ASK)


@pytest.mark.parametrize("size", [b"zz", b"", b"-5", b"0x2", b"2_0", b"\xff"])
def test_a_chunk_whose_size_is_none_is_a_transport_error(
    loopback: Loopback, transport: RequestsTransport, size: bytes
) -> None:
    loopback.says(_OK + b"Transfer-Encoding: chunked\r\n\r\n" + size + b"\r\n{}\r\n")
    with pytest.raises(TransportError):
        transport.send(_ASK)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "gzip, gzip, gzip, gzip, gzip, gzip"])
def test_a_body_that_is_not_compressed_as_it_says_is_a_broken_answer(
    loopback: Loopback, transport: RequestsTransport, coding: str
) -> None:
    loopback.answers(200, {"Content-Encoding": coding}, b'{"data":{}}')
    with pytest.raises(BrokenAnswerError):
        transport.send(_ASK)


def test_a_compressed_body_is_handed_on_decompressed(loopback: Loopback, transport: RequestsTransport) -> None:
    loopback.answers(200, {"Content-Encoding": "gzip"}, gzip.compress(b'{"data":{}}'))
    assert transport.send(_ASK).body == b'{"data":{}}'


def test_two_lengths_that_differ_are_a_broken_answer(loopback: Loopback, transport: RequestsTransport) -> None:
    loopback.says(_OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}")
    with pytest.raises(BrokenAnswerError):
        transport.send(_ASK)


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"<html>hello</html>\r\n\r\n",
        b"\x15\x03\x03\x00\x02\x02\x46",
        b"HTTP/1.1 abc Whatever\r\n\r\n",
        b"HTTP/1.1 99999 Whatever\r\n\r\n",
        b"HTTP/1.1 -1 Whatever\r\n\r\n",
        b"HTTP/3.9 200 Whatever\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Many: 1\r\n" * 150 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 70_000 + b"\r\n\r\n",
        b"\r\n\r\n",
        b"\x00" * 50,
    ],
)
def test_garbage_instead_of_http_is_a_connection_error(
    loopback: Loopback, transport: RequestsTransport, garbage: bytes
) -> None:
    loopback.says(garbage)
    with pytest.raises(ConnectionFailedError):
        transport.send(_ASK)


def test_tls_with_a_server_that_speaks_none_is_a_tls_error(loopback: Loopback, connect: Connect) -> None:
    with pytest.raises(TLSError):
        connect(loopback.url.replace("http:", "https:")).send(_ASK)


_starts = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.0 302 Found\r\n",
        b"HTTP/1.1 307 Temporary Redirect\r\n",
        b"HTTP/1.1 304 Not Modified\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n",
    ]
)
_headers = st.sampled_from(
    [
        b"Content-Length: 3\r\n",
        b"Content-Length: -3\r\n",
        b"Content-Length: x\r\n",
        b"Content-Encoding: gzip\r\n",
        b"Content-Encoding: deflate\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Location: http://[\r\n",
        b"Location: //x:y/\xff\r\n",
        b"Set-Cookie: a=b; expires=never; max-age=x\r\n",
        b"no colon\r\n",
        b" folded\r\n",
    ]
)
_bodies = st.sampled_from([b"\r\n", b"3\r\n", b"-3\r\n", b"0\r\n\r\n", b"{}", gzip.compress(b"{}")]) | st.binary(
    max_size=8
)
_answers = st.binary(max_size=30) | st.tuples(
    _starts, st.lists(_headers, max_size=4).map(b"".join), st.just(b"\r\n"), st.lists(_bodies, max_size=4).map(b"".join)
).map(b"".join)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=_answers)
def test_whatever_bytes_a_server_sends_they_are_an_answer_or_an_error_of_the_tree(
    loopback: Loopback, transport: RequestsTransport, raw: bytes
) -> None:
    loopback.says(raw)
    outcome = _outcome(transport)
    if isinstance(outcome, Response):
        assert 100 <= outcome.status <= 999
    else:
        assert outcome == "GET /buckets/blog"


def _outcome(transport: RequestsTransport) -> Response | str:
    """The answer, or what its error says was asked; the error itself would keep its sockets."""
    try:
        return transport.send(_ASK)
    except TransportError as error:
        return error.request


def test_after_a_broken_answer_the_next_request_gets_a_connection_of_its_own(
    loopback: Loopback, transport: RequestsTransport
) -> None:
    loopback.says(_OK + b"Content-Length: 50\r\n\r\n{")
    with pytest.raises(BrokenAnswerError):
        transport.send(_ASK)
    assert transport.send(_ASK).body == b"{}"
    assert [received.connection for received in loopback.received] == [1, 2]


def test_an_error_names_method_and_path_only_and_survives_pickle(
    loopback: Loopback, transport: RequestsTransport
) -> None:
    loopback.says(b"", "reset")
    with pytest.raises(TransportError) as caught:
        transport.send(_ASK)
    assert str(caught.value).startswith("GET /buckets/blog: ")
    assert "s3cret" not in "".join(traceback.format_exception_only(caught.value))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (type(copy), str(copy), copy.request) == (type(caught.value), str(caught.value), "GET /buckets/blog")
    assert b"s3cret" not in pickle.dumps(caught.value)


def test_the_cause_of_an_error_is_kept_for_the_traceback(loopback: Loopback, transport: RequestsTransport) -> None:
    loopback.says(b"", "reset")
    with pytest.raises(TransportError) as caught:
        transport.send(_ASK)
    assert caught.value.__cause__ is not None
