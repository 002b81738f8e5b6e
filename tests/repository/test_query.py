"""Queries: what they find, in which order, by how many requests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, field_serializer
from pydantic.alias_generators import to_camel

from kinto_models import (
    AsyncClient,
    Client,
    ConflictError,
    HistoryEntry,
    InvalidRecordError,
    MultipleResultsError,
    NoResultError,
    Outcome,
    QueryError,
    Record,
    col,
    key,
)
from kinto_models.embedded import EmbeddedServer
from tests.conftest import Wire
from tests.repository.conftest import Opened, carry_out, told


class Address(BaseModel):
    city: str = ""


class Task(Record, bucket="todo", collection="tasks"):
    title: str
    priority: int = 3
    tags: list[str] = []
    done: bool = False
    due: datetime | None = None
    version: str = "1"
    address: Address = Address()
    min_age: int = 0
    renamed: int = Field(default=0, alias="stored_as")


class Title(BaseModel):
    title: str


@pytest.fixture
def tasks(kinto: Client) -> list[Task]:
    made = [
        Task(id="a", title="Write docs", priority=1, tags=["docs", "x"], done=True, version="2.0", min_age=5),
        Task(id="b", title="write code", priority=2, tags=["code"], address=Address(city="Oslo"), stored_as=7),
        Task(id="c", title="Read, learn", priority=3, tags=["docs"], due=datetime(2026, 1, 1, tzinfo=timezone.utc)),
        Task(id="d", title="Sleep", priority=4, version="2"),
    ]
    for task in made:
        task.save()
    return made


pytestmark = pytest.mark.usefixtures("tasks")


def ids(query: Any) -> str:
    return "".join(sorted(task.id for task in query))


def test_every_operator_finds_what_it_says() -> None:
    expected = {
        "a": Task.find(Task.priority == 1),
        "bcd": Task.find(Task.priority != 1),
        "ab": Task.find(Task.priority < 3),
        "abc": Task.find(Task.priority <= 3),
        "d": Task.find(Task.priority > 3),
        "cd": Task.find(Task.priority >= 3),
        "ad": Task.find(col(Task.priority).in_(1, 4)),
        "bc": Task.find(col(Task.priority).not_in(1, 4)),
    }
    for found, query in expected.items():
        assert ids(query) == found
    assert ids(Task.find(col(Task.title).like("write*"))) == "ab"
    assert ids(Task.find(col(Task.title).like("LEEP"))) == "d"
    assert ids(Task.find(col(Task.tags).contains("docs"))) == "ac"
    assert ids(Task.find(col(Task.tags).contains("docs", "x"))) == "a"
    assert ids(Task.find(col(Task.tags).contains_any("code", "x"))) == "ab"
    assert ids(Task.find(key("undeclared").exists(False), Task.priority < 3)) == "ab"
    assert ids(Task.find(col(Task.title).exists(), Task.priority < 3)) == "ab"


def test_values_keep_their_types() -> None:
    assert ids(Task.find(Task.version == "2.0")) == "a"
    assert ids(Task.find(Task.version == "2")) == "d"
    assert ids(Task.find(col(Task.version).in_("2", "2.0"))) == "ad"
    assert ids(Task.find(Task.title == "Read, learn")) == "c"
    assert ids(Task.find(col(Task.due) < datetime(2026, 2, 1, tzinfo=timezone.utc), col(Task.due) != None)) == "c"
    assert ids(Task.find(Task.due == None)) == "abd"
    assert ids(Task.find(Task.done)) == "a"
    assert ids(Task.find(Task.done == False)) == "bcd"


def test_names_that_look_like_operators_sub_fields_and_aliases() -> None:
    assert ids(Task.find(Task.min_age == 5)) == "a"
    assert ids(Task.find(Task.min_age > 4)) == "a"
    assert ids(Task.find(Task.address.city == "Oslo")) == "b"
    assert ids(Task.find(Task.renamed == 7)) == "b"
    assert ids(Task.find(col(Task.id).in_("a", "b"))) == "ab"


def test_conditions_add_up() -> None:
    assert (
        ids(Task.find(Task.priority > 1).where(Task.priority < 4, (Task.done == False) & (Task.version == "1"))) == "bc"
    )


def test_queries_are_lazy_and_immutable(wire: Wire) -> None:
    wire.clear()
    everything = Task.find()
    some = everything.where(Task.priority > 2).sort("title").limit(1).since(1).before(1_700_000_000_000)
    assert wire.sent == []
    assert ids(everything) == "abcd"
    assert "GET /buckets/todo/collections/tasks/records?gt_priority=2&_sort=title" in repr(some)


def test_sorting() -> None:
    assert [t.id for t in Task.find().sort(Task.priority)] == ["a", "b", "c", "d"]
    assert [t.id for t in Task.find().sort(-col(Task.priority))] == ["d", "c", "b", "a"]
    assert Task.find().sort("-address.city", Task.priority).all()[0].id == "b"
    assert [t.id for t in Task.find().sort("-last_modified")] == ["d", "c", "b", "a"]
    with pytest.raises(QueryError, match="no field 'titel'"):
        Task.find().sort("titel")


def test_limits_are_of_the_whole_and_pages_are_read_one_ahead(wire: Wire) -> None:
    wire.clear()
    assert [len(page) for page in Task.find().pages(size=3)] == [3, 1]
    assert [len(page) for page in Task.find().limit(3).pages(size=2)] == [2, 1]
    assert len(Task.find().limit(2).all()) == 2
    wire.clear()
    pages = Task.find().sort(Task.priority).pages(size=1)
    assert wire.sent == []
    first = next(pages)
    assert (first[0].id, first[0:1][0].id, len(first)) == ("a", "a", 1)
    assert first.timestamp == Task.find().timestamp()
    assert len([r for r in wire.sent if r.method == "GET"]) <= 2
    assert [page[0].id for page in pages] == ["b", "c", "d"]


@pytest.mark.parametrize("bad", [0, -1, True, 2.5, "3"])
def test_bad_numbers_are_refused(bad: Any) -> None:
    with pytest.raises(QueryError):
        Task.find().limit(bad)
    with pytest.raises(QueryError):
        Task.find().since(bad)
    with pytest.raises(QueryError):
        Task.find().before(bad)


@pytest.mark.parametrize("way", ["since", "before", "changes", "watch"])
def test_a_timestamp_that_is_no_milliseconds_is_refused_before_the_request(
    tasks: list[Task], kinto: Client, wire: Wire, way: str
) -> None:
    nanoseconds = time.time_ns()
    found: Any = Task.find() if way in {"since", "before"} else kinto.repository(Task)
    with pytest.raises(QueryError, match="it is milliseconds since 1970"):
        next(getattr(found, way)(nanoseconds))
    assert wire.sent == []


def test_a_condition_that_kinto_has_no_words_for_is_refused_where_it_is_written() -> None:
    with pytest.raises(QueryError, match="has a comma"):
        col(Task.title).in_("a", "b,c")
    assert "title" in repr(Task.title == "b,c")


def test_what_changed_since_without_what_was_deleted(tasks: list[Task], wire: Wire) -> None:
    since = tasks[1].last_modified or 0
    tasks[3].delete()
    assert ids(Task.find().since(since)) == "c"
    assert ids(Task.find().before(since)) == "a"
    assert ids(Task.find(col(Task.last_modified) > since)) == "c"
    assert Task.find().since(since).count() == 1


async def test_what_changed_since_a_datetime(server: EmbeddedServer, tasks: list[Task], opened: Opened) -> None:
    stamp = tasks[1].last_modified or 0
    moment = datetime.fromtimestamp(0, timezone(timedelta(hours=5))) + timedelta(milliseconds=stamp)
    async with opened(server.url) as client:
        found = client.repository(Task).find()
        for asked, expected in ((found.since(moment), ["c", "d"]), (found.before(moment), ["a"])):
            assert sorted(task.id for task in await told(asked.all())) == expected
        bucket = client.bucket("todo")
        history = bucket.ahistory if isinstance(client, AsyncClient) else bucket.history
        entry = await told(history.where(HistoryEntry.record_id == "b").one())
        then = datetime.fromtimestamp(0, timezone.utc) + timedelta(milliseconds=entry.last_modified)
        assert [each.record_id for each in await told(history.since(then).all())] == ["d", "c"]
        outcomes: list[Outcome[list[Task]]] = []
        await carry_out(client, lambda batch: outcomes.append(batch.repository(Task).find().since(moment).all()))
        assert sorted(task.id for task in outcomes[0].result()) == ["c", "d"]


def test_a_datetime_says_its_timezone(kinto: Client, wire: Wire) -> None:
    nowhere = datetime(2026, 1, 1)  # noqa: DTZ001  # that is the mistake
    for ask in (Task.find().since, Task.find().before, kinto.bucket("todo").history.since):
        with pytest.raises(QueryError, match="timezone"):
            ask(nowhere)
    with pytest.raises(QueryError):
        Task.find().since(datetime(1969, 1, 1, tzinfo=timezone.utc))
    assert wire.sent == []


def test_deleted_objects_among_the_pages_are_left_out_and_not_counted(kinto: Client) -> None:
    """Kinto lists them between the others, and a limit or a page of its own counts them."""
    since = Task.find().timestamp()
    for number in range(9):
        Task(id=f"n{number}", title="new").save()
        if number % 3:
            kinto.repository(Task).delete(f"n{number}")
    query = Task.find().since(since).sort(Task.id)
    assert [task.id for task in query] == [task.id for task in query.all()] == ["n0", "n3", "n6"]
    assert [[task.id for task in page] for page in query.pages(2) if page] == [["n0"], ["n3"], ["n6"]]
    assert [task.id for task in query.limit(2)] == ["n0", "n3"]
    assert query.sort("-id").first() == kinto.repository(Task).get("n6")
    assert [each.title for each in query.select(Title)] == ["new"] * 3
    assert query.count() == 3
    found = query.all()[1]
    assert (found.saved, found.dirty) == (True, False)
    found.title = "changed"
    assert found.save().changed == {"title"}


def test_a_record_with_a_field_called_deleted_is_no_deleted_record(kinto: Client) -> None:
    since = Task.find().timestamp()
    kinto.repository(Record, bucket="todo", collection="tasks").create(
        Record.model_validate({"id": "odd", "title": "x", "deleted": True})
    )
    assert [task.id for task in Task.find().since(since)] == ["odd"]


def test_ends_of_a_query(wire: Wire) -> None:
    assert Task.find(Task.priority > 9).first() is None
    assert Task.find(Task.priority > 9).one_or_none() is None
    assert Task.find(Task.priority == 1).one().id == "a"
    assert Task.find(Task.priority == 1).one_or_none() == Task.get("a")
    first = Task.find().sort(Task.priority).first()
    assert first is not None
    assert first.id == "a"
    with pytest.raises(NoResultError, match="no Task"):
        Task.find(Task.priority > 9).one()
    with pytest.raises(MultipleResultsError, match="more than one Task"):
        Task.find().one()
    with pytest.raises(MultipleResultsError):
        Task.find().one_or_none()
    wire.clear()
    assert Task.find(Task.priority > 1).count() == 3
    assert Task.find(Task.priority > 1).sort("title").limit(2).count() == 2
    assert Task.find(Task.priority > 1).exists()
    assert not Task.find(Task.priority > 9).exists()
    assert Task.find().timestamp() == Task.get("d").last_modified
    assert {r.method for r in wire.sent[:5]} == {"HEAD"}


def test_a_query_has_no_truth_value() -> None:
    with pytest.raises(QueryError, match=r"exists\(\)"):
        bool(Task.find())


def test_selecting_asks_for_some_fields_only(wire: Wire) -> None:
    class Renamed(BaseModel):
        id: str
        other: int = Field(alias="stored_as")

    titles = Task.find(Task.priority == 1).sort("title").limit(1).select(Title).all()
    assert titles == [Title(title="Write docs")]
    assert "_fields=title" in wire.last.target
    assert [r.other for r in Task.find(Task.priority == 2).select(Renamed)] == [7]
    assert len(list(Task.find().select(Title).pages(size=3))) == 2


def test_selecting_what_cannot_be_selected() -> None:
    class Unknown(BaseModel):
        titel: str

    with pytest.raises(QueryError, match="Task stores no field 'titel' for Unknown to select"):
        Task.find().select(Unknown)
    with pytest.raises(QueryError, match="could be saved over what was not read"):
        Task.find().select(Task)
    with pytest.raises(QueryError, match="takes a pydantic model class"):
        Task.find().select(int)  # type: ignore[type-var]


def test_a_bare_record_holds_anything_and_selects_anything(kinto: Client) -> None:
    records = kinto.bucket("todo").collection("tasks").records(Record)
    assert records.find(key("priority") < 3).sort(key("priority")).select(Title).all() == [
        Title(title="Write docs"),
        Title(title="write code"),
    ]


def test_deleting_what_a_query_finds(kinto: Client, wire: Wire) -> None:
    assert Task.find(Task.priority < 3).delete() == 2
    assert ids(Task.find()) == "cd"
    wire.clear()
    for query in (Task.find(), Task.find(Task.priority < 9).limit(1), Task.find(Task.priority < 9).sort("title")):
        with pytest.raises(QueryError):
            query.delete()
    assert wire.sent == []
    assert kinto.repository(Task).delete_all() == 2
    assert Task.find().count() == 0


def test_a_stored_object_that_does_not_fit_is_named(kinto: Client) -> None:
    lenient = kinto.repository(Record, bucket="todo", collection="tasks")
    lenient.create(Record.model_validate({"id": "odd", "title": "x", "priority": "high", "tags": "none"}))
    with pytest.raises(
        InvalidRecordError, match=r"Task 'odd' does not fit: priority: Input should be a valid integer"
    ) as one:
        Task.get("odd")
    with pytest.raises(InvalidRecordError, match="Task 'odd' does not fit") as many:
        Task.find().all()
    for error in (one.value, many.value):
        assert (error.model, error.object_id) == ("Task", "odd")
        assert [entry["loc"] for entry in error.errors] == [("priority",), ("tags",)]
    assert isinstance(one.value, ValueError)


def test_counting_and_timestamps_of_a_repository(kinto: Client) -> None:
    tasks = kinto.repository(Task)
    assert tasks.count() == 4
    assert tasks.timestamp() == Task.get("d").last_modified
    assert tasks.find().exists()
    assert repr(tasks) == "<Repository of Task at /buckets/todo/collections/tasks/records>"


def test_buckets_and_collections_are_found_like_records(kinto: Client) -> None:
    assert [bucket.id for bucket in kinto.buckets.find()] == ["todo"]
    assert kinto.bucket("todo").collections.find(key("id") == "tasks").count() == 1


def test_an_alias_generator_does_not_rename_what_is_kintos(kinto: Client) -> None:
    class Camel(Record, bucket="todo", collection="tasks", alias_generator=to_camel):
        min_age: int = 0

    now = Camel.find().timestamp()
    assert Camel.find(col(Camel.last_modified) > now).count() == 0
    assert Camel.find(col(Camel.last_modified) > now).delete() == 0
    assert "_sort=last_modified" in repr(Camel.find().sort("last_modified"))
    camel = Camel(min_age=3)
    camel.save()
    assert Camel.find().since(now).one().last_modified == camel.last_modified


def test_values_that_are_stored_as_text_are_not_ordered_letter_by_letter(kinto: Client) -> None:
    class Price(Record, bucket="todo", collection="tasks"):
        cost: Decimal = Decimal(0)
        span: timedelta = timedelta(0)
        amount: Decimal = Decimal(0)

        @field_serializer("amount")
        def _number(self, value: Decimal) -> float:
            return float(value)

    for ask in (
        lambda: Price.cost < Decimal(10),
        lambda: col(Price.span) >= timedelta(1),
        lambda: Price.find().sort(Price.cost),
        lambda: Price.find().sort("-cost"),
        lambda: -col(Price.span),
    ):
        with pytest.raises(QueryError, match="letter by letter"):
            ask()
    for amount in ("9.5", "10", "100"):
        Price(cost=Decimal(amount), amount=Decimal(amount)).save()
    assert Price.find(Price.cost == Decimal("9.5")).count() == 1
    dear = Price.find(Price.amount > 9, col(Price.amount).exists()).sort(Price.amount)
    assert [price.amount for price in dear] == [Decimal("9.5"), 10, 100]


def test_sub_fields_of_a_union_of_models() -> None:
    class Cat(BaseModel):
        kind: Literal["cat"] = "cat"
        lives: int = 9

    class Dog(BaseModel):
        kind: Literal["dog"] = "dog"

    class Owner(Record, bucket="todo", collection="tasks"):
        pet: Cat | Dog = Cat()

    assert "pet.kind=%22dog%22&gt_pet.lives=3" in repr(Owner.find(Owner.pet.kind == "dog", col(Owner.pet).lives > 3))


def test_one_of_the_first() -> None:
    assert Task.find().sort(Task.priority).limit(1).one().id == "a"
    assert "_limit=1" in repr(Task.find().limit(1))
    for size in (0, -1, "x"):
        with pytest.raises(QueryError, match="from 1 up"):
            next(Task.find().pages(size))  # type: ignore[arg-type]


def test_exists_and_another_condition_in_any_order() -> None:
    some, there = col(Task.title).like("write*"), col(Task.tags).exists()
    assert ids(Task.find(some, there)) == ids(Task.find(there, some)) == "ab"


# One state of the list


@pytest.fixture
def paged() -> Iterator[Client]:
    """A client of a server that gives two objects to a page, and holds five."""
    with Client.embedded(settings={"kinto.paginate_by": "2"}) as kinto:
        kinto.bucket("todo").save()
        kinto.bucket("todo").collection("tasks").save()
        kinto.repository(Record, bucket="todo", collection="tasks").create_many(Record(id=f"t{n}") for n in range(5))
        yield kinto


def test_pages_of_one_state_of_the_list(paged: Client) -> None:
    records = paged.repository(Record, bucket="todo", collection="tasks")
    wire = Wire(paged._runner.transport)
    paged._runner.transport = wire
    etag = f'"{records.timestamp()}"'
    wire.clear()
    assert len(records.find().all(consistent=True)) == 5
    assert [request.headers.get("If-Match") for request in wire.sent] == [None, etag, etag]
    assert [len(page) for page in records.find().pages(consistent=True)] == [2, 2, 1]
    with paged.batch() as batch:
        found = batch.repository(Record, bucket="todo", collection="tasks").find().all(consistent=True)
    assert len(found.result()) == 5


def test_a_list_that_changes_while_it_is_read_is_a_conflict_where_that_matters(paged: Client) -> None:
    records = paged.repository(Record, bucket="todo", collection="tasks")
    pages = records.find().pages(consistent=True)
    assert len(next(pages)) == 2  # and the second is on its way
    records.create(Record(id="t9"))
    with pytest.raises(ConflictError):
        list(pages)
    pages = records.find().pages()
    next(pages)
    records.create(Record(id="t8"))
    assert sum(len(page) for page in pages) == 4
