"""The async side as its users see it: clients and their blocks, models, cancellation, reading ahead, concurrency."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from kinto_models import (
    AsyncClient,
    AsyncRepository,
    BearerToken,
    Bucket,
    Client,
    Collection,
    ConflictError,
    ConnectionFailedError,
    ForbiddenError,
    Group,
    InvalidIdError,
    KintoError,
    NoClientError,
    NotFoundError,
    Page,
    ReadTimeoutError,
    Record,
    RetryPolicy,
    ServerFailedError,
    UnauthorizedError,
    UnavailableError,
    UncertainOutcomeError,
    aconnect,
    edit,
)
from kinto_models.embedded import EmbeddedServer
from kinto_models.models import binding
from kinto_models.protocol import operations
from kinto_models.protocol.filters import Query as Wire
from kinto_models.protocol.paths import records
from tests.faults import Bench
from tests.loopback import Loopback

ALICE = ("alice", "s3cret")


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""
    priority: int = 3
    tags: list[str] = []


class Free(Record, bucket="todo", collection="tasks", unknown="preserve"):
    title: str = ""


@pytest.fixture(autouse=True)
async def nothing_is_left_behind() -> AsyncIterator[None]:
    """No task that still runs, no exception that nobody retrieved, no client that stays active."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    gc.freeze()  # what a whole Kinto made is not looked through again after each test
    yield
    for _ in range(3):
        gc.collect()
        await asyncio.sleep(0)
    gc.unfreeze()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert (told, left) == ([], set())
    binding.AWAITED.set_default(None)
    with pytest.raises(NoClientError):
        binding.AWAITED.current()


@pytest.fixture
def todo(server: EmbeddedServer) -> None:
    """The server has nothing but the bucket ``todo`` with the collection ``tasks``; no client is active."""
    with Client(server.url, auth=ALICE) as client:
        client.buckets.delete_all()
        client.bucket("todo").save()
        client.bucket("todo").collection("tasks").save()


@pytest.fixture
async def akinto(server: EmbeddedServer, todo: None) -> AsyncIterator[AsyncClient]:
    """An async client, alice's and not active."""
    client = AsyncClient(server.url, auth=ALICE)
    yield client
    await client.close()


# Models


async def test_a_model_is_saved_read_changed_and_deleted(akinto: AsyncClient) -> None:
    async with akinto:
        task = Task(title="Write", tags=["a"])
        result = await task.asave()
        assert result.created
        assert result.changed == {"title", "priority", "tags"}
        assert (task.saved, task.dirty) == (True, False)

        task.tags.append("b")
        assert (await task.asave()).changed == {"tags"}
        assert (await task.asave()).changed == frozenset()
        assert (await task.apatch(priority=1)).changed == {"priority"}

        read = await Task.aget(task.id)
        assert (read, read.etag) == (task, task.etag)
        read.title = "Read"
        assert (await read.areplace()).changed >= {"title"}
        assert await task.arefresh() is True
        assert await task.arefresh() is False
        assert task.title == "Read"

        assert await task.adelete() is True
        assert (task.saved, task.dirty) == (False, True)
        assert await read.adelete(missing_ok=True) is False
        with pytest.raises(NotFoundError):
            await Task.aget(read.id)


async def test_a_query_is_iterated_with_async_for_and_ended_by_awaiting(akinto: AsyncClient) -> None:
    async with akinto:
        for number in range(5):
            await Task(id=f"t{number}", priority=number).asave()
        query = Task.afind(Task.priority > 0).sort(Task.priority)
        assert [task.id async for task in query] == ["t1", "t2", "t3", "t4"]
        assert [task.id async for task in query] == ["t1", "t2", "t3", "t4"]  # as often as one likes
        assert [[task.id for task in page] async for page in query.pages(3)] == [["t1", "t2", "t3"], ["t4"]]
        assert (await query.count(), await query.exists()) == (4, True)
        assert [task.id for task in await query.limit(2).all()] == ["t1", "t2"]
        assert (await query.where(Task.priority == 3).one()).id == "t3"
        assert await query.where(Task.priority == 9).first() is None
        assert await query.timestamp() == max(task.last_modified or 0 for task in await Task.afind().all())
        assert await Task.afind(Task.priority < 2).delete() == 2


async def test_a_handle_leads_to_what_it_holds(akinto: AsyncClient) -> None:
    bucket = akinto.bucket("library")
    assert (await bucket.asave()).created
    await bucket.acollections.create(Collection(id="books"))
    await bucket.agroups.create(Group(id="readers", members={"account:bob"}))
    assert [each.id async for each in bucket.acollections.find()] == ["books"]
    assert (await bucket.agroups.get("readers")).members == {"account:bob"}

    class Book(Record):
        title: str

    books = bucket.collection("books").arecords(Book)
    book = await books.create(Book(title="Ulysses"))
    assert (books.bucket, books.collection) == ("library", "books")
    assert (await books.get(book.id)).title == "Ulysses"
    assert (await bucket.group("readers").arefresh()) is True
    assert await bucket.collection("books").adelete(force=True) is True
    assert {each.id async for each in akinto.buckets.find()} == {"library", "todo"}
    with pytest.raises(InvalidIdError):
        akinto.bucket("!")


async def test_a_bare_bucket_uses_the_active_client(akinto: AsyncClient) -> None:
    async with akinto:
        assert await Bucket(id="todo").acollections.count() == 1
        assert await Bucket(id="todo").collection("tasks").arecords(Task).count() == 0


async def test_any_operation_of_the_protocol_can_be_sent(akinto: AsyncClient) -> None:
    assert await akinto.run(operations.count(records("todo", "tasks"), Wire())) == 0


async def test_a_conflict_shows_all_sides_and_rebases(akinto: AsyncClient) -> None:
    tasks = akinto.repository(Task)
    mine = await tasks.create(Task(title="x"))
    await tasks.patch(mine.id, priority=1)
    mine.title = "mine"
    with pytest.raises(ConflictError) as caught:
        await mine.asave()
    error = caught.value
    assert error.base is not None
    assert (error.mine is mine, error.base.title, error.theirs.priority) == (True, "x", 1)
    assert (await error.rebase().asave()).changed == {"title"}
    stored = await tasks.get(mine.id)
    assert (stored.title, stored.priority) == ("mine", 1)


# Clients and their blocks


async def test_an_embedded_server_has_an_async_client_and_stops_with_it() -> None:
    async with AsyncClient.embedded() as kinto:
        await kinto.bucket("todo").asave()
        assert [bucket.id for bucket in await kinto.buckets.find().all()] == ["todo"]
        url = kinto.url
    async with AsyncClient(url, retry=0) as gone:
        with pytest.raises(ConnectionError):
            await gone.buckets.count()


async def test_without_a_client_the_error_says_how_to_make_one() -> None:
    uses: list[Callable[[], Awaitable[Any]]] = [
        Task().asave,
        Task().areplace,
        Task().arefresh,
        Task().adelete,
        lambda: Task().apatch(title=""),
        lambda: Task.aget("x"),
    ]
    for use in uses:
        with pytest.raises(NoClientError, match=r"'async with AsyncClient\(.*await kinto_models.aconnect\(...\)"):
            await use()
    with pytest.raises(NoClientError, match="no AsyncClient is active here"):
        Task.afind()


async def test_the_client_of_the_innermost_block_is_active(server: EmbeddedServer) -> None:
    async with AsyncClient(server.url) as outer:
        assert binding.AWAITED.current() is outer
        async with AsyncClient(server.url) as inner:
            assert binding.AWAITED.current() is inner
        assert binding.AWAITED.current() is outer
        with pytest.raises(ZeroDivisionError):
            async with AsyncClient(server.url):
                _ = 1 / 0
        assert binding.AWAITED.current() is outer


async def test_a_client_can_be_entered_twice_and_closes_at_the_outer_end(server: EmbeddedServer) -> None:
    client = AsyncClient(server.url, auth=ALICE)
    async with client:
        async with client:
            pass
        assert await client.buckets.count() >= 0
    with pytest.raises(NoClientError, match="closed"):
        await client.buckets.count()
    await client.close()


async def test_a_client_that_two_tasks_entered_closes_with_the_last(server: EmbeddedServer) -> None:
    client, first_has_left = AsyncClient(server.url, auth=ALICE), asyncio.Event()

    async def first() -> None:
        async with client:
            await client.buckets.count()
        first_has_left.set()

    async def second() -> int:
        async with client:
            await first_has_left.wait()
            return await client.buckets.count()

    await asyncio.gather(second(), first())
    with pytest.raises(NoClientError, match="closed"):
        await client.buckets.count()


async def test_tasks_that_are_started_in_a_block_see_its_client(akinto: AsyncClient) -> None:
    async with akinto:
        await asyncio.gather(*(asyncio.create_task(Task(id=f"t{n}").asave()) for n in range(4)))
        assert await Task.afind().count() == 4


async def test_tasks_in_blocks_of_their_own_do_not_see_each_others_client(server: EmbeddedServer) -> None:
    seen: list[Any] = []
    both_are_inside = asyncio.Event()

    async def enter() -> bool:
        async with AsyncClient(server.url) as mine:
            seen.append(mine)
            if len(seen) == 2:
                both_are_inside.set()
            await both_are_inside.wait()
            return binding.AWAITED.current() is mine

    assert list(await asyncio.gather(enter(), enter())) == [True, True]
    assert seen[0] is not seen[1]
    with pytest.raises(NoClientError):
        binding.AWAITED.current()


async def test_an_instance_remembers_the_client_that_it_came_from(akinto: AsyncClient, server: EmbeddedServer) -> None:
    task = await akinto.repository(Task).create(Task(title="x"))
    async with AsyncClient(server.url):  # anonymous, and active
        task.title = "y"
        await task.asave()
        with pytest.raises(UnauthorizedError):
            await Task.aget(task.id)
    assert (await akinto.repository(Task).get(task.id)).title == "y"


async def test_an_instance_of_a_closed_client_can_go_on_with_another(
    akinto: AsyncClient, server: EmbeddedServer
) -> None:
    async with AsyncClient(server.url, auth=ALICE) as gone:
        task = await gone.repository(Task).create(Task(title="x"))
    task.title = "y"
    with pytest.raises(NoClientError, match="another one saves it"):
        await task.asave()
    assert (await akinto.repository(Task).save(task)).changed == {"title"}
    task.title = "z"
    await task.asave()
    assert (await akinto.repository(Task).get(task.id)).title == "z"


async def test_aconnect_serves_the_whole_process_and_blocks_have_their_own(server: EmbeddedServer) -> None:
    client = await aconnect(server.url, auth=ALICE)
    assert await asyncio.to_thread(binding.AWAITED.current) is client
    async with AsyncClient(server.url) as inner:
        assert binding.AWAITED.current() is inner
    assert binding.AWAITED.current() is client
    await client.close()


async def test_aconnect_reads_the_environment(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINTO_SERVER", server.url)
    monkeypatch.setenv("KINTO_AUTH", "alice:s3cret")
    client = await aconnect(retry=0)
    assert client.url == server.url
    assert (await client.bucket("mine").asave(force=True)).etag
    assert await Bucket(id="mine").arefresh() is True
    await client.close()
    monkeypatch.delenv("KINTO_SERVER")
    with pytest.raises(NoClientError, match=r"aconnect\(\) needs .*KINTO_SERVER"):
        await aconnect()


async def test_the_environments_credentials_go_to_the_environments_server_only(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINTO_AUTH", "alice:s3cret")
    client = await aconnect(server.url)
    with pytest.raises(UnauthorizedError):
        await client.bucket("mine").asave()
    await client.close()


def test_a_client_is_made_outside_of_any_loop_and_shows_no_credentials() -> None:
    for client in (
        AsyncClient("https://user:s3cret@example.com/v1"),
        AsyncClient("https://example.com/v1", auth=("user", "s3cret")),
        AsyncClient("https://example.com/v1", auth="Bearer s3cret"),
        AsyncClient("https://example.com/v1", auth=BearerToken("s3cret")),
    ):
        assert repr(client) == "<AsyncClient https://example.com/v1>"
        assert client.url == "https://example.com/v1"
        assert "s3cret" not in repr(client.repository(Task)) + repr(client.bucket("x")) + client.buckets.url


@pytest.mark.parametrize(
    ("options", "words"), [({"timeout": 0}, "timeout is seconds"), ({"retry": -1}, "negative"), ({"auth": "x"}, "auth")]
)
def test_options_are_checked_as_a_clients_are(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        AsyncClient("http://example.com/v1", **options)


# Both kinds side by side


async def test_both_kinds_are_active_side_by_side(todo: None, server: EmbeddedServer) -> None:
    with Client(server.url, auth=ALICE) as blocking:
        async with AsyncClient(server.url, auth=("bob", "hunter2")) as awaited:
            assert binding.BLOCKING.current() is blocking
            assert binding.AWAITED.current() is awaited
            task = Task(id="t1", title="alice's")
            task.save()
            with pytest.raises(ForbiddenError):
                await Task.aget("t1")  # bob's
            task.permissions.read.add("account:bob")
            task.save()
            assert (await Task.aget("t1")).title == "alice's"
            assert Task.get("t1").title == "alice's"
        assert Task.find().count() == 1


async def test_an_instance_of_one_kind_says_what_to_do_with_the_others_method(
    akinto: AsyncClient, server: EmbeddedServer
) -> None:
    task = await akinto.repository(Task).create(Task(title="x"))
    with Client(server.url, auth=ALICE):
        for use in (task.save, task.replace, task.refresh, task.delete, lambda: task.patch(title="y")):
            with pytest.raises(
                NoClientError, match=r"came from an AsyncClient: .* begins with an a.*client.repository"
            ):
                use()
        task = Task.get(task.id)
    async with akinto:
        uses: list[Callable[[], Awaitable[Any]]] = [
            task.asave,
            task.areplace,
            task.arefresh,
            task.adelete,
            lambda: task.apatch(title="y"),
        ]
        for ause in uses:
            with pytest.raises(
                NoClientError, match=r"came from a blocking Client: .* without the a.*client.repository"
            ):
                await ause()


async def test_a_handle_of_one_kind_says_what_to_do_with_the_others_properties(
    akinto: AsyncClient, server: EmbeddedServer
) -> None:
    bucket = akinto.bucket("todo")
    for use in (
        lambda: bucket.collections,
        lambda: bucket.groups,
        lambda: bucket.collection("tasks").records(Task),
    ):
        with pytest.raises(NoClientError, match="came from an AsyncClient"):
            use()
    with Client(server.url, auth=ALICE) as blocking:
        other = blocking.bucket("todo")
        for ause in (
            lambda: other.acollections,
            lambda: other.agroups,
            lambda: other.collection("tasks").arecords(Task),
        ):
            with pytest.raises(NoClientError, match="came from a blocking Client"):
                ause()


async def test_with_one_kind_active_the_others_error_names_the_twin(akinto: AsyncClient, todo: None) -> None:
    async with akinto:
        with pytest.raises(NoClientError, match=r"an AsyncClient is active: with it, await the twin .* asave\(\)"):
            Task().save()
    words = "a Client is active: with it, call the twin without the a"
    with Client(akinto.url), pytest.raises(NoClientError, match=words):
        await Task().asave()


async def test_an_instance_changes_its_kind_where_a_repository_of_the_other_saves_it(
    akinto: AsyncClient, server: EmbeddedServer
) -> None:
    task = await akinto.repository(Task).create(Task(title="x"))
    with Client(server.url, auth=ALICE) as blocking:
        task.title = "y"
        assert blocking.repository(Task).save(task).changed == {"title"}
        task.title = "z"
        assert task.save().changed == {"title"}  # known to be the same object: no conflict, only what changed
    task.title = "ä"
    assert (await akinto.repository(Task).save(task)).changed == {"title"}
    assert (await task.asave()).changed == frozenset()


# Without aiohttp

_WITHOUT_AIOHTTP = """
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] == "aiohttp" else super().find_spec(name, path, target)

sys.meta_path[:] = [Without if finder is PathFinder else finder for finder in sys.meta_path]
"""


def _without_aiohttp(code: str) -> str:
    command = [sys.executable, "-W", "error", "-c", _WITHOUT_AIOHTTP + code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_aiohttp_an_async_client_names_the_extra() -> None:
    told = _without_aiohttp(
        """
import kinto_models
from kinto_models import AsyncClient, AsyncRepository, AsyncQuery, AsyncBatch, MissingExtraError, Record, aconnect
from kinto_models import *

async def connects():
    await aconnect("http://127.0.0.1:1/v1")

for use in (lambda: AsyncClient("http://127.0.0.1:1/v1"), lambda: connects().send(None)):
    try:
        use()
    except MissingExtraError as error:
        print(error)
        assert isinstance(error, ImportError)
"""
    )
    assert told == 'AsyncClient needs aiohttp: pip install "kinto-models[async]"\n' * 2


def test_without_aiohttp_the_blocking_side_is_whole(server: EmbeddedServer) -> None:
    told = _without_aiohttp(
        f"""
from kinto_models import Client
with Client({server.url!r}, auth=("alice", "s3cret")) as kinto:
    print(kinto.buckets.count() >= 0)
"""
    )
    assert told == "True\n"


def test_without_aiohttp_an_embedded_server_does_not_stay_behind() -> None:
    told = _without_aiohttp(
        """
import threading
from kinto_models import AsyncClient, MissingExtraError
try:
    AsyncClient.embedded()
except MissingExtraError as error:
    print(error)
print([thread.name for thread in threading.enumerate()])
"""
    )
    assert told == 'AsyncClient needs aiohttp: pip install "kinto-models[async]"\n' + "['MainThread']\n"


def test_aiohttp_is_not_imported_before_an_async_client_is_made() -> None:
    code = (
        "import sys, kinto_models; from kinto_models import *; print('aiohttp' in sys.modules);"
        "AsyncClient('http://127.0.0.1:1/v1'); print('aiohttp' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["False", "True"]


# Cancellation


class Slow(Bench):
    """A way to the real server on which answers wait between ``hold()`` and ``release()``; requests do not."""

    passing = 0  # how many more answers do not wait

    def lets_pass(self) -> None:
        if self.passing:
            self.passing -= 1
        else:
            super().lets_pass()


@pytest.fixture
def slow(server: EmbeddedServer, todo: None) -> Iterator[Slow]:
    slow = Slow(server.url)
    yield slow
    slow.close()


async def _cancelled(slow: Slow, *coroutines: Any) -> None:
    """Begins these, cancels them when their requests have arrived, and lets the answers go."""
    before = len(slow.received)
    slow.hold()
    begun = [asyncio.ensure_future(each) for each in coroutines]
    await asyncio.to_thread(slow.await_requests, before + min(len(begun), 40))  # the pool has more connections
    for each in begun:
        each.cancel()
    outcomes = await asyncio.gather(*begun, return_exceptions=True)
    slow.release()
    assert [type(each) for each in outcomes] == [asyncio.CancelledError] * len(begun)


async def test_a_cancelled_save_leaves_the_instance_as_it_was(slow: Slow) -> None:
    async with AsyncClient(slow.url, auth=ALICE):
        task = Task(id="t1", title="x", tags=["a"])
        await task.asave()
        etag, permissions = task.etag, task.permissions.write
        task.title = "y"
        task.tags.append("b")
        task.permissions.read.add("account:bob")
        for write in (task.asave(), task.areplace(), task.apatch(title="z"), task.arefresh(), task.adelete()):
            await _cancelled(slow, write)
            assert (task.title, task.tags, task.etag, task.saved, task.dirty) == ("y", ["a", "b"], etag, True, True)
            assert task.permissions.read.changed
            assert task.permissions.write is permissions


async def test_a_cancelled_creation_leaves_a_new_instance_that_can_be_saved(slow: Slow) -> None:
    async with AsyncClient(slow.url, auth=ALICE):
        task = Task(id="t1", title="x")
        await _cancelled(slow, task.asave())
        assert (task.saved, task.dirty, task.etag) == (False, True, None)
        assert (await task.asave(force=True)).changed >= {"title"}
        assert (await Task.aget("t1")).title == "x"


async def test_a_time_limit_of_the_callers_is_a_cancellation(slow: Slow) -> None:
    async with AsyncClient(slow.url, auth=ALICE):
        task = Task(id="t1", title="x")
        slow.hold()
        with pytest.raises(asyncio.TimeoutError) as caught:
            await asyncio.wait_for(task.asave(), 0.05)
        slow.release()
        assert not isinstance(caught.value, KintoError)
        assert not task.saved


@pytest.mark.parametrize("number", [1, 30, 150])
async def test_after_cancelled_requests_a_client_goes_on(slow: Slow, number: int) -> None:
    # More than the pool has connections: what is cancelled must give back the place that it had, or waited for.
    async with AsyncClient(slow.url, auth=ALICE, retry=0) as kinto:
        tasks = kinto.repository(Task)
        await tasks.create(Task(id="t1", title="x"))
        await _cancelled(slow, *(tasks.get("t1") for _ in range(number)))
        got = await asyncio.wait_for(asyncio.gather(*(tasks.get("t1") for _ in range(200))), 10)
        assert {task.title for task in got} == {"x"}


async def test_a_cancelled_query_gives_up_what_it_asked_for_ahead(slow: Slow) -> None:
    async with AsyncClient(slow.url, auth=ALICE) as kinto:
        for number in range(4):
            await Task(id=f"t{number}").asave()
        seen: list[str] = []

        async def read() -> None:
            async for page in Task.afind().sort("id").pages(2):
                seen.extend(task.id for task in page)
                slow.hold()

        before = len(slow.received)
        reading = asyncio.ensure_future(read())
        await asyncio.to_thread(slow.await_requests, before + 2)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        slow.release()
        assert seen == ["t0", "t1"]
        assert await kinto.repository(Task).count() == 4


# What is edited while the answer is on its way


def _assigned(task: Task) -> dict[str, Any]:
    task.title = "edited"
    return {"title": "edited"}


def _put_back(task: Task) -> dict[str, Any]:
    task.title = "x"  # as it was before the write
    return {"title": "x"}


def _in_place(task: Task) -> dict[str, Any]:
    task.tags.append("edited")
    return {"tags": ["a", "edited"]}


@pytest.mark.parametrize(
    ("write", "edit"),
    [(w, e) for w in ("asave", "areplace", "upsert", "save", "replace") for e in (_assigned, _put_back, _in_place)]
    # Before a patch is answered its fields are what they were, so that putting one back is no edit.
    + [(w, e) for w in ("apatch", "patch") for e in (_assigned, _in_place)],
)
async def test_fields_edited_while_the_answer_is_on_its_way_stay_edited_and_are_saved_next(
    slow: Slow, write: str, edit: Callable[[Task], dict[str, Any]]
) -> None:
    with Client(slow.url, auth=ALICE) as blocking:
        async with AsyncClient(slow.url, auth=ALICE) as kinto:
            task = Task(id="t1", title="x", tags=["a"])
            await (asyncio.to_thread(task.save) if write in ("save", "replace", "patch") else task.asave())
            values: dict[str, Any] = {"title": "sent", "priority": 1}
            if "patch" not in write:
                task.title, task.priority = "sent", 1
            writes: dict[str, Callable[[], Any]] = {
                "asave": task.asave,
                "areplace": task.areplace,
                "apatch": lambda: task.apatch(**values),
                "upsert": lambda: kinto.repository(Task).upsert(task),
                "save": lambda: asyncio.to_thread(task.save),
                "replace": lambda: asyncio.to_thread(task.replace),
                "patch": lambda: asyncio.to_thread(task.patch, **values),
            }
            slow.passing = 1 if write == "upsert" else 0  # its first request finds that the object is there
            slow.hold()
            writing = asyncio.ensure_future(writes[write]())
            await asyncio.to_thread(slow.await_requests, 2 + slow.passing)
            edited = edit(task)
            slow.release()
            await writing

            assert (task.dirty, task.changes) == (True, edited)
            whole = {"title": "sent", "priority": 1, "tags": ["a"], **edited}
            assert task.model_dump(include=set(whole)) == whole
            stored = blocking.repository(Task).get("t1")
            assert (stored.title, stored.priority, stored.tags, stored.etag) == ("sent", 1, ["a"], task.etag)
            assert (await kinto.repository(Task).save(task)).changed == edited.keys()
            assert blocking.repository(Task).get("t1").model_dump(include=set(whole)) == whole


async def test_fields_edited_while_a_creation_is_on_its_way_stay_edited(slow: Slow) -> None:
    async with AsyncClient(slow.url, auth=ALICE):
        task = Task(id="t1", title="x")
        slow.hold()
        writing = asyncio.ensure_future(task.asave())
        await asyncio.to_thread(slow.await_requests)
        task.title = "edited"
        slow.release()
        assert (await writing).created
        assert (task.title, task.saved, task.dirty) == ("edited", True, True)
        assert (await task.asave()).changed == {"title"}
        assert (await Task.aget("t1")).title == "edited"


async def test_an_unknown_field_added_or_removed_on_the_way_stays_so(slow: Slow) -> None:
    async with AsyncClient(slow.url, auth=ALICE):
        free = Free.model_validate({"id": "t1", "title": "x", "old": 1, "same": 1})
        await free.asave()
        free.title = "y"
        slow.hold()
        writing = asyncio.ensure_future(free.asave())
        await asyncio.to_thread(slow.await_requests, 2)
        assert free.model_extra is not None
        free.model_extra["new"] = 2
        del free.model_extra["old"]
        slow.release()
        await writing
        assert free.model_extra == {"same": 1, "new": 2}
        assert (await free.asave()).changed == {"new", "old"}
        assert (await Free.aget("t1")).model_extra == {"same": 1, "new": 2}


def _grant(task: Task) -> None:
    task.permissions.read.add("account:eve")


def _revoke(task: Task) -> None:
    task.permissions.read.discard("account:bob")


def _exchange(task: Task) -> None:
    _revoke(task)
    _grant(task)


@pytest.mark.parametrize(
    ("edit", "wanted"),
    [(_grant, {"account:bob", "account:eve"}), (_revoke, set[str]()), (_exchange, {"account:eve"})],
)
@pytest.mark.parametrize("kind", ["asave", "save"])
async def test_permissions_edited_while_the_answer_is_on_its_way_stay_edited_and_are_saved_next(
    slow: Slow, kind: str, edit: Callable[[Task], None], wanted: set[str]
) -> None:
    with Client(slow.url, auth=ALICE) as blocking:
        async with AsyncClient(slow.url, auth=ALICE) as kinto:
            task = Task(id="t1", title="x")
            if kind == "asave":
                await task.asave()
            else:
                task.save()
            task.permissions.read.add("account:bob")
            slow.hold()
            writing = asyncio.ensure_future(task.asave() if kind == "asave" else asyncio.to_thread(task.save))
            await asyncio.to_thread(slow.await_requests, 2)
            edit(task)
            slow.release()
            assert (await writing).changed == {"permissions"}
            assert set(task.permissions.read) == wanted
            assert task.permissions.read.changed
            assert set(blocking.repository(Task).get("t1").permissions.read) == {"account:bob"}
            assert (await kinto.repository(Task).save(task)).changed == {"permissions"}
            assert set(blocking.repository(Task).get("t1").permissions.read) == wanted


async def test_permissions_that_nobody_edited_on_the_way_are_what_the_server_answered(slow: Slow) -> None:
    async with AsyncClient(slow.url, auth=ALICE):
        task = Task(id="t1", title="x")
        task.permissions.read.add("account:bob")
        await task.asave()
        assert not task.permissions.read.changed
        assert set(task.permissions.write) == {"account:alice"}  # which the server added


# Reading ahead


def _page(loopback: Loopback, *ids: str, more: bool = False) -> None:
    following = {"Next-Page": f"{loopback.url}/buckets/todo/collections/tasks/records?_token={ids[0]}"} if more else {}
    body = json.dumps({"data": [{"id": each, "last_modified": 1, "title": each} for each in ids]}).encode()
    loopback.answers(200, {"ETag": '"1"', "Content-Type": "application/json", **following}, body)


@pytest.fixture
async def tasks(loopback: Loopback) -> AsyncIterator[AsyncRepository[Task]]:
    """The tasks of the ``loopback`` server, through a client that never tries again."""
    async with AsyncClient(loopback.url, retry=0) as kinto:
        yield kinto.repository(Task)


async def test_the_next_page_is_asked_for_while_one_is_dealt_with(
    loopback: Loopback, tasks: AsyncRepository[Task]
) -> None:
    _page(loopback, "a", "b", more=True)
    _page(loopback, "c")
    seen: list[str] = []
    async for task in tasks.find():
        if not seen:
            await asyncio.to_thread(loopback.await_requests, 2)
        seen.append(task.id)
    assert seen == ["a", "b", "c"]
    assert len(loopback.received) == 2


async def test_not_more_than_one_page_is_asked_for_ahead(loopback: Loopback, tasks: AsyncRepository[Task]) -> None:
    for letter in "abcd":
        _page(loopback, letter, more=letter != "d")
    asked: list[int] = []
    async for _ in tasks.find().pages():
        await asyncio.to_thread(loopback.await_requests, min(len(asked) + 2, 4))
        await asyncio.sleep(0.01)  # for what must not come
        asked.append(len(loopback.received))
    assert asked == [2, 3, 4, 4]


@pytest.mark.parametrize("following", ["a page", "an error", "garbage", "a cut", "nothing"])
@pytest.mark.parametrize("settled", [False, True])
async def test_breaking_out_of_a_query_leaves_nothing_behind(
    loopback: Loopback, tasks: AsyncRepository[Task], following: str, settled: Any
) -> None:
    _page(loopback, "a", "b", more=True)
    if following == "a page":
        _page(loopback, "c")
    elif following == "an error":
        loopback.answers(500, {}, b"{}")
    elif following == "garbage":
        loopback.answers(200, {}, b"<html>")
    else:
        loopback.says(b"", "close" if following == "a cut" else "stall")
    async for task in tasks.find():
        assert task.id == "a"
        if settled and following != "nothing":
            await asyncio.to_thread(loopback.await_requests, 2)
            await asyncio.sleep(0.02)  # for the answer, or the error
        break
    if settled and following != "nothing":  # otherwise what was asked for ahead may arrive later, or never
        loopback.forget()
        _page(loopback, "z")
        assert [task.id async for task in tasks.find()] == ["z"]


async def test_an_exception_in_the_loop_leaves_nothing_behind(loopback: Loopback, tasks: AsyncRepository[Task]) -> None:
    _page(loopback, "a", more=True)
    loopback.says(b"", "stall")

    async def read() -> None:
        async for page in tasks.find().pages():
            _ = 1 / (len(page) - 1)

    with pytest.raises(ZeroDivisionError):
        await read()


async def test_a_query_that_is_left_unfinished_when_its_loop_ends_leaves_nothing_behind(loopback: Loopback) -> None:
    _page(loopback, "a", more=True)
    loopback.says(b"", "reset")

    async def begin() -> str:
        async with AsyncClient(loopback.url, retry=0) as kinto:
            pages = kinto.repository(Task).find().pages()
            first = await anext_of(pages)
            await asyncio.to_thread(loopback.await_requests, 2)
            return first[0].id

    told: list[Any] = []

    def run() -> None:
        async def main() -> str:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
            return await begin()

        told.append(asyncio.run(main()))

    thread = threading.Thread(target=run)
    thread.start()
    await asyncio.to_thread(thread.join, 10)
    gc.collect()
    assert told == ["a"]


async def anext_of(pages: AsyncIterator[Page[Task]]) -> Page[Task]:
    return await pages.__anext__()


@pytest.mark.parametrize("fault", ["status", "garbage", "cut"])
async def test_an_error_on_the_second_page_comes_after_the_first_was_given(
    loopback: Loopback, tasks: AsyncRepository[Task], fault: str
) -> None:
    _page(loopback, "a", "b", more=True)
    if fault == "status":
        loopback.answers(500, {}, b"{}")
    elif fault == "garbage":
        loopback.answers(200, {}, b"<html>")
    else:
        loopback.says(b"", "reset")
    seen: list[str] = []

    async def read() -> None:
        async for page in tasks.find().pages():
            seen.extend(task.id for task in page)

    with pytest.raises(KintoError):
        await read()
    assert seen == ["a", "b"]
    assert len(loopback.received) == 2


async def test_two_loops_over_one_query_at_once_do_not_mix(akinto: AsyncClient) -> None:
    tasks = akinto.repository(Task)
    for number in range(6):
        await tasks.create(Task(id=f"t{number}"))
    query = tasks.find().sort("id")

    async def ids(size: int) -> list[str]:
        return [task.id async for page in query.pages(size) for task in page]

    wanted = [f"t{number}" for number in range(6)]
    assert list(await asyncio.gather(ids(1), ids(2), ids(4))) == [wanted] * 3


async def test_a_query_is_no_blocking_one(akinto: AsyncClient) -> None:
    query: Any = akinto.repository(Task).find()
    with pytest.raises(TypeError):
        iter(query)
    with pytest.raises(TypeError, match="truth value"):
        bool(query)


# Waiting


async def test_retries_wait_without_blocking_the_loop(loopback: Loopback) -> None:
    loopback.answers(503, {"Retry-After": "0"})
    loopback.answers(502)
    _page(loopback, "a")
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.005)

    ticking = asyncio.ensure_future(tick())
    async with AsyncClient(loopback.url, retry=RetryPolicy(retries=2, backoff=0.05)) as kinto:
        kinto._runner.pacing.dice = lambda: 1.0
        started = time.monotonic()
        assert [task.id for task in await kinto.repository(Task).find().all()] == ["a"]
        assert time.monotonic() - started > 0.09  # the second pause is twice the backoff
    ticking.cancel()
    assert len(loopback.received) == 3
    assert ticks > 5


async def test_a_write_that_would_do_more_is_sent_once_when_the_wire_fails_and_a_read_again(loopback: Loopback) -> None:
    async with AsyncClient(loopback.url, retry=RetryPolicy(retries=2, backoff=0.001)) as kinto:
        tasks = kinto.repository(Task)
        loopback.says(b"", "reset")
        with pytest.raises(UncertainOutcomeError) as caught:
            await tasks.patch("t1", edit(Task.tags).append("x"))
        assert isinstance(caught.value.__cause__, ConnectionError)
        assert len(loopback.received) == 1
        loopback.forget()
        loopback.says(b"", "reset")
        _page(loopback, "a")
        assert len(await tasks.find().all()) == 1
        assert len(loopback.received) == 2


async def test_a_pause_can_be_cancelled(loopback: Loopback) -> None:
    loopback.answers(503, {"Retry-After": "20"})
    async with AsyncClient(loopback.url, retry=1) as kinto:
        reading = asyncio.ensure_future(kinto.repository(Task).get("t1"))
        await asyncio.to_thread(loopback.await_requests)
        await asyncio.sleep(0.02)
        assert not reading.done()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    assert len(loopback.received) == 1


async def test_the_last_outcome_of_the_tries_is_the_error(loopback: Loopback) -> None:
    loopback.answers(500)
    loopback.answers(503, {"Retry-After": "100"})
    async with AsyncClient(loopback.url, retry=RetryPolicy(retries=5, backoff=0.001)) as kinto:
        with pytest.raises(UnavailableError) as caught:
            await kinto.repository(Task).get("t1")
    assert caught.value.retry_after == 100
    assert isinstance(caught.value, ServerFailedError)


async def test_a_server_that_stalls_is_a_timeout(loopback: Loopback) -> None:
    loopback.says(b"", "stall")
    async with AsyncClient(loopback.url, timeout=0.1, retry=0) as kinto:
        task = Task(id="t1")
        with pytest.raises(UncertainOutcomeError) as caught:
            await kinto.repository(Task).save(task)
    assert isinstance(caught.value.__cause__, ReadTimeoutError)
    assert not task.saved


async def test_reads_at_once_take_as_long_as_one(loopback: Loopback, tasks: AsyncRepository[Task]) -> None:
    loopback.delay = 0.1
    for _ in range(16):
        loopback.answers(200, {"ETag": '"1"'}, b'{"data":{"id":"t1","last_modified":1}}')
    started = time.monotonic()
    got = await asyncio.gather(*(tasks.get("t1") for _ in range(16)))
    assert time.monotonic() - started < 0.8  # one after another they take 1.6
    assert [task.id for task in got] == ["t1"] * 16


async def test_writes_at_once_of_many_instances_are_all_there(akinto: AsyncClient) -> None:
    tasks = akinto.repository(Task)
    await asyncio.gather(*(tasks.create(Task(id=f"t{number}", priority=number)) for number in range(40)))
    assert {task.priority async for task in tasks.find()} == set(range(40))


async def test_two_saves_at_once_of_one_instance_are_a_conflict_or_one_after_the_other(akinto: AsyncClient) -> None:
    tasks = akinto.repository(Task)
    task = await tasks.create(Task(id="t1"))
    task.title = "y"
    outcomes = await asyncio.gather(task.asave(), task.asave(), return_exceptions=True)
    assert all(not isinstance(each, BaseException) or isinstance(each, ConflictError) for each in outcomes)
    assert (await tasks.get("t1")).title == "y"
    assert (task.title, task.dirty) == ("y", False)


async def test_a_client_that_is_closed_while_it_is_used_says_so_to_all(loopback: Loopback) -> None:
    """Also to those that wait for one of its connections: nobody cancelled them."""
    loopback.delay = 0.5
    client = AsyncClient(loopback.url, retry=0)
    tasks = [asyncio.create_task(client.repository(Task).get("t1")) for _ in range(80)]
    await asyncio.sleep(0.1)
    await client.close()
    told = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(each) for each in told} <= {ConnectionFailedError, NoClientError}
    assert all("closed" in str(each) for each in told)
