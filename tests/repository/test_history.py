"""The history: entries, what they hold, purges, snapshots and the way back, on the real plugin."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from kinto_models import (
    AlreadyExistsError,
    AsyncClient,
    Bucket,
    Client,
    Collection,
    ConflictError,
    ForbiddenError,
    Group,
    HistoryEntry,
    InvalidIdError,
    InvalidRecordError,
    MissingCapabilityError,
    NotFoundError,
    NotInHistoryError,
    NotSavedError,
    Outcome,
    QueryError,
    ReadOnlyFieldError,
    Record,
    Tombstone,
    col,
    key,
    was,
)
from kinto_models.embedded import EmbeddedServer
from kinto_models.models.expressions import Condition
from kinto_models.protocol.messages import Operation, Request, Response
from kinto_models.repository.batch import Collected
from kinto_models.transports.base import Transport
from tests.conftest import Serve, Wire
from tests.repository.conftest import Opened, carry_out, emptied, told

_LIST = "/buckets/todo/collections/tasks/records"


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""
    priority: int = 3
    tags: list[str] = []


class Strict(Record, bucket="todo", collection="tasks", readonly=("author",)):
    title: int
    author: str = ""


class Deed(BaseModel):
    user_id: str
    action: str


@pytest.fixture
def task(kinto: Client) -> Task:
    """One that was created as ``a`` and changed to ``b``, and then to ``c``."""
    task = Task(id="t1", title="a")
    task.save()
    for title in ("b", "c"):
        task.title = title
        task.save()
    return task


@pytest.fixture
def paged(serve: Serve) -> Iterator[Client]:
    """A client, active, of a server that gives two objects to a page."""
    server = serve("history in pages", {"kinto.paginate_by": "2"})
    with emptied(server.url) as client, client:
        yield client


class Meddled(Wire):
    """Something happens before the request of a number is sent."""

    def __init__(self, transport: Transport, number: int, meddle: Callable[[], object]) -> None:
        super().__init__(transport)
        self.number, self.meddle = number, meddle

    def send(self, request: Request) -> Response:
        if len(self.sent) == self.number:
            self.meddle()
        return super().send(request)


@pytest.fixture(scope="module")
def bare() -> Iterator[Client]:
    """A client of a server without history."""
    with Client.embedded(settings={"kinto.includes": "kinto.plugins.accounts kinto.plugins.default_bucket"}) as kinto:
        kinto.bucket("todo").save()
        kinto.bucket("todo").collection("tasks").save()
        yield kinto


# Entries


def test_an_entry_says_who_did_what_when_and_what_the_object_was_then(kinto: Client, task: Task) -> None:
    task.permissions.read.add("account:bob")
    task.save()
    last, *_, first = task.history()
    assert (first.action, last.action) == ("create", "update")
    assert (first.resource_name, first.bucket_id, first.collection_id, first.record_id, first.group_id) == (
        *("record", "todo", "tasks", "t1"),
        None,
    )
    assert (first.uri, first.object_id, first.user_id) == (f"{_LIST}/t1", "t1", "account:alice")
    assert abs(datetime.now(timezone.utc) - first.date) < timedelta(minutes=5)
    assert first.target.permissions == {"write": ["account:alice"]}
    assert last.target.permissions == {"read": ["account:bob"], "write": ["account:alice"]}
    assert (last.timestamp, first.timestamp < last.timestamp) == (task.last_modified, True)
    assert (first.tombstone, first.id != task.id) == (None, True)


def test_the_data_of_an_entry_are_an_instance_of_the_records_class(kinto: Client, task: Task) -> None:
    titles = [entry.target.data.title for entry in task.history()]
    assert titles == ["c", "b", "a"]
    entry = task.history().all()[0]
    assert type(entry.target.data) is Task
    assert entry.target.data is entry.target.data
    assert entry.target.raw == {
        "id": "t1",
        "last_modified": task.last_modified,
        "title": "c",
        "priority": 3,
        "tags": [],
    }


def test_a_deletion_has_a_tombstone_and_no_data(kinto: Client, task: Task) -> None:
    task.delete()
    entry = Task(id="t1").history().where(HistoryEntry.action == "delete").one()
    assert entry.tombstone == Tombstone(id="t1", last_modified=entry.timestamp)
    with pytest.raises(NotInHistoryError, match="deleted by this change"):
        _ = entry.target.data


def test_an_old_state_cannot_be_saved_over_todays_object(kinto: Client, task: Task) -> None:
    old = task.history().all()[-1].target.data
    assert (old.saved, old.etag, old.dirty, old.last_modified is None) == (False, None, True, False)
    with pytest.raises(AlreadyExistsError):
        old.save()
    for write in (old.replace, old.delete, lambda: old.patch(title="x")):
        with pytest.raises(NotSavedError):
            write()
    assert Task.get("t1").title == "c"
    old.refresh()
    assert (old.title, old.etag) == ("c", task.etag)


def test_an_old_state_creates_a_record_again_that_was_deleted(kinto: Client, task: Task) -> None:
    old = task.history().all()[-1].target.data
    task.delete()
    assert old.save().created
    assert Task.get("t1").title == "a"


def test_what_does_not_fit_todays_class_leaves_the_entry_readable(kinto: Client, task: Task) -> None:
    entries = kinto.repository(Strict).history("t1").all()
    assert [entry.action for entry in entries] == ["update", "update", "create"]
    with pytest.raises(InvalidRecordError, match=r"entry\.target\.raw.*entry\.as_\(Record\)") as caught:
        _ = entries[0].target.data
    assert (caught.value.model, caught.value.object_id) == ("Strict", "t1")
    assert caught.value.errors[0]["loc"] == ("title",)
    assert entries[0].target.raw["title"] == "c"
    assert entries[0].as_(Task).target.data.title == "c"
    assert entries[0].as_(Record).target.data.model_extra == {"title": "c", "priority": 3, "tags": []}
    with pytest.raises(TypeError, match="is a record, which cannot be read as"):
        entries[0].as_(Group)


def test_entries_can_be_compared_copied_and_pickled(kinto: Client, task: Task) -> None:
    one, same = task.history().limit(1).all()[0], task.history().first()
    assert one.target.data.title == "c"
    assert one == same
    for twin in (pickle.loads(pickle.dumps(one)), copy.deepcopy(one)):  # just made
        assert (twin, twin.target.data.title) == (one, "c")
    assert pickle.loads(pickle.dumps(same)).target.data.title == "c"


def test_entries_are_read_only(kinto: Client, task: Task) -> None:
    entry = task.history().all()[0]
    with pytest.raises(ValueError, match="frozen"):
        entry.action = "create"
    with pytest.raises(ValueError, match="frozen"):
        entry.target.raw = {}


# Whose history


def test_each_object_has_its_own_history_and_the_bucket_all_of_it(kinto: Client, task: Task) -> None:
    todo = kinto.bucket("todo")
    Task(id="t2").save()
    other = Task(id="t1", title="elsewhere")
    todo.collection("done").save()
    kinto.repository(Task, collection="done").create(other)
    todo.groups.create(Group(id="staff", members={"account:bob"}))
    assert [entry.target.data.title for entry in other.history()] == ["elsewhere"]
    assert [entry.uri for entry in todo.collection("tasks").history()] == ["/buckets/todo/collections/tasks"]
    staff = todo.group("staff").history().one()
    assert (staff.group_id, staff.target.data.members) == ("staff", {"account:bob"})
    assert {entry.object_id for entry in todo.collections.history()} == {"tasks", "done"}
    assert {entry.object_id for entry in kinto.repository(Task).history()} == {"t1", "t2"}
    kinds = [type(entry.target.data) for entry in todo.history.sort(HistoryEntry.last_modified)]
    assert kinds == [Bucket, Collection, Record, Record, Record, Record, Collection, Record, Group]
    assert kinto.buckets.history("todo").one().target.data.id == "todo"


def test_what_comes_from_the_history_of_a_bucket_is_bound_to_where_it_was(kinto: Client, task: Task) -> None:
    entry = kinto.bucket("todo").history.where(HistoryEntry.record_id == "t1").first()
    assert entry is not None
    record = entry.as_(Task).target.data
    record.refresh()
    assert record.title == "c"
    free = entry.target.data
    free.refresh()
    assert free.saved


def test_the_history_of_what_is_gone_is_there(kinto: Client, task: Task) -> None:
    tasks = kinto.repository(Task)
    tasks.delete("t1")
    assert [entry.action for entry in tasks.history("t1")] == ["delete", "update", "update", "create"]
    assert task.history().count() == 4


def test_ids_of_digits_are_found(kinto: Client) -> None:
    Task(id="123").save()
    assert kinto.repository(Task).history("123").count() == 1


def test_the_default_bucket_has_a_history_too(kinto: Client) -> None:
    tasks = kinto.repository(Task, bucket="default")
    made = tasks.create(Task(id="t1", title="a"))
    tasks.patch("t1", title="b")
    assert [entry.target.data.title for entry in made.history()] == ["b", "a"]
    before = made.history().all()[-1]
    assert [each.title for each in tasks.snapshot(before.timestamp)] == ["a"]
    made.refresh()
    made.revert(before)
    assert tasks.get("t1").title == "a"


def test_what_has_no_history_says_so(kinto: Client) -> None:
    class Grant(Record, path="/permissions"):
        uri: str

    with pytest.raises(InvalidIdError):
        kinto.repository(Task).history("!!!")
    with pytest.raises(QueryError, match="a path of its own"):
        kinto.repository(Grant).history()
    with pytest.raises(QueryError, match=r"kinto\.bucket\(\.\.\.\)\.history"):
        kinto.buckets.history()
    with pytest.raises(QueryError, match="not of Collection"):
        kinto.bucket("todo").collections.snapshot(1)


# Queries


def test_a_history_is_asked_with_the_fields_of_entries_and_of_the_object(kinto: Client, task: Task, wire: Wire) -> None:
    history = task.history()
    assert wire.sent == []
    assert [e.timestamp for e in history.where(was(Task.title) == "b")] == [history.all()[1].timestamp]
    assert history.where(was(Task.priority) > 3).first() is None
    assert history.where(col(was(Task.title)).like("B*"), HistoryEntry.action != "create").count() == 1
    assert history.where(col(HistoryEntry.uri).like("*/t1"), key("target.data.title") == "a").count() == 1
    assert [e.target.data.title for e in history.sort(was(Task.title)).limit(2)] == ["a", "b"]
    assert history.where(HistoryEntry.user_id == "account:bob").one_or_none() is None
    middle = history.all()[1]
    assert history.since(middle.last_modified).one().target.data.title == "c"
    assert history.before(middle.last_modified).one().target.data.title == "a"
    assert history.where(HistoryEntry.date >= middle.date).count() == 2
    assert history.where(HistoryEntry.date < middle.date).count() == 1


def test_was_is_for_the_fields_of_objects_and_the_history_for_conditions_of_entries(kinto: Client) -> None:
    with pytest.raises(QueryError, match="leave was"):
        was(HistoryEntry.action)
    with pytest.raises(QueryError, match="col"):
        was("title")
    with pytest.raises(QueryError, match="Task is another class"):
        kinto.bucket("todo").history.where(Task.title == "x")
    with pytest.raises(QueryError, match="HistoryEntry is another class"):
        Task.find(was(Task.title) == "x")


def test_a_part_of_the_entries_can_be_selected(kinto: Client, task: Task) -> None:
    deeds = task.history().select(Deed)
    assert [deed.action for deed in deeds] == ["update", "update", "create"]
    assert (deeds.count(), deeds.exists()) == (3, True)


def test_entries_are_counted_though_the_server_does_not_say_how_many_there_are(paged: Client) -> None:
    task = Task(id="t1")
    task.save()
    for priority in range(4):
        task.patch(priority=priority + 10)
    history = task.history()
    assert (history.count(), history.limit(3).count(), history.exists()) == (5, 3, True)
    assert (history.where(was(Task.priority) == 99).count(), history.where(was(Task.priority) == 99).exists()) == (
        0,
        False,
    )
    assert len(list(history)) == len(history.all(consistent=True)) == 5
    assert [len(page) for page in history.pages()] == [2, 2, 1]
    assert history.timestamp() == history.all()[0].last_modified


def test_a_history_that_has_not_changed_is_not_read_again(kinto: Client, task: Task) -> None:
    known = task.history().if_changed(None)
    assert known is not None
    assert [entry.target.data.title for entry in known] == ["c", "b", "a"]
    assert task.history().if_changed(known.timestamp) is None
    task.patch(title="d")
    again = task.history().if_changed(known.timestamp)
    assert again is not None
    assert len(again) == 4


# Purges


def test_a_purge_deletes_what_meets_the_conditions_and_tells_how_many(kinto: Client, task: Task) -> None:
    todo = kinto.bucket("todo")
    Task(id="t2").save()
    middle = task.history().all()[1]
    assert todo.purge_history(HistoryEntry.record_id == "t1", before=middle.last_modified) == 1
    assert [entry.target.data.title for entry in task.history()] == ["c", "b"]
    assert todo.purge_history(HistoryEntry.record_id == "t2") == 1
    assert todo.purge_history(before=datetime.now(timezone.utc) - timedelta(days=1)) == 0
    assert task.history().where(was(Task.title) == "b").delete() == 1
    assert todo.purge_history(everything=True) == 3
    assert (todo.history.count(), todo.history.exists(), todo.history.since(1).all()) == (0, False, [])


def test_a_purge_goes_on_past_the_first_page(paged: Client) -> None:
    for number in range(5):
        Task(id=f"t{number}").save()
    assert paged.bucket("todo").purge_history(HistoryEntry.resource_name == "record") == 5
    assert paged.bucket("todo").history.count() == 2


def test_a_purge_with_a_time_that_is_none_deletes_nothing(kinto: Client, task: Task, wire: Wire) -> None:
    todo = kinto.bucket("todo")
    with pytest.raises(QueryError, match="timezone"):
        todo.purge_history(before=datetime(2030, 1, 1))  # noqa: DTZ001  # that is the mistake
    with pytest.raises(QueryError):
        todo.purge_history(before=0)
    with pytest.raises(QueryError):
        todo.purge_history(Task.title == "a")
    with pytest.raises(QueryError, match="delete everything"):
        todo.history.delete()
    assert wire.sent == []


# Snapshots


def test_a_snapshot_is_the_collection_as_it_was(kinto: Client, task: Task) -> None:
    tasks = kinto.repository(Task)
    first, second, third = [entry.timestamp for entry in task.history()][::-1]
    new = tasks.create(Task(id="t2", title="new"))
    task.delete()
    for at, titles in ((first - 1, []), (first, ["a"]), (second, ["b"]), (third, ["c"]), (tasks.timestamp(), ["new"])):
        assert [each.title for each in tasks.snapshot(at)] == titles
        assert [each.title for each in tasks.snapshot(at, by="server")] == titles
    assert [each.title for each in tasks.snapshot(new.last_modified or 0)] == ["new", "c"]
    when = datetime.fromtimestamp(0, timezone.utc) + timedelta(milliseconds=second)
    assert [each.title for each in tasks.snapshot(when)] == ["b"]
    assert not any(each.saved for each in tasks.snapshot(third))


def test_a_snapshot_takes_a_time_only(kinto: Client, wire: Wire) -> None:
    tasks = kinto.repository(Task)
    for wrong in (0, -1, True, 10**15, datetime(2024, 1, 1)):  # noqa: DTZ001  # that is the mistake
        with pytest.raises(QueryError):
            tasks.snapshot(wrong)
    with pytest.raises(ValueError, match="'history' or 'server'"):
        tasks.snapshot(1, by="luck")  # type: ignore[arg-type]
    assert wire.sent == []


def test_what_was_deleted_and_made_anew_is_not_there_in_between(kinto: Client, task: Task) -> None:
    tasks = kinto.repository(Task)
    tasks.delete("t1")
    at = tasks.timestamp()
    Task(id="t1", title="again").save()
    assert tasks.snapshot(at) == tasks.snapshot(at, by="server") == []


def test_the_records_of_a_deleted_collection_are_in_the_snapshot(kinto: Client, task: Task) -> None:
    tasks, at = kinto.repository(Task), task.last_modified or 0
    Task(id="t2").save()
    kinto.bucket("todo").collections.delete("tasks")
    assert [each.title for each in tasks.snapshot(at)] == ["c"]
    assert tasks.snapshot(at, by="server") == []  # which is why it is not asked unless it is named
    gone = kinto.bucket("todo").collection("tasks").history().all()[0].timestamp
    kinto.bucket("todo").collection("tasks").save()
    Task(id="t1", title="again").save()
    assert [each.title for each in tasks.snapshot(at)] == ["c"]
    assert tasks.snapshot(gone) == []


def test_a_collection_that_never_was_is_an_error(kinto: Client) -> None:
    with pytest.raises(NotFoundError):
        kinto.repository(Task, collection="never").snapshot(1)


def test_what_was_purged_is_an_error_where_it_is_needed(kinto: Client, task: Task) -> None:
    tasks, todo = kinto.repository(Task), kinto.bucket("todo")
    first, second, third = [entry.timestamp for entry in task.history()][::-1]
    Task(id="t2").save()
    todo.purge_history(HistoryEntry.record_id == "t1", was(Task.last_modified) < third)
    assert {each.id for each in tasks.snapshot(tasks.timestamp())} == {"t1", "t2"}
    assert [each.title for each in tasks.snapshot(third)] == ["c"]
    for at in (first, second):
        with pytest.raises(NotInHistoryError, match="t1"):
            tasks.snapshot(at)
        assert tasks.snapshot(at, by="server") == []
    todo.purge_history(everything=True)
    assert {each.id for each in tasks.snapshot(tasks.timestamp())} == {"t1", "t2"}
    at = tasks.timestamp()
    tasks.delete("t1")
    todo.purge_history(everything=True)
    assert [each.id for each in tasks.snapshot(tasks.timestamp())] == ["t2"]
    with pytest.raises(NotInHistoryError, match="missing: t1"):
        tasks.snapshot(at)


def test_a_history_that_does_not_reach_back_is_not_taken_for_an_empty_collection(kinto: Client, task: Task) -> None:
    tasks, todo = kinto.repository(Task), kinto.bucket("todo")
    Task(id="t2", title="x").save()
    tasks.patch("t2", title="y")
    at = tasks.timestamp()
    todo.purge_history(before=todo.history.all()[0].last_modified)  # t1 is not in it any more
    todo.collections.delete("tasks")
    with pytest.raises(NotInHistoryError, match="all of them"):
        tasks.snapshot(at)
    todo.collection("tasks").save()
    todo.purge_history(everything=True)
    with pytest.raises(NotInHistoryError, match="all of them"):
        tasks.snapshot(at)


def test_what_changes_while_a_snapshot_is_read_needs_no_history(kinto: Client) -> None:
    tasks = kinto.repository(Task)
    at = tasks.create(Task(id="t1", title="old")).last_modified or 0
    kinto.bucket("todo").purge_history(HistoryEntry.record_id == "t1")
    with Client(kinto.url, auth=("alice", "s3cret")) as other:
        later = partial(other.repository(Task).patch, "t1", title="later")
        kinto._runner.transport = Meddled(kinto._runner.transport, 1, later)
        assert [each.title for each in tasks.snapshot(at)] == ["old"]


def test_no_more_of_the_history_is_read_than_it_takes(paged: Client) -> None:
    tasks = paged.repository(Task)
    for number in range(5):
        tasks.create(Task(id=f"t{number}"))
    at = tasks.timestamp()
    tasks.create(Task(id="new"))
    tasks.patch("t4", title="new")
    paged._runner.transport = wire = Wire(paged._runner.transport)
    assert len(tasks.snapshot(at)) == 5
    assert len([request for request in wire.sent if request.line == "GET /buckets/todo/history"]) == 2


def test_a_record_whose_entries_are_out_of_order_is_what_it_was(kinto: Client) -> None:
    path = f"/v1{_LIST}/t1"
    parts = [
        *({"method": "PUT", "path": path, "body": {"data": {"title": title}}} for title in ("a", "b")),
        {"method": "DELETE", "path": path},
        {"method": "PUT", "path": path, "body": {"data": {"title": "c"}}},
    ]
    body = json.dumps({"requests": parts}).encode()
    request = Request("POST", "/batch", {"Content-Type": "application/json"}, body)
    answer: Response = kinto.run(Operation(request, lambda response: response))
    a, b, gone, c = (part["body"]["data"]["last_modified"] for part in json.loads(answer.body)["responses"])
    tasks = kinto.repository(Task)
    kinto.repository(Task).patch("t1", title="d")
    for at, titles in ((a, ["a"]), (b, ["b"]), (gone, []), (c, ["c"])):
        assert [each.title for each in tasks.snapshot(at)] == titles
        if titles:
            tasks.get("t1").revert(at)
            assert [tasks.get("t1").title] == titles


def test_a_snapshot_of_what_does_not_fit_says_which_and_is_had_as_records(kinto: Client, task: Task) -> None:
    at = task.last_modified or 0
    with pytest.raises(InvalidRecordError, match="Strict 't1', as it was then, does not fit"):
        kinto.repository(Strict).snapshot(at)
    assert kinto.repository(Record, bucket="todo", collection="tasks").snapshot(at)[0].model_extra == {
        "title": "c",
        "priority": 3,
        "tags": [],
    }


def test_a_snapshot_reads_all_pages(paged: Client) -> None:
    tasks = paged.repository(Task)
    for number in range(5):
        tasks.create(Task(id=f"t{number}", title="old"))
    at = tasks.timestamp()
    for number in range(1, 5):
        tasks.patch(f"t{number}", title="new")
    tasks.delete("t1")
    tasks.create_many([Task(id=f"n{number}") for number in range(3)])
    found = tasks.snapshot(at)
    assert [(each.id, each.title) for each in found] == [(f"t{number}", "old") for number in (4, 3, 2, 1, 0)]
    assert tasks.snapshot(at, by="server") == found


def test_a_snapshot_has_more_than_the_storage_of_the_server_gives_at_once(serve: Serve, backend: str) -> None:
    server = serve("a storage of twenty", {"kinto.storage_max_fetch_size": "20"})
    with emptied(server.url) as client:
        tasks = client.repository(Task)
        tasks.create_many([Task(id=f"t{number}", priority=number) for number in range(30)])
        at = tasks.timestamp()
        tasks.create_many([Task(id=f"n{number}") for number in range(5)])
        for number in range(25):
            tasks.patch(f"t{number}", priority=99)
        assert {each.id: each.priority for each in tasks.snapshot(at)} == {f"t{number}": number for number in range(30)}
        assert (len(tasks.snapshot(at, by="server")) < 30) == (backend == "postgresql")


@pytest.mark.parametrize("number", range(8))
def test_what_happens_while_a_snapshot_is_read_is_not_in_it(paged: Client, number: int) -> None:
    tasks = paged.repository(Task)
    tasks.create_many([Task(id=f"t{number}", title="old") for number in range(5)])
    tasks.patch("t3", title="new")
    at = tasks.timestamp()
    tasks.delete("t4")
    with Client(paged.url, auth=("alice", "s3cret")) as other:

        def meddle() -> None:
            others = other.repository(Task)
            for object_id in ("t0", "t2", "t3"):
                others.patch(object_id, title="later")
            others.delete("t1")
            others.create(Task(id="t9"))

        paged._runner.transport = Meddled(paged._runner.transport, number, meddle)
        found = tasks.snapshot(at)
    assert {each.id: each.title for each in found} == {"t0": "old", "t1": "old", "t2": "old", "t3": "new", "t4": "old"}


_steps = st.lists(
    st.tuples(st.sampled_from(["write", "write", "delete", "collection"]), st.sampled_from("abc"), st.integers(0, 9)),
    max_size=12,
)


@settings(max_examples=25)
@given(steps=_steps)
def test_a_snapshot_is_what_was_there_at_each_moment(kinto: Client, steps: list[tuple[str, str, int]]) -> None:
    tasks, todo = kinto.repository(Task), kinto.bucket("todo")
    kinto.buckets.delete("todo")
    todo.save(force=True)
    todo.collection("tasks").save()
    now: dict[str, dict[str, Any]] = {}
    moments: list[tuple[int, dict[str, dict[str, Any]]]] = []
    deleted = any(what == "collection" for what, _, _ in steps)  # of which the server's own endpoint knows nothing
    for what, object_id, priority in steps:
        if what == "write":
            tasks.upsert(Task(id=object_id, priority=priority))
            now = {**now, object_id: {"id": object_id, "priority": priority}}
        elif what == "delete":
            tasks.delete(object_id, missing_ok=True)
            now = {name: data for name, data in now.items() if name != object_id}
        else:
            todo.collections.delete("tasks")
            todo.collection("tasks").save()
            now = {}
        at = max(entry.timestamp for entry in todo.history.all())
        moments.append((at, now))
    for at, expected in moments:
        found = tasks.snapshot(at)
        assert {each.id: {"id": each.id, "priority": each.priority} for each in found} == expected
        if not deleted:
            assert tasks.snapshot(at, by="server") == found


# The way back


def test_a_record_goes_back_to_an_entry_or_a_moment(kinto: Client, task: Task, wire: Wire) -> None:
    last, middle, first = task.history()
    wire.clear()
    result = task.revert(to=first)
    assert (result.created, result.changed, result.etag) == (False, frozenset({"title"}), task.etag)
    assert [request.method for request in wire.sent] == ["PATCH"]
    assert wire.last.headers["If-Match"] == f'"{last.timestamp}"'
    assert (task.title, task.dirty, Task.get("t1").title) == ("a", False, "a")
    task.revert(middle.timestamp)
    assert Task.get("t1").title == "b"
    task.revert(datetime.fromtimestamp(0, timezone.utc) + timedelta(milliseconds=last.timestamp))
    assert Task.get("t1").title == "c"
    assert task.revert(last).changed == set()


async def test_a_purge_without_conditions_deletes_nothing_unless_it_says_everything(
    server: EmbeddedServer, task: Task, opened: Opened
) -> None:
    async with opened(server.url) as client:
        todo = client.bucket("todo")
        purge = todo.apurge_history if isinstance(client, AsyncClient) else todo.purge_history
        chosen: list[Condition] = []  # as a program's own conditions may turn out
        for ask in (purge, lambda: purge(*chosen), lambda: purge(before=None), lambda: purge(everything=False)):
            with pytest.raises(QueryError, match="everything=True"):
                await told(ask())
        with pytest.raises(QueryError, match="takes no conditions"):
            await told(purge(HistoryEntry.record_id == "t1", everything=True))
        with pytest.raises(QueryError, match="takes no conditions"):
            await told(purge(before=1, everything=True))
        assert task.history().count() == 3
        assert await told(purge(everything=True)) == 5
        assert task.history().count() == 0


def test_a_dry_run_tells_what_a_way_back_and_a_purge_would_do(kinto: Client, task: Task) -> None:
    first = task.history().all()[-1]
    with Client(kinto.url, auth=("alice", "s3cret"), dry_run=True) as rehearsal:
        mine = rehearsal.repository(Task).get("t1")
        assert mine.revert(first).changed == {"title"}
        assert rehearsal.bucket("todo").purge_history(HistoryEntry.record_id == "t1") == 3
        assert [request.method for request in rehearsal.withheld] == ["PATCH", "DELETE"]
    assert (Task.get("t1").title, task.history().count()) == ("c", 3)


async def test_what_the_class_ignores_is_not_brought_back(kinto: Client, opened: Opened) -> None:
    class Narrow(Record, bucket="todo", collection="tasks", unknown="ignore"):
        title: str = ""

    Task.model_validate({"id": "t9", "title": "a", "colour": "red"}).save()
    first = Task.get("t9").history().one()
    wide = Task.get("t9")
    wide.title = wide.colour = "b"  # type: ignore[attr-defined]
    wide.save()
    async with opened(kinto.url) as client:
        narrow = await told(client.repository(Narrow).get("t9"))
        await told(narrow.arevert(first) if isinstance(client, AsyncClient) else narrow.revert(first))
    assert Task.get("t9").model_dump(include={"title", "colour"}) == {"title": "a", "colour": "b"}


def test_what_was_added_since_goes_and_what_is_not_saved_too(kinto: Client) -> None:
    task = Task.model_validate({"id": "t1", "title": "a", "tags": ["x"], "colour": "red"})
    task.save()
    at, place = task.last_modified or 0, "home"
    task.patch(title="b", tags=[])
    kinto.repository(Record, bucket="todo", collection="tasks").patch("t1", place=place, colour="blue")
    task.refresh()
    task.priority = 9
    task.permissions.read.add("account:bob")
    task.revert(at)
    stored = Record.model_validate(task.model_dump())
    assert stored.model_extra == {"title": "a", "tags": ["x"], "priority": 3, "colour": "red"}
    found = Task.get("t1")
    assert found.model_dump(exclude={"last_modified"}) == task.model_dump(exclude={"last_modified"})
    assert "account:bob" not in found.permissions.read  # which save() would send
    assert task.permissions.changed
    task.save()
    assert "account:bob" in Task.get("t1").permissions.read


def test_nothing_is_reverted_that_changed_since_it_was_read(kinto: Client, task: Task) -> None:
    first = task.history().all()[-1]
    kinto.repository(Task).patch("t1", title="theirs")
    with pytest.raises(ConflictError) as caught:
        task.revert(first)
    assert (caught.value.mine, caught.value.theirs.title) == (task, "theirs")
    assert (task.title, Task.get("t1").title) == ("c", "theirs")
    task.refresh()
    task.revert(first)
    assert Task.get("t1").title == "a"


def test_what_was_deleted_is_created_again(kinto: Client, task: Task) -> None:
    first, tasks = task.history().all()[-1], kinto.repository(Task)
    tasks.delete("t1")
    assert task.revert(first).created
    assert (task.title, task.saved, task.etag) == ("a", True, tasks.get("t1").etag)
    task.delete()
    assert task.revert(first.timestamp).created
    tasks.delete("t1")
    assert Task(id="t1").revert(first).created
    with pytest.raises(AlreadyExistsError):
        Task(id="t1").revert(first)


def test_what_the_history_does_not_have_is_no_way_back(kinto: Client, task: Task, wire: Wire) -> None:
    first = task.history().all()[-1]
    with pytest.raises(NotInHistoryError, match="created later"):
        task.revert(first.timestamp - 1)
    task.delete()
    gone = task.history().all()[0]
    with pytest.raises(NotInHistoryError, match="had been deleted then, by account:alice"):
        task.revert(gone)
    with pytest.raises(NotInHistoryError):
        task.revert(gone.timestamp)
    other = Task(id="t2")
    other.save()
    with pytest.raises(ValueError, match="another object"):
        other.revert(first)
    with pytest.raises(ValueError, match="another object"):
        kinto.repository(Task, collection="done").revert(Task(id="t1"), first)
    wire.clear()
    with pytest.raises(QueryError):
        other.revert(0)
    assert wire.sent == []


def test_a_state_that_does_not_fit_and_a_fixed_field_write_nothing(kinto: Client) -> None:
    tasks = kinto.repository(Strict)
    kinto.repository(Record, bucket="todo", collection="tasks").create(
        Record.model_validate({"id": "t1", "title": "x", "author": "alice"})
    )
    kinto.repository(Record, bucket="todo", collection="tasks").patch("t1", title=1)
    kinto.repository(Record, bucket="todo", collection="tasks").patch("t1", title=2, author="bob")
    _, fits, misfit = tasks.history("t1")
    found = tasks.get("t1")
    with pytest.raises(InvalidRecordError):
        found.revert(misfit)
    with pytest.raises(ReadOnlyFieldError):
        found.revert(fits)
    assert (tasks.get("t1").title, found.author) == (2, "bob")


def test_collections_and_groups_go_back_too(kinto: Client) -> None:
    todo = kinto.bucket("todo")
    staff = todo.groups.create(Group(id="staff", members={"account:bob"}))
    at = staff.last_modified or 0
    staff.patch(members=set())
    staff.revert(at)
    assert todo.groups.get("staff").members == {"account:bob"}
    tasks = todo.collections.get("tasks")
    at = tasks.last_modified or 0
    tasks.sort = "title"
    tasks.save()
    tasks.revert(at)
    assert todo.collections.get("tasks").sort is None


def test_the_hooks_of_a_class_see_a_way_back(kinto: Client, task: Task) -> None:
    seen: list[tuple[str, str | None]] = []

    class Watched(Task):
        def after_load(self) -> None:
            seen.append(("load", self.title))

        def before_save(self, old: Any) -> None:
            seen.append((f"save over {old.title}", self.title))

    watched = kinto.repository(Watched).get("t1")
    watched.revert(watched.history().all()[-1])
    assert seen == [("load", "c"), ("save over c", "a")]
    kinto.repository(Watched).snapshot(watched.last_modified or 0)
    assert seen[-1] == ("load", "a")


# Who may see it


def test_a_reader_of_a_record_sees_the_entries_since_then(kinto: Client, bob: Client, task: Task) -> None:
    task.permissions.read.add("account:bob")
    task.title = "d"
    task.save()
    his = bob.repository(Task)
    assert [entry.target.data.title for entry in his.history("t1")] == ["d"]
    with pytest.raises(NotInHistoryError, match="not shown"):
        his.get("t1").revert(task.history().all()[-1].timestamp)


def test_a_stranger_sees_nothing(kinto: Client, bob: Client, task: Task) -> None:
    for ask in (bob.repository(Task).history("t1").all, bob.bucket("todo").history.count):
        with pytest.raises(ForbiddenError):
            ask()
    with pytest.raises(ForbiddenError):
        bob.repository(Task).snapshot(task.last_modified or 0)
    with pytest.raises(ForbiddenError):
        bob.repository(Task).snapshot(task.last_modified or 0, by="server")


# Servers without it


def test_a_server_without_history_is_named_and_so_is_the_plugin(bare: Client) -> None:
    task, todo, tasks = Task(title="x"), bare.bucket("todo"), bare.repository(Task)
    tasks.create(task)
    asked: list[Callable[[], object]] = [
        task.history().all,
        task.history().first,
        task.history().count,
        task.history().exists,
        task.history().timestamp,
        lambda: task.history().if_changed(None),
        lambda: list(task.history()),
        lambda: next(iter(todo.history.pages())),
        lambda: todo.purge_history(everything=True),
        lambda: tasks.snapshot(1),
        lambda: tasks.snapshot(1, by="server"),
        lambda: task.revert(1),
    ]
    for ask in asked:
        with pytest.raises(MissingCapabilityError, match=r"'history'.*kinto\.plugins\.history"):
            ask()


def test_nobody_is_asked_what_the_server_can_while_it_can(kinto: Client, task: Task, wire: Wire) -> None:
    task.history().all()
    task.history().exists()
    assert [request.line for request in wire.sent] == ["GET /buckets/todo/history"] * 2


# Both kinds of clients, and batches


async def test_all_of_it_is_there_for_both_kinds_of_clients(server: EmbeddedServer, task: Task, opened: Opened) -> None:
    async with opened(server.url) as client:
        tasks, todo = client.repository(Task), client.bucket("todo")
        awaited = isinstance(client, AsyncClient)
        mine = await told(tasks.get("t1"))
        history = mine.ahistory() if awaited else mine.history()
        first = (await told(history.all()))[-1]
        assert (first.target.data.title, await told(history.count()), await told(history.exists())) == ("a", 3, True)
        everything = todo.ahistory if awaited else todo.history
        assert await told(everything.where(HistoryEntry.action == "update").count()) == 2
        assert [each.title for each in await told(tasks.snapshot(first.timestamp))] == ["a"]
        assert [each.title for each in await told(tasks.snapshot(first.timestamp, by="server"))] == ["a"]
        await told(mine.arevert(first) if awaited else mine.revert(first))
        assert (await told(tasks.get("t1"))).title == "a"
        purge = todo.apurge_history if awaited else todo.purge_history
        assert await told(purge(HistoryEntry.record_id == "t1")) == 4
        assert await told(history.count()) == 0


async def test_entries_come_with_async_for_and_lead_back_to_the_same_client(server: EmbeddedServer, task: Task) -> None:
    async with AsyncClient(server.url, auth=("alice", "s3cret")) as client:
        titles = [
            entry.target.data.title async for entry in client.repository(Task).history("t1").sort("last_modified")
        ]
        assert titles == ["a", "b", "c"]
        entry = await client.bucket("todo").ahistory.where(HistoryEntry.record_id == "t1").first()
        assert entry is not None
        record = entry.as_(Task).target.data
        await record.arefresh()
        assert record.title == "c"
        with pytest.raises(NotInHistoryError):
            await record.arevert(1)


async def test_a_server_without_history_is_named_to_async_code(bare: Client) -> None:
    async with AsyncClient(bare.url, auth=("admin", "secret")) as client:
        for ask in (
            client.repository(Task).history().count,
            lambda: client.bucket("todo").apurge_history(everything=True),
            lambda: client.repository(Task).snapshot(1),
        ):
            with pytest.raises(MissingCapabilityError, match=r"kinto\.plugins\.history"):
                await ask()
        with pytest.raises(MissingCapabilityError, match=r"kinto\.plugins\.history"):
            async for _ in client.repository(Task).history():
                pass


async def test_a_batch_reads_the_history_of_what_it_wrote_before(
    server: EmbeddedServer, task: Task, opened: Opened
) -> None:
    async with opened(server.url) as client:
        mine, at = await told(client.repository(Task).get("t1")), task.history().all()[-1].timestamp
        outcomes: list[Outcome[Any]] = []

        def read(batch: Collected) -> None:
            tasks = batch.repository(Task)
            outcomes[:] = [
                tasks.patch("t1", title="d"),
                tasks.history("t1").all(),
                tasks.history("t1").where(was(Task.title) == "d").count(),
                tasks.history_in("todo").select(Deed).first(),
                tasks.snapshot(at),
            ]

        await carry_out(client, read)
        _, entries, number, deed, then = (outcome.result() for outcome in outcomes)
        assert [entry.target.data.title for entry in entries] == ["d", "c", "b", "a"]
        assert (number, deed, [each.title for each in then]) == (
            1,
            Deed(user_id="account:alice", action="update"),
            ["a"],
        )
        await told(client.repository(Task).refresh(mine))

        def go_back(batch: Collected) -> None:
            tasks = batch.repository(Task)
            outcomes[:] = [tasks.revert(mine, at), tasks.history("t1").where(was(Task.title) == "d").delete()]

        await carry_out(client, go_back)
        assert (outcomes[0].result().changed, mine.title, outcomes[1].result()) == ({"title"}, "a", 1)


# With files


@pytest.mark.memory("kinto-attachment is on the embedded server only")
@pytest.mark.parametrize("awaited", [False, True])
async def test_what_a_record_was_comes_back_and_its_file_stays(kinto: Client, *, awaited: bool) -> None:
    tasks = kinto.repository(Task)
    task = tasks.create(Task(id="filed", title="Old"))
    first = tasks.history("filed").one()
    tasks.attach(task, b"first", filename="a.txt")
    second = tasks.history("filed").first()
    assert second is not None
    tasks.attach(task, b"second", filename="b.txt", data={"title": "New"})

    async def back(to: Any) -> Task:
        if not awaited:
            tasks.revert(task, to)
            return task
        async with AsyncClient(kinto.url, auth=("alice", "s3cret")) as client:
            there = client.repository(Task)
            read = await there.get("filed") if tasks.exists("filed") else Task(id="filed")
            await there.revert(read, to)
            return read

    for then in (first, second):
        assert (await back(then)).title == "Old"
        assert tasks.download("filed") == b"second"
        task.refresh()
        tasks.patch(task, title="New")
    tasks.delete(task)
    assert (await back(second)).title == "Old"
    assert "attachment" not in (tasks.get("filed").model_extra or {})
