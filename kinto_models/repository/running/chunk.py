"""What goes in one batch: nothing in it depends on anything else in it.

The server does the parts of a batch in order, but a conversation may have a second request, which would come after
parts that were to follow it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import Any, Generic, TypeVar

from kinto_models.models.outcomes import Outcome
from kinto_models.models.stored import Stored
from kinto_models.protocol.batches import batchable
from kinto_models.protocol.messages import Conversation, Operation, Request

__all__ = ["Chunk", "Entry", "Running"]

T = TypeVar("T")


@dataclass(slots=True)
class Entry(Generic[T]):
    """One thing to do.

    Attributes:
        outcome: told what became of it.
        begin: starts its conversation: late, so that of two writes of one instance the second sees what the first did.
        reads: whether it only reads: what may read first and write then counts as a write from the beginning.
        settled: whether the outcome was told.
    """

    outcome: Outcome[T]
    begin: Callable[[], Conversation[T]]
    reads: bool = False
    settled: bool = False


class Running:
    """An entry whose conversation goes on.

    Attributes:
        operation: what it asks for.
        alone: whether no batch can carry that.
        path: where it leads.
        above: the paths above that.
        ended: whether it asks for nothing more.
        aborted: how often the server took back what it asks for, because another write came in between.
        since: when that was first, by the clock of the client's pacing.
    """

    def __init__(self, entry: Entry[Any], conversation: Conversation[Any]) -> None:
        self.entry: Entry[Any] = entry
        self.conversation: Conversation[Any] = conversation
        self.ended: bool = False

    def asks(self, operation: Operation[Any]) -> None:
        """Takes what it asks for next."""
        self.operation: Operation[Any] = operation
        self.aborted: int = 0
        self.since: float = 0.0
        self.alone: bool = not batchable(operation.request)
        self.path: str = _path(operation.request)
        self.above: tuple[str, ...] = _above(self.path.rpartition("/")[0])


class _Paths:
    """Paths of objects and lists, and whether another one is one of them, above or below one."""

    def __init__(self) -> None:
        self._paths: set[str] = set()
        self._above: set[str] = set()

    def add(self, running: Running) -> None:
        self._paths.add(running.path)
        self._above.update(running.above)

    def touch(self, running: Running) -> bool:
        path = running.path
        return path in self._paths or path in self._above or not self._paths.isdisjoint(running.above)


@dataclass(slots=True)
class Chunk:
    """What will go in one batch."""

    running: list[Running] = field(default_factory=list)
    instances: set[int] = field(default_factory=set)
    read: _Paths = field(default_factory=_Paths)
    written: _Paths = field(default_factory=_Paths)

    def holds(self, target: Any) -> bool:
        """Whether the target is an instance that one in here is about."""
        return isinstance(target, Stored) and id(target) in self.instances

    def needs(self, running: Running) -> bool:
        """Whether the request depends on one that is in here."""
        return self.written.touch(running) or (not running.entry.reads and self.read.touch(running))

    def add(self, running: Running) -> None:
        """Puts it in."""
        self.running.append(running)
        self.instances.add(id(running.entry.outcome.target))
        (self.read if running.entry.reads else self.written).add(running)


_created = count()


_OF_A_BUCKET = re.compile(r"(/buckets/[^/]+)/(?:history|snapshot)(?:/.*)?")
"""What tells of everything in a bucket."""


def _path(request: Request) -> str:
    path = request.target.partition("?")[0]
    if about := _OF_A_BUCKET.fullmatch(path):
        return about[1]
    return f"{path}/ {next(_created)}" if request.method == "POST" else path  # what it creates is none of the others


@lru_cache(maxsize=256)
def _above(path: str) -> tuple[str, ...]:
    """A path, and all above it."""
    parts = path.split("/")
    return tuple("/".join(parts[:length]) for length in range(2, len(parts) + 1))
