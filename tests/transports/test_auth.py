"""What a client takes as ``auth``, and what the server gets of it."""

from __future__ import annotations

import pickle
import traceback
from base64 import b64decode
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests import PreparedRequest
from requests.auth import HTTPBasicAuth, HTTPDigestAuth

from kinto_models.protocol.messages import Request
from kinto_models.transports.auth import Auth, BasicAuth, BearerToken, HeaderAuth, parse_auth

if TYPE_CHECKING:
    from tests.loopback import Loopback
    from tests.transports.conftest import ClientOf, Connect

_ASK = Request("GET", "/buckets/blog?_limit=3&secret=s3cret")

_unicode = st.text(st.characters(exclude_categories=["Cs"]))


def _signed(auth: Auth) -> str:
    sign = parse_auth(auth)
    assert sign is not None
    request = PreparedRequest()
    request.prepare_headers({})
    return str(sign(request).headers["Authorization"])


def _basic(header: str) -> str:
    scheme, value = header.split(" ")
    assert scheme == "Basic"
    return b64decode(value).decode()


@pytest.mark.parametrize(
    ("auth", "credentials"),
    [
        ("user:pass", "user:pass"),
        ("alice:my pass", "alice:my pass"),
        ("alice:a:b:c", "alice:a:b:c"),
        ("alice:", "alice:"),
        ("alice:Bearer x", "alice:Bearer x"),
        (("alice", "s3cret"), "alice:s3cret"),
        (("alice", "a:b"), "alice:a:b"),
        (("alice wood", "Bearer x"), "alice wood:Bearer x"),
        (("", "s3cret"), ":s3cret"),
        (("alice", ""), "alice:"),
        (("élise", "naïve 🔑"), "élise:naïve 🔑"),
        ("élise:naïve 🔑", "élise:naïve 🔑"),
    ],
)
def test_a_user_and_a_password_are_sent_as_basic_credentials_in_utf_8(auth: Auth, credentials: str) -> None:
    assert _basic(_signed(auth)) == credentials


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ("Bearer abc", "Bearer abc"),
        ("Bearer abc:def", "Bearer abc:def"),
        ("Bearer   abc  ", "Bearer abc"),
        ("Bearer+OIDC xyz", "Bearer+OIDC xyz"),
        ("Portier a.b.c", "Portier a.b.c"),
        (BearerToken("xyz"), "Bearer xyz"),
        (BearerToken("x y:z"), "Bearer x y:z"),
        (BearerToken("xyz", scheme="Bearer+OIDC"), "Bearer+OIDC xyz"),
        (HeaderAuth("Hawk", 'id="1"'), 'Hawk id="1"'),
        (HTTPBasicAuth("user", "pass"), "Basic dXNlcjpwYXNz"),
    ],
)
def test_a_token_is_sent_under_its_scheme(auth: Auth, header: str) -> None:
    assert _signed(auth) == header


def test_a_function_that_signs_is_taken_as_it_is() -> None:
    def sign(request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = "Mine 1"
        return request

    assert parse_auth(sign) is sign
    assert _signed(sign) == "Mine 1"


def test_no_credentials_are_none() -> None:
    assert parse_auth(None) is None


@given(_unicode.filter(lambda user: ":" not in user), _unicode)
def test_any_user_and_password_arrive_as_they_were_given(user: str, password: str) -> None:
    assert _basic(_signed((user, password))) == f"{user}:{password}"


@given(st.text())
def test_any_text_either_signs_or_is_refused(text: str) -> None:
    try:
        header = _signed(text)
    except ValueError:
        return
    assert "\r" not in header
    assert "\n" not in header


@pytest.mark.parametrize(
    "nonsense",
    ["", "s3cret", "   ", "Bearer", "Bearer ", "Bearer  ", "Bea/rer s3cret", "Bearer s3\ncret", "Bea(rer s3cret"],
)
def test_text_that_is_neither_a_pair_nor_a_token_is_refused_without_repeating_it(nonsense: str) -> None:
    with pytest.raises(ValueError, match="auth") as caught:
        parse_auth(nonsense)
    assert "s3" not in "".join(traceback.format_exception_only(caught.value))


@pytest.mark.parametrize(
    "nonsense", [1, 1.5, b"user:s3cret", ["alice", "s3cret"], ("alice",), ("a", "b", "s3cret"), ("alice", None), {}]
)
def test_an_object_that_cannot_sign_is_refused_by_its_type_only(nonsense: Any) -> None:
    with pytest.raises(TypeError, match=rf"not {type(nonsense).__name__}$") as caught:
        parse_auth(nonsense)
    assert "s3cret" not in str(caught.value)


def test_a_user_with_a_colon_is_refused_because_http_cannot_carry_it() -> None:
    with pytest.raises(ValueError, match="colon") as caught:
        parse_auth(("al:ice", "s3cret"))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("make", [lambda: BearerToken("s3cret\r\nX-Admin: 1"), lambda: BearerToken("s3cret", "a b")])
def test_a_token_cannot_smuggle_in_another_header(make: Callable[[], HeaderAuth]) -> None:
    with pytest.raises(ValueError, match="BearerToken credentials") as caught:
        make()
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("token", "scheme"), [("s3cr\u20act", "Bearer"), ("s3cret\ud800", "Bearer"), ("s3cret", "\u0416uk")]
)
def test_a_token_that_no_header_can_carry_is_refused_when_it_is_given(token: str, scheme: str) -> None:
    with pytest.raises(ValueError, match="credentials") as caught:
        BearerToken(token, scheme)
    assert "s3c" not in str(caught.value)
    assert not isinstance(caught.value, UnicodeError)


@pytest.mark.parametrize("auth", [BasicAuth("alice", "s3cret"), BearerToken("s3cret"), HeaderAuth("Hawk", "s3cret")])
def test_credentials_do_not_show_in_a_repr(auth: HeaderAuth) -> None:
    assert repr(auth) == f"{type(auth).__name__}(...)"


def test_credentials_do_not_show_in_the_repr_of_a_client(client_of: ClientOf) -> None:
    client = client_of("http://alice:s3cret@127.0.0.1:1/v1")
    assert repr(client) == "<Client http://127.0.0.1:1/v1>"


def test_credentials_are_equal_where_they_sign_alike() -> None:
    assert BearerToken("a") == BearerToken("a")
    assert hash(BearerToken("a")) == hash(BearerToken("a"))
    assert BearerToken("a") != BearerToken("b")
    assert BearerToken("a") != HeaderAuth("Bearer", "a")
    assert BearerToken("a") != "Bearer a"


def test_credentials_survive_pickle() -> None:
    auth = BasicAuth("alice", "s3cret")
    assert pickle.loads(pickle.dumps(auth)) == auth


def test_the_server_gets_the_credentials_of_the_address(loopback: Loopback, client_of: ClientOf) -> None:
    client = client_of(f"http://alice:my%20pass@127.0.0.1:{loopback.port}/v1")
    client._runner.transport.send(_ASK)
    assert _basic(loopback.only.headers["authorization"]) == "alice:my pass"


def test_credentials_given_as_auth_win_over_those_of_the_address(loopback: Loopback, client_of: ClientOf) -> None:
    client = client_of(f"http://alice:s3cret@127.0.0.1:{loopback.port}/v1", auth="Bearer xyz")
    client._runner.transport.send(_ASK)
    assert loopback.only.headers["authorization"] == "Bearer xyz"


def test_an_anonymous_client_sends_no_credentials(loopback: Loopback, client_of: ClientOf) -> None:
    client_of(loopback.url)._runner.transport.send(_ASK)
    assert "authorization" not in loopback.only.headers


def test_digest_credentials_answer_the_challenge_of_the_server(loopback: Loopback, connect: Connect) -> None:
    loopback.answers(401, {"WWW-Authenticate": 'Digest realm="kinto", nonce="abc", qop="auth", algorithm=MD5'})
    loopback.answers(200, body=b'{"data":{}}')
    response = connect(loopback.url, sign=HTTPDigestAuth("alice", "s3cret")).send(_ASK)
    assert (response.status, response.body) == (200, b'{"data":{}}')
    first, second = loopback.received
    assert first.line == second.line == "GET /v1/buckets/blog?_limit=3&secret=s3cret HTTP/1.1"
    assert "authorization" not in first.headers
    assert second.headers["authorization"].startswith('Digest username="alice", realm="kinto", nonce="abc"')
    assert "s3cret" not in second.headers["authorization"].replace("secret=s3cret", "")


def test_digest_credentials_send_the_body_again_with_the_answer_to_the_challenge(
    loopback: Loopback, connect: Connect
) -> None:
    loopback.answers(401, {"WWW-Authenticate": 'Digest realm="kinto", nonce="abc", qop="auth"'})
    request = Request("PUT", "/buckets/blog", {"If-None-Match": "*"}, b'{"data":{}}')
    connect(loopback.url, sign=HTTPDigestAuth("alice", "s3cret")).send(request)
    assert [received.body for received in loopback.received] == [b'{"data":{}}', b'{"data":{}}']
    assert [received.headers["if-none-match"] for received in loopback.received] == ["*", "*"]
