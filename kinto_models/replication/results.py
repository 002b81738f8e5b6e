"""What became of a replication."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from kinto_models.repository.running.delivery import batch_error

__all__ = ["ReplicationFailure", "ReplicationResult", "failed", "retold", "some"]

_SHOWN: Final = 20
"""Lines of each kind that are printed at most."""


@dataclass(frozen=True, slots=True)
class ReplicationFailure:
    """An object that is not as it is at the origin, or a list that is not.

    Attributes:
        uri: where it is to be, at the destination; of a list, its path there.
        error: why it is not.
    """

    uri: str
    error: Exception


@dataclass(frozen=True, slots=True)
class ReplicationResult:
    """What a replication did. ``print(result)`` shows it.

    Attributes:
        created: objects that are new at the destination.
        updated: that were changed there.
        deleted: that are gone from there; what was in a collection is not counted.
        unchanged: that were as they are to be.
        failures: those that are not as they are to be. What is in a bucket or collection that could not be made is not
            among them.
        timestamps: of the origin's lists, by their paths, to go on from: ``replicate(..., since=result.timestamps)``.
            That of a list with failures stays what it was before, so that they are tried again.
    """

    created: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    failures: tuple[ReplicationFailure, ...] = ()
    timestamps: Mapping[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """How many are not as they are to be."""
        return len(self.failures)

    @property
    def total(self) -> int:
        """All of them."""
        return self.created + self.updated + self.deleted + self.unchanged + self.failed

    @property
    def timestamp(self) -> int | None:
        """The earliest of the timestamps, where one number is to do for all lists; None where there is none."""
        return min(self.timestamps.values(), default=None)

    def raise_failures(self) -> None:
        """Makes an error of the failures, where there are any.

        Raises:
            BatchError: there are.
        """
        if self.failures:
            raise batch_error([(each.uri, each.error) for each in self.failures], self.failed, self.total)

    def __str__(self) -> str:
        counts = f"{self.created} created, {self.updated} updated, {self.deleted} deleted, {self.unchanged} unchanged"
        return "\n".join([f"{counts}, {self.failed} failed", *failed(self.failures)])


def retold(error: Exception, words: str) -> Exception:
    """The same error in other words."""
    told = type(error)(words)
    vars(told).update(vars(error))
    return told


def failed(failures: tuple[ReplicationFailure, ...]) -> list[str]:
    """The lines that show failures."""
    return some([f"! {each.uri}: {each.error}" for each in failures])


def some(lines: list[str]) -> list[str]:
    """The first of these lines, and how many more there are."""
    mark = lines[0].lstrip()[0] if lines else ""
    indent = lines[0].partition(mark)[0] if lines else ""
    return lines if len(lines) <= _SHOWN else [*lines[:_SHOWN], f"{indent}{mark} and {len(lines) - _SHOWN} more"]
