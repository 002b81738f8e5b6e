"""Clients: own a transport, hand out repositories, and can be the active one."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from typing_extensions import Self, Unpack

from kinto_models.errors import MissingExtraError, NoClientError
from kinto_models.models import binding
from kinto_models.models.bucket import Bucket
from kinto_models.models.events import Action, Event
from kinto_models.models.resource import handle
from kinto_models.models.stored import Stored
from kinto_models.protocol.messages import Operation, Request
from kinto_models.protocol.rehearsal import Rehearsal
from kinto_models.protocol.retry import DEFAULT_POLICY, RetryPolicy
from kinto_models.repository.batch import AsyncBatch, Batch
from kinto_models.repository.repository import AsyncRepository, Repository
from kinto_models.repository.running.narrating import note_withheld
from kinto_models.repository.running.runner import Runner
from kinto_models.transports.auth import Auth
from kinto_models.transports.base import DEFAULT_TIMEOUT, Connection, Timeout
from kinto_models.transports.limits import DEFAULT_LIMITS, Limits
from kinto_models.transports.options import AllOptions, Options, cloned
from kinto_models.transports.renewing import Renewing, async_renewing, renewing
from kinto_models.transports.requests import RequestsTransport

if TYPE_CHECKING:
    from kinto_models.embedded import EmbeddedServer
    from kinto_models.models.account import UserAccount
    from kinto_models.models.async_interface import AsyncFinder
    from kinto_models.models.entries import PermissionEntry
    from kinto_models.models.interface import Finder
    from kinto_models.models.server import ServerInfo, ServerUser
    from kinto_models.repository.running.async_runner import AsyncRunner
    from kinto_models.services.accounts import Accounts, AsyncAccounts
    from kinto_models.services.utilities import AsyncUtilities, Utilities

__all__ = ["AsyncClient", "Client", "aconnect", "connect"]

R = TypeVar("R", bound=Stored)
T = TypeVar("T")


class _Entered:
    """How many blocks a client is in, of all threads and tasks: the last one closes it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def more(self) -> None:
        with self._lock:
            self._count += 1

    def less(self) -> bool:
        """Whether that was the last."""
        with self._lock:
            self._count -= 1
            return self._count == 0


class _Face:
    """What both clients have in common."""

    def __init__(self, runner: Any, told: AllOptions) -> None:
        self._runner = runner
        self._told = told
        self._entered = _Entered()
        self._server: EmbeddedServer | None = None

    @classmethod
    def embedded(
        cls,
        *,
        auth: tuple[str, str] = ("admin", "secret"),
        accounts: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        **options: Unpack[Options],
    ) -> Self:
        """A client of a real Kinto of its own, in memory, on a free loopback port of this process.

        The server has accounts, history, the default bucket, flush, schema validation and the permissions endpoint. It
        stops, and all is gone, when the client is closed.

        Parameters:
            auth: user and password of this client; the account is made.
            accounts: further accounts, password by user, for further clients: ``Client(kinto.url, auth=...)``.
            settings: further settings of Kinto, over the server's own.
            options: what the class takes: ``headers``, ``timeout``, ``retry``, ``light_answers``, ``limits``,
                ``dry_run``.

        Raises:
            MissingExtraError: kinto is not installed; ``pip install "kinto-models[embedded]"``.
        """
        from kinto_models.embedded import EmbeddedServer  # optional, and so never imported by the package itself

        server = EmbeddedServer({**(accounts or {}), auth[0]: auth[1]}, settings or {})
        try:
            make: Any = cls  # its subclasses take an address
            client: Self = make(server.url, auth=auth, **options)
        except BaseException:
            server.stop()
            raise
        client._server = server
        return client

    @property
    def url(self) -> str:
        """The server's root."""
        root: str = self._runner.transport.root
        return root

    @property
    def withheld(self) -> tuple[Request, ...]:
        """What a client with ``dry_run=True`` would have sent, in order, and did not; the parts of a batch one by one.
        Empty for any other client.
        """
        return () if self._runner.rehearsal is None else tuple(self._runner.rehearsal.withheld)

    def clone(self, **changes: Unpack[AllOptions]) -> Self:
        """Another client of the same class, with all that this one was told but for what is named here, and with
        connections of its own: close it as any other. Subscribers stay with this one, and so does an embedded server.

        Raises:
            ValueError: an address of another server, without new credentials and headers where this client has some:
                they were given for its own server only.
            TypeError: an option that there is not.
        """
        make: Any = type(self)
        clone: Self = make(**cloned(self._told, changes))
        return clone

    def subscribe(
        self, model: type[R], *actions: Action
    ) -> Callable[[Callable[[Event[R]], T]], Callable[[Event[R]], T]]:
        """A decorator of functions that are told what this client writes: ``@kinto.subscribe(Task, "created")``.

        They are called with an ``Event`` once the server has acknowledged the write and the instance shows it, in the
        order in which they subscribed. What one of them raises is logged, to ``kinto_models``, and changes nothing: the
        write is done. An ``AsyncClient`` also takes coroutine functions. What goes with a parent that is deleted is not
        told.

        Parameters:
            model: the class of the objects; those of its subclasses are told too.
            actions: ``"created"``, ``"updated"``, ``"deleted"``; all of them where none is named.

        Raises:
            TypeError: not such a class, or a coroutine function for a ``Client``.
            ValueError: not an action.
        """
        self._runner.subscribers.check(model, actions)

        def register(function: Callable[[Event[R]], T]) -> Callable[[Event[R]], T]:
            self._runner.subscribers.add(model, actions, function)
            return function

        return register

    def unsubscribe(self, function: Callable[[Event[Any]], object]) -> None:
        """Tells a function nothing more; nothing happens where it was told nothing."""
        self._runner.subscribers.remove(function)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}>"


class Client(_Face):
    """A connection to one Kinto server. Safe to share between threads, which share its connections.

    ``with Client(...) as kinto:`` makes it the active client of the block, which ``task.save()`` and ``Task.find()``
    use, and closes it at the end of the outermost block. A thread that is started inside has no active client: it
    enters the block itself, or uses a repository.

    Parameters:
        url: the server's root, version included: ``https://example.com/v1``.
        auth: a ``(user, password)`` pair, ``"user:password"``, ``"Bearer token"``, a ``BearerToken``, a
            ``BrowserOAuth`` or any requests auth object; None for anonymous. It is sent to this server only, never
            taken from a netrc file, and shown in no repr and no error.
        headers: sent with every request.
        timeout: seconds to connect and between two reads, as one number or a pair; None for no limit.
        retry: a number of further tries, or a ``RetryPolicy``.
        light_answers: have changes of large objects not sent back, which saves bytes. For servers on which nothing but
            clients changes fields: what a plugin changes besides is not seen then. Not done on a server with history,
            which fails on it.
        limits: how much, and how long, one answer may be: 256 MiB and 300 seconds where it is not given.
        dry_run: read, and write nothing: each write is checked against what is there, answered as the server would,
            and kept in ``withheld``. Hooks that follow a write, and subscribers, are not called.

    Raises:
        ValueError: an address, timeout or credentials that cannot be read.
    """

    _runner: Runner

    def __init__(  # noqa: PLR0913  # each is an option of the client
        self,
        url: str,
        *,
        auth: Auth = None,
        headers: Mapping[str, str] | None = None,
        timeout: Timeout = DEFAULT_TIMEOUT,
        retry: int | RetryPolicy = DEFAULT_POLICY,
        light_answers: bool = False,
        limits: Limits = DEFAULT_LIMITS,
        dry_run: bool = False,
    ) -> None:
        _refuse_unclear(dry_run)
        told = AllOptions(
            url=url,
            auth=auth,
            headers=headers,
            timeout=timeout,
            retry=retry,
            light_answers=light_answers,
            limits=limits,
            dry_run=dry_run,
        )
        connection = Connection.of(url, auth, headers, timeout, limits)
        transport, policy = renewing(connection, RequestsTransport), RetryPolicy.of(retry)
        renews = isinstance(connection.sign, Renewing)
        # Another auth object may look at the thread that it is called in.
        ahead = connection.sign is None or renews
        rehearsal = _rehearsal(connection) if dry_run else None
        super().__init__(
            Runner(
                transport,
                policy,
                light=light_answers,
                renews=renews,
                ahead=ahead,
                signed=connection.has_credentials,
                rehearsal=rehearsal,
            ),
            told,
        )

    def repository(self, model: type[R], *, bucket: str | None = None, collection: str | None = None) -> Repository[R]:
        """The objects of a class, where the class says or in another bucket or collection. Does no I/O.

        Raises:
            DeclarationError: neither the class nor the call says which bucket or collection.
            InvalidIdError: what is named is not an id.
        """
        return Repository(self._runner, model, bucket, collection)

    @property
    def buckets(self) -> Repository[Bucket]:
        """The buckets of the server. Does no I/O."""
        return self.repository(Bucket)

    def bucket(self, bucket_id: str) -> Bucket:
        """A bucket by its id, as a way to its collections and groups: nothing is read, and it need not exist.

        Raises:
            InvalidIdError: not an id.
        """
        return handle(self.buckets, bucket_id)

    def batch(self) -> Batch:
        """Collects requests in a ``with`` block, and sends them together when it ends: see ``Batch``."""
        return Batch(self._runner)

    def server_info(self, *, refresh: bool = False) -> ServerInfo:
        """What the server says of itself: version, settings, capabilities, and who the client is there. Asked once.

        Parameters:
            refresh: ask again.

        Raises:
            InvalidAnswerError: the server is no Kinto.
        """
        return self._runner.converse(self._runner.facts.info(refresh=refresh))

    @property
    def accounts(self) -> Accounts[UserAccount]:
        """The accounts of the server, where it has Kinto's accounts plugin: see ``Accounts``. Does no I/O."""
        from kinto_models.models.account import UserAccount  # few programs manage users
        from kinto_models.services.accounts import Accounts

        return Accounts(self._runner, UserAccount)

    def me(self) -> ServerUser | None:
        """Who the client is to the server now, groups and default bucket included; None for one without credentials.
        Asked each time.

        Raises:
            UnauthorizedError: the server does not know these credentials.
            InvalidAnswerError: the server is no Kinto.
        """
        from kinto_models.services.accounts import me

        return self._runner.converse(me(self._runner.facts, signed=self._runner.signed))

    def permissions(self) -> Finder[PermissionEntry]:
        """What the client's user may do where, as a query of ``PermissionEntry``. Nothing is sent yet.

        The server compares and sorts by all of its fields but ``permissions`` and ``account_id``. Entries have no
        timestamps, so what asks by one, and ``delete()``, are errors.

        Raises:
            MissingCapabilityError: when it is asked, of a server without ``experimental_permissions_endpoint``.
        """
        from kinto_models.services.permissions import permissions  # few programs ask

        return permissions(self._runner)

    @property
    def utilities(self) -> Utilities:
        """What the server offers to those who run it: see ``Utilities``. Does no I/O."""
        from kinto_models.services.utilities import Utilities  # few programs run one

        return Utilities(self._runner)

    def run(self, operation: Operation[T]) -> T:
        """Sends any operation of ``kinto_models.protocol``, retried as the client's policy says."""
        return self._runner.run(operation)

    def close(self) -> None:
        """Closes the connections, and stops the embedded server if there is one. May be called twice."""
        self._runner.transport.close()
        if self._server is not None:
            self._server.stop()

    def __enter__(self) -> Self:
        self._entered.more()
        binding.BLOCKING.enter(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        binding.BLOCKING.leave(self)
        if self._entered.less():
            self.close()


class AsyncClient(_Face):
    """A connection to one Kinto server for async code, on aiohttp: the methods of ``Client``, awaited.

    ``async with AsyncClient(...) as kinto:`` makes it the active client of the block and of the tasks that are started
    in it, which ``await task.asave()`` and ``Task.afind()`` use, and closes it at the end of the outermost block. It
    may be made before an event loop runs; each loop that it is used in gets connections of its own.

    Parameters:
        url: the server's root, version included: ``https://example.com/v1``.
        auth: as for ``Client``. A requests auth object signs each request once: one that answers a challenge, such as
            digest, does not work here.
        headers: sent with every request.
        timeout: seconds to connect and between two reads, as one number or a pair; None for no limit.
        retry: a number of further tries, or a ``RetryPolicy``.
        light_answers: have changes of large objects not sent back, which saves bytes. For servers on which nothing but
            clients changes fields: what a plugin changes besides is not seen then. Not done on a server with history,
            which fails on it.
        limits: how much, and how long, one answer may be: 256 MiB and 300 seconds where it is not given.
        dry_run: read, and write nothing: each write is checked against what is there, answered as the server would,
            and kept in ``withheld``. Hooks that follow a write, and subscribers, are not called.

    Raises:
        ValueError: an address, timeout or credentials that cannot be read.
        MissingExtraError: aiohttp is not installed; ``pip install "kinto-models[async]"``.
    """

    _runner: AsyncRunner

    def __init__(  # noqa: PLR0913  # each is an option of the client
        self,
        url: str,
        *,
        auth: Auth = None,
        headers: Mapping[str, str] | None = None,
        timeout: Timeout = DEFAULT_TIMEOUT,
        retry: int | RetryPolicy = DEFAULT_POLICY,
        light_answers: bool = False,
        limits: Limits = DEFAULT_LIMITS,
        dry_run: bool = False,
    ) -> None:
        _refuse_unclear(dry_run)
        told = AllOptions(
            url=url,
            auth=auth,
            headers=headers,
            timeout=timeout,
            retry=retry,
            light_answers=light_answers,
            limits=limits,
            dry_run=dry_run,
        )
        if find_spec("aiohttp") is None:
            raise MissingExtraError('AsyncClient needs aiohttp: pip install "kinto-models[async]"')
        from kinto_models.repository.running.async_runner import AsyncRunner  # and asyncio with it
        from kinto_models.transports.aiohttp import AiohttpTransport  # optional

        connection = Connection.of(url, auth, headers, timeout, limits)
        transport, policy = async_renewing(connection, AiohttpTransport), RetryPolicy.of(retry)
        renews = isinstance(connection.sign, Renewing)
        rehearsal = _rehearsal(connection) if dry_run else None
        super().__init__(
            AsyncRunner(
                transport,
                policy,
                light=light_answers,
                renews=renews,
                signed=connection.has_credentials,
                rehearsal=rehearsal,
            ),
            told,
        )

    def repository(
        self, model: type[R], *, bucket: str | None = None, collection: str | None = None
    ) -> AsyncRepository[R]:
        """The objects of a class, where the class says or in another bucket or collection. Does no I/O.

        Raises:
            DeclarationError: neither the class nor the call says which bucket or collection.
            InvalidIdError: what is named is not an id.
        """
        return AsyncRepository(self._runner, model, bucket, collection)

    @property
    def buckets(self) -> AsyncRepository[Bucket]:
        """The buckets of the server. Does no I/O."""
        return self.repository(Bucket)

    def bucket(self, bucket_id: str) -> Bucket:
        """A bucket by its id, as a way to its collections and groups: nothing is read, and it need not exist.

        Raises:
            InvalidIdError: not an id.
        """
        return handle(self.buckets, bucket_id)

    def batch(self) -> AsyncBatch:
        """Collects requests in an ``async with`` block, and sends them together when it ends: see ``Batch``."""
        return AsyncBatch(self._runner)

    async def server_info(self, *, refresh: bool = False) -> ServerInfo:
        """What the server says of itself: version, settings, capabilities, and who the client is there. Asked once.

        Parameters:
            refresh: ask again.

        Raises:
            InvalidAnswerError: the server is no Kinto.
        """
        return await self._runner.converse(self._runner.facts.info(refresh=refresh))

    @property
    def accounts(self) -> AsyncAccounts[UserAccount]:
        """The accounts of the server, where it has Kinto's accounts plugin: see ``Accounts``. Does no I/O."""
        from kinto_models.models.account import UserAccount  # few programs manage users
        from kinto_models.services.accounts import AsyncAccounts

        return AsyncAccounts(self._runner, UserAccount)

    async def me(self) -> ServerUser | None:
        """Who the client is to the server now, groups and default bucket included; None for one without credentials.
        Asked each time.

        Raises:
            UnauthorizedError: the server does not know these credentials.
            InvalidAnswerError: the server is no Kinto.
        """
        from kinto_models.services.accounts import me

        return await self._runner.converse(me(self._runner.facts, signed=self._runner.signed))

    def permissions(self) -> AsyncFinder[PermissionEntry]:
        """What the client's user may do where, as a query of ``PermissionEntry``. Nothing is sent yet.

        The server compares and sorts by all of its fields but ``permissions`` and ``account_id``. Entries have no
        timestamps, so what asks by one, and ``delete()``, are errors.

        Raises:
            MissingCapabilityError: when it is asked, of a server without ``experimental_permissions_endpoint``.
        """
        from kinto_models.services.permissions import async_permissions  # few programs ask

        return async_permissions(self._runner)

    @property
    def utilities(self) -> AsyncUtilities:
        """What the server offers to those who run it: see ``Utilities``. Does no I/O."""
        from kinto_models.services.utilities import AsyncUtilities  # few programs run one

        return AsyncUtilities(self._runner)

    async def run(self, operation: Operation[T]) -> T:
        """Sends any operation of ``kinto_models.protocol``, retried as the client's policy says."""
        return await self._runner.run(operation)

    async def close(self) -> None:
        """Closes the connections, and stops the embedded server if there is one. May be called twice."""
        await self._runner.transport.close()
        if self._server is not None:
            self._server.stop()

    async def __aenter__(self) -> Self:
        self._entered.more()
        binding.AWAITED.enter(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        binding.AWAITED.leave(self)
        if self._entered.less():
            await self.close()


def _refuse_unclear(dry_run: object) -> None:
    """Raises TypeError if it is not said whether anything is to be written."""
    if not isinstance(dry_run, bool):
        raise TypeError(f"dry_run is True or False, not {dry_run!r}")


def _rehearsal(connection: Connection) -> Rehearsal:
    return Rehearsal(connection.root, lambda: int(time.time() * 1000), lambda: str(uuid4()), note_withheld)


def connect(url: str | None = None, *, auth: Auth = None, **options: Unpack[Options]) -> Client:
    """Makes a client the active one of the whole process, wherever no ``with Client(...)`` block has its own.

    Parameters:
        url: the server's root; ``KINTO_SERVER`` of the environment where it is not given.
        auth: credentials; ``KINTO_AUTH`` (``user:password`` or ``Bearer token``) where neither they nor ``url`` are
            given, so that the environment's credentials go to the environment's server only.
        options: what ``Client`` takes: ``headers``, ``timeout``, ``retry``, ``light_answers``, ``limits``, ``dry_run``.

    Raises:
        NoClientError: no address, neither here nor in the environment.
        ValueError: an address, timeout or credentials that cannot be read.
    """
    url, auth = _told("connect", url, auth)
    client = Client(url, auth=auth, **options)
    binding.BLOCKING.set_default(client)
    return client


async def aconnect(url: str | None = None, *, auth: Auth = None, **options: Unpack[Options]) -> AsyncClient:
    """Makes an async client the active one of the whole process: see ``connect()``. Such as where a web framework
    starts; ``await client.close()`` where it ends.
    """
    url, auth = _told("aconnect", url, auth)
    client = AsyncClient(url, auth=auth, **options)
    binding.AWAITED.set_default(client)
    return client


def _told(function: str, url: str | None, auth: Auth) -> tuple[str, Auth]:
    if url is None:
        url = os.environ.get("KINTO_SERVER")
        auth = auth if auth is not None else os.environ.get("KINTO_AUTH") or None
    if not url:
        raise NoClientError(f"{function}() needs the server's address, as an argument or in KINTO_SERVER")
    return url, auth
