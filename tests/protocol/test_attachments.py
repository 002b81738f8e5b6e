"""Forms, and where files are: as values."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kinto_models.errors import ForeignLocationError
from kinto_models.protocol.attachments import Form, attach, check_mimetype, check_name, fetch, locate
from kinto_models.protocol.messages import Request, Transfer
from kinto_models.protocol.paths import records

ROOT = "https://kinto.example/v1"
BASE = "https://cdn.example/files/"


class Bytes:
    """Bytes in two pieces."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __len__(self) -> int:
        return len(self.content)

    def __iter__(self) -> Iterator[bytes]:
        yield self.content[:1]
        yield self.content[1:]


class Nowhere:
    bounded = True

    def begin(self) -> None: ...

    def write(self, piece: bytes) -> None: ...


def test_a_form_is_as_long_as_it_says_and_the_same_each_time() -> None:
    form = Form({"data": b'{"a":1}'}, 'a "b".txt', "text/plain", Bytes(b"hello"), "edge")
    whole = b"".join(form)
    assert len(whole) == len(form)
    assert b"".join(form) == whole
    assert whole == (
        b'--edge\r\nContent-Disposition: form-data; name="data"\r\n\r\n{"a":1}\r\n'
        b'--edge\r\nContent-Disposition: form-data; name="attachment"; filename="a \\"b\\".txt"\r\n'
        b"Content-Type: text/plain\r\n\r\nhello\r\n--edge--\r\n"
    )


@pytest.mark.parametrize("name", ["", "a/b", "a\\b", "a\r\nX: y", "a\0", "a\ud800", "a\u202eb"])
def test_a_name_that_would_be_another_header_or_folder_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="filename="):
        check_name(name)


@pytest.mark.parametrize(
    "kind", ["", "text", "text/", "text/plain\r\nX: y", "text/plain; a=b", "multipart/mixed", "Multipart/form-data",
             "application/x-www-form-urlencoded"]
)  # fmt: skip
def test_a_type_that_is_none_or_that_the_server_fails_on_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match=r"image/png|octet-stream"):
        check_mimetype(kind)


def test_an_upload_may_be_sent_twice_and_shows_no_content() -> None:
    form = Form({}, "a.txt", "text/plain", Bytes(b"secret"), "edge")
    operation = attach(records("b", "c"), "x", form)
    assert operation.repeatable
    assert "secret" not in repr(operation)
    assert operation.request.line == "POST /buckets/b/collections/c/records/x/attachment"


@pytest.mark.parametrize(
    ("location", "address"),
    [
        ("a.png", f"{BASE}a.png"),
        ("b/c/a.png", f"{BASE}b/c/a.png"),
        (f"{BASE}a.png", f"{BASE}a.png"),
        ("a b.png", f"{BASE}a%20b.png"),
        ("é.png", f"{BASE}%C3%A9.png"),
        ("a.png?v=1#part", f"{BASE}a.png?v=1"),
        ("a..b.png", f"{BASE}a..b.png"),
    ],
)
def test_a_file_below_the_servers_own_address_is_found(location: str, address: str) -> None:
    assert locate(ROOT, BASE, location) == address


@pytest.mark.parametrize(
    ("base", "address"),
    [
        ("/attachments", "https://kinto.example/attachments/a.png"),
        ("attachments/", "https://kinto.example/v1/attachments/a.png"),
        ("//cdn.example/x", "https://cdn.example/x/a.png"),
    ],
)
def test_where_the_files_are_may_be_relative_to_the_server(base: str, address: str) -> None:
    assert locate(ROOT, base, "a.png") == address


ELSEWHERE = [
    "https://evil.example/a.png",
    "//evil.example/a.png",
    "http://cdn.example/files/a.png",
    "https://cdn.example:8443/files/a.png",
    "https://me:secret@cdn.example/files/a.png",
    "https://cdn.example/files.evil/a.png",
    "https://cdn.example/other/a.png",
    "https://cdn.example/files/../secret",
    "../secret",
    "a/../../secret",
    "%2e%2e/secret",
    "%2E%2e%2fsecret",
    "%252e%252e/secret",
    "..\\secret",
    "/secret",
    "file:///etc/passwd",
    "ftp://cdn.example/files/a.png",
    "javascript:alert(1)",
    "https://[bad/a.png",
    "",
    "?a",
    "a\u202eb",
]


@pytest.mark.parametrize("location", ELSEWHERE)
def test_a_file_elsewhere_is_an_error(location: str) -> None:
    with pytest.raises(ForeignLocationError, match="not asked for"):
        locate(ROOT, BASE, location)


@pytest.mark.parametrize(
    "base", ["ftp://cdn.example/", "https://u:p@cdn.example/", "https://cdn.example:bad/", "file:///x"]
)
def test_where_a_server_cannot_have_its_files_nothing_is_looked_for(base: str) -> None:
    with pytest.raises(ForeignLocationError):
        locate(ROOT, base, "a.png")


@given(st.text() | st.text(alphabet="./\\%2e:@?#a", max_size=12) | st.builds("https://{}".format, st.text(max_size=8)))
@example("https://cdn.example/files/..;/x")
def test_whatever_the_location_only_the_servers_own_place_is_asked(location: str) -> None:
    try:
        address = locate(ROOT, BASE, location)
    except ForeignLocationError:
        return
    parts = urlsplit(address)
    assert address.startswith(BASE)
    assert parts.netloc == "cdn.example"
    assert ".." not in unquote(unquote(parts.path)).split("/")
    assert address.isascii()
    assert not any(each.isspace() for each in address)
    request = fetch(ROOT, address, Nowhere()).request
    assert request.transfer is not None
    assert f"{request.transfer.root}{request.target}" == address


def test_a_file_below_the_root_is_asked_for_as_all_else_is() -> None:
    request = fetch(ROOT, f"{ROOT}/files/a.png", Nowhere()).request
    assert request.target == "/files/a.png"
    assert request.transfer is not None
    assert request.transfer.root is None


def test_the_line_of_a_request_to_another_host_names_it_without_its_query() -> None:
    request = Request("GET", "/a.png?signature=secret", transfer=Transfer(root="https://cdn.example"))
    assert request.line == "GET https://cdn.example/a.png"
