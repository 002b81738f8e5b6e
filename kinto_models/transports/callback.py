"""Where a browser brings what a login ends with: an address on this machine that nobody can guess, for one answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from hmac import compare_digest
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_urlsafe
from socketserver import TCPServer
from typing import Any, Final

__all__ = ["listening"]

_HOST: Final = "127.0.0.1"
_PATIENCE: Final = 10.0
"""Seconds that a connection may be silent: browsers open some that they may need."""
_POLL: Final = 0.05
"""Seconds until it is seen that nothing is to be listened for any more."""
_GRACE: Final = 2.0
"""Seconds that a browser has to ask for the page that says so."""
_PAGE: Final = """<!doctype html>
<html lang="en">
<title>Back to your program</title>
<p>{} This window can be closed.</p>
</html>
"""
_SIGNED_IN: Final = "/signed-in"
_FAILED: Final = "/not-signed-in"
_PAGES: Final = {
    _SIGNED_IN: _PAGE.format("Your program has what it was waiting for.").encode(),
    _FAILED: _PAGE.format("The sign-in failed; see your program, which says why.").encode(),
}
_HEADERS: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Connection": "close",
}


@contextmanager
def listening(answer: Future[str], signs_in: Callable[[str], bool]) -> Generator[str, None, None]:
    """Listens on this machine only, on a free port. Gives the address of the callback, to whose end the answer is to be
    added as it is; what is added is put into the future, and the browser shows whether it ``signs_in``.

    A request with another path or state is refused, and changes nothing.
    """
    with _Listener(answer, signs_in) as listener:
        thread = threading.Thread(
            target=listener.serve_forever, args=(_POLL,), name="kinto_models callback", daemon=True
        )
        thread.start()
        try:
            yield listener.address
            listener.ended.wait(_GRACE)
        finally:
            listener.shutdown()
            thread.join()


class _Listener(ThreadingHTTPServer):
    """Serves until it is shut down; leaving its block closes the port.

    Attributes:
        answer: where the answer is put.
        signs_in: tells whether it is a good one.
        address: of the callback.
        ended: set when the browser shows the last page.
    """

    daemon_threads = True
    allow_reuse_address = False  # on Windows somebody else could take the port

    def __init__(self, answer: Future[str], signs_in: Callable[[str], bool]) -> None:
        super().__init__((_HOST, 0), _Handler)
        self.answer, self.signs_in = answer, signs_in
        self.ended = threading.Event()
        self.path, self.state = f"/{token_urlsafe()}", token_urlsafe()
        self.address = f"http://{_HOST}:{self.server_port}{self.path}?state={self.state}&answer="

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # without asking the network for a name of this machine
        self.server_name, self.server_port = _HOST, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keeps quiet: whatever failed, what was asked for may hold the token."""


class _Handler(BaseHTTPRequestHandler):
    server: _Listener  # pyright: ignore[reportIncompatibleVariableOverride]  # it is made by that one only
    timeout = _PATIENCE

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        state, _, answer = query.removeprefix("state=").partition("&answer=")
        if path in _PAGES:
            self._say(HTTPStatus.OK, _PAGES[path])
            self.server.ended.set()
        elif not _equal(path, self.server.path) or self.server.answer.done():
            self._say(HTTPStatus.NOT_FOUND)
        elif not _equal(state, self.server.state):
            self._say(HTTPStatus.FORBIDDEN)
        else:
            self._take(answer)

    def _take(self, answer: str) -> None:
        try:
            # Elsewhere at once: an address that only redirects is neither left in the address bar nor listed in the
            # history of the browser.
            self._say(HTTPStatus.SEE_OTHER, Location=_SIGNED_IN if self.server.signs_in(answer) else _FAILED)
        finally:
            with suppress(InvalidStateError):  # nobody waits any more
                self.server.answer.set_result(answer)

    def _say(self, status: HTTPStatus, page: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, "Content-Length": str(len(page)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as http.server has it
        """Keeps quiet: the line of the request holds the token."""


def _equal(one: str, other: str) -> bool:
    return compare_digest(one.encode(), other.encode())
