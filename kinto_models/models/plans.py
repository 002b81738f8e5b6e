"""What it takes to make a collection equal to what is desired: a plan, to be read first and applied then."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from kinto_models.models.stored import Stored

__all__ = ["Plan", "Revision"]

R = TypeVar("R", bound=Stored)

_SHOWN = 20
"""Lines of each kind that a printed plan has at most."""


@dataclass(frozen=True, slots=True)
class Revision(Generic[R]):
    """An object that is to be changed.

    Attributes:
        desired: as it is to be.
        current: as it was read.
        changed: names of the fields that differ.
    """

    desired: R
    current: R
    changed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Plan(Generic[R]):
    """The difference between a collection and what it is to be. ``print(plan)`` shows it, ``apply(plan)`` of the
    repository that made it carries it out; false where there is none.

    Attributes:
        creations: objects that are to be created.
        patches: objects that are to be changed.
        deletions: objects that are to be deleted.
        unchanged: how many are as they are to be.
    """

    creations: list[R] = field(default_factory=list)
    patches: list[Revision[R]] = field(default_factory=list)
    deletions: list[R] = field(default_factory=list)
    unchanged: int = 0

    def __bool__(self) -> bool:
        return len(self) > 0

    def __len__(self) -> int:
        return len(self.creations) + len(self.patches) + len(self.deletions)

    def __str__(self) -> str:
        sizes = len(self.creations), len(self.patches), len(self.deletions)
        lines = ["{} to create, {} to change, {} to delete, {} unchanged".format(*sizes, self.unchanged)]
        lines += _some([f"+ {_called(obj)}" for obj in self.creations[: _SHOWN + 1]], sizes[0])
        shown = self.patches[: _SHOWN + 1]
        lines += _some([f"~ {_called(r.desired)}: {', '.join(sorted(r.changed))}" for r in shown], sizes[1])
        lines += _some([f"- {_called(obj)}" for obj in self.deletions[: _SHOWN + 1]], sizes[2])
        return "\n".join(lines)


def _called(obj: Stored) -> str:
    return f"{type(obj).__name__} {obj.id!r}"


def _some(lines: list[str], size: int) -> list[str]:
    return lines if size <= _SHOWN else [*lines[:_SHOWN], f"{lines[0][0]} and {size - _SHOWN} more"]
