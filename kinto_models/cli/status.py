"""What commands and scripts exit with, and what they say when they cannot do what they were asked."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from argparse import Namespace
from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import IntEnum
from typing import Final

from kinto_models.cli.lines import shown
from kinto_models.errors import (
    BackoffError,
    BatchError,
    EndOfLifeError,
    ForbiddenError,
    InvalidIdError,
    InvalidRequestError,
    KintoError,
    LoginError,
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

__all__ = ["Status", "ended", "exit_status", "status_of"]


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
    ((UnauthorizedError, ForbiddenError, LoginError), Status.NOT_ALLOWED),
    ((ServerError, TransportError, TooManyRequestsError, BackoffError, EndOfLifeError), Status.UNREACHABLE),
    ((NoClientError, InvalidIdError, QueryError, MissingExtraError), Status.USAGE),
    ((BatchError,), Status.PARTLY),
)


def status_of(error: Exception) -> Status:
    """The status for an error."""
    if _from_no_kinto(error):
        return Status.UNREACHABLE
    if isinstance(error, InvalidRequestError) and any(each["type"] == "kinto.path" for each in error.errors):
        return Status.USAGE  # an id that this server does not take
    return next((status for kinds, status in _BY_ERROR if isinstance(error, kinds)), Status.FAILED)


def _from_no_kinto(error: Exception) -> bool:
    """Whether there is nothing because no Kinto answered, which says what it has not. To a HEAD it cannot."""
    return isinstance(error, NotFoundError) and error.errno is None and error.request.startswith("GET ")


def _explained(error: Exception) -> str:
    """What to say of an error: its message, and what Kinto leaves out of it."""
    if isinstance(error, UnauthorizedError):  # which it answers to a wrong password as to none: "Please authenticate"
        return f"{error} (without credentials, or the user or the password is wrong: see --auth)"
    if _from_no_kinto(error):
        return f"{error} (which is no answer of Kinto's: does --server end with the version, such as /v1?)"
    return str(error)


@contextmanager
def exit_status(args: Namespace | None = None) -> Generator[None, None, None]:
    """Ends a script with a status of the command ``kinto-models`` where something goes wrong in the block, and says in
    one line on stderr what, without a traceback. A decorator too: ``@exit_status()``.

    It is for errors of this library and of the operating system, Ctrl-C, and a reader of stdout that went away. Others
    are mistakes in the script, and keep their traceback.

    Parameters:
        args: what a parser with ``add_options()`` gave: with ``-D`` a traceback is shown as well.

    Raises:
        SystemExit: with a ``Status``.
    """
    with ended(_said, debug=getattr(args, "verbosity", None) == logging.DEBUG):
        yield


@contextmanager
def ended(say: Callable[[str], None], *, debug: bool) -> Generator[None, None, None]:
    """The same.

    Parameters:
        say: takes the line.
        debug: show where in the code it was as well.
    """
    try:
        yield
        sys.stdout.flush()  # so that a pipe that is closed is met here
    except BrokenPipeError:  # such as of "| head", which has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to be flushed at the end
        raise SystemExit(Status.PIPE) from None
    except KeyboardInterrupt:
        say("interrupted")
        raise SystemExit(Status.INTERRUPTED) from None
    except (KintoError, OSError) as error:
        if debug:
            traceback.print_exc()
        say(_explained(error))
        raise SystemExit(status_of(error)) from None


def _said(text: str) -> None:
    sys.stderr.write(f"error: {shown(text)}\n")
