"""A real Kinto in a process of its own. Run as a program, it prints its address and ends when stdin does."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlsplit

from kinto_models.embedded import EmbeddedServer

AUTH = ("alice", "s3cret")
SETTINGS = {"kinto.includes": "kinto.plugins.flush", "multiauth.policies": "basicauth"}
"""Without history, which on this backend slows each write by all that were before it, and with no accounts to lose when
the server is emptied."""


@contextmanager
def running() -> Generator[str, None, None]:
    """Starts one, and yields its root."""
    process = subprocess.Popen(
        [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def raw_answer(request: bytes, root: str) -> bytes:
    """The bytes that a server answers to these bytes."""
    parts = urlsplit(root)
    with socket.create_connection((parts.hostname or "", parts.port or 80), 10) as connection:
        connection.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)
        head, _, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        while length and len(body) < int(length[1]):
            body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def counting(root: str) -> Generator[tuple[str, list[int]], None, None]:
    """A way to the server that counts the bytes of its answers: yields its root and their sizes."""
    parts = urlsplit(root)
    listener = socket.create_server(("127.0.0.1", 0))
    sizes: list[int] = []

    def relay(source: socket.socket, target: socket.socket, counts: list[int]) -> None:
        while chunk := source.recv(65536):
            counts.append(len(chunk))
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection((parts.hostname or "", parts.port or 80))
            threading.Thread(target=relay, args=(client, server, []), daemon=True).start()
            threading.Thread(target=relay, args=(server, client, sizes), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}{parts.path}", sizes
    listener.close()


if __name__ == "__main__":
    server = EmbeddedServer({}, SETTINGS)
    print(server.url, flush=True)  # noqa: T201  # whoever started it reads this
    sys.stdin.read()
    server.stop()
