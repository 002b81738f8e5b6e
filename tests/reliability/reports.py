"""What the library says became of a write, in five words, and what each word promises."""

from __future__ import annotations

from enum import Enum
from typing import Any

from kinto_models import KintoError, ServerFailedError, UncertainOutcomeError

__all__ = ["Report", "report_of"]


class Report(Enum):
    """The value is the letter of the table."""

    DONE = "D"
    """It is stored, once."""
    UNCERTAIN = "U"
    """``UncertainOutcomeError``: it is stored once, or not at all."""
    FAILED = "F"
    """``ServerFailedError``: nobody knows; once or not at all."""
    NOT_DONE = "N"
    """Any other error of the tree: it is not stored."""
    FOREIGN = "X"
    """An error that is none of the tree's, which promises nothing and must not come."""
    HANG = "H"
    """Nothing at all within the limit, which must not happen either."""

    def contradicted_by(self, times: int) -> str:
        """What is wrong with the word where the server shows the write so many times; empty where nothing is."""
        if times > 1:
            return f"duplicate: it is there {times} times"
        if self is Report.DONE and not times:
            return "lost write: reported as done, and not there"
        if self is Report.NOT_DONE and times:
            return "wrong report: reported as not done, and there"
        return {Report.FOREIGN: "no error of the tree", Report.HANG: "hang"}.get(self, "")


def report_of(outcome: Any) -> Report:
    """The word for what a call returned or raised."""
    if isinstance(outcome, UncertainOutcomeError):
        return Report.UNCERTAIN
    if isinstance(outcome, ServerFailedError):
        return Report.FAILED
    if isinstance(outcome, KintoError):
        return Report.NOT_DONE
    return Report.FOREIGN if isinstance(outcome, BaseException) else Report.DONE
