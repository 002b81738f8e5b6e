"""Records in batches, from several processes into one collection: each that is reported as saved is there."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Final

from kinto_models import BatchError, Client, Outcome, Record, SaveResult
from tests.production import Production
from tests.reliability.figures import Figure
from tests.reliability.servers import AUTH, production

__all__ = ["fill", "measure"]

PROCESSES: Final = 4
EACH: Final = 1_000


class Item(Record, bucket="filling", collection="items"):
    number: int = 0


def create(url: str, number: int) -> tuple[list[str], list[str]]:
    """Ids of the records that were reported as saved, and the errors of the others."""
    saved: list[str] = []
    errors: list[str] = []

    def note(item: Item, outcome: Outcome[SaveResult]) -> None:
        if outcome.done:
            saved.append(item.id)
        else:
            errors.append(f"{type(outcome.error).__name__}: {outcome.error}")

    with Client(url, auth=AUTH) as kinto:
        try:
            kinto.repository(Item).create_many((Item(number=n) for n in range(number)), each=note)
        except BatchError as error:
            errors.append(str(error))
    return saved, errors


def fill(server: Production, each: int, processes: int = PROCESSES) -> tuple[set[str], set[str], list[str]]:
    """The ids that were reported as saved, those that are there, and errors."""
    with Client(server.url, auth=AUTH) as kinto:
        kinto.bucket("filling").save(force=True)
        kinto.bucket("filling").collection("items").save(force=True)
    saved: set[str] = set()
    errors: list[str] = []
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in [pool.submit(create, server.url, each) for _ in range(processes)]:
            ids, failed = future.result()
            saved |= set(ids)
            errors += failed
    with Client(server.url, auth=AUTH) as fresh:
        there = {item.id for item in fresh.repository(Item).find()}
        assert len(there) == fresh.repository(Item).count()
    return saved, there, errors


def measure(each: int = EACH) -> list[Figure]:
    """With the plugin, and without."""
    figures: list[Figure] = []
    total = PROCESSES * each
    for plugin in (True, False):
        with production(plugin=plugin) as server:
            started = time.monotonic()
            saved, there, errors = fill(server, each)
            took = time.monotonic() - started
        for error in sorted(set(errors))[:5]:
            print(f"{errors.count(error):6} {error[:300]}")
        what = f"{PROCESSES} processes × {each} records in batches, plugin {'on' if plugin else 'off'}, {took:.0f} s"
        value = f"{len(saved & there)} of {len(saved)} reported are there"
        figures.append(Figure(what, value, f"{total} of {total}", saved <= there and len(saved) == total))
    return figures
