"""Credentials go to the server that they were given for, and are shown nowhere; what speaks for it is verified."""

from __future__ import annotations

import copy
import logging
import pickle
import traceback
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from requests import PreparedRequest
from requests.auth import HTTPBasicAuth, HTTPDigestAuth

from kinto_models.errors import TLSError, TransportError
from kinto_models.protocol.messages import Request
from kinto_models.transports.aiohttp import AiohttpTransport
from kinto_models.transports.auth import Auth
from kinto_models.transports.base import Connection
from kinto_models.transports.requests import RequestsTransport

if TYPE_CHECKING:
    from tests.loopback import Loopback
    from tests.transports.conftest import Connect, Listen, Send

_GET: Final = Request("GET", "/buckets/blog")
_OK: Final = b"HTTP/1.1 200 OK\r\n"
_SECRETS: Final = ("s3cret", b64encode(b"alice:s3cret").decode(), b64encode(b"pat:s3cret").decode())


def _in_a_header(request: PreparedRequest) -> PreparedRequest:
    request.headers["Authorization"] = "Mine s3cret"
    return request


_AUTHS = pytest.mark.parametrize(
    "auth", [("alice", "s3cret"), "Bearer s3cret", HTTPBasicAuth("alice", "s3cret"), _in_a_header]
)


def _tells(text: str) -> bool:
    return any(secret in text for secret in _SECRETS)


# Where they go


@_AUTHS
@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
def test_credentials_never_follow_a_redirect(listen: Listen, send: Send, auth: Auth, status: int) -> None:
    server, elsewhere = listen(), listen()
    server.answers(status, {"Location": elsewhere.url})
    assert send(server.url, _GET, auth=auth).status == status
    assert "authorization" in server.only.headers
    assert elsewhere.received == []


_POINTS: Final[dict[str, Callable[[str], str]]] = {
    "another host": lambda url: url.replace("127.0.0.1", "localhost"),
    "another port": lambda url: url.replace("/v1/", "0/v1/"),
    "another scheme": lambda url: url.replace("http:", "https:"),
    "behind a user's name": lambda url: url.replace("/v1/", "@elsewhere.invalid/v1/"),
    "another root": lambda url: url.replace("/v1/", "/v1.evil/"),
    "nowhere": lambda url: "",
}


@pytest.mark.parametrize("points", _POINTS)
def test_an_auth_object_that_points_elsewhere_is_refused(loopback: Loopback, send: Send, points: str) -> None:
    def elsewhere(request: PreparedRequest) -> PreparedRequest:
        request.url = _POINTS[points](str(request.url))
        return _in_a_header(request)

    with pytest.raises(TransportError) as caught:
        send(loopback.url, _GET, auth=elsewhere)
    assert caught.value.sent is False
    assert loopback.received == []


@pytest.mark.parametrize("smuggled", ["s3cret\r\nX-Admin: 1", "s3cret\nX-Admin: 1", "s3cret\x00"])
def test_an_auth_object_smuggles_no_header_in_and_its_error_repeats_none(
    loopback: Loopback, send: Send, smuggled: str
) -> None:
    def smuggle(request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = smuggled
        return request

    with pytest.raises(TransportError) as caught:
        send(loopback.url, _GET, auth=smuggle)
    assert caught.value.sent is False
    assert not _tells("".join(traceback.format_exception(caught.value)))
    assert loopback.received == []


# What is shown


@_AUTHS
@pytest.mark.parametrize(
    "raw", [_OK + b"Content-Length: 2\r\n\r\n{}", _OK + b"no colon\r\nContent-Le", b"nonsense", b""]
)
def test_no_log_at_any_level_shows_credentials(
    loopback: Loopback, send: Send, caplog: pytest.LogCaptureFixture, raw: bytes, auth: Auth
) -> None:
    loopback.says(raw)
    with caplog.at_level(logging.DEBUG), suppress(TransportError):
        send(loopback.url, _GET, auth=auth)
    assert "authorization" in loopback.only.headers
    assert not _tells(caplog.text)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_log_at_any_level_shows_the_credentials_of_a_proxy(
    loopback: Loopback, send: Send, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", f"http://pat:s3cret@127.0.0.1:{loopback.port}")
    loopback.answers(407)
    with caplog.at_level(logging.DEBUG), suppress(TransportError):
        send(f"{scheme}://kinto.example/v1", _GET)
    assert "proxy-authorization" in loopback.only.headers
    assert not _tells(caplog.text)


def test_no_log_at_any_level_shows_credentials_that_answer_a_challenge(
    loopback: Loopback, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    loopback.answers(401, {"WWW-Authenticate": 'Digest realm="kinto", nonce="abc", qop="auth"'})
    with caplog.at_level(logging.DEBUG):
        connect(loopback.url, sign=HTTPDigestAuth("alice", "s3cret")).send(_GET)
    assert len(loopback.received) == 2
    assert "s3cret" not in caplog.text
    assert "Digest" not in caplog.text


@_AUTHS
@pytest.mark.parametrize("raw", [b"", b"nonsense\r\n\r\n", _OK + b"Content-Length: 9\r\n\r\n{", _OK + b"X: \x00\r\n"])
def test_no_traceback_of_a_fault_shows_credentials(loopback: Loopback, send: Send, raw: bytes, auth: Auth) -> None:
    loopback.says(raw)
    with pytest.raises(TransportError) as caught:
        send(loopback.url, _GET, auth=auth)
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value.args) + repr(vars(caught.value))
    assert not _tells(told)


@pytest.mark.parametrize("kind", [RequestsTransport, AiohttpTransport])
def test_what_holds_connections_and_credentials_is_neither_pickled_nor_copied(
    kind: type[RequestsTransport | AiohttpTransport],
) -> None:
    transport = kind(Connection.of("http://127.0.0.1:1/v1", ("alice", "s3cret"), None, 5))
    for copied in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="holds connections and credentials"):
            copied(transport)
    assert not _tells(repr(transport) + repr(transport._connection))


# Who answers


@pytest.fixture
def careless(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that would have others verify nothing."""
    for name, value in {"PYTHONHTTPSVERIFY": "0", "REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": ""}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("careless")
def test_a_certificate_of_ones_own_making_is_refused_whatever_the_environment_says(listen: Listen, send: Send) -> None:
    server = listen(tls=True)
    with pytest.raises(TLSError, match="certificate"):
        send(server.url, _GET, auth=("alice", "s3cret"))
    assert server.received == []


def test_a_certificate_for_another_host_is_refused(
    listen: Listen, send: Send, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = listen(tls=True)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    assert send(server.url, _GET).status == 200
    server.forget()
    with pytest.raises(TLSError, match="certificate"):
        send(server.url.replace("127.0.0.1", "localhost"), _GET)
    assert server.received == []


def test_what_comes_after_an_answer_is_not_taken_for_the_next_one(loopback: Loopback, send: Send) -> None:
    loopback.says(_OK + b'Content-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"evil"', "keep")
    with suppress(TransportError):
        assert send(loopback.url, _GET, _GET).body == b"{}"
