"""What a client needs of a transport, and what a transport is told about its server."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, TypeAlias
from urllib.parse import urlsplit

from requests import PreparedRequest
from requests.hooks import default_hooks
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH, default_headers, get_environ_proxies

from kinto_models.protocol.messages import Request, Response
from kinto_models.protocol.origins import origin_of
from kinto_models.transports.address import Address
from kinto_models.transports.auth import Auth, HeaderAuth, Signer, parse_auth
from kinto_models.transports.bodies import CODINGS
from kinto_models.transports.exchange import EXCHANGE, Leaving
from kinto_models.transports.headers import is_header
from kinto_models.transports.limits import DEFAULT_LIMITS, Limits, is_limit

__all__ = ["DEFAULT_TIMEOUT", "SENT", "AsyncTransport", "Connection", "Timeout", "Timeouts", "Transport"]

Timeout: TypeAlias = "float | tuple[float | None, float | None] | None"
"""Seconds for both, a (connect, read) pair, or None for no limit."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait.

    Attributes:
        connect: for a connection; None for no limit.
        read: between two reads of an answer; None for no limit.
    """

    connect: float | None
    read: float | None

    @classmethod
    def of(cls, timeout: Timeout) -> Timeouts:
        """Reads what a client takes as ``timeout``.

        Raises:
            ValueError: not a positive number, a pair of them, or None.
        """
        pair = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        if len(pair) != 2 or not all(is_limit(limit) for limit in pair):
            raise ValueError(f"timeout is seconds, a (connect, read) pair of seconds, or None, not {timeout!r}")
        return cls(*pair)


_OF_ONE: Final = frozenset(
    ("connection", "content-encoding", "content-length", "host", "if-match", "if-none-match", "transfer-encoding")
)
"""Headers that would make one request of all the same: conditions, and where its body ends."""

DEFAULT_TIMEOUT: Final = (5.0, 30.0)
"""Seconds to connect, and to wait for an answer."""


@dataclass(frozen=True, slots=True)
class Connection:
    """All that is the same for each request to one server, made once for a client.

    The environment's proxies and CA bundle are honoured, and read once: requests by itself reads them again for every
    request, and takes credentials from a netrc file that nobody mentioned.

    Attributes:
        root: the server's root, version included.
        headers: sent with every request, credentials included where they are one header.
        sign: adds credentials of another kind to a prepared request, or None.
        timeouts: seconds to connect and to read.
        proxies: the environment's proxies for this root, by scheme.
        authorities: the file or folder of the CAs that vouch for the server.
        limits: how much, and how long, an answer may be.
    """

    root: str
    headers: Mapping[str, str] = field(repr=False)
    sign: Signer | None = field(repr=False)
    timeouts: Timeouts
    proxies: Mapping[str, str] = field(repr=False)
    authorities: str
    limits: Limits = DEFAULT_LIMITS

    @classmethod
    def of(
        cls,
        url: str,
        auth: Auth,
        headers: Mapping[str, str] | None,
        timeout: Timeout,
        limits: Limits = DEFAULT_LIMITS,
    ) -> Connection:
        """Reads what a client is told, and the environment.

        Raises:
            ValueError: an address, timeout, header, CA bundle or credentials that cannot be read.
        """
        address = Address.parse(url)
        sign = parse_auth(auth if auth is not None else address.userinfo)
        own = CaseInsensitiveDict(default_headers())
        del own["Accept"]  # all that Kinto has is JSON, and it takes time to read this, again for each part of a batch
        own["Accept-Encoding"] = CODINGS
        own.update(_for_all(_checked(headers or {})))
        if isinstance(sign, HeaderAuth):
            own["Authorization"], sign = sign.header, None
        root = _ascii(address.root)
        authorities = _authorities() if address.root.startswith("https:") else DEFAULT_CA_BUNDLE_PATH
        proxies = get_environ_proxies(root)
        if not isinstance(limits, Limits):
            raise TypeError(f"limits takes Limits(...), whose fields may be None, not {limits!r}")
        return cls(root, dict(own), sign, Timeouts.of(timeout), proxies, authorities, limits)

    @property
    def has_credentials(self) -> bool:
        """Whether requests carry credentials."""
        return self.sign is not None or "Authorization" in CaseInsensitiveDict(self.headers)

    def toward(self, root: str) -> Connection:
        """The same for another root: with credentials and headers if that is of the same origin, else without.

        Raises:
            ValueError: not an address.
        """
        there = Connection.of(root, None, None, (self.timeouts.connect, self.timeouts.read), self.limits)
        if origin_of(urlsplit(there.root)) != origin_of(urlsplit(self.root)):
            return there
        return replace(there, headers=self.headers, sign=self.sign)

    def headers_of(self, request: Request) -> dict[str, str]:
        """All headers of a request: its own win, however they are capitalised."""
        if not request.headers:
            return dict(self.headers)
        own = {name.lower() for name in request.headers}
        return {**{name: value for name, value in self.headers.items() if name.lower() not in own}, **request.headers}

    def signed(self, request: Request) -> PreparedRequest:
        """The request as the requests library knows it, signed.

        Raises:
            ValueError: the auth object sends it to another server, or adds a header that HTTP cannot carry.
        """
        # Assembled by hand: the target is quoted already, and prepare() would parse and quote it again.
        prepared = PreparedRequest()
        prepared.method = request.method
        prepared.url = self.root + request.target
        prepared.headers = CaseInsensitiveDict(self.headers_of(request))
        body: Any = request.body
        if request.transfer is not None and request.transfer.body is not None:
            body = Leaving(EXCHANGE.get(), request.transfer.body)
        if body is not None:
            prepared.headers["Content-Length"] = str(len(body))
        prepared.body = body
        prepared.hooks = default_hooks()
        prepared.prepare_cookies({})
        if self.sign is None:
            return prepared
        prepared = self.sign(prepared)
        if not (prepared.url or "").startswith(self.root + "/"):
            raise ValueError("the auth object sends the request elsewhere")
        # Whose own errors would repeat the value.
        _checked({name: value for name, value in prepared.headers.items() if isinstance(value, str)})
        return prepared


def _ascii(root: str) -> str:
    """The address as it travels: a host's name in IDNA, a path quoted."""
    if root.isascii():
        return root
    prepared = PreparedRequest()
    prepared.prepare_url(root, None)
    return (prepared.url or root).rstrip("/")


def _authorities() -> str:
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    if bundle and not os.path.exists(bundle):  # noqa: PTH110  # a file or a folder, as requests takes both
        raise ValueError(f"REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names {bundle}, which does not exist")
    return bundle or DEFAULT_CA_BUNDLE_PATH


def _checked(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in headers.items():
        if not is_header(name, value):
            raise ValueError(f"HTTP cannot carry the header {name!r} with this value")
    return headers


def _for_all(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name in headers:
        if name.lower() in _OF_ONE:
            raise ValueError(f"the header {name!r} belongs to a single request: leave it out of the client's")
    return headers


def _nobody() -> None: ...


SENT: ContextVar[Callable[[], object]] = ContextVar("SENT", default=_nobody)
"""Called by a blocking transport, in the thread of ``send()``, when a request is out and its answer is all that there
is to wait for."""


class Transport(Protocol):
    """Sends requests to one server, blocking. Safe to use from several threads."""

    @property
    def root(self) -> str:
        """The absolute address that targets are relative to."""
        ...

    def send(self, request: Request) -> Response:
        """Sends one request, once, and reads the whole answer; calls what ``SENT`` holds in between.

        Raises:
            TransportError: the exchange did not complete.
            Raised: the body or the sink of its ``transfer`` raised what it holds.
        """
        ...

    def close(self) -> None:
        """Gives the connections back; nothing can be sent afterwards."""
        ...


class AsyncTransport(Protocol):
    """Sends requests to one server without blocking the event loop."""

    @property
    def root(self) -> str:
        """The absolute address that targets are relative to."""
        ...

    async def send(self, request: Request) -> Response:
        """Sends one request, once, and reads the whole answer. Cancelled, it gives up the connection that it used.

        Raises:
            TransportError: the exchange did not complete.
            Raised: the body or the sink of its ``transfer`` raised what it holds.
        """
        ...

    async def close(self) -> None:
        """Gives the connections back; nothing can be sent afterwards."""
        ...
