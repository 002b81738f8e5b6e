"""What the tests of services share: clients of both kinds, of any user."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, TypeAlias

import pytest

from kinto_models import AsyncClient, Client

ALICE: Final = ("alice", "s3cret")
BOB: Final = ("bob", "hunter2")

Opened: TypeAlias = "Callable[..., AbstractAsyncContextManager[Any]]"
"""Opens a client of one kind: ``async with opened(url, auth=ALICE) as client:``."""


@pytest.fixture(params=["blocking", "awaited"])
def opened(request: pytest.FixtureRequest) -> Opened:
    @asynccontextmanager
    async def open_(url: str, **options: Any) -> AsyncGenerator[Any]:
        if request.param == "blocking":
            with Client(url, **options) as client:
                yield client
        else:
            async with AsyncClient(url, **options) as client:
                yield client

    return open_
