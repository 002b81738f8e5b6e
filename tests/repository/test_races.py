"""Objects that come, go and change between two requests: answers lined up on a real socket."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kinto_models import Client, ConflictError, ForbiddenError, NotFoundError, NotSavedError, Record
from kinto_models.models.state import Snapshot
from kinto_models.models.stored import attach
from kinto_models.models.tracking import parse
from tests.loopback import Loopback


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""
    priority: int = 3


def told(timestamp: int = 5, **data: Any) -> bytes:
    return json.dumps(
        {"data": {"id": "t1", "last_modified": timestamp, **data}, "permissions": {"write": ["a"]}}
    ).encode()


class Story:
    """What the server says, in order, and what it was asked."""

    def __init__(self, loopback: Loopback) -> None:
        self.loopback = loopback

    def exists(self, **existing: Any) -> None:
        details = {"existing": {"id": "t1", "last_modified": 4, **existing}} if existing else {}
        self.loopback.answers(412, {}, json.dumps({"errno": 114, "details": details}).encode())

    def missing(self, errno: int = 110) -> None:
        self.loopback.answers(404, {}, json.dumps({"errno": errno}).encode())

    def forbids(self) -> None:
        self.loopback.answers(403, {}, b'{"errno": 121}')

    def tells(self, status: int = 200, timestamp: int = 5, **data: Any) -> None:
        self.loopback.answers(status, {"ETag": f'"{timestamp}"'}, told(timestamp, **data))

    @property
    def asked(self) -> list[str]:
        return [each.line.split()[0] for each in self.loopback.received]


@pytest.fixture
def story(loopback: Loopback) -> Story:
    return Story(loopback)


@pytest.fixture
def tasks(loopback: Loopback) -> Any:
    with Client(loopback.url, retry=0) as kinto:
        yield kinto.repository(Task)


def test_an_object_that_goes_before_it_is_read_is_created(story: Story, tasks: Any) -> None:
    story.exists(title="theirs")
    story.missing()
    story.tells(201, title="mine")
    task, created = tasks.get_or_create(Task(id="t1", title="mine"))
    assert (created, task.title, story.asked) == (True, "mine", ["PUT", "GET", "PUT"])


def test_who_may_not_create_gets_the_refusal_where_there_is_nothing_to_read(story: Story, tasks: Any) -> None:
    for method in (tasks.get_or_create, tasks.upsert):
        story.forbids()
        story.missing()
        with pytest.raises(ForbiddenError, match="PUT"):
            method(Task(id="t1"))
    assert story.asked == ["PUT", "GET"] * 2


def test_upserting_goes_on_when_the_object_changes_or_goes_meanwhile(story: Story, tasks: Any) -> None:
    story.exists(title="theirs")
    story.exists(title="newer")  # the PATCH met another change
    story.exists(title="newer")
    story.missing()  # the PATCH met a deletion
    story.tells(201, title="mine", priority=3)
    assert tasks.upsert(Task(id="t1", title="mine")).created
    assert story.asked == ["PUT", "PATCH", "PUT", "PATCH", "PUT"]


def test_upserting_reads_what_the_refusal_does_not_show(story: Story, tasks: Any) -> None:
    story.exists()
    story.tells(title="theirs", priority=1)
    story.tells(timestamp=6, title="mine", priority=3)
    task = Task(id="t1", title="mine")
    assert tasks.upsert(task).changed == {"title", "priority"}
    assert story.asked == ["PUT", "GET", "PATCH"]
    assert story.loopback.received[2].headers["if-match"] == '"5"'
    assert task.last_modified == 6


@pytest.mark.parametrize("method", ["upsert", "get_or_create"])
def test_an_object_that_never_rests_is_left_to_the_caller(story: Story, tasks: Any, method: str) -> None:
    for _ in range(5):
        story.exists()
        story.missing()
    task = Task(id="t1")
    with pytest.raises(ConflictError, match="changed 5 times .* try again") as caught:
        getattr(tasks, method)(task)
    assert caught.value.mine is task
    assert len(story.asked) == 10
    assert not task.saved


def test_a_missing_collection_is_told_from_a_missing_record(story: Story, tasks: Any) -> None:
    story.missing()
    assert tasks.get_or_none("t1") is None
    story.missing(errno=111)
    with pytest.raises(NotFoundError, match="collection that it would be in does not exist"):
        tasks.get_or_none("t1")


def test_an_object_whose_timestamp_was_never_told_is_not_written_blindly(story: Story, tasks: Any) -> None:
    data = {"id": "t1", "title": "x"}
    task = parse(Task, data)
    attach(task, Snapshot(json.dumps({"data": data}).encode(), None))
    task.title = "y"
    for write in (tasks.save, tasks.replace, tasks.delete):
        with pytest.raises(NotSavedError, match="never told the timestamp"):
            write(task)
    assert story.asked == []
    story.tells(title="y")
    tasks.save(task, force=True)
    assert "if-match" not in story.loopback.only.headers


def test_a_deletion_that_meets_a_change_by_id_is_unconditional(story: Story, tasks: Any) -> None:
    story.loopback.answers(200, {}, b'{"data": {"id": "t1", "last_modified": 6, "deleted": true}}')
    assert tasks.delete("t1")
    assert "if-match" not in story.loopback.only.headers
