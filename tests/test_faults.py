"""The bench of faults itself, on raw sockets: what passes it, what its faults do, and that it ends."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from typing_extensions import Self

from tests.faults import Answer, Bench, Cut, Delay, Drip, Fault, Garble, Twice
from tests.loopback import Loopback

HEAD = b"PUT /v1/a HTTP/1.1\r\nHost: there\r\nContent-Length: 10\r\n\r\n"
BODY = b"0123456789"
REQUEST = HEAD + BODY
TOLD_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n"
TOLD_BODY = b"abcdefgh"
TOLD = TOLD_HEAD + TOLD_BODY


@pytest.fixture
def bench(loopback: Loopback) -> Iterator[Bench]:
    for _ in range(5):
        loopback.says(TOLD, "keep")
    with Bench(loopback.url, seconds=20) as bench:
        yield bench


def connect(bench: Bench) -> socket.socket:
    return socket.create_connection(("127.0.0.1", bench.port), 5)


def read(connection: socket.socket, most: int = 0) -> bytes:
    """What comes until the end, or so many bytes."""
    told = b""
    while not most or len(told) < most:
        if not (piece := connection.recv(most - len(told) if most else 65536)):
            break
        told += piece
    return told


def exchange(bench: Bench, request: bytes = REQUEST) -> bytes:
    """All that comes on a connection of its own, until it ends or is complete."""
    with connect(bench) as connection:
        with suppress(OSError):  # a bench that has hung up
            connection.sendall(request)
        return read(connection, len(TOLD))


def test_what_is_not_planned_passes_byte_by_byte_over_one_connection(bench: Bench, loopback: Loopback) -> None:
    with connect(bench) as connection:
        for _ in range(2):
            connection.sendall(REQUEST)
            assert read(connection, len(TOLD)) == TOLD
    assert [each.head + b"\r\n\r\n" + each.body for each in loopback.received] == [REQUEST] * 2
    assert [each.connection for each in loopback.received] == [1, 1]
    assert bench.received == bench.handed_on == loopback.received


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"3\r\nabc\r\n5;x=y\r\ndefgh\r\n0\r\n\r\n"),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 8\r\n\r\n", b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
def test_the_end_of_an_answer_is_known(bench: Bench, loopback: Loopback, raw: bytes, body: bytes) -> None:
    loopback.forget()
    for _ in range(2):
        loopback.says(raw + body, "keep")
    with connect(bench) as connection:
        for _ in range(2):
            connection.sendall(REQUEST)
            assert read(connection, len(raw + body)) == raw + body


def test_an_answer_without_a_length_ends_with_the_connection(bench: Bench, loopback: Loopback) -> None:
    loopback.forget()
    loopback.says(b"HTTP/1.0 200 OK\r\n\r\nabc")
    assert exchange(bench) == b"HTTP/1.0 200 OK\r\n\r\nabc"


CUTS: dict[str, tuple[Cut, bytes, bytes]] = {
    "with the connection": (Cut("connection"), b"", b""),
    "before the request": (Cut("request"), b"", b""),
    "in the middle of the request's head": (Cut("request.head"), HEAD[: len(HEAD) // 2], b""),
    "after 3 bytes": (Cut("request.head", 3), HEAD[:3], b""),
    "in the middle of the request's body": (Cut("request.body"), HEAD + BODY[:5], b""),
    "before its last byte": (Cut("request.body", 9), HEAD + BODY[:9], b""),
    "when it was sent": (Cut("sent"), REQUEST, b""),
    "after its last byte": (Cut("request.body", 10), REQUEST, b""),
    "before the answer": (Cut("answer"), REQUEST, b""),
    "in the middle of the answer's head": (Cut("answer.head"), REQUEST, TOLD[: len(TOLD_HEAD) // 2]),
    "between its head and its body": (Cut("answer.body", 0), REQUEST, TOLD_HEAD),
    "in the middle of the answer's body": (Cut("answer.body"), REQUEST, TOLD_HEAD + TOLD_BODY[:4]),
    "at its end": (Cut("answer.body", 8), REQUEST, TOLD),
}


@pytest.mark.parametrize("cut", CUTS)
def test_a_connection_is_cut_at_the_byte(cut: str) -> None:
    fault, heard, told = CUTS[cut]
    with _Recording() as server, Bench(server.url, seconds=20) as bench:
        bench.plan(fault)
        with connect(bench) as connection:
            with suppress(OSError):
                connection.sendall(REQUEST)
            assert read(connection) == told
        bench.settle()
        assert server.heard() == heard


@pytest.mark.parametrize("at", ["connection", "request", "request.body", "sent", "answer", "answer.body"])
def test_a_connection_is_reset(bench: Bench, at: Any) -> None:
    bench.plan(Cut(at, reset=True))
    with pytest.raises(ConnectionError), connect(bench) as connection:  # which may be what is reset
        _talk(connection)


def _talk(connection: socket.socket) -> None:
    for _ in range(100):
        connection.sendall(REQUEST)
        read(connection)
        time.sleep(0.01)


class _Recording:
    """A server that keeps every byte until the connection ends, and answers when the request is complete."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(5)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    def heard(self) -> bytes:
        return self._heard

    def __enter__(self) -> Self:
        self._heard = b""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def _serve(self) -> None:
        with suppress(OSError):
            connection, _ = self._listener.accept()
            connection.settimeout(5)
            with connection:
                while piece := connection.recv(65536):
                    self._heard += piece
                    if self._heard == REQUEST:
                        connection.sendall(TOLD)

    def __exit__(self, *_: object) -> None:
        self._listener.close()


def test_a_delay_is_before_the_request_or_before_the_answer(bench: Bench, loopback: Loopback) -> None:
    for before, heard in (("request", 0), ("answer", 1)):
        loopback.received.clear()
        bench.forget()
        bench.plan(Delay(0.3, before))  # type: ignore[arg-type]  # one of the two
        with connect(bench) as connection:
            connection.sendall(REQUEST)
            connection.settimeout(0.1)
            with pytest.raises(TimeoutError):
                connection.recv(1)
            assert len(loopback.received) == heard
            connection.settimeout(5)
            assert read(connection, len(TOLD)) == TOLD


def test_an_answer_drips(bench: Bench) -> None:
    bench.plan(Drip(0.01, size=20))
    with connect(bench) as connection:
        connection.sendall(REQUEST)
        pieces: list[bytes] = []
        while sum(map(len, pieces)) < len(TOLD):
            pieces.append(connection.recv(65536))
    assert b"".join(pieces) == TOLD
    assert len(pieces) > 1


def test_the_bench_answers_by_itself(bench: Bench, loopback: Loopback) -> None:
    bench.plan(Answer(503, {"Retry-After": "3"}, b'{"errno": 201}'))
    with connect(bench) as connection:
        connection.sendall(REQUEST)
        expected = Answer(503, {"Retry-After": "3"}, b'{"errno": 201}').told(head_only=False)
        assert read(connection, len(expected)) == expected
        assert b"Retry-After: 3\r\n" in expected
        assert not loopback.received
        connection.sendall(REQUEST)  # and goes on
        assert read(connection, len(TOLD)) == TOLD


def test_a_request_arrives_twice(bench: Bench, loopback: Loopback) -> None:
    loopback.forget()
    loopback.says(TOLD, "keep")
    loopback.says(b"HTTP/1.1 412 No\r\nContent-Length: 0\r\n\r\n", "keep")
    bench.plan(Twice("request"))
    assert exchange(bench) == TOLD
    bench.settle()
    assert [each.body for each in loopback.received] == [BODY, BODY]


def test_an_answer_arrives_twice(bench: Bench, loopback: Loopback) -> None:
    bench.plan(Twice("answer"))
    with connect(bench) as connection:
        connection.sendall(REQUEST)
        assert read(connection, 2 * len(TOLD)) == TOLD + TOLD
    assert len(loopback.received) == 1


def test_an_answer_is_garbled(bench: Bench) -> None:
    bench.plan(Garble(byte=2, by=b"\xff\xfe"))
    bench.plan(Garble("answer.head", 9, b"599"))
    assert exchange(bench) == TOLD_HEAD + b"ab\xff\xfeefgh"
    assert exchange(bench) == TOLD.replace(b"200", b"599")


SELECTIONS: dict[str, Callable[[Bench], object]] = {
    "by method": lambda bench: bench.plan(Answer(500), on="PUT"),
    "by path": lambda bench: bench.plan(Answer(500), path="/v1/a"),
    "by what the body holds": lambda bench: bench.plan(Answer(500), holding=b"456"),
}


@pytest.mark.parametrize("selection", SELECTIONS)
def test_a_fault_is_for_planned_requests_only(bench: Bench, selection: str) -> None:
    SELECTIONS[selection](bench)
    other = b"GET /v1/b HTTP/1.1\r\nHost: there\r\nContent-Length: 3\r\n\r\nxyz"
    assert exchange(bench, other) == TOLD
    assert exchange(bench).startswith(b"HTTP/1.1 500")
    assert exchange(bench) == TOLD


def test_a_plan_counts(bench: Bench) -> None:
    plan = bench.plan(Answer(500), on="PUT", nth=2, times=2)
    assert [exchange(bench)[9:12] for _ in range(4)] == [b"200", b"500", b"500", b"200"]
    assert plan.met == 2


@pytest.mark.parametrize("fault", [Delay(60), Drip(60), Delay(60, "request")])
def test_the_bench_ends_by_itself(loopback: Loopback, fault: Fault) -> None:
    with Bench(loopback.url, seconds=0.3) as bench:
        bench.plan(fault)
        assert exchange(bench) == b""
        assert bench.expired
