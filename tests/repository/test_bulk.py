"""Bulk operations: any number of objects with few requests, a chunk of them in memory at a time."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import pytest
from pydantic import Field, ValidationError

from kinto_models import (
    AlreadyExistsError,
    AsyncClient,
    BatchError,
    BulkResult,
    Client,
    ConflictError,
    InvalidIdError,
    InvalidRequestError,
    NotFoundError,
    NotSavedError,
    NotSentError,
    Outcome,
    Progress,
    Record,
    Repository,
    ServerFailedError,
    ServerIds,
    UnavailableError,
    UncertainOutcomeError,
)
from kinto_models.embedded import EmbeddedServer
from tests.conftest import Wire
from tests.faults import Answer, Bench, Cut
from tests.loopback import Loopback
from tests.repository.conftest import ALICE, Opened, told


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""
    priority: int = Field(default=3, ge=0)
    tags: list[str] = []


class Numbered(Record, bucket="todo", collection="tasks", ids=ServerIds):
    title: str = ""


@pytest.fixture
def tasks(kinto: Client) -> Repository[Task]:
    return kinto.repository(Task)


def some(number: int) -> list[Task]:
    return [Task(id=f"t{each}", title=str(each)) for each in range(number)]


def requests(wire: Wire) -> list[int]:
    """How many parts each request had; the question for the limit left out."""
    sent = [request for request in wire.sent if request.target != "/"]
    return [len(json.loads(each.body or b"")["requests"]) if each.target == "/batch" else 1 for each in sent]


# What each does


@pytest.mark.parametrize(
    ("number", "sizes"),
    [(0, []), (1, [1]), (2, [2]), (25, [25]), (26, [25, 1]), (60, [25, 25, 10]), (100, [25, 25, 25, 25])],
)
def test_creating_many_takes_few_requests(tasks: Repository[Task], wire: Wire, number: int, sizes: list[int]) -> None:
    created = some(number)
    result = tasks.create_many(created)
    assert result == BulkResult(created=number)
    assert result.total == number
    assert requests(wire) == sizes
    assert all(task.saved and not task.dirty and task.permissions.known for task in created)
    assert {(task.id, task.title, task.etag) for task in tasks.find()} == {(t.id, t.title, t.etag) for t in created}


def test_saving_many_creates_changes_and_leaves_alone(tasks: Repository[Task], wire: Wire) -> None:
    there = some(6)
    tasks.create_many(there)
    for task in there[:2]:
        task.tags.append("changed")
    wire.clear()
    result = tasks.save_many([*there, Task(id="new"), Task(id="newer")])
    assert result == BulkResult(created=2, updated=2, unchanged=4)
    assert requests(wire) == [4]
    assert [part["method"] for part in wire.body()["requests"]] == ["PATCH", "PATCH", "PUT", "PUT"]
    wire.clear()
    assert tasks.save_many(there) == BulkResult(unchanged=6)
    assert tasks.save_many(tasks.find().all()).unchanged == 8
    assert [request for request in wire.sent if not request.safe] == []


def test_saving_many_by_force_overwrites(tasks: Repository[Task]) -> None:
    mine = some(3)
    tasks.create_many(mine)
    for task in tasks.find().all():
        task.patch(title="theirs")
    for task in mine:
        task.title = "mine"
    with pytest.raises(BatchError, match="3 of 3 failed") as caught:
        tasks.save_many(mine)
    assert {type(error) for _, error in caught.value.failures} == {ConflictError}
    assert tasks.save_many(mine, force=True) == BulkResult(updated=3)
    assert {task.title for task in tasks.find()} == {"mine"}


def test_upserting_many_merges_into_what_is_there(kinto: Client, tasks: Repository[Task], wire: Wire) -> None:
    lenient = kinto.repository(Record, bucket="todo", collection="tasks")
    lenient.create(Record.model_validate({"id": "t0", "title": "theirs", "other": 1}))
    lenient.create(Record.model_validate({"id": "t1", "title": "1", "priority": 3, "tags": []}))
    wire.clear()
    assert tasks.upsert_many(some(4)) == BulkResult(created=2, updated=1, unchanged=1)
    assert requests(wire) == [4, 1]
    assert lenient.get("t0").model_extra == {"title": "0", "other": 1}


def test_deleting_many_takes_instances_and_ids(tasks: Repository[Task], wire: Wire) -> None:
    there = some(5)
    tasks.create_many(there)
    wire.clear()
    result = tasks.delete_many([there[0], "t1", there[2], "missing"], missing_ok=True)
    assert result == BulkResult(deleted=3, unchanged=1)
    assert requests(wire) == [4]
    assert [part.get("headers", {}).keys() for part in wire.body()["requests"]] == [
        *({"If-Match"}, set()),
        *({"If-Match"}, set()),
    ]
    assert [task.saved for task in there] == [False, True, False, True, True]
    assert {task.id for task in tasks.find()} == {"t3", "t4"}


def test_deleting_many_checks_etags_unless_it_is_forced(tasks: Repository[Task]) -> None:
    there = some(2)
    tasks.create_many(there)
    tasks.patch("t0", title="theirs")
    with pytest.raises(BatchError, match="3 of 4 failed") as caught:
        tasks.delete_many([*there, Task(id="t0"), "missing"])
    failures = caught.value.failures
    assert {type(error) for _, error in failures} == {NotFoundError, ConflictError, NotSavedError}
    assert [target for target, error in failures if isinstance(error, ConflictError)] == [there[0]]
    assert tasks.delete_many([there[0]], force=True) == BulkResult(deleted=1)


def test_ids_of_the_server_come_in_bulk_too(kinto: Client, wire: Wire) -> None:
    made = [Numbered(title=str(number)) for number in range(30)]
    wire.clear()
    assert kinto.repository(Numbered).create_many(made) == BulkResult(created=30)
    assert requests(wire) == [25, 5]
    assert len({each.id for each in made} - {""}) == 30
    assert {each.id: each.title for each in kinto.repository(Numbered).find()} == {e.id: e.title for e in made}


# Failures


def test_one_that_fails_stops_none_of_the_others(tasks: Repository[Task]) -> None:
    tasks.create(Task(id="t3", title="theirs"))
    created = some(30)
    created[5].tags.append(1)  # type: ignore[arg-type]  # in place, so pydantic does not see it
    with pytest.raises(BatchError, match="2 of 30 failed") as caught:
        tasks.create_many(created)
    failures = {target.id: error for target, error in caught.value.failures}
    assert {name: type(error) for name, error in failures.items()} == {
        "t3": AlreadyExistsError,
        "t5": ValidationError,
    }
    assert all(target in created for target, _ in caught.value.failures)
    assert [task.id for task in created if not task.saved] == ["t3", "t5"]
    assert tasks.count() == 29
    assert tasks.get("t3").title == "theirs"


def test_each_hears_of_every_outcome_and_nothing_is_raised_then(tasks: Repository[Task]) -> None:
    tasks.create(Task(id="t3", title="theirs"))
    created = some(30)
    heard: dict[str, Outcome[Any]] = {}

    def each(task: Task, outcome: Outcome[Any]) -> None:
        assert outcome.target is task
        assert task.id not in heard
        heard[task.id] = outcome

    assert tasks.create_many(created, each=each) == BulkResult(created=29, failed=1)
    assert heard.keys() == {task.id for task in created}
    assert isinstance(heard["t3"].error, AlreadyExistsError)
    assert all(outcome.done and outcome.result().created for name, outcome in heard.items() if name != "t3")


def test_ids_that_fail_are_the_targets_themselves(tasks: Repository[Task]) -> None:
    heard: list[tuple[object, object]] = []
    result = tasks.delete_many(
        ["a", "no id!"], each=lambda target, outcome: heard.append((target, type(outcome.error)))
    )
    assert result == BulkResult(failed=2)
    assert sorted(heard, key=str) == [("a", NotFoundError), ("no id!", InvalidIdError)]


def test_what_each_raises_comes_through(tasks: Repository[Task]) -> None:
    def each(task: Task, outcome: Outcome[Any]) -> None:
        raise ZeroDivisionError(task.id)

    with pytest.raises(ZeroDivisionError):
        tasks.create_many(some(60), each=each)
    assert tasks.count() == 25


def test_the_same_instance_twice_is_written_once(tasks: Repository[Task], wire: Wire) -> None:
    task, other = Task(id="a"), Task(id="b")
    assert tasks.save_many([task, other, task]) == BulkResult(created=2, unchanged=1)
    assert [request.method for request in wire.sent if request.target != "/"] == ["POST"]
    with pytest.raises(BatchError, match="1 of 3 failed"):
        tasks.create_many([Task(id="c"), Task(id="d"), Task(id="c")])
    assert tasks.upsert_many([Task(id="e", title="1"), Task(id="f"), Task(id="e", title="2")]) == BulkResult(
        created=2, updated=1
    )
    assert tasks.get("e").title == "2"
    with pytest.raises(BatchError, match="1 of 3 failed") as caught:
        tasks.delete_many(["a", "b", "a"])
    assert [target for target, _ in caught.value.failures] == ["a"]


def test_what_an_iterable_gave_before_it_raised_is_sent(tasks: Repository[Task]) -> None:
    def broken() -> Iterator[Task]:
        yield from some(30)
        raise ZeroDivisionError("the file ended here")

    heard: list[Task] = []
    with pytest.raises(ZeroDivisionError, match="the file ended here"):
        tasks.create_many(broken(), each=lambda task, _: heard.append(task))
    assert tasks.count() == len(heard) == 30


def test_what_is_no_object_fails_by_itself(tasks: Repository[Task]) -> None:
    strange: Any = object()
    with pytest.raises(BatchError, match="1 of 2 failed") as caught:
        tasks.create_many([strange, Task(id="a")])
    assert [target for target, _ in caught.value.failures] == [strange]
    assert tasks.count() == 1


@pytest.mark.parametrize("sized", [True, False])
async def test_a_server_that_is_gone_ends_the_reading(
    bench: Bench, four: Client, opened: Opened, sized: object
) -> None:
    bench.plan(Cut("request"), holding=b"t5")
    taken: list[Task] = []

    def objects() -> Iterator[Task]:
        for task in some(40):
            taken.append(task)
            yield task

    async with opened(bench.url, retry=0) as client:
        with pytest.raises(
            BatchError, match="failed; POST /batch: it may have been carried out, and may not"
        ) as caught:
            await told(client.repository(Task).create_many(some(40) if sized else objects()))
    assert isinstance(caught.value.__cause__, UncertainOutcomeError)
    kinds = [type(error) for _, error in caught.value.failures]
    assert kinds[:4] == [UncertainOutcomeError] * 4
    # Of what follows no more is read than was made ready while the server had the chunk.
    assert set(kinds[4:]) <= {NotSentError}
    assert len(kinds) <= 8
    assert [target.id for target, _ in caught.value.failures] == [f"t{number}" for number in range(4, 4 + len(kinds))]
    assert len(taken) == (0 if sized else 4 + len(kinds))
    assert four.repository(Task).count() == 4
    assert len(bench.received) == 3


async def test_a_server_that_is_gone_is_said_also_where_each_hears_of_failures(
    bench: Bench, four: Client, opened: Opened
) -> None:
    bench.plan(Answer(503), holding=b"t5")
    heard: dict[str, Outcome[Any]] = {}
    taken: list[str] = []

    def objects() -> Iterator[Task]:
        for task in some(40):
            taken.append(task.id)
            yield task

    async with opened(bench.url, retry=0) as client:
        with pytest.raises(BatchError, match="what followed was not sent, .* 503") as caught:
            await told(
                client.repository(Task).create_many(objects(), each=lambda task, out: heard.update({task.id: out}))
            )
    assert isinstance(caught.value.__cause__, UnavailableError)
    assert caught.value.failures == ()
    assert list(heard) == taken
    kinds = [type(outcome.error) for outcome in heard.values()]
    assert kinds[:8] == [type(None)] * 4 + [UnavailableError] * 4
    assert set(kinds[8:]) <= {NotSentError}
    assert f"{len(kinds) - 4} of {len(kinds)} failed" in str(caught.value)
    assert four.repository(Task).count() == 4


@pytest.mark.parametrize("kind", ["instance", "id", "unbatchable"])
async def test_whoever_is_taken_from_the_iterable_hears_of_it_also_where_the_server_goes(
    bench: Bench, four: Client, opened: Opened, kind: str
) -> None:
    """One that has to wait for the chunk before it: the same instance, the same id, or a request of another kind."""
    tasks = some(3)
    four.repository(Task).create_many(tasks)
    heard: list[Any] = []
    async with opened(bench.url, retry=0) as client:
        mine = [await told(client.repository(Task).get(f"t{number}")) for number in range(2)]
        by_id = ["t0", "t1", "t0" if kind == "id" else "batch"]
        targets: list[Any] = [*mine, mine[0]] if kind == "instance" else by_id
        bench.plan(Cut("request"), holding=b"/batch ")
        with pytest.raises(BatchError, match="3 of 3 failed"):
            await told(
                client.repository(Task).delete_many(iter(targets), each=lambda t, out: heard.append((t, out.error)))
            )
    assert [target for target, _ in heard] == targets
    assert [type(error) for _, error in heard] == [UncertainOutcomeError, UncertainOutcomeError, NotSentError]


async def test_a_failing_server_is_asked_for_the_rest(bench: Bench, four: Client, opened: Opened) -> None:
    """A 500 says nothing of other chunks."""
    bench.plan(Answer(500), holding=b"t5")
    async with opened(bench.url) as client:
        with pytest.raises(BatchError, match="4 of 12 failed") as caught:
            await told(client.repository(Task).create_many(some(12)))
    assert {target.id for target, _ in caught.value.failures} == {"t4", "t5", "t6", "t7"}
    assert {type(error) for _, error in caught.value.failures} == {ServerFailedError}
    assert four.repository(Task).count() == 8


def test_no_permission_is_each_ones_own_failure(kinto: Client, server: EmbeddedServer) -> None:
    with Client(server.url, auth=("bob", "hunter2")) as bob, pytest.raises(BatchError, match="3 of 3") as caught:
        bob.repository(Task).create_many(some(3))
    assert [getattr(error, "status", None) for _, error in caught.value.failures] == [403] * 3


def test_a_schema_refuses_one_and_not_the_others(kinto: Client, tasks: Repository[Task]) -> None:
    collection = kinto.bucket("todo").collection("tasks")
    collection.json_schema = {"properties": {"title": {"maxLength": 1}}}
    collection.save(force=True)
    with pytest.raises(BatchError, match="1 of 11 failed") as caught:
        tasks.create_many(some(11))
    ((target, error),) = caught.value.failures
    assert target.id == "t10"
    assert isinstance(error, InvalidRequestError)


# Memory


def _made(number: int, alive: set[int], most: list[int]) -> Iterator[Task]:
    for each in range(number):
        task = Task(id=f"t{each}")
        alive.add(each)
        weakref.finalize(task, alive.discard, each)
        most[0] = max(most[0], len(alive))
        yield task
        del task


_ROOT = b'{"settings":{"batch_max_requests":500}}'
_GONE = b'{"status":200,"body":{"data":{"id":"t%d","last_modified":5,"deleted":true}}}'
_MISSING = b'{"status":404,"body":{"errno":110}}'


@pytest.mark.parametrize(
    ("answer", "result", "limit"),
    [
        (_GONE, BulkResult(deleted=20_000), 1001),  # a chunk with the server, one that is made ready, one more
        (
            _MISSING,
            BulkResult(unchanged=20_000),
            1001,
        ),  # also where each is an error, which holds on to what it passed through
    ],
)
def test_a_generator_is_never_in_memory_as_a_whole(
    loopback: Loopback, answer: bytes, result: BulkResult, limit: int
) -> None:
    loopback.answers(body=_ROOT)
    for first in range(0, 20_000, 500):
        parts = [answer.replace(b"%d", str(number).encode()) for number in range(first, first + 500)]
        loopback.answers(body=b'{"responses":[' + b",".join(parts) + b"]}")
    alive: set[int] = set()
    most = [0]
    with Client(loopback.url, retry=0) as kinto:
        gc.collect()
        gc.disable()  # nothing may be left to the garbage collector
        try:
            objects = _made(20_000, alive, most)
            assert kinto.repository(Task).delete_many(objects, force=True, missing_ok=True) == result
        finally:
            gc.enable()
    assert most[0] <= limit
    assert len(loopback.received) == 41


# Progress


@pytest.mark.parametrize("number", [1, 24, 25, 26, 50, 130])
@pytest.mark.parametrize("sized", [True, False])
def test_progress_goes_up_and_ends_with_all(tasks: Repository[Task], number: int, sized: object) -> None:
    tasks.create(Task(id="t0"))
    seen: list[Progress] = []
    objs: Iterable[Task] = some(number) if sized else iter(some(number))
    tasks.create_many(objs, each=lambda *_: None, progress=seen.append)
    assert [each.total for each in seen] == [number if sized else None] * len(seen)
    done = [each.done for each in seen]
    assert done == sorted(set(done))
    assert seen[-1] == Progress(number, 1, number if sized else None)
    assert len(seen) >= number / 25
    assert [each.failed for each in seen] == sorted(each.failed for each in seen)


def test_progress_is_told_also_where_something_failed(tasks: Repository[Task]) -> None:
    seen: list[Progress] = []
    with pytest.raises(BatchError):
        tasks.delete_many(["a", "b"], progress=seen.append)
    assert seen == [Progress(2, 2, 2)]


# Async


async def test_an_async_iterable_is_read_as_its_objects_are_sent(server: EmbeddedServer, kinto: Client) -> None:
    taken: list[int] = []
    sent_at: list[int] = []

    async def objects() -> AsyncIterator[Task]:
        for task in some(600):
            taken.append(1)
            yield task

    async with AsyncClient(server.url, auth=ALICE) as client:
        seen: list[Progress] = []
        tasks = client.repository(Task)
        result = await tasks.delete_many(
            (task.id async for task in objects()),
            missing_ok=True,
            each=lambda *_: sent_at.append(len(taken)),
            progress=seen.append,
        )
        assert result == BulkResult(unchanged=600)
        assert sent_at[0] <= 501
        assert max(sent_at[:500]) <= 501
        assert seen[-1] == Progress(600, 0, None)
        assert await tasks.create_many(task async for task in _few(30)) == BulkResult(created=30)
        assert await tasks.create_many(_nothing()) == BulkResult()
        found = await tasks.find().all()
        found[0].title = "changed"
        assert await tasks.save_many(found) == BulkResult(updated=1, unchanged=29)
        assert await tasks.upsert_many(_few(31)) == BulkResult(created=1, updated=1, unchanged=29)
        assert await tasks.delete_many(await tasks.find().all()) == BulkResult(deleted=31)
    assert kinto.repository(Task).count() == 0


async def _few(number: int) -> AsyncIterator[Task]:
    for task in some(number):
        yield task


async def _nothing() -> AsyncIterator[Task]:
    for task in some(0):
        yield task


async def test_what_an_async_iterable_gave_before_it_raised_is_sent(server: EmbeddedServer, kinto: Client) -> None:
    async def broken() -> AsyncIterator[str]:
        for number in range(510):
            yield f"t{number}"
        raise ZeroDivisionError("the file ended here")

    kinto.repository(Task).create_many([Task(id="t0"), Task(id="t499"), Task(id="t505")])
    async with AsyncClient(server.url, auth=ALICE) as client:
        with pytest.raises(ZeroDivisionError, match="the file ended here"):
            await client.repository(Task).delete_many(broken(), missing_ok=True)
    assert [task.id for task in kinto.repository(Task).find()] == []


async def test_a_server_that_is_gone_ends_the_reading_of_an_async_iterable(bench: Bench, four: Client) -> None:
    bench.plan(Cut("request"), holding=b"t5")
    taken: list[Task] = []

    async def objects() -> AsyncIterator[Task]:
        for task in some(600):
            taken.append(task)
            yield task

    async with AsyncClient(bench.url, auth=ALICE, retry=0) as client:
        with pytest.raises(BatchError) as caught:
            await client.repository(Task).create_many(objects())
    assert isinstance(caught.value.__cause__, UncertainOutcomeError)
    assert four.repository(Task).count() == 4
    assert len(taken) <= 501


# Slips


@pytest.mark.parametrize("slip", ["abc", b"abc", Task(id="a"), {"id": "a"}, 3, None])
def test_what_is_no_iterable_of_objects_is_refused_before_anything_is_sent(
    kinto: Client, wire: Wire, slip: Any
) -> None:
    """A text is one: of its letters, each the id of another record."""
    wire.clear()
    with pytest.raises(TypeError, match="takes an iterable of objects"):
        kinto.repository(Task).delete_many(slip)
    assert wire.sent == []


def test_a_function_that_would_have_to_be_awaited_is_refused(kinto: Client) -> None:
    async def each(task: Task, outcome: Any) -> None:
        raise AssertionError

    never: Any = each
    with pytest.raises(TypeError, match="plain functions"):
        kinto.repository(Task).create_many([Task()], each=never)
    with pytest.raises(TypeError, match="plain functions"):
        kinto.repository(Task).create_many([Task()], progress=never)


async def test_an_async_iterable_is_sent_as_far_as_it_fills_a_batch(server: EmbeddedServer, kinto: Client) -> None:
    stored: list[int] = []

    async def slowly() -> AsyncIterator[Task]:
        for number in range(60):
            stored.append(kinto.repository(Task).count())
            yield Task(id=f"t{number}")

    async with AsyncClient(server.url, auth=ALICE) as client:
        assert (await client.repository(Task).create_many(slowly())).created == 60
    assert (stored[24], stored[25], stored[50]) == (0, 25, 50)
