"""A real Kinto in this process, in memory: for tests, demos and trying things out. Needs the ``embedded`` extra.

It is served by waitress on a free port of the loopback interface. Two servers share nothing: each has its own
application, registry and memory backends. The check and the write of a request are one step: the plugin
``kinto_models.server.concurrency`` is on. None of what Kinto logs, warns or prints while it starts reaches the user.
"""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from kinto_models.errors import MissingExtraError

__all__ = ["EmbeddedServer"]

_SETTINGS: Final[Mapping[str, str]] = {
    "kinto.project_name": "embedded kinto",
    # With a colon, because the accounts plugin prints a warning where it finds the dotted name.
    "kinto.storage_backend": "kinto.core.storage:memory",
    "kinto.permission_backend": "kinto.core.permission.memory",
    "kinto.cache_backend": "kinto.core.cache.memory",
    "kinto.includes": (
        "kinto.plugins.accounts kinto.plugins.default_bucket kinto.plugins.flush kinto.plugins.history "
        "kinto_models.server.concurrency"
    ),
    "kinto.userid_hmac_secret": "of no consequence: nothing here outlives the process",
    "kinto.bucket_create_principals": "system.Authenticated",
    "kinto.account_create_principals": "system.Everyone",
    "kinto.experimental_collection_schema_validation": "true",
    "kinto.experimental_permissions_endpoint": "true",
    "multiauth.policies": "account",
    "multiauth.policy.account.use": "kinto.plugins.accounts.AccountsPolicy",
}
_THREADS: Final = 4
_CONNECTIONS: Final = 500
"""More than one async client opens; beyond them waitress lets connections wait, and does not say so."""
_LOGGERS: Final = ("kinto", "waitress", "request.summary", "subrequest.summary", "txn")


class EmbeddedServer:
    """A running server. Use ``Client.embedded()`` for one together with a client of it.

    Parameters:
        accounts: passwords by user; the accounts are made.
        settings: of Kinto, over those of this module.

    Attributes:
        url: the server's root.

    Raises:
        MissingExtraError: kinto or waitress is not installed.
    """

    def __init__(self, accounts: Mapping[str, str], settings: Mapping[str, str]) -> None:
        if find_spec("kinto") is None or find_spec("waitress") is None:
            raise MissingExtraError('an embedded server needs Kinto: pip install "kinto-models[embedded]"')
        self._sockets: dict[int, Any] = {}
        self._server = _server(_application(accounts, settings), self._sockets)
        self.url: str = f"http://127.0.0.1:{self._server.effective_port}/v1"
        self._thread = threading.Thread(target=self._server.run, name="embedded kinto", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops serving, and waits until the port is free. May be called twice."""
        if self._thread.is_alive():
            # waitress has no call for this from another thread, but runs what it is handed with its trigger in its own
            # loop, which ends once no socket is left.
            self._server.trigger.pull_trigger(self._close_sockets)
            self._thread.join()
            self._server.task_dispatcher.shutdown()
            self._server.trigger.close()

    def _close_sockets(self) -> None:
        # All but the trigger: whoever pulls it may be about to write to it, and its number must not be another file's.
        from waitress.wasyncore import dispatcher

        for socket in list(self._sockets.values()):
            if socket is self._server:
                dispatcher.close(socket)  # without what the server's own close() adds, which is closing the trigger
            elif socket is not self._server.trigger:
                socket.close()
        self._sockets.clear()


def _quiet() -> None:
    """Keeps Kinto's log from a user who has not asked for it: whoever wants it gives the logger ``kinto`` a level."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.CRITICAL + 1)
    logging.getLogger().addFilter(_wanted)


def _wanted(record: logging.LogRecord) -> bool:
    # Kinto logs the tracebacks of its 500s on the root logger (kinto.core.views.errors).
    from_kinto = f"{os.sep}kinto{os.sep}core{os.sep}" in record.pathname
    return not from_kinto or logging.getLogger("kinto").isEnabledFor(record.levelno)


def _application(accounts: Mapping[str, str], settings: Mapping[str, str]) -> Any:
    _quiet()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import kinto

        import_module("kinto.core.storage.memory")  # found by the name in _SETTINGS only once it is imported

        app = kinto.main({}, **{**_SETTINGS, **settings})
    for user, password in accounts.items():
        _make_account(app.registry, user, password)
    return app


def _make_account(registry: Any, user: str, password: str) -> None:
    # Not through the API: that hashes with 12 rounds, a quarter of a second for each account and each first login.
    import bcrypt

    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=4)).decode()
    registry.storage.create(resource_name="account", parent_id=user, obj={"id": user, "password": hashed})
    registry.permission.add_principal_to_ace(f"/accounts/{user}", "write", f"account:{user}")


def _server(app: Any, sockets: dict[int, Any]) -> Any:
    from waitress.server import create_server

    return create_server(app, map=sockets, host="127.0.0.1", port=0, threads=_THREADS, connection_limit=_CONNECTIONS)
