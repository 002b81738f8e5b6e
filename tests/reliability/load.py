"""Mixed load through a bench that lets some requests meet a fault: nothing acknowledged is lost, no error comes that is
not planned, and nothing grows.

The servers are in a process of their own, so that what is counted here is the clients'. The clients stand still after
each quarter, when connections, tasks and memory are counted.
"""

from __future__ import annotations

import asyncio
import gc
import random
import subprocess
import sys
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kinto_models import (
    AsyncClient,
    BatchError,
    Client,
    KintoError,
    NotSentError,
    Record,
    RetryPolicy,
    ServerFailedError,
    TransportError,
)
from kinto_models.embedded import EmbeddedServer
from tests.faults import Answer, Bench, Cut, Delay, Drip, Fault
from tests.reliability.figures import Figure
from tests.reliability.operations import told
from tests.reliability.servers import AUTH

__all__ = ["measure"]

SECONDS: Final = 60.0
THREADS: Final = 4
TASKS: Final = 8
RATE: Final = 0.02
"""How many of the requests meet a fault."""
FAULTS: Final[tuple[Fault, ...]] = (
    Cut("request"),
    Cut("request.head"),
    Cut("request.body"),
    Cut("sent"),
    Cut("answer"),
    Cut("answer.head", reset=True),
    Cut("answer.body"),
    Delay(0.05),
    Drip(0.001, size=50),
    Answer(429, {"Retry-After": "0"}),
    Answer(500),
    Answer(503, {"Retry-After": "0"}),
    Answer(503),
)
PLANNED: Final = (TransportError, ServerFailedError)
"""Errors that these faults may come to."""
MORE_FILES: Final = THREADS + TASKS
"""One connection for each worker may be open or closed when they stand still."""
MORE_MEMORY: Final = 2**20
"""Bytes, by which what Python holds may differ: caches, tallies and the last errors."""
KEPT: Final = 50
"""Records whose text a worker remembers, so that what it remembers is no leak."""


class Note(Record, bucket="load", collection="notes"):
    text: str = ""
    worker: int = 0
    tags: list[str] = []


class Unlucky(Bench):
    """Lets requests meet faults at random."""

    dice = random.Random()  # noqa: S311  # no secret

    def fault_for(self, head: bytes, body: bytes) -> Fault | None:
        return self.dice.choice(FAULTS) if self.dice.random() < RATE else None


def planned(error: BaseException | None) -> bool:
    """Whether a fault may come to this, or end a bulk operation with it."""
    return isinstance(error, PLANNED) or (isinstance(error, (BatchError, NotSentError)) and planned(error.__cause__))


@dataclass
class Worker:
    """One line of work on records of its own.

    Attributes:
        stored: the text of the latest records, as it was last acknowledged.
        counts: what was done, and errors by class.
    """

    number: int
    tasks: Any
    client: Any
    dice: random.Random
    stored: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    unplanned: list[str] = field(default_factory=list)

    async def work(self, until: float) -> None:
        """One operation after another."""
        while time.monotonic() < until:
            name = self.dice.choice(["create", "create", "save", "save", "get", "list", "delete", "batch"])
            object_id = self.dice.choice(list(self.stored)) if self.stored else None
            try:
                await getattr(self, f"_{name}")(object_id)
            except KintoError as error:
                self.counts[type(error).__name__] += 1
                self.stored.pop(object_id or "", None)  # nobody knows, or nothing happened: it is looked at no more
                if not planned(error):
                    self.unplanned.append(f"{name}: {type(error).__name__}: {error}")
            else:
                self.counts[name] += 1

    def _remember(self, note: Note) -> None:
        self.stored[note.id] = note.text
        while len(self.stored) > KEPT:
            del self.stored[next(iter(self.stored))]

    def _text(self) -> str:
        return f"{self.dice.random()}"

    async def _create(self, _: str | None) -> None:
        note = Note(text=self._text(), worker=self.number)
        await told(self.tasks.create(note))
        self._remember(note)

    async def _save(self, object_id: str | None) -> None:
        if object_id is not None:
            note = await self._read(object_id)
            note.text = self._text()
            note.tags.append("again")
            await told(self.tasks.save(note))
            self.stored[object_id] = note.text

    async def _get(self, object_id: str | None) -> None:
        if object_id is not None:
            await self._read(object_id)

    async def _read(self, object_id: str) -> Note:
        note: Note = await told(self.tasks.get(object_id))
        if note.text != self.stored[object_id]:
            self.unplanned.append(f"a lost write: {note.text} is there and not {self.stored[object_id]}")
        return note

    async def _list(self, _: str | None) -> None:
        await told(self.tasks.find(Note.worker == self.number).limit(20).all())

    async def _delete(self, object_id: str | None) -> None:
        if object_id is not None and len(self.stored) > TASKS:
            await told(self.tasks.delete(object_id))
            del self.stored[object_id]

    async def _batch(self, _: str | None) -> None:
        notes = [Note(text=self._text(), worker=self.number) for _ in range(5)]
        await told(self.tasks.create_many(notes, each=self._noted))

    def _noted(self, note: Note, outcome: Any) -> None:
        if outcome.done:
            self._remember(note)
        elif not planned(outcome.error):
            self.unplanned.append(f"batch: {type(outcome.error).__name__}: {outcome.error}")


@dataclass(frozen=True)
class Held:
    """What the process holds while its clients stand still."""

    files: int
    threads: int
    tasks: int
    memory: int

    @classmethod
    def now(cls) -> Held:
        gc.collect()
        memory = tracemalloc.get_traced_memory()[0]
        return cls(len([*Path("/proc/self/fd").iterdir()]), threading.active_count(), len(asyncio.all_tasks()), memory)


async def _load(url: str, seconds: float) -> tuple[list[Worker], list[Held]]:
    policy = RetryPolicy(retries=2, backoff=0.01, longest=0.5)
    options: dict[str, Any] = {"auth": AUTH, "retry": policy, "timeout": (5, 10)}
    blocking, awaited = Client(url, **options), AsyncClient(url, **options)
    workers = [
        Worker(number, client.repository(Note), client, random.Random(number))  # noqa: S311  # no secret
        for number, client in enumerate([blocking] * THREADS + [awaited] * TASKS)
    ]
    held: list[Held] = []
    for _ in range(4):
        until = time.monotonic() + seconds / 4
        threads = [threading.Thread(target=asyncio.run, args=[one.work(until)]) for one in workers[:THREADS]]
        for thread in threads:
            thread.start()
        await asyncio.gather(*(one.work(until) for one in workers[THREADS:]))
        for thread in threads:
            thread.join()  # nothing else is to run meanwhile
        held.append(Held.now())
    blocking.close()
    await awaited.close()
    return workers, held


@contextmanager
def servers(seconds: float) -> Generator[tuple[str, str]]:
    """A Kinto and a bench in a process of their own; the addresses of both."""
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    try:
        direct, bench = process.stdout.readline().split()
        yield direct, bench
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


def _serve(seconds: float) -> None:
    settings = {"kinto.includes": "kinto.plugins.flush", "multiauth.policies": "basicauth"}
    server = EmbeddedServer({}, settings)
    with Client(server.url, auth=AUTH) as kinto:
        kinto.bucket("load").save()
        kinto.bucket("load").collection("notes").save()
    with Unlucky(server.url, seconds=seconds, keep=False) as bench:
        print(server.url, bench.url, flush=True)
        sys.stdin.read()
    server.stop()


def measure(seconds: float = SECONDS) -> list[Figure]:
    """Prints what was done and which errors came."""
    tracemalloc.start()
    try:
        with servers(seconds + 60) as (direct, bench):
            workers, held = asyncio.run(_load(bench, seconds))
            lost = _lost(direct, workers)
    finally:
        tracemalloc.stop()
    counts = sum((worker.counts for worker in workers), Counter[str]())
    unplanned = [each for worker in workers for each in worker.unplanned]
    print(", ".join(f"{name} {number}" for name, number in counts.most_common()))
    for each in unplanned[:5]:
        print(each[:300])
    first, last = held[0], held[-1]
    what = f"{counts.total()} operations in {seconds:g} s by {THREADS} threads and {TASKS} tasks"
    return [
        Figure(f"{what}, errors that are not planned", len(unplanned), "0", not unplanned),
        Figure("acknowledged writes that are lost", lost, "0", not lost),
        _grown("files and connections", first.files, last.files, MORE_FILES),
        _grown("threads", first.threads, last.threads, 0),
        _grown("tasks", first.tasks, last.tasks, 0),
        _grown("bytes", first.memory, last.memory, MORE_MEMORY),
    ]


def _lost(direct: str, workers: list[Worker]) -> int:
    stored = {object_id: text for worker in workers for object_id, text in worker.stored.items()}
    with Client(direct, auth=AUTH) as kinto:
        there = {note.id: note.text for note in kinto.repository(Note).find()}
    return sum(there.get(object_id) != text for object_id, text in stored.items())


def _grown(what: str, first: int, last: int, most: int) -> Figure:
    return Figure(
        f"{what} after the first and after the last quarter", f"{first}, {last}", f"+{most}", last <= first + most
    )


if __name__ == "__main__":
    _serve(float(sys.argv[1]))
