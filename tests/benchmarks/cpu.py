"""What only the client costs: CPU time, against a server that answers at once with recorded bytes."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any

import aiohttp
import kinto_http
import requests

from kinto_models import AsyncClient, Client
from kinto_models.protocol.messages import Request
from kinto_models.protocol.operations import Listing
from kinto_models.repository.loading import load_page
from tests.benchmarks.kinto import AUTH, raw_answer, running
from tests.benchmarks.measuring import Measured, in_turns, in_turns_async
from tests.benchmarks.models import BUCKET, COLLECTION, PlainPage, Task, fields, stored
from tests.benchmarks.recorded import replaying

ROUNDS, TIMES = 15, 100
AT_ONCE = 16
LOADED = 5_000

_ID = "00000001-0000-4000-8000-000000000000"
_PATH = f"/buckets/{BUCKET}/collections/{COLLECTION}/records/{_ID}"


def record() -> dict[str, bytes]:
    """A real Kinto's answers, as they came."""
    with running() as root:
        session = requests.Session()
        session.auth = AUTH
        for path in (f"/buckets/{BUCKET}", f"/buckets/{BUCKET}/collections/{COLLECTION}"):
            session.put(root + path).raise_for_status()
        session.put(root + _PATH, json={"data": fields(1)}).raise_for_status()
        return {
            "GET": _recorded("GET", root),
            "PATCH": _recorded("PATCH", root, {"data": {"priority": 4}}),
            "PUT": _recorded("PUT", root, {"data": {**fields(1), "priority": 4}}),
        }


def _recorded(method: str, root: str, body: Mapping[str, object] | None = None) -> bytes:
    payload = b"" if body is None else json.dumps(body).encode()
    basic = b64encode(":".join(AUTH).encode()).decode()
    head = (
        f"{method} /v1{_PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {basic}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
    )
    return raw_answer(head.encode() + payload, root)


@contextmanager
def replayed() -> Generator[str, None, None]:
    """A server with these answers."""
    with replaying(record()) as root:
        yield root


def get(root: str) -> dict[str, Measured]:
    """One typed record, against a dict."""
    with Client(root, auth=AUTH) as client, requests.Session() as session:
        session.auth = AUTH
        tasks = client.repository(Task)
        peer = kinto_http.Client(server_url=root, auth=AUTH, bucket=BUCKET, collection=COLLECTION)
        return in_turns(
            {
                "ours": lambda: tasks.get(_ID),
                "kinto-http": lambda: peer.get_record(id=_ID),
                "requests": lambda: session.get(root + _PATH).json(),
            },
            rounds=ROUNDS,
            times=TIMES,
        )


def save(root: str) -> dict[str, Measured]:
    """One changed field of a record that was read, written if nobody changed it meanwhile."""
    with Client(root, auth=AUTH) as client, requests.Session() as session:
        session.auth = AUTH
        task = client.repository(Task).get(_ID)
        peer = kinto_http.Client(server_url=root, auth=AUTH, bucket=BUCKET, collection=COLLECTION)
        record = peer.get_record(id=_ID)["data"]
        numbers = count(10)

        def ours() -> None:
            task.priority = next(numbers)
            assert task.save().changed == {"priority"}

        def theirs() -> None:
            record["priority"] = next(numbers)
            peer.update_record(data=record)

        def floor() -> None:
            body = {"data": {"priority": next(numbers)}}
            session.patch(root + _PATH, json=body, headers={"If-Match": '"1700000000000"'}).json()

        return in_turns({"ours": ours, "kinto-http": theirs, "requests": floor}, rounds=ROUNDS, times=TIMES)


def get_at_once(root: str) -> dict[str, Measured]:
    """The same record, sixteen times at once, in one event loop: CPU for each."""
    return asyncio.run(_get_at_once(root))


async def _get_at_once(root: str) -> dict[str, Measured]:
    peer: Any = kinto_http.AsyncClient(server_url=root, auth=AUTH, bucket=BUCKET, collection=COLLECTION)
    basic = aiohttp.BasicAuth(*AUTH)
    async with AsyncClient(root, auth=AUTH) as client, aiohttp.ClientSession(auth=basic) as session:
        tasks = client.repository(Task)

        async def floor_once() -> object:
            async with session.get(root + _PATH) as answer:
                return await answer.json()

        async def ours() -> None:
            await asyncio.gather(*(tasks.get(_ID) for _ in range(AT_ONCE)))

        async def theirs() -> None:
            await asyncio.gather(*(peer.get_record(id=_ID) for _ in range(AT_ONCE)))

        async def floor() -> None:
            await asyncio.gather(*(floor_once() for _ in range(AT_ONCE)))

        taken = await in_turns_async({"ours": ours, "kinto-http": theirs, "aiohttp": floor}, rounds=ROUNDS, times=10)
    return {name: Measured(tuple(s / AT_ONCE for s in each.seconds)) for name, each in taken.items()}


def load() -> dict[str, Measured]:
    """5,000 typed records from the bytes of one answer."""
    body = json.dumps({"data": [stored(number) for number in range(LOADED)]}).encode()
    listing = Listing(body, 1, Request("GET", "/"), None, "http://localhost/v1")
    with Client("http://localhost/v1") as client:
        tasks = client.repository(Task)
        return in_turns(
            {
                "ours": lambda: load_page(Task, listing, tasks),
                "pydantic": lambda: PlainPage.model_validate_json(body),
            },
            rounds=ROUNDS,
            times=3,
        )
