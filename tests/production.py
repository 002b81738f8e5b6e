"""Kinto as it runs in production: PostgreSQL, gunicorn with several workers, and Redis as cache where one answers.

    with Production(os.environ["KINTO_MODELS_TEST_POSTGRES"], plugin=True, workers=3) as server:
        Client(server.url, auth=("alice", "s3cret"))

Each has a database of its own in that PostgreSQL, dropped at the end. It starts in one to two seconds. Linux only: the
workers are looked up in ``/proc``.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import urlopen
from uuid import uuid4

from typing_extensions import Self

from kinto_models.embedded import _SETTINGS, _make_account

ROOT: Final = Path(__file__).parent.parent
PLUGIN: Final = "kinto_models.server.concurrency"
ACCOUNTS: Final[Mapping[str, str]] = {"alice": "s3cret", "bob": "hunter2"}
_REDIS: Final = ("127.0.0.1", 6379)
_REDIS_DATABASE: Final = 15  # not the one that someone else on this machine most likely uses: Kinto flushes all of it
_HANDED: Final = "KINTO_MODELS_PRODUCTION"
_START_SECONDS: Final = 30


class Production:
    """A running server.

    Parameters:
        postgres: URL of a database in which another one may be created.
        plugin: whether ``kinto_models.server.concurrency`` is on.
        workers: how many processes gunicorn has; each serves one request at a time.
        settings: of Kinto, over those of the embedded server.
        accounts: passwords by user.

    Attributes:
        url: the server's root.
        database: URL of its database.
    """

    def __init__(
        self,
        postgres: str,
        *,
        plugin: bool = True,
        workers: int = 3,
        settings: Mapping[str, str] | None = None,
        accounts: Mapping[str, str] = ACCOUNTS,
    ) -> None:
        self._postgres = postgres
        self._name = f"kinto_models_{uuid4().hex[:12]}"
        self.database: str = urlsplit(postgres)._replace(path=f"/{self._name}").geturl()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed by stop()
        self._execute(f"CREATE DATABASE {self._name} ENCODING 'UTF8' TEMPLATE template0")
        try:
            self._execute(f"ALTER DATABASE {self._name} SET timezone TO 'UTC'")
            handed = {"settings": self._settings(plugin, settings or {}), "accounts": dict(accounts)}
            # The socket is ours before anyone serves it: no other process can take its port meanwhile.
            with socket.create_server(("127.0.0.1", 0)) as listening:
                self.url: str = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
                self._gunicorn = _gunicorn(workers, listening.fileno(), handed, self._log.fileno())
            self._await_heartbeat(workers)
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stops serving and drops the database. May be called twice."""
        if self._log.closed:
            return
        gunicorn: subprocess.Popen[bytes] | None = getattr(self, "_gunicorn", None)
        if gunicorn is not None:
            with suppress(ProcessLookupError):  # it may have failed to start
                os.killpg(gunicorn.pid, signal.SIGKILL)  # all at once: nobody waits for an answer
            gunicorn.wait()
        self._log.close()
        self._execute(f"DROP DATABASE IF EXISTS {self._name} WITH (FORCE)")

    def workers(self) -> list[int]:
        """The process ids of the workers that are there now. gunicorn replaces one that is killed."""
        master = self._gunicorn.pid
        with suppress(FileNotFoundError):
            return [int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()]
        return []

    def log(self) -> str:
        """What the server has printed so far."""
        length = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), length, 0).decode(errors="replace")

    def _settings(self, plugin: bool, settings: Mapping[str, str]) -> dict[str, str]:  # noqa: FBT001  # as it was asked for
        merged = {
            **_SETTINGS,
            "kinto.storage_backend": "kinto.core.storage.postgresql",
            "kinto.storage_url": self.database,
            "kinto.permission_backend": "kinto.core.permission.postgresql",
            "kinto.permission_url": self.database,
            **_cache(self._name),
            **settings,
        }
        includes = [name for name in merged["kinto.includes"].split() if name != PLUGIN]
        return {**merged, "kinto.includes": " ".join([*includes, *[PLUGIN] * plugin])}

    def _execute(self, statement: str) -> None:
        import psycopg2

        connection = psycopg2.connect(self._postgres)
        try:
            connection.autocommit = True
            connection.cursor().execute(statement)
        finally:
            connection.close()

    def _await_heartbeat(self, workers: int) -> None:
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until and self._gunicorn.poll() is None:
            time.sleep(0.02)
            if len(self.workers()) >= workers:
                with suppress(OSError), urlopen(f"{self.url}/__heartbeat__", timeout=_START_SECONDS):  # noqa: S310
                    return
        raise RuntimeError(f"the server did not start:\n{self.log()}")


def application() -> Any:
    """What gunicorn serves. Made once, before it forks its workers: the tables and the accounts are made here too."""
    import kinto
    import transaction
    from kinto.core.scripts import migrate

    handed = json.loads(os.environ[_HANDED])
    app = kinto.main({}, **handed["settings"])
    migrate({"registry": app.registry})
    for user, password in handed["accounts"].items():
        _make_account(app.registry, user, password)
    transaction.commit()
    # No worker may inherit a connection that another one uses.
    sessions = app.registry.storage.client.session_factory
    engine = sessions.get_bind()
    sessions.remove()
    engine.dispose()
    return app


def _gunicorn(workers: int, listening: int, handed: Mapping[str, Any], log: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "gunicorn", "--workers", str(workers), "--bind", f"fd://{listening}", "--preload"]
    command += ["--no-control-socket", "tests.production:application()"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), _HANDED: json.dumps(handed)}
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=log,
        stderr=log,
        stdin=subprocess.DEVNULL,
        pass_fds=[listening],
        start_new_session=True,
    )


def _cache(prefix: str) -> dict[str, str]:
    if find_spec("redis") is None or not _redis_answers():
        return {}
    return {
        "kinto.cache_backend": "kinto.core.cache.redis",
        "kinto.cache_url": f"redis://{_REDIS[0]}:{_REDIS[1]}/{_REDIS_DATABASE}",
        "kinto.cache_prefix": f"{prefix}:",
    }


def _redis_answers() -> bool:
    with suppress(OSError), socket.create_connection(_REDIS, timeout=0.5) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(16).startswith(b"+PONG")
    return False
