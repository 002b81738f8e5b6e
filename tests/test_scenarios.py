"""One set of scenarios for every way to run them: blocking, async, and each verb in a batch of its own, of both kinds.

Each scenario says what comes of a verb, what the instance is then, and what the server has.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol, TypeAlias, TypeVar, cast

import pytest
from pydantic import BaseModel, Field, ValidationError

from kinto_models import (
    EVERYONE,
    AlreadyExistsError,
    AsyncClient,
    BatchError,
    Bucket,
    ChangeSet,
    Client,
    Collection,
    ConflictError,
    Edit,
    ForbiddenError,
    Group,
    InvalidIdError,
    InvalidRecordError,
    InvalidRequestError,
    MultipleResultsError,
    NoResultError,
    NotFoundError,
    NotSavedError,
    OnConflict,
    QueryError,
    ReadOnlyFieldError,
    Record,
    SaveResult,
    ServerIds,
    UnknownPermissionsError,
    col,
    edit,
)
from kinto_models.embedded import EmbeddedServer
from kinto_models.models.stored import Stored

R = TypeVar("R", bound=Stored)


class Task(Record, bucket="todo", collection="tasks", readonly=("author",)):
    title: str = ""
    priority: int = Field(default=3, ge=0)
    tags: list[str] = []
    author: str = "ada"


class Bare(Record, bucket="todo", collection="tasks"):
    """The same records without a rule, to see what the server has."""


class Lean(Record, bucket="todo", collection="tasks", unknown="ignore"):
    title: str = ""


class Numbered(Record, bucket="todo", collection="tasks", ids=ServerIds):
    title: str = ""


class Title(BaseModel):
    title: str


class Verbs(Protocol[R]):
    """What every way to run offers, of the objects of one class in one place."""

    async def get(self, object_id: str) -> R: ...
    async def get_or_none(self, object_id: str) -> R | None: ...
    async def get_or_create(self, obj: R) -> tuple[R, bool]: ...
    async def create(self, obj: R) -> R: ...
    async def upsert(self, obj: R) -> SaveResult: ...
    async def save(self, obj: R, *, force: bool = False, on_conflict: OnConflict = "raise") -> SaveResult: ...
    async def modify(self, object_id: str, change: Callable[[R], object]) -> R: ...
    async def replace(self, obj: R, *, force: bool = False) -> SaveResult: ...
    async def patch(self, target: R | str, /, *edits: Edit, **changes: Any) -> Any: ...
    async def delete(self, target: R | str, *, force: bool = False, missing_ok: bool = False) -> bool: ...
    async def delete_all(self) -> int: ...
    async def refresh(self, obj: R) -> bool: ...
    async def count(self) -> int: ...
    async def changes(self, since: int | None = None) -> ChangeSet[R]: ...
    async def timestamp(self) -> int: ...
    async def ask(self, build: Callable[[Any], Any]) -> Any:
        """What an ending of a query gives: ``ask(lambda tasks: tasks.find(...).all())``."""
        ...


class Driver(Protocol):
    def of(self, model: type[R], *, bucket: str | None = None, collection: str | None = None) -> Verbs[R]: ...
    async def own(self, obj: Stored, verb: str, **options: Any) -> Any:
        """What the method of the instance gives."""
        ...


class Handed:
    """Hands every verb to ``run``, as a function of the repository that has it."""

    def __init__(self, run: Callable[[Callable[[Any], Any]], Any]) -> None:
        self.ask = run

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        return lambda *args, **options: self.ask(lambda objects: getattr(objects, verb)(*args, **options))


class Blocking:
    def __init__(self, kinto: Client) -> None:
        self._kinto = kinto

    def of(self, model: type[R], *, bucket: str | None = None, collection: str | None = None) -> Verbs[R]:
        objects = self._kinto.repository(model, bucket=bucket, collection=collection)

        async def run(verb: Callable[[Any], Any]) -> Any:
            return verb(objects)

        return cast("Verbs[R]", Handed(run))

    async def own(self, obj: Stored, verb: str, **options: Any) -> Any:
        return getattr(obj, verb)(**options)


class Awaited:
    def __init__(self, kinto: AsyncClient) -> None:
        self._kinto = kinto

    def of(self, model: type[R], *, bucket: str | None = None, collection: str | None = None) -> Verbs[R]:
        objects = self._kinto.repository(model, bucket=bucket, collection=collection)

        async def run(verb: Callable[[Any], Any]) -> Any:
            return await verb(objects)

        return cast("Verbs[R]", Handed(run))

    async def own(self, obj: Stored, verb: str, **options: Any) -> Any:
        return await getattr(obj, f"a{verb}")(**options)


class Batched:
    """Each verb in a batch of its own; its error is what the batch says of it."""

    def __init__(self, kinto: Client | AsyncClient) -> None:
        self._kinto = kinto

    def of(self, model: type[R], *, bucket: str | None = None, collection: str | None = None) -> Verbs[R]:
        async def run(verb: Callable[[Any], Any]) -> Any:
            return await self._run(lambda batch: verb(batch.repository(model, bucket=bucket, collection=collection)))

        return cast("Verbs[R]", Handed(run))

    async def own(self, obj: Stored, verb: str, **options: Any) -> Any:
        return await self._run(lambda batch: getattr(batch, verb)(obj, **options))

    async def _run(self, verb: Callable[[Any], Any]) -> Any:
        outcome: Any = None
        try:
            if isinstance(self._kinto, Client):
                with self._kinto.batch() as batch:
                    outcome = verb(batch)
            else:
                async with self._kinto.batch() as abatch:
                    outcome = verb(abatch)
        except BatchError as error:
            assert [failed for _, failed in error.failures] == [outcome.error]
            assert not outcome.done
        else:
            assert outcome.done
        return outcome.result()


@pytest.fixture(params=["blocking", "async", "batch", "async batch"])
async def driver(request: pytest.FixtureRequest, kinto: Client, server: EmbeddedServer) -> AsyncIterator[Driver]:
    async with AsyncClient(server.url, auth=("alice", "s3cret")) as akinto:
        drivers: dict[str, Driver] = {
            "blocking": Blocking(kinto),
            "async": Awaited(akinto),
            "batch": Batched(kinto),
            "async batch": Batched(akinto),
        }
        yield drivers[request.param]


@pytest.fixture
def tasks(driver: Driver) -> Verbs[Task]:
    return driver.of(Task)


Has: TypeAlias = Callable[[str], "dict[str, Any] | None"]


@pytest.fixture
def stored(kinto: Client) -> Has:
    """What the server has under an id, without what is the server's; None where there is nothing."""

    def read(object_id: str) -> dict[str, Any] | None:
        bare = kinto.repository(Bare).get_or_none(object_id)
        return None if bare is None else dict(bare.model_extra or {})

    return read


def _fields(**changes: Any) -> dict[str, Any]:
    return {"title": "x", "priority": 3, "tags": [], "author": "ada", **changes}


def _unsaved(task: Task) -> None:
    assert (task.saved, task.dirty, task.etag, task.last_modified) == (False, True, None, None)


def _clean(task: Task) -> None:
    assert (task.saved, task.dirty, task.changes) == (True, False, {})


# Reading and creating


async def test_what_is_created_is_there_and_known_to_be(tasks: Verbs[Task], stored: Has) -> None:
    task = Task(id="t1", title="x")
    assert await tasks.create(task) is task
    _clean(task)
    assert set(task.permissions.write) == {"account:alice"}
    assert stored("t1") == _fields()
    read = await tasks.get("t1")
    assert (read, read.etag) == (task, task.etag)
    _clean(read)


async def test_what_is_there_is_not_created_again(tasks: Verbs[Task], stored: Has) -> None:
    await tasks.create(Task(id="t1", title="x"))
    again = Task(id="t1", title="y")
    with pytest.raises(AlreadyExistsError) as caught:
        await tasks.create(again)
    assert (caught.value.mine, caught.value.base, caught.value.theirs.title) == (again, None, "x")
    assert caught.value.mine is again
    _unsaved(again)
    assert again.title == "y"
    assert stored("t1") == _fields()


async def test_the_server_makes_an_id_where_the_class_says_so(driver: Driver, stored: Has) -> None:
    made = await driver.of(Numbered).create(Numbered(title="x"))
    assert made.id
    assert (made.saved, made.dirty) == (True, False)
    assert stored(made.id) == {"title": "x"}


async def test_what_is_not_there_is_not_found(driver: Driver, tasks: Verbs[Task]) -> None:
    with pytest.raises(NotFoundError) as caught:
        await tasks.get("t1")
    assert (caught.value.status, caught.value.errno) == (404, 110)
    assert await tasks.get_or_none("t1") is None
    with pytest.raises(NotFoundError) as caught:
        await driver.of(Task, collection="nowhere").get_or_none("t1")
    assert caught.value.errno == 111


async def test_what_is_somebody_elses_is_forbidden(driver: Driver, bob: Client) -> None:
    bob.buckets.delete_all()  # which alice, whose client tidies up, does not see
    bob.bucket("private").save()
    bob.bucket("private").collection("tasks").save()
    theirs = driver.of(Task, bucket="private")
    with pytest.raises(ForbiddenError):
        await theirs.get("t1")
    task = Task(id="t1")
    with pytest.raises(ForbiddenError):
        await theirs.create(task)
    _unsaved(task)
    assert bob.repository(Task, bucket="private").count() == 0
    bob.buckets.delete_all()


@pytest.mark.parametrize("wrong", ["", "a b", "a/b", "!"])
async def test_an_id_that_is_none_is_refused(tasks: Verbs[Task], wrong: str) -> None:
    with pytest.raises(InvalidIdError):
        await tasks.get(wrong)
    with pytest.raises(InvalidIdError):
        await tasks.delete(wrong)
    with pytest.raises(InvalidIdError):
        await tasks.patch(wrong, title="x")


async def test_what_does_not_fit_the_class_is_said_so(tasks: Verbs[Task], kinto: Client) -> None:
    kinto.repository(Bare).create(Bare.model_validate({"id": "t1", "priority": -1}))
    with pytest.raises(InvalidRecordError) as caught:
        await tasks.get("t1")
    assert (caught.value.model, caught.value.object_id) == ("Task", "t1")
    with pytest.raises(InvalidRecordError):
        await tasks.ask(lambda objects: objects.find().all())


async def test_the_first_of_two_creates_and_the_second_reads(tasks: Verbs[Task], stored: Has) -> None:
    first, second = Task(id="t1", title="x"), Task(id="t1", title="y")
    assert await tasks.get_or_create(first) == (first, True)
    found, created = await tasks.get_or_create(second)
    assert (found, created) == (first, False)
    assert found is not second
    _clean(first)
    _clean(found)
    _unsaved(second)
    assert stored("t1") == _fields()


# Saving


async def test_a_new_one_is_created_a_changed_one_patched_and_another_left_alone(
    tasks: Verbs[Task], stored: Has
) -> None:
    task = Task(id="t1", title="x")
    result = await tasks.save(task)
    assert result == SaveResult(created=True, changed=frozenset(_fields()), etag=task.etag)
    _clean(task)
    before = task.etag
    task.title = "y"
    task.tags.append("a")
    assert task.changes == {"title": "y", "tags": ["a"]}
    result = await tasks.save(task)
    assert result == SaveResult(created=False, changed=frozenset({"title", "tags"}), etag=task.etag)
    assert task.etag != before
    _clean(task)
    assert stored("t1") == _fields(title="y", tags=["a"])
    timestamp = await tasks.timestamp()
    assert await tasks.save(task) == SaveResult(created=False, changed=frozenset(), etag=task.etag)
    assert await tasks.timestamp() == timestamp


async def test_a_stale_one_is_a_conflict_and_can_be_rebased(tasks: Verbs[Task], stored: Has) -> None:
    mine = await tasks.create(Task(id="t1", title="x"))
    theirs = await tasks.get("t1")
    theirs.title, theirs.priority = "theirs", 1
    await tasks.save(theirs)
    mine.title, mine.tags = "mine", ["a"]
    etag = mine.etag
    with pytest.raises(ConflictError) as caught:
        await tasks.save(mine)
    error = caught.value
    assert error.mine is mine
    assert error.base is not None
    assert (error.base.title, error.theirs.title) == ("x", "theirs")
    assert error.overlapping == {"title"}
    assert (mine.etag, mine.changes) == (etag, {"title": "mine", "tags": ["a"]})
    assert stored("t1") == _fields(title="theirs", priority=1)
    assert error.rebase() is mine
    assert (await tasks.save(mine)).changed == {"title", "tags"}
    _clean(mine)
    assert stored("t1") == _fields(title="mine", priority=1, tags=["a"])


async def test_both_sides_of_a_conflict_can_be_put_together(tasks: Verbs[Task], stored: Has) -> None:
    mine = await tasks.create(Task(id="t1", title="x"))
    await tasks.patch("t1", priority=1)
    mine.title = "mine"
    assert (await tasks.save(mine, on_conflict="merge")).changed == {"title"}
    assert (mine.title, mine.priority) == ("mine", 1)
    _clean(mine)
    assert stored("t1") == _fields(title="mine", priority=1)


async def test_modifying_reads_changes_and_writes(tasks: Verbs[Task], stored: Has) -> None:
    await tasks.create(Task(id="t1", title="x"))
    task = await tasks.modify("t1", lambda task: task.tags.append("a"))
    assert task.tags == ["a"]
    _clean(task)
    assert stored("t1") == _fields(title="x", tags=["a"])
    with pytest.raises(NotFoundError):
        await tasks.modify("t9", lambda task: None)


async def test_unknown_permissions_can_be_granted(tasks: Verbs[Task], stored: Has) -> None:
    task = Task(id="t1", title="x")
    task.permissions.read.add("account:carol")
    await tasks.create(task)
    (found,) = await tasks.ask(lambda objects: objects.find().all())
    found.permissions.read.add("account:dave")
    assert (await tasks.save(found)).changed == {"permissions"}
    assert set((await tasks.get("t1")).permissions.read) == {"account:carol", "account:dave"}


async def test_an_edit_changes_a_part_where_it_is(tasks: Verbs[Task], stored: Has) -> None:
    task = await tasks.create(Task(id="t1", title="x", tags=["a"]))
    assert (await tasks.patch(task, edit(Task.tags).append("b"), title="y")).changed == {"tags", "title"}
    assert (await tasks.patch("t1", edit(Task.tags).remove(0))).tags == ["b"]
    assert stored("t1") == _fields(title="y", tags=["b"])


async def test_changes_since_a_moment(tasks: Verbs[Task]) -> None:
    await tasks.create(Task(id="t1", title="x"))
    await tasks.create(Task(id="t2", title="x"))
    since = (await tasks.changes()).timestamp
    await tasks.patch("t1", title="y")
    await tasks.delete("t2")
    found = await tasks.changes(since)
    assert [(task.id, task.title) for task in found.updated] == [("t1", "y")]
    assert [stone.id for stone in found.deleted] == ["t2"]
    assert not await tasks.changes(found.timestamp)


async def test_force_overwrites_what_was_changed_only(tasks: Verbs[Task], stored: Has) -> None:
    mine = await tasks.create(Task(id="t1", title="x"))
    await tasks.patch("t1", title="theirs", priority=1)
    mine.title = "mine"
    assert (await tasks.save(mine, force=True)).changed == {"title"}
    assert (mine.priority, mine.dirty) == (1, False)
    assert stored("t1") == _fields(title="mine", priority=1)


async def test_what_was_deleted_meanwhile_is_not_found_and_stays_as_it_was(tasks: Verbs[Task], stored: Has) -> None:
    task = await tasks.create(Task(id="t1", title="x"))
    await tasks.delete("t1")
    task.title = "y"
    for write in (tasks.save, tasks.refresh):
        with pytest.raises(NotFoundError):
            await write(task)
        assert (task.saved, task.changes) == (True, {"title": "y"})
    assert stored("t1") is None
    assert (await tasks.replace(task, force=True)).created
    _clean(task)
    assert stored("t1") == _fields(title="y")


async def test_what_cannot_be_stored_is_not_sent(tasks: Verbs[Task], stored: Has) -> None:
    task = await tasks.create(Task(id="t1", title="x"))
    etag = task.etag
    broken: Any = task.tags
    broken.append(3)
    with pytest.raises(ValidationError, match="tags"):
        await tasks.save(task)
    assert (task.etag, broken) == (etag, [3])
    task.tags.clear()
    task.author = "eve"
    with pytest.raises(ReadOnlyFieldError, match="Task.author"):
        await tasks.save(task)
    assert (task.etag, task.changes) == (etag, {"author": "eve"})
    assert stored("t1") == _fields()


async def test_what_the_server_finds_invalid_is_refused_with_its_reason(
    driver: Driver, tasks: Verbs[Task], kinto: Client, stored: Has
) -> None:
    schema = {"type": "object", "properties": {"title": {"maxLength": 3}}}
    collection = kinto.bucket("todo").collections.get("tasks")
    collection.json_schema = schema
    collection.save()
    task = Task(id="t1", title="too long")
    with pytest.raises(InvalidRequestError) as caught:
        await tasks.create(task)
    assert caught.value.status == 400
    assert caught.value.details[0]["name"] == "title"
    _unsaved(task)
    assert stored("t1") is None
    task.title = "x"
    await tasks.create(task)
    _clean(task)


# Patching, replacing, upserting


async def test_a_patch_writes_its_fields_only(tasks: Verbs[Task], stored: Has) -> None:
    task = await tasks.create(Task(id="t1", title="x"))
    task.tags.append("mine")
    result = await tasks.patch(task, title="y", priority=3)
    assert result == SaveResult(created=False, changed=frozenset({"title"}), etag=task.etag)
    assert (task.title, task.changes) == ("y", {"tags": ["mine"]})
    assert stored("t1") == _fields(title="y")
    assert (await tasks.patch(task, title="y")).changed == frozenset()
    await tasks.patch("t1", priority=1)
    with pytest.raises(ConflictError):
        await tasks.patch(task, title="z")
    assert (task.title, task.changes) == ("y", {"tags": ["mine"]})


async def test_a_patch_by_id_reads_nothing_before(tasks: Verbs[Task], stored: Has) -> None:
    await tasks.create(Task(id="t1", title="x", tags=["a"]))
    task = await tasks.patch("t1", title="y")
    assert isinstance(task, Task)
    assert (task.title, task.tags) == ("y", ["a"])
    _clean(task)
    assert stored("t1") == _fields(title="y", tags=["a"])
    with pytest.raises(NotFoundError):
        await tasks.patch("t2", title="y")
    assert stored("t2") is None


async def test_a_patch_that_does_not_fit_is_not_sent(tasks: Verbs[Task], stored: Has) -> None:
    task = await tasks.create(Task(id="t1", title="x"))
    for target in (task, "t1"):
        with pytest.raises(ValidationError):
            await tasks.patch(target, priority=-1)
        with pytest.raises(TypeError, match="no field 'titel'"):
            await tasks.patch(target, titel="y")
        with pytest.raises(ReadOnlyFieldError):
            await tasks.patch(target, author="eve")
    with pytest.raises(NotSavedError):
        await tasks.patch(Task(id="t2"), title="y")
    _clean(task)
    assert (task.priority, task.author) == (3, "ada")
    assert stored("t1") == _fields()


async def test_replacing_leaves_nothing_of_what_was_there(
    driver: Driver, tasks: Verbs[Task], kinto: Client, stored: Has
) -> None:
    kinto.repository(Bare).create(Bare.model_validate({"id": "t1", "title": "x", "author": "ada", "old": True}))
    lean = driver.of(Lean)
    task = await lean.get("t1")
    task.title = "y"
    result = await lean.replace(task)
    assert (result.created, task.dirty) == (False, False)
    assert stored("t1") == {"title": "y"}
    await tasks.patch("t1", title="z")
    with pytest.raises(ConflictError) as caught:
        await lean.replace(task)
    assert caught.value.theirs.title == "z"
    assert (await lean.replace(task, force=True)).etag == task.etag
    assert stored("t1") == {"title": "y"}


async def test_a_new_one_is_replaced_by_force_only(tasks: Verbs[Task], stored: Has) -> None:
    task = Task(id="t1", title="x")
    with pytest.raises(NotSavedError, match="save"):
        await tasks.replace(task)
    _unsaved(task)
    assert stored("t1") is None
    assert (await tasks.replace(task, force=True)).created
    _clean(task)
    assert stored("t1") == _fields()


async def test_upserting_creates_or_overwrites_and_leaves_unknown_fields(
    tasks: Verbs[Task], kinto: Client, stored: Has
) -> None:
    task = Task(id="t1", title="x")
    assert (await tasks.upsert(task)).created
    kinto.repository(Bare).patch("t1", extra=1, priority=9)
    other = Task(id="t1", title="y")
    result = await tasks.upsert(other)
    assert result == SaveResult(created=False, changed=frozenset({"title", "priority"}), etag=other.etag)
    _clean(other)
    assert stored("t1") == _fields(title="y", extra=1)
    timestamp = await tasks.timestamp()
    assert await tasks.upsert(Task(id="t1", title="y")) == SaveResult(
        created=False, changed=frozenset(), etag=other.etag
    )
    assert await tasks.timestamp() == timestamp


# Deleting and refreshing


async def test_what_is_deleted_is_gone_and_its_instance_new(tasks: Verbs[Task], stored: Has) -> None:
    task = await tasks.create(Task(id="t1", title="x"))
    assert await tasks.delete(task) is True
    _unsaved(task)
    assert stored("t1") is None
    assert (await tasks.save(task)).created
    assert await tasks.delete("t1") is True
    with pytest.raises(NotFoundError):
        await tasks.delete("t1")
    assert await tasks.delete("t1", missing_ok=True) is False
    assert await tasks.delete(task, missing_ok=True) is False
    _unsaved(task)


async def test_what_was_written_since_it_was_read_is_not_deleted(tasks: Verbs[Task], stored: Has) -> None:
    task = await tasks.create(Task(id="t1", title="x"))
    await tasks.patch("t1", title="y")
    with pytest.raises(ConflictError) as caught:
        await tasks.delete(task)
    assert caught.value.mine is task
    _clean(task)
    assert stored("t1") == _fields(title="y")
    with pytest.raises(NotSavedError):
        await tasks.delete(Task(id="t1"))
    assert await tasks.delete(task, force=True) is True
    assert stored("t1") is None


async def test_refreshing_tells_whether_it_changed_and_drops_what_was_not_saved(tasks: Verbs[Task]) -> None:
    task = await tasks.create(Task(id="t1", title="x"))
    task.title = "mine"
    assert await tasks.refresh(task) is False
    assert task.title == "x"
    _clean(task)
    other = await tasks.patch("t1", title="y")
    task.tags.append("mine")
    assert await tasks.refresh(task) is True
    assert (task, task.etag) == (other, other.etag)
    _clean(task)
    new = Task(id="t1")
    assert await tasks.refresh(new) is True
    assert new == task


# Queries


@pytest.fixture
async def five(tasks: Verbs[Task]) -> None:
    for number in range(5):
        await tasks.create(Task(id=f"t{number}", title=f"{number}", priority=number))


async def test_a_query_lists_what_meets_its_conditions_in_its_order(tasks: Verbs[Task], five: None) -> None:
    found = await tasks.ask(lambda objects: objects.find(Task.priority > 1).sort(-col(Task.priority)).all())
    assert [task.id for task in found] == ["t4", "t3", "t2"]
    for task in found:
        _clean(task)
        assert not task.permissions.known
    found[0].title = "changed"
    assert (await tasks.save(found[0])).changed == {"title"}
    limited = await tasks.ask(lambda objects: objects.find().sort("id").limit(2).all())
    assert [task.id for task in limited] == ["t0", "t1"]
    narrowed = await tasks.ask(lambda objects: objects.find(Task.priority > 1).where(Task.title == "3").all())
    assert [task.id for task in narrowed] == ["t3"]


async def test_one_is_one(tasks: Verbs[Task], five: None) -> None:
    assert (await tasks.ask(lambda objects: objects.find(Task.priority == 2).one())).id == "t2"
    assert (await tasks.ask(lambda objects: objects.find(Task.priority == 2).one_or_none())).id == "t2"
    assert await tasks.ask(lambda objects: objects.find(Task.priority == 9).one_or_none()) is None
    assert await tasks.ask(lambda objects: objects.find(Task.priority == 9).first()) is None
    assert (await tasks.ask(lambda objects: objects.find().sort("id").first())).id == "t0"
    with pytest.raises(NoResultError):
        await tasks.ask(lambda objects: objects.find(Task.priority == 9).one())
    with pytest.raises(MultipleResultsError):
        await tasks.ask(lambda objects: objects.find().one())
    with pytest.raises(MultipleResultsError):
        await tasks.ask(lambda objects: objects.find().one_or_none())


async def test_what_is_counted_is_not_read(tasks: Verbs[Task], five: None) -> None:
    assert await tasks.count() == 5
    assert await tasks.ask(lambda objects: objects.find(Task.priority > 1).count()) == 3
    assert await tasks.ask(lambda objects: objects.find(Task.priority > 1).limit(2).count()) == 2
    assert await tasks.ask(lambda objects: objects.find(Task.priority > 1).exists()) is True
    assert await tasks.ask(lambda objects: objects.find(Task.priority > 9).exists()) is False
    last = await tasks.get("t4")
    assert await tasks.timestamp() == last.last_modified
    assert await tasks.ask(lambda objects: objects.find(Task.priority > 9).timestamp()) == last.last_modified


async def test_changes_are_listed_by_their_time(tasks: Verbs[Task], five: None) -> None:
    third = (await tasks.get("t2")).last_modified
    since = await tasks.ask(lambda objects: objects.find().since(third).sort("id").all())
    before = await tasks.ask(lambda objects: objects.find().before(third).sort("id").all())
    assert [task.id for task in since] == ["t3", "t4"]
    assert [task.id for task in before] == ["t0", "t1"]


async def test_a_selection_has_the_fields_that_it_asks_for(tasks: Verbs[Task], five: None) -> None:
    titles = await tasks.ask(lambda objects: objects.find(Task.priority > 2).sort("title").select(Title).all())
    assert titles == [Title(title="3"), Title(title="4")]
    assert await tasks.ask(lambda objects: objects.find(Task.priority == 2).select(Title).one()) == Title(title="2")


async def test_a_query_that_kinto_cannot_answer_is_refused(tasks: Verbs[Task]) -> None:
    with pytest.raises(QueryError):
        await tasks.ask(lambda objects: objects.find("title").all())
    with pytest.raises(QueryError):
        await tasks.ask(lambda objects: objects.find().limit(0).all())


async def test_a_query_deletes_what_it_lists_and_never_everything(tasks: Verbs[Task], five: None, stored: Has) -> None:
    assert await tasks.ask(lambda objects: objects.find(Task.priority < 2).delete()) == 2
    assert stored("t0") is None
    assert stored("t2") is not None
    with pytest.raises(QueryError, match="delete_all"):
        await tasks.ask(lambda objects: objects.find().delete())
    with pytest.raises(QueryError, match="limit"):
        await tasks.ask(lambda objects: objects.find(Task.priority < 9).limit(1).delete())
    assert await tasks.count() == 3
    assert await tasks.delete_all() == 3
    assert await tasks.delete_all() == 0


@pytest.mark.parametrize("driver", ["blocking", "async"], indirect=True)  # a batch gives all at once
@pytest.mark.parametrize("size", [1, 2, 5, 9])
async def test_pages_have_the_size_that_is_asked_for(tasks: Verbs[Task], five: None, size: int) -> None:
    query: Any = None

    def keep(objects: Any) -> Any:
        nonlocal query
        query = objects.find().sort("id").limit(4)
        return query.count()

    assert await tasks.ask(keep) == 4
    asked: Any = query.pages(size)
    pages = [page async for page in asked] if hasattr(asked, "__aiter__") else list(asked)
    ids = ["t0", "t1", "t2", "t3"]
    assert [[task.id for task in page] for page in pages] == [ids[n : n + size] for n in range(0, 4, size)]
    assert {page.timestamp for page in pages} == {await tasks.timestamp()}


# Permissions and places


async def test_permissions_are_granted_and_revoked_with_a_save(tasks: Verbs[Task], kinto: Client) -> None:
    task = Task(id="t1", title="x")
    task.permissions.read.add(EVERYONE)
    await tasks.create(task)
    assert not task.permissions.read.changed
    assert set(kinto.repository(Task).get("t1").permissions.read) == {EVERYONE}
    task.permissions.read.discard(EVERYONE)
    task.permissions.write.add("account:bob")
    result = await tasks.save(task)
    assert result == SaveResult(created=False, changed=frozenset({"permissions"}), etag=task.etag)
    read = await tasks.get("t1")
    assert set(read.permissions.read) == set()
    assert set(read.permissions.write) == {"account:alice", "account:bob"}
    assert task.permissions.write == read.permissions.write
    task.title = "y"
    task.permissions.write.discard("account:bob")
    assert (await tasks.save(task)).changed == {"title", "permissions"}
    assert set((await tasks.get("t1")).permissions.write) == {"account:alice"}


async def test_a_list_shows_no_permissions_and_a_refresh_does(tasks: Verbs[Task]) -> None:
    await tasks.create(Task(id="t1", title="x"))
    task = (await tasks.ask(lambda objects: objects.find().all()))[0]
    with pytest.raises(UnknownPermissionsError):
        len(task.permissions.write)
    assert await tasks.refresh(task) is False
    assert set(task.permissions.write) == {"account:alice"}


async def test_buckets_collections_and_groups_are_objects_like_others(driver: Driver, kinto: Client) -> None:
    buckets = driver.of(Bucket)
    bucket = Bucket(id="library")
    bucket.permissions.read.add(EVERYONE)
    assert (await buckets.save(bucket)).created
    assert set(kinto.buckets.get("library").permissions.read) == {EVERYONE}
    collections = driver.of(Collection, bucket="library")
    books = await collections.create(Collection(id="books", sort="title"))
    books.display_fields = ["title"]
    assert (await collections.save(books)).changed == {"display_fields"}
    assert kinto.bucket("library").collections.get("books").display_fields == ["title"]
    groups = driver.of(Group, bucket="library")
    readers = await groups.create(Group(id="readers", members={"account:bob"}))
    readers.members.add("account:eve")
    assert (await groups.save(readers)).changed == {"members"}
    assert kinto.bucket("library").groups.get("readers").members == {"account:bob", "account:eve"}
    assert await driver.of(Bare, bucket="library", collection="books").count() == 0
    found = await buckets.ask(lambda objects: objects.find().sort("id").all())
    assert [each.id for each in found] == ["library", "todo"]
    assert await groups.delete(readers) is True
    assert await buckets.delete("library") is True
    assert [each.id for each in kinto.buckets.find()] == ["todo"]


async def test_an_instance_does_the_same_by_itself(driver: Driver, kinto: Client, stored: Has) -> None:
    task = Task(id="t1", title="x")
    assert (await driver.own(task, "save")).created
    task.title = "y"
    assert (await driver.own(task, "save")).changed == {"title"}
    assert (await driver.own(task, "patch", priority=1)).changed == {"priority"}
    assert stored("t1") == _fields(title="y", priority=1)
    assert (await driver.own(task, "replace")).etag == task.etag
    assert await driver.own(task, "refresh") is False
    kinto.repository(Task).patch("t1", title="z")
    task.title = "mine"
    with pytest.raises(ConflictError):
        await driver.own(task, "save")
    assert await driver.own(task, "refresh") is True
    assert task.title == "z"
    _clean(task)
    assert await driver.own(task, "delete") is True
    _unsaved(task)
    assert stored("t1") is None
    assert await driver.own(task, "delete", force=True, missing_ok=True) is False
