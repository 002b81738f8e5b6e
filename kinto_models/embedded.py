"""A real Kinto in this process, in memory: for tests, demos and trying things out. Needs the ``embedded`` extra.

It is served by waitress on a free port of the loopback interface, and the files of kinto-attachment, where that is
installed (extra ``attachments``), from a temporary folder. Two servers share nothing: each has its own
application, registry and memory backends. The check and the write of a request are one step: the plugin
``kinto_models.server.concurrency`` is on. None of what Kinto logs, warns or prints while it starts reaches the user.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import warnings
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from tempfile import TemporaryDirectory
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
_ATTACHMENTS: Final = ("kinto_attachment", "pkg_resources", "cgi")
"""The plugin for files, and what it imports: Python 3.12 brings no pkg_resources, and 3.13 no cgi."""
_FILES: Final = "/attachments"
"""Where the files are, beside the API, as a web server has them in production."""
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
        self._folder: TemporaryDirectory[str] | None = None
        listener = socket.create_server(("127.0.0.1", 0))  # before the application, which is told where its files are
        origin = "http://127.0.0.1:{1}".format(*listener.getsockname())
        try:
            if all(map(find_spec, _ATTACHMENTS)):
                self._folder = TemporaryDirectory(prefix="kinto-models-")
                settings = {**_with_files(self._folder.name, origin), **settings}
            app = _application(accounts, settings)
            self._server = _server(_serving(app, settings), listener, self._sockets)
        except BaseException:
            listener.close()
            self._clean()
            raise
        self.url: str = f"{origin}/v1"
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
            self._clean()

    def _clean(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def _close_sockets(self) -> None:
        # All but the trigger: whoever pulls it may be about to write to it, and its number must not be another file's.
        from waitress.wasyncore import dispatcher

        for each in list(self._sockets.values()):
            if each is self._server:
                dispatcher.close(each)  # without what the server's own close() adds, which is closing the trigger
            elif each is not self._server.trigger:
                each.close()
        self._sockets.clear()


def _with_files(folder: str, origin: str) -> dict[str, str]:
    """The settings of the plugin for files."""
    return {
        "kinto.includes": f"{_SETTINGS['kinto.includes']} {_ATTACHMENTS[0]} {__name__}",
        "kinto.attachment.base_path": folder,
        "kinto.attachment.base_url": f"{origin}{_FILES}/",
        "kinto.attachment.extensions": "any",
    }


def includeme(config: Any) -> None:
    """Keeps forms in memory: WebOb would leave temporary files open, with a warning for each."""
    request: Any = import_module("pyramid.request").Request
    config.set_request_factory(type("InMemory", (request,), {"request_body_tempfile_limit": sys.maxsize}))


def _serving(app: Any, settings: Mapping[str, str]) -> Any:
    """The application, with the files of the plugin beside it."""
    if "kinto.attachment.base_path" not in settings:
        return app
    files: Any = import_module("webob.static").DirectoryApp(settings["kinto.attachment.base_path"])

    def serve(environ: Any, start_response: Any) -> Any:
        path: str = environ["PATH_INFO"]
        if path.startswith(f"{_FILES}/"):
            return files({**environ, "PATH_INFO": path.removeprefix(_FILES)}, start_response)
        try:
            return app(environ, start_response)
        finally:
            _close_uploads(environ)

    return serve


def _close_uploads(environ: Any) -> None:
    """Closes the temporary files of a form: the garbage collector would, with a warning for each."""
    form, _ = environ.get("webob._parsed_post_vars", ({}, None))
    for part in form.values():
        if hasattr(part, "file"):
            part.file.close()


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


def _server(app: Any, listener: socket.socket, sockets: dict[int, Any]) -> Any:
    from waitress import server

    return server.create_server(app, map=sockets, sockets=[listener], threads=_THREADS, connection_limit=_CONNECTIONS)
