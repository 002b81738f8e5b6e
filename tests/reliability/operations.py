"""The operations of the table of faults: how each is prepared, done by a client of either kind, and looked for.

What is looked for is how many times the server shows the effect: a record counted by its title, an increment by the
sum, an item by its occurrences. ``near`` is a client of the address that the operation goes to, so that instances are
known there; ``direct`` one that reaches the server past the bench.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import uuid4

from kinto_models import Client, KintoError, Record, ServerIds, edit

__all__ = ["OPERATIONS", "PAGES", "Act", "Case", "Entry", "Task", "attachment"]

PAGES = 5
"""Records of the list, of which a server that gives three at a time makes two pages."""


class Task(Record, bucket="faults", collection="tasks"):
    title: str = ""
    count: int = 0
    tags: list[str] = []


class Posted(Record, bucket="faults", collection="tasks", ids=ServerIds):
    title: str = ""


class Listed(Record, bucket="faults", collection="pages"):
    title: str = ""


@dataclass
class Entry:
    """One write of a case.

    Attributes:
        times: how often the server shows it.
        resolvable: whether looking can tell whether it was done.
        instance: that it is about, if any.
        outcome: what the library returned or raised.
    """

    times: Callable[[], int]
    resolvable: bool
    instance: Record | None = None
    outcome: Any = None


@dataclass
class Case:
    """An operation, ready to be done once.

    Attributes:
        do: does it with a client of either kind, and returns what came of each entry.
        entries: what it writes.
    """

    do: Callable[[Any], Any]
    entries: Sequence[Entry]
    reads: bool = False


Prepare: TypeAlias = Callable[[Client, Client], Case]


@dataclass(frozen=True)
class Act:
    """An operation of the table.

    Attributes:
        prepare: makes what it needs on the server, and the case.
        on: method of the request that meets the fault.
        path: a part of its target.
    """

    prepare: Prepare
    on: str
    path: str = "/records"
    body: bool = field(default=True)


async def told(value: Any) -> Any:
    """What a method of either kind of client gives."""
    return await value if inspect.isawaitable(value) else value


def single(do: Callable[[Any], Any], entry: Entry, *, reads: bool = False) -> Case:
    """A case of one entry."""

    async def done(client: Any) -> None:
        try:
            entry.outcome = await told(do(client))
        except Exception as error:  # noqa: BLE001  # whatever it is, it is the report
            entry.outcome = error

    return Case(done, [entry], reads)


def stored(near: Client, **values: Any) -> Task:
    """A task that is on the server, and was read."""
    return near.repository(Task).create(Task(**values))


def titled(direct: Client, title: str) -> Callable[[], int]:
    return lambda: direct.repository(Task).find(Task.title == title).count()


def create(near: Client, direct: Client) -> Case:
    task = Task(title=f"made {uuid4()}")
    return single(lambda kinto: kinto.repository(Task).create(task), Entry(titled(direct, task.title), True, task))


def create_with_own_id(near: Client, direct: Client) -> Case:
    task = Task(id=f"own-{uuid4()}", title=f"made {uuid4()}")  # which others may have made
    return single(lambda kinto: kinto.repository(Task).create(task), Entry(titled(direct, task.title), False, task))


def create_by_post(near: Client, direct: Client) -> Case:
    task = Posted(title=f"posted {uuid4()}")
    return single(lambda kinto: kinto.repository(Posted).create(task), Entry(titled(direct, task.title), False, task))


def save(near: Client, direct: Client) -> Case:
    task = stored(near)
    task.title = f"saved {uuid4()}"
    return single(lambda kinto: kinto.repository(Task).save(task), Entry(titled(direct, task.title), True, task))


def replace(near: Client, direct: Client) -> Case:
    task = stored(near)
    task.title = f"replaced {uuid4()}"
    return single(lambda kinto: kinto.repository(Task).replace(task), Entry(titled(direct, task.title), True, task))


def force_replace(near: Client, direct: Client) -> Case:
    task = stored(near)
    task.title = f"forced {uuid4()}"
    return single(
        lambda kinto: kinto.repository(Task).replace(task, force=True),
        Entry(titled(direct, task.title), True, task),
    )


def patch_by_id(near: Client, direct: Client) -> Case:
    task, title = stored(near), f"patched {uuid4()}"
    return single(lambda kinto: kinto.repository(Task).patch(task.id, title=title), Entry(titled(direct, title), True))


def append(near: Client, direct: Client) -> Case:
    task, tag = stored(near, tags=["first"]), str(uuid4())
    return single(
        lambda kinto: kinto.repository(Task).patch(task.id, edit(Task.tags).append(tag)),
        Entry(lambda: direct.repository(Task).get(task.id).tags.count(tag), False),
    )


def increment(near: Client, direct: Client) -> Case:
    task = stored(near, count=7)

    def one_more(task: Task) -> None:
        task.count += 1

    return single(
        lambda kinto: kinto.repository(Task).modify(task.id, one_more),
        Entry(lambda: direct.repository(Task).get(task.id).count - 7, False),
    )


def delete(near: Client, direct: Client) -> Case:
    task = stored(near)
    return single(lambda kinto: kinto.repository(Task).delete(task), Entry(gone(direct, task), True, task))


def gone(direct: Client, task: Task) -> Callable[[], int]:
    return lambda: int(direct.repository(Task).get_or_none(task.id) is None)


def listing(near: Client, direct: Client) -> Case:
    entry = Entry(lambda: 1, True)

    async def found(kinto: Any) -> None:
        read = await told(kinto.repository(Listed).find().sort(Listed.title).all())
        assert [each.title for each in read] == [str(n) for n in range(PAGES)]

    return single(found, entry, reads=True)


def batch(near: Client, direct: Client) -> Case:
    title = f"batched {uuid4()}"
    new, saved, patched, replaced, deleted = Task(title=title + "0"), *(stored(near) for _ in range(4))
    saved.title, replaced.title = title + "1", title + "3"
    times = [titled(direct, title + str(n)) for n in range(4)]
    tasks = (new, saved, patched, replaced, deleted)
    looks = [*times, gone(direct, deleted)]
    entries = [Entry(look, True, task) for look, task in zip(looks, tasks, strict=True)]

    def fill(batch: Any) -> list[Any]:
        return [
            batch.create(new),
            batch.save(saved),
            batch.patch(patched, title=title + "2"),
            batch.replace(replaced),
            batch.delete(deleted),
        ]

    return Case(lambda kinto: _batched(kinto, fill, entries), entries)


async def _batched(kinto: Any, fill: Callable[[Any], list[Any]], entries: list[Entry]) -> None:
    outcomes: list[Any] = []
    raised: Exception | None = None
    try:
        if isinstance(kinto, Client):
            with kinto.batch() as blocking:
                outcomes = fill(blocking)
        else:
            async with kinto.batch() as awaited:
                outcomes = fill(awaited)
    except KintoError as error:
        raised = error
    for entry, outcome in zip(entries, outcomes, strict=True):
        entry.outcome = outcome.error or outcome.result()
    assert raised is not None or all(outcome.done for outcome in outcomes), "a failure that the block did not raise"


def attachment(near: Client, direct: Client) -> Case:
    """A file, whose name tells which one it is."""
    task, name = stored(near), f"{uuid4()}.txt"

    def times() -> int:
        data: Any = direct.repository(Record, bucket="faults", collection="tasks").get(task.id).model_extra
        return int((data.get("attachment") or {}).get("filename") == name)

    def attach(kinto: Any) -> Any:
        return kinto.repository(Task).attach(task.id, b"what is attached", filename=name)

    return single(attach, Entry(times, True))


OPERATIONS: dict[str, Act] = {
    "create, generated id": Act(create, "PUT"),
    "create, own id": Act(create_with_own_id, "PUT"),
    "create, server's id": Act(create_by_post, "POST"),
    "save": Act(save, "PATCH"),
    "replace": Act(replace, "PUT"),
    "replace, forced": Act(force_replace, "PUT"),
    "patch by id": Act(patch_by_id, "PATCH"),
    "append to a list": Act(append, "PATCH"),
    "increment by modify()": Act(increment, "PATCH"),
    "delete": Act(delete, "DELETE", body=False),
    "batch of five": Act(batch, "POST", "/batch"),
    "list, second page": Act(listing, "GET", "_token", body=False),
}
