"""Batches: what is collected in a block is carried out when it ends, and everyone is told what became of theirs."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator

from kinto_models import (
    EVERYONE,
    AlreadyExistsError,
    AsyncClient,
    BatchError,
    Bucket,
    Client,
    Collection,
    ConflictError,
    ConnectionFailedError,
    DeclarationError,
    ForbiddenError,
    Group,
    InvalidIdError,
    KintoError,
    MultipleResultsError,
    NoResultError,
    NotFoundError,
    NotSavedError,
    NotSentError,
    Outcome,
    QueryError,
    ReadOnlyFieldError,
    Record,
    ServerFailedError,
    ServerIds,
    UncertainOutcomeError,
)
from kinto_models.embedded import EmbeddedServer
from kinto_models.protocol.messages import Request, Response
from tests.conftest import Telling, Wire
from tests.faults import Answer, Bench
from tests.loopback import Loopback
from tests.repository.conftest import ALICE


class Task(Record, bucket="todo", collection="tasks", readonly=("author",)):
    title: str = ""
    priority: int = Field(default=3, ge=0)
    tags: list[str] = []
    author: str = "ada"


class Lenient(Record, bucket="todo", collection="tasks"):
    """The same records, without a rule."""


class Numbered(Record, bucket="todo", collection="tasks", ids=ServerIds):
    title: str = ""


def stored(kinto: Client, object_id: str) -> dict[str, Any]:
    return kinto.repository(Lenient).get(object_id).model_extra or {}


def saved(**values: Any) -> Task:
    task = Task(**values)
    task.save()
    return task


def lines(wire: Wire) -> list[str]:
    return [f"{request.method} {request.target}" for request in wire.sent]


def parts(body: bytes | None) -> list[str]:
    """What a batch asks for, without its place."""
    listed = json.loads(body or b"{}")["requests"]
    return [f"{part['method']} {part['path'].rpartition('/')[2]}" for part in listed]


def batches(wire: Wire) -> list[list[str]]:
    return [parts(request.body) for request in wire.sent if request.target == "/batch"]


# The block


def test_nothing_is_sent_before_the_block_ends(kinto: Client, wire: Wire) -> None:
    with kinto.batch() as batch:
        first, second = Task(id="a"), Task(id="b")
        one, two = batch.save(first), batch.save(second)
        assert wire.sent == []
        for outcome in (one, two):
            assert not outcome.done
            assert isinstance(outcome.error, NotSentError)
            with pytest.raises(NotSentError, match="'[ab]' was not sent: the batch has not ended"):
                outcome.result()
        assert "NotSentError" in repr(one)
    assert lines(wire) == ["GET /", "POST /batch"]
    assert one.done
    assert one.error is None
    assert one.result().created
    assert one.target is first
    assert (first.saved, first.dirty, second.saved) == (True, False, True)
    assert "Task 'a'" in repr(one)


def test_what_is_sent_is_what_the_instances_are_when_the_block_ends(kinto: Client) -> None:
    with kinto.batch() as batch:
        task, other = Task(title="early"), Task()
        batch.save(task)
        batch.save(other)
        task.title = "late"
    assert Task.get(task.id).title == "late"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, NotFoundError])
def test_a_block_that_ends_with_an_exception_sends_nothing(
    kinto: Client, wire: Wire, error: type[BaseException]
) -> None:
    tasks = [Task(id="a"), Task(id="b")]
    outcomes: list[Outcome[Any]] = []
    with pytest.raises(error), kinto.batch() as batch:  # noqa: PT012  # the block is what is tested
        outcomes += [batch.save(task) for task in tasks]
        raise error("not today")
    assert wire.sent == []
    for outcome, task in zip(outcomes, tasks, strict=True):
        assert not outcome.done
        assert not task.saved
        with pytest.raises(NotSentError, match=f"'{task.id}' was not sent: the block ended with an exception"):
            outcome.result()


def test_an_ended_batch_takes_nothing_more(kinto: Client, wire: Wire) -> None:
    with kinto.batch() as batch:
        pass
    with pytest.raises(NotSentError, match="this batch has ended: open another one"):
        batch.save(Task())
    with pytest.raises(NotSentError, match="this batch has ended"):
        batch.repository(Task).find().all()
    with pytest.raises(ValueError, match="no"), kinto.batch() as dropped:
        raise ValueError("no")
    with pytest.raises(NotSentError, match="this batch has ended"):
        dropped.repository(Task).get("a")
    assert wire.sent == []


def test_an_empty_batch_sends_nothing(kinto: Client, wire: Wire) -> None:
    with kinto.batch():
        pass
    assert wire.sent == []


def test_a_batch_of_one_is_a_request_of_its_own_and_asks_for_no_limit(kinto: Client, wire: Wire) -> None:
    task = Task(id="a")
    with kinto.batch() as batch:
        batch.save(task)
    assert lines(wire) == ["PUT /buckets/todo/collections/tasks/records/a"]
    assert task.saved


def test_a_batch_of_one_fails_as_a_batch(kinto: Client) -> None:
    with pytest.raises(BatchError, match="1 of 1 failed; GET .*/missing: 404") as caught, kinto.batch() as batch:
        batch.repository(Task).get("missing")
    ((target, error),) = caught.value.failures
    assert (target, type(error)) == ("missing", NotFoundError)


def test_what_has_not_changed_sends_nothing(kinto: Client, wire: Wire) -> None:
    task, other = saved(id="a"), saved(id="b")
    wire.clear()
    with kinto.batch() as batch:
        outcomes = [batch.save(task), batch.save(other)]
    assert wire.sent == []
    assert [outcome.result().changed for outcome in outcomes] == [frozenset(), frozenset()]


def test_the_limit_is_asked_once_for_a_client(kinto: Client, wire: Wire) -> None:
    for _ in range(3):
        with kinto.batch() as batch:
            for _ in range(3):
                batch.save(Task())
    kinto.repository(Task).create_many([Task(), Task()])
    assert lines(wire).count("GET /") == 1
    assert lines(wire).count("POST /batch") == 4


@pytest.mark.parametrize("number", [1, 2])
def test_a_server_that_is_gone_is_the_failure_of_each_part(kinto: Client, loopback: Loopback, number: int) -> None:
    """However many there are: also where it is the question for the limit that fails."""
    loopback.says(b"", "close")
    tasks = [Task(id=f"t{each}") for each in range(number)]
    with Client(loopback.url, retry=0) as client, pytest.raises(BatchError) as caught, client.batch() as batch:  # noqa: PT012
        for task in tasks:
            batch.save(task)
    assert [target for target, _ in caught.value.failures] == tasks
    errors = [error for _, error in caught.value.failures]
    if number == 1:
        assert isinstance(errors[0], UncertainOutcomeError)
    else:
        assert all(isinstance(error, NotSentError) for error in errors)
        assert all(isinstance(error.__cause__, ConnectionFailedError) for error in errors)
    assert len(loopback.received) == 1


def test_a_limit_that_cannot_be_read_leaves_everything_unsent(kinto: Client, loopback: Loopback) -> None:
    loopback.answers(404, {}, b"{}")
    tasks = [Task(id="a"), Task(id="b")]
    outcomes: list[Outcome[Any]] = []
    with Client(loopback.url, retry=0) as client, pytest.raises(KintoError), client.batch() as batch:
        outcomes += [batch.save(task) for task in tasks]
    assert [received.line for received in loopback.received] == ["GET /v1/ HTTP/1.1"]
    for outcome, task in zip(outcomes, tasks, strict=True):
        assert isinstance(outcome.error, NotSentError)
        assert isinstance(outcome.error.__cause__, NotFoundError)
        assert not task.saved


@pytest.mark.parametrize(
    ("limit", "sizes"), [(1, [1] * 30), (7, [7, 7, 7, 7, 2]), (25, [25, 5]), (0, [30]), (30, [30]), (29, [29, 1])]
)
def test_a_batch_is_as_long_as_the_server_takes(limited: Callable[[int], str], limit: int, sizes: list[int]) -> None:
    with Client(limited(limit), auth=ALICE) as kinto:
        kinto.buckets.delete_all()
        kinto.bucket("todo").save()
        kinto.bucket("todo").collection("tasks").save()
        wire = Wire(kinto._runner.transport)
        kinto._runner.transport = wire
        tasks = [Task(title=str(number)) for number in range(30)]
        with kinto.batch() as batch:
            for task in tasks:
                batch.save(task)
        sent = [request for request in wire.sent if request.target != "/"]
        assert [len(parts(each.body)) if each.target == "/batch" else 1 for each in sent] == sizes
        assert all(task.saved and not task.dirty for task in tasks)
        assert [task.title for task in Task.find().sort(Task.last_modified)] == [str(number) for number in range(30)]


def test_a_batch_leaves_before_the_answer_to_the_one_before_is_read(four: Client) -> None:
    """And what follows is made ready while it is on its way, so that the server never waits."""
    happened: list[str] = []

    class Watched(Task):
        @field_validator("title")
        @classmethod
        def note(cls, title: str) -> str:
            happened.append("read")
            return title

    four._runner.transport = wire = Telling(four._runner.transport, happened)
    tasks = [Watched(title=str(number)) for number in range(12)]
    with four.batch() as batch:
        for task in tasks:
            batch.save(task)
        happened.clear()
    ready = answer = ["read"] * 4
    assert happened == [*ready, "out", *ready, "out", *answer, *ready, *answer, *answer]
    assert [len(names) for names in batches(wire)] == [4, 4, 4]
    assert all(task.saved for task in tasks)


def test_a_batch_that_follows_waits_for_what_it_builds_on(four: Client) -> None:
    tasks = [Task(id=f"t{number}") for number in range(5)]
    with four.batch() as batch:
        for task in tasks:
            batch.save(task)
        second = batch.save(tasks[0])
        read = batch.repository(Task).get("t1")
        batch.patch(tasks[2], title="new")
    assert second.result().changed == frozenset()
    assert read.result().saved
    assert stored(four, "t2")["title"] == "new"


def test_a_second_request_waits_for_the_batch_that_is_on_its_way(four: Client) -> None:
    """Two at once would be done in any order."""
    four.repository(Task).create_many([Task(id="t0", title="old"), Task(id="t5", title="old")])
    going: list[int] = []

    class Counting(Wire):
        def send(self, request: Request) -> Response:
            going.append(1)
            at_once.append(len(going))
            try:
                return super().send(request)
            finally:
                going.pop()

    at_once: list[int] = []
    four._runner.transport = wire = Counting(four._runner.transport)
    tasks = [Task(id=f"t{number}", title="new") for number in range(13)]
    with four.batch() as batch:
        for task in tasks:
            batch.upsert(task)
    assert [len(names) for names in batches(wire)] == [4, 4, 4]
    assert [request.method for request in wire.sent if request.target != "/batch"] == ["PATCH", "PATCH", "PUT"]
    assert set(at_once) == {1}
    assert {stored(four, task.id)["title"] for task in tasks} == {"new"}


def test_a_server_that_finds_a_batch_too_large_gets_it_in_halves(four: Client, bench: Bench) -> None:
    """A proxy before Kinto may limit the size of a body."""
    bench.plan(Answer(413), holding=b'"d"')
    with Client(bench.url, auth=ALICE) as kinto:
        tasks = [Task(title=letter) for letter in "abcd"]
        with kinto.batch() as batch:
            for task in tasks:
                batch.save(task)
    asked = [received for received in bench.received if "batch" in received.line]
    assert [len(parts(each.body)) for each in asked] == [4, 2, 2]
    assert all(task.saved for task in tasks)
    assert four.repository(Task).count() == 4


def test_one_that_is_too_large_by_itself_fails_alone(four: Client, bench: Bench) -> None:
    bench.plan(Answer(413), holding=b'"d"', times=9)
    tasks = [Task(title=letter) for letter in "abcd"]
    with Client(bench.url, auth=ALICE) as kinto, pytest.raises(BatchError) as caught, kinto.batch() as batch:  # noqa: PT012
        for task in tasks:
            batch.save(task)
    ((target, error),) = caught.value.failures
    assert target is tasks[3]
    assert getattr(error, "status", None) == 413
    assert sorted(task.title for task in four.repository(Task).find()) == ["a", "b", "c"]


# Every verb


def test_every_verb_gives_what_it_gives_alone(kinto: Client) -> None:
    a, b, c, d, e, f = (saved(id=name, title=name) for name in "abcdef")
    b.title, c.title = "b2", "c2"
    new, made, again, upserted, overwritten = (Task(id=name) for name in ("n1", "n2", "a", "n3", "f"))
    with kinto.batch() as batch:
        tasks = batch.repository(Task)
        got, none = tasks.get("a"), tasks.get_or_none("missing")
        saved_, replaced = batch.save(b), batch.replace(c)
        created = tasks.create(new)
        was_made, was_there = tasks.get_or_create(made), tasks.get_or_create(again)
        inserted, merged = tasks.upsert(upserted), batch.upsert(overwritten)
        patched, patched_by_id = batch.patch(d, title="d2"), tasks.patch("e", title="e2")
        fresh = batch.refresh(e)
        deleted, deleted_by_id, was_missing = batch.delete(a), tasks.delete("d"), tasks.delete("g", missing_ok=True)
    assert got.result().title == "a"
    assert none.result() is None
    assert none.done
    assert saved_.result().changed == {"title"}
    assert saved_.result().etag == b.etag
    assert not b.dirty
    assert replaced.result().changed == {"title", "priority", "tags", "author"}
    assert created.result() is new
    assert new.saved
    assert was_made.result() == (made, True)
    assert was_there.result()[1] is False
    assert was_there.result()[0].title == "a"
    assert inserted.result().created
    assert merged.result().changed == {"title"}
    assert overwritten.saved
    assert patched.result().changed == {"title"}
    assert (d.title, d.dirty) == ("d2", False)
    assert patched_by_id.result().title == "e2"
    assert fresh.result() is True
    assert e.title == "e2"
    assert deleted.result() is True
    assert not a.saved
    assert deleted_by_id.result() is True
    assert was_missing.result() is False
    assert f.title == "f"
    assert sorted((task.id, task.title) for task in Task.find()) == [
        *(("b", "b2"), ("c", "c2"), ("e", "e2"), ("f", ""), ("n1", ""), ("n2", ""), ("n3", "")),
    ]


def test_every_ending_of_a_query_gives_what_it_gives_alone(kinto: Client) -> None:
    for number in range(5):
        saved(id=f"t{number}", title=f"title {number}", priority=number)

    class Brief(BaseModel):
        title: str

    with kinto.batch() as batch:
        tasks = batch.repository(Task)
        urgent = tasks.find(Task.priority < 2).sort(Task.priority)
        every, first, one = urgent.all(), urgent.first(), tasks.find(Task.priority == 4).one()
        nobody, none = tasks.find(Task.priority == 9).first(), tasks.find(Task.priority == 9).one_or_none()
        count, exists, total = urgent.count(), tasks.find(Task.priority == 9).exists(), tasks.count()
        timestamp, same = tasks.timestamp(), urgent.timestamp()
        brief = urgent.select(Brief).limit(1).all()
        deleted = tasks.find(Task.priority >= 3).delete()
        left = tasks.delete_all()
    assert [task.id for task in every.result()] == ["t0", "t1"]
    assert every.target is Task
    assert (first.result() or Task()).id == "t0"
    assert one.result().id == "t4"
    assert (nobody.result(), none.result()) == (None, None)
    assert (count.result(), exists.result(), total.result()) == (2, False, 5)
    assert timestamp.result() == same.result() > 0
    assert [each.title for each in brief.result()] == ["title 0"]
    assert (deleted.result(), left.result()) == (2, 3)
    assert Task.find().count() == 0


def test_a_query_of_a_batch_reads_every_page() -> None:
    with Client.embedded(settings={"kinto.paginate_by": "2"}) as small:
        small.bucket("todo").save()
        small.bucket("todo").collection("tasks").save()
        small.repository(Task).create_many(Task(title=str(number)) for number in range(5))
        with small.batch() as batch:
            every, other = batch.repository(Task).find().all(), batch.repository(Task).find().sort(Task.title).all()
            gone = batch.repository(Task).delete_all()
            after = batch.repository(Task).count()
    assert len(every.result()) == 5
    assert [task.title for task in other.result()] == list("01234")
    assert (gone.result(), after.result()) == (5, 0)


def test_every_verb_fails_as_it_does_alone(kinto: Client) -> None:
    there, stale, gone = saved(id="there"), saved(id="stale"), saved(id="gone")
    Task.get("stale").patch(title="theirs")
    kinto.repository(Task).delete("gone")
    stale.title, gone.title = "mine", "mine"
    fixed = Task.get("there")
    fixed.author = "bob"
    outcomes: list[tuple[Outcome[Any], Any]] = []
    with pytest.raises(BatchError) as caught, kinto.batch() as batch:  # noqa: PT012
        tasks = batch.repository(Task)
        outcomes += [
            (tasks.get("missing"), NotFoundError),
            (tasks.get("no id!"), InvalidIdError),
            (tasks.create(Task(id="there")), AlreadyExistsError),
            (batch.save(stale), ConflictError),
            (batch.replace(stale), ConflictError),
            (batch.patch(stale, title="x"), ConflictError),
            (batch.delete(stale), ConflictError),
            (batch.save(gone), NotFoundError),
            (batch.refresh(gone), NotFoundError),
            (batch.save(fixed), ReadOnlyFieldError),
            (batch.replace(Task(id="new")), NotSavedError),
            (batch.delete(Task(id="new")), NotSavedError),
            (batch.patch(there, priority=-1), ValidationError),
            (batch.patch(there, nonsense=1), TypeError),
            (tasks.patch("there", priority=-1), ValidationError),
            (tasks.patch("missing", priority=1), NotFoundError),
            (tasks.delete("missing"), NotFoundError),
            (tasks.find(Task.title == "nobody").one(), NoResultError),
            (tasks.find().one(), MultipleResultsError),
            (tasks.find().delete(), QueryError),
            (tasks.delete("gone", missing_ok=True), None),
        ]
    assert [type(outcome.error) for outcome, _ in outcomes[:-1]] == [kind for _, kind in outcomes[:-1]]
    for outcome, kind in outcomes[:-1]:
        assert not outcome.done
        with pytest.raises(kind) as raised:
            outcome.result()
        assert raised.value is outcome.error
    assert outcomes[-1][0].done
    assert [error for _, error in caught.value.failures] == [outcome.error for outcome, _ in outcomes[:-1]]
    assert [target for target, _ in caught.value.failures] == [outcome.target for outcome, _ in outcomes[:-1]]
    conflict = outcomes[3][0].error
    assert isinstance(conflict, ConflictError)
    assert conflict.mine is stale
    assert conflict.base is not None
    assert (conflict.base.title, conflict.theirs.title) == ("", "theirs")
    assert conflict.overlapping == {"title"}
    assert conflict.rebase().title == "mine"


def test_the_error_names_the_first_failures(kinto: Client) -> None:
    with pytest.raises(BatchError) as caught, kinto.batch() as batch:  # noqa: PT012
        for number in range(5):
            batch.repository(Task).get(f"t{number}")
    assert str(caught.value).startswith("5 of 5 failed; GET /buckets/todo/collections/tasks/records/t0: 404")
    assert str(caught.value).endswith("; and others")
    assert "/t2" in str(caught.value)
    assert "/t3" not in str(caught.value)


def test_errors_of_one_batch_are_not_one_another(kinto: Client) -> None:
    with pytest.raises(BatchError) as caught, kinto.batch() as batch:  # noqa: PT012
        batch.repository(Task).get("a")
        batch.repository(Task).get("b")
    first, second = (error for _, error in caught.value.failures)
    assert first is not second
    copied = pickle.loads(pickle.dumps(caught.value))
    assert [target for target, _ in copied.failures] == ["a", "b"]
    assert str(copied) == str(caught.value)


def test_a_class_that_says_no_place_is_refused_at_once(kinto: Client) -> None:
    class Homeless(Record):
        pass

    with kinto.batch() as batch:
        with pytest.raises(DeclarationError):
            batch.repository(Homeless)
        with pytest.raises(InvalidIdError):
            batch.repository(Homeless, bucket="todo", collection="no id!")


# Order


def test_reads_after_writes_see_them(kinto: Client) -> None:
    task = Task(id="a", title="x")
    with kinto.batch() as batch:
        tasks = batch.repository(Task)
        before = tasks.get_or_none("a")
        batch.save(task)
        after, listed, count = tasks.get("a"), tasks.find().all(), tasks.count()
        tasks.delete("a")
        end = tasks.get_or_none("a")
    assert before.result() is None
    assert after.result().title == "x"
    assert [each.id for each in listed.result()] == ["a"]
    assert count.result() == 1
    assert end.result() is None


def test_of_two_saves_of_one_instance_the_second_builds_on_the_first(kinto: Client) -> None:
    task = Task(id="a", title="x")
    with kinto.batch() as batch:
        first, second = batch.save(task), batch.patch(task, title="y")
        third = batch.save(task)
        fourth = batch.delete(task)
        fifth = batch.save(task)
    assert first.result().created
    assert second.result().changed == {"title"}
    assert third.result().changed == frozenset()
    assert fourth.result() is True
    assert fifth.result().created
    assert Task.get("a").title == "y"


def test_an_upsert_and_then_a_deletion_of_the_same_record(kinto: Client) -> None:
    """An upsert of what exists takes two requests: the deletion must not come between them."""
    saved(id="a", title="theirs")
    task = Task(id="a", title="mine")
    with kinto.batch() as batch:
        upserted = batch.upsert(task)
        deleted = batch.repository(Task).delete("a")
        count = batch.repository(Task).count()
    assert upserted.result().changed == {"title"}
    assert deleted.result() is True
    assert count.result() == 0


def test_a_deletion_of_all_comes_after_an_upsert(kinto: Client) -> None:
    saved(id="a", title="theirs")
    with kinto.batch() as batch:
        batch.upsert(Task(id="a", title="mine"))
        deleted = batch.repository(Task).delete_all()
        batch.upsert(Task(id="b"))
    assert deleted.result() == 1
    assert [task.id for task in Task.find()] == ["b"]


def test_a_bucket_its_collection_and_a_record_can_come_in_one_batch(kinto: Client, wire: Wire) -> None:
    bucket, collection, group = Bucket(id="new"), Collection(id="things"), Group(id="friends", members={"account:bob"})
    record = Lenient.model_validate({"id": "first", "a": 1})
    wire.clear()
    with kinto.batch() as batch:
        batch.save(bucket)
        batch.repository(Collection, bucket="new").create(collection)
        batch.repository(Group, bucket="new").create(group)
        batch.repository(Lenient, bucket="new", collection="things").create(record)
    assert all(each.saved for each in (bucket, collection, group, record))
    assert kinto.repository(Lenient, bucket="new", collection="things").get("first").model_extra == {"a": 1}
    with kinto.batch() as batch:
        batch.delete(record)
        batch.delete(collection)
        batch.delete(bucket)
    assert "new" not in [each.id for each in kinto.buckets.find()]


@pytest.fixture
def home(kinto: Client) -> Any:
    """Ids with "batch" in them, at each place of a path."""
    for bucket, collection in (("todo", "batches"), ("batch", "tasks")):
        kinto.bucket(bucket).save(force=True)
        kinto.bucket(bucket).collection(collection).save()
    return kinto


def test_what_a_batch_cannot_carry_keeps_its_turn(home: Client, wire: Wire) -> None:
    a, b = saved(id="a"), Lenient.model_validate({"id": "b", "keep": 1, "gone": 2})
    b.save()
    unchanged = Task.get("a")
    delattr(b, "gone")
    a.title = "changed"
    wire.clear()
    with home.batch() as batch:
        tasks = batch.repository(Task)
        batch.save(Task(id="first"))
        tasks.count()
        removed = batch.save(b)  # a JSON patch
        seen = tasks.find().all()
        stays = batch.refresh(unchanged)  # a 304
        batch.save(a)
        changed = batch.refresh(unchanged)
        batch.repository(Lenient, collection="batches").create(Lenient(id="x"))
        inside = batch.repository(Lenient, collection="batches").count()
        batch.repository(Lenient, bucket="batch").create(Lenient(id="x"))
        tasks.create(Task(id="batch"))
        tasks.create(Task(id="batch-x"))
        tasks.create(Task(id="x-batch"))
        last = tasks.get("batch")
    assert removed.result().changed == {"gone"}
    assert stored(home, "b") == {"keep": 1}
    assert {task.id for task in seen.result()} == {"a", "b", "first"}
    assert [task.model_extra for task in seen.result() if task.id == "b"] == [{"keep": 1}]
    assert stays.result() is False
    assert changed.result() is True
    assert unchanged.title == "changed"
    assert inside.result() == 1
    assert last.result().id == "batch"
    for sent in batches(wire):
        assert not [part for part in sent if part.endswith((" batch", " batch-x")) or part == "PATCH b"]
    assert home.repository(Task).count() == 6


def test_the_default_bucket_can_be_in_a_batch(kinto: Client) -> None:
    class Mine(Record, bucket="default", collection="default-things"):
        text: str = ""

    one, two = Mine(id="default-1", text="default"), Mine(id="default")
    with kinto.batch() as batch:
        batch.save(one)
        batch.save(two)
    with kinto.batch() as batch:
        got, listed = batch.repository(Mine).get("default-1"), batch.repository(Mine).find().all()
        batch.patch(one, text="x")
    assert got.result().text == "default"
    assert {mine.id for mine in listed.result()} == {"default-1", "default"}
    assert Mine.get("default-1").text == "x"


# Where to


def test_parts_carry_their_own_headers_only(kinto: Client, server: EmbeddedServer) -> None:
    """Kinto hands the headers of the batch down to its parts, and what is the connection's is no business of them."""
    task, other = saved(id="a"), Task(id="b")
    task.title = "x"
    with Client(server.url, auth=ALICE, headers={"X-Mine": "1"}) as client:
        wire = Wire(client._runner.transport)
        client._runner.transport = wire
        with client.batch() as batch:
            batch.save(task)
            batch.save(other)
            batch.repository(Task).get_or_none("c")
            batch.repository(Task).delete("d", missing_ok=True)
            batch.repository(Task).count()
    sent = next(request for request in wire.sent if request.target == "/batch")
    assert dict(sent.headers) == {"Content-Type": "application/json"}
    headers = [part.get("headers", {}) for part in json.loads(sent.body or b"")["requests"]]  # all but the count
    assert headers[0].keys() == {"If-Match"}
    assert headers[1:] == [{"If-None-Match": "*"}, {}, {}]


def test_an_instance_of_another_place_goes_there(kinto: Client) -> None:
    kinto.bucket("todo").collection("archive").save()
    archive = kinto.repository(Task, collection="archive")
    task, other = archive.create(Task(id="a", title="archived")), Task(id="b")
    task.title = "changed"
    with kinto.batch() as batch:
        batch.save(task)
        batch.repository(Task, collection="archive").save(other)
    assert archive.get("a").title == "changed"
    assert archive.get("b").saved
    assert Task.find().count() == 0


def test_an_instance_of_another_client_is_written_through_this_one(kinto: Client, bob: Client, wire: Wire) -> None:
    """By a client of the same address it is the object that it was; of another user, whose right it is not."""
    bucket = kinto.bucket("todo")
    bucket.refresh()
    mine, other = saved(id="a"), saved(id="b")
    mine.title = other.title = "by bob"
    wire.clear()
    with pytest.raises(BatchError) as caught, bob.batch() as batch:  # noqa: PT012
        batch.save(mine)
        batch.save(other)
    assert wire.sent == []
    assert [type(error) for _, error in caught.value.failures] == [ForbiddenError, ForbiddenError]
    bucket.permissions.write.add("account:bob")
    bucket.save()
    with bob.batch() as batch:
        outcome = batch.save(mine)
        batch.save(other)
    assert outcome.result().changed == {"title"}
    assert Task.get("a").title == "by bob"


def test_an_instance_of_another_client_goes_where_it_came_from(kinto: Client, server: EmbeddedServer) -> None:
    """As its own ``save()``: not to where its class says, as if it were new."""
    kinto.bucket("todo").collection("archive").save()
    with Client(server.url, auth=ALICE) as other:
        archive = other.repository(Task, collection="archive")
        task = archive.create(Task(id="a", title="archived"))
        task.title = "changed"
        with kinto.batch() as batch:
            batch.save(task)
        assert kinto.repository(Task).get_or_none("a") is None
        assert archive.get("a").title == "changed"


def test_permissions_are_written_in_a_batch_too(kinto: Client) -> None:
    new, old = Task(id="a"), saved(id="b")
    new.permissions.read.add(EVERYONE)
    old.permissions.read.add(EVERYONE)
    with kinto.batch() as batch:
        batch.save(new)
        changed = batch.save(old)
        batch.repository(Task).get("a")
    assert changed.result().changed == {"permissions"}
    assert {"system.Everyone"} == set(Task.get("a").permissions.read) == set(Task.get("b").permissions.read)
    assert set(new.permissions.read) == {"system.Everyone"}
    assert new.permissions.changes() == old.permissions.changes() == {}


def test_ids_of_the_server_come_in_a_batch_too(kinto: Client) -> None:
    made = [Numbered(title=letter) for letter in "abc"]
    with kinto.batch() as batch:
        for each in made:
            batch.save(each)
        count = batch.repository(Numbered).count()
    assert len({each.id for each in made} - {""}) == 3
    assert count.result() == 3
    assert [Numbered.get(each.id).title for each in made] == ["a", "b", "c"]


async def test_a_batch_of_an_async_client_is_the_same(server: EmbeddedServer, kinto: Client) -> None:
    async with AsyncClient(server.url, auth=ALICE) as client:
        tasks = [Task(id=letter) for letter in "abc"]
        async with client.batch() as batch:
            outcomes = [batch.save(task) for task in tasks]
            with pytest.raises(NotSentError, match="has not ended"):
                outcomes[0].result()
            listed = batch.repository(Task).find().all()
        assert all(outcome.result().created for outcome in outcomes)
        assert len(listed.result()) == 3
        assert all(task.saved for task in tasks)
        tasks[0].title = "changed"
        await tasks[0].asave()  # bound to the async client now
        unsent: list[Outcome[Any]] = []
        with pytest.raises(ValueError, match="no"):  # noqa: PT012
            async with client.batch() as dropped:
                unsent.append(dropped.save(Task(id="d")))
                raise ValueError("no")
        with pytest.raises(NotSentError, match="ended with an exception"):
            unsent[0].result()
        with pytest.raises(BatchError, match="1 of 2 failed") as caught:  # noqa: PT012
            async with client.batch() as batch:
                batch.repository(Task).get("missing")
                batch.repository(Task).get("a")
        assert [target for target, _ in caught.value.failures] == ["missing"]
    assert kinto.repository(Task).count() == 3


def test_an_error_of_the_server_is_each_parts_own(four: Client, bench: Bench) -> None:
    bench.plan(Answer(500), holding=b"/batch")
    tasks = [Task(id="a"), Task(id="b")]
    outcomes: list[Outcome[Any]] = []
    with Client(bench.url, auth=ALICE) as kinto, pytest.raises(BatchError) as caught, kinto.batch() as batch:
        outcomes += [batch.save(task) for task in tasks]
    first, second = (error for _, error in caught.value.failures)
    assert isinstance(first, ServerFailedError)
    assert isinstance(second, ServerFailedError)
    assert first is not second
    assert (first.status, first.request) == (second.status, second.request) == (500, "POST /batch")
    assert [outcome.error for outcome in outcomes] == [first, second]


def test_every_outcome_of_a_kind_that_failed_is_a_kinto_error_or_the_values_own(kinto: Client) -> None:
    task = saved(id="a")
    task.tags.append(1)  # type: ignore[arg-type]
    with pytest.raises(BatchError) as caught, kinto.batch() as batch:  # noqa: PT012
        batch.save(task)
        batch.repository(Task).get("missing")
    (_, invalid), (_, missing) = caught.value.failures
    assert isinstance(invalid, ValidationError)
    assert isinstance(missing, KintoError)


def test_a_batch_says_where_ids_are_taken(kinto: Client) -> None:
    wrong: Any = "a"
    with kinto.batch() as batch:
        with pytest.raises(TypeError, match=r"batch\.repository\(Task\)"):
            batch.delete(wrong)
        with pytest.raises(TypeError, match="takes an instance"):
            batch.save(wrong)


def test_a_read_after_what_reads_first_and_writes_then_sees_it(kinto: Client) -> None:
    tasks = kinto.repository(Task)
    tasks.create_many(Task(id=f"t{number}") for number in range(40))
    listed = tasks.find(Task.id == "t0").one()
    listed.permissions.read.add(EVERYONE)
    listed.title = "granted"
    with kinto.batch() as batch:
        objects = batch.repository(Task)
        for number in range(1, 40):
            objects.modify(f"t{number}", lambda task: setattr(task, "priority", 1))
        one, count, changes = objects.get("t1"), objects.find(Task.priority == 1).count(), objects.changes()
        batch.save(listed)
        granted = objects.get("t0")
    assert one.result().priority == 1
    assert count.result() == 39
    assert sum(task.priority == 1 for task in changes.result().updated) == 39
    assert granted.result().title == "granted"
