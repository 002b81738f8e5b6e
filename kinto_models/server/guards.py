"""How locks are taken and given back, on each storage of Kinto that can."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from typing import Any, Final, Protocol

from kinto_models.server.locks import Path

__all__ = ["Guard", "InMemory", "InPostgreSQL", "TookTooLongError"]

_TAKE: Final = """
WITH patience AS (SELECT set_config('lock_timeout', :milliseconds, true))
SELECT CASE WHEN exclusively THEN pg_advisory_xact_lock(key) ELSE pg_advisory_xact_lock_shared(key) END
  FROM patience, unnest(CAST(:keys AS bigint[]), CAST(:exclusively AS boolean[])) AS lock(key, exclusively)
"""
"""One statement: the limit is set before the first row, and the rows come in the order of the arrays."""
_UNUSED: Final = """
SELECT path
  FROM unnest(CAST(:paths AS text[]), CAST(:parents AS text[]), CAST(:kinds AS text[])) AS used(path, parent, kind)
 WHERE NOT EXISTS (SELECT FROM timestamps WHERE parent_id = parent AND resource_name = kind)
"""
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

    def unused(self, lists: Collection[Path]) -> Collection[Path]:
        """Which of them Kinto has to give a timestamp, and others may have to wait for that."""
        ...


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

    def unused(self, lists: Collection[Path]) -> Collection[Path]:  # noqa: ARG002  # nobody waits
        """See ``Guard``."""
        return ()


class InPostgreSQL:
    """Advisory locks of the transaction that Kinto reads and writes in: PostgreSQL gives them back when that ends.

    https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
    """

    def __init__(self, client: Any, seconds: float) -> None:
        from sqlalchemy import text

        self._client = client
        self._milliseconds = str(round(seconds * 1000))
        self._take = text(_TAKE)
        self._unused = text(_UNUSED)

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

    def unused(self, lists: Collection[Path]) -> Collection[Path]:
        """See ``Guard``."""
        named = {"/".join(path): path for path in lists}
        if not named:
            return ()
        parents = ["".join(f"/{each}" for each in path[:-1]) for path in named.values()]
        kinds = [path[-1].removesuffix("s") for path in named.values()]
        wanted = {"paths": [*named], "parents": parents, "kinds": kinds}
        with self._client.connect(readonly=True) as session:
            return [named[path] for (path,) in session.execute(self._unused, wanted)]


def _code(error: Any) -> str | None:
    """SQLSTATE, under the names that it has in psycopg2 and in psycopg."""
    return getattr(error, "pgcode", None) or getattr(error, "sqlstate", None)
