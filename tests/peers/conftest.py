"""The other client, on the same server."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import kinto_http
import pytest

from kinto_models import Client
from kinto_models.embedded import EmbeddedServer

Old: TypeAlias = Callable[..., Any]
"""Makes a client of kinto-http.py: ``old(bucket="todo")``."""


@pytest.fixture
def old(server: EmbeddedServer, kinto: Client) -> Iterator[Old]:
    made: list[kinto_http.Client] = []

    def old(**options: Any) -> kinto_http.Client:
        place: dict[str, Any] = {
            "auth": ("alice", "s3cret"),
            "server_url": server.url,
            "bucket": "todo",
            "collection": "tasks",
        }
        made.append(kinto_http.Client(**(place | options)))
        return made[-1]

    yield old
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for client in made:
            client.session._session.close()
