"""What a server says of its providers, and what comes back from one."""

from __future__ import annotations

import json
from base64 import b64encode
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinto_models.errors import InvalidAnswerError, KintoError, LoginError, MissingCapabilityError, RefusedError
from kinto_models.protocol.messages import Response
from kinto_models.protocol.openid import Grant, Provider, grant_of, is_user, login, provider_of

_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda parts: st.lists(parts) | st.dictionaries(st.text(), parts),
)
_GOOGLE = {"name": "google", "auth_path": "/openid/google/login", "header_type": "Bearer"}


def _told(*providers: object) -> bytes:
    return json.dumps({"capabilities": {"openid": {"providers": list(providers)}}}).encode()


def _added(told: object) -> str:
    return quote(b64encode(json.dumps(told).encode()).decode())  # as the plugin does it


def test_the_first_provider_is_taken_where_none_is_named() -> None:
    corp = {"name": "corp", "auth_path": "/openid/corp/login"}
    assert provider_of(_told(_GOOGLE, corp), None) == Provider("google", "/openid/google/login", "Bearer")
    assert provider_of(_told(_GOOGLE, corp), "corp") == Provider("corp", "/openid/corp/login", "Bearer")


@pytest.mark.parametrize("told", [b'{"capabilities":{}}', b'{"capabilities":{"openid":null}}', _told()])
def test_a_server_without_providers_cannot_sign_anybody_in(told: bytes) -> None:
    with pytest.raises(MissingCapabilityError, match="no capability 'openid'"):
        provider_of(told, None)


def test_an_unknown_provider_is_told_with_those_there_are_in_one_line() -> None:
    with pytest.raises(MissingCapabilityError, match=r"^the server has no OpenID provider 'x', but 'goo gle'$"):
        provider_of(_told({**_GOOGLE, "name": "goo\n\x1bgle"}), "x")


@given(_JSON, st.none() | st.text())
def test_whatever_a_server_says_of_itself_is_a_provider_or_an_error_of_the_tree(told: Any, name: str | None) -> None:
    for said in (told, {"capabilities": told}, {"capabilities": {"openid": told}}, [told], {"user": told}):
        with suppress(KintoError):
            provider_of(json.dumps(said).encode(), name)
        is_user(json.dumps(said).encode())


@pytest.mark.parametrize("key", ["name", "auth_path", "header_type"])
@given(value=_JSON)
def test_a_provider_that_is_none_is_an_error_of_the_tree(key: str, value: Any) -> None:
    try:
        provider = provider_of(_told({**_GOOGLE, key: value}), None)
    except KintoError:
        return
    assert provider.path.startswith("/")
    assert all(isinstance(each, str) for each in (provider.name, provider.scheme))


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_callback_and_scope_arrive_as_they_were_given(callback: str, scope: str) -> None:
    target = login(Provider("google", "/openid/google/login", "Bearer"), callback, scope).request.target
    query = urlsplit(target).query
    assert dict(parse_qsl(query, keep_blank_values=True)) == {"callback": callback, "scope": scope}
    assert len(parse_qsl(query, keep_blank_values=True)) == 2


def test_a_login_that_is_no_redirect_is_refused() -> None:
    operation = login(Provider("google", "/openid/google/login", "Bearer"), "http://127.0.0.1:1/x", "openid")
    assert operation.decode(Response(307, {}, b"", "")) is None
    with pytest.raises(RefusedError):
        operation.decode(Response(404, {}, b"", ""))
    with pytest.raises(InvalidAnswerError):
        operation.decode(Response(200, {}, b"<html>", ""))


@given(st.text(min_size=1))
def test_any_token_arrives_as_the_provider_gave_it(token: str) -> None:
    assert grant_of(_added({"access_token": token, "expires_in": 60})) == Grant(token, 60.0)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [(3600, 3600.0), ("3599", 3599.0), (0.5, 0.5), (None, None), (0, None), (-1, None), (True, None)],
)
def test_a_lifetime_is_a_number_of_seconds_or_unknown(told: Any, seconds: float | None) -> None:
    assert grant_of(_added({"access_token": "s3cret", "expires_in": told})).seconds == seconds


def test_a_grant_does_not_show_its_token() -> None:
    assert "s3cret" not in repr(grant_of(_added({"access_token": "s3cret"})))


def test_what_a_provider_refused_is_told_in_its_words() -> None:
    added = urlencode({"error": "access_denied", "error_description": "Not you & me = us"})
    with pytest.raises(LoginError, match="refused the login: access_denied: Not you & me = us$"):
        grant_of(added)


@given(st.text() | _JSON.map(_added) | st.binary().map(lambda added: b64encode(added).decode()))
def test_whatever_is_added_to_the_callback_is_a_token_or_a_login_error(added: str) -> None:
    try:
        assert grant_of(added).token
    except LoginError as error:
        assert str(error).isprintable()
