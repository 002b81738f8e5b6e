"""What the tests of traps share: requests of one's own, which show what the server does to a client that sends them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from kinto_models import Client, Record
from kinto_models.embedded import EmbeddedServer
from kinto_models.protocol.messages import Request, Response
from tests.conftest import Serve, Wire

RECORDS = "/buckets/todo/collections/tasks/records"
T1 = f"{RECORDS}/t1"
ALICE, BOB = ("alice", "s3cret"), ("bob", "hunter2")


@dataclass(frozen=True)
class Raw:
    """Sends without the library: ``raw("PUT", T1, {"data": {}}, If_Match='"5"')``."""

    url: str
    user: tuple[str, str] = ALICE

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        sent = {"Content-Type": "application/json", **{name.replace("_", "-"): headers[name] for name in headers}}
        data = None if body is None else json.dumps(body)
        return requests.request(
            method, self.url + path, data=data, headers=sent, auth=self.user, timeout=10, allow_redirects=False
        )

    def data(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The ``data`` of the answer."""
        return self(method, path, body, **headers).json()["data"]


class _Between(Wire):
    """Does something before the second page is asked for."""

    happens: Callable[[], object] | None = None

    def send(self, request: Request) -> Response:
        if "_token" in request.target and self.happens is not None:
            happens, self.happens = self.happens, None
            happens()
        return super().send(request)


def between(client: Client, happens: Callable[[], object]) -> None:
    """Lets something happen before this client asks for a second page."""
    transport = _Between(client._runner.transport)
    transport.happens = happens
    client._runner.transport = transport


@pytest.fixture
def raw(server: EmbeddedServer, kinto: Client) -> Raw:
    return Raw(server.url)


@pytest.fixture
def paged(serve: Serve) -> Iterator[Client]:
    """The active client of a server that gives two objects to a page; six records are there."""
    with Client(serve("paged", {"kinto.paginate_by": "2"}).url, auth=ALICE) as kinto:
        kinto.buckets.delete_all()
        kinto.bucket("todo").save()
        kinto.bucket("todo").collection("tasks").save()
        records = kinto.repository(Record, bucket="todo", collection="tasks")
        records.create_many(Record.model_validate({"id": f"t{n}", "n": n}) for n in range(6))
        yield kinto


@pytest.fixture
def paged_wire(paged: Client) -> Wire:
    """What goes over the wire to that server from here on."""
    wire = Wire(paged._runner.transport)
    paged._runner.transport = wire
    return wire
