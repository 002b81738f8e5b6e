"""The non-blocking transport on real sockets: what is sent, what becomes of answers, and what can go wrong."""

from __future__ import annotations

import asyncio
import gc
import gzip
import hmac
import pickle
import ssl
import threading
import time
import traceback
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import aiohttp
import pytest
from aiohttp import client_exceptions, http_exceptions
from hypothesis import HealthCheck, given, settings
from requests import PreparedRequest
from requests.auth import AuthBase, HTTPBasicAuth, HTTPDigestAuth

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
from kinto_models.transports.aiohttp import AiohttpTransport, _CutError, translate
from kinto_models.transports.auth import Auth, BearerToken
from kinto_models.transports.base import Connection
from tests.transports.test_faults import _answers

if TYPE_CHECKING:
    from tests.loopback import Loopback, Then
    from tests.transports.conftest import Listen

_GET: Final = Request("GET", "/")
_ASK: Final = Request("GET", "/buckets/blog?_limit=3&secret=s3cret")
_OK: Final = b"HTTP/1.1 200 OK\r\n"


Connect: TypeAlias = Callable[..., AiohttpTransport]
"""Makes a transport that is closed in the end: ``connect(url, auth=..., headers=..., timeouts=(connect, read))``."""


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    made: list[AiohttpTransport] = []

    def transport(
        url: str,
        *,
        auth: Auth = None,
        headers: Mapping[str, str] | None = None,
        timeouts: tuple[float | None, float | None] = (5, 5),
    ) -> AiohttpTransport:
        made.append(AiohttpTransport(Connection.of(url, auth, headers, timeouts)))
        return made[-1]

    yield transport
    for each in made:
        await each.close()


@pytest.fixture
def transport(loopback: Loopback, connect: Connect) -> AiohttpTransport:
    """A transport of the ``loopback`` server, anonymous."""
    return connect(loopback.url)


# Exceptions

# Every exception of aiohttp, and what a user sees of it. A class that is not here fails a test below.
_EXPECTED: Final[dict[type[Exception], type[TransportError]]] = {
    # raised while sending
    aiohttp.ConnectionTimeoutError: ConnectTimeoutError,
    aiohttp.SocketTimeoutError: ReadTimeoutError,
    aiohttp.ServerTimeoutError: TimedOutError,
    aiohttp.ClientProxyConnectionError: ProxyFailedError,
    aiohttp.ClientHttpProxyError: ProxyFailedError,
    aiohttp.ClientSSLError: TLSError,
    aiohttp.ClientConnectorSSLError: TLSError,
    aiohttp.ClientConnectorCertificateError: TLSError,
    aiohttp.ServerFingerprintMismatch: TLSError,
    aiohttp.ClientPayloadError: BrokenAnswerError,
    aiohttp.ClientResponseError: BrokenAnswerError,
    aiohttp.ContentTypeError: BrokenAnswerError,
    aiohttp.TooManyRedirects: BrokenAnswerError,
    aiohttp.WSServerHandshakeError: BrokenAnswerError,
    aiohttp.ClientConnectionError: ConnectionFailedError,
    aiohttp.ClientConnectionResetError: ConnectionFailedError,
    aiohttp.ClientOSError: ConnectionFailedError,
    aiohttp.ClientConnectorError: ConnectionFailedError,
    aiohttp.ClientConnectorDNSError: ConnectionFailedError,
    client_exceptions.UnixClientConnectorError: ConnectionFailedError,
    aiohttp.ServerConnectionError: ConnectionFailedError,
    aiohttp.ServerDisconnectedError: ConnectionFailedError,
    aiohttp.InvalidURL: ConnectionFailedError,
    aiohttp.InvalidUrlClientError: ConnectionFailedError,
    aiohttp.InvalidUrlRedirectClientError: ConnectionFailedError,
    # of no better class than the root
    aiohttp.ClientError: TransportError,
    aiohttp.NonHttpUrlClientError: TransportError,
    aiohttp.NonHttpUrlRedirectClientError: TransportError,
    aiohttp.RedirectClientError: TransportError,
    # of servers, of websockets and of multipart bodies
    aiohttp.EofStream: TransportError,
    aiohttp.WSMessageTypeError: TransportError,
    aiohttp.WebSocketError: TransportError,
}
# Newer than the oldest aiohttp that the extra takes.
for _name_of, _ours_of in {"UploadAbortedError": TransportError}.items():
    if hasattr(aiohttp, _name_of):
        _EXPECTED[getattr(aiohttp, _name_of)] = _ours_of


def _name(theirs: object) -> str:
    return str(theirs).split("'")[1].rpartition(".")[2]


def _exceptions() -> set[type[Exception]]:
    named = [*vars(aiohttp).values(), *vars(client_exceptions).values()]
    classes = {each for each in named if isinstance(each, type) and issubclass(each, Exception)}
    ours = {each for each in classes if each.__module__.startswith("aiohttp") and not issubclass(each, Warning)}
    # What its parser raises reaches callers inside one of the others.
    return ours - {each for each in vars(http_exceptions).values() if isinstance(each, type)}


def test_every_exception_of_aiohttp_is_accounted_for() -> None:
    assert _exceptions() == set(_EXPECTED)


@pytest.mark.parametrize("theirs", sorted(_exceptions(), key=_name), ids=_name)
def test_every_exception_of_aiohttp_becomes_one_of_ours(theirs: type[Exception]) -> None:
    error = theirs.__new__(theirs)  # their constructors want connections and requests
    ours = translate(error, Request("PUT", "/buckets/blog?token=s3cret"))
    assert type(ours) is _EXPECTED[theirs]
    assert ours.request == "PUT /buckets/blog"
    assert str(ours).startswith("PUT /buckets/blog: ")
    assert str(ours).endswith(f" ({theirs.__name__})")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (asyncio.TimeoutError(), TimedOutError),
        (ssl.SSLError(), TLSError),
        (ConnectionResetError(), ConnectionFailedError),
        (OSError(), ConnectionFailedError),
        (UnicodeError(), TransportError),
        (ValueError("of no kind that is known"), TransportError),
    ],
)
def test_an_exception_of_python_becomes_one_of_ours(theirs: Exception, ours: type[TransportError]) -> None:
    assert type(translate(theirs, _GET)) is ours


def test_an_error_names_what_really_happened_and_not_what_hides_it_from_aiohttp() -> None:
    hidden = _CutError()
    hidden.__cause__ = aiohttp.ServerDisconnectedError()
    assert str(translate(hidden, _GET)).endswith("(ServerDisconnectedError)")


def test_the_text_of_a_foreign_exception_is_not_repeated() -> None:
    assert "s3cret" not in str(translate(aiohttp.InvalidURL("http://alice:s3cret@proxy.example"), _GET))


# Connections


async def test_requests_one_after_another_share_one_connection(loopback: Loopback, transport: AiohttpTransport) -> None:
    for _ in range(3):
        await transport.send(_GET)
    assert [received.connection for received in loopback.received] == [1, 1, 1]


async def test_a_connection_that_the_server_closed_is_replaced(loopback: Loopback, transport: AiohttpTransport) -> None:
    loopback.says(_OK + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}")
    await transport.send(_GET)
    assert (await transport.send(_GET)).body == b"{}"
    assert [received.connection for received in loopback.received] == [1, 2]


async def test_requests_at_once_use_connections_of_their_own(loopback: Loopback, connect: Connect) -> None:
    transport = connect(loopback.url)
    answers = await asyncio.gather(*(transport.send(Request("GET", f"/{n}")) for n in range(5)))
    assert [answer.status for answer in answers] == [200] * 5
    assert {received.line.split()[1] for received in loopback.received} == {f"/v1/{n}" for n in range(5)}


async def test_a_closed_client_sends_nothing_and_says_so(loopback: Loopback, transport: AiohttpTransport) -> None:
    await transport.send(_GET)
    await transport.close()
    await transport.close()
    with pytest.raises(NoClientError, match="this client is closed: make a new one"):
        await transport.send(_GET)
    assert len(loopback.received) == 1


async def test_closing_while_an_answer_is_on_its_way_is_an_error_of_the_tree(
    loopback: Loopback, connect: Connect
) -> None:
    transport = connect(loopback.url)
    loopback.says(b"", "stall")
    asking = asyncio.ensure_future(transport.send(_GET))
    await asyncio.to_thread(loopback.await_requests)
    await transport.close()
    with pytest.raises(TransportError):
        await asking


def test_a_transport_is_made_without_any_loop_and_used_in_one(loopback: Loopback) -> None:
    transport = AiohttpTransport(Connection.of(loopback.url, None, None, 5))
    assert transport.root == loopback.url

    async def use() -> int:
        try:
            return (await transport.send(_GET)).status
        finally:
            await transport.close()

    assert asyncio.run(use()) == 200


def test_a_transport_is_used_in_one_loop_after_another_and_closes_what_it_opened_in_all(loopback: Loopback) -> None:
    transport = AiohttpTransport(Connection.of(loopback.url, None, None, 5))

    async def last(transport: AiohttpTransport) -> int:
        status = (await transport.send(_GET)).status
        await transport.close()
        return status

    assert asyncio.run(transport.send(_GET)).status == 200
    assert asyncio.run(transport.send(_GET)).status == 200
    assert asyncio.run(last(transport)) == 200
    del transport
    gc.collect()  # what was left open would warn now, and a warning is an error
    assert [received.connection for received in loopback.received] == [1, 2, 3]


def test_a_transport_can_be_closed_in_a_loop_in_which_it_was_never_used(loopback: Loopback) -> None:
    transport = AiohttpTransport(Connection.of(loopback.url, None, None, 5))
    asyncio.run(transport.send(_GET))
    asyncio.run(transport.close())
    with pytest.raises(NoClientError, match="closed"):
        asyncio.run(transport.send(_GET))
    del transport
    gc.collect()


def test_two_loops_at_once_have_connections_of_their_own_and_one_closes_both(loopback: Loopback) -> None:
    async def use_and_close(transport: AiohttpTransport) -> int:
        status = (await transport.send(_GET)).status
        await transport.close()
        return status

    transport = AiohttpTransport(Connection.of(loopback.url, None, None, 5))
    other = asyncio.new_event_loop()
    thread = threading.Thread(target=other.run_forever)
    thread.start()
    try:
        asked = asyncio.run_coroutine_threadsafe(transport.send(_GET), other)
        assert asked.result(5).status == 200
        assert asyncio.run(use_and_close(transport)) == 200
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.01), other).result(5)
    finally:
        other.call_soon_threadsafe(other.stop)
        thread.join(5)
        other.close()
    del transport
    gc.collect()


# What is sent


async def test_status_headers_and_body_are_handed_on_as_they_came(
    loopback: Loopback, transport: AiohttpTransport
) -> None:
    loopback.answers(418, {"ETag": '"12"', "Next-Page": "http://elsewhere/"}, b"\xff not JSON")
    response = await transport.send(_GET)
    assert (response.status, response.body, response.root) == (418, b"\xff not JSON", loopback.url)
    assert response.headers.get("etag") == response.headers.get("ETAG") == '"12"'
    assert response.headers.get("next-page") == "http://elsewhere/"


async def test_a_next_page_may_be_as_long_as_its_query(loopback: Loopback, transport: AiohttpTransport) -> None:
    address = f"{loopback.url}/records?_token=" + "a" * 20_000
    loopback.answers(200, {"Next-Page": address})
    assert (await transport.send(_GET)).headers.get("Next-Page") == address


async def test_a_long_query_is_sent_whole(loopback: Loopback, transport: AiohttpTransport) -> None:
    await transport.send(Request("GET", "/?in_id=" + "a" * 20_000))
    assert loopback.only.line == "GET /v1/?in_id=" + "a" * 20_000 + " HTTP/1.1"


async def test_the_target_reaches_the_server_as_it_was_quoted(loopback: Loopback, transport: AiohttpTransport) -> None:
    await transport.send(Request("GET", "/buckets/a%2Fb%2E/records?x=%22%2B%20%23%C3%A9%22&y=a+b~%7E"))
    assert loopback.only.line == "GET /v1/buckets/a%2Fb%2E/records?x=%22%2B%20%23%C3%A9%22&y=a+b~%7E HTTP/1.1"


async def test_the_headers_of_a_client_go_with_every_request_and_those_of_a_request_win(
    loopback: Loopback, connect: Connect
) -> None:
    transport = connect(loopback.url, headers={"X-Team": "docs", "User-Agent": "mine/1", "accept": "text/json"})
    await transport.send(Request("GET", "/", {"x-team": "web"}))
    await transport.send(_GET)
    first, second = (received.headers for received in loopback.received)
    assert (first["x-team"], second["x-team"]) == ("web", "docs")
    assert first["user-agent"] == second["user-agent"] == "mine/1"
    assert first["accept"] == second["accept"] == "text/json"


def test_a_header_outside_ascii_is_refused_because_aiohttp_would_send_other_bytes(loopback: Loopback) -> None:
    with pytest.raises(ValueError, match="X-Team") as caught:
        AiohttpTransport(Connection.of(loopback.url, None, {"X-Team": "naïve"}, 5))
    assert "naïve" not in str(caught.value)


async def test_the_headers_of_one_request_do_not_leak_into_the_next(
    loopback: Loopback, transport: AiohttpTransport
) -> None:
    await transport.send(Request("PUT", "/x", {"If-Match": '"12"', "Content-Type": "application/json"}, b'{"data":{}}'))
    await transport.send(_GET)
    assert loopback.received[0].headers["if-match"] == '"12"'
    assert not {"if-match", "content-type", "content-length"} & set(loopback.received[1].headers)


async def test_a_content_type_is_what_the_request_says_and_never_made_up(
    loopback: Loopback, transport: AiohttpTransport
) -> None:
    await transport.send(Request("PATCH", "/x", {"Content-Type": "application/json-patch+json"}, b"[]"))
    await transport.send(Request("PATCH", "/x", {}, b"[]"))
    assert loopback.received[0].headers["content-type"] == "application/json-patch+json"
    assert "content-type" not in loopback.received[1].headers


async def test_no_cookie_of_the_server_is_sent_back(loopback: Loopback, connect: Connect) -> None:
    transport = connect(loopback.url.replace("127.0.0.1", "localhost"))  # aiohttp keeps none of a bare number
    loopback.answers(200, {"Set-Cookie": "session=1; Path=/"})
    await transport.send(_GET)
    await transport.send(_GET)
    assert "cookie" not in loopback.received[1].headers


async def test_a_body_is_sent_with_its_length_in_bytes(loopback: Loopback, transport: AiohttpTransport) -> None:
    body = '{"data":{"title":"naïve 🔑"}}'.encode()
    await transport.send(Request("PATCH", "/x", {}, body))
    assert loopback.only.body == body
    assert loopback.only.headers["content-length"] == str(len(body))
    assert "transfer-encoding" not in loopback.only.headers


async def test_a_large_body_is_sent_whole_with_its_length_and_without_a_warning(
    loopback: Loopback, transport: AiohttpTransport
) -> None:
    body = b"[" + b" " * 3_000_000 + b"]"
    await transport.send(Request("PUT", "/x", {"Content-Type": "application/json"}, body))
    assert loopback.only.body == body
    assert loopback.only.headers["content-length"] == str(len(body))
    assert loopback.only.headers["content-type"] == "application/json"


async def test_an_answer_may_come_compressed(loopback: Loopback, transport: AiohttpTransport) -> None:
    loopback.answers(200, {"Content-Encoding": "gzip"}, gzip.compress(b'{"data":{}}'))
    assert (await transport.send(_GET)).body == b'{"data":{}}'
    assert "accept" not in loopback.only.headers  # Kinto has nothing else, and takes its time to read it
    assert "gzip" in loopback.only.headers["accept-encoding"]


async def test_an_encoding_that_the_client_names_is_the_only_one_that_is_asked_for(
    loopback: Loopback, connect: Connect
) -> None:
    await connect(loopback.url, headers={"accept-encoding": "identity"}).send(_GET)
    assert loopback.only.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("location", ["/v1/other", "http://elsewhere.example/v1/x", "http://[broken", "http://h:port/"])
@pytest.mark.parametrize(("method", "status"), [("GET", 302), ("HEAD", 301), ("DELETE", 307), ("PUT", 308)])
async def test_a_redirect_is_an_answer_like_others_and_not_followed(
    loopback: Loopback, transport: AiohttpTransport, method: str, location: str, status: int
) -> None:
    loopback.answers(status, {"Location": location}, b"")
    response = await transport.send(Request(method, "/records/"))
    assert response.status == status
    assert response.headers.get("Location") == location
    assert len(loopback.received) == 1


@pytest.mark.parametrize("location", ["/é".encode(), "/é".encode("latin-1"), b""])
async def test_a_redirect_to_an_address_that_is_none_is_an_answer_too(
    loopback: Loopback, transport: AiohttpTransport, location: bytes
) -> None:
    loopback.says(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n", "keep")
    response = await transport.send(_GET)
    assert response.status == 302
    str(response.headers.get("Location")).encode()  # what an error that names it is printed in
    assert len(loopback.received) == 1


async def test_a_server_whose_name_is_not_ascii_is_asked_under_its_name_in_the_dns(
    loopback: Loopback, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", loopback.origin)  # which is told the name, and need not find it
    await connect("http://bücher.example/v1").send(_GET)
    assert loopback.only.headers["host"] == "xn--bcher-kva.example"


async def test_a_root_that_is_not_ascii_is_quoted(loopback: Loopback, connect: Connect) -> None:
    await connect(f"{loopback.origin}/bücher/v1").send(_GET)
    assert loopback.only.line == "GET /b%C3%BCcher/v1/ HTTP/1.1"


# Credentials


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        (("alice", "s3cret"), f"Basic {b64encode(b'alice:s3cret').decode()}"),
        ("alice:s3cret", f"Basic {b64encode(b'alice:s3cret').decode()}"),
        ("Bearer xyz", "Bearer xyz"),
        (BearerToken("xyz", scheme="Bearer+OIDC"), "Bearer+OIDC xyz"),
        (HTTPBasicAuth("alice", "s3cret"), f"Basic {b64encode(b'alice:s3cret').decode()}"),
    ],
)
async def test_credentials_go_with_every_request(loopback: Loopback, connect: Connect, auth: Auth, header: str) -> None:
    transport = connect(loopback.url, auth=auth)
    await transport.send(_GET)
    await transport.send(Request("PUT", "/x", {"If-Match": '"1"'}, b"{}"))
    assert [received.headers["authorization"] for received in loopback.received] == [header, header]
    assert loopback.received[1].headers["if-match"] == '"1"'
    assert loopback.received[1].headers["content-length"] == "2"


async def test_the_server_gets_the_credentials_of_the_address_and_no_address_holds_them(
    loopback: Loopback, connect: Connect
) -> None:
    transport = connect(f"http://alice:my%20pass@127.0.0.1:{loopback.port}/v1")
    await transport.send(_GET)
    assert loopback.only.headers["authorization"] == f"Basic {b64encode(b'alice:my pass').decode()}"
    assert transport.root == loopback.url
    assert loopback.only.line == "GET /v1/ HTTP/1.1"


async def test_an_anonymous_client_sends_no_credentials(loopback: Loopback, transport: AiohttpTransport) -> None:
    await transport.send(_ASK)
    assert "authorization" not in loopback.only.headers


async def test_a_netrc_file_is_not_read(
    loopback: Loopback, transport: AiohttpTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login alice password s3cret\ndefault login alice password s3cret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    await transport.send(_ASK)
    assert "authorization" not in loopback.only.headers


class Sealed(AuthBase):
    """Signs method, address and body, as signatures of requests do."""

    def __init__(self) -> None:
        self.signed = 0

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        self.signed += 1
        r.headers["X-Seal"] = self.seal(str(r.method), str(r.url), r.body or b"")
        r.headers["accept"] = "application/sealed+json"
        return r

    @staticmethod
    def seal(method: str, url: str, body: Any) -> str:
        return hmac.new(b"s3cret", f"{method} {url} ".encode() + body, "sha256").hexdigest()


async def test_an_auth_object_signs_the_very_request_that_is_sent_and_once(
    loopback: Loopback, connect: Connect
) -> None:
    sealed = Sealed()
    transport = connect(loopback.url, auth=sealed)
    body = '{"data":{"title":"naïve"}}'.encode()
    await transport.send(Request("PUT", "/x?y=%22%2B%C3%A9%22&z=~%7E", {"Content-Type": "application/json"}, body))
    only = loopback.only
    method, target, _ = only.line.split(" ")
    assert only.headers["x-seal"] == Sealed.seal(method, loopback.origin + target, only.body)
    assert only.body == body
    assert only.headers["content-length"] == str(len(body))
    assert only.headers["accept"] == "application/sealed+json"
    assert sealed.signed == 1


async def test_what_an_auth_object_adds_to_one_request_does_not_leak_into_the_next(
    loopback: Loopback, connect: Connect
) -> None:
    def only_writes(request: PreparedRequest) -> PreparedRequest:
        if request.method != "GET":
            request.headers["Authorization"] = "Mine s3cret"
        return request

    transport = connect(loopback.url, auth=only_writes)
    await transport.send(Request("DELETE", "/x"))
    await transport.send(_GET)
    first, second = loopback.received
    assert first.headers["authorization"] == "Mine s3cret"
    assert "authorization" not in second.headers


async def test_an_auth_object_that_puts_its_token_into_the_address_is_heard_or_refused(
    loopback: Loopback, connect: Connect
) -> None:
    def in_the_address(request: PreparedRequest) -> PreparedRequest:
        request.url = f"{request.url}?token=s3cret"
        return request

    # A request without the token that was to sign it, and no word about it, would be neither.
    try:
        await connect(loopback.url, auth=in_the_address).send(_GET)
    except (TransportError, TypeError):
        assert loopback.received == []
    else:
        assert loopback.only.line == "GET /v1/?token=s3cret HTTP/1.1"


async def test_the_challenge_of_the_server_is_an_answer_like_others(loopback: Loopback, connect: Connect) -> None:
    loopback.answers(401, {"WWW-Authenticate": 'Digest realm="kinto", nonce="abc", qop="auth", algorithm=MD5'})
    response = await connect(loopback.url, auth=HTTPDigestAuth("alice", "s3cret")).send(_ASK)
    assert response.status == 401
    assert len(loopback.received) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_credentials_never_follow_a_redirect_to_another_server(
    listen: Listen, connect: Connect, status: int
) -> None:
    server, elsewhere = listen(), listen()
    server.answers(status, {"Location": elsewhere.url})
    for auth in (("alice", "s3cret"), Sealed()):
        await connect(server.url, auth=auth).send(_GET)
    assert elsewhere.received == []


# Faults


async def test_a_port_that_nobody_listens_on_is_a_connection_error(connect: Connect, unused_port: int) -> None:
    with pytest.raises(ConnectionFailedError, match="is it running") as caught:
        await connect(f"http://127.0.0.1:{unused_port}/v1").send(_ASK)
    assert isinstance(caught.value, ConnectionError)
    assert caught.value.request == "GET /buckets/blog"


async def test_a_host_that_does_not_exist_is_a_connection_error(connect: Connect) -> None:
    with pytest.raises(ConnectionFailedError):
        await connect("http://nowhere.invalid/v1").send(_ASK)


@pytest.mark.parametrize("host", [".example", "a" * 70 + ".example", "exa mple", "a\x00b"])
async def test_a_host_that_is_no_name_is_a_transport_error(connect: Connect, host: str) -> None:
    with pytest.raises(TransportError):
        await connect(f"http://{host}/v1").send(_ASK)


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_connection_that_ends_before_the_answer_is_a_connection_error(
    loopback: Loopback, transport: AiohttpTransport, end: Then
) -> None:
    loopback.says(b"", end)
    with pytest.raises(ConnectionFailedError):
        await transport.send(_ASK)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "POST"])
@pytest.mark.parametrize("connection", ["new", "kept"])
@pytest.mark.parametrize("end", ["close", "reset"])
async def test_nothing_is_sent_again_behind_our_back(
    loopback: Loopback, transport: AiohttpTransport, method: str, connection: str, end: Then
) -> None:
    if connection == "kept":
        await transport.send(_GET)
        loopback.forget()
    loopback.says(b"", end)
    with pytest.raises(ConnectionFailedError):
        await transport.send(Request(method, "/x", {}, b"{}" if method in ("PUT", "PATCH", "POST") else None))
    assert loopback.only.line.startswith(f"{method} ")


@pytest.mark.parametrize("begun", [b"Content-Length: 50\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"])
@pytest.mark.parametrize("end", ["close", "reset"])
async def test_an_answer_that_breaks_off_is_a_broken_answer_and_not_asked_for_again(
    loopback: Loopback, transport: AiohttpTransport, begun: bytes, end: Then
) -> None:
    loopback.says(_OK + begun, end)
    with pytest.raises(BrokenAnswerError, match="broke off"):
        await transport.send(Request("PUT", "/x", {}, b"{}"))
    assert len(loopback.received) == 1


@pytest.mark.parametrize("size", [b"zz", b"", b"-5", b"0x2", b"2_0", b"\xff"])
async def test_a_chunk_whose_size_is_none_is_a_transport_error(
    loopback: Loopback, transport: AiohttpTransport, size: bytes
) -> None:
    loopback.says(_OK + b"Transfer-Encoding: chunked\r\n\r\n" + size + b"\r\n{}\r\n")
    with pytest.raises(TransportError):
        await transport.send(_ASK)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "gzip, gzip"])
async def test_a_body_that_is_not_compressed_as_it_says_is_a_broken_answer(
    loopback: Loopback, transport: AiohttpTransport, coding: str
) -> None:
    loopback.answers(200, {"Content-Encoding": coding}, b'{"data":{}}')
    with pytest.raises(BrokenAnswerError):
        await transport.send(_ASK)


async def test_a_large_body_that_was_compressed_well_comes_whole(loopback: Loopback, connect: Connect) -> None:
    body = b"[" + b" " * 40_000_000 + b"]"  # beyond the 32 MB at which some aiohttp gave up
    loopback.answers(200, {"Content-Encoding": "gzip"}, gzip.compress(body, 1))
    assert len((await connect(loopback.url).send(_ASK)).body) == len(body)


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"<html>hello</html>\r\n\r\n",
        b"\x15\x03\x03\x00\x02\x02\x46",
        b"HTTP/1.1 abc Whatever\r\n\r\n",
        b"HTTP/1.1 99999 Whatever\r\n\r\n",
        b"HTTP/1.1 -1 Whatever\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"\r\n\r\n",
        b"\x00" * 50,
    ],
)
async def test_garbage_instead_of_http_is_a_transport_error(
    loopback: Loopback, transport: AiohttpTransport, garbage: bytes
) -> None:
    loopback.says(garbage)
    with pytest.raises((ConnectionFailedError, BrokenAnswerError)):
        await transport.send(_ASK)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=_answers)
async def test_whatever_bytes_a_server_sends_they_are_an_answer_or_an_error_of_the_tree(
    loopback: Loopback, raw: bytes
) -> None:
    # A connection of its own for each example: an answer to one must not be what is left of another's.
    transport = AiohttpTransport(Connection.of(loopback.url, None, None, 5))
    loopback.says(raw)
    try:
        outcome = await _outcome(transport)
    finally:
        await transport.close()
    if isinstance(outcome, Response):
        assert 100 <= outcome.status <= 999
    else:
        assert outcome == "GET /buckets/blog"


async def _outcome(transport: AiohttpTransport) -> Response | str:
    """The answer, or what its error says was asked; the error itself would keep its sockets."""
    try:
        return await transport.send(_ASK)
    except TransportError as error:
        return error.request


async def test_after_a_broken_answer_the_next_request_gets_a_connection_of_its_own(
    loopback: Loopback, transport: AiohttpTransport
) -> None:
    loopback.says(_OK + b"Content-Length: 50\r\n\r\n{")
    with pytest.raises(BrokenAnswerError):
        await transport.send(_ASK)
    assert (await transport.send(_ASK)).body == b"{}"
    assert [received.connection for received in loopback.received] == [1, 2]


async def test_what_comes_after_an_answer_is_not_taken_for_the_next_one(
    loopback: Loopback, transport: AiohttpTransport
) -> None:
    loopback.says(_OK + b'Content-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"evil"', "keep")
    assert (await transport.send(_GET)).body == b"{}"
    with suppress(TransportError):
        assert (await transport.send(_GET)).body == b"{}"


async def test_an_error_names_method_and_path_only_and_survives_pickle(
    loopback: Loopback, transport: AiohttpTransport
) -> None:
    loopback.says(b"", "reset")
    with pytest.raises(TransportError) as caught:
        await transport.send(_ASK)
    assert str(caught.value).startswith("GET /buckets/blog: ")
    assert "s3cret" not in "".join(traceback.format_exception_only(caught.value))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (type(copy), str(copy), copy.request) == (type(caught.value), str(caught.value), "GET /buckets/blog")
    assert b"s3cret" not in pickle.dumps(caught.value)


async def test_the_cause_of_an_error_is_kept_for_the_traceback(loopback: Loopback, transport: AiohttpTransport) -> None:
    loopback.says(b"", "reset")
    with pytest.raises(TransportError) as caught:
        await transport.send(_ASK)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("raw", [b"", b"nonsense\r\n\r\n", _OK + b"Content-Length: 9\r\n\r\n{"])
@pytest.mark.parametrize("auth", [("alice", "s3cret"), "Bearer s3cret", HTTPBasicAuth("alice", "s3cret")])
async def test_no_traceback_of_a_fault_shows_credentials(
    loopback: Loopback, connect: Connect, raw: bytes, auth: Auth
) -> None:
    loopback.says(raw)
    transport = connect(loopback.url, auth=auth)
    with pytest.raises(TransportError) as caught:
        await transport.send(_GET)
    told = _everything_told(caught.value)
    assert "s3cret" not in told
    assert b64encode(b"alice:s3cret").decode() not in told


# Time limits


async def test_a_server_that_says_nothing_is_a_read_timeout(loopback: Loopback, connect: Connect) -> None:
    loopback.says(b"", "stall")
    started = time.monotonic()
    with pytest.raises(ReadTimeoutError) as caught:
        await connect(loopback.url, timeouts=(5, 0.1)).send(_ASK)
    assert 0.09 < time.monotonic() - started < 2
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.request == "GET /buckets/blog"
    assert len(loopback.received) == 1


@pytest.mark.parametrize(
    "begun",
    [
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"da',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"da\r\n',
    ],
)
async def test_a_server_that_stops_in_its_answer_is_a_read_timeout(
    loopback: Loopback, connect: Connect, begun: bytes
) -> None:
    loopback.says(begun, "stall")
    with pytest.raises(ReadTimeoutError):
        await connect(loopback.url, timeouts=(5, 0.1)).send(_ASK)


async def test_a_server_that_takes_no_connection_is_a_connect_timeout(full_port: int, connect: Connect) -> None:
    transport = connect(f"http://127.0.0.1:{full_port}/v1", timeouts=(0.1, 5))
    started = time.monotonic()
    with pytest.raises(ConnectTimeoutError) as caught:
        await asyncio.wait_for(transport.send(_ASK), 2)
    assert 0.09 < time.monotonic() - started < 2
    assert not isinstance(caught.value, ReadTimeoutError)
    assert "nothing was sent" in str(caught.value)


async def test_waiting_for_a_free_connection_is_no_fault_of_the_server(loopback: Loopback, connect: Connect) -> None:
    loopback.delay = 0.05
    transport = connect(loopback.url, timeouts=(0.4, 0.4))
    # With so few connections to share, the last ones wait longer than either limit before they are sent.
    answers = await asyncio.gather(*(transport.send(_GET) for _ in range(500)))
    assert {answer.status for answer in answers} == {200}


async def test_a_server_that_stalls_in_the_tls_handshake_is_a_timeout(loopback: Loopback, connect: Connect) -> None:
    loopback.says(b"", "stall")
    transport = connect(loopback.url.replace("http:", "https:"), timeouts=(0.1, 0.1))
    with pytest.raises(TimedOutError):
        await asyncio.wait_for(transport.send(_ASK), 1)


async def test_a_proxy_that_does_not_answer_is_a_timeout(
    loopback: Loopback, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    loopback.says(b"", "stall")
    monkeypatch.setenv("https_proxy", loopback.origin)
    transport = connect("https://kinto.example/v1", timeouts=(0.1, 0.1))
    with pytest.raises(TimedOutError):  # and not the TimeoutError of wait_for
        await asyncio.wait_for(transport.send(_ASK), 1)
    assert loopback.only.line.startswith("CONNECT ")


# The environment


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_the_proxy_of_the_environment_gets_the_whole_address(
    loopback: Loopback, connect: Connect, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, loopback.origin)
    transport = connect("http://kinto.example:8888/v1", auth=("alice", "s3cret"))
    monkeypatch.delenv(variable)  # it was read when the transport was made
    assert (await transport.send(_ASK)).status == 200
    assert loopback.only.line == "GET http://kinto.example:8888/v1/buckets/blog?_limit=3&secret=s3cret HTTP/1.1"
    assert loopback.only.headers["host"] == "kinto.example:8888"
    assert loopback.only.headers["authorization"].startswith("Basic ")


async def test_a_proxy_may_be_named_without_a_scheme(
    loopback: Loopback, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"127.0.0.1:{loopback.port}")
    assert (await connect("http://kinto.example/v1").send(_GET)).status == 200
    assert loopback.only.line == "GET http://kinto.example/v1/ HTTP/1.1"


async def test_a_proxy_that_appears_later_is_not_used(
    listen: Listen, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, proxy = listen(), listen()
    transport = connect(server.url)
    monkeypatch.setenv("HTTP_PROXY", proxy.origin)
    await transport.send(_ASK)
    assert (len(server.received), len(proxy.received)) == (1, 0)


@pytest.mark.parametrize("excepted", ["127.0.0.1", "*", "example.com,127.0.0.0/8"])
async def test_a_server_that_no_proxy_names_is_reached_without_one(
    loopback: Loopback, connect: Connect, unused_port: int, monkeypatch: pytest.MonkeyPatch, excepted: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_port}")
    monkeypatch.setenv("NO_PROXY", excepted)
    await connect(loopback.url).send(_ASK)
    assert loopback.only.line.startswith("GET /v1/buckets/blog?")


@pytest.mark.parametrize(
    ("userinfo", "told"), [("pat:s3cret", b"pat:s3cret"), ("pat%40work:s%3A3%2Fcret%25", b"pat@work:s:3/cret%")]
)
async def test_a_proxy_gets_the_credentials_in_its_own_address(
    loopback: Loopback, connect: Connect, monkeypatch: pytest.MonkeyPatch, userinfo: str, told: bytes
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://{userinfo}@127.0.0.1:{loopback.port}")
    await connect("http://kinto.example/v1").send(_ASK)
    assert loopback.only.headers["proxy-authorization"] == f"Basic {b64encode(told).decode()}"
    assert "authorization" not in loopback.only.headers


_TLS = pytest.mark.parametrize("scheme", ["http", "https"])


def _everything_told(error: BaseException) -> str:
    """The traceback as Python prints it, and what a log of the error's arguments would show."""
    return "".join(traceback.format_exception(error)) + repr(error.args) + repr(vars(error))


@_TLS
async def test_a_proxy_that_is_not_there_is_an_error_without_its_credentials(
    connect: Connect, unused_port: int, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", f"http://pat:s3cret@127.0.0.1:{unused_port}")
    with pytest.raises(ProxyFailedError) as caught:
        await connect(f"{scheme}://kinto.example/v1").send(Request("GET", "/buckets"))
    assert isinstance(caught.value, ConnectionError)
    assert "s3cret" not in _everything_told(caught.value)


async def test_a_proxy_that_refuses_to_connect_is_an_error_without_its_credentials(
    loopback: Loopback, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    loopback.answers(407, {"Proxy-Authenticate": "Basic"})
    monkeypatch.setenv("https_proxy", f"http://pat:s3cret@127.0.0.1:{loopback.port}")
    transport = connect("https://kinto.example/v1", auth=("alice", "s3cret"))
    with pytest.raises(ProxyFailedError) as caught:
        await transport.send(Request("GET", "/buckets"))
    assert loopback.only.line.startswith("CONNECT kinto.example:443 ")
    assert "authorization" not in loopback.only.headers  # the server's credentials are not the proxy's
    assert "s3cret" not in _everything_told(caught.value)


@_TLS
@pytest.mark.parametrize(
    "address",
    [
        "http://pat:s3cret@",
        "http://pat:s3cret@host:port",
        "ftp://pat:s3cret@nowhere.invalid",
        "pat:s3cret@127.0.0.1:99999",
        "http://pat:s3cret@[broken",
        "http://pat:s3cret@.example:80",
        "http://pat:s3cret/of@127.0.0.1:80",
        "http:pat:s3cret",
        "pat:s3cret",
        "http://pat:s3cret%E2%82%AC@127.0.0.1:1",
        "socks9://pat:s3cret@127.0.0.1:1",
    ],
)
async def test_a_proxy_whose_address_is_broken_is_an_error_without_its_credentials(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, scheme: str, address: str
) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", address)
    with pytest.raises(TransportError) as caught:
        await connect(f"{scheme}://kinto.example/v1").send(Request("GET", "/buckets"))
    assert "s3c" not in _everything_told(caught.value)


# TLS


async def test_a_certificate_of_an_unknown_authority_is_a_tls_error(listen: Listen, connect: Connect) -> None:
    server = listen(tls=True)
    with pytest.raises(TLSError, match="certificate"):
        await connect(server.url).send(_ASK)
    assert server.received == []


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
async def test_the_authorities_of_the_environment_are_trusted(
    listen: Listen, connect: Connect, authority: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    server = listen(tls=True)
    monkeypatch.setenv(variable, str(authority))
    transport = connect(server.url)
    monkeypatch.delenv(variable)  # it was read when the transport was made
    assert (await transport.send(_ASK)).status == 200
    assert server.only.line.startswith("GET /v1/buckets/blog?")


async def test_a_certificate_for_another_host_is_a_tls_error(
    listen: Listen, connect: Connect, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = listen(tls=True)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    with pytest.raises(TLSError):
        await connect(server.url.replace("127.0.0.1", "localhost")).send(_ASK)
    assert server.received == []


@pytest.mark.parametrize("kind", ["a text", "a folder"])
async def test_a_bundle_without_any_authority_is_a_tls_error(
    listen: Listen, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    server = listen(tls=True)
    bundle = tmp_path
    if kind == "a text":
        bundle = tmp_path / "bundle.pem"
        bundle.write_text("no certificate")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with pytest.raises(TLSError):
        await connect(server.url).send(_ASK)
    assert server.received == []


async def test_tls_with_a_server_that_speaks_none_is_a_tls_error(loopback: Loopback, connect: Connect) -> None:
    with pytest.raises(TLSError):
        await connect(loopback.url.replace("http:", "https:")).send(_ASK)
