"""Dry runs: what a client says that would write nothing, beside what one does that writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinto_models import (
    AlreadyExistsError,
    AsyncClient,
    BatchError,
    Client,
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    KintoError,
    NotFoundError,
    Record,
    SaveResult,
    ServerFailedError,
    UnauthorizedError,
    edit,
)
from kinto_models.embedded import EmbeddedServer
from kinto_models.protocol import operations
from kinto_models.protocol.bodies import envelope, json_patch, merge_patch
from kinto_models.protocol.paths import records

PLACE = records("todo", "tasks")


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""
    tags: list[str] = []
    done: bool | None = None


@pytest.fixture
def dry(kinto: Client) -> Iterator[Client]:
    """A dry run of the active client of the tests."""
    client = kinto.clone(dry_run=True)
    yield client
    client.close()


def _state(kinto: Client) -> Any:
    return [(task.model_dump(), task.etag) for task in kinto.repository(Task).find().sort("id")]


def _lines(client: Any) -> list[str]:
    return [request.line.replace(PLACE.path, "") for request in client.withheld]


def test_a_dry_run_reads_really_and_writes_nothing(kinto: Client, dry: Client) -> None:
    Task(id="a", title="x").save()
    before = _state(kinto)
    tasks = dry.repository(Task)

    task = tasks.get("a")
    task.title = "y"
    assert task.save() == SaveResult(created=False, changed=frozenset({"title"}), etag=task.etag)
    assert tasks.create(Task(id="b")).saved
    assert tasks.patch("a", edit(Task.tags).append("new")).tags == ["new"]
    assert tasks.delete("a")
    assert not tasks.delete("c", missing_ok=True)
    assert tasks.get_or_none("b") is None  # what was not written is not read
    assert tasks.get("a").title == "x"

    assert _state(kinto) == before
    assert _lines(dry) == ["PATCH /a", "PUT /b", "PATCH /a", "DELETE /a", "DELETE /c"]
    assert dry.withheld[0].body == b'{"data":{"title":"y"}}'
    assert kinto.withheld == ()


async def test_an_async_dry_run_writes_nothing_either(kinto: Client, server: EmbeddedServer) -> None:
    Task(id="a", title="x").save()
    before = _state(kinto)
    async with AsyncClient(server.url, auth=("alice", "s3cret"), dry_run=True) as dry:
        task = await Task.aget("a")
        task.title = "y"
        assert (await task.asave()).changed == {"title"}
        await task.adelete()
        async with dry.batch() as batch:
            saved, read = batch.save(Task(id="b")), batch.repository(Task).get("a")
        assert saved.result().created
        assert read.result().title == "x"
        assert _lines(dry) == ["PATCH /a", "DELETE /a", "PUT /b"]
    assert _state(kinto) == before


def test_one_write_builds_on_another_that_was_not_sent(dry: Client) -> None:
    dry.bucket("new").save()
    dry.bucket("new").collection("tasks").save()
    tasks = dry.repository(Task, bucket="new")
    task = tasks.create(Task(title="x"))
    task.title = "y"
    tasks.save(task)
    assert tasks.patch(task.id, title="z").title == "z"
    with pytest.raises(AlreadyExistsError):
        tasks.create(Task(id=task.id))
    tasks.delete(task.id)
    with pytest.raises(NotFoundError):
        tasks.patch(task.id, title="z")
    dry.bucket("new").delete(force=True)
    with pytest.raises(NotFoundError):
        tasks.create(Task(title="x"))


def test_nothing_is_left_in_what_was_deleted_and_made_again(kinto: Client, dry: Client) -> None:
    Task(id="a", title="old").save()
    todo = dry.bucket("todo")
    todo.collections.delete_all()
    todo.collection("tasks").save()
    assert dry.repository(Task).upsert(Task(id="a")).created
    todo.delete(force=True)
    todo.save()
    todo.collection("tasks").save()
    assert dry.repository(Task).get_or_create(Task(id="a"))[1]
    assert kinto.repository(Task).get("a").title == "old"


def test_a_conflict_is_found_before_anything_is_sent(kinto: Client, dry: Client) -> None:
    Task(id="a", title="x").save()
    task = dry.repository(Task).get("a")
    kinto.repository(Task).patch("a", title="theirs")
    task.title = "mine"
    with pytest.raises(ConflictError) as caught:
        dry.repository(Task).save(task)
    theirs = caught.value.theirs
    assert isinstance(theirs, Task)
    assert theirs.title == "theirs"
    assert dry.repository(Task).save(task, on_conflict="mine").changed == {"title"}
    with pytest.raises(AlreadyExistsError):
        dry.repository(Task).create(Task(id="a"))
    assert dry.repository(Task).get_or_create(Task(id="a", title="z"))[1] is False
    assert kinto.repository(Task).get("a").title == "theirs"


def test_many_and_all_are_told_one_by_one(kinto: Client, dry: Client) -> None:
    kinto.repository(Task).create_many(Task(id=f"t{n}", title=f"{n % 2}") for n in range(60))
    before = _state(kinto)
    tasks = dry.repository(Task)
    assert tasks.create_many(Task() for _ in range(60)).created == 60
    done = tasks.apply(tasks.sync_to([Task(id="t0", title="0"), Task(id="t1", title="new")]))
    assert (done.updated, done.deleted, done.failed) == (1, 58, 0)
    assert len(dry.withheld) == 60 + 59
    assert tasks.delete_all() == 62  # what was made in the dry run included
    with dry.clone() as other:
        assert other.repository(Task).find(Task.title == "1").delete() == 30
        assert len(other.withheld) == 1
    assert _state(kinto) == before


def test_a_batch_says_of_each_part_what_would_come_of_it(kinto: Client, dry: Client) -> None:
    Task(id="a", title="x").save()
    batch = dry.batch()
    tasks = batch.repository(Task)
    twice = tasks.create(Task(id="b")), tasks.create(Task(id="b"))
    gone, missing, total = tasks.delete("a"), tasks.delete("c"), tasks.count()
    with pytest.raises(BatchError) as caught, batch:
        pass
    assert [type(error) for _, error in caught.value.failures] == [AlreadyExistsError, NotFoundError]
    assert twice[0].result().id == "b"
    assert gone.result()
    assert isinstance(missing.error, NotFoundError)
    assert total.result() == 1
    assert _lines(dry) == ["PUT /b", "PUT /b", "DELETE /a", "DELETE /c"]


def test_grants_are_rehearsed_with_the_rest(kinto: Client, dry: Client) -> None:
    Task(id="a").save()
    [task] = dry.repository(Task).find()
    task.permissions.read.add("account:bob")
    assert dry.repository(Task).save(task).changed == {"permissions"}
    assert task.permissions.read == {"account:bob"}
    assert kinto.repository(Task).get("a").permissions.read == set()


def test_what_follows_a_write_does_not_happen(server: EmbeddedServer) -> None:
    told: list[str] = []

    class Noisy(Task, bucket="todo", collection="tasks"):
        def before_save(self, old: Any) -> None:
            told.append("before")

        def after_save(self, old: Any, result: SaveResult) -> None:
            told.append("after")

        def after_delete(self, old: Any) -> None:
            told.append("gone")

    with Client(server.url, auth=("alice", "s3cret"), dry_run=True) as dry:
        dry.subscribe(Task)(lambda event: told.append(event.action))
        dry.bucket("noisy").save()
        dry.bucket("noisy").collection("tasks").save()
        noisy = dry.repository(Noisy, bucket="noisy").create(Noisy())
        noisy.delete()
        dry.repository(Noisy, bucket="noisy").create(Noisy())
        assert dry.repository(Noisy, bucket="noisy").delete_all() == 1
    assert told == ["before", "before"]


def test_wrong_credentials_and_missing_parents_are_found(kinto: Client, server: EmbeddedServer, dry: Client) -> None:
    with kinto.clone(auth=("alice", "wrong"), dry_run=True) as stranger, pytest.raises(UnauthorizedError):
        stranger.repository(Task).create(Task())
    with pytest.raises(NotFoundError):
        dry.repository(Task, collection="missing").create(Task())
    with pytest.raises(NotFoundError):
        dry.run(operations.create_anywhere(records("todo", "missing"), b'{"data":{}}'))
    with kinto.clone(auth=("bob", "s3cret"), dry_run=True) as bob, pytest.raises((ForbiddenError, UnauthorizedError)):
        bob.repository(Task).patch("a", title="x")


def test_ids_that_the_server_would_make_are_made(dry: Client) -> None:
    answer = dry.run(operations.create_anywhere(PLACE, b'{"data":{"title":"x"}}'))
    assert answer.created
    assert b'"title":"x"' in answer.body


def test_a_patch_that_the_object_does_not_allow_is_refused(dry: Client) -> None:
    Task(id="a").save()
    change = json_patch([{"op": "test", "path": "/data/title", "value": "other"}])
    with pytest.raises(InvalidRequestError):
        dry.run(operations.patch(PLACE, "a", change, only=None))


_keys = st.sampled_from(["a", "b", "c~d/e"])
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("xy", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3),
    max_leaves=6,
)
_objects = st.dictionaries(_keys, _json, max_size=3)


def _pointers(value: Any, at: str = "/data") -> list[str]:
    found = [at] if at != "/data" else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += _pointers(inner, f"{at}/{str(key).replace('~', '~0').replace('/', '~1')}")
    beyond = "/-" if isinstance(value, list) else "/new"
    return [*found, at + beyond] if isinstance(value, (list, dict)) else found


@st.composite
def _patches(draw: st.DrawFn) -> tuple[dict[str, Any], Any]:
    data = draw(_objects)
    if draw(st.booleans()):
        return data, merge_patch(draw(_objects))
    paths = st.sampled_from(_pointers(data))
    listed: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(1, 3))):
        op = draw(st.sampled_from(["add", "remove", "replace", "test", "copy", "move"]))
        operation: dict[str, Any] = {"op": op, "path": draw(paths)}
        if op in ("copy", "move"):
            operation["from"] = draw(paths)
        elif op != "remove":
            operation["value"] = draw(_json)
        listed.append(operation)
    return data, json_patch(listed)


def _became(run: Callable[[Any], Any], change: Any) -> Any:
    """The object that a patch makes, or the class of the error."""
    try:
        data = json.loads(run(operations.patch(PLACE, "law", change, only=None)).body)["data"]
    except KintoError as error:
        return type(error)
    return {name: value for name, value in data.items() if name != "last_modified"}


@settings(max_examples=100)
@given(_patches())
def test_a_patch_makes_in_a_dry_run_what_it_makes_on_the_server(
    kinto: Client, dry: Client, drawn: tuple[dict[str, Any], Any]
) -> None:
    data, change = drawn
    kinto.run(operations.replace(PLACE, "law", envelope(data), only=None))
    with kinto.clone(dry_run=True) as rehearsing:
        rehearsed = _became(rehearsing.run, change)
    became = _became(kinto.run, change)
    assert rehearsed == became or became is ServerFailedError  # of a merge into what is no object
