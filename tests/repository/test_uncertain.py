"""Answers that are lost: what was carried out is a success, and what nobody can tell is said to be so."""

from __future__ import annotations

import json
import pickle
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kinto_models import (
    AbortedError,
    AlreadyExistsError,
    BatchError,
    BrokenAnswerError,
    Bucket,
    Client,
    ConflictError,
    ConnectionFailedError,
    Event,
    ForbiddenError,
    Record,
    RetryPolicy,
    ServerFailedError,
    ServerIds,
    TransportError,
    UnavailableError,
    UncertainOutcomeError,
    edit,
)
from kinto_models.embedded import EmbeddedServer
from kinto_models.protocol.messages import Request, Response
from tests.conftest import Wire
from tests.faults import Answer, Bench, Cut
from tests.loopback import Loopback
from tests.production import Production
from tests.repository.conftest import Opened, carry_out, told


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""
    views: int = 0
    score: float = 0.0
    tags: list[str] = []


class Numbered(Record, bucket="todo", collection="tasks", ids=ServerIds):
    title: str = ""


QUICK = RetryPolicy(retries=2, backoff=0.001)


class Between(RetryPolicy):
    """Has something happen between two tries."""

    def happens(self, function: Callable[[], object]) -> Between:
        object.__setattr__(self, "_functions", [function])
        return self

    def delay(self, attempt: int, request: Request, outcome: Response | TransportError, chance: float) -> float | None:
        delay = super().delay(attempt, request, outcome, 0.0)
        functions: list[Callable[[], object]] = self._functions  # type: ignore[attr-defined]  # see happens()
        if delay is not None and functions:
            functions.pop()()
        return delay


@asynccontextmanager
async def overtaken(four: Client, bench: Bench, opened: Opened, **theirs: Any) -> AsyncGenerator[tuple[Any, Task]]:
    """A client, and an instance with another title: the answer to its writing is lost, and then others write this."""
    tasks = four.repository(Task)
    tasks.create(Task(id="a"))
    policy = Between(retries=2, backoff=0.001).happens(lambda: tasks.patch("a", **theirs))
    async with opened(bench.url, retry=policy) as client:
        task = await told(client.repository(Task).get("a"))
        task.title = "mine"
        bench.plan(Cut("answer"), holding=b'"mine"')
        yield client, task


def stored(four: Client, object_id: str) -> dict[str, Any]:
    return four.repository(Task).get(object_id).model_dump(exclude={"id", "last_modified"})


def lines(bench: Bench) -> list[str]:
    return [each.line.split()[0] for each in bench.received]


# What looking clears


async def test_a_creation_whose_answer_was_lost_is_a_success(four: Client, bench: Bench, opened: Opened) -> None:
    task, events = Task(title="x", score=1e22, tags=["a"]), list[Event[Task]]()
    task.permissions.read.add("account:bob")
    bench.plan(Cut("answer"), holding=b"PUT")
    async with opened(bench.url, retry=QUICK) as client:
        client.subscribe(Task)(events.append)
        result = await told(client.repository(Task).save(task))
    assert (result.created, result.etag) == (True, task.etag)
    assert lines(bench) == ["PUT", "PUT", "GET"]
    assert not task.dirty
    assert "account:bob" in task.permissions.read
    assert task.etag == four.repository(Task).get(task.id).etag
    assert [event.action for event in events] == ["created"]


async def test_a_save_whose_answer_was_lost_is_a_success(four: Client, bench: Bench, opened: Opened) -> None:
    four.repository(Task).create(Task(id="a", title="old", tags=["x"]))
    async with opened(bench.url, retry=QUICK) as client:
        tasks = client.repository(Task)
        task = await told(tasks.get("a"))
        task.title = "new"
        bench.plan(Cut("answer"), holding=b"PATCH")
        assert (await told(tasks.save(task))).changed == {"title"}
        task.views = 1
        assert (await told(tasks.save(task))).changed == {"views"}  # under the new ETag
    assert stored(four, "a") == {"title": "new", "views": 1, "score": 0.0, "tags": ["x"]}


async def test_a_field_that_was_taken_out_is_seen_to_be_out(four: Client, bench: Bench, opened: Opened) -> None:
    four.repository(Record, bucket="todo", collection="tasks").create(
        Record.model_validate({"id": "a", "x": 1, "y": 2})
    )
    async with opened(bench.url, retry=QUICK) as client:
        records = client.repository(Record, bucket="todo", collection="tasks")
        record = await told(records.get("a"))
        del record.model_extra["x"]
        bench.plan(Cut("answer"), holding=b"PATCH")
        assert (await told(records.save(record))).changed == {"x"}
    assert lines(bench) == ["GET", "PATCH", "PATCH", "GET"]


async def test_a_patch_and_a_replacement_and_a_deletion_whose_answers_were_lost_are_successes(
    four: Client, bench: Bench, opened: Opened
) -> None:
    for name in "abcd":
        four.repository(Task).create(Task(id=name, title="old"))
    async with opened(bench.url, retry=QUICK) as client:
        tasks = client.repository(Task)
        patched, replaced, forced, deleted = [await told(tasks.get(name)) for name in "abcd"]
        replaced.title = forced.title = "new"
        for method in (b"PATCH", b"/b ", b"/c ", b"DELETE"):
            bench.plan(Cut("answer"), holding=method)
        assert (await told(tasks.patch(patched, edit(Task.title).set("new"), views=2))).changed == {"title", "views"}
        assert not (await told(tasks.replace(replaced))).created
        assert not (await told(tasks.replace(forced, force=True))).created
        assert await told(tasks.delete(deleted))
        assert not deleted.saved
    found = {task.id: task.title for task in four.repository(Task).find()}
    assert found == {"a": "new", "b": "new", "c": "new"}


async def test_what_is_written_by_id_is_written_again(four: Client, bench: Bench, opened: Opened) -> None:
    four.repository(Task).create(Task(id="a"))
    async with opened(bench.url, retry=QUICK) as client:
        bench.plan(Cut("answer"), holding=b"PATCH")
        bench.plan(Cut("answer"), holding=b"DELETE")
        assert (await told(client.repository(Task).patch("a", title="new"))).title == "new"
        assert await told(client.repository(Task).delete("a"))
    assert lines(bench) == ["PATCH", "PATCH", "DELETE", "DELETE"]


async def test_grants_whose_answer_was_lost_are_made_once(four: Client, bench: Bench, opened: Opened) -> None:
    four.repository(Task).create(Task(id="a"))
    async with opened(bench.url, retry=QUICK) as client:
        tasks = client.repository(Task)
        task, listed = await told(tasks.get("a")), (await told(tasks.find().all()))[0]
        task.permissions.read.add("account:bob")
        bench.plan(Cut("answer"), holding=b"PATCH")
        assert (await told(tasks.save(task))).changed == {"permissions"}
        listed.permissions.write.add("account:carol")  # in what a list shows, permissions are not known
        listed.title = "new"
        bench.plan(Cut("answer"), holding=b"PATCH")
        with pytest.raises(UncertainOutcomeError):  # somebody wrote the data, and it may have been before
            await told(tasks.save(listed))
        await told(tasks.refresh(listed))
        listed.permissions.write.add("account:carol")
        bench.plan(Cut("answer"), holding=b"carol")
        await told(tasks.save(listed))
    permissions = four.repository(Task).get("a").permissions
    assert set(permissions.read) == {"account:bob"}
    assert set(permissions.write) == {"account:alice", "account:carol"}


async def test_upsert_and_get_or_create_go_on(four: Client, bench: Bench, opened: Opened) -> None:
    async with opened(bench.url, retry=QUICK) as client:
        tasks = client.repository(Task)
        bench.plan(Cut("answer"), holding=b"PUT")
        assert (await told(tasks.upsert(Task(id="a", title="x")))).created
        bench.plan(Cut("answer"), holding=b"PATCH")
        assert (await told(tasks.upsert(Task(id="a", title="y")))).changed == {"title"}
        bench.plan(Cut("answer"), holding=b"PUT")
        assert (await told(tasks.get_or_create(Task(title="x"))))[1]
        bench.plan(Cut("request"), holding=b"PUT")
        found, created = await told(tasks.get_or_create(Task(id="a", title="z")))
        assert (found.title, created) == ("y", False)


async def test_who_was_the_first_under_an_id_that_others_use_too_is_not_guessed(
    four: Client, bench: Bench, opened: Opened
) -> None:
    locks = four.repository(Task)
    policy = Between(retries=2, backoff=0.001).happens(lambda: locks.create(Task(id="lock", title="held")))
    async with opened(bench.url, retry=policy) as client:
        mine = Task(id="lock", title="held")
        bench.plan(Cut("request"), holding=b"PUT")
        with pytest.raises(UncertainOutcomeError) as caught:
            await told(client.repository(Task).create(mine))
        assert (caught.value.mine, caught.value.theirs.title, mine.saved) == (mine, "held", False)


async def test_what_never_arrived_is_done_once(four: Client, bench: Bench, opened: Opened) -> None:
    four.repository(Task).create(Task(id="a"))
    async with opened(bench.url, retry=QUICK) as client:
        tasks = client.repository(Task)
        bench.plan(Cut("request"), holding=b"PATCH")

        def visit(task: Task) -> None:
            task.views += 1

        assert (await told(tasks.modify("a", visit))).views == 1
        bench.plan(Cut("request"), holding=b"PATCH")
        await told(tasks.patch(await told(tasks.get("a")), edit(Task.tags).append("once")))
    assert stored(four, "a") == {"title": "", "views": 1, "score": 0.0, "tags": ["once"]}


async def test_a_gateway_that_fails_after_the_work_is_done_is_no_failure(
    four: Client, bench: Bench, opened: Opened
) -> None:
    task = Task(title="x")
    four.repository(Task).create(task.model_copy())
    bench.plan(Answer(502, body=b"<html>"), holding=b"PUT")
    async with opened(bench.url, retry=QUICK) as client:
        assert (await told(client.repository(Task).create(task))).saved
        bench.plan(Answer(504), holding=b"PUT", times=9)
        with pytest.raises(ServerFailedError):  # of which nobody knows anything either
            await told(client.repository(Task).create(Task()))


# What looking cannot clear


async def test_an_increment_whose_answer_was_lost_is_uncertain(four: Client, bench: Bench, opened: Opened) -> None:
    """The server has what was sent; but whoever else adds one makes the same of it."""
    four.repository(Task).create(Task(id="a"))

    def visit(task: Task) -> None:
        task.views += 1

    async with opened(bench.url, retry=QUICK) as client:
        bench.plan(Cut("answer"), holding=b"PATCH")
        with pytest.raises(UncertainOutcomeError, match="may have been carried out, and may not") as caught:
            await told(client.repository(Task).modify("a", visit))
    assert (caught.value.mine.views, caught.value.base.views, caught.value.theirs.views) == (1, 0, 1)
    assert isinstance(caught.value.refusal, ConflictError)
    assert stored(four, "a")["views"] == 1
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.theirs, again.request) == (caught.value.theirs, caught.value.request)


async def test_an_item_is_never_added_twice(four: Client, bench: Bench, opened: Opened) -> None:
    four.repository(Task).create(Task(id="a"))
    async with opened(bench.url, retry=QUICK) as client:
        tasks = client.repository(Task)
        task = await told(tasks.get("a"))
        for target in (task, "a"):
            bench.plan(Cut("answer"), holding=b"PATCH")
            with pytest.raises(UncertainOutcomeError) as caught:
                await told(tasks.patch(target, edit(Task.tags).append("x")))
            assert caught.value.mine is (task if target is task else None)
        assert task.tags == []
    assert stored(four, "a")["tags"] == ["x", "x"]


async def test_an_object_under_an_id_of_the_servers_is_never_created_twice(
    four: Client, bench: Bench, opened: Opened
) -> None:
    task = Numbered(title="x")
    bench.plan(Cut("answer"), holding=b"POST")
    async with opened(bench.url, retry=QUICK) as client:
        with pytest.raises(UncertainOutcomeError) as caught:
            await told(client.repository(Numbered).create(task))
        assert (caught.value.mine, task.saved, task.id) == (task, False, "")
        bench.plan(Answer(503, {"Retry-After": "0"}, b'{"errno":201}'), holding=b"POST")
        await told(client.repository(Numbered).create(task))  # Kinto said that it had not been
        bench.plan(Answer(503, {"Retry-After": "0"}), holding=b"POST")
        with pytest.raises(UnavailableError):  # and here it was something before Kinto that said so
            await told(client.repository(Numbered).create(Numbered()))
    assert four.repository(Numbered).count() == 2


async def test_what_others_wrote_meanwhile_is_not_taken_for_mine(four: Client, bench: Bench, opened: Opened) -> None:
    async with overtaken(four, bench, opened, title="theirs") as (client, task):
        with pytest.raises(UncertainOutcomeError) as caught:
            await told(client.repository(Task).save(task))
        assert (caught.value.mine, caught.value.theirs.title) == (task, "theirs")
        assert (task.title, task.dirty, task.etag) == ("mine", True, caught.value.base.etag)


async def test_what_others_did_beside_my_change_leaves_it_mine(four: Client, bench: Bench, opened: Opened) -> None:
    async with overtaken(four, bench, opened, views=7) as (client, task):
        await told(client.repository(Task).save(task))
    assert (task.title, task.views, task.etag) == ("mine", 7, four.repository(Task).get("a").etag)


async def test_who_says_what_to_do_about_a_conflict_gets_that(four: Client, bench: Bench, opened: Opened) -> None:
    async with overtaken(four, bench, opened, title="theirs") as (client, task):
        await told(client.repository(Task).save(task, on_conflict="mine"))
    assert stored(four, "a")["title"] == "mine"


async def test_what_was_deleted_meanwhile_may_have_been_written_before(
    four: Client, bench: Bench, opened: Opened
) -> None:
    tasks = four.repository(Task)
    for name in "ab":
        tasks.create(Task(id=name))
        policy = Between(retries=2, backoff=0.001).happens(lambda: tasks.delete(name))  # noqa: B023  # called in here
        async with opened(bench.url, retry=policy) as client:
            task = await told(client.repository(Task).get(name))
            task.title = "mine"
            bench.plan(Cut("answer"), holding=b'"mine"')
            write = client.repository(Task).save if name == "a" else client.repository(Task).replace
            with pytest.raises(UncertainOutcomeError) as caught:
                await told(write(task))
            assert (caught.value.mine, caught.value.theirs) == (task, None)


async def test_an_object_that_came_back_is_not_said_to_be_deleted(four: Client, bench: Bench, opened: Opened) -> None:
    tasks = four.repository(Task)
    tasks.create(Task(id="a"))
    policy = Between(retries=2, backoff=0.001).happens(lambda: tasks.create(Task(id="a", title="new")))
    async with opened(bench.url, retry=policy) as client:
        task = await told(client.repository(Task).get("a"))
        bench.plan(Cut("answer"), holding=b"DELETE")
        with pytest.raises(UncertainOutcomeError) as caught:
            await told(client.repository(Task).delete(task))
        assert caught.value.mine is task
        assert task.saved


@pytest.mark.parametrize("retry", [0, RetryPolicy(retries=1, backoff=0.001)])
async def test_a_server_that_stays_away_leaves_the_outcome_open(
    four: Client, bench: Bench, opened: Opened, retry: Any
) -> None:
    task = Task(id="a", title="x")
    bench.plan(Cut("answer"), holding=b"/a ", times=9)
    async with opened(bench.url, retry=retry) as client:
        with pytest.raises(UncertainOutcomeError) as caught:
            await told(client.repository(Task).create(task))
    assert isinstance(caught.value.__cause__, (ConnectionFailedError, BrokenAnswerError))
    assert (caught.value.mine, caught.value.theirs, caught.value.refusal) == (task, None, None)
    assert (task.saved, task.etag, task.last_modified) == (False, None, None)
    assert lines(bench) == (["PUT"] if retry == 0 else ["PUT", "PUT", "GET", "GET"])


async def test_it_is_looked_once_more_when_no_try_was_answered(four: Client, bench: Bench, opened: Opened) -> None:
    task = Task(title="x")
    async with opened(bench.url, retry=QUICK) as client:
        bench.plan(Cut("answer"), holding=b"PUT", times=3)
        assert (await told(client.repository(Task).save(task))).created
        task.title = "y"
        bench.plan(Answer(502), holding=b"PATCH", times=3)
        with pytest.raises(ServerFailedError):
            await told(client.repository(Task).save(task))
        bench.plan(Cut("answer"), holding=b"PATCH")
        bench.plan(Answer(502), holding=b"PATCH", times=2)
        assert (await told(client.repository(Task).save(task))).changed == {"title"}
    assert not task.dirty


async def test_without_a_lost_answer_a_conflict_is_one(four: Client, bench: Bench, opened: Opened) -> None:
    four.repository(Task).create(Task(id="a", title="x"))
    bench.plan(Answer(429, headers={"Retry-After": "0"}), holding=b"PUT")  # so it was not carried out
    async with opened(bench.url, retry=QUICK) as client:
        with pytest.raises(AlreadyExistsError):
            await told(client.repository(Task).create(Task(id="a", title="x")))


# Batches


async def test_a_batch_whose_answer_was_lost_is_a_success(four: Client, bench: Bench, opened: Opened) -> None:
    for name in "abc":
        four.repository(Task).create(Task(id=name))
    async with opened(bench.url, retry=QUICK) as client:
        tasks = client.repository(Task)
        patched, replaced, deleted = [await told(tasks.get(name)) for name in "abc"]
        created = Task(title="new")
        patched.title = replaced.title = "new"
        bench.plan(Cut("answer"), holding=b"/batch ")
        outcomes: list[Any] = []

        def fill(batch: Any) -> None:
            outcomes.extend([batch.save(created), batch.save(patched), batch.replace(replaced), batch.delete(deleted)])

        await carry_out(client, fill)
    assert [outcome.done for outcome in outcomes] == [True] * 4
    assert outcomes[0].result().created
    assert {task.id: task.title for task in four.repository(Task).find()} == dict.fromkeys(
        ["a", "b", created.id], "new"
    )
    assert all(not task.dirty for task in (created, patched, replaced))


async def test_of_a_batch_whose_answer_was_lost_only_what_nobody_can_tell_is_uncertain(
    four: Client, bench: Bench, opened: Opened
) -> None:
    four.repository(Task).create(Task(id="b"))
    numbered, own = Numbered(title="new"), Task(title="new")
    outcomes: list[Any] = []
    async with opened(bench.url, retry=QUICK) as client:
        bench.plan(Cut("answer"), holding=b"/batch ")

        def visit(task: Task) -> None:
            task.views += 1

        def fill(batch: Any) -> None:
            outcomes.extend([batch.save(numbered), batch.save(own), batch.repository(Task).get("b")])

        with pytest.raises(BatchError, match="1 of 3 failed"):
            await carry_out(client, fill)
        assert isinstance(outcomes[0].error, UncertainOutcomeError)
        assert outcomes[0].error.mine is numbered
        assert [outcome.done for outcome in outcomes] == [False, True, True]
        bench.plan(Cut("answer"), holding=b'"views":1')  # the second request of the first

        def again(batch: Any) -> None:
            outcomes[:] = [batch.repository(Task).modify("b", visit), batch.repository(Task).patch(own.id, views=5)]

        with pytest.raises(BatchError, match="1 of 2 failed"):
            await carry_out(client, again)
        assert isinstance(outcomes[0].error, UncertainOutcomeError)
        assert outcomes[0].error.theirs.views == 1
    assert four.repository(Task).count() == 3
    assert [stored(four, name)["views"] for name in (own.id, "b")] == [5, 1]


def _aborted(*statuses: int) -> bytes:
    """What Kinto says of a batch in which another transaction came in between."""
    aborted = {"status": 409, "headers": {"Retry-After": "0"}, "body": {"errno": 122, "message": "please retry"}}
    done = {"status": 201, "headers": {}, "body": {"data": {"id": "?", "last_modified": 5}, "permissions": {}}}
    return json.dumps({"responses": [aborted if status == 409 else done for status in statuses]}).encode()


async def test_what_a_409_took_back_is_sent_again_in_order(four: Client, bench: Bench, opened: Opened) -> None:
    tasks = [Task(id=f"t{number}", title="new") for number in range(4)]
    bench.plan(Answer(200, body=_aborted(201, 201, 409, 409)), holding=b"/batch ")
    async with opened(bench.url, retry=QUICK) as client:
        await carry_out(client, lambda batch: [batch.save(task) for task in tasks])
    assert all(task.saved and task.etag == four.repository(Task).get(task.id).etag for task in tasks)
    assert [task.id for task in four.repository(Task).find().sort("last_modified")] == ["t0", "t1", "t2", "t3"]
    sizes = [len(json.loads(each.body)["requests"]) for each in bench.received if "/batch" in each.line]
    assert sizes == [4, 2, 2]  # the less, the less comes in between


async def test_what_comes_after_a_409_stands(loopback: Loopback, opened: Opened) -> None:
    told_ = {"id": "t1", "last_modified": 7, "title": "new"}
    done = {"status": 201, "headers": {}, "body": {"data": told_, "permissions": {}}}
    aborted = {"status": 409, "headers": {"Retry-After": "0"}, "body": {"errno": 122}}
    loopback.answers(body=b'{"settings":{"batch_max_requests":25}}')
    loopback.answers(body=json.dumps({"responses": [aborted, done]}).encode())
    loopback.answers(201, body=json.dumps({"data": {**told_, "id": "t0"}, "permissions": {}}).encode())
    tasks = [Task(id=f"t{number}", title="new") for number in range(2)]
    async with opened(loopback.url, retry=QUICK) as client:
        await carry_out(client, lambda batch: [batch.save(task) for task in tasks])
    assert [task.etag for task in tasks] == ['"7"', '"7"']
    assert [each.line.split()[:2] for each in loopback.received[1:]] == [
        ["POST", "/v1/batch"],
        ["PUT", "/v1/buckets/todo/collections/tasks/records/t0"],
    ]


async def test_a_409_that_stays_is_the_error_of_what_it_took_back(four: Client, bench: Bench, opened: Opened) -> None:
    tasks = [Task(id=f"t{number}") for number in range(2)]
    bench.plan(Answer(200, body=_aborted(201, 409)), holding=b"/batch ", times=99)
    async with opened(bench.url, retry=0) as client:
        with pytest.raises(BatchError, match="2 of 2 failed") as caught:
            await carry_out(client, lambda batch: [batch.save(task) for task in tasks])
    assert [type(error) for _, error in caught.value.failures] == [AbortedError] * 2
    assert caught.value.failures[0][1].retry_after == 0  # type: ignore[attr-defined]  # see above
    assert not any(task.saved for task in tasks)
    assert four.repository(Task).count() == 0


async def test_a_batch_that_no_try_brings_an_answer_to_is_uncertain(four: Client, bench: Bench, opened: Opened) -> None:
    tasks = [Task(id=f"t{number}") for number in range(6)]
    bench.plan(Cut("answer"), holding=b"t1", times=99)
    outcomes: list[Any] = []
    async with opened(bench.url, retry=QUICK) as client:
        with pytest.raises(BatchError, match="4 of 6 failed"):
            await carry_out(client, lambda batch: outcomes.extend(batch.save(task) for task in tasks))
    assert [type(outcome.error) for outcome in outcomes] == [UncertainOutcomeError] * 4 + [type(None)] * 2
    assert [outcome.error.mine for outcome in outcomes[:4]] == tasks[:4]
    assert all(isinstance(outcome.error.__cause__, TransportError) for outcome in outcomes[:4])


@pytest.mark.parametrize("lost", [b"/batch ", b"GET"])
async def test_a_batch_that_nobody_can_look_after_is_uncertain(
    four: Client, bench: Bench, opened: Opened, lost: bytes
) -> None:
    """Whether it is the batch that finds no answer, or the look at what became of it."""
    tasks = [Task() for _ in range(6)]
    outcomes: list[Any] = []
    async with opened(bench.url, retry=QUICK) as client:
        await told(client.repository(Task).create_many([Task(), Task()]))  # so that it knows how many go in one
        bench.plan(Cut("answer"), holding=b"/batch ", times=1 if lost == b"GET" else 99)
        bench.plan(Cut("answer"), holding=b'"GET"', times=99)
        with pytest.raises(BatchError, match="failed"):
            await carry_out(client, lambda batch: outcomes.extend(batch.save(task) for task in tasks))
    first = outcomes[:4]
    assert [type(outcome.error) for outcome in first] == [UncertainOutcomeError] * 4
    assert not any(task.saved for task in tasks[:4])
    assert four.repository(Task).count() >= 6


async def test_a_client_that_is_closed_between_two_tries_leaves_the_outcome_open(
    four: Client, bench: Bench, opened: Opened
) -> None:
    closing: list[Any] = []
    policy = Between(retries=2, backoff=0.001).happens(lambda: closing.pop().close())
    task = Task(id="a")
    bench.plan(Cut("answer"), holding=b"PUT")
    client = Client(bench.url, auth=("alice", "s3cret"), retry=policy)
    closing.append(client)
    with pytest.raises(UncertainOutcomeError):
        client.repository(Task).create(task)
    assert not task.saved


# Several requests


def test_what_was_written_before_the_grants_failed_is_told(
    server: EmbeddedServer | Production, kinto: Client, bob: Client
) -> None:
    """Who may write the object by its bucket sees its permissions only once he has written it."""
    bucket = kinto.buckets.get("todo")
    bucket.permissions.write.add("account:bob")
    bucket.save()
    kinto.repository(Task).create(Task(id="a", title="old"))
    events: list[Event[Task]] = []
    with Bench(server.url) as bench, Client(bench.url, auth=("bob", "hunter2"), retry=0) as client:
        client.subscribe(Task)(events.append)
        task = client.repository(Task).get("a")
        task.title = "new"
        task.permissions.read.add("account:carol")
        bench.plan(Cut("answer"), holding=b"carol")
        with pytest.raises(UncertainOutcomeError):
            task.save()
    assert [(event.action, event.obj and event.obj.title, event.old and event.old.title) for event in events] == [
        ("updated", "new", "old")
    ]
    assert stored(kinto, "a")["title"] == "new"
    assert task.permissions.changed


async def test_the_instance_of_an_uncertain_merge_is_the_one_that_was_to_be_saved(
    four: Client, bench: Bench, opened: Opened
) -> None:
    four.repository(Task).create(Task(id="a"))
    async with opened(bench.url, retry=0) as client:
        task = await told(client.repository(Task).get("a"))
        four.repository(Task).patch("a", views=1)
        task.title = "mine"
        bench.plan(Cut("answer"), holding=b'"mine"', nth=2)
        with pytest.raises(UncertainOutcomeError) as caught:
            await told(client.repository(Task).save(task, on_conflict="merge"))
        assert caught.value.mine is task
        assert task.dirty


# What a look is not


async def test_data_that_others_wrote_alike_do_not_stand_for_a_grant(
    four: Client, bench: Bench, opened: Opened
) -> None:
    four.repository(Task).create(Task(id="a"))
    policy = Between(retries=2, backoff=0.001).happens(lambda: four.repository(Task).patch("a", title="new"))
    async with opened(bench.url, retry=policy) as client:
        task = await told(client.repository(Task).get("a"))
        task.title = "new"
        task.permissions.read.add("account:bob")
        bench.plan(Cut("request"), holding=b"PATCH")
        with pytest.raises(UncertainOutcomeError):
            await told(client.repository(Task).save(task))
    assert task.permissions.changed


async def test_a_server_that_lets_wait_is_not_waited_for_once_more(loopback: Loopback, opened: Opened) -> None:
    for _ in range(2):
        loopback.says(b"", "stall")
    async with opened(loopback.url, timeout=0.05, retry=RetryPolicy(retries=1, backoff=0.0)) as client:
        with pytest.raises(UncertainOutcomeError) as caught:
            await told(client.repository(Task).create(Task()))
    assert isinstance(caught.value.__cause__, TimeoutError)
    assert [each.line.split()[0] for each in loopback.received] == ["PUT", "PUT"]


async def test_one_that_loses_every_race_is_told_so_after_twenty(four: Client, bench: Bench, opened: Opened) -> None:
    bench.plan(Answer(409, {"Retry-After": "0"}, b'{"errno":122}'), holding=b"PUT", times=99)
    async with opened(bench.url) as client:
        client._runner.pacing.dice = lambda: 0.0
        with pytest.raises(BatchError) as caught:
            await carry_out(client, lambda batch: batch.save(Task()))
    assert isinstance(caught.value.failures[0][1], AbortedError)
    assert len(bench.received) == 21


async def test_the_refusal_of_a_batch_is_not_taken_for_that_of_an_object(
    four: Client, bench: Bench, opened: Opened
) -> None:
    """Who gets a 403 for an object looks whether it may be read."""
    bench.plan(Answer(403, body=b'{"errno":121}'), holding=b"/batch ")
    outcomes: list[Any] = []
    async with opened(bench.url) as client:

        def fill(batch: Any) -> None:
            outcomes.extend(batch.repository(Task).get_or_create(Task(id=name)) for name in "ab")

        with pytest.raises(BatchError):
            await carry_out(client, fill)
    assert [type(outcome.error) for outcome in outcomes] == [ForbiddenError] * 2
    assert lines(bench) == ["GET", "POST"]


class Site(Bucket, bucket="site"):
    """A bucket whose id every instance of the class has."""


async def test_an_id_that_the_class_declares_is_one_that_others_use(four: Client, bench: Bench, opened: Opened) -> None:
    bench.plan(Cut("answer"), holding=b"PUT")
    async with opened(bench.url, retry=QUICK) as client:
        with pytest.raises(UncertainOutcomeError) as caught:
            await told(client.repository(Site).create(Site()))
    assert caught.value.theirs.id == "site"


async def test_what_a_function_made_of_a_conflict_may_build_on_it(four: Client, bench: Bench, opened: Opened) -> None:
    four.repository(Task).create(Task(id="a"))

    def both(conflict: ConflictError[Task]) -> None:
        conflict.mine.views = conflict.theirs.views + 1

    async with opened(bench.url, retry=QUICK) as client:
        task = await told(client.repository(Task).get("a"))
        four.repository(Task).patch("a", views=5)
        task.views = 1
        bench.plan(Cut("answer"), holding=b'"views":6')
        with pytest.raises(UncertainOutcomeError) as caught:
            await told(client.repository(Task).save(task, on_conflict=both))
    assert (caught.value.mine, caught.value.theirs.views) == (task, 6)


async def test_a_grant_goes_on_over_what_others_wrote_meanwhile(four: Client, bench: Bench, opened: Opened) -> None:
    four.repository(Task).create(Task(id="a"))
    policy = Between(retries=2, backoff=0.001).happens(lambda: four.repository(Task).patch("a", title="theirs"))
    async with opened(bench.url, retry=policy) as client:
        task = (await told(client.repository(Task).find().all()))[0]
        task.permissions.read.add("account:bob")
        bench.plan(Cut("request"), holding=b"PATCH")
        assert (await told(client.repository(Task).save(task))).changed == {"permissions"}
    assert set(four.repository(Task).get("a").permissions.read) == {"account:bob"}


class _Gone(Wire):
    """A server that does not take connections any more, from the third request on."""

    def __init__(self, transport: Any, loopback: Loopback) -> None:
        super().__init__(transport)
        self.loopback = loopback

    def send(self, request: Request) -> Response:
        if len(self.sent) == 2:
            self.loopback.close()
        return super().send(request)


def test_what_was_lost_stays_uncertain_where_it_cannot_be_sent_again(loopback: Loopback) -> None:
    """Nothing of the second batch leaves this machine; but it is not the first."""
    loopback.answers(body=b'{"settings":{"batch_max_requests":25}}')
    loopback.says(b"")
    outcomes: list[Any] = []
    with Client(loopback.url, retry=QUICK) as client:
        client._runner.transport = _Gone(client._runner.transport, loopback)
        with pytest.raises(BatchError), client.batch() as batch:
            outcomes += [batch.save(Numbered()), batch.save(Task()), batch.save(Task())]
    assert [type(outcome.error) for outcome in outcomes] == [UncertainOutcomeError] * 3
