"""Reviews and changesets of Remote Settings: what goes over the wire, and what is made of the answers.

No server plugin for them can be installed here, so the answers are those that a bench gives in its place; what needs no
plugin is asked of a real Kinto.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

import pytest

from kinto_models import (
    AsyncClient,
    AsyncObjects,
    Bucket,
    Client,
    Collection,
    ConflictError,
    DeclarationError,
    Event,
    ForbiddenError,
    InvalidAnswerError,
    MissingCapabilityError,
    NotFoundError,
    Objects,
    QueryError,
    Record,
    RemoteChangeSet,
    ReviewStatus,
    Tombstone,
    UncertainOutcomeError,
)
from tests.conftest import Wire
from tests.faults import Answer, Bench, Cut
from tests.repository.conftest import Opened, told

_PLACE: Final = "/buckets/todo/collections/tasks"
_CHANGESET: Final = f"{_PLACE}/changeset"


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""


Step: TypeAlias = Callable[[Collection, str], Any]
"""Calls a method of a collection, or its twin: ``step(collection, "approve")``."""


@pytest.fixture(params=["", "a"], ids=["blocking", "awaited"])
def twin(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bench(kinto: Client) -> Iterator[Bench]:
    """Stands before the server."""
    with Bench(kinto.url) as bench:
        yield bench


async def stepped(twin: str, url: str, use: Callable[[Any, Callable[..., Any]], Any]) -> Any:
    """Uses the collection, as a client of one kind read it: ``use(collection, step)``."""

    def step(collection: Collection, name: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(collection, twin + name)(*args, **kwargs)

    if not twin:
        with Client(url, auth=("alice", "s3cret")) as client:
            return use(client.bucket("todo").collections.get("tasks"), step)
    async with AsyncClient(url, auth=("alice", "s3cret")) as awaited:
        read = await awaited.bucket("todo").acollections.get("tasks")
        return await told(use(read, step))


def sent_to(bench: Bench, method: str) -> list[Any]:
    return [received for received in bench.handed_on if received.line.startswith(f"{method} ")]


# What is sent


@pytest.mark.parametrize(
    ("name", "args", "data"),
    [
        ("request_review", ("please",), {"status": "to-review", "last_editor_comment": "please"}),
        ("request_review", (), {"status": "to-review", "last_editor_comment": ""}),
        ("approve", (), {"status": "to-sign"}),
        ("decline", ("why?",), {"status": "work-in-progress", "last_reviewer_comment": "why?"}),
        ("rollback", ("oops",), {"status": "to-rollback", "last_editor_comment": "oops"}),
        ("resign", (), {"status": "to-resign"}),
    ],
)
async def test_each_step_is_one_patch_that_is_really_sent(
    twin: str, bench: Bench, name: str, args: tuple[str, ...], data: dict[str, str]
) -> None:
    seen: list[Any] = []

    def use(collection: Collection, step: Callable[..., Any]) -> Any:
        seen.append(collection.etag)
        return step(collection, name, *args)

    result = await stepped(twin, bench.url, use)
    (patch,) = sent_to(bench, "PATCH")
    assert patch.line == f"PATCH /v1{_PLACE} HTTP/1.1"
    assert json.loads(patch.body) == {"data": data}
    assert patch.headers["content-type"] == "application/json"
    assert patch.headers["if-match"] == seen[0]
    assert result.changed == data.keys()
    assert len(bench.handed_on) == 2  # with the one that read it


async def test_a_step_is_sent_even_if_the_instance_believes_to_be_there(twin: str, bench: Bench) -> None:
    # What the server makes of a to-sign is not in its answer: the instance may be behind.
    await stepped(twin, bench.url, lambda collection, step: step(collection, "approve"))
    await stepped(twin, bench.url, lambda collection, step: step(collection, "approve"))
    assert len(sent_to(bench, "PATCH")) == 2


async def test_a_reviewer_approves_what_was_read_and_nothing_else(twin: str, kinto: Client, bench: Bench) -> None:
    def overtaken(collection: Collection, step: Callable[..., Any]) -> Any:
        kinto.bucket("todo").collections.patch("tasks", status="work-in-progress")
        return step(collection, "approve")

    with pytest.raises(ConflictError) as caught:
        await stepped(twin, bench.url, overtaken)
    assert caught.value.theirs.review_status is ReviewStatus.WORK_IN_PROGRESS

    def forced(collection: Collection, step: Callable[..., Any]) -> Any:
        kinto.bucket("todo").collections.patch("tasks", status="to-review")
        return step(collection, "approve", force=True)

    await stepped(twin, bench.url, forced)
    assert "if-match" not in sent_to(bench, "PATCH")[-1].headers
    assert kinto.bucket("todo").collections.get("tasks").review_status is ReviewStatus.TO_SIGN


def test_a_handle_was_not_read_and_is_not_checked(kinto: Client, wire: Wire) -> None:
    collection = kinto.bucket("todo").collection("tasks")
    collection.request_review("please")
    assert [request.line for request in wire.sent] == [f"PATCH {_PLACE}"]
    assert "If-Match" not in wire.last.headers
    assert collection.review_status is ReviewStatus.TO_REVIEW
    assert collection.saved
    assert not collection.dirty


async def test_what_nobody_read_was_not_deleted_since(kinto: Client, opened: Opened) -> None:
    async with opened(kinto.url) as client:
        nowhere = client.bucket("todo").collection("nope")
        with pytest.raises(NotFoundError) as caught:
            await told(nowhere.aresign() if isinstance(client, AsyncClient) else nowhere.resign())
        assert caught.value.errno == 110
        assert "since it was read" not in str(caught.value)
        gone = kinto.bucket("todo").collections.get("tasks")
        kinto.bucket("todo").collections.delete("tasks")
        with pytest.raises(NotFoundError, match="deleted since it was read"):
            gone.resign()


def test_an_etag_of_elsewhere_says_nothing_here(kinto: Client, wire: Wire) -> None:
    kinto.bucket("other").save()
    kinto.bucket("other").collection("tasks").save()
    collection = kinto.bucket("other").collections.get("tasks")
    kinto.bucket("todo").collections.review(collection, ReviewStatus.TO_REVIEW)
    assert wire.last.target == _PLACE
    assert "If-Match" not in wire.last.headers


def test_what_is_unsaved_stays_unsaved(kinto: Client, wire: Wire) -> None:
    collection = kinto.bucket("todo").collections.get("tasks")
    collection.sort = "-title"
    collection.permissions.read.add("account:bob")
    collection.request_review()
    assert json.loads(wire.last.body or b"")["data"].keys() == {"status", "last_editor_comment"}
    assert collection.sort == "-title"
    assert collection.changes == {"sort": "-title"}
    assert collection.permissions.changed
    collection.save()
    assert kinto.bucket("todo").collections.get("tasks").sort == "-title"


def test_what_a_new_instance_says_is_not_lost_either(kinto: Client) -> None:
    kinto.bucket("todo").collections.patch("tasks", sort="title", cache_expires=5)
    collection = Collection(id="tasks", sort="-title")
    kinto.bucket("todo").collections.review(collection, "to-review")
    assert collection.changes == {"sort": "-title"}
    assert collection.cache_expires == 5


def test_a_step_that_the_server_refuses_changes_nothing(kinto: Client, bench: Bench) -> None:
    refusal = json.dumps({"code": 403, "errno": 121, "message": "Not in tasks-reviewers group"}).encode()
    bench.plan(Answer(403, body=refusal), on="PATCH")
    with Client(bench.url, auth=("alice", "s3cret")) as client:
        collection = client.bucket("todo").collections.get("tasks")
        with pytest.raises(ForbiddenError, match="Not in tasks-reviewers group"):
            collection.approve()
        assert collection.review_status is None


def test_an_approval_whose_answer_is_lost_is_sent_once_more_and_looked_for(kinto: Client, bench: Bench) -> None:
    bench.plan(Cut("answer"), on="PATCH")
    with Client(bench.url, auth=("alice", "s3cret")) as client:
        collection = client.bucket("todo").collections.get("tasks")
        collection.approve()  # the second is refused by its condition, and what is there is what was asked for
        assert collection.review_status is ReviewStatus.TO_SIGN
        assert len(sent_to(bench, "PATCH")) == 2


def test_an_approval_that_the_server_carried_on_and_lost_is_uncertain(kinto: Client, bench: Bench) -> None:
    bench.plan(Cut("answer"), on="PATCH")
    signed = {"id": "tasks", "last_modified": 1700000000000, "status": "signed"}
    bench.plan(Answer(412, body=b'{"code": 412, "errno": 114}'), on="PATCH")
    with Client(bench.url, auth=("alice", "s3cret")) as client:
        collection = client.bucket("todo").collections.get("tasks")
        bench.plan(Answer(200, {"ETag": '"1700000000000"'}, json.dumps({"data": signed}).encode()), on="GET")
        with pytest.raises(UncertainOutcomeError) as caught:
            collection.approve()
        assert caught.value.theirs.review_status is ReviewStatus.SIGNED


def test_subscribers_and_hooks_hear_of_it(kinto: Client) -> None:
    heard: list[Any] = []

    class Tasks(Collection, bucket="todo", collection="tasks"):
        status: str = ""

        def after_save(self, old: Any, result: Any) -> None:
            heard.append((old.status, self.status, result.changed))

    kinto.bucket("todo").collections.patch("tasks", status="work-in-progress")

    @kinto.subscribe(Tasks)
    def listen(event: Event[Tasks]) -> None:
        heard.append(event.action)

    tasks = Tasks.get("tasks")
    tasks.request_review("x")
    assert heard == [("work-in-progress", "to-review", {"status", "last_editor_comment"}), "updated"]
    assert tasks.review_status is ReviewStatus.TO_REVIEW


async def test_many_collections_are_approved_in_one_request(opened: Opened, kinto: Client, wire: Wire) -> None:
    kinto.bucket("todo").collection("more").save()
    async with opened(kinto.url) as client:
        one, other = (client.bucket("todo").collection(name) for name in ("tasks", "more"))

        def fill(batch: Any) -> list[Any]:
            collections = batch.repository(Collection, bucket="todo")
            return [collections.review(each, ReviewStatus.TO_SIGN) for each in (one, other)]

        if isinstance(client, Client):
            with client.batch() as batch:
                fill(batch)
        else:
            async with client.batch() as batch:
                fill(batch)
    stored = {each.id: each.review_status for each in kinto.bucket("todo").collections.find()}
    assert stored == {"tasks": ReviewStatus.TO_SIGN, "more": ReviewStatus.TO_SIGN}


def test_what_cannot_be_meant_is_refused_before_anything_is_sent(kinto: Client, wire: Wire) -> None:
    collections, tasks = kinto.bucket("todo").collections, kinto.repository(Task)
    collection: Any = kinto.bucket("todo").collection("tasks")
    with pytest.raises(ValueError, match="to-publish"):
        collections.review(collection, "to-publish")
    with pytest.raises(ValueError, match="takes no message"):
        collections.review(collection, ReviewStatus.TO_SIGN, message="fine")
    with pytest.raises(TypeError, match="Task is none"):
        tasks.review(Task(), ReviewStatus.TO_SIGN)
    with pytest.raises(TypeError, match="not of Bucket"):
        collections.review(Bucket(id="todo"), ReviewStatus.TO_SIGN)  # type: ignore[arg-type]
    assert not wire.sent


# The status


@pytest.mark.parametrize(
    ("stored", "status"),
    [
        *((each.value, each) for each in ReviewStatus),
        ("to-dance", "to-dance"),
        (None, None),
        (7, "7"),
        (["signed"], "['signed']"),
    ],
)
def test_the_status_is_what_the_server_told(kinto: Client, stored: Any, status: Any) -> None:
    collections = kinto.bucket("todo").collections
    collections.patch("tasks", status=stored)
    found = collections.get("tasks")
    assert found.review_status == status
    assert isinstance(found.review_status, ReviewStatus) == isinstance(status, ReviewStatus)


def test_there_is_no_status_where_there_is_no_review(kinto: Client) -> None:
    assert kinto.bucket("todo").collections.get("tasks").review_status is None
    assert kinto.bucket("todo").collection("tasks").review_status is None
    assert Collection(id="tasks").review_status is None


def test_a_status_is_text(kinto: Client) -> None:
    status: str = ReviewStatus.TO_SIGN
    assert f"{status}" == str(status) == "to-sign" == status


def test_each_step_has_its_twin() -> None:
    for name in ("request_review", "approve", "decline", "rollback", "resign"):
        one, other = getattr(Collection, name), getattr(Collection, f"a{name}")
        assert inspect.signature(one) == inspect.signature(other)
        assert inspect.iscoroutinefunction(other)


# Changesets


def planned(bench: Bench, changes: list[dict[str, Any]], **told: Any) -> None:
    body = {
        "metadata": {"id": "tasks", "last_modified": 9, "signature": {"x5u": "https://x"}},
        "timestamp": 1700000000003,
    }
    bench.plan(Answer(200, body=json.dumps({**body, "changes": changes, **told}).encode()), path="/changeset", times=9)


_ONE: Final = {"id": "t1", "title": "x", "last_modified": 1700000000001}
_TWO: Final = {"id": "t2", "title": "y", "last_modified": 1700000000003, "more": [1]}
_GONE: Final = {"id": "t0", "last_modified": 1700000000002, "deleted": True}

Asked: TypeAlias = "Callable[[Objects[Task] | AsyncObjects[Task]], Any]"


async def asked(opened: Opened, bench: Bench, ask: Asked) -> Any:
    async with opened(bench.url) as client:
        return await told(ask(client.repository(Task)))


def lines(bench: Bench) -> list[str]:
    return [received.line.split(" ")[1].removeprefix("/v1") for received in bench.received]


async def test_a_changeset_is_the_records_and_the_metadata(opened: Opened, bench: Bench) -> None:
    planned(bench, [_TWO, _ONE])
    found = await asked(opened, bench, lambda tasks: tasks.changeset())
    assert lines(bench) == [f"{_CHANGESET}?_expected=0"]
    assert isinstance(found, RemoteChangeSet)
    assert [(task.id, task.title) for task in found.updated] == [("t1", "x"), ("t2", "y")]  # the latest last
    assert (found.deleted, found.timestamp, found.flushed) == ([], 1700000000003, False)
    assert Collection.model_validate(found.metadata).model_extra == {"signature": {"x5u": "https://x"}}
    assert found.updated[1].model_extra == {"more": [1]}
    assert all(task.saved and not task.dirty for task in found.updated)
    assert found.updated[0].etag == '"1700000000001"'


async def test_a_changeset_since_a_timestamp_has_the_deletions(opened: Opened, bench: Bench) -> None:
    planned(bench, [_TWO, _GONE])
    found = await asked(opened, bench, lambda tasks: tasks.changeset(1700000000001, expected=1700000000003))
    assert lines(bench) == [f"{_CHANGESET}?_expected=1700000000003&_since=%221700000000001%22"]
    assert [task.id for task in found.updated] == ["t2"]
    assert found.deleted == [Tombstone(id="t0", last_modified=1700000000002)]
    assert (len(found), bool(found), found.flushed) == (2, True, False)


async def test_a_cache_is_passed_by_with_a_number_that_nobody_expects(opened: Opened, bench: Bench) -> None:
    planned(bench, [])
    await asked(opened, bench, lambda tasks: tasks.changeset(bust_cache=True))
    await asked(opened, bench, lambda tasks: tasks.changeset(bust_cache=True))
    numbers = [int(line.partition("=")[2]) for line in lines(bench)]
    assert len({*numbers}) == 2
    assert all(str(number).startswith("9999") for number in numbers)  # which the server keeps for a shorter time
    assert all(number > 1700000000000 for number in numbers)  # or it would be behind any since, which is refused


async def test_a_changeset_that_tells_of_no_change_but_a_later_time_is_of_a_flush(opened: Opened, bench: Bench) -> None:
    planned(bench, [])
    found = await asked(opened, bench, lambda tasks: tasks.changeset(1700000000001))
    assert found.flushed
    found = await asked(opened, bench, lambda tasks: tasks.changeset(1700000000003))
    assert not found


async def test_the_list_of_all_changes_has_no_metadata(opened: Opened, bench: Bench) -> None:
    planned(bench, [{"id": "m", "last_modified": 3, "bucket": "main", "collection": "tasks", "host": "h"}], metadata={})
    async with opened(bench.url) as client:
        found = await told(client.repository(Record, bucket="monitor", collection="changes").changeset())
    assert lines(bench) == ["/buckets/monitor/collections/changes/changeset?_expected=0"]
    assert (found.metadata, found.updated[0].model_extra["bucket"]) == ({}, "main")


async def test_a_changeset_in_a_batch(bench: Bench) -> None:
    inner = {"metadata": {}, "changes": [_ONE], "timestamp": 5}
    answers = [{"status": 200, "path": f"/v1{_CHANGESET}", "headers": {}, "body": inner}] * 2
    bench.plan(Answer(200, body=json.dumps({"responses": answers}).encode()), on="POST", path="/batch")
    with Client(bench.url, auth=("alice", "s3cret")) as client, client.batch() as batch:
        tasks = batch.repository(Task)
        one, other = tasks.changeset(), tasks.changeset(bust_cache=True)
    assert one.result().updated[0].id == other.result().updated[0].id == "t1"


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        b'{"data": []}',
        b'{"metadata": [], "changes": [], "timestamp": 1}',
        b'{"metadata": {}, "changes": {}, "timestamp": 1}',
        b'{"metadata": {}, "changes": [], "timestamp": "1"}',
        b'{"metadata": {}, "changes": [], "timestamp": true}',
        b'{"metadata": {}, "changes": [7], "timestamp": 1}',
        b"[" * 100_000,
    ],
)
async def test_an_answer_that_is_none_is_said_to_be_none(opened: Opened, bench: Bench, body: bytes) -> None:
    bench.plan(Answer(200, body=body), path="/changeset")
    with pytest.raises(InvalidAnswerError):
        await asked(opened, bench, lambda tasks: tasks.changeset())


async def test_a_record_that_does_not_fit_is_named(opened: Opened, bench: Bench) -> None:
    planned(bench, [{**_ONE, "title": 7}])
    with pytest.raises(InvalidAnswerError, match="Task 't1' does not fit: title"):
        await asked(opened, bench, lambda tasks: tasks.changeset())


async def test_a_server_without_the_plugin_is_said_to_be_one(opened: Opened, bench: Bench) -> None:
    with pytest.raises(MissingCapabilityError, match="'changes', which the plugin kinto-remote-settings brings"):
        await asked(opened, bench, lambda tasks: tasks.changeset())


async def test_a_collection_that_is_not_there_is_not_found_where_the_plugin_is(opened: Opened, bench: Bench) -> None:
    hello = {
        "http_api_version": "1.23",
        "url": "x",
        "settings": {"batch_max_requests": 25},
        "capabilities": {"changes": {}},
    }
    bench.plan(Answer(200, body=json.dumps(hello).encode()), on="GET", path="/v1/ ")
    bench.plan(Answer(404, body=b'{"code": 404, "errno": 110}'), path="/changeset")
    with pytest.raises(NotFoundError):
        await asked(opened, bench, lambda tasks: tasks.changeset())


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"since": 0}, QueryError, "timestamp in milliseconds"),
        ({"since": "1"}, QueryError, "timestamp in milliseconds"),
        ({"expected": 5, "bust_cache": True}, ValueError, "expected or bust_cache"),
        ({"expected": -1}, ValueError, "timestamp in milliseconds"),
        ({"expected": '"5"'}, ValueError, "timestamp in milliseconds"),
        ({"expected": True}, ValueError, "timestamp in milliseconds"),
    ],
)
async def test_what_is_no_timestamp_is_refused_before_anything_is_sent(
    opened: Opened, bench: Bench, options: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=re.escape(says)):
        await asked(opened, bench, lambda tasks: tasks.changeset(**options))
    assert not bench.received


def test_only_collections_of_records_have_changesets(kinto: Client, wire: Wire) -> None:
    class Article(Record, path="/articles"):
        pass

    for objects in (kinto.bucket("todo").collections, kinto.buckets, kinto.repository(Article)):
        with pytest.raises(DeclarationError, match="is no record of a collection"):
            objects.changeset()
    assert not wire.sent
