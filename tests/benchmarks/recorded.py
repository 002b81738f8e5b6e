"""A server that answers at once with the bytes that a real Kinto gave, in a process of its own: what is weighed against
it is the client alone. Run as a program, it reads its answers as JSON from stdin and prints its port.

A list of objects is given in pages, as many as its size and the request's ``_limit`` make, each with the address of the
next.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

_MOST = 10_000  # objects on a page, as Kinto's storage has it


@contextmanager
def replaying(answers: Mapping[str, bytes], *, listed: int = 0, record: bytes = b"") -> Generator[str, None, None]:
    """Starts one that gives these raw answers by method, or ``listed`` copies of a record, and yields its root."""
    told = {
        "answers": {method: b64encode(raw).decode() for method, raw in answers.items()},
        "listed": listed,
        "record": record.decode(),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps(told) + "\n")
    process.stdin.flush()
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


class _Replay(asyncio.Protocol):
    """One connection."""

    def __init__(self, told: Any) -> None:
        self._answers = {method: b64decode(raw) for method, raw in told["answers"].items()}
        self._listed, self._record = told["listed"], told["record"]
        self._received = b""
        self._pages: dict[int, bytes] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, rest = self._received.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            size = int(length[1]) if length else 0
            if len(rest) < size:
                return
            self._received = rest[size:]
            method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            self._transport.write(self._page(target, head) if self._listed else self._answers[method])

    def _page(self, target: str, head: bytes) -> bytes:
        limit = min(int(found[1]) if (found := re.search(r"_limit=(\d+)", target)) else _MOST, _MOST)
        start = int(found[1]) if (found := re.search(r"_token=(\d+)", target)) else 0
        count = min(limit, self._listed - start)
        if count not in self._pages:
            self._pages[count] = ('{"data":[' + ",".join([self._record] * count) + "]}").encode()
        body, host = self._pages[count], re.search(rb"(?i)\r\nhost: *([^\r]+)", head)
        assert host
        following = ""
        if start + count < self._listed:
            path = target.partition("?")[0]
            following = f"Next-Page: http://{host[1].decode()}{path}?_limit={limit}&_token={start + count}\r\n"
        return (
            f'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: "1800000000000"\r\n{following}'
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body


async def _serve() -> None:
    told = json.loads(sys.stdin.readline())
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Replay(told), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201  # whoever started it reads this
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve())
