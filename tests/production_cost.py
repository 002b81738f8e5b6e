"""What the plugin ``kinto_models.server.concurrency`` costs: single writes of one writer, on PostgreSQL.

Three servers side by side, one worker each, one with the plugin and two without; each request goes to one after the
other, so that whatever else the machine does meets all. What the two without differ by is noise.
``python -m tests.production_cost`` prints it, with the PostgreSQL of ``KINTO_MODELS_TEST_POSTGRES``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Final

import requests

from tests.production import ACCOUNTS, Production

BOUND: Final = 1.10
_ROUNDS, _WRITES, _WARM_UP = 6, 60, 20
_PLAIN: Final = {"kinto.includes": "kinto.plugins.accounts"}  # whatever else is on, costs the same on both sides
_DEFAULT: Final = {"kinto.includes": "kinto.plugins.accounts kinto.plugins.default_bucket"}
_COLLECTION: Final = "collections/c"
_RECORD: Final = f"{_COLLECTION}/records/r"


@dataclass(frozen=True)
class Cost:
    """Medians of one method, in milliseconds.

    Attributes:
        noise: the ratio of two servers without the plugin.
    """

    method: str
    with_plugin: float
    without: float
    noise: float

    @property
    def ratio(self) -> float:
        return self.with_plugin / self.without

    def __str__(self) -> str:
        figures = f"{self.with_plugin:.2f} ms with the plugin, {self.without:.2f} without"
        return f"{self.method}: {figures}, {self.ratio:.3f} times (twice without: {self.noise:.3f} times)"


def plugin_cost(postgres: str) -> list[Cost]:
    """Measures PUT and PATCH of a record, prints a line for each, and returns the figures. Takes about half a minute.

    It prints, and does not return, those of a PUT in the default bucket, which has no bound.
    """
    costs = _measured(postgres, _PLAIN, "buckets/b", ("PUT", "PATCH"))
    for cost in costs:
        print(f"{cost}, at most {BOUND:.2f}")  # noqa: T201  # it is asked for the figures
    (personal,) = _measured(postgres, _DEFAULT, "buckets/default", ("PUT",))
    print(f"in the default bucket, {personal}")  # noqa: T201  # see above
    return costs


def _measured(postgres: str, settings: Mapping[str, str], bucket: str, methods: Sequence[str]) -> list[Cost]:
    with ExitStack() as stack:
        servers = [
            stack.enter_context(Production(postgres, plugin=plugin, workers=1, settings=settings))
            for plugin in (True, False, False)
        ]
        session = stack.enter_context(requests.Session())
        session.auth = next(iter(ACCOUNTS.items()))
        for server in servers:
            for path in (bucket, f"{bucket}/{_COLLECTION}"):
                session.put(f"{server.url}/{path}", json={}).raise_for_status()
        return [
            _cost(session, method, [f"{server.url}/{bucket}/{_RECORD}" for server in servers]) for method in methods
        ]


def _cost(session: requests.Session, method: str, urls: list[str]) -> Cost:
    for url in urls:
        session.put(url, json={}).raise_for_status()
    taken: dict[str, list[float]] = {url: [] for url in urls}
    for round_number in range(_ROUNDS):
        turn = round_number % len(urls)
        for url, seconds in _writes(session, method, urls[turn:] + urls[:turn]):
            taken[url].append(seconds * 1000)
    plugin, plain, control = (median(taken[url][_WARM_UP:]) for url in urls)
    return Cost(method, plugin, plain, control / plain)


def _writes(session: requests.Session, method: str, urls: list[str]) -> Iterator[tuple[str, float]]:
    for number in range(_WRITES):
        for url in urls:
            began = perf_counter()
            answer = session.request(method, url, json={"data": {"n": number}})
            yield url, perf_counter() - began
            answer.raise_for_status()


if __name__ == "__main__":
    sys.exit(any(cost.ratio > BOUND for cost in plugin_cost(os.environ["KINTO_MODELS_TEST_POSTGRES"])))
