"""What all tests share: one real Kinto for the session, and a client of it that records what goes over the wire.

That Kinto is the embedded one. Where ``KINTO_MODELS_TEST_POSTGRES`` has the URL of a PostgreSQL, each test that uses it
runs a second time against Kinto as in production (``tests/production.py``). The marker ``memory`` is on those that
cannot, and says why.
"""

from __future__ import annotations

import gc
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias

import bcrypt
import pytest
from hypothesis import HealthCheck, settings

from kinto_models import Client
from kinto_models.embedded import EmbeddedServer
from kinto_models.protocol.messages import Request, Response
from kinto_models.transports.base import SENT, Transport
from tests.loopback import Loopback
from tests.production import ACCOUNTS, Production

POSTGRES: Final = os.environ.get("KINTO_MODELS_TEST_POSTGRES", "")

settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
settings.load_profile("suite")


@dataclass
class Wire:
    """What was sent through a client, in order: the real transport, listened to."""

    transport: Transport
    sent: list[Request] = field(default_factory=list)

    @property
    def root(self) -> str:
        return self.transport.root

    def send(self, request: Request) -> Response:
        self.sent.append(request)
        return self.transport.send(request)

    def close(self) -> None:
        self.transport.close()

    @property
    def last(self) -> Request:
        return self.sent[-1]

    def body(self) -> Any:
        return json.loads(self.last.body or b"null")

    def clear(self) -> None:
        self.sent.clear()


class Telling(Wire):
    """Notes when a request is out that another thread sends."""

    def __init__(self, transport: Transport, happened: list[str]) -> None:
        super().__init__(transport)
        self.happened = happened

    def send(self, request: Request) -> Response:
        def told(sent: Callable[[], object] = SENT.get()) -> None:  # noqa: B008  # whoever waits for it
            if threading.current_thread() is not threading.main_thread():
                self.happened.append("out")
            sent()

        token = SENT.set(told)
        try:
            return super().send(request)
        finally:
            SENT.reset(token)


Serve: TypeAlias = "Callable[..., EmbeddedServer | Production]"
"""``serve("paged", {"kinto.paginate_by": "2"})``: a server for the session, the same one under the same name."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if POSTGRES and "backend" in metafunc.fixturenames:
        marked = [name for name in ("memory", "postgresql") if metafunc.definition.get_closest_marker(name)]
        metafunc.parametrize("backend", marked or ["memory", "postgresql"], indirect=True, scope="session")


_ONCE: Final = (
    *("docs/", "tests/cli/", "tests/oauth/", "tests/peers/", "tests/reliability/", "tests/replication/"),
    *("tests/server/", "tests/services/", "tests/test_laws.py", "tests/transports/test_limits.py"),
)
"""What is made of the parts that the others test, starts many servers, or takes long: ``.ci/run`` runs it on one
Python, so that all four take less than twenty minutes.
"""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(_ONCE):
            item.add_marker(pytest.mark.once)
    if not POSTGRES:  # which tests/server/test_postgresql.py says, once
        without = [item for item in items if item.get_closest_marker("postgresql")]
        items[:] = [item for item in items if item not in without]
        config.hook.pytest_deselected(items=without)


@pytest.fixture(scope="session", autouse=True)
def cheap_hashes() -> Iterator[None]:
    """Kinto's accounts hash a password for a quarter of a second; a test has no password to protect."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bcrypt, "gensalt", partial(bcrypt.gensalt, rounds=4))
        yield


@pytest.fixture(scope="module", autouse=True)
def light_collections() -> Iterator[None]:
    """Dozens of servers live in this process: what has come to stay is not looked through again for each test."""
    yield
    gc.freeze()


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> str:
    """What the servers of this test store in."""
    backend: str = getattr(request, "param", "memory")
    return backend


@pytest.fixture(scope="session")
def serve(backend: str) -> Iterator[Serve]:
    servers: dict[str, EmbeddedServer | Production] = {}

    def serve(name: str, settings: Mapping[str, str]) -> EmbeddedServer | Production:
        if name not in servers:
            in_production = backend == "postgresql"
            servers[name] = (
                Production(POSTGRES, settings=settings) if in_production else EmbeddedServer(ACCOUNTS, settings)
            )
        return servers[name]

    yield serve
    for server in servers.values():
        server.stop()


@pytest.fixture(scope="session")
def server(serve: Serve) -> EmbeddedServer | Production:
    return serve("server", {})


@pytest.fixture
def kinto(server: EmbeddedServer) -> Iterator[Client]:
    """The active client, alice's; the server has nothing but the bucket ``todo`` with the collection ``tasks``."""
    with Client(server.url, auth=("alice", "s3cret")) as client:
        client.buckets.delete_all()
        client.bucket("todo").save()
        client.bucket("todo").collection("tasks").save()
        yield client


@pytest.fixture
def wire(kinto: Client) -> Wire:
    """What goes over the wire from here on."""
    wire = Wire(kinto._runner.transport)
    kinto._runner.transport = wire
    return wire


@pytest.fixture
def bob(server: EmbeddedServer, kinto: Client) -> Iterator[Client]:
    """Another client, not active, of another user."""
    client = Client(server.url, auth=("bob", "hunter2"))
    yield client
    client.close()


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    """A server that answers what the test says."""
    server = Loopback()
    yield server
    server.close()
