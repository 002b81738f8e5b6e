# pyright: strict, reportUnnecessaryTypeIgnoreComment=error, reportPrivateUsage=none
"""A service as a user writes it: no error in any checker, and the types that its author counts on.

Read by mypy --strict with and without pydantic's plugin, and by pyright; never run.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from pydantic import BaseModel, Field
from typing_extensions import assert_type

from kinto_models import (
    EVERYONE,
    Account,
    Bucket,
    BucketPermissions,
    Client,
    Collection,
    CollectionPermissions,
    Condition,
    ConflictError,
    Expr,
    Finder,
    Group,
    Objects,
    Page,
    Permissions,
    Query,
    Record,
    Repository,
    SaveResult,
    col,
    connect,
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
    assert_type(task.patch(title="y"), SaveResult)
    assert_type(task.replace(force=True), SaveResult)
    assert_type(task.delete(missing_ok=True), bool)
    assert_type(task.refresh(), bool)
    assert_type(task.permissions, Permissions)
    task.permissions.read.add(EVERYONE)
    task.permissions.write.add(Account("ada"))
    task.permissions.write.add(Group(members=["account:ada"]))
    assert_type(Task.get("t1"), Task)
    assert_type(Task.find(), Finder[Task])


def queries(tasks: Repository[Task]) -> None:
    assert_type(tasks.find(Task.done), Query[Task])
    assert_type(tasks.find().first(), Task | None)
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
