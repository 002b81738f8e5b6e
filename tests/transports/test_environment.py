"""What a client takes from the environment, and what it does not."""

from __future__ import annotations

import traceback
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kinto_models.errors import ProxyFailedError, TLSError, TransportError
from kinto_models.protocol.messages import Request

if TYPE_CHECKING:
    from tests.loopback import Loopback
    from tests.transports.conftest import ClientOf, Connect, Listen

_ASK = Request("GET", "/buckets/blog?_limit=3&secret=s3cret")


def test_a_netrc_file_is_not_read(
    loopback: Loopback, client_of: ClientOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login alice password s3cret\ndefault login alice password s3cret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    client_of(loopback.url)._runner.transport.send(_ASK)
    assert "authorization" not in loopback.only.headers


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_the_proxy_of_the_environment_gets_the_whole_address(
    loopback: Loopback, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, loopback.origin)
    client = client_of("http://kinto.example:8888/v1", auth=("alice", "s3cret"))
    assert client._runner.transport.send(_ASK).status == 200
    assert loopback.only.line == "GET http://kinto.example:8888/v1/buckets/blog?_limit=3&secret=s3cret HTTP/1.1"
    assert loopback.only.headers["host"] == "kinto.example:8888"
    assert loopback.only.headers["authorization"].startswith("Basic ")


def test_the_environment_is_read_once_when_the_client_is_made(
    listen: Listen, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = listen(), listen()
    monkeypatch.setenv("HTTP_PROXY", first.origin)
    client = client_of("http://kinto.example/v1")
    client._runner.transport.send(_ASK)
    monkeypatch.setenv("HTTP_PROXY", second.origin)
    client._runner.transport.send(_ASK)
    monkeypatch.delenv("HTTP_PROXY")
    client._runner.transport.send(_ASK)
    assert (len(first.received), len(second.received)) == (3, 0)


def test_a_proxy_that_appears_later_is_not_used(
    listen: Listen, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, proxy = listen(), listen()
    client = client_of(server.url)
    monkeypatch.setenv("HTTP_PROXY", proxy.origin)
    client._runner.transport.send(_ASK)
    assert (len(server.received), len(proxy.received)) == (1, 0)


@pytest.mark.parametrize("excepted", ["127.0.0.1", "*", "example.com,127.0.0.0/8"])
def test_a_server_that_no_proxy_names_is_reached_without_one(
    loopback: Loopback,
    client_of: ClientOf,
    unused_port: int,
    monkeypatch: pytest.MonkeyPatch,
    excepted: str,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_port}")
    monkeypatch.setenv("NO_PROXY", excepted)
    client_of(loopback.url)._runner.transport.send(_ASK)
    assert loopback.only.line.startswith("GET /v1/buckets/blog?")


def test_a_proxy_gets_the_credentials_in_its_own_address(
    loopback: Loopback, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://pat:s3cret@127.0.0.1:{loopback.port}")
    client_of("http://kinto.example/v1")._runner.transport.send(_ASK)
    assert loopback.only.headers["proxy-authorization"] == f"Basic {b64encode(b'pat:s3cret').decode()}"
    assert "authorization" not in loopback.only.headers


_TLS = pytest.mark.parametrize("scheme", ["http", "https"])


def _everything_told(error: BaseException) -> str:
    """The traceback as Python prints it, and what a log of the error's arguments would show."""
    return "".join(traceback.format_exception(error)) + repr(error.args) + repr(vars(error))


@_TLS
def test_a_proxy_that_is_not_there_is_an_error_without_its_credentials(
    client_of: ClientOf, unused_port: int, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", f"http://pat:s3cret@127.0.0.1:{unused_port}")
    transport = client_of(f"{scheme}://kinto.example/v1")._runner.transport
    with pytest.raises(ProxyFailedError) as caught:
        transport.send(Request("GET", "/buckets"))
    assert isinstance(caught.value, ConnectionError)
    assert "s3cret" not in _everything_told(caught.value)


def test_a_proxy_that_refuses_to_connect_is_an_error_without_its_credentials(
    loopback: Loopback, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    loopback.answers(407, {"Proxy-Authenticate": "Basic"})
    monkeypatch.setenv("https_proxy", f"http://pat:s3cret@127.0.0.1:{loopback.port}")
    with pytest.raises(ProxyFailedError) as caught:
        client_of("https://kinto.example/v1")._runner.transport.send(Request("GET", "/buckets"))
    assert loopback.only.line.startswith("CONNECT kinto.example:443 ")
    assert "s3cret" not in _everything_told(caught.value)


@_TLS
@pytest.mark.parametrize(
    "address",
    [
        "http://pat:s3cret@",
        "http://pat:s3cret@host:port",
        "ftp://pat:s3cret@host",
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
def test_a_proxy_whose_address_is_broken_is_an_error_without_its_credentials(
    client_of: ClientOf, monkeypatch: pytest.MonkeyPatch, scheme: str, address: str
) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", address)
    transport = client_of(f"{scheme}://kinto.example/v1")._runner.transport
    with pytest.raises(TransportError) as caught:
        transport.send(Request("GET", "/buckets"))
    assert "s3c" not in _everything_told(caught.value)


def test_a_certificate_of_an_unknown_authority_is_a_tls_error(listen: Listen, connect: Connect) -> None:
    server = listen(tls=True)
    with pytest.raises(TLSError, match="certificate"):
        connect(server.url).send(_ASK)
    assert server.received == []


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_authorities_of_the_environment_are_trusted(
    listen: Listen, connect: Connect, authority: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    server = listen(tls=True)
    monkeypatch.setenv(variable, str(authority))
    transport = connect(server.url)
    monkeypatch.delenv(variable)  # it was read when the transport was made
    assert transport.send(_ASK).status == 200
    assert server.only.line.startswith("GET /v1/buckets/blog?")


def test_a_bundle_that_is_not_there_is_named_when_the_client_is_made(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    with pytest.raises(ValueError, match=r"none.pem, which does not exist"):
        connect("https://kinto.example/v1")
    assert connect("http://kinto.example/v1").root == "http://kinto.example/v1"


def test_a_certificate_for_another_host_is_a_tls_error(
    listen: Listen, connect: Connect, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = listen(tls=True)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    with pytest.raises(TLSError):
        connect(server.url.replace("127.0.0.1", "localhost")).send(_ASK)
    assert server.received == []
