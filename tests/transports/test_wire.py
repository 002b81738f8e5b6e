"""The bytes that operations put on the wire, and what becomes of the answers, from end to end."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest

from kinto_models.client import Client
from kinto_models.errors import InvalidIdError, RedirectError, ServerFailedError
from kinto_models.protocol import operations
from kinto_models.protocol.bodies import Patch, basic_patch, json_patch, merge_patch
from kinto_models.protocol.filters import Query
from kinto_models.protocol.paging import pages
from kinto_models.protocol.paths import Plural, records
from kinto_models.protocol.retry import RetryPolicy

if TYPE_CHECKING:
    from tests.loopback import Loopback
    from tests.transports.conftest import ClientOf


@pytest.fixture
def place() -> Plural:
    return records("blog", "articles")


@pytest.mark.parametrize(
    ("change", "content_type", "body"),
    [
        (basic_patch({"a": 1}), "application/json", b'{"data":{"a":1}}'),
        (merge_patch({"a": None}), "application/merge-patch+json", b'{"data":{"a":null}}'),
        (
            json_patch([{"op": "remove", "path": "/data/a"}]),
            "application/json-patch+json",
            b'[{"op":"remove","path":"/data/a"}]',
        ),
    ],
)
def test_a_patch_says_exactly_which_kind_it_is(
    loopback: Loopback, client: Client, place: Plural, change: Patch, content_type: str, body: bytes
) -> None:
    client.run(operations.patch(place, "first", change, only=12))
    assert loopback.only.line == "PATCH /v1/buckets/blog/collections/articles/records/first HTTP/1.1"
    assert loopback.only.headers["content-type"] == content_type
    assert loopback.only.headers["if-match"] == '"12"'
    assert loopback.only.body == body


def test_creating_overwrites_nothing(loopback: Loopback, client: Client, place: Plural) -> None:
    client.run(operations.create(place, "first", b'{"data":{}}'))
    assert loopback.only.line.startswith("PUT ")
    assert loopback.only.headers["if-none-match"] == "*"
    assert loopback.only.headers["content-type"] == "application/json"
    assert "if-match" not in loopback.only.headers


@pytest.mark.parametrize("wrong", ["", ".", "..", "a/b", "ab\n", "!!!", "🔑", "a b", "a?b", "a#b", "%2e", "_a", "-a"])
def test_an_id_that_kinto_does_not_take_is_an_error_before_anything_is_sent(
    loopback: Loopback, client: Client, place: Plural, wrong: str
) -> None:
    with pytest.raises(InvalidIdError):
        client.run(operations.delete(place, wrong, only=None))
    with pytest.raises(InvalidIdError):
        client.run(operations.get_list(records(wrong, "articles"), Query()))
    with pytest.raises(InvalidIdError):
        client.run(operations.get_list(records("blog", wrong), Query()))
    assert loopback.received == []


@pytest.mark.parametrize("location", ["http://alice:s3cret@elsewhere.example/v1/?token=s3cret#s3cret", "/v2/?q=s3cret"])
def test_a_redirect_is_an_error_that_says_where_to_without_secrets(
    loopback: Loopback, client_of: ClientOf, place: Plural, location: str
) -> None:
    client = client_of(loopback.url, auth=("alice", "s3cret"))
    loopback.answers(307, {"Location": location})
    with pytest.raises(RedirectError) as caught:
        client.run(operations.delete(place, "first", only=None))
    assert caught.value.location in ("http://elsewhere.example/v1/", f"{loopback.origin}/v2/")
    assert caught.value.location in str(caught.value)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))
    assert len(loopback.received) == 1


def test_deletion_goes_from_page_to_page_with_delete(loopback: Loopback, client: Client, place: Plural) -> None:
    loopback.answers(200, {"Next-Page": f"{loopback.url}/buckets/blog/collections/articles/records?_token=a%2Bb"})
    listings = list(client._runner.stream(pages(operations.delete_listed(place, Query(limit=2)))))
    assert len(listings) == 2
    assert [received.line for received in loopback.received] == [
        "DELETE /v1/buckets/blog/collections/articles/records?_limit=2 HTTP/1.1",
        "DELETE /v1/buckets/blog/collections/articles/records?_token=a%2Bb HTTP/1.1",
    ]


def test_a_read_is_sent_again_after_a_broken_connection(loopback: Loopback, client_of: ClientOf, place: Plural) -> None:
    loopback.says(b"", "reset")
    loopback.answers(502, body=b"<html>Bad Gateway</html>")
    loopback.answers(200, {"ETag": '"12"'})
    client = client_of(loopback.url, retry=RetryPolicy(retries=2, backoff=0.001))
    assert client.run(operations.get(place, "first")).timestamp == 12
    assert len(loopback.received) == 3


def test_a_write_that_would_do_more_is_sent_once_when_the_server_fails(
    loopback: Loopback, client_of: ClientOf, place: Plural
) -> None:
    loopback.answers(502, body=b"<html>Bad Gateway</html>")
    client = client_of(loopback.url, retry=RetryPolicy(retries=2, backoff=0.001))
    with pytest.raises(ServerFailedError, match="Bad Gateway"):
        client.run(operations.create_anywhere(place, b"{}"))
    assert len(loopback.received) == 1


def test_a_write_is_sent_again_where_the_server_asks_for_it(
    loopback: Loopback, client_of: ClientOf, place: Plural
) -> None:
    loopback.answers(503, {"Retry-After": "0"})
    loopback.answers(201)
    client = client_of(loopback.url, retry=1)
    assert client.run(operations.create(place, "first", b'{"data":{"a":1}}')).created
    first, second = loopback.received
    assert (first.line, first.headers, first.body) == (second.line, second.headers, second.body)
