"""The address that a client is given."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinto_models.transports.address import Address


@pytest.mark.parametrize(
    ("written", "root"),
    [
        ("https://example.com/v1", "https://example.com/v1"),
        ("https://example.com/v1/", "https://example.com/v1"),
        ("https://example.com/v1///", "https://example.com/v1"),
        ("https://example.com", "https://example.com"),
        ("https://example.com/", "https://example.com"),
        ("https://example.com/a/b/v1", "https://example.com/a/b/v1"),
        ("  https://example.com/v1\n", "https://example.com/v1"),
        ("HTTPS://Example.COM/V1", "https://example.com/V1"),
        ("http://127.0.0.1:8888/v1", "http://127.0.0.1:8888/v1"),
        ("http://example.com:80/v1", "http://example.com:80/v1"),
        ("http://example.com:/v1", "http://example.com/v1"),
        ("http://[::1]/v1", "http://[::1]/v1"),
        ("http://[::1]:8888/v1", "http://[::1]:8888/v1"),
        ("http://alice:s3cret@[::1]:8888/v1", "http://[::1]:8888/v1"),
        ("https://example.com/v1?token=s3cret#there", "https://example.com/v1"),
    ],
)
def test_an_address_becomes_the_root_that_requests_are_relative_to(written: str, root: str) -> None:
    assert Address.parse(written).root == root


@pytest.mark.parametrize(
    ("written", "userinfo"),
    [
        ("https://example.com/v1", None),
        ("https://alice:s3cret@example.com/v1", ("alice", "s3cret")),
        ("https://alice@example.com/v1", ("alice", "")),
        ("https://alice%40work:s%3A3%2Fcret%25@example.com/v1", ("alice@work", "s:3/cret%")),
        ("https://alice:a@b@example.com/v1", ("alice", "a@b")),
    ],
)
def test_credentials_are_moved_out_of_the_address(written: str, userinfo: tuple[str, str] | None) -> None:
    address = Address.parse(written)
    assert address.userinfo == userinfo
    assert address.root == "https://example.com/v1"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text(st.characters(exclude_categories=["Cs"])))
def test_any_quoted_credentials_are_read_back_as_they_were(user: str, password: str) -> None:
    address = Address.parse(f"https://{quote(user, safe='')}:{quote(password, safe='')}@example.com/v1")
    assert address == Address("https://example.com/v1", (user, password))


def test_an_address_does_not_show_its_credentials() -> None:
    address = Address.parse("https://alice:s3cret@example.com/v1")
    assert repr(address) == "Address(root='https://example.com/v1')"


@pytest.mark.parametrize(
    "nonsense",
    [
        "",
        "   ",
        "example.com/v1",
        "localhost:8888/v1",
        "//example.com/v1",
        "ftp://example.com/v1",
        "file:///etc/passwd",
        "https://",
        "https:///v1",
        "https://:8888/v1",
        "https:example.com",
        "https://example.com:port/v1",
        "https://example.com:99999/v1",
        "https://example.com:-1/v1",
        "https://[::1/v1",
        "https://ex\u2100ample.com/v1",
    ],
)
def test_what_is_no_web_address_is_refused(nonsense: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Address.parse(nonsense)


@pytest.mark.parametrize(
    "written",
    [
        "ftp://alice:s3cret@example.com/v1",
        "alice:s3cret@example.com/v1",
        "https://alice:s3cret@:8888/v1",
        "https://alice:s3cret/of@example.com/v1",
        "https://alice:s3cret[@example.com/v1",
        "https://alice:s3cret\u2100@example.com/v1",
    ],
)
def test_the_error_for_a_broken_address_tells_no_password_even_in_its_traceback(written: str) -> None:
    with pytest.raises(ValueError, match="address") as caught:
        Address.parse(written)
    assert "s3cret" not in "".join(str(each) for each in _chain(caught.value))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what a traceback would show as its causes."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
