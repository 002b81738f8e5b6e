"""How things are compared: in turns, in one run, so that whatever else the machine does meets both."""

from __future__ import annotations

import gc
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

Work: TypeAlias = Callable[[], object]
AsyncWork: TypeAlias = Callable[[], Awaitable[object]]
Clock: TypeAlias = Callable[[], float]

CPU: Clock = time.process_time
WALL: Clock = time.perf_counter


@dataclass(frozen=True)
class Measured:
    """What one way of doing it took: seconds for one time, in each round."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.seconds)

    def of(self, other: Measured) -> float:
        """The ratio to another one: the median of the rounds' own ratios."""
        return median(mine / its for mine, its in zip(self.seconds, other.seconds, strict=True))


def in_turns(
    works: Mapping[str, Work],
    *,
    rounds: int,
    times: int = 1,
    clock: Clock = CPU,
    warm: int = 1,
    before: Work | None = None,
) -> dict[str, Measured]:
    """Does each twice ``times`` times a round; the first rounds are not counted. ``before`` is not measured."""
    taken = {name: [0.0] * rounds for name in works}
    for name, number in _turns(works, rounds, warm):
        if before is not None:
            before()
        gc.collect()
        work = works[name]
        start = clock()
        for _ in range(times):
            work()
        if number >= 0:
            taken[name][number] += (clock() - start) / times / 2
    return {name: Measured(tuple(seconds)) for name, seconds in taken.items()}


async def in_turns_async(
    works: Mapping[str, AsyncWork], *, rounds: int, times: int, clock: Clock = CPU, warm: int = 1
) -> dict[str, Measured]:
    """The same for coroutines."""
    taken = {name: [0.0] * rounds for name in works}
    for name, number in _turns(works, rounds, warm):
        gc.collect()
        work = works[name]
        start = clock()
        for _ in range(times):
            await work()
        if number >= 0:
            taken[name][number] += (clock() - start) / times / 2
    return {name: Measured(tuple(seconds)) for name, seconds in taken.items()}


def _turns(names: Iterable[str], rounds: int, warm: int) -> Iterator[tuple[str, int]]:
    """Whose turn it is, and in which round: there and back in each, so that a server or machine that gets slower
    meanwhile gets it for all alike. Rounds below 0 are to get warm.
    """
    there = list(names)
    for number in range(-warm, rounds):
        for name in (*there, *reversed(there)):
            yield name, number
