"""What became of a write, of the requests of a batch, and of the objects of a bulk operation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from kinto_models.errors import NotSentError

__all__ = ["BulkResult", "Outcome", "Progress", "SaveResult", "called"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SaveResult:
    """What a write did.

    Attributes:
        created: the object is new on the server.
        changed: names of the fields that were sent, and ``permissions`` where some were: all fields for a creation,
            none where nothing had changed.
        etag: the object's ETag now.
    """

    created: bool
    changed: frozenset[str]
    etag: str | None


class Outcome(Generic[T]):
    """What a batch says of one of its requests, once its block has ended.

    Attributes:
        target: the instance that the request is about; the id, or the class, where it is about none.
    """

    __slots__ = ("_done", "_error", "_result", "target")

    def __init__(self, target: Any) -> None:
        self.target: Any = target
        self._error: Exception | None = None
        self._result: T | None = None
        self._done = False

    @property
    def done(self) -> bool:
        """Whether the server acknowledged it."""
        return self._done

    @property
    def error(self) -> Exception | None:
        """Why it failed, or None: a ``KintoError``, or pydantic's ``ValidationError`` for what was not sent because it
        does not fit its class; a ``NotSentError`` before the block has ended.
        """
        if self._done or self._error is not None:
            return self._error
        return NotSentError(f"{called(self.target)} was not sent: the batch has not ended")

    def result(self) -> T:
        """What the same method of a repository returns.

        Raises:
            NotSentError: nothing was sent: the block has not ended, or ended with an exception.
            KintoError: what the same method of a repository raises.
        """
        if (error := self.error) is not None:
            raise error
        return cast("T", self._result)

    def succeed(self, result: T) -> None:
        """Takes the result. Called by the batch."""
        self._result, self._error, self._done = result, None, True

    def fail(self, error: Exception) -> None:
        """Takes the error. Called by the batch."""
        self._error = error

    def __repr__(self) -> str:
        how = repr(self._result) if self._done else type(self.error).__name__
        return f"<outcome of {called(self.target)}: {how}>"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a bulk operation is.

    Attributes:
        done: objects that are dealt with, those that failed included.
        failed: how many of them failed.
        total: how many there are, or None where the iterable does not say.
    """

    done: int
    failed: int
    total: int | None


@dataclass(frozen=True, slots=True)
class BulkResult:
    """How many objects a bulk operation dealt with, and how.

    Attributes:
        created: that are new on the server.
        updated: that were changed there.
        deleted: that are gone from there.
        unchanged: for which nothing was written: what was saved and had not changed, what was to be deleted and
            missing.
        failed: that were not written; each is in ``BatchError.failures``, or was handed to ``each``.
    """

    created: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.created + self.updated + self.deleted + self.unchanged + self.failed


def called(target: Any) -> str:
    """The target in an error: class and id."""
    name: str | None = getattr(target, "id", None)
    return repr(target) if not isinstance(name, str) else f"{type(target).__name__} {name!r}"
