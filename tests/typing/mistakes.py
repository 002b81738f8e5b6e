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
    Client,
    Objects,
    Outcome,
    Plan,
    Record,
    Repository,
    SaveResult,
    col,
)


class Task(Record, bucket="todo", collection="tasks"):
    title: str
    priority: int = 3
    due: date | None = None
    tags: list[str] = []


class Other(Record, bucket="todo", collection="others"):
    pass


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
        batch.save("x")  # type: ignore[arg-type]
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
