"""Clients: how they are made, which one is active, and what they never show."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

import kinto_models
from kinto_models import (
    AsyncClient,
    BearerToken,
    Client,
    InvalidIdError,
    Limits,
    NoClientError,
    Record,
    RetryPolicy,
    connect,
)
from kinto_models.embedded import EmbeddedServer
from kinto_models.models import binding
from kinto_models.protocol import operations
from kinto_models.protocol.filters import Query
from kinto_models.protocol.paths import records


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""


@pytest.fixture(autouse=True)
def _nothing_left_active() -> Iterator[None]:
    yield
    binding.BLOCKING.set_default(None)
    with pytest.raises(NoClientError):
        binding.BLOCKING.current()


def test_without_a_client_the_error_says_how_to_make_one() -> None:
    for use in (
        Task().save,
        Task().delete,
        Task().refresh,
        Task.find,
        lambda: Task.get("x"),
        lambda: Task().patch(title=""),
    ):
        with pytest.raises(
            NoClientError, match=r"write 'with Client\(.*kinto_models.connect\(...\).*client.repository"
        ):
            use()


def test_the_client_of_the_innermost_block_is_active(server: EmbeddedServer) -> None:
    with Client(server.url) as outer:
        assert binding.BLOCKING.current() is outer
        with Client(server.url) as inner:
            assert binding.BLOCKING.current() is inner
        assert binding.BLOCKING.current() is outer


def test_an_exception_restores_the_client_before(server: EmbeddedServer) -> None:
    with Client(server.url) as outer:
        with pytest.raises(ZeroDivisionError), Client(server.url):
            _ = 1 / 0
        assert binding.BLOCKING.current() is outer


def test_a_client_can_be_entered_twice_and_closes_at_the_outer_end(server: EmbeddedServer) -> None:
    client = Client(server.url, auth=("alice", "s3cret"))
    with client:
        with client:
            pass
        assert client.buckets.count() >= 0
    with pytest.raises(NoClientError, match="closed"):
        client.buckets.count()
    client.close()


def test_an_instance_remembers_the_client_that_it_came_from(kinto: Client, server: EmbeddedServer) -> None:
    task = Task(title="x")
    task.save()
    with Client(server.url):  # anonymous, and active
        task.title = "y"
        task.save()
    assert Task.get(task.id).title == "y"


def test_an_instance_of_a_closed_client_can_go_on_with_another(kinto: Client, server: EmbeddedServer) -> None:
    with Client(server.url, auth=("alice", "s3cret")) as gone:
        task = gone.repository(Task).create(Task(title="x"))
    task.title = "y"
    with pytest.raises(NoClientError, match="another one saves it"):
        task.save()
    assert kinto.repository(Task).save(task).changed == {"title"}
    task.title = "z"
    task.save()
    assert Task.get(task.id).title == "z"


def test_connect_serves_the_whole_process_and_blocks_have_their_own(server: EmbeddedServer) -> None:
    client = connect(server.url, auth=("alice", "s3cret"))
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(binding.BLOCKING.current).result() is client
    with Client(server.url) as inner:
        assert binding.BLOCKING.current() is inner
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(binding.BLOCKING.current).result() is client
    client.close()


def test_connect_reads_the_environment(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINTO_SERVER", server.url)
    monkeypatch.setenv("KINTO_AUTH", "alice:s3cret")
    client = connect()
    assert client.url == server.url
    assert client.bucket("mine").save(force=True).etag
    client.close()
    monkeypatch.delenv("KINTO_SERVER")
    with pytest.raises(NoClientError, match="KINTO_SERVER"):
        connect()


def test_the_environments_credentials_go_to_the_environments_server_only(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINTO_AUTH", "alice:s3cret")
    client = connect(server.url)
    with pytest.raises(kinto_models.UnauthorizedError):
        client.bucket("mine").save()
    client.close()


@pytest.mark.parametrize("url", ["", "localhost:8888", "ftp://x/v1", "http://", "http://x:port/v1", "nonsense"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Client(url)


@pytest.mark.parametrize("timeout", [0, -1, "5", (1,), (1, 2, 3), (0, 1), True])
def test_a_timeout_that_is_none_is_refused(timeout: object) -> None:
    with pytest.raises(ValueError, match="timeout is seconds"):
        Client("http://x/v1", timeout=timeout)  # type: ignore[arg-type]


@pytest.mark.parametrize("retry", [-1, RetryPolicy(retries=0)])
def test_retrying_can_be_turned_off_but_not_below_nothing(retry: int | RetryPolicy) -> None:
    if isinstance(retry, int):
        with pytest.raises(ValueError, match="negative"):
            Client("http://x/v1", retry=retry)
    else:
        assert Client("http://x/v1", retry=retry).url == "http://x/v1"


def test_credentials_are_shown_nowhere() -> None:
    for client in (
        Client("https://user:s3cret@example.com/v1"),
        Client("https://example.com/v1", auth=("user", "s3cret")),
        Client("https://example.com/v1", auth="Bearer s3cret"),
        Client("https://example.com/v1", auth=BearerToken("s3cret")),
    ):
        assert repr(client) == "<Client https://example.com/v1>"
        assert client.url == "https://example.com/v1"


def test_credentials_in_the_address_are_used(server: EmbeddedServer) -> None:
    with Client(server.url.replace("://", "://alice:s3cret@")) as client:
        client.bucket("mine").save(force=True)
        assert "mine" in [bucket.id for bucket in client.buckets.find()]


def test_threads_share_a_client(kinto: Client) -> None:
    tasks = kinto.repository(Task)
    barrier = threading.Barrier(4)

    def write(number: int) -> str:
        barrier.wait(5)
        return tasks.create(Task(id=f"t{number}")).id

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(write, range(4))) == ["t0", "t1", "t2", "t3"]
    assert tasks.count() == 4


def test_threads_can_each_enter_a_shared_client(server: EmbeddedServer) -> None:
    client = Client(server.url, auth=("alice", "s3cret"))
    inside = threading.Barrier(3)

    def enter(_: int) -> bool:
        with client:
            inside.wait(5)
            used = binding.BLOCKING.current() is client
            inside.wait(5)
        return used

    with client:
        with ThreadPoolExecutor(2) as pool:
            entered = pool.map(enter, range(2))
            inside.wait(5)
            inside.wait(5)
            assert list(entered) == [True, True]
        assert client.buckets.count() >= 0
    with pytest.raises(NoClientError, match="closed"):
        client.buckets.count()


def test_any_operation_of_the_protocol_can_be_sent(kinto: Client) -> None:
    assert kinto.run(operations.count(records("todo", "tasks"), Query())) == 0


# Clones


def test_a_clone_has_every_option_that_it_is_not_told_otherwise(server: EmbeddedServer) -> None:
    told: dict[str, Any] = {
        "auth": ("alice", "s3cret"),
        "headers": {"X-Purpose": "test"},
        "timeout": (1.5, 2.5),
        "retry": RetryPolicy(retries=7),
        "light_answers": True,
        "limits": Limits(answer_bytes=1000),
        "dry_run": True,
    }
    assert told.keys() | {"self", "url"} == inspect.signature(Client.__init__).parameters.keys()
    kinds: list[Any] = [Client, AsyncClient]
    for kind in kinds:
        client = kind(server.url, **told)
        for name, other in {"headers": {}, "timeout": 3, "retry": 1, "dry_run": False, "auth": None}.items():
            assert client.clone(**{name: other})._told == {**told, "url": server.url, name: other}
        clone = client.clone()
        assert clone._runner.transport._connection == client._runner.transport._connection
        assert clone._runner.pacing.policy == RetryPolicy(retries=7)
        assert clone._runner.light
        assert type(clone) is kind


def test_a_clone_lives_longer_than_the_client_that_it_is_of(kinto: Client, server: EmbeddedServer) -> None:
    first = Client(server.url, auth=("alice", "s3cret"))
    clone = first.clone(timeout=9)
    first.close()
    assert clone.buckets.get("todo").id == "todo"
    clone.close()


def test_the_credentials_in_an_address_go_to_the_clone_unless_it_has_its_own(server: EmbeddedServer) -> None:
    url = server.url.replace("://", "://alice:s3cret@")
    with Client(url) as client:
        users = [clone.server_info().user for clone in (client.clone(timeout=9), client.clone(auth=None))]
        other = client.clone(url=server.url.replace("://", "://bob:s3cret@"), auth=("alice", "s3cret"))
        assert other.server_info().user == users[0]
    assert users[0] is not None
    assert users[0].id == "account:alice"
    assert users[1] is None


@pytest.mark.parametrize("secret", [{"auth": ("alice", "s3cret")}, {"headers": {"X-Api-Key": "s3cret"}}], ids=str)
def test_what_was_given_for_one_server_does_not_go_to_another_by_a_clone(secret: dict[str, Any]) -> None:
    client = Client("https://one.example/v1", **secret)
    [name] = secret
    without: Any = {name: None}
    with pytest.raises(ValueError, match=f"{name}=...") as caught:
        client.clone(url="https://two.example/v1")
    assert "s3cret" not in str(caught.value)
    assert client.clone(url="https://two.example/v1", **without).url == "https://two.example/v1"
    assert client.clone(url="https://one.example:443/v2").url == "https://one.example:443/v2"


def test_a_clone_says_which_option_there_is_not() -> None:
    with pytest.raises(TypeError, match="bucket"):
        Client("https://one.example/v1").clone(bucket="blog")  # type: ignore[call-arg]


# Addresses


def test_the_address_of_an_object_is_known_without_asking(kinto: Client) -> None:
    task = Task(id="a-1")
    task.save()
    address = kinto.repository(Task).url_of("a-1")
    assert address == f"{kinto.url}/buckets/todo/collections/tasks/records/a-1"
    assert kinto.repository(Task).url_of(task) == kinto.repository(Task).url_of(Task(id="a-1")) == address
    assert AsyncClient(kinto.url).repository(Task).url_of(task) == address
    with pytest.raises(TypeError, match="this repository is of Task"):
        kinto.repository(Task).url_of(kinto.bucket("todo"))  # type: ignore[arg-type]
    assert requests.get(address, auth=("alice", "s3cret"), timeout=9).json()["data"]["id"] == "a-1"
    with pytest.raises(InvalidIdError):
        kinto.repository(Task).url_of("../x")


# Headers


@pytest.mark.parametrize("name", ["If-Match", "if-none-match", "Content-Length", "Host", "Transfer-Encoding"])
def test_a_header_of_single_requests_is_none_of_all(name: str) -> None:
    kinds: list[Any] = [Client, AsyncClient]
    for kind in kinds:
        with pytest.raises(ValueError, match="single request"):
            kind("https://example.com/v1", headers={name: "5"})
