"""What users wait for: wall time against a real Kinto, in memory, in a process of its own."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

import kinto_http
from kinto_http.replication import replicate

from kinto_models import Client, Repository
from kinto_models.protocol.messages import Operation, Request
from tests.benchmarks.kinto import AUTH, counting, running
from tests.benchmarks.measuring import WALL, Measured, in_turns
from tests.benchmarks.models import BUCKET, Task, fields, identity, task

logging.getLogger("kinto_http").addHandler(logging.NullHandler())  # it warns of each success: not to be weighed
ITERATED, PAGE = 20_000, 200
CREATED = 2_000
HELD, CHANGED = 10_000, 10
SYNCED, DIFFERENT = 5_000, 10


@dataclass
class Bench:
    """A server, and both clients of it."""

    root: str
    client: Client

    def flush(self) -> None:
        """Empties the server, tombstones included."""
        self.client.run(Operation(Request("POST", "/__flush__"), lambda response: response.status))
        self.client.bucket(BUCKET).save()

    def tasks(self, collection: str, size: int = 0) -> Repository[Task]:
        """A new collection with this many records."""
        self.client.bucket(BUCKET).collection(collection).save()
        tasks = self.client.repository(Task, collection=collection)
        tasks.create_many(task(number) for number in range(size))
        return tasks

    def peer(self, collection: str, root: str | None = None) -> kinto_http.Client:
        return kinto_http.Client(server_url=root or self.root, auth=AUTH, bucket=BUCKET, collection=collection)


@contextmanager
def bench() -> Generator[Bench, None, None]:
    """Starts a server of its own for each measurement: on this backend everything gets slower as it fills."""
    with running() as root, Client(root, auth=AUTH, timeout=300) as client:
        here = Bench(root, client)
        here.flush()
        yield here


def iterate() -> dict[str, Measured]:
    """20,000 records, in pages of 200."""
    with bench() as here:
        tasks, peer = here.tasks("many", ITERATED), here.peer("many")

        def ours() -> None:
            assert sum(len(page) for page in tasks.find().pages(PAGE)) == ITERATED

        def theirs() -> None:
            assert len(peer.get_records(_limit=PAGE, pages=float("inf"))) == ITERATED

        return in_turns({"ours": ours, "kinto-http": theirs}, rounds=5, clock=WALL)


def batch() -> dict[str, Measured]:
    """2,000 creations in one batch, on a server that is empty each time."""
    with bench() as here:
        peer = here.peer("new")

        def before() -> None:
            here.flush()
            here.tasks("new")

        def ours() -> None:
            with here.client.batch() as collected:
                tasks = collected.repository(Task, collection="new")
                for number in range(CREATED):
                    tasks.create(task(number))

        def theirs() -> None:
            with peer.batch() as collected:
                for number in range(CREATED):
                    collected.create_record(id=identity(number), data=fields(number))

        return in_turns({"ours": ours, "kinto-http": theirs}, rounds=7, clock=WALL, before=before)


def update() -> tuple[dict[str, Measured], dict[str, int]]:
    """10,000 records that are held already, after 10 of them changed: time, and bytes of the answers."""
    with bench() as here:
        tasks, peer = here.tasks("held", HELD), here.peer("held")
        held = {each.id: each for each in tasks.find()}
        since = [tasks.timestamp()]
        numbers = count(1)

        def change() -> None:
            since[0] = tasks.timestamp()
            weight = float(next(numbers))
            for number in range(CHANGED):
                tasks.patch(identity(number * 997 % HELD), weight=weight)

        def fetched(mine: Repository[Task]) -> None:
            changed = {each.id: each for each in mine.find().since(since[0])}
            assert len(changed) == CHANGED
            held.update(changed)

        def ours() -> None:
            fetched(tasks)

        def theirs() -> None:
            assert len(peer.get_records()) == HELD

        taken = in_turns({"ours": ours, "kinto-http": theirs}, rounds=5, clock=WALL, before=change)
        sizes: dict[str, int] = {}
        change()
        with counting(here.root) as (root, counted), Client(root, auth=AUTH) as client:
            fetched(client.repository(Task, collection="held"))
            sizes["ours"] = sum(counted)
        with counting(here.root) as (root, counted):
            here.peer("held", root).get_records()
            sizes["kinto-http"] = sum(counted)
        return taken, sizes


def sync() -> tuple[dict[str, Measured], int]:
    """A collection of 5,000 made equal to another one with 10 differences: time, and what was written."""
    with bench() as here:
        source, mirror = here.tasks("source", SYNCED), here.tasks("mirror", SYNCED)
        here.tasks("copy", SYNCED)
        origin, destination = here.peer("source"), here.peer("copy")
        written: list[int] = []
        numbers = count(1)

        def change() -> None:
            weight = float(next(numbers))
            for number in range(DIFFERENT):
                source.patch(identity(number * 499 % SYNCED), weight=weight)

        def ours() -> None:
            written.append(mirror.apply(mirror.sync_to(source.find())).updated)

        def theirs() -> None:
            replicate(origin, destination)

        # Both are warm from what was written above; a round of the other takes as long as all the rest.
        taken = in_turns({"ours": ours, "kinto-http": theirs}, rounds=1, warm=0, clock=WALL, before=change)
        change()
        ours()
        return taken, written[-1]
