"""How locks are taken and given back, on each storage of Kinto that can."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Final, Protocol

__all__ = ["Guard", "InMemory", "InPostgreSQL", "TookTooLongError"]

_TAKE: Final = """
WITH patience AS (SELECT set_config('lock_timeout', :milliseconds, true))
SELECT CASE WHEN exclusively THEN pg_advisory_xact_lock(key) ELSE pg_advisory_xact_lock_shared(key) END
  FROM patience, unnest(CAST(:keys AS bigint[]), CAST(:exclusively AS boolean[])) AS lock(key, exclusively)
"""
"""One statement: the limit is set before the first row, and the rows come in the order of the arrays."""
_LOCK_NOT_AVAILABLE: Final = "55P03"


class TookTooLongError(Exception):
    """Another request has held a lock for longer than the limit."""


class Guard(Protocol):
    """What takes locks."""

    def take(self, request: Any, locks: Sequence[tuple[int, bool]]) -> None:
        """Takes them for a request, which keeps them until what it wrote is there for everyone to see.

        Raises:
            TookTooLongError: the limit is over; the request must be refused.
        """


class InMemory:
    """One lock, whatever is asked for: all threads of the process work on the same dictionaries."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.RLock()  # a plugin may send a request of its own inside one

    def take(self, request: Any, locks: Sequence[tuple[int, bool]]) -> None:  # noqa: ARG002  # which, does not matter
        """See ``Guard``."""
        if not self._lock.acquire(timeout=self._seconds):
            raise TookTooLongError
        # Pyramid calls it whatever happens, in the thread that the request began in.
        request.add_finished_callback(lambda _: self._lock.release())


class InPostgreSQL:
    """Advisory locks of the transaction that Kinto reads and writes in: PostgreSQL gives them back when that ends.

    https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
    """

    def __init__(self, client: Any, seconds: float) -> None:
        from sqlalchemy import text

        self._client = client
        self._milliseconds = str(round(seconds * 1000))
        self._take = text(_TAKE)

    def take(self, request: Any, locks: Sequence[tuple[int, bool]]) -> None:  # noqa: ARG002  # a thread has one session
        """See ``Guard``."""
        from sqlalchemy.exc import DBAPIError

        keys, exclusively = ([*column] for column in zip(*locks, strict=True))
        wanted = {"milliseconds": self._milliseconds, "keys": keys, "exclusively": exclusively}
        # Read-only as to Kinto: a request that writes nothing needs no COMMIT because of its locks.
        with self._client.connect(readonly=True) as session:
            try:
                session.execute(self._take, wanted)
            except DBAPIError as error:
                if _code(error.orig) != _LOCK_NOT_AVAILABLE:
                    raise
                raise TookTooLongError from error


def _code(error: Any) -> str | None:
    """SQLSTATE, under the names that it has in psycopg2 and in psycopg."""
    return getattr(error, "pgcode", None) or getattr(error, "sqlstate", None)
