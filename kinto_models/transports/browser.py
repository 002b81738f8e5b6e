"""Signing in by a browser, at a provider of OpenID Connect that the server trusts.

https://docs.kinto-storage.org/en/stable/api/1.x/authentication.html: the server sends the browser to the provider,
which sends it back with a code; the server trades that for a token, and sends the browser with it to this machine.
"""

from __future__ import annotations

import sys
import threading
import webbrowser
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, InvalidStateError
from concurrent.futures import TimeoutError as WaitedTooLong
from contextlib import suppress
from functools import partial
from typing import Any

from kinto_models.errors import LoginError
from kinto_models.protocol.openid import grant_of, login, provider_of
from kinto_models.protocol.operations import hello
from kinto_models.transports.auth import BearerToken
from kinto_models.transports.base import Connection, Transport
from kinto_models.transports.callback import listening
from kinto_models.transports.limits import is_limit
from kinto_models.transports.renewing import Credentials, Renewing, Token, ask

__all__ = ["BrowserOAuth"]


def _print(address: str) -> None:
    sys.stderr.write(f"To sign in, open this address in a browser on this machine:\n{address}\n")
    sys.stderr.flush()


class BrowserOAuth(Renewing):
    """Has the user sign in by the browser, at an OpenID provider of the server: ``Client(url, auth=BrowserOAuth())``.

    The browser is opened when the first request is sent, and again when the token expires or the server does not take
    it any more; the request that needs it waits meanwhile. However many threads and tasks need it, there is one
    browser. The token is kept in memory only, and sent to the server that it was got from only: each server that
    clients with this object speak to gets a token of its own, and all clients of a server share one.

    Parameters:
        provider: its name in the server's settings; the first one where none is given.
        timeout: seconds to sign in.
        scope: what is asked of the provider, separated by spaces.
        scheme: the word before the token, where the server's settings (``header_type``) want another than it tells.
        open_browser: called with an address, in a thread of its own. Where it returns False or raises
            ``webbrowser.Error``, there is no browser, and the address is shown.
        show: called with the address then; it is printed to stderr where this is not given.

    Raises:
        ValueError: ``timeout`` is no positive number.
    """

    def __init__(  # noqa: PLR0913  # each is an option of a login
        self,
        provider: str | None = None,
        *,
        timeout: float = 300.0,
        scope: str = "openid email",
        scheme: str | None = None,
        open_browser: Callable[[str], object] = webbrowser.open,
        show: Callable[[str], object] = _print,
    ) -> None:
        if timeout is None or not is_limit(timeout):
            raise ValueError(f"timeout is a positive number of seconds, not {timeout!r}")
        self._provider, self._timeout, self._scope, self._scheme = provider, timeout, scope, scheme
        self._open_browser, self._show = open_browser, show
        self._lock = threading.Lock()
        self._servers: dict[str, Credentials] = {}

    def at(self, connection: Connection) -> Credentials:
        """The credentials for one server, the same ones for all clients of it. Does no I/O."""
        with self._lock:
            return self._servers.setdefault(connection.root, Credentials(connection, self._obtain))

    def _obtain(self, transport: Transport, answer: Future[str]) -> Token:
        provider = provider_of(ask(transport, hello()), self._provider)
        scheme = self._scheme or provider.scheme
        with listening(answer, partial(_signs_in, scheme)) as callback:
            begin = login(provider, callback, self._scope)
            ask(transport, begin)  # what the server does not take is told here, and not in the browser
            address = transport.root + begin.request.target
            # In a thread of its own, because some browsers return when they are closed.
            threading.Thread(
                target=self._open, args=(address, answer), name="kinto_models browser", daemon=True
            ).start()
            added = self._awaited(answer)
        return _token_of(scheme, added)

    def _awaited(self, answer: Future[str]) -> str:
        try:
            return answer.result(self._timeout)
        except WaitedTooLong:
            answer.cancel()
            raise LoginError(
                f"nobody signed in within {self._timeout:g} s; BrowserOAuth(timeout=...) waits longer"
            ) from None
        except CancelledError:
            raise LoginError("the login was given up: nobody waits for it any more") from None

    def _open(self, address: str, answer: Future[str]) -> None:
        try:
            if not answer.done():
                self._open_or_show(address)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is raised where the login is waited for
            with suppress(InvalidStateError):
                answer.set_exception(error)

    def _open_or_show(self, address: str) -> None:
        try:
            opened = self._open_browser(address)
        except webbrowser.Error:
            opened = False
        if opened is False:
            self._show(address)

    def __reduce__(self) -> tuple[Any, ...]:
        """As it was before anybody signed in: the token stays in this process."""
        same = partial(
            type(self),
            timeout=self._timeout,
            scope=self._scope,
            scheme=self._scheme,
            open_browser=self._open_browser,
            show=self._show,
        )
        return same, (self._provider,)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self._provider is None else repr(self._provider)})"


def _token_of(scheme: str, added: str) -> Token:
    """What was added to the callback.

    Raises:
        LoginError: it is no token, or none that can be sent.
    """
    grant = grant_of(added)
    try:
        header = BearerToken(grant.token, scheme).header
    except ValueError:
        raise LoginError("HTTP cannot carry the token that the provider gave") from None
    return Token.valid_for(grant.seconds, header)


def _signs_in(scheme: str, added: str) -> bool:
    try:
        _token_of(scheme, added)
    except LoginError:
        return False
    return True
