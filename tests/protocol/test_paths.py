"""Ids and the paths made of them."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinto_models.errors import DeclarationError, InvalidIdError
from kinto_models.protocol.paths import ID_PATTERN, Plural, buckets, check_id, collections, custom, groups, records

_ids = st.from_regex(ID_PATTERN, fullmatch=True)
_ACCOUNTS = r"[a-zA-Z0-9@+._-]+"


def test_objects_live_where_kinto_says() -> None:
    assert buckets().path == "/buckets"
    assert groups("blog").path == "/buckets/blog/groups"
    assert collections("blog").path == "/buckets/blog/collections"
    assert records("blog", "articles").path == "/buckets/blog/collections/articles/records"
    assert records("blog", "articles").object("first") == "/buckets/blog/collections/articles/records/first"


@given(_ids, _ids, _ids)
def test_an_id_of_kinto_appears_in_the_path_as_it_is(bucket: str, collection: str, record: str) -> None:
    assert check_id(record) == record
    path = records(bucket, collection).object(record)
    assert path == f"/buckets/{bucket}/collections/{collection}/records/{record}"


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    ours = bool(text) and text.isascii() and text[0].isalnum() and all(c.isalnum() or c in "-_" for c in text)
    if ours:
        assert check_id(text) == text
    else:
        with pytest.raises(InvalidIdError):
            check_id(text)


@pytest.mark.parametrize(
    "wrong", ["", ".", "..", "a/b", "ab\n", "\nab", "!!!", "🔑", "é", "٣", "a b", "-a", "_a", "a.b", "a%20b", "a?b"]
)
def test_what_kinto_does_not_take_is_refused_wherever_an_id_stands(wrong: str) -> None:
    for make in (
        lambda: buckets().object(wrong),
        lambda: groups(wrong),
        lambda: collections(wrong),
        lambda: records(wrong, "articles"),
        lambda: records("blog", wrong),
        lambda: records("blog", "articles").object(wrong),
    ):
        with pytest.raises(InvalidIdError):
            make()


@pytest.mark.parametrize("wrong", [None, 5, b"ab", ["ab"], True])
def test_what_is_no_text_is_no_id(wrong: object) -> None:
    with pytest.raises(InvalidIdError):
        check_id(wrong)


def test_the_error_says_which_id_of_what_and_is_a_value_error() -> None:
    with pytest.raises(ValueError, match=re.escape("'a/b' is not a bucket id")) as caught:
        records("a/b", "articles")
    assert ID_PATTERN in str(caught.value)
    with pytest.raises(InvalidIdError, match="is not a collection id"):
        records("blog", "a/b")
    with pytest.raises(InvalidIdError, match="is not a group id"):
        groups("blog").object("a/b")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_under_a_pattern_of_ones_own_an_id_is_quoted_and_never_another_path(text: str) -> None:
    place = Plural("/things", pattern=r"[\s\S]*")
    if not text.strip("."):
        with pytest.raises(InvalidIdError):
            place.object(text)
    else:
        prefix, _, quoted = place.object(text).rpartition("/")
        assert prefix == "/things"
        assert unquote(quoted, errors="strict") == text
        assert re.fullmatch(r"[\w.~%-]+", quoted, re.ASCII)


def test_the_pattern_of_a_server_that_takes_other_ids_holds() -> None:
    assert buckets(_ACCOUNTS).object("alice@example.com") == "/buckets/alice%40example.com"
    assert records("blog", "articles", "[0-9]+").object("42").endswith("/records/42")
    with pytest.raises(InvalidIdError):
        records("blog", "articles", "[0-9]+").object("first")
    with pytest.raises(InvalidIdError):
        buckets(_ACCOUNTS).object("..")


def test_an_id_that_is_not_unicode_is_refused_under_any_pattern() -> None:
    with pytest.raises(InvalidIdError):
        Plural("/things", pattern=".*").object("a\ud800")


@pytest.mark.parametrize("path", ["/articles", "/a/b/c", "/a%20b", "/v.1/a~b", "/users/me@example.com/things"])
def test_a_plural_endpoint_of_ones_own_is_taken_as_it_is(path: str) -> None:
    assert custom(path).path == path
    assert custom(path).object("first") == f"{path}/first"


@pytest.mark.parametrize(
    "wrong",
    ["", "/", "articles", "/articles/", "//articles", "/a//b", "/a/../b", "/a/.", "/a?b", "/a#b", "/a\n"],
)
def test_a_plural_endpoint_that_is_no_path_is_refused(wrong: str) -> None:
    with pytest.raises(DeclarationError):
        custom(wrong)
