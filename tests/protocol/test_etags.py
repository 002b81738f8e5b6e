"""Timestamps, and what is sent so that nothing is overwritten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from kinto_models.errors import ConflictError
from kinto_models.protocol import operations
from kinto_models.protocol.bodies import envelope
from kinto_models.protocol.etags import IF_ABSENT, format_etag, if_match, if_none_match, parse_etag, timestamp_of
from kinto_models.protocol.messages import Response

if TYPE_CHECKING:
    from tests.protocol.conftest import Kinto


@given(st.integers(1, 10**17))
def test_a_timestamp_survives_the_way_to_the_server_and_back(timestamp: int) -> None:
    assert parse_etag(format_etag(timestamp)) == timestamp
    assert if_match(timestamp) == {"If-Match": f'"{timestamp}"'}
    assert if_none_match(timestamp) == {"If-None-Match": f'"{timestamp}"'}


@given(st.text(alphabet='"W/0123456789 *a-٣', max_size=20) | st.text() | st.none())
def test_whatever_a_server_sends_as_an_etag_is_a_timestamp_or_none(header: str | None) -> None:
    timestamp = parse_etag(header)
    if timestamp is not None:
        assert header is not None
        digits = header.strip()[1:-1]
        assert header.strip() == f'"{digits}"'
        assert digits.isascii()
        assert timestamp == int(digits)


@pytest.mark.parametrize(
    ("header", "timestamp"),
    [
        ('"1756000000123"', 1756000000123),
        (' "12" ', 12),
        ('"0"', 0),
        (None, None),
        ("", None),
        ("12", None),
        ('W/"12"', None),
        ('"12', None),
        ('"-12"', None),
        ('"1.5"', None),
        ('"1_000"', None),
        ('"abc"', None),
        ('"٣"', None),
        ("*", None),
        ('"12", "13"', None),
    ],
)
def test_only_an_etag_of_kinto_is_read(header: str | None, timestamp: int | None) -> None:
    assert parse_etag(header) == timestamp


def test_an_etag_that_is_no_number_for_its_length_is_none() -> None:
    assert parse_etag(f'"{"9" * 5000}"') is None


@pytest.mark.parametrize("nonsense", [0, -1, True, False, 1.0, "12", '"12"'])
def test_a_precondition_that_kinto_would_ignore_is_never_made(nonsense: Any) -> None:
    for make in (format_etag, if_match, if_none_match):
        with pytest.raises(ValueError, match="positive number of milliseconds"):
            make(nonsense)


def test_no_condition_is_no_header() -> None:
    assert if_match(None) == if_none_match(None) == {}


def test_only_if_absent_is_spelled_with_a_star() -> None:
    assert IF_ABSENT == {"If-None-Match": "*"}


@pytest.mark.parametrize("name", ["ETag", "etag", "ETAG"])
def test_the_timestamp_of_an_answer_is_in_its_etag(name: str) -> None:
    response = Response(200, CaseInsensitiveDict({name: '"12"', "Last-Modified": "13"}), b"", "http://kinto/v1")
    assert timestamp_of(response) == 12


def test_the_timestamp_of_an_answer_without_etag_is_unknown() -> None:
    headers = CaseInsensitiveDict({"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"})
    assert timestamp_of(Response(200, headers, b"", "http://kinto/v1")) is None


def test_kinto_refuses_a_write_under_a_timestamp_that_is_no_longer_the_one(real: Kinto) -> None:
    place = real.collection({"id": "first", "a": 1})
    read = real.client.run(operations.get(place, "first")).timestamp
    assert read is not None
    assert real.client.run(operations.get_if_changed(place, "first", since=read)) is None
    written = real.client.run(operations.replace(place, "first", envelope({"a": 2}), only=read)).timestamp
    assert written is not None
    assert written > read
    assert real.client.run(operations.get_if_changed(place, "first", since=read)) is not None
    with pytest.raises(ConflictError) as caught:
        real.client.run(operations.delete(place, "first", only=read))
    assert caught.value.status == 412
    assert caught.value.details["existing"]["a"] == 2
    assert real.client.run(operations.delete(place, "first", only=written)).timestamp is not None
