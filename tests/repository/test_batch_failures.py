"""A batch in which everything happens at once: each instance and each handle tells exactly what became of it."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import Field, ValidationError

from kinto_models import (
    AbortedError,
    AsyncClient,
    BatchError,
    Client,
    ConflictError,
    ConnectionFailedError,
    InvalidRecordError,
    InvalidRequestError,
    NotFoundError,
    NotSentError,
    Outcome,
    Record,
    ServerFailedError,
    TransportError,
    UnavailableError,
    UncertainOutcomeError,
)
from kinto_models.protocol.messages import Ahead, Response
from kinto_models.repository.batch import Collected
from tests.faults import Answer, Bench, Cut
from tests.loopback import Loopback
from tests.repository.conftest import Opened, carry_out, told


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""
    priority: int = Field(default=3, ge=0)
    tags: list[str] = []


class Lenient(Record, bucket="todo", collection="tasks"):
    """The same records, without a rule."""


# What the server checks, and the class does not.
SCHEMA = {"type": "object", "properties": {"priority": {"type": "integer", "maximum": 10}}}

DONE = type(None)

CHUNKS = ("first", "hit", "after", "last")
"""Two follow the one that is hit: the first of them may have been made ready by then."""


@dataclass
class Story:
    """What a test has in its hands."""

    expected: dict[str, type[Exception] | None] = field(default_factory=dict)
    """The error of each part, by the name of the part."""
    outcomes: dict[str, Outcome[Any]] = field(default_factory=dict)
    instances: dict[str, Task] = field(default_factory=dict)
    etags: dict[str, str | None] = field(default_factory=dict)


def on_server(kinto: Client) -> dict[str, Any]:
    return {each.id: (each.model_extra or {}).get("title") for each in kinto.repository(Lenient).find()}


@pytest.fixture
def kinto(four: Client) -> Client:
    """The server that takes four requests in a batch, and checks records against a schema."""
    collection = four.bucket("todo").collection("tasks")
    collection.json_schema = SCHEMA
    collection.save(force=True)
    lenient = four.repository(Lenient)
    for chunk in CHUNKS:
        for name in ("patched", "deleted", "read"):
            lenient.save(Lenient.model_validate({"id": f"{chunk}-{name}", "title": "old"}))
    for name in ("stale", "refused", "invalid", "unchanged"):
        lenient.save(Lenient.model_validate({"id": name, "title": "old"}))
    # Kinto takes it; the class does not.
    lenient.save(Lenient.model_validate({"id": "misfit", "title": "old", "priority": -1}))
    return four


async def prepared(kinto: Client, client: Any) -> Story:
    """The instances as they are before the batch: read through the client that is to write them, and changed."""
    story, tasks = Story(), client.repository(Task)
    for chunk in CHUNKS:
        story.instances[f"{chunk}-created"] = Task(id=f"{chunk}-created", title="new")
        for name in ("patched", "deleted"):
            story.instances[f"{chunk}-{name}"] = await told(tasks.get(f"{chunk}-{name}"))
        story.instances[f"{chunk}-patched"].title = "new"
    for name in ("stale", "refused", "invalid", "unchanged"):
        story.instances[name] = await told(tasks.get(name))
    kinto.repository(Task).patch("stale", title="theirs")
    story.instances["stale"].title = "mine"
    story.instances["refused"].priority = 99
    story.instances["invalid"].tags.append(1)  # type: ignore[arg-type]  # in place, so pydantic does not see it
    story.etags = {name: instance.etag for name, instance in story.instances.items()}
    return story


def fill(story: Story, batch: Collected) -> None:
    """Three chunks of four with the failures that are a part's own between them: each is sent by itself."""
    tasks, its, put = batch.repository(Task), story.instances, story.outcomes
    for chunk in CHUNKS:
        put[f"{chunk}-created"] = batch.create(its[f"{chunk}-created"])
        put[f"{chunk}-patched"] = batch.save(its[f"{chunk}-patched"])
        put[f"{chunk}-deleted"] = batch.delete(its[f"{chunk}-deleted"])
        put[f"{chunk}-read"] = tasks.get(f"{chunk}-read")
        if chunk == "first":
            put["stale"] = batch.save(its["stale"])
            put["unknown"] = tasks.get("unknown")
            put["invalid"] = batch.save(its["invalid"])  # takes no room in a chunk
            put["refused"] = batch.save(its["refused"])
            put["misfit"] = tasks.get("misfit")
            put["unchanged"] = batch.save(its["unchanged"])  # neither


OWN: dict[str, type[Exception] | None] = {
    "stale": ConflictError,
    "unknown": NotFoundError,
    "invalid": ValidationError,
    "refused": InvalidRequestError,
    "misfit": InvalidRecordError,
    "unchanged": None,
}
"""What happens to these whatever the server does to others."""


@dataclass(frozen=True)
class Accident:
    """What happens to the chunk ``hit``.

    Attributes:
        make: prepares it.
        hit: the error of each of its parts.
        after: the error of what follows.
        carried_out: whether the server did the chunk all the same.
    """

    make: Callable[[Bench], object]
    hit: type[Exception] | None
    after: type[Exception] | None
    carried_out: bool = False


HIT = b"hit-created"
ACCIDENTS = {
    "a failing server": Accident(lambda bench: bench.plan(Answer(500), holding=HIT), ServerFailedError, None),
    "a proxy that fails": Accident(
        lambda bench: bench.plan(Answer(502, body=b"<html>"), holding=HIT), ServerFailedError, None
    ),
    "a conflict of transactions": Accident(
        lambda bench: bench.plan(Answer(409, body=b'{"errno":122}'), holding=HIT), AbortedError, None
    ),
    "an unavailable server": Accident(
        lambda bench: bench.plan(Answer(503), holding=HIT), UnavailableError, NotSentError
    ),
    "a cut connection": Accident(
        lambda bench: bench.plan(Cut("request"), holding=HIT), UncertainOutcomeError, NotSentError
    ),
    "a lost answer": Accident(
        lambda bench: bench.plan(Cut("answer"), holding=HIT), UncertainOutcomeError, NotSentError, carried_out=True
    ),
    "no accident": Accident(lambda bench: None, None, None, carried_out=True),
}


@pytest.mark.parametrize("name", ACCIDENTS)
async def test_each_part_tells_exactly_what_became_of_it(
    kinto: Client, bench: Bench, opened: Opened, name: str
) -> None:
    accident = ACCIDENTS[name]
    async with opened(bench.url, retry=0) as client:
        story = await prepared(kinto, client)
        bench.forget()
        accident.make(bench)
        with pytest.raises(BatchError) as caught:
            await carry_out(client, lambda batch: fill(story, batch))
    expected = {**OWN}
    for chunk, error in (
        ("first", None),
        ("hit", accident.hit),
        ("after", accident.after),
        ("last", accident.after),
    ):
        expected |= dict.fromkeys((f"{chunk}-{part}" for part in ("created", "patched", "deleted", "read")), error)
    if accident.hit is UncertainOutcomeError:  # a read never is
        expected["hit-read"] = ConnectionFailedError
    check_outcomes(story, expected, caught.value)
    check_instances(story, expected)
    check_server(kinto, story, expected, hit_done=accident.carried_out)
    check_wire(bench, expected, caught.value, stopped=accident.after is not None)


def check_outcomes(story: Story, expected: dict[str, type[Exception] | None], error: BatchError) -> None:
    assert {name: type(outcome.error) for name, outcome in story.outcomes.items()} == {
        name: kind or DONE for name, kind in expected.items()
    }
    failed = [outcome for outcome in story.outcomes.values() if outcome.error is not None]
    # Every failure with its target, in the order of the batch, and nothing else.
    assert [(id(target), each) for target, each in error.failures] == [(id(o.target), o.error) for o in failed]
    assert len({id(each) for _, each in error.failures}) == len(failed)
    assert f"{len(failed)} of {len(story.outcomes)} failed" in str(error)
    for name, outcome in story.outcomes.items():
        assert outcome.target is story.instances.get(name, outcome.target)
        assert outcome.done is (expected[name] is None)
        if expected[name] is not None:
            with pytest.raises(expected[name] or Exception) as raised:
                outcome.result()
            assert raised.value is outcome.error
    for chunk in CHUNKS:
        if expected[f"{chunk}-created"] is None:
            assert story.outcomes[f"{chunk}-created"].result() is story.instances[f"{chunk}-created"]
            assert story.outcomes[f"{chunk}-patched"].result().changed == {"title"}
            assert story.outcomes[f"{chunk}-deleted"].result() is True
            assert story.outcomes[f"{chunk}-read"].result().title == "old"
    conflict, refused, misfit = (story.outcomes[name].error for name in ("stale", "refused", "misfit"))
    assert isinstance(conflict, ConflictError)
    assert conflict.mine is story.instances["stale"]
    assert conflict.theirs.title == "theirs"
    assert conflict.overlapping == {"title"}
    assert isinstance(refused, InvalidRequestError)
    assert refused.details[0]["name"] == "priority"
    assert isinstance(misfit, InvalidRecordError)
    assert (misfit.object_id, misfit.errors[0]["loc"]) == ("misfit", ("priority",))


def check_instances(story: Story, expected: dict[str, type[Exception] | None]) -> None:
    """What was acknowledged is saved, under its new ETag; what was not is as it was."""
    for name, instance in story.instances.items():
        if name not in expected:
            continue
        done, part = expected[name] is None, name.rpartition("-")[2]
        if name == "unchanged":
            assert (instance.saved, instance.dirty, instance.etag) == (True, False, story.etags[name])
        elif not done:
            assert instance.etag == story.etags[name], name
            assert instance.saved is (part != "created"), name
            assert instance.dirty is (part != "deleted"), name
        elif part == "deleted":
            assert (instance.saved, instance.etag, instance.title) == (False, None, "old")
        else:
            assert (instance.saved, instance.dirty, instance.title) == (True, False, "new"), name
            assert instance.etag != story.etags[name]
            assert instance.permissions.known, name
    assert story.instances["stale"].changes == {"title": "mine"}
    assert story.instances["refused"].changes == {"priority": 99}


def check_server(kinto: Client, story: Story, expected: dict[str, type[Exception] | None], *, hit_done: bool) -> None:
    """The server holds what was acknowledged, and of the rest nothing, unless it was the answer that was lost."""
    wanted: dict[str, Any] = dict.fromkeys(("refused", "invalid", "unchanged", "misfit"), "old")
    wanted["stale"] = "theirs"
    for chunk in CHUNKS:
        done = expected[f"{chunk}-created"] is None or (chunk == "hit" and hit_done)
        wanted |= {f"{chunk}-read": "old", f"{chunk}-patched": "new" if done else "old"}
        wanted |= {f"{chunk}-created": "new"} if done else {f"{chunk}-deleted": "old"}
    assert on_server(kinto) == wanted
    for name, instance in story.instances.items():
        if name in expected and expected[name] is None and not name.endswith("deleted"):
            assert kinto.repository(Task).get(name).etag == instance.etag, name


def check_wire(bench: Bench, expected: dict[str, type[Exception] | None], error: BatchError, *, stopped: bool) -> None:
    asked = [each for each in bench.received if each.line.startswith("POST /v1/batch ")]
    sizes = [len(json.loads(each.body)["requests"]) for each in asked]
    assert sizes == ([4] * 3 if stopped else [4] * 5)
    assert len(bench.received) == len(sizes) + 1  # and the question how much it takes; nothing was sent again
    if not stopped:
        assert error.__cause__ is None
        return
    assert not [each for each in bench.received if b"after-" in each.body or b"last-" in each.body]
    hit = next(each for target, each in error.failures if getattr(target, "id", None) == "hit-created")
    later = [each for _, each in error.failures if isinstance(each, NotSentError)]
    assert len(later) == sum(kind is NotSentError for kind in expected.values()) == 8
    for each in [*later, error]:
        assert type(each.__cause__) is type(hit)
        assert str(each.__cause__) == str(hit)
    assert all("could not be reached" in str(each) for each in later)


async def test_what_failed_can_be_done_again_with_the_same_instances(
    kinto: Client, bench: Bench, opened: Opened
) -> None:
    async with opened(bench.url, retry=0) as client:
        story = await prepared(kinto, client)
        bench.forget()
        bench.plan(Cut("request"), holding=HIT)
        with pytest.raises(BatchError) as caught:
            await carry_out(client, lambda batch: fill(story, batch))
        left = [
            target
            for target, error in caught.value.failures
            if isinstance(error, (NotSentError, UncertainOutcomeError))
        ]
        writes = [target for target in left if isinstance(target, Task) and not target.id.endswith("deleted")]
        gone = [target for target in left if isinstance(target, Task) and target.id.endswith("deleted")]

        def again(batch: Collected) -> None:
            for task in writes:
                batch.save(task)
            for task in gone:
                batch.delete(task)

        await carry_out(client, again)
    server = on_server(kinto)
    assert all(server[f"{chunk}-{name}"] == "new" for chunk in CHUNKS for name in ("created", "patched"))
    assert not [name for name in server if name.endswith("deleted")]


async def test_after_a_cut_nothing_that_a_batch_cannot_carry_is_sent_either(
    kinto: Client, bench: Bench, opened: Opened
) -> None:
    """A JSON patch, which is a request of its own, and the second request of an upsert."""
    async with opened(bench.url, retry=0) as client:
        lenient = client.repository(Lenient)
        kinto.repository(Lenient).patch("after-read", other=1)
        removing = await told(lenient.get("after-read"))
        del removing.model_extra["other"]
        fresh = [Task(id=f"hit-created-{number}") for number in range(2)]
        bench.forget()
        bench.plan(Cut("request"), holding=HIT)
        outcomes: list[Outcome[Any]] = []

        def both(batch: Collected) -> None:
            outcomes.extend(batch.save(task) for task in fresh)
            outcomes.append(batch.save(removing))
            outcomes.append(batch.upsert(Task(id="after-patched", title="new")))

        with pytest.raises(BatchError, match="4 of 4 failed"):
            await carry_out(client, both)
    assert [type(outcome.error) for outcome in outcomes] == [UncertainOutcomeError] * 2 + [NotSentError] * 2
    assert removing.dirty
    assert len(bench.received) == 2
    assert on_server(kinto)["after-patched"] == "old"


async def test_a_cut_between_the_two_requests_of_an_upsert_fails_that_upsert(
    kinto: Client, bench: Bench, opened: Opened
) -> None:
    upserted = [Task(id="first-patched", title="new"), Task(id="first-read", title="new")]
    new = Task(id="first-created", title="new")
    later = Task(id="after-created")
    outcomes: list[Outcome[Any]] = []
    async with opened(bench.url, retry=0) as client:
        bench.plan(Cut("request"), holding=b"PATCH")

        def fill_(batch: Collected) -> None:
            outcomes.extend(batch.upsert(task) for task in (*upserted, new))
            outcomes.append(batch.repository(Task).count())
            outcomes.append(batch.save(later))

        with pytest.raises(BatchError, match="4 of 5 failed"):
            await carry_out(client, fill_)
    kinds = [DONE if outcome.error is None else type(outcome.error) for outcome in outcomes]
    assert kinds == [UncertainOutcomeError, UncertainOutcomeError, DONE, NotSentError, NotSentError]
    assert [task.saved for task in (*upserted, new, later)] == [False, False, True, False]
    assert on_server(kinto)["first-created"] == "new"
    assert on_server(kinto)["first-patched"] == on_server(kinto)["first-read"] == "old"
    assert "after-created" not in on_server(kinto)


async def test_a_server_that_says_how_long_to_wait_is_asked_again(kinto: Client, bench: Bench, opened: Opened) -> None:
    bench.plan(Answer(503, headers={"Retry-After": "0"}), holding=b"/batch")
    tasks = [Task(id="a"), Task(id="b")]
    async with opened(bench.url) as client:
        await carry_out(client, lambda batch: [batch.save(task) for task in tasks])
    assert all(task.saved for task in tasks)
    assert len([each for each in bench.received if "/batch" in each.line]) == 2
    assert {"a", "b"} <= on_server(kinto).keys()


async def test_an_answer_of_something_that_is_no_kinto_fails_its_chunk_only(
    kinto: Client, bench: Bench, opened: Opened
) -> None:
    bench.plan(Answer(200, body=b'{"responses": []}'), holding=b"t0")
    tasks = [Task(id=f"t{number}") for number in range(8)]
    async with opened(bench.url, retry=0) as client:
        with pytest.raises(BatchError, match="4 of 8 failed.*the server may have done them"):
            await carry_out(client, lambda batch: [batch.save(task) for task in tasks])
    assert [task.saved for task in tasks] == [False] * 4 + [True] * 4
    assert {f"t{number}" for number in range(4, 8)} == {name for name in on_server(kinto) if name[0] == "t"}


def _accepted(*names: str) -> bytes:
    bodies = ({"data": {"id": name, "last_modified": 5, "title": ""}, "permissions": {}} for name in names)
    return json.dumps({"responses": [{"status": 201, "headers": {}, "body": body} for body in bodies]}).encode()


async def test_a_cut_leaves_what_was_answered_before_it_and_sends_nothing_after_it(
    loopback: Loopback, opened: Opened
) -> None:
    loopback.answers(body=b'{"settings":{"batch_max_requests":2}}')
    loopback.answers(body=_accepted("t0", "t1"))
    loopback.says(b"")
    tasks = [Task(id=f"t{number}") for number in range(7)]
    outcomes: list[Outcome[Any]] = []
    async with opened(loopback.url, retry=0) as client:
        with pytest.raises(BatchError, match="5 of 7 failed"):
            await carry_out(client, lambda batch: outcomes.extend(batch.save(task) for task in tasks))
    assert len(loopback.received) == 3
    assert [task.saved for task in tasks] == [True] * 2 + [False] * 5
    kinds = [TransportError, TransportError, NotSentError, NotSentError, NotSentError]
    assert [outcome.error for outcome in outcomes[:2]] == [None, None]
    for outcome, kind in zip(outcomes[2:], kinds, strict=True):
        assert isinstance(outcome.error, kind)


async def test_a_batch_that_is_cancelled_tells_what_was_answered_before(loopback: Loopback) -> None:
    loopback.answers(body=b'{"settings":{"batch_max_requests":2}}')
    loopback.answers(body=_accepted("t0", "t1"))
    loopback.says(b"", "stall")
    tasks = [Task(id=f"t{number}") for number in range(7)]
    outcomes: list[Outcome[Any]] = []
    async with AsyncClient(loopback.url, retry=0) as client:

        async def all_() -> None:
            async with client.batch() as batch:
                outcomes.extend(batch.save(task) for task in tasks)

        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(all_(), 0.3)
    gc.collect()
    assert len(loopback.received) == 3
    assert [task.saved for task in tasks] == [True] * 2 + [False] * 5
    unsent = [isinstance(outcome.error, NotSentError) for outcome in outcomes]
    assert unsent == [False] * 4 + [True] * 3
    assert all("it may have been carried out" in str(outcome.error) for outcome in outcomes[2:4])


async def test_a_batch_that_is_given_up_when_one_leaves_tells_what_was_answered_before() -> None:
    """At the very moment between the two, which no timing of a test would meet."""
    tasks = [Task(id=f"t{number}") for number in range(5)]
    batch = AsyncClient("http://kinto/v1").batch()
    outcomes = [batch.save(task) for task in tasks]
    carried = batch._carried_out()
    next(carried)
    first = carried.send(b'{"settings":{"batch_max_requests":2}}')
    assert isinstance(first, Ahead)
    assert carried.send(first.operation) is first.operation
    answer = Response(200, {}, _accepted("t0", "t1"), "http://kinto/v1")
    assert isinstance(carried.send(first.operation.decode(answer)), Ahead)
    carried.close()
    assert [task.saved for task in tasks] == [True] * 2 + [False] * 3
    assert [outcome.done for outcome in outcomes] == [True] * 2 + [False] * 3
    assert all("it may have been carried out" in str(outcome.error) for outcome in outcomes[2:4])
    assert isinstance(outcomes[4].error, NotSentError)


async def test_a_batch_that_is_cancelled_does_not_say_that_what_was_on_its_way_was_not_sent(
    loopback: Loopback,
) -> None:
    loopback.answers(body=b'{"settings":{"batch_max_requests":2}}')
    loopback.says(b"", "stall")
    tasks = [Task(id=f"t{number}") for number in range(4)]
    outcomes: list[Outcome[Any]] = []
    async with AsyncClient(loopback.url, retry=0) as client:

        async def both() -> None:
            async with client.batch() as batch:
                outcomes.extend(batch.save(task) for task in tasks)

        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(both(), 0.3)
    gc.collect()
    assert len(loopback.received) == 2
    assert [task.saved for task in tasks] == [False] * 4
    assert [isinstance(outcome.error, NotSentError) for outcome in outcomes] == [False, False, True, True]
    assert "could not be reached" not in str(outcomes[3].error)
