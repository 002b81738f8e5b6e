"""Credentials that have to be got before the first request, and again when the server does not take them any more.

A transport is put into another one that adds them. Whoever needs them while they are being got waits for the same
attempt, which is made in a thread of its own: it may take minutes, and must keep no event loop from its work.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from math import inf
from time import time
from typing import Any, Final, NoReturn, TypeAlias, TypeVar
from urllib.parse import urlsplit

from requests import PreparedRequest
from requests.auth import AuthBase

from kinto_models.errors import LoginError, ServerError, TransportError
from kinto_models.protocol.messages import Operation, Request, Response
from kinto_models.protocol.openid import is_user
from kinto_models.protocol.operations import hello
from kinto_models.protocol.origins import origin_of
from kinto_models.transports.base import SENT, AsyncTransport, Connection, Transport
from kinto_models.transports.requests import RequestsTransport
from kinto_models.transports.words import NO_COPY

__all__ = [
    "AsyncRenewingTransport",
    "Attempt",
    "Credentials",
    "Obtain",
    "Renewing",
    "RenewingTransport",
    "Token",
    "ask",
    "async_renewing",
    "renewing",
]

T = TypeVar("T")

_OK: Final = 200
_REFUSED: Final = 401
_EARLY: Final = 30.0
_EARLY_PART: Final = 0.1
"""Seconds, and part of its life, that a token is given up before it expires, whichever is less, so that none expires on
its way: Kinto would carry the request out as that of nobody, where nobody may do it."""


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """Something that signs.

    Attributes:
        header: the value of ``Authorization``.
        until: when it expires, in seconds since 1970.
    """

    header: str = field(repr=False)
    until: float = inf

    @classmethod
    def valid_for(cls, seconds: float | None, header: str) -> Token:
        """One that is valid for so long from now on, or for nobody knows how long."""
        return cls(header, inf if seconds is None else time() + seconds - min(_EARLY, seconds * _EARLY_PART))

    @property
    def expired(self) -> bool:
        """Whether it is better not sent any more."""
        return time() >= self.until


Obtain: TypeAlias = "Callable[[Transport, Future[str]], Token]"
"""Gets a token over an anonymous transport. What it waits for is put into the future, which is cancelled when nobody
wants it any more."""


def ask(transport: Transport, operation: Operation[T]) -> T:
    """The result of an operation, sent once."""
    return operation.decode(transport.send(operation.request))


class Attempt:
    """A token that is being got.

    Attributes:
        token: where it will be.
        answer: where what it waits for will be.
        waiting: how many want it.
    """

    def __init__(self, left: Callable[[Attempt], None]) -> None:
        self.token: Future[Token] = Future()
        self.token.set_running_or_notify_cancel()  # one who waits cannot cancel it for all
        self.answer: Future[str] = Future()
        self.waiting = 0
        self._left = left

    def leave(self) -> None:
        """One who waited does no more, whatever the reason."""
        self._left(self)


class Credentials:
    """The token of one server, for all threads, tasks and clients that use it.

    Parameters:
        connection: to that server, anonymous.
        obtain: gets a token.
    """

    def __init__(self, connection: Connection, obtain: Obtain) -> None:
        self._connection = connection
        self._obtain = obtain
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._attempt: Attempt | None = None

    def need(self, refused: Token | None = None) -> Token | Attempt:
        """The token, or the one attempt to get it, which whoever waits for it has to leave.

        Parameters:
            refused: one that the server did not take.
        """
        with self._lock:
            token = self._token
            if token is not None and not token.expired and token is not refused:
                return token
            if self._attempt is None:
                attempt = Attempt(self._left)
                doubted = token if token is not None and not token.expired else None
                # A daemon: the end of the process does not wait for somebody to sign in.
                threading.Thread(
                    target=self._work, args=(attempt, doubted), name="kinto_models login", daemon=True
                ).start()
                self._attempt = attempt
            self._attempt.waiting += 1
            return self._attempt

    def are_for(self, request: Request) -> bool:
        """Whether the request goes to this server, and not to another one that it has its files on."""
        root = None if request.transfer is None else request.transfer.root
        return root is None or origin_of(urlsplit(root)) == origin_of(urlsplit(self._connection.root))

    def _left(self, attempt: Attempt) -> None:
        with self._lock:
            attempt.waiting -= 1
            if attempt.waiting == 0 and not attempt.token.done():
                self._end(attempt)
                attempt.answer.cancel()

    def _work(self, attempt: Attempt, doubted: Token | None) -> None:
        try:
            token = self._get(attempt, doubted)
        except BaseException as error:  # noqa: BLE001  # it is raised where the token is asked for
            if isinstance(error, TransportError):
                error.sent = False  # what is asked for here is not what the caller asked for
            with self._lock:
                self._end(attempt)
            attempt.token.set_exception(error)
        else:
            with self._lock:
                self._end(attempt)
                self._token = token
            attempt.token.set_result(token)

    def _end(self, attempt: Attempt) -> None:
        if self._attempt is attempt:
            self._attempt = None

    def _get(self, attempt: Attempt, doubted: Token | None) -> Token:
        with closing(RequestsTransport(self._connection)) as transport:
            # A 401 may have other reasons, for which nobody should have to sign in again and again.
            if doubted is not None and _is_taken(transport, doubted):
                return doubted
            token = self._obtain(transport, attempt.answer)
            with suppress(TransportError, ServerError):  # nobody should have to sign in again for that
                if not _is_taken(transport, token):
                    raise LoginError(
                        "the server does not take the token that the provider gave: it cannot ask the provider about "
                        "it, or its settings want another word before a token than it tells: see the parameter scheme"
                    )
            return token


def _is_taken(transport: Transport, token: Token) -> bool:
    operation = hello()
    return is_user(ask(transport, replace(operation, request=_signed(operation.request, token))))


def _signed(request: Request, token: Token) -> Request:
    return replace(request, headers={"Authorization": token.header, **request.headers})


def _exchange(request: Request, credentials: Credentials) -> Generator[Token | Attempt | Request, Any, Response]:
    """One exchange: yields what is needed or sent, receives tokens and answers. A request that is refused was not
    carried out, and is sent again.
    """
    if not credentials.are_for(request):
        elsewhere: Response = yield request
        return elsewhere
    token: Token = yield credentials.need()
    response: Response = yield _signed(request, token)
    if _is_refused(request, response):
        renewed: Token = yield credentials.need(refused=token)
        if renewed is not token:
            response = yield _signed(request, renewed)
    return response


def _is_refused(request: Request, response: Response) -> bool:
    """Whether the server did not take the token: what it says of itself it tells anybody."""
    unknown = request == hello().request and response.status == _OK and not is_user(response.body)
    return unknown or response.status == _REFUSED


class Renewing(AuthBase, ABC):
    """What a client takes as ``auth`` where credentials have to be got first; for each server other ones."""

    @abstractmethod
    def at(self, connection: Connection) -> Credentials:
        """Those for one server, the same ones for all clients of it. Does no I/O."""

    def __call__(self, r: PreparedRequest) -> NoReturn:  # noqa: ARG002  # as requests has it
        """Signs nothing by itself: it does not know for which server.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"{type(self).__name__} is for the auth of a Client or AsyncClient, not for requests itself")


def renewing(connection: Connection, make: Callable[[Connection], Transport]) -> Transport:
    """A transport over a connection, with the credentials that have to be got for it, if such are asked for."""
    if not isinstance(connection.sign, Renewing):
        return make(connection)
    anonymous = replace(connection, sign=None)
    return RenewingTransport(make(anonymous), connection.sign.at(anonymous))


def async_renewing(connection: Connection, make: Callable[[Connection], AsyncTransport]) -> AsyncTransport:
    """The same for a transport that does not block."""
    if not isinstance(connection.sign, Renewing):
        return make(connection)
    anonymous = replace(connection, sign=None)
    return AsyncRenewingTransport(make(anonymous), connection.sign.at(anonymous))


class RenewingTransport:
    """Adds credentials to the requests of a blocking transport."""

    def __init__(self, transport: Transport, credentials: Credentials) -> None:
        self._transport = transport
        self._credentials = credentials

    @property
    def root(self) -> str:
        """The absolute address that targets are relative to."""
        return self._transport.root

    def send(self, request: Request) -> Response:
        """Sends one request, and once more where its token is refused.

        Raises:
            LoginError: there is no token to be had.
        """
        exchange = _exchange(request, self._credentials)
        step = next(exchange)
        try:
            while True:
                step = exchange.send(self._transport.send(step) if isinstance(step, Request) else _awaited(step))
        except StopIteration as done:
            response: Response = done.value
            return response

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(NO_COPY)


def _awaited(step: Token | Attempt) -> Token:
    if isinstance(step, Token):
        return step
    SENT.get()()  # or as good as out
    try:
        return step.token.result()
    finally:
        step.leave()


class AsyncRenewingTransport:
    """Adds credentials to the requests of a transport that does not block."""

    def __init__(self, transport: AsyncTransport, credentials: Credentials) -> None:
        self._transport = transport
        self._credentials = credentials

    @property
    def root(self) -> str:
        """The absolute address that targets are relative to."""
        return self._transport.root

    async def send(self, request: Request) -> Response:
        """Sends one request, and once more where its token is refused.

        Raises:
            LoginError: there is no token to be had.
        """
        exchange = _exchange(request, self._credentials)
        step = next(exchange)
        try:
            while True:
                if isinstance(step, Request):
                    step = exchange.send(await self._transport.send(step))
                else:
                    step = exchange.send(await _async_awaited(step))
        except StopIteration as done:
            response: Response = done.value
            return response

    async def close(self) -> None:
        """Closes the connections."""
        await self._transport.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(NO_COPY)


async def _async_awaited(step: Token | Attempt) -> Token:
    from asyncio import wrap_future  # blocking programs need no event loop

    if isinstance(step, Token):
        return step
    try:
        return await wrap_future(step.token)
    finally:
        step.leave()
