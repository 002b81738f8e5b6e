# pyright: strict, reportUnnecessaryTypeIgnoreComment=error, reportPrivateUsage=none
"""A service as a user writes it: no error in any checker, and the types that its author counts on.

Read by mypy --strict with and without pydantic's plugin, and by pyright; never run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import date

from pydantic import BaseModel, Field
from typing_extensions import assert_type

from kinto_models import (
    EVERYONE,
    Account,
    AsyncBatch,
    AsyncClient,
    AsyncFinder,
    AsyncObjects,
    AsyncQuery,
    AsyncRepository,
    Batch,
    BatchQuery,
    BatchRepository,
    Bucket,
    BucketPermissions,
    BulkResult,
    ChangeSet,
    Client,
    Collection,
    CollectionPermissions,
    Condition,
    ConflictError,
    Edit,
    Editor,
    Expr,
    Finder,
    Group,
    Objects,
    Outcome,
    Page,
    Permissions,
    Plan,
    Progress,
    Query,
    Record,
    Repository,
    Revision,
    SaveResult,
    Tombstone,
    aconnect,
    col,
    connect,
    edit,
    key,
)


class Address(BaseModel):
    city: str = ""


class Todo(Bucket, bucket="todo"):
    owner: str = ""


class Tasks(Collection, bucket=Todo, collection="tasks"):
    pass


class Task(Record, collection=Tasks, readonly=("title",), unknown="forbid", frozen=False):
    title: str
    priority: int = Field(default=3, ge=0)
    due: date | None = None
    tags: list[str] = []
    labels: set[int] = set()
    done: bool = False
    address: Address = Address()


class Title(BaseModel):
    title: str


class TaskService:
    """Takes a repository, as services do."""

    def __init__(self, tasks: Repository[Task]) -> None:
        self._tasks = tasks

    def urgent(self, before: date) -> list[Task]:
        query = self._tasks.find(Task.priority < 3, col(Task.due) < before, Task.done == False)
        return query.sort(Task.due, -col(Task.priority), "-last_modified").limit(10).all()

    def titles(self) -> Iterator[Title]:
        yield from self._tasks.find().select(Title)

    def finish(self, task_id: str) -> Task:
        task = self._tasks.get(task_id)
        task.done = True
        task.tags.append("done")
        try:
            result = task.save()
        except ConflictError as error:
            if error.overlapping:
                raise
            result = self._tasks.save(task, force=True)
        assert_type(result, SaveResult)
        assert_type(result.changed, frozenset[str])
        return task


def models() -> None:
    task = Task(title="x", priority=1, tags=["a"], id="t1")
    assert_type(task.id, str)
    assert_type(task.last_modified, int | None)
    assert_type(task.etag, str | None)
    assert_type(task.saved, bool)
    assert_type(task.title, str)
    assert_type(task.address.city, str)
    assert_type(task.save(), SaveResult)
    assert_type(task.save(on_conflict="merge"), SaveResult)
    assert_type(task.save(on_conflict=lambda conflict: conflict.mine), SaveResult)
    assert_type(task.patch(title="y"), SaveResult)
    assert_type(task.replace(force=True), SaveResult)
    assert_type(task.delete(missing_ok=True), bool)
    assert_type(task.refresh(), bool)
    assert_type(task.permissions, Permissions)
    task.permissions.read.add(EVERYONE)
    task.permissions.write.add(Account("ada"))
    task.permissions.write.add(Group(members={"account:ada"}))
    assert_type(Task.get("t1"), Task)
    assert_type(Task.find(), Finder[Task])


def queries(tasks: Repository[Task]) -> None:
    assert_type(tasks.find(Task.done), Query[Task])
    assert_type(tasks.find().first(), Task | None)
    assert_type(tasks.changes(5), ChangeSet[Task])
    assert_type(edit(Task.tags), Editor[list[str]])
    assert_type(edit(Task.tags).append("a"), Edit)
    assert_type(tasks.patch("t1", edit(Task.title).set("x"), edit(Task.due).unset()), Task)
    assert_type(tasks.changes().updated, list[Task])
    assert_type(tasks.changes().deleted[0], Tombstone)
    assert_type(next(tasks.watch()), ChangeSet[Task])
    assert_type(tasks.modify("t1", lambda task: task.tags.append("a")), Task)
    assert_type(tasks.find().one(), Task)
    assert_type(tasks.find().one_or_none(), Task | None)
    assert_type(tasks.find().all(), list[Task])
    assert_type(tasks.find().count(), int)
    assert_type(tasks.find().exists(), bool)
    assert_type(tasks.find().timestamp(), int)
    assert_type(tasks.find().delete(), int)
    assert_type(next(tasks.find().pages()), Page[Task])
    assert_type(tasks.find().select(Title).where(Task.priority > 1).first(), Title | None)
    assert_type(Task.find().select(Title).one(), Title)
    for task in Task.find(Task.address.city == "Oslo"):
        assert_type(task, Task)


def expressions() -> None:
    assert_type(col(Task.due), Expr[date])
    assert_type(col(Task.title), Expr[str])
    assert_type(col(Task.priority) < 3, Condition)
    assert_type(col(Task.due) == None, Condition)
    assert_type(col(Task.priority).in_(1, 2), Condition)
    assert_type(col(Task.tags).contains("a"), Condition)
    assert_type(col(Task.labels).contains_any(1, 2), Condition)
    assert_type((col(Task.priority) < 3) & (Task.done == True), Condition)
    assert_type(key("anything") > 3, Condition)


def repositories(kinto: Client) -> None:
    tasks = kinto.repository(Task, bucket="staging")
    assert_type(tasks, Repository[Task])
    assert_type(tasks.get("t1"), Task)
    assert_type(tasks.get_or_none("t1"), Task | None)
    assert_type(tasks.get_or_create(Task(title="x")), tuple[Task, bool])
    assert_type(tasks.create(Task(title="x")), Task)
    assert_type(tasks.upsert(Task(title="x")), SaveResult)
    assert_type(tasks.patch("t1", title="y"), Task)
    assert_type(tasks.patch(Task(title="x"), title="y"), SaveResult)
    assert_type(tasks.delete("t1"), bool)
    assert_type(tasks.model, type[Task])


def places(kinto: Client) -> None:
    assert_type(kinto.buckets, Repository[Bucket])
    assert_type(kinto.bucket("blog"), Bucket)
    assert_type(kinto.bucket("blog").collection("articles"), Collection)
    assert_type(kinto.bucket("blog").collections, Objects[Collection])
    assert_type(kinto.bucket("blog").groups, Objects[Group])
    assert_type(kinto.bucket("blog").collection("articles").records(Task), Objects[Task])
    assert_type(kinto.bucket("blog").permissions, BucketPermissions)
    assert_type(Tasks().permissions, CollectionPermissions)
    assert_type(Todo().owner, str)


def clients() -> None:
    with Client("https://example.com/v1", auth=("ada", "x"), timeout=(1, 2.5), retry=0) as kinto:
        assert_type(kinto, Client)
    with Client.embedded() as embedded:
        assert_type(embedded.url, str)
    assert_type(connect(auth="Bearer x"), Client)


class AsyncTaskService:
    """The same for async code."""

    def __init__(self, tasks: AsyncRepository[Task]) -> None:
        self._tasks = tasks

    async def urgent(self, before: date) -> list[Task]:
        query = self._tasks.find(Task.priority < 3, col(Task.due) < before, Task.done == False)
        return await query.sort(Task.due, -col(Task.priority), "-last_modified").limit(10).all()

    async def titles(self) -> AsyncIterator[Title]:
        async for title in self._tasks.find().select(Title):
            yield title

    async def finish(self, task_id: str) -> Task:
        task = await self._tasks.get(task_id)
        task.done = True
        try:
            result = await task.asave()
        except ConflictError:
            result = await self._tasks.save(task, force=True)
        assert_type(result, SaveResult)
        return task


async def awaited_models() -> None:
    task = Task(title="x")
    assert_type(await Task.aget("t1"), Task)
    assert_type(Task.afind(), AsyncFinder[Task])
    assert_type(await task.asave(), SaveResult)
    assert_type(await task.apatch(title="y"), SaveResult)
    assert_type(await task.areplace(force=True), SaveResult)
    assert_type(await task.adelete(missing_ok=True), bool)
    assert_type(await task.arefresh(), bool)


async def awaited_queries(tasks: AsyncRepository[Task]) -> None:
    assert_type(tasks.find(Task.done), AsyncQuery[Task])
    assert_type(await tasks.find().first(), Task | None)
    assert_type(await tasks.find().one(), Task)
    assert_type(await tasks.find().one_or_none(), Task | None)
    assert_type(await tasks.find().all(), list[Task])
    assert_type(await tasks.find().count(), int)
    assert_type(await tasks.find().exists(), bool)
    assert_type(await tasks.find().timestamp(), int)
    assert_type(await tasks.find().delete(), int)
    assert_type(await tasks.find().select(Title).where(Task.priority > 1).first(), Title | None)
    assert_type(await Task.afind().select(Title).one(), Title)
    async for task in Task.afind(Task.address.city == "Oslo"):
        assert_type(task, Task)
    async for page in tasks.find().pages(100):
        assert_type(page, Page[Task])


async def awaited_repositories(kinto: AsyncClient) -> None:
    tasks = kinto.repository(Task, bucket="staging")
    assert_type(tasks, AsyncRepository[Task])
    assert_type(await tasks.get("t1"), Task)
    assert_type(await tasks.get_or_none("t1"), Task | None)
    assert_type(await tasks.get_or_create(Task(title="x")), tuple[Task, bool])
    assert_type(await tasks.create(Task(title="x")), Task)
    assert_type(await tasks.upsert(Task(title="x")), SaveResult)
    assert_type(await tasks.patch("t1", title="y"), Task)
    assert_type(await tasks.patch(Task(title="x"), title="y"), SaveResult)
    assert_type(await tasks.delete("t1"), bool)
    assert_type(await tasks.count(), int)
    assert_type(tasks.model, type[Task])
    objects: AsyncObjects[Task] = tasks
    assert_type(await objects.get("t1"), Task)


async def awaited_places(kinto: AsyncClient) -> None:
    assert_type(kinto.buckets, AsyncRepository[Bucket])
    assert_type(kinto.bucket("blog"), Bucket)
    assert_type(kinto.bucket("blog").acollections, AsyncObjects[Collection])
    assert_type(kinto.bucket("blog").agroups, AsyncObjects[Group])
    assert_type(kinto.bucket("blog").collection("articles").arecords(Task), AsyncObjects[Task])
    assert_type(await kinto.bucket("blog").acollections.get("articles"), Collection)


async def async_clients() -> None:
    async with AsyncClient("https://example.com/v1", auth=("ada", "x"), timeout=(1, 2.5), retry=0) as kinto:
        assert_type(kinto, AsyncClient)
    async with AsyncClient.embedded() as embedded:
        assert_type(embedded, AsyncClient)
        assert_type(embedded.url, str)
    assert_type(await aconnect(auth="Bearer x"), AsyncClient)


def batches(kinto: Client, task: Task) -> None:
    with kinto.batch() as batch:
        assert_type(batch, Batch)
        tasks = batch.repository(Task)
        assert_type(tasks, BatchRepository[Task])
        assert_type(tasks.get("x"), Outcome[Task])
        assert_type(tasks.get_or_none("x"), Outcome[Task | None])
        assert_type(tasks.get_or_create(task), Outcome[tuple[Task, bool]])
        assert_type(tasks.create(task), Outcome[Task])
        assert_type(tasks.patch("id", title="x"), Outcome[Task])
        assert_type(tasks.patch(task, title="x"), Outcome[SaveResult])
        assert_type(tasks.delete("x", missing_ok=True), Outcome[bool])
        assert_type(tasks.delete_all(), Outcome[int])
        assert_type(tasks.count(), Outcome[int])
        assert_type(tasks.find(Task.done), BatchQuery[Task])
        assert_type(tasks.find().sort(Task.due).limit(2).all(), Outcome[list[Task]])
        assert_type(tasks.find().first(), Outcome[Task | None])
        assert_type(tasks.find().one(), Outcome[Task])
        assert_type(tasks.find().select(Title).all(), Outcome[list[Title]])
        assert_type(tasks.find(Task.done).delete(), Outcome[int])
        assert_type(batch.create(task), Outcome[Task])
        assert_type(batch.save(task, force=True), Outcome[SaveResult])
        assert_type(batch.patch(task, title="x"), Outcome[SaveResult])
        assert_type(batch.delete(task), Outcome[bool])
        assert_type(batch.refresh(task), Outcome[bool])
        outcome = tasks.get("x")
    assert_type(outcome.result(), Task)
    assert_type(outcome.error, Exception | None)
    assert_type(outcome.done, bool)


async def async_batches(kinto: AsyncClient, task: Task) -> None:
    async with kinto.batch() as batch:
        assert_type(batch, AsyncBatch)
        assert_type(batch.save(task), Outcome[SaveResult])
        outcome = batch.repository(Task).find().one_or_none()
    assert_type(outcome.result(), Task | None)


def bulk(tasks: Repository[Task], some: list[Task]) -> None:
    def each(task: Task, outcome: Outcome[SaveResult]) -> None:
        assert_type(outcome.result().created, bool)
        assert_type(task.title, str)

    def show(progress: Progress) -> None:
        assert_type(progress.total, int | None)

    assert_type(tasks.create_many((task for task in some), each=each, progress=show), BulkResult)
    assert_type(tasks.save_many(some, force=True), BulkResult)
    assert_type(tasks.upsert_many(some), BulkResult)
    assert_type(tasks.delete_many(["a", some[0]], missing_ok=True), BulkResult)
    plan = tasks.sync_to(some, delete=False)
    assert_type(plan, Plan[Task])
    assert_type(plan.creations, list[Task])
    assert_type(plan.patches, list[Revision[Task]])
    assert_type(plan.patches[0].current, Task)
    assert_type(tasks.apply(plan), BulkResult)
    assert_type(tasks.apply(plan).failed, int)


async def awaited_bulk(tasks: AsyncRepository[Task], some: list[Task], source: AsyncIterator[Task]) -> None:
    assert_type(await tasks.create_many(source), BulkResult)
    titles: list[str] = []
    assert_type(await tasks.create_many(some, each=lambda task, _: titles.append(task.title)), BulkResult)
    assert_type(await tasks.save_many(source), BulkResult)
    assert_type(await tasks.upsert_many(Task.afind()), BulkResult)
    assert_type(await tasks.delete_many(["a", some[0]]), BulkResult)
    assert_type(await tasks.delete_many(Task.afind(Task.done)), BulkResult)
    plan = await tasks.sync_to(source)
    assert_type(plan, Plan[Task])
    assert_type(await tasks.apply(plan), BulkResult)
