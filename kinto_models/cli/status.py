"""What a command exits with, and what it says when it cannot do what it was asked."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, Final

import typer

from kinto_models.cli.screen import Screen
from kinto_models.errors import (
    BackoffError,
    BatchError,
    EndOfLifeError,
    ForbiddenError,
    InvalidIdError,
    KintoError,
    MissingExtraError,
    NoClientError,
    NoResultError,
    NotFoundError,
    QueryError,
    ServerError,
    TooManyRequestsError,
    TransportError,
    UnauthorizedError,
)

__all__ = ["Status", "status_of", "told"]


class Status(IntEnum):
    """Statuses to exit with. A number keeps its meaning."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    NOT_ALLOWED = 4
    UNREACHABLE = 5
    PARTLY = 6
    INTERRUPTED = 130
    PIPE = 141


_BY_ERROR: Final = (
    ((NotFoundError, NoResultError), Status.NOT_FOUND),
    ((UnauthorizedError, ForbiddenError), Status.NOT_ALLOWED),
    ((ServerError, TransportError, TooManyRequestsError, BackoffError, EndOfLifeError), Status.UNREACHABLE),
    ((NoClientError, InvalidIdError, QueryError, MissingExtraError), Status.USAGE),
    ((BatchError,), Status.PARTLY),
)


def status_of(error: Exception) -> Status:
    """The status for an error."""
    return next((status for kinds, status in _BY_ERROR if isinstance(error, kinds)), Status.FAILED)


def explained(error: Exception) -> str:
    """What to say of an error: its message, and what Kinto leaves out of it."""
    if isinstance(error, UnauthorizedError):  # which it answers to a wrong password as to none: "Please authenticate"
        return f"{error} (without credentials, or the user or the password is wrong: see --auth)"
    return str(error)


@contextmanager
def told(screen: Screen, *, debug: bool) -> Generator[None, None, None]:
    """Ends the program with the status of what goes wrong in the block, and says it in one line.

    Parameters:
        screen: where to.
        debug: show where in the code it was as well.
    """
    with warnings.catch_warnings():
        warnings.showwarning = _noted(screen)
        try:
            yield
        except BrokenPipeError:  # such as of "| head", which has read enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to be flushed at the end
            raise typer.Exit(Status.PIPE) from None
        except KeyboardInterrupt:
            screen.fail("interrupted")
            raise typer.Exit(Status.INTERRUPTED) from None
        except (KintoError, OSError) as error:
            if debug:
                traceback.print_exc()
            screen.fail(explained(error))
            raise typer.Exit(status_of(error)) from None


def _noted(screen: Screen) -> Any:
    def show(message: Warning | str, *_: object, **__: object) -> None:
        screen.note(f"warning: {message}", "yellow")

    return show
