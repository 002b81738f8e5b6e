"""A Kinto that trusts the tests' own provider, whoever asks it, and a browser."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from queue import Queue
from typing import Any, Protocol, TypeAlias, TypeVar

import pytest
import requests

from kinto_models import AsyncClient, Client
from kinto_models.embedded import EmbeddedServer
from kinto_models.protocol.messages import Operation
from tests.oauth.provider import Provider

T = TypeVar("T")

CORP = "Corp"
"""The word that the second provider of the server wants before a token, and that the server does not tell."""


@dataclass
class Browser:
    """Goes wherever it is sent, as a browser does, and keeps where it was and what it was shown."""

    opened: list[str] = field(default_factory=list)
    _shown: Queue[requests.Response] = field(default_factory=Queue)

    def __call__(self, address: str) -> None:
        self.opened.append(address)
        self._shown.put(requests.get(address, timeout=10))

    def page(self) -> requests.Response:
        """The next page that it was shown in the end; whoever signed in may hear of that first."""
        return self._shown.get(timeout=10)


@pytest.fixture
def browser() -> Browser:
    return Browser()


@pytest.fixture(scope="session")
def _trusting() -> Iterator[tuple[Provider, EmbeddedServer]]:
    provider, other = Provider(), Provider()
    settings = provider.settings("google") | other.settings("corp", header_type=CORP)
    server = EmbeddedServer({"alice": "s3cret"}, settings | {"multiauth.policies": "google corp account"})
    yield provider, server
    server.stop()
    provider.close()
    other.close()


@pytest.fixture
def provider(_trusting: tuple[Provider, EmbeddedServer]) -> Provider:
    _trusting[0].forget()
    return _trusting[0]


@pytest.fixture
def url(provider: Provider, _trusting: tuple[Provider, EmbeddedServer]) -> str:
    """The root of a server that trusts the provider, by the names ``google`` and ``corp``."""
    return _trusting[1].url


class Asking(Protocol):
    """A client of either kind."""

    def run(self, operation: Operation[T]) -> T: ...


class _Awaiting:
    """An async client, waited for."""

    def __init__(self, url: str, loop: asyncio.AbstractEventLoop, options: dict[str, Any]) -> None:
        self._client, self._loop = AsyncClient(url, **options), loop

    def run(self, operation: Operation[T]) -> T:
        return self._loop.run_until_complete(self._client.run(operation))

    def close(self) -> None:
        self._loop.run_until_complete(self._client.close())


Open: TypeAlias = "Callable[..., Asking]"
"""Makes a client that never tries again: ``open_client(url, auth=...)``."""


@pytest.fixture(params=["blocking", "async"])
def open_client(request: pytest.FixtureRequest) -> Iterator[Open]:
    made: list[Client | _Awaiting] = []
    loop = asyncio.new_event_loop()

    def client(url: str, **options: Any) -> Asking:
        options.setdefault("retry", 0)
        made.append(Client(url, **options) if request.param == "blocking" else _Awaiting(url, loop, options))
        return made[-1]

    yield client
    for each in made:
        each.close()
    loop.close()
