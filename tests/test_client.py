"""Clients: how they are made, which one is active, and what they never show."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

import kinto_models
from kinto_models import BearerToken, Client, NoClientError, Record, RetryPolicy, connect
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
