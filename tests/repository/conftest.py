"""What the tests of batches and bulk operations share: servers of several limits, and clients of both kinds."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, TypeAlias

import pytest

from kinto_models import AsyncClient, Client
from kinto_models.repository.batch import Collected
from tests.conftest import Serve
from tests.faults import Bench

ALICE = ("alice", "s3cret")

Opened: TypeAlias = "Callable[..., AbstractAsyncContextManager[Any]]"
"""Opens a client of one kind: ``async with opened(url) as client:``."""


async def told(value: Any) -> Any:
    """What a client of either kind returns."""
    return await value if inspect.isawaitable(value) else value


async def carry_out(client: Any, fill: Callable[[Collected], object]) -> None:
    """Fills a batch of a client of either kind, and ends its block."""
    if isinstance(client, Client):
        with client.batch() as blocking:
            fill(blocking)
    else:
        async with client.batch() as awaited:
            fill(awaited)


@pytest.fixture(params=["blocking", "awaited"])
def opened(request: pytest.FixtureRequest) -> Opened:
    @asynccontextmanager
    async def open_(url: str, **options: Any) -> AsyncGenerator[Any]:
        if request.param == "blocking":
            with Client(url, auth=ALICE, **options) as client:
                yield client
        else:
            async with AsyncClient(url, auth=ALICE, **options) as client:
                yield client

    return open_


@pytest.fixture(scope="session")
def limited(serve: Serve) -> Callable[[int], str]:
    """The address of a server that takes so many requests in one batch; one server for each number."""
    return lambda limit: serve(f"limited to {limit}", {"kinto.batch_max_requests": str(limit)}).url


@contextmanager
def emptied(url: str) -> Generator[Client]:
    """A client, not active, of a server that holds the collection only."""
    with Client(url, auth=ALICE) as client:
        client.buckets.delete_all()
        client.bucket("todo").save()
        client.bucket("todo").collection("tasks").save()
    client = Client(url, auth=ALICE)
    yield client
    client.close()


@pytest.fixture
def four(limited: Callable[[int], str]) -> Iterator[Client]:
    """A client, not active, of a server that takes four requests in one batch, and holds the collection only."""
    with emptied(limited(4)) as client:
        yield client


@pytest.fixture
def bench(four: Client) -> Iterator[Bench]:
    """Stands before that server."""
    bench = Bench(four.url)
    yield bench
    bench.close()
