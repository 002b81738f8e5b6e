"""The review of a collection, as the plugins of Remote Settings know it: their words for its state."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

__all__ = ["COMMENTS", "ReviewStatus"]


class ReviewStatus(str, Enum):
    """Where a collection is between an editor's changes and their publication
    (https://remote-settings.readthedocs.io/en/latest/tutorial-multi-signoff.html).

    It is stored as the collection's ``status``. Those that begin with ``TO_`` are asked for; the server does what they
    say, and sets one of the others.
    """

    WORK_IN_PROGRESS = "work-in-progress"
    """There are changes that are neither under review nor published."""
    TO_REVIEW = "to-review"
    """Somebody else is to look at the changes."""
    TO_SIGN = "to-sign"
    """The changes are approved, and to be signed and published."""
    TO_ROLLBACK = "to-rollback"
    """The changes are to be undone."""
    TO_RESIGN = "to-resign"
    """What is published is to be signed anew."""
    SIGNED = "signed"
    """All is published."""

    def __str__(self) -> str:
        return self.value


COMMENTS: Final[Mapping[ReviewStatus, str]] = {
    ReviewStatus.TO_REVIEW: "last_editor_comment",
    ReviewStatus.TO_ROLLBACK: "last_editor_comment",
    ReviewStatus.WORK_IN_PROGRESS: "last_reviewer_comment",
}
"""The field that says why, where there is one."""
