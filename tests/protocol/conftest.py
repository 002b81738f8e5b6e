"""A real Kinto, to ask whether it understands what the protocol says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from kinto_models.client import Client
from kinto_models.protocol import operations
from kinto_models.protocol.bodies import envelope
from kinto_models.protocol.filters import Query
from kinto_models.protocol.paths import Plural, buckets, collections, records
from tests.conftest import Serve


class Kinto:
    """A client of a real server, and a collection in it that is empty at first."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._collections = 0
        client.run(operations.create(buckets(), "blog", envelope({})))

    def collection(self, *objects: dict[str, Any]) -> Plural:
        """A new collection that holds these objects."""
        self._collections += 1
        name = f"articles-{self._collections}"
        self.client.run(operations.create(collections("blog"), name, envelope({})))
        place = records("blog", name)
        for each in objects:
            self.client.run(operations.create(place, each["id"], envelope(each)))
        return place

    def ids(self, place: Plural, query: Query) -> list[str]:
        """The ids that a query lists, in its order."""
        return [each["id"] for each in self.data(place, query)]

    def data(self, place: Plural, query: Query) -> list[dict[str, Any]]:
        """The objects that a query lists, in its order."""
        listed: list[dict[str, Any]] = json.loads(self.client.run(operations.get_list(place, query)).body)["data"]
        return listed


@pytest.fixture(scope="session")
def real(serve: Serve) -> Iterator[Kinto]:
    client = Client(serve("protocol", {}).url, auth=("alice", "s3cret"), retry=0)
    yield Kinto(client)
    client.close()


@pytest.fixture
def place() -> Plural:
    """Where the records of an article are; nobody is asked whether it exists."""
    return records("blog", "articles")
