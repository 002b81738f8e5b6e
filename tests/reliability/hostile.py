"""Random answers of a hostile server, each to every operation of a blocking or of an async client: only errors of the
tree come out, an instance changes only where the call succeeds, and nothing hangs.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import multiprocessing
import socket
import time
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from typing import Any, Final, TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from kinto_models import AsyncClient, Client, KintoError, Record, RetryPolicy, edit
from kinto_models.models.state import Snapshot
from kinto_models.models.stored import attach
from kinto_models.models.tracking import parse
from tests.loopback import Loopback, Then, _read
from tests.reliability.figures import SLOW, Figure
from tests.reliability.operations import told

__all__ = ["USES", "Hostile", "Task", "Use", "answers", "measure", "meet", "saved", "state"]

COUNT: Final = 20_000
ROUND: Final = 1_000
"""Answers of one server: it keeps its connections until it is closed."""
_POLICY: Final = RetryPolicy(retries=1, backoff=0, longest=0.01, on_backoff="ignore")
"""Or no operation after the first would meet an answer that has a Backoff."""
_SHOWN: Final = 300
"""Bytes of an answer that did it."""
LIMIT: Final = 20.0
"""Seconds for all operations under one answer."""


Wrong: TypeAlias = dict[str, str]
"""What did not end as it must, and how."""


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""
    tags: list[str] = []


def saved() -> Task:
    """A task that was read, and changed since."""
    data = {"id": "t1", "last_modified": 5, "title": "x", "tags": []}
    task = parse(Task, data)
    attach(task, Snapshot(json.dumps({"data": data, "permissions": {"write": ["a"]}}).encode(), None))
    task.title = "y"
    task.tags.append("z")
    return task


def state(task: Task) -> object:
    """All that shows of an instance."""
    return task.model_dump(), task.etag, task.changes, task.saved, repr(task.permissions)


def _retitled(task: Task) -> None:
    task.title = "w"


async def _batched(kinto: Any, task: Task) -> object:
    if isinstance(kinto, Client):
        with kinto.batch() as blocking:
            return blocking.save(task), blocking.repository(Task).get("t2")
    async with kinto.batch() as awaited:
        return awaited.save(task), awaited.repository(Task).get("t2")


Use: TypeAlias = Callable[[Any, Task], Any]
USES: dict[str, Use] = {
    "create": lambda kinto, task: kinto.repository(Task).create(task),
    "save": lambda kinto, task: kinto.repository(Task).save(task),
    "merge": lambda kinto, task: kinto.repository(Task).save(task, on_conflict="merge"),
    "replace": lambda kinto, task: kinto.repository(Task).replace(task),
    "patch": lambda kinto, task: kinto.repository(Task).patch(task, title="w"),
    "patch by id": lambda kinto, task: kinto.repository(Task).patch("t1", title="w"),
    "append": lambda kinto, task: kinto.repository(Task).patch("t1", edit(Task.tags).append("w")),
    "modify": lambda kinto, task: kinto.repository(Task).modify("t1", _retitled),
    "delete": lambda kinto, task: kinto.repository(Task).delete(task),
    "refresh": lambda kinto, task: kinto.repository(Task).refresh(task),
    "get": lambda kinto, task: kinto.repository(Task).get("t1"),
    "get_or_none": lambda kinto, task: kinto.repository(Task).get_or_none("t1"),
    "get_or_create": lambda kinto, task: kinto.repository(Task).get_or_create(task),
    "upsert": lambda kinto, task: kinto.repository(Task).upsert(task),
    "all": lambda kinto, task: kinto.repository(Task).find().all(),
    "first": lambda kinto, task: kinto.repository(Task).find(Task.title == "x").first(),
    "count": lambda kinto, task: kinto.repository(Task).count(),
    "exists": lambda kinto, task: kinto.repository(Task).exists("t1"),
    "timestamp": lambda kinto, task: kinto.repository(Task).timestamp(),
    "changes": lambda kinto, task: kinto.repository(Task).changes(3),
    "delete_all": lambda kinto, task: kinto.repository(Task).delete_all(),
    "sync_to": lambda kinto, task: kinto.repository(Task).sync_to([Task(id="t1")]),
    "batch": _batched,
    "create_many": lambda kinto, task: kinto.repository(Task).create_many([Task(), Task()]),
    "server_info": lambda kinto, task: kinto.server_info(),
}


class Hostile(Loopback):
    """Answers every request with the same bytes."""

    raw: bytes = b""
    then: Then = "close"

    def _answer(self, connection: socket.socket, number: int) -> bool:
        if _read(connection, number) is None:
            return False
        connection.sendall(self.raw)
        return self.then == "keep"


# What is answered

_numbers = st.sampled_from([0, -1, 5, 2**53, 2**63, 10**30, -(10**30), 1.5, 1e308, 5.0])
_words = st.sampled_from(["", "t1", "t2", "a/b", "../..", "\ud800", "\0", "null", "x" * 300]) | st.text(max_size=5)
_leaves = st.none() | st.booleans() | _numbers | _words
_names = st.sampled_from(
    ["data", "id", "details", "existing", "errno", "message", "last_modified", "permissions", "title", "deleted"]
)
values = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3), max_leaves=6
)
_object: dict[str, Any] = {"id": "t1", "last_modified": 7, "title": "z", "tags": ["a"]}
_shapes: list[dict[str, Any]] = [
    {"data": _object, "permissions": {"write": ["alice"], "read": []}},
    {"data": [_object, {"id": "t2", "last_modified": 6}, {"id": "t3", "last_modified": 8, "deleted": True}]},
    {"data": {"id": "t1", "last_modified": 9, "deleted": True}},
    {"code": 412, "errno": 114, "error": "Precondition Failed", "message": "no", "details": {"existing": _object}},
    {"code": 404, "errno": 110, "message": "no", "details": {"id": "t1", "resource_name": "record"}},
    {"code": 400, "errno": 107, "message": "no", "details": [{"location": "body", "name": "data.title"}]},
    {
        "responses": [
            {"status": 200, "path": "/v1/x", "headers": {"ETag": '"7"'}, "body": {"data": _object}},
            {"status": 412, "path": "/v1/x", "headers": {}, "body": {"details": {"existing": _object}}},
        ]
    },
    {
        "project_name": "kinto",
        "http_api_version": "1.23",
        "url": "http://127.0.0.1/v1/",
        "settings": {"batch_max_requests": 25, "readonly": False},
        "capabilities": {"history": {"description": "", "url": ""}},
        "user": {"id": "account:alice", "principals": ["a"], "bucket": "b1"},
    },
]


@st.composite
def _mutated(draw: st.DrawFn) -> Any:
    """One of Kinto's own answers, with up to three places of it changed."""
    told: Any = deepcopy(draw(st.sampled_from(_shapes)))
    for _ in range(draw(st.integers(0, 3))):
        spot = told
        while isinstance(spot, (dict, list)) and spot:
            key = draw(st.sampled_from(list(spot) if isinstance(spot, dict) else range(len(spot))))
            if not isinstance(spot[key], (dict, list)) or draw(st.booleans()):
                spot[key] = draw(values)
                break
            spot = spot[key]
    return told


_kintos = _mutated().map(lambda value: json.dumps(value).encode())
_bodies = (
    _kintos
    | _kintos
    | _kintos
    | _kintos
    | _kintos
    | st.binary(max_size=30)
    | values.map(lambda value: json.dumps(value).encode())
    | _mutated().map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-16-le", "surrogatepass"))
    | _mutated().map(lambda value: json.dumps(value).encode()[:-3])
    | st.sampled_from(
        [
            b"[" * 100_000,
            b'{"data":' + b"[" * 3_000 + b"]" * 3_000 + b"}",
            b'{"data": {"id": "t1", "last_modified": ' + b"9" * 5_000 + b"}}",
            b'{"data": {"id": "t1", "last_modified": 1e999, "title": NaN}}',
            b'{"data": {"id": "t1", "id": "t2", "last_modified": 5}}',
            b'\xef\xbb\xbf{"data": []}',
        ]
    )
)
_STATUSES = [200] * 12 + [201, 201, 201, 304, 304, 400, 404, 409, 412, 412, 429, 500, 503]
_HEADERS: dict[str, list[str]] = {
    "ETag": ["", '"0"', '"5"', '"7"', "W/x", '"-3"', "9" * 50, '"' + "9" * 5_000 + '"', '"\xff"', "*"],
    "Last-Modified": ["", "never", "Thu, 01 Jan 1970 00:00:00 GMT", "Mon, 99 Foo 99999 99:99:99 XXX"],
    "Retry-After": ["0", "-1", "nan", "inf", "1e400", "9" * 400, "Thu, 01 Jan 1970 00:00:00 GMT", "soon", "0.001"],
    "Backoff": ["0", "-1", "nan", "inf", "x", "9" * 5_000],
    "Alert": ["", "{", '{"code": "soft-eol", "message": 3}', '{"code": "hard-eol"}', "[" * 5_000, '"x"', "\xe9"],
    "Next-Page": ["", "x", "/", "//evil.example/", "http://[", "http://evil.example/v1", "\x7f", "?_token=x"],
    "Total-Objects": ["", "x", "-3", "1e3", "9" * 5_000, "3"],
    "Total-Records": ["", "x", "3"],
    "Cache-Control": ["max-age=x", "max-age=" + "9" * 5_000, "max-age=-1", "no-store", ",=,"],
    "Content-Type": ["", "text/html; charset=nowhere", "application/json; charset=utf-16", "x" * 300],
    "Content-Encoding": ["gzip", "deflate", "br", "identity", "nonsense", "gzip, gzip"],
    "Location": ["", "http://[", "//x:y/\xff", "https://user:pw@evil.example/"],
    "Set-Cookie": ["a=b; expires=never; max-age=x", "=;"],
    "Connection": ["close", "upgrade"],
}


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, Then]:
    """The bytes of an answer, and what becomes of the connection after it."""
    status = draw(st.sampled_from(_STATUSES) | st.sampled_from(_STATUSES) | st.integers(100, 599))
    names = draw(st.sets(st.sampled_from(sorted(_HEADERS)), max_size=4))
    fields = [(name, draw(st.sampled_from(_HEADERS[name]))) for name in sorted(names)]
    body = draw(_bodies)
    if ("Content-Encoding", "gzip") in fields and draw(st.booleans()):
        body = gzip.compress(body)
    length = draw(st.sampled_from([str(len(body))] * 12 + ["-3", "x", "0", str(len(body) + 9), "9" * 30]))
    honest = length == str(len(body)) and status >= 200 and status not in (204, 304)
    first = draw(st.sampled_from([b""] * 9 + [b"HTTP/1.1 100 Continue\r\n\r\n"]))
    head = "".join(f"{name}: {value}\r\n" for name, value in [("Content-Length", length), *fields])
    raw = first + f"HTTP/1.1 {status} Said So\r\n{head}\r\n".encode("latin-1", "replace") + body
    return raw, "keep" if honest else "close"


# What must hold


async def examine(kinto: Any, tally: Counter[str]) -> Wrong:
    """Has each operation meet the answer; tallies what came out, and tells what did not end as it must."""
    wrong: Wrong = {}
    for name, use in USES.items():
        task = saved()
        before = state(task)
        try:
            await told(use(kinto, task))
        except KintoError as error:
            tally[type(error).__name__] += 1
            if not str(error):
                wrong[f"{name}: {type(error).__name__} without a word"] = ""
            if state(task) != before:
                wrong[f"{name}: the instance was touched by {type(error).__name__}"] = str(error)
        except Exception as error:  # noqa: BLE001  # what this is about
            wrong[f"{name}: {type(error).__name__}, which is none of the tree"] = str(error)
        else:
            tally["done"] += 1
    return wrong


async def _all(url: str, tally: Counter[str], *, blocking: bool) -> Wrong:
    options: dict[str, Any] = {"retry": _POLICY, "timeout": (2, 2)}
    if blocking:
        client = Client(url, **options)
        try:
            return await examine(client, tally)
        finally:
            client.close()
    awaited = AsyncClient(url, **options)
    try:
        return await examine(awaited, tally)
    finally:
        await awaited.close()


def meet(server: Hostile, answer: tuple[bytes, Then], tally: Counter[str], *, blocking: bool) -> Wrong:
    """Has every operation meet this answer; what did not end as it must."""
    server.raw, server.then = answer
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what an Alert says
        try:
            return asyncio.run(asyncio.wait_for(_all(server.url, tally, blocking=blocking), LIMIT))
        except asyncio.TimeoutError:
            return {f"more than {LIMIT:g} s": ""}


def run(count: int) -> tuple[Counter[str], Wrong]:
    """So many answers: what came out how often, and what did not end as it must, with an answer that did it."""
    tally: Counter[str] = Counter()
    wrong: Wrong = {}
    server = Hostile()

    @settings(max_examples=count, database=None, deadline=None, suppress_health_check=SLOW)
    @given(answer=answers(), blocking=st.booleans())
    def all_of_it(answer: tuple[bytes, Then], *, blocking: bool) -> None:
        for found, said in meet(server, answer, tally, blocking=blocking).items():
            wrong.setdefault(found, f"{said}, after {answer[0][:_SHOWN]!r}")

    try:
        all_of_it()
    finally:
        server.close()
    return tally, wrong


def measure(count: int = COUNT) -> list[Figure]:
    """Prints how the outcomes are distributed."""
    tally: Counter[str] = Counter()
    wrong: Wrong = {}
    started = time.monotonic()
    rounds = [min(ROUND, count - begun) for begun in range(0, count, ROUND)]
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        for tallied, found in pool.map(run, rounds):
            tally += tallied
            wrong |= found
    took = time.monotonic() - started
    for name, number in tally.most_common():
        print(f"{number:9} {name}")
    for outcome, said in sorted(wrong.items()):
        print(f"{outcome}: {said}")
    what = f"{count} random answers to each of {len(USES)} operations, blocking or async, in {took:.0f} s"
    return [Figure(what, f"{len(wrong)} other outcomes", "errors of the tree, instances untouched", not wrong)]
