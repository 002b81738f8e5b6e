"""Increments of one record by several processes: each that is reported as done counts once, also where the server's
workers are killed meanwhile.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from typing import Final

from kinto_models import Client, KintoError, Record
from tests.production import Production
from tests.reliability.figures import Figure
from tests.reliability.reports import Report, report_of
from tests.reliability.servers import AUTH, production

__all__ = ["count", "measure"]

PROCESSES: Final = 4
EACH: Final = 100
RUNS: Final = 3


class Tally(Record, bucket="counting", collection="tallies"):
    count: int = 0


def increments(url: str, object_id: str, number: int) -> Counter[str]:
    """What became of so many, by the report's name; of errors that are no report of success, also by their class."""

    def one_more(tally: Tally) -> None:
        tally.count += 1

    counts: Counter[str] = Counter()
    with Client(url, auth=AUTH) as kinto:
        for _ in range(number):
            try:
                kinto.repository(Tally).modify(object_id, one_more)
            except KintoError as error:
                counts[report_of(error).name] += 1
                counts[f"{type(error).__name__}: {error}".partition(" (")[0]] += 1
            else:
                counts[Report.DONE.name] += 1
    return counts


def count(server: Production, each: int, processes: int = PROCESSES) -> tuple[int, Counter[str]]:
    """The record's count after all increments, and what was reported of them."""
    with Client(server.url, auth=AUTH) as kinto:
        kinto.bucket("counting").save(force=True)
        kinto.bucket("counting").collection("tallies").save(force=True)
        tally = kinto.repository(Tally).create(Tally())
    counts: Counter[str] = Counter()
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in [pool.submit(increments, server.url, tally.id, each) for _ in range(processes)]:
            counts += future.result()
    with Client(server.url, auth=AUTH) as fresh:
        return fresh.repository(Tally).get(tally.id).count, counts


@contextmanager
def killing(server: Production, every: float = 1.0) -> Generator[list[int]]:
    """Kills a worker of the server again and again; yields those that were."""
    ended, killed = threading.Event(), list[int]()

    def work() -> None:
        while not ended.wait(every):
            if workers := server.workers():
                worker = random.choice(workers)  # noqa: S311  # no secret
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
                    killed.append(worker)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield killed
    finally:
        ended.set()
        thread.join()


def measure(each: int = EACH) -> list[Figure]:
    """Three runs, and one with a killer."""
    figures: list[Figure] = []
    total = PROCESSES * each
    with production(plugin=True) as server:
        for run in range(1, RUNS + 1):
            final, counts = count(server, each)
            _explain(counts)
            what = f"{PROCESSES} processes × {each} increments, run {run}"
            held = final == counts[Report.DONE.name] == total
            figures.append(Figure(what, f"{final}, {counts[Report.DONE.name]} reported", f"{total}", held))
        with killing(server) as killed:
            final, counts = count(server, each)
        _explain(counts)
        figures.append(_with_a_killer(final, counts, len(killed), each))
    return figures


def _with_a_killer(final: int, counts: Counter[str], killed: int, each: int) -> Figure:
    done = counts[Report.DONE.name]
    most = done + counts[Report.UNCERTAIN.name] + counts[Report.FAILED.name]
    what = f"{PROCESSES} processes × {each} increments, {killed} workers killed"
    return Figure(what, final, f"{done} reported as done to {most} with the uncertain", done <= final <= most)


def _explain(counts: Counter[str]) -> None:
    for name, number in counts.most_common():
        if name != Report.DONE.name:
            print(f"{number:6} {name}")
