# pyright: strict, reportUnnecessaryTypeIgnoreComment=error, reportUnusedExpression=none, reportUnknownMemberType=none
# pyright: reportUnknownArgumentType=none, reportUnknownVariableType=none
"""Users' mistakes, each an error in every checker that can see it: an ignore without an error is an error itself.

Read by mypy --strict with and without pydantic's plugin, and by pyright; never run.
"""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel

from kinto_models import Client, Objects, Record, Repository, col


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


def a_wrong_option(task: Task) -> None:
    task.save(force="yes")  # type: ignore[arg-type]
    task.save(on_conflict="x")  # type: ignore[call-arg]
    Client("https://example.com/v1", auth=3)  # type: ignore[arg-type]
    Client("https://example.com/v1", timeout="5")  # type: ignore[arg-type]
    Client("https://example.com/v1", tiemout=5)  # type: ignore[call-arg]
    task.permissions.raed  # type: ignore[attr-defined]
    task.permissions.record_create  # type: ignore[attr-defined]
