"""How long a client waits."""

from __future__ import annotations

import time
from math import nan
from typing import TYPE_CHECKING, Any

import pytest

from kinto_models.errors import ConnectTimeoutError, ReadTimeoutError, TimedOutError
from kinto_models.protocol.messages import Request
from kinto_models.transports.base import DEFAULT_TIMEOUT, Timeout, Timeouts

if TYPE_CHECKING:
    from tests.loopback import Loopback
    from tests.transports.conftest import ClientOf, Connect

_ASK = Request("GET", "/buckets/blog?_limit=3&secret=s3cret")


@pytest.mark.parametrize(
    ("timeout", "pair"),
    [
        (3, (3, 3)),
        (0.5, (0.5, 0.5)),
        ((1, 2), (1, 2)),
        (None, (None, None)),
        ((None, 2), (None, 2)),
        ((1, None), (1, None)),
        (DEFAULT_TIMEOUT, (5.0, 30.0)),
    ],
)
def test_a_timeout_is_one_number_a_pair_or_none(timeout: Timeout, pair: tuple[float | None, float | None]) -> None:
    timeouts = Timeouts.of(timeout)
    assert (timeouts.connect, timeouts.read) == pair


@pytest.mark.parametrize(
    "nonsense", [0, -1, True, False, "3", (1,), (1, 2, 3), (1, 0), ("1", 2), (True, 1), nan, [1, 2]]
)
def test_anything_else_is_refused(nonsense: Any) -> None:
    with pytest.raises(ValueError, match="timeout is seconds"):
        Timeouts.of(nonsense)


def test_a_client_that_was_told_nothing_waits_5_seconds_to_connect_and_30_to_read(client_of: ClientOf) -> None:
    transport: Any = client_of("http://127.0.0.1:1/v1")._runner.transport
    assert transport._connection.timeouts == Timeouts(5.0, 30.0)


def test_a_server_that_says_nothing_is_a_read_timeout(loopback: Loopback, connect: Connect) -> None:
    loopback.says(b"", "stall")
    started = time.monotonic()
    with pytest.raises(ReadTimeoutError) as caught:
        connect(loopback.url, timeouts=(5, 0.1)).send(_ASK)
    assert 0.09 < time.monotonic() - started < 2
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.request == "GET /buckets/blog"


@pytest.mark.parametrize("begun", [b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nContent-Le"])
def test_a_server_that_stops_before_the_body_is_a_read_timeout(
    loopback: Loopback, connect: Connect, begun: bytes
) -> None:
    loopback.says(begun, "stall")
    with pytest.raises(ReadTimeoutError):
        connect(loopback.url, timeouts=(5, 0.1)).send(_ASK)


@pytest.mark.parametrize(
    "begun",
    [
        b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"da',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"da\r\n',
    ],
)
def test_a_server_that_stops_in_the_body_is_a_timeout_too(loopback: Loopback, connect: Connect, begun: bytes) -> None:
    loopback.says(begun, "stall")
    with pytest.raises(TimedOutError) as caught:
        connect(loopback.url, timeouts=(5, 0.1)).send(_ASK)
    assert isinstance(caught.value, ReadTimeoutError)


def test_a_server_that_takes_no_connection_is_a_connect_timeout(full_port: int, connect: Connect) -> None:
    started = time.monotonic()
    with pytest.raises(ConnectTimeoutError) as caught:
        connect(f"http://127.0.0.1:{full_port}/v1", timeouts=(0.1, 5)).send(_ASK)
    assert 0.09 < time.monotonic() - started < 2
    assert not isinstance(caught.value, ReadTimeoutError)
    assert "nothing was sent" in str(caught.value)
