"""The blocking transport: connections, threads, headers, and what becomes of foreign exceptions."""

from __future__ import annotations

import json
import os
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from email.errors import MessageDefect
from http.client import IncompleteRead
from typing import TYPE_CHECKING, Final

import pytest
from requests import exceptions as foreign
from urllib3 import exceptions as lower

from kinto_models.errors import (
    BrokenAnswerError,
    ConnectionFailedError,
    ConnectTimeoutError,
    KintoError,
    NoClientError,
    ProxyFailedError,
    ReadTimeoutError,
    TimedOutError,
    TLSError,
    TransportError,
)
from kinto_models.protocol.messages import Request
from kinto_models.transports.requests import RequestsTransport, translate

if TYPE_CHECKING:
    from tests.loopback import Loopback
    from tests.transports.conftest import ClientOf, Connect

_GET: Final = Request("GET", "/")

# Every exception of the two libraries, and what a user sees of it. A class that is not here fails a test below.
_EXPECTED: Final[dict[type[Exception], type[TransportError]]] = {
    # raised while sending
    foreign.ConnectTimeout: ConnectTimeoutError,
    foreign.ReadTimeout: ReadTimeoutError,
    foreign.Timeout: TimedOutError,
    foreign.ProxyError: ProxyFailedError,
    foreign.InvalidProxyURL: ProxyFailedError,
    foreign.SSLError: TLSError,
    foreign.ConnectionError: ConnectionFailedError,
    foreign.ChunkedEncodingError: BrokenAnswerError,
    foreign.ContentDecodingError: BrokenAnswerError,
    foreign.InvalidHeader: BrokenAnswerError,  # only of answers: requests are assembled by hand
    # of no better class than the root
    foreign.RequestException: TransportError,
    foreign.InvalidJSONError: TransportError,
    foreign.JSONDecodeError: TransportError,
    foreign.HTTPError: TransportError,
    foreign.URLRequired: TransportError,
    foreign.TooManyRedirects: TransportError,
    foreign.MissingSchema: TransportError,
    foreign.InvalidSchema: TransportError,
    foreign.InvalidURL: TransportError,
    foreign.StreamConsumedError: TransportError,
    foreign.RetryError: TransportError,
    foreign.UnrewindableBodyError: TransportError,
    # urllib3's, mostly wrapped by requests
    lower.HTTPError: TransportError,
    lower.ConnectTimeoutError: ConnectTimeoutError,
    lower.NewConnectionError: ConnectionFailedError,  # though a kind of ConnectTimeoutError there
    lower.NameResolutionError: ConnectionFailedError,  # see NewConnectionError
    lower.ReadTimeoutError: ReadTimeoutError,
    lower.TimeoutError: TimedOutError,
    lower.ProxyError: ProxyFailedError,
    lower.ProxySchemeUnknown: ProxyFailedError,
    lower.ProxySchemeUnsupported: ProxyFailedError,
    lower.SSLError: TLSError,
    lower.IncompleteRead: BrokenAnswerError,
    lower.InvalidChunkLength: BrokenAnswerError,
    lower.DecodeError: BrokenAnswerError,
    lower.ResponseError: BrokenAnswerError,
    lower.ResponseNotChunked: BrokenAnswerError,
    lower.BodyNotHttplibCompatible: BrokenAnswerError,
    lower.InvalidHeader: BrokenAnswerError,
    lower.HeaderParsingError: BrokenAnswerError,
    lower.ProtocolError: ConnectionFailedError,
    lower.ClosedPoolError: ConnectionFailedError,
    lower.EmptyPoolError: ConnectionFailedError,
    lower.FullPoolError: ConnectionFailedError,
    lower.HostChangedError: ConnectionFailedError,
    lower.MaxRetryError: ConnectionFailedError,
    lower.PoolError: ConnectionFailedError,
    lower.RequestError: ConnectionFailedError,
    lower.LocationParseError: ConnectionFailedError,
    lower.LocationValueError: ConnectionFailedError,
    lower.URLSchemeUnknown: ConnectionFailedError,
    lower.TimeoutStateError: TransportError,
    lower.UnrewindableBodyError: TransportError,
}
_OF_PYTHON: Final = {IncompleteRead, MessageDefect, json.JSONDecodeError}  # only imported there


def _name(theirs: object) -> str:
    return str(theirs).split("'")[1]  # <class 'requests.exceptions.Timeout'>


def _exceptions() -> set[type[Exception]]:
    named = [*vars(foreign).values(), *vars(lower).values()]
    classes = {each for each in named if isinstance(each, type) and issubclass(each, Exception)}
    return {each for each in classes - _OF_PYTHON if not issubclass(each, Warning)}


def test_every_exception_of_requests_and_urllib3_is_accounted_for() -> None:
    assert _exceptions() == set(_EXPECTED)


@pytest.mark.parametrize("theirs", sorted(_exceptions(), key=_name), ids=_name)
def test_every_exception_of_requests_and_urllib3_becomes_one_of_ours(theirs: type[Exception]) -> None:
    error = theirs.__new__(theirs)  # their constructors want pools and responses
    ours = translate(error, Request("PUT", "/buckets/blog?token=s3cret"))
    assert type(ours) is _EXPECTED[theirs]
    assert ours.request == "PUT /buckets/blog"
    assert str(ours).startswith("PUT /buckets/blog: ")
    assert str(ours).endswith(f" ({theirs.__name__})")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (ConnectionResetError(), ConnectionFailedError),
        (OSError(), ConnectionFailedError),
        (ValueError("of no kind that is known"), TransportError),
    ],
)
def test_an_exception_of_python_becomes_one_of_ours(theirs: Exception, ours: type[TransportError]) -> None:
    assert type(translate(theirs, _GET)) is ours


def test_the_text_of_a_foreign_exception_is_not_repeated() -> None:
    error = translate(foreign.ProxyError("http://alice:s3cret@proxy.example"), _GET)
    assert "s3cret" not in str(error)


def test_two_requests_share_one_connection(loopback: Loopback, transport: RequestsTransport) -> None:
    for _ in range(3):
        transport.send(_GET)
    assert [received.connection for received in loopback.received] == [1, 1, 1]


def test_a_connection_that_the_server_closed_is_replaced(loopback: Loopback, transport: RequestsTransport) -> None:
    loopback.says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
    transport.send(_GET)
    assert transport.send(_GET).body == b"{}"
    assert [received.connection for received in loopback.received] == [1, 2]


def test_threads_share_the_connections_and_none_waits_for_another(
    loopback: Loopback, transport: RequestsTransport
) -> None:
    together = threading.Barrier(3)

    def work(_: int) -> None:
        for _ in range(20):
            together.wait(5)
            transport.send(_GET)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    assert len(loopback.received) == 60
    assert {received.connection for received in loopback.received} <= {1, 2, 3}


def test_with_an_auth_object_each_thread_has_a_session_of_its_own(loopback: Loopback, connect: Connect) -> None:
    transport = connect(loopback.url, sign=lambda prepared: prepared)
    together = threading.Barrier(3)

    def work(_: int) -> None:
        together.wait(5)
        transport.send(_GET)
        together.wait(5)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
        assert len(transport._sessions) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_has_connections_of_its_own(loopback: Loopback, transport: RequestsTransport) -> None:
    transport.send(_GET)
    child = os.fork()
    if child == 0:
        os._exit(0 if transport.send(_GET).status == 200 else 1)
    assert os.waitpid(child, 0)[1] == 0
    transport.send(_GET)
    assert [received.connection for received in loopback.received] == [1, 2, 1]


def test_a_closed_client_sends_nothing_and_says_so(loopback: Loopback, client_of: ClientOf) -> None:
    client = client_of(loopback.url)
    client._runner.transport.send(_GET)
    client.close()
    with pytest.raises(NoClientError, match="closed"):
        client._runner.transport.send(_GET)
    assert len(loopback.received) == 1


def test_closing_closes_the_connections_of_all_threads(loopback: Loopback, transport: RequestsTransport) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(transport.send, _GET).result(5)
        transport.close()
        with pytest.raises(NoClientError):
            pool.submit(transport.send, _GET).result(5)
    assert len(loopback.received) == 1


def test_a_closed_client_leaves_no_connection_open(loopback: Loopback, transport: RequestsTransport) -> None:
    transport.send(_GET)
    transport.close()
    for thread in loopback._threads[1:]:  # one serves each connection, until it ends
        thread.join(5)
        assert not thread.is_alive()


def test_closing_twice_is_no_error(loopback: Loopback, client_of: ClientOf) -> None:
    client = client_of(loopback.url)
    client.close()
    client.close()
    with pytest.raises(NoClientError):
        client._runner.transport.send(_GET)


def test_status_headers_and_body_are_handed_on_as_they_came(loopback: Loopback, transport: RequestsTransport) -> None:
    loopback.answers(418, {"ETag": '"12"', "Next-Page": "http://elsewhere/"}, b"\xff not JSON")
    response = transport.send(_GET)
    assert (response.status, response.body, response.root) == (418, b"\xff not JSON", loopback.url)
    assert response.headers.get("etag") == response.headers.get("ETAG") == '"12"'
    assert response.headers.get("next-page") == "http://elsewhere/"


def test_the_target_reaches_the_server_as_it_was_quoted(loopback: Loopback, transport: RequestsTransport) -> None:
    transport.send(Request("GET", "/buckets/a%2Fb%2E/records?x=%22%2B%20%23%C3%A9%22&y=a+b~%7E"))
    assert loopback.only.line == "GET /v1/buckets/a%2Fb%2E/records?x=%22%2B%20%23%C3%A9%22&y=a+b~%7E HTTP/1.1"


def test_the_headers_of_a_client_go_with_every_request_and_those_of_a_request_win(
    loopback: Loopback, connect: Connect
) -> None:
    transport = connect(loopback.url, headers={"X-Team": "docs", "User-Agent": "mine/1", "accept": "text/json"})
    transport.send(Request("GET", "/", {"x-team": "web"}))
    transport.send(_GET)
    first, second = (received.headers for received in loopback.received)
    assert (first["x-team"], second["x-team"]) == ("web", "docs")
    assert first["user-agent"] == second["user-agent"] == "mine/1"
    assert first["accept"] == second["accept"] == "text/json"


def test_the_headers_of_one_request_do_not_leak_into_the_next(loopback: Loopback, transport: RequestsTransport) -> None:
    transport.send(Request("PUT", "/x", {"If-Match": '"12"', "Content-Type": "application/json"}, b'{"data":{}}'))
    transport.send(_GET)
    assert loopback.received[0].headers["if-match"] == '"12"'
    assert not {"if-match", "content-type", "content-length"} & set(loopback.received[1].headers)


def test_no_cookie_of_the_server_is_sent_back(loopback: Loopback, transport: RequestsTransport) -> None:
    loopback.answers(200, {"Set-Cookie": "session=1; Path=/"})
    transport.send(_GET)
    transport.send(_GET)
    assert "cookie" not in loopback.received[1].headers


def test_a_body_is_sent_with_its_length_in_bytes(loopback: Loopback, transport: RequestsTransport) -> None:
    body = '{"data":{"title":"naïve 🔑"}}'.encode()
    transport.send(Request("PATCH", "/x", {}, body))
    assert loopback.only.body == body
    assert loopback.only.headers["content-length"] == str(len(body))


def test_an_answer_may_come_compressed(loopback: Loopback, transport: RequestsTransport) -> None:
    transport.send(_GET)
    assert "accept" not in loopback.only.headers  # Kinto has nothing else, and takes its time to read it
    assert "gzip" in loopback.only.headers["accept-encoding"]


@pytest.mark.parametrize("value", ["s3cret\n", "s3cret\r\nX-Admin: 1", "s3cr\u20act"])
def test_a_header_that_http_cannot_carry_is_an_error_that_does_not_repeat_it(
    loopback: Loopback, connect: Connect, value: str
) -> None:
    with pytest.raises((KintoError, ValueError)) as caught:
        connect(loopback.url, headers={"Authorization": f"Bearer {value}"}).send(_GET)
    assert not isinstance(caught.value, UnicodeError)
    assert "s3c" not in "".join(traceback.format_exception_only(caught.value))
    assert loopback.received == []


@pytest.mark.parametrize("location", ["/v1/other", "http://elsewhere.example/v1/x", "http://[broken", "http://h:port/"])
@pytest.mark.parametrize(("method", "status"), [("GET", 302), ("HEAD", 301), ("DELETE", 307), ("PUT", 308)])
def test_a_redirect_is_an_answer_like_others_and_not_followed(
    loopback: Loopback, transport: RequestsTransport, method: str, location: str, status: int
) -> None:
    loopback.answers(status, {"Location": location}, b"")
    response = transport.send(Request(method, "/records/"))
    assert response.status == status
    assert response.headers.get("Location") == location
    assert len(loopback.received) == 1


@pytest.mark.parametrize("location", ["/é".encode(), "/é".encode("latin-1"), b""])
def test_a_redirect_to_an_address_that_is_none_is_an_answer_too(
    loopback: Loopback, transport: RequestsTransport, location: bytes
) -> None:
    loopback.says(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n", "keep")
    assert transport.send(_GET).status == 302
    assert len(loopback.received) == 1
