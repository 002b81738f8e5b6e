"""What the plugin ``kinto_models.server.concurrency`` costs: single writes of one writer, on PostgreSQL.

Two servers side by side, one worker each; each request goes to one and then to the other, so that whatever else the
machine does meets both. ``python -m tests.production_cost`` prints it, with the PostgreSQL of
``KINTO_MODELS_TEST_POSTGRES``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Final

import requests

from tests.production import ACCOUNTS, Production

BOUND: Final = 1.10
_ROUNDS, _WRITES, _WARM_UP = 6, 60, 20
_LEAST: Final = {"kinto.includes": "kinto.plugins.accounts"}  # whatever else is on, costs the same on both sides
_RECORD: Final = ("buckets/b", "buckets/b/collections/c", "buckets/b/collections/c/records/r")


@dataclass(frozen=True)
class Cost:
    """Medians of one method, in milliseconds."""

    method: str
    with_plugin: float
    without: float

    @property
    def ratio(self) -> float:
        return self.with_plugin / self.without

    def __str__(self) -> str:
        figures = f"{self.with_plugin:.2f} ms with the plugin, {self.without:.2f} without"
        return f"{self.method}: {figures}, {self.ratio:.3f} times"


def plugin_cost(postgres: str) -> list[Cost]:
    """Measures PUT and PATCH, prints a line for each, and returns the figures. Takes about half a minute."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(Production(postgres, plugin=plugin, workers=1, settings=_LEAST))
            for plugin in (True, False)
        ]
        session = stack.enter_context(requests.Session())
        session.auth = next(iter(ACCOUNTS.items()))
        for server in servers:
            for path in _RECORD:
                session.put(f"{server.url}/{path}", json={}).raise_for_status()
        costs = [_cost(session, method, [server.url for server in servers]) for method in ("PUT", "PATCH")]
    for cost in costs:
        print(f"{cost}, at most {BOUND:.2f}")  # noqa: T201  # it is asked for the figures
    return costs


def _cost(session: requests.Session, method: str, urls: list[str]) -> Cost:
    taken: dict[str, list[float]] = {url: [] for url in urls}
    for round_number in range(_ROUNDS):
        first_to_last = urls if round_number % 2 else urls[::-1]
        for url, seconds in _writes(session, method, first_to_last):
            taken[url].append(seconds * 1000)
    return Cost(method, *(median(taken[url][_WARM_UP:]) for url in urls))


def _writes(session: requests.Session, method: str, urls: list[str]) -> Iterator[tuple[str, float]]:
    for number in range(_WRITES):
        for url in urls:
            began = perf_counter()
            answer = session.request(method, f"{url}/{_RECORD[-1]}", json={"data": {"n": number}})
            yield url, perf_counter() - began
            answer.raise_for_status()


if __name__ == "__main__":
    sys.exit(any(cost.ratio > BOUND for cost in plugin_cost(os.environ["KINTO_MODELS_TEST_POSTGRES"])))
