"""Dry runs: what a client says that would write nothing, beside what one does that writes."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator
from copy import deepcopy
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
    InvalidAnswerError,
    InvalidRequestError,
    KintoError,
    NotFoundError,
    Record,
    SaveResult,
    ServerIds,
    UnauthorizedError,
    edit,
)
from kinto_models.embedded import EmbeddedServer
from kinto_models.protocol import operations
from kinto_models.protocol.bodies import envelope, json_patch, merge_patch
from kinto_models.protocol.paths import records
from tests.loopback import Loopback

PLACE = records("todo", "tasks")


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""
    tags: list[str] = []
    done: bool | None = None


class Numbered(Task, ids=ServerIds):
    """Whose ids the server makes."""


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
    assert tasks.get("b").saved  # as it would be
    assert tasks.get_or_none("a") is None
    assert [task.title for task in tasks.find()] == ["x"]  # lists are as they are

    assert _state(kinto) == before
    assert _lines(dry) == ["PATCH /a", "PUT /b", "PATCH /a", "DELETE /a"]
    assert dry.withheld[0].body == b'{"data":{"title":"y"}}'
    assert kinto.withheld == ()


async def test_an_async_dry_run_writes_nothing_either(kinto: Client, server: EmbeddedServer) -> None:
    Task(id="a", title="x").save()
    before = _state(kinto)
    async with AsyncClient(server.url, auth=("alice", "s3cret"), dry_run=True) as dry:
        task = await Task.aget("a")
        task.title = "y"
        assert (await task.asave()).changed == {"title"}
        async with dry.batch() as batch:
            saved, read = batch.save(Task(id="b")), batch.repository(Task).get("a")
        assert saved.result().created
        assert read.result().title == "y"
        await task.adelete()
        assert _lines(dry) == ["PATCH /a", "PUT /b", "DELETE /a"]
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


def test_what_is_read_again_is_what_would_be_there(kinto: Client, dry: Client) -> None:
    Task(id="a", title="x").save()
    tasks = dry.repository(Task)
    tasks.patch("a", title="y")
    task = tasks.get("a")
    assert task.title == "y"
    assert not task.refresh()
    assert tasks.exists("a")
    [listed] = tasks.find()
    listed.done = True
    assert tasks.save(listed).changed == {"done"}  # nobody else has changed it
    assert tasks.get_or_create(Task(id="b"))[1]
    assert not tasks.get_or_create(Task(id="b"))[1]
    with dry.batch() as batch:
        found, gone = batch.repository(Task).get("b"), batch.repository(Task).get_or_none("c")
    assert (found.result().id, gone.result()) == ("b", None)
    tasks.delete("a")
    assert not tasks.exists("a")
    Task(id="c").save()
    dry.bucket("todo").collection("tasks").delete(force=True)
    assert not tasks.exists("c")


@pytest.mark.parametrize("awaited", [False, True])
async def test_what_a_dry_run_made_up_is_nothing_to_a_client_that_writes(
    kinto: Client, dry: Client, *, awaited: bool
) -> None:
    Task(id="a", title="x").save()
    Task(id="z").save()
    tasks = kinto.repository(Task)
    changed, gone, new = tasks.get("a"), tasks.get("z"), Task(id="n", title="new")
    before = changed.last_modified
    changed.title = "y"
    changed.permissions.read.add("account:bob")

    async def rehearse() -> None:
        if awaited:
            async with AsyncClient(kinto.url, auth=("alice", "s3cret"), dry_run=True) as client:
                there = client.repository(Task)
                for obj in (changed, new):
                    assert (await there.save(obj)).changed
                await there.delete(gone)
        else:
            with dry.clone() as client:
                for obj in (changed, new):
                    assert client.repository(Task).save(obj).changed
                client.repository(Task).delete(gone)

    await rehearse()
    await rehearse()  # which is another dry run
    copies = pickle.loads(pickle.dumps((changed, new, gone)))
    assert [each.saved for each in copies] == [True, False, True]
    again = deepcopy(changed)
    again.title = "x"
    again.permissions.read.discard("account:bob")
    assert not tasks.save(again).changed
    assert again.last_modified == before
    assert tasks.save(changed).changed == {"title", "permissions"}
    assert tasks.save(new).created
    assert tasks.delete(gone)
    assert [(task.id, task.title) for task in tasks.find().sort("id")] == [("a", "y"), ("n", "new")]
    assert tasks.get("a").permissions.read == {"account:bob"}


def test_a_plan_that_was_rehearsed_can_be_applied(kinto: Client, dry: Client) -> None:
    tasks = kinto.repository(Task)
    tasks.create_many(Task(id=each) for each in ("a", "z"))
    plan = tasks.sync_to([Task(id="a", title="y"), Task(id="n")])
    rehearsed = dry.repository(Task).apply(plan)
    assert rehearsed == tasks.apply(plan)
    assert (rehearsed.created, rehearsed.updated, rehearsed.deleted) == (1, 1, 1)
    assert [(task.id, task.title) for task in tasks.find().sort("id")] == [("a", "y"), ("n", "")]


def test_an_object_that_is_only_made_up_is_created_by_a_client_that_writes(kinto: Client, dry: Client) -> None:
    Task(id="a", title="x").save()
    dry.repository(Task).create(Task(id="n", title="new"))
    read = dry.repository(Task).get("n")
    assert kinto.repository(Task).save(read).created
    assert kinto.repository(Task).get("n").title == "new"
    there = dry.repository(Task).get("a")
    there.title = "y"
    assert kinto.repository(Task).save(there).changed == {"title"}


def test_passwords_are_not_among_what_is_withheld(kinto: Client, dry: Client) -> None:
    dry.accounts.change_password("alice", "hidden")
    with kinto.clone(auth=None, dry_run=True) as stranger:
        stranger.accounts.sign_up("dora", "hidden")
        assert "hidden" not in repr([request.body for request in (*dry.withheld, *stranger.withheld)])
        assert len(stranger.withheld) == 1
    assert pickle.loads(pickle.dumps(dry.withheld)) == dry.withheld


def test_what_is_refused_is_not_withheld(dry: Client) -> None:
    with pytest.raises(NotFoundError):
        dry.repository(Task).patch("missing", title="x")
    assert dry.withheld == ()


@pytest.mark.parametrize("body", [b"<html>Sign in to this network</html>", b"[" * 100_000, b"{}", b"[]"])
def test_a_server_that_is_no_kinto_takes_nothing(loopback: Loopback, body: bytes) -> None:
    writes: list[Callable[[Any], object]] = [
        lambda tasks: tasks.create(Task(id="a")),
        lambda tasks: tasks.upsert(Task(id="a")),
        lambda tasks: tasks.patch("a", title="x"),
        lambda tasks: tasks.delete("a"),
        lambda tasks: tasks.delete_all(),
        lambda tasks: tasks.sibling(Numbered).create(Numbered()),
    ]
    for write in writes:
        loopback.answers(body=body)
        with Client(loopback.url, dry_run=True, retry=0) as dry:
            with pytest.raises(InvalidAnswerError):
                write(dry.repository(Task))
            assert dry.withheld == ()


@pytest.mark.parametrize("value", ["", "yes", 0, None])
def test_whether_it_is_a_dry_run_is_said_by_true_or_false(value: Any) -> None:
    for kind in (Client, AsyncClient):
        with pytest.raises(TypeError, match="dry_run"):
            kind("https://example.com/v1", dry_run=value)


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
    assert _lines(dry) == ["PUT /b", "DELETE /a"]


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


def _fitting(data: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Without what is to be merged into what is no object, where Kinto departs from RFC 7396, or fails."""
    fitting = {}
    for key, value in change.items():
        there = data.get(key, {})
        if not isinstance(value, dict):
            fitting[key] = value
        elif isinstance(there, dict):
            fitting[key] = _fitting(there, value)
    return fitting


@st.composite
def _patches(draw: st.DrawFn) -> tuple[dict[str, Any], Any]:
    data = draw(_objects)
    if draw(st.booleans()):
        return data, merge_patch(_fitting(data, draw(_objects)))
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
    assert rehearsed == _became(kinto.run, change)
