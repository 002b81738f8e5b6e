"""While a page is dealt with, the next one is asked for: by whom, and what becomes of it when nobody wants it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest
from pydantic import field_validator
from requests import PreparedRequest

from kinto_models import BatchError, Client, ConnectionFailedError, NoClientError, Record, RetryPolicy
from kinto_models.embedded import EmbeddedServer
from kinto_models.protocol.messages import Request, Response
from kinto_models.transports.auth import BasicAuth
from tests.conftest import Telling, Wire
from tests.loopback import Loopback


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""


@pytest.fixture
def nine(kinto: Client) -> list[Task]:
    tasks = [Task(id=f"t{number}") for number in range(9)]
    kinto.repository(Task).create_many(tasks)
    return tasks


def _page(loopback: Loopback, name: str, *, more: bool) -> None:
    headers = {"Next-Page": f"{loopback.url}/buckets/todo/collections/tasks/records?_token={name}"} if more else {}
    loopback.answers(200, headers, b'{"data":[{"id":"%b","last_modified":5}]}' % name.encode())


def test_the_next_page_is_asked_for_while_one_is_dealt_with(kinto: Client, nine: list[Task], wire: Wire) -> None:
    pages = kinto.repository(Task).find().sort(Task.id).pages(3)
    wire.clear()
    assert [task.id for task in next(pages)] == ["t0", "t1", "t2"]
    deadline = time.monotonic() + 5
    while len(wire.sent) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(wire.sent) == 2
    assert [task.id for page in pages for task in page] == [f"t{number}" for number in range(3, 9)]
    assert len(wire.sent) == 3


def test_the_next_page_is_asked_for_before_one_is_read(kinto: Client, nine: list[Task], wire: Wire) -> None:
    """Or else nothing is won: while this thread reads a page, no other one runs."""
    happened: list[str] = []

    class Watched(Task):
        @field_validator("title")
        @classmethod
        def note(cls, title: str) -> str:
            happened.append("read")
            return title

    kinto._runner.transport = Telling(wire.transport, happened)
    try:
        assert len(kinto.repository(Watched).find().sort(Watched.id).all()) == 9
        assert happened == ["read"] * 9
        happened.clear()
        assert [len(page) for page in kinto.repository(Watched).find().sort(Watched.id).pages(3)] == [3, 3, 3]
        assert happened == ["out", *["read"] * 3, "out", *["read"] * 6]
    finally:
        kinto._runner.transport = wire


def test_a_page_does_not_wait_for_the_next_one_to_be_tried_again(loopback: Loopback) -> None:
    _page(loopback, "a", more=True)
    loopback.answers(503, {"Retry-After": "2"})
    _page(loopback, "b", more=False)
    with Client(loopback.url, retry=1) as client:
        start = time.monotonic()
        found = iter(client.repository(Task).find())
        assert next(found).id == "a"
        assert time.monotonic() - start < 1.5
        assert [task.id for task in found] == ["b"]
        assert time.monotonic() - start >= 2


def test_a_page_does_not_wait_for_a_server_that_is_gone(loopback: Loopback) -> None:
    _page(loopback, "a", more=True)

    class Gone(Wire):
        def send(self, request: Request) -> Response:
            if self.sent:
                loopback.close()
            return super().send(request)

    with Client(loopback.url, retry=RetryPolicy(retries=1, backoff=2)) as client:
        client._runner.transport = Gone(client._runner.transport)
        client._runner.pacing.dice = lambda: 1.0
        start = time.monotonic()
        found = iter(client.repository(Task).find())
        assert next(found).id == "a"
        assert time.monotonic() - start < 1.5
        with pytest.raises(ConnectionFailedError):
            next(found)
        assert time.monotonic() - start >= 2


def test_under_a_limit_nothing_is_asked_for_that_may_not_be_wanted(kinto: Client, nine: list[Task], wire: Wire) -> None:
    wire.clear()
    assert len(list(kinto.repository(Task).find().limit(3))) == 3
    time.sleep(0.05)
    assert len(wire.sent) == 1


def test_objects_can_be_saved_and_deleted_while_they_are_iterated(kinto: Client, nine: list[Task]) -> None:
    tasks = kinto.repository(Task)
    for page in tasks.find().sort(Task.id).pages(2):
        for task in page:
            task.title = "seen"
            task.save()
    assert {task.title for task in tasks.find()} == {"seen"}
    assert tasks.delete_many(tasks.find()).deleted == 9


@pytest.mark.parametrize("kind", ["context", "thread"])
def test_an_auth_object_is_called_in_the_thread_and_context_of_the_caller(
    server: EmbeddedServer, nine: list[Task], kind: str
) -> None:
    """It may look there for whose request this is."""
    of_context: ContextVar[Any] = ContextVar("user", default=None)
    of_thread = threading.local()

    def sign(prepared: PreparedRequest) -> PreparedRequest:
        user = of_context.get() if kind == "context" else getattr(of_thread, "user", None)
        return BasicAuth(*user)(prepared) if user else prepared

    of_context.set(("alice", "s3cret"))
    of_thread.user = ("alice", "s3cret")
    with Client(server.url, auth=sign) as client:
        assert sum(len(page) for page in client.repository(Task).find().pages(2)) == 9


def test_a_client_that_is_closed_in_the_loop_says_so(loopback: Loopback) -> None:
    _page(loopback, "a", more=True)
    _page(loopback, "b", more=True)
    client = Client(loopback.url, retry=0)
    found = iter(client.repository(Task).find())
    assert next(found).id == "a"
    client.close()
    with pytest.raises(NoClientError, match="closed"):
        list(found)


def test_a_bulk_operation_ends_when_its_client_is_closed(server: EmbeddedServer, kinto: Client) -> None:
    client = Client(server.url, auth=("alice", "s3cret"))
    taken: list[Task] = []

    def endless() -> Any:
        while True:
            taken.append(Task(title="x"))
            if len(taken) == 60:
                client.close()
            yield taken[-1]

    with pytest.raises(BatchError, match="this client is closed") as caught:
        client.repository(Task).create_many(endless())
    assert isinstance(caught.value.__cause__, NoClientError)
    assert len(taken) < 100
    assert sum(task.saved for task in taken) == kinto.repository(Task).count() == 50


_SCRIPTS = {
    "a loop that is left": "next(iter(client.repository(Task).find()))",
    "a thread that outlives the main one": """
def work():
    time.sleep(0.3)
    assert len(list(client.repository(Task).find())) == 2
    print("read")
threading.Thread(target=work).start()""",
    "a forked process": """
list(client.repository(Task).find())
if os.fork() == 0:
    assert len(list(client.repository(Task).find())) == 2
    print("read", flush=True)
    os._exit(0)
os.wait()""",
}


@pytest.mark.parametrize("script", list(_SCRIPTS))
def test_the_end_of_a_process_waits_for_no_page_and_breaks_none(loopback: Loopback, script: str) -> None:
    if "fork" in script and not hasattr(os, "fork"):
        pytest.skip("no fork here")
    for _ in range(2):
        _page(loopback, "a", more=True)
        if "left" in script:
            loopback.says(b"", "stall")
        _page(loopback, "b", more=False)
    program = f"""
import os, sys, threading, time
from kinto_models import Client, Record
class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""
client = Client({loopback.url!r}, retry=0)
{_SCRIPTS[script]}
"""
    began = time.monotonic()
    done = _run(program)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout == ("" if "left" in script else "read\n")
    assert time.monotonic() - began < 8


_run: Callable[[str], subprocess.CompletedProcess[str]] = lambda program: subprocess.run(  # noqa: E731  # one call
    [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=20
)
