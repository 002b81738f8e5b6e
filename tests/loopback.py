"""A server on a real socket that answers what a test tells it to, and keeps what it received."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

_WITHOUT_BODY = (204, 304)
_HANDSHAKE = b"\x16\x03"  # what TLS begins with


@dataclass(frozen=True)
class Received:
    """One request, as its bytes came."""

    connection: int
    head: bytes
    body: bytes

    @property
    def line(self) -> str:
        return self.head.decode("latin-1").split("\r\n", 1)[0]

    @property
    def headers(self) -> dict[str, str]:
        """By lower-case name; fails where one came twice."""
        lines = [line.split(": ", 1) for line in self.head.decode("latin-1").split("\r\n")[1:]]
        headers = {name.lower(): value for name, value in lines}
        assert len(headers) == len(lines), f"a header came twice: {lines}"
        return headers


Then: TypeAlias = Literal["keep", "close", "reset", "stall"]
"""What happens to the connection after an answer; after "stall" it stays open, and nothing more comes."""


class Loopback:
    """Answers each request with the next of its answers, and with an empty JSON object once there are none left."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.received: list[Received] = []
        self.delay = 0.0  # seconds before each answer
        self._free = threading.Event()
        self._free.set()
        self._tls = tls
        self._answers: deque[tuple[bytes, Then]] = deque()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._closing = threading.Event()
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def origin(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/v1"

    @property
    def only(self) -> Received:
        """The one request that came."""
        assert len(self.received) == 1, self.received
        return self.received[0]

    def says(self, raw: bytes, then: Then = "close") -> None:
        """Lines up these very bytes."""
        self._answers.append((raw, then))

    def answers(self, status: int = 200, headers: Mapping[str, str] | None = None, body: bytes = b"{}") -> None:
        """Lines up a well-formed answer, after which the connection stays open."""
        body = b"" if status in _WITHOUT_BODY else body
        fields = {"Content-Length": str(len(body)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.says(f"HTTP/1.1 {status} Said So\r\n{head}\r\n".encode() + body, "keep")

    def hold(self) -> None:
        """Keeps all answers back, until ``release()``."""
        self._free.clear()

    def release(self) -> None:
        self._free.set()

    def await_requests(self, number: int = 1) -> None:
        """Waits until this many requests have come in all."""
        deadline = time.monotonic() + 5
        while len(self.received) < number:
            assert time.monotonic() < deadline, self.received
            time.sleep(0.001)

    def forget(self) -> None:
        """Drops what is lined up and what was received."""
        self._answers.clear()
        self.received.clear()

    def close(self) -> None:
        self._closing.set()
        self._free.set()
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()  # wakes whoever accepts
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()
        self._listener.close()

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._closing.is_set():
                connection.close()
                return
            self._connections.append(connection)
            self._start(self._serve, connection, len(self._connections))

    def _serve(self, plain: socket.socket, number: int) -> None:
        connection = plain
        with suppress(OSError):  # the client hung up, or did not accept the certificate
            if self._tls is not None:
                connection = self._tls.wrap_socket(plain, server_side=True)
                self._connections.append(connection)
            while self._answer(connection, number):
                pass
        connection.close()

    def _answer(self, connection: socket.socket, number: int) -> bool:
        request = _read(connection, number)
        if request is None:
            return False
        self.received.append(request)
        if not self._answers:
            self.answers()
        raw, then = self._answers.popleft()
        self._free.wait()
        if self.delay and self._closing.wait(self.delay):
            return False
        connection.sendall(raw)
        if then == "stall":
            self._closing.wait(10)
        if then == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return then == "keep"


def _read(connection: socket.socket, number: int) -> Received | None:
    received = b""
    while b"\r\n\r\n" not in received:
        if not (chunk := connection.recv(65536)):
            return None
        received += chunk
        if received.startswith(_HANDSHAKE):
            return Received(number, received, b"")
    head, _, body = received.partition(b"\r\n\r\n")
    request = Received(number, head, body)
    missing = int(request.headers.get("content-length", "0")) - len(body)
    while missing > 0:
        chunk = connection.recv(65536)
        body, missing = body + chunk, missing - len(chunk)
    return Received(number, head, body)
