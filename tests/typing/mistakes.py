# pyright: strict, reportUnnecessaryTypeIgnoreComment=error, reportUnusedExpression=none, reportUnknownMemberType=none
# pyright: reportUnknownArgumentType=none, reportUnknownVariableType=none
"""Users' mistakes, each an error in every checker that can see it: an ignore without an error is an error itself.

Read by mypy --strict with and without pydantic's plugin, and by pyright; never run.
"""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel

from kinto_models import (
    AsyncClient,
    AsyncObjects,
    AsyncRepository,
    Batch,
    Bucket,
    BucketPermissions,
    ChangeSet,
    Client,
    Collection,
    ConflictError,
    Finder,
    Group,
    HistoryEntry,
    Objects,
    Outcome,
    Page,
    Permissions,
    Plan,
    Query,
    Record,
    Repository,
    SaveResult,
    col,
    edit,
    was,
)


class Task(Record, bucket="todo", collection="tasks"):
    title: str
    priority: int = 3
    due: date | None = None
    tags: list[str] = []


class Urgent(Task):
    reason: str = ""


class Other(Record, bucket="todo", collection="others"):
    name: str = ""


class Title(BaseModel):
    title: str


def a_misspelt_field(task: Task) -> None:
    Task.titel  # type: ignore[attr-defined]
    task.titel  # type: ignore[attr-defined]
    task.titel = "x"  # type: ignore[attr-defined]
    Task.find(Task.titel == "x")  # type: ignore[attr-defined]
    Task.find().sort(Task.titel)  # type: ignore[attr-defined]


def a_wrong_constructor_argument() -> None:
    Task(titel="x")  # type: ignore[call-arg]
    Task()  # type: ignore[call-arg]
    Task(title=3)  # type: ignore[arg-type]


def a_wrongly_typed_assignment(task: Task) -> None:
    task.title = 3  # type: ignore[assignment]
    task.tags.append(3)  # type: ignore[arg-type]


def a_wrongly_typed_comparison() -> None:
    Task.find(Task.priority < "high")  # type: ignore[operator]
    Task.find(col(Task.priority) < "high")  # type: ignore[operator]
    Task.find(col(Task.due) > 3)  # type: ignore[operator]
    Task.find(Task.due < date.today())  # type: ignore[operator]  # noqa: DTZ011
    Task.find(col(Task.tags).contains(3))  # type: ignore[arg-type]
    Task.find(col(Task.priority).in_("a"))  # type: ignore[arg-type]
    Task.find(Task.title)  # type: ignore[arg-type]
    Task.find("priority < 3")  # type: ignore[arg-type]


def a_wrong_select_model() -> None:
    Task.find().select(int)  # type: ignore[type-var]
    title: Task | None = Task.find().select(Title).first()  # type: ignore[assignment]
    del title


def a_wrong_repository(kinto: Client) -> None:
    others: Repository[Other] = kinto.repository(Task)  # type: ignore[arg-type]
    kinto.repository(Title)  # type: ignore[type-var]
    kinto.repository(Task).create(Other())  # type: ignore[arg-type]
    tasks: Objects[Task] = others  # type: ignore[assignment]
    tasks.get(3)  # type: ignore[arg-type]
    tasks.save(Task(title="x"), True)  # type: ignore[call-arg]
    tasks.modify("t1", "title")  # type: ignore[arg-type]


def a_wrong_option(task: Task) -> None:
    task.save(force="yes")  # type: ignore[arg-type]
    task.save(on_conflict="x")  # type: ignore[arg-type]
    task.save(conflict="raise")  # type: ignore[call-arg]
    task.permissions.read.add(Task)  # type: ignore[arg-type]
    Client("https://example.com/v1", auth=3)  # type: ignore[arg-type]
    Client("https://example.com/v1", timeout="5")  # type: ignore[arg-type]
    Client("https://example.com/v1", tiemout=5)  # type: ignore[call-arg]
    task.permissions.raed  # type: ignore[attr-defined]
    task.permissions.record_create  # type: ignore[attr-defined]


async def what_is_not_awaited(tasks: AsyncRepository[Task], task: Task) -> None:
    tasks.get("x").title  # type: ignore[attr-defined]
    task.asave().etag  # type: ignore[attr-defined]
    found: list[Task] = tasks.find().all()  # type: ignore[assignment]
    count: int = await tasks.find()  # type: ignore[misc]
    if (await tasks.count) > 1:  # type: ignore[misc]
        del found, count
    task.asave()  # type: ignore[unused-coroutine]


async def what_is_awaited_and_blocks(tasks: Repository[Task], task: Task) -> None:
    await tasks.get("x")  # type: ignore[misc]
    await task.save()  # type: ignore[misc]
    await Task.find().all()  # type: ignore[misc]


async def the_loop_of_the_other_kind(tasks: AsyncRepository[Task], blocking: Repository[Task]) -> None:
    for _ in tasks.find():  # type: ignore[attr-defined]
        pass
    for _ in Task.afind():  # type: ignore[attr-defined]
        pass
    for _ in tasks.find().pages():  # type: ignore[attr-defined]
        pass
    async for _ in blocking.find():  # type: ignore[attr-defined]
        pass
    list(tasks.find())  # type: ignore[call-overload]


def the_block_of_the_other_kind(kinto: Client, akinto: AsyncClient) -> None:
    with akinto:  # type: ignore[attr-defined]
        pass
    with akinto.batch():  # type: ignore[attr-defined]
        pass
    objects: Objects[Task] = akinto.repository(Task)  # type: ignore[assignment]
    awaited: AsyncObjects[Task] = kinto.repository(Task)  # type: ignore[assignment]
    del objects, awaited


def a_wrong_thing_in_a_batch(kinto: Client, task: Task) -> None:
    with kinto.batch() as batch:
        batch.repository(Task).create(Other())  # type: ignore[arg-type]
        batch.repository(Task).find().pages()  # type: ignore[attr-defined]
        batch.save("x")  # type: ignore[type-var]
        batch.repository(Task).get("x").title  # type: ignore[attr-defined]
        batch.save(task).etag  # type: ignore[attr-defined]


def each_other(obj: Other, outcome: Outcome[SaveResult]) -> None: ...
def each_deletion(obj: Task, outcome: Outcome[bool]) -> None: ...
def each_alone(obj: Task) -> None: ...
def shows_a_number(done: int) -> None: ...


def a_wrong_iterable_or_callback(tasks: Repository[Task], some: list[Task], others: list[Other]) -> None:
    tasks.create_many(others)  # type: ignore[arg-type]
    tasks.create_many(some[0])  # type: ignore[arg-type]
    tasks.create_many(Task.afind())  # type: ignore[arg-type]
    tasks.save_many(["x"])  # type: ignore[list-item]
    tasks.delete_many([3])  # type: ignore[list-item]
    tasks.create_many(some, each=each_other)  # type: ignore[arg-type]
    tasks.create_many(some, each=each_deletion)  # type: ignore[arg-type]
    tasks.create_many(some, each=each_alone)  # type: ignore[arg-type]
    tasks.create_many(some, progress=shows_a_number)  # type: ignore[arg-type]
    tasks.apply(some)  # type: ignore[arg-type]
    plan: Plan[Other] = tasks.sync_to(some)  # type: ignore[assignment]
    tasks.apply(plan)  # type: ignore[arg-type]


async def a_wrong_awaited_iterable_or_callback(tasks: AsyncRepository[Task], others: list[Other]) -> None:
    await tasks.create_many(others)  # type: ignore[arg-type]
    await tasks.create_many([], each=each_other)  # type: ignore[arg-type]
    await tasks.apply(tasks.sync_to([]))  # type: ignore[arg-type]


def a_permission_of_another_kind(task: Task, articles: Collection, blog: Bucket, editors: Group) -> None:
    task.permissions.group_create  # type: ignore[attr-defined]
    articles.permissions.collection_create  # type: ignore[attr-defined]
    articles.permissions.group_create  # type: ignore[attr-defined]
    blog.permissions.record_create  # type: ignore[attr-defined]
    editors.permissions.record_create  # type: ignore[attr-defined]
    wide: BucketPermissions = task.permissions  # type: ignore[assignment]
    del wide


def a_wrong_principal(task: Task) -> None:
    task.permissions.write.add(3)  # type: ignore[arg-type]
    task.permissions.write.add(None)  # type: ignore[arg-type]
    task.permissions.write.add(task)  # type: ignore[arg-type]
    task.permissions.write.add(["account:ada"])  # type: ignore[arg-type]
    task.permissions.write.discard(3)  # type: ignore[arg-type]
    task.permissions.write.replace([3])  # type: ignore[list-item]
    3 in task.permissions.write  # type: ignore[operator]
    task.permissions.write = ["account:ada"]  # type: ignore[assignment]
    task.permissions = Permissions({})  # type: ignore[misc]
    task.permissions.read.known()  # type: ignore[operator]
    for principal in task.permissions.read:
        principal.name  # type: ignore[attr-defined]


def a_projection_is_not_the_object(tasks: Repository[Task], batch: Batch) -> None:
    title = tasks.find().select(Title).one()
    title.priority  # type: ignore[attr-defined]
    title.permissions  # type: ignore[attr-defined]
    title.save()  # type: ignore[attr-defined]
    tasks.save(title)  # type: ignore[arg-type]
    tasks.delete(title)  # type: ignore[arg-type]
    batch.save(title)  # type: ignore[type-var]
    batch.repository(Task).find().select(Title).one().result().priority  # type: ignore[attr-defined]
    for each in Task.find().select(Title):
        each.priority  # type: ignore[attr-defined]
    found: list[Task] = tasks.find().select(Title).all()  # type: ignore[assignment]
    page: Page[Task] = next(tasks.find().select(Title).pages())  # type: ignore[arg-type]
    query: Query[Task] = tasks.find().select(Title)  # type: ignore[arg-type]
    del found, page, query
    tasks.find().select(Title).first().title  # type: ignore[union-attr]
    tasks.find().select("title")  # type: ignore[arg-type]
    tasks.find().select(Title(title="x"))  # type: ignore[arg-type]


async def an_awaited_projection_is_not_the_object(tasks: AsyncRepository[Task]) -> None:
    title = await tasks.find().select(Title).one()
    title.priority  # type: ignore[attr-defined]
    await title.asave()  # type: ignore[attr-defined]
    await tasks.save(title)  # type: ignore[arg-type]


def settles_an_object(task: Task) -> None: ...
def settles_two(first: ConflictError, second: ConflictError) -> None: ...


def a_wrong_way_to_settle(task: Task, tasks: Repository[Task], batch: Batch) -> None:
    task.save(on_conflict="yours")  # type: ignore[arg-type]
    task.save(on_conflict=True)  # type: ignore[arg-type]
    task.save(on_conflict=settles_an_object)  # type: ignore[arg-type]
    task.save(on_conflict=settles_two)  # type: ignore[arg-type]
    task.replace(on_conflict="mine")  # type: ignore[call-arg]
    tasks.save(task, on_conflict="yours")  # type: ignore[arg-type]
    tasks.save(task, on_conflict=settles_an_object)  # type: ignore[arg-type]
    batch.save(task, on_conflict="yours")  # type: ignore[arg-type]
    batch.repository(Task).save(task, on_conflict=settles_an_object)  # type: ignore[arg-type]
    task.rebase(Other())  # type: ignore[arg-type]
    task.rebase("t1")  # type: ignore[arg-type]


async def a_wrong_way_to_settle_awaited(task: Task, tasks: AsyncRepository[Task]) -> None:
    await task.asave(on_conflict="yours")  # type: ignore[arg-type]
    await tasks.save(task, on_conflict=settles_an_object)  # type: ignore[arg-type]


def a_conflict_misread(conflict: ConflictError) -> None:
    conflict.yours  # type: ignore[attr-defined]
    conflict.overlapping.add("title")  # type: ignore[attr-defined]
    conflict.overlapping["title"]  # type: ignore[index]
    conflict.rebase("title")  # type: ignore[call-arg]
    seconds: float = conflict.retry_after  # type: ignore[assignment]
    del seconds


def a_wrong_moment(tasks: Repository[Task]) -> None:
    tasks.changes(since="yesterday")  # type: ignore[arg-type]
    tasks.changes(date.min)  # type: ignore[arg-type]
    tasks.changes(since=tasks.changes())  # type: ignore[arg-type]
    tasks.watch("yesterday")  # type: ignore[arg-type]
    tasks.watch(interval="1")  # type: ignore[arg-type]
    tasks.watch(0, 5)  # type: ignore[call-arg]
    tasks.find().since("yesterday")  # type: ignore[arg-type]
    tasks.find().before(date.min)  # type: ignore[arg-type]


def changes_misread(tasks: Repository[Task]) -> None:
    found = tasks.changes()
    found.deleted[0].title  # type: ignore[attr-defined]
    found.deleted[0].save()  # type: ignore[attr-defined]
    found.updated[0].name  # type: ignore[attr-defined]
    found.updated[0].deleted  # type: ignore[attr-defined]
    list(found)  # type: ignore[call-overload]
    tasks.watch().updated  # type: ignore[attr-defined]
    gone: list[Task] = found.deleted  # type: ignore[assignment]
    others: ChangeSet[Other] = tasks.changes()  # type: ignore[assignment]
    del gone, others


async def awaited_changes_misread(tasks: AsyncRepository[Task]) -> None:
    await tasks.changes(since="yesterday")  # type: ignore[arg-type]
    (await tasks.changes()).deleted[0].title  # type: ignore[attr-defined]
    await tasks.watch()  # type: ignore[misc]
    async for found in tasks.watch():
        found.deleted[0].title  # type: ignore[attr-defined]


def an_edit_that_does_not_fit(task: Task) -> None:
    edit(Task.titel)  # type: ignore[attr-defined]
    edit(Task.title).set(3)  # type: ignore[arg-type]
    edit(Task.tags).set("a")  # type: ignore[arg-type]
    edit(Task.tags).set([3])  # type: ignore[list-item]
    edit(Task.due).set("tomorrow")  # type: ignore[arg-type]
    edit(Task.due).expect(3)  # type: ignore[arg-type]
    edit(Task.tags).append(3)  # type: ignore[arg-type]
    edit(Task.tags).append(["a"])  # type: ignore[arg-type]
    edit(Task.title).append("x")  # type: ignore[misc, call-overload]
    edit(Task.tags).insert(0, 3)  # type: ignore[arg-type]
    edit(Task.tags).insert("0", "x")  # type: ignore[arg-type]
    edit(Task.title).insert(0, "x")  # type: ignore[misc, arg-type]
    edit(Task.tags).remove("a")  # type: ignore[arg-type]
    edit(Task.title).remove(0)  # type: ignore[misc]
    task.patch(edit(Task.title))  # type: ignore[arg-type]
    task.patch("title")  # type: ignore[arg-type]
    task.patch(Task.title == "x")  # type: ignore[arg-type]


def renames(other: Other) -> None: ...


def a_function_of_another_class(tasks: Repository[Task], batch: Batch) -> None:
    tasks.modify("t1", renames)  # type: ignore[arg-type]
    tasks.modify(Task(title="x"), print)  # type: ignore[arg-type]
    batch.repository(Task).modify("t1", renames)  # type: ignore[arg-type]


async def an_awaited_function_of_another_class(tasks: AsyncRepository[Task]) -> None:
    await tasks.modify("t1", renames)  # type: ignore[arg-type]


def a_subclass_elsewhere(others: Repository[Other], urgent: Urgent) -> None:
    others.create(urgent)  # type: ignore[arg-type]
    others.save(urgent)  # type: ignore[arg-type]
    others.patch(urgent, reason="x")  # type: ignore[call-overload]
    others.delete(urgent)  # type: ignore[arg-type]
    others.save_many([urgent])  # type: ignore[list-item]


def a_subclass_and_its_base(tasks: Repository[Task], urgents: Repository[Urgent], task: Task, urgent: Urgent) -> None:
    urgents.save(task)  # type: ignore[arg-type]
    tasks.create(urgent).reason  # type: ignore[attr-defined]
    narrower: Repository[Urgent] = tasks  # type: ignore[assignment]
    wider: Repository[Task] = urgents  # type: ignore[assignment]
    objects: Objects[Task] = urgents  # type: ignore[assignment]
    query: Finder[Urgent] = tasks.find()  # type: ignore[assignment]
    got: Urgent = tasks.get("t1")  # type: ignore[assignment]
    del narrower, wider, objects, query, got


def a_wrong_class_in_a_place(articles: Collection, kinto: Client) -> None:
    articles.records(Bucket)  # type: ignore[type-var]
    articles.records(Title)  # type: ignore[type-var]
    kinto.buckets.save(articles)  # type: ignore[arg-type]


def a_mistake_about_the_history(task: Task, other: Other) -> None:
    HistoryEntry.acton  # type: ignore[attr-defined]
    for entry in task.history():
        entry.target.data.titel  # type: ignore[attr-defined]
        entry.timestamp = 5  # type: ignore[misc]
        entry.as_(Title)  # type: ignore[type-var]
    was(Task.priority) < "high"  # type: ignore[operator]
    was(Task.titel)  # type: ignore[attr-defined]
    task.revert("yesterday")  # type: ignore[arg-type]
    others: Finder[HistoryEntry[Task]] = other.history()  # type: ignore[assignment]
    del others
