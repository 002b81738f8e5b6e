"""What writes at the same time as others, without the library: it would try again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier, local
from typing import Any

import pytest
import requests

from kinto_models.embedded import EmbeddedServer

ALICE = ("alice", "s3cret")
COLLECTION = "/buckets/b/collections/c"
RECORDS = f"{COLLECTION}/records"
COUNTER = f"{RECORDS}/counter"


@dataclass(frozen=True)
class Writer:
    """``write("PUT", path, {"n": 1}, If_Match=etag)``: one session for each thread."""

    url: str
    sessions: local

    def __call__(self, method: str, path: str, data: Any = None, **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send(method, path, None if data is None else {"data": data}, **named)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        if not hasattr(self.sessions, "own"):
            self.sessions.own = requests.Session()
        own: requests.Session = self.sessions.own
        return own.request(method, self.url + path, json=body, headers=headers, auth=ALICE, timeout=60)

    def batch(self, *parts: tuple[str, str, Any]) -> list[int]:
        """Statuses of the parts; the one of the whole where that is refused."""
        asked = [{"method": method, "path": path, "body": {"data": data}} for method, path, data in parts]
        answer = self.send("POST", "/batch", {"requests": asked})
        return [each["status"] for each in answer.json()["responses"]] if answer.ok else [answer.status_code]

    def ids(self, path: str = RECORDS) -> set[str]:
        return {each["id"] for each in self("GET", path).json()["data"]}


def at_once(*tasks: Callable[[], Any]) -> list[Any]:
    """Runs each in a thread, all from the same moment."""
    barrier = Barrier(len(tasks))

    def run(task: Callable[[], Any]) -> Any:
        barrier.wait(timeout=60)
        return task()

    with ThreadPoolExecutor(len(tasks)) as pool:
        return [*pool.map(run, tasks)]


def increments(write: Writer, path: str, times: int) -> int:
    """How many additions the server said that it had made, each tried until it did."""
    done = 0
    while done < times:
        read = write("GET", path)
        added = {"n": read.json()["data"]["n"] + 1}
        done += write("PATCH", path, added, If_Match=read.headers["ETag"]).status_code == 200
    return done


def writer(url: str) -> Writer:
    """Of a server that has nothing but this collection, and in it a counter."""
    write = Writer(url, local())
    write("DELETE", "/buckets")
    for path in ("/buckets/b", COLLECTION, f"{COLLECTION}2"):
        assert write("PUT", path).status_code == 201
    assert write("PUT", COUNTER, {"n": 0}).status_code == 201
    return write


@pytest.fixture
def write(server: EmbeddedServer) -> Writer:
    return writer(server.url)
