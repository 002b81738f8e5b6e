"""The law of batches, by hypothesis, against a real server: a batch does what the same calls one by one do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError

from kinto_models import EVERYONE, Client, ConflictError, KintoError, Record, Repository, SaveResult
from kinto_models.errors import StatusError
from tests.repository.conftest import emptied

IDS = ("t0", "t1", "t2")
TITLES = ("a", "b")


class Task(Record, bucket="todo", readonly=("author",)):
    title: str = "a"
    priority: int = Field(default=3, ge=0)
    tags: list[str] = []
    author: str = "ada"


class Brief(BaseModel):
    title: str


# What a program has in its hands before the first verb: for each id one instance, or two of the same object, of which
# the one goes stale when the other is written.
Hands = dict[tuple[str, int], Task]
# Listings are sorted: in the order of their timestamps an upsert that takes two requests comes after what followed it.
Step = Callable[[Any, Hands], Any]

ids = st.sampled_from(IDS)
titles = st.sampled_from(TITLES)
slots = st.tuples(ids, st.sampled_from([0, 1]))
priorities = st.sampled_from([-1, 0, 3])


def fresh(object_id: str, title: str) -> Task:
    return Task(id=object_id, title=title)


def steps_of(verb: str) -> st.SearchStrategy[tuple[str, Step]]:
    made: dict[str, st.SearchStrategy[Step]] = {
        "save": st.builds(lambda slot, force: lambda r, h: r.save(h[slot], force=force), slots, st.booleans()),
        "replace": st.builds(lambda slot, force: lambda r, h: r.replace(h[slot], force=force), slots, st.booleans()),
        "patch": st.builds(lambda slot, title: lambda r, h: r.patch(h[slot], title=title), slots, titles),
        "patch by id": st.builds(lambda i, number: lambda r, h: r.patch(i, priority=number), ids, priorities),
        "delete": st.builds(
            lambda slot, force, ok: lambda r, h: r.delete(h[slot], force=force, missing_ok=ok),
            *(slots, st.booleans(), st.booleans()),
        ),
        "delete by id": st.builds(lambda i, ok: lambda r, h: r.delete(i, missing_ok=ok), ids, st.booleans()),
        "create": st.builds(lambda slot: lambda r, h: r.create(h[slot]), slots),
        "create another": st.builds(lambda i, title: lambda r, h: r.create(fresh(i, title)), ids, titles),
        "upsert": st.builds(lambda slot: lambda r, h: r.upsert(h[slot]), slots),
        "upsert another": st.builds(lambda i, title: lambda r, h: r.upsert(fresh(i, title)), ids, titles),
        "get": st.builds(lambda i: lambda r, h: r.get(i), ids),
        "get or none": st.builds(lambda i: lambda r, h: r.get_or_none(i), ids),
        "get or create": st.builds(lambda i, title: lambda r, h: r.get_or_create(fresh(i, title)), ids, titles),
        "refresh": st.builds(lambda slot: lambda r, h: r.refresh(h[slot]), slots),
        "find": st.builds(lambda n: lambda r, h: r.find(Task.priority <= n).sort(Task.id).all(), priorities),
        "select": st.builds(
            lambda n: lambda r, h: r.find(Task.priority <= n).sort(Task.id).select(Brief).all(), priorities
        ),
        "one": st.builds(lambda title: lambda r, h: r.find(Task.title == title).one(), titles),
        "first": st.builds(lambda title: lambda r, h: r.find(Task.title == title).sort(Task.id).first(), titles),
        "count": st.just(lambda r, h: r.count()),
        "exists": st.builds(lambda title: lambda r, h: r.find(Task.title == title).exists(), titles),
        "delete found": st.builds(lambda title: lambda r, h: r.find(Task.title == title).delete(), titles),
        "delete all": st.just(lambda r, h: r.delete_all()),
    }
    return st.tuples(st.just(verb), made[verb])


VERBS = [
    *("save", "save", "save", "replace", "patch", "patch by id", "delete", "delete by id", "create", "create another"),
    *("upsert", "upsert another", "get", "get or none", "get or create", "refresh", "find", "select", "one", "first"),
    *("count", "exists", "delete found", "delete all"),
]
programs = st.lists(st.sampled_from(VERBS).flatmap(steps_of), min_size=1, max_size=14)


def _remove(task: Task) -> None:
    (task.model_extra or {}).pop("extra", None)


# What happens to an instance before; the last but two make it unfit or forbidden, the last two a patch of another kind.
changes: st.SearchStrategy[Callable[[Task], object]] = st.sampled_from(
    [
        lambda task: None,
        lambda task: setattr(task, "title", "b"),
        lambda task: setattr(task, "priority", 0),
        lambda task: task.tags.append("x"),
        lambda task: task.tags.append(cast("str", 1)),
        lambda task: setattr(task, "author", "bob"),
        lambda task: task.permissions.read.add(EVERYONE),
        _remove,
    ]
)
existing = st.fixed_dictionaries({}, optional=dict.fromkeys(IDS, titles))
mutations = st.dictionaries(slots, changes, max_size=4)


@pytest.fixture(params=[2, 4])
def few(request: pytest.FixtureRequest, limited: Callable[[int], str]) -> Iterator[Client]:
    """A client of a server that takes few requests in one batch, so that a program makes several."""
    with emptied(limited(request.param)) as client:
        yield client


@pytest.fixture
def places(few: Client) -> tuple[Repository[Task], Repository[Task]]:
    for name in ("one-by-one", "together"):
        few.bucket("todo").collection(name).save()
    return few.repository(Task, collection="one-by-one"), few.repository(Task, collection="together")


def hands(repository: Repository[Task], there: dict[str, str], mutated: dict[Any, Callable[[Task], object]]) -> Hands:
    repository.delete_all()
    for object_id, title in there.items():
        repository.create(Task.model_validate({"id": object_id, "title": title, "extra": 1}))
    held = {
        (i, n): (repository.get(i) if i in there else fresh(i, "a"))  # of an object that is not there: a new one
        for i in IDS
        for n in (0, 1)
    }
    for slot, mutate in mutated.items():
        mutate(held[slot])
    return held


def run(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except (KintoError, ValueError, TypeError) as error:  # a conflict, or what is no value of a field
        return error


def shown(value: Any) -> Any:
    """A result, without what is the time's."""
    if isinstance(value, (list, tuple)):
        return [shown(each) for each in value]
    if isinstance(value, Exception):
        return type(value), *_shown_error(value)
    if isinstance(value, SaveResult):
        return "saved", value.created, sorted(value.changed), value.etag is None
    return _shown_task(value) if isinstance(value, Task) else value


def _shown_task(task: Task) -> tuple[Any, ...]:
    known = task.permissions.known
    permissions = {ace: sorted(who) for ace, who in task.permissions.all().items()} if known else None
    data = task.model_dump(exclude={"last_modified"}, warnings=False)
    return data, task.saved, task.dirty, task.changes, permissions, task.etag is None


def _shown_error(error: Exception) -> tuple[Any, ...]:
    if isinstance(error, ConflictError):
        sides = [shown(side) for side in (error.mine, error.base, error.theirs)]
        return error.status, error.errno, sides, error.overlapping
    if isinstance(error, StatusError):
        return error.status, error.errno, error.details
    if isinstance(error, ValidationError):
        return tuple((entry["loc"], entry["type"]) for entry in error.errors())
    return (str(error),)


@settings(max_examples=25)
@given(there=existing, mutated=mutations, program=programs)
def test_a_batch_does_what_the_same_calls_one_by_one_do(
    few: Client,
    places: tuple[Repository[Task], Repository[Task]],
    there: dict[str, str],
    mutated: dict[Any, Callable[[Task], object]],
    program: list[tuple[str, Step]],
) -> None:
    alone, together = places
    mine, theirs = hands(alone, there, mutated), hands(together, there, mutated)
    results = [run(lambda step=step: step(alone, mine)) for _, step in program]  # type: ignore[misc]
    batch = few.batch()
    repository = batch.repository(Task, collection="together")
    outcomes = [step(repository, theirs) for _, step in program]
    failed = run(lambda: batch.__exit__(None, None, None))
    told = [outcome.error or outcome.result() for outcome in outcomes]
    for (verb, _), first, second in zip(program, results, told, strict=True):
        assert shown(first) == shown(second), verb
    failures = [] if failed is None else [error for _, error in failed.failures]
    assert failures == [outcome.error for outcome in outcomes if outcome.error is not None]
    for slot in mine:
        assert shown(mine[slot]) == shown(theirs[slot]), slot
    assert [shown(alone.get(task.id)) for task in alone.find().sort(Task.id)] == [
        shown(together.get(task.id)) for task in together.find().sort(Task.id)
    ]
