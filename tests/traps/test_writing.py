"""PUT, PATCH and POST: what they do that a client would not expect, and what is sent instead."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from kinto_models import (
    AlreadyExistsError,
    Client,
    Collection,
    Group,
    InvalidRequestError,
    NotFoundError,
    Record,
    ServerIds,
    col,
    edit,
    key,
)
from kinto_models.protocol.bodies import json_patch
from tests.conftest import Wire
from tests.traps.conftest import RECORDS, T1, Raw

_FAR = 99_999_999_999_999


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""
    done: bool | None = False
    places: dict[str, int] = {}


class Team(Group, bucket="todo", group="team"):
    pass


def test_a_put_that_leaves_out_the_data_keeps_them_and_an_empty_one_wipes_them(
    kinto: Client, raw: Raw, wire: Wire
) -> None:
    raw("PUT", T1, {"data": {"title": "x", "extra": 1}})
    assert raw.data("PUT", T1, {"permissions": {}})["extra"] == 1
    task = Task.get("t1")
    task.permissions.read.add("account:carol")
    task.replace()
    assert wire.body()["data"] == {"title": "x", "done": False, "places": {}, "extra": 1}
    assert Task.get("t1") == task
    assert raw.data("PUT", T1, {"data": {}}).keys() == {"id", "last_modified"}


def test_what_changes_nothing_moves_no_timestamp(kinto: Client, raw: Raw) -> None:
    task, tasks = Task(id="t1", title="x"), kinto.repository(Task)
    task.save()
    before = task.last_modified or 0
    nothing: list[Any] = [{"data": {}}, {"permissions": {}}, {"data": {"title": "x"}}]
    for body in nothing:
        after = raw.data("PATCH", T1, body)["last_modified"]
        assert after > before
        before = after
    task.refresh()
    task.title = "".join("x")
    task.save()
    task.save(force=True)
    task.patch(title="x", done=False)
    tasks.upsert(Task(id="t1", title="x"))
    tasks.apply(tasks.sync_to([Task(id="t1", title="x")]))
    assert tasks.timestamp() == before


def test_an_empty_patch_is_not_sent(kinto: Client, raw: Raw, wire: Wire) -> None:
    task = Task(id="t1")
    task.save()
    assert raw("PATCH", T1, {}).status_code == 400
    wire.clear()
    assert task.patch().changed == frozenset()
    with pytest.raises(TypeError, match="at least one field"):
        kinto.repository(Task).patch("t1")
    assert wire.sent == []


def test_a_body_has_data_and_permissions_and_no_other_key(kinto: Client, raw: Raw, wire: Wire) -> None:
    assert raw("PUT", T1, {"data": {}, "meta": 1}).status_code == 400
    task = Task.model_validate({"id": "t1", "data": 1, "permissions_": 2, "meta": 3})
    task.permissions.read.add("account:carol")
    task.save()
    assert wire.body().keys() == {"data", "permissions"}
    assert Task.get("t1").model_extra == {"data": 1, "permissions_": 2, "meta": 3}


def test_a_sub_object_that_a_patch_would_replace_is_sent_whole_or_changed_inside(kinto: Client, raw: Raw) -> None:
    raw("PUT", T1, {"data": {"places": {"a": 1}}})
    assert raw.data("PATCH", T1, {"data": {"places": {"b": 2}}})["places"] == {"b": 2}
    task = Task.get("t1")
    task.places["c"] = 3
    task.save()
    assert raw.data("GET", T1)["places"] == {"b": 2, "c": 3}
    task.patch(edit(col(Task.places)["d"]).set(4))
    assert raw.data("GET", T1)["places"] == {"b": 2, "c": 3, "d": 4}


def test_none_is_stored_and_what_is_removed_is_gone(kinto: Client, raw: Raw) -> None:
    raw("PUT", T1, {"data": {"done": True, "extra": 1}})
    assert raw.data("PATCH", T1, {"data": {"extra": None}})["extra"] is None
    task = Task.get("t1")
    task.done = None
    delattr(task, "extra")
    task.save()
    stored = raw.data("GET", T1)
    assert stored["done"] is None
    assert "extra" not in stored
    task.patch(edit(Task.done).unset())
    assert "done" not in raw.data("GET", T1)


def test_a_null_that_the_server_would_refuse_is_absence(kinto: Client, raw: Raw) -> None:
    path = "/buckets/todo/collections/tasks"
    raw("PATCH", path, {"data": {"schema": {"type": "object"}, "sort": "title"}})
    assert raw("PATCH", path, {"data": {"schema": None}}).status_code == 400
    place: Collection = kinto.bucket("todo").collections.get("tasks")
    place.json_schema = place.sort = None
    place.save()
    assert raw.data("GET", path).keys() == {"id", "last_modified"}
    assert raw("PUT", "/buckets/todo/groups/team", {"data": {"members": None}}).status_code == 400
    with pytest.raises(ValidationError):
        Team.model_validate({"members": None})


def test_a_patch_has_no_charset(kinto: Client, raw: Raw, wire: Wire) -> None:
    """One kind is then taken for another, and one is a 500."""
    raw("PUT", T1, {"data": {"extra": 1}})
    merge = raw("PATCH", T1, {"data": {"extra": None}}, Content_Type="application/merge-patch+json; charset=utf-8")
    assert merge.json()["data"]["extra"] is None
    operations = [{"op": "remove", "path": "/data/extra"}]
    assert raw("PATCH", T1, operations, Content_Type="application/json-patch+json; charset=utf-8").status_code == 500
    task = Task.get("t1")
    delattr(task, "extra")
    task.save()
    assert wire.last.headers["Content-Type"] == "application/json-patch+json"
    assert "extra" not in raw.data("GET", T1)


def test_no_part_of_a_json_patch_goes_where_it_would_be_ignored(kinto: Client, raw: Raw, wire: Wire) -> None:
    raw("PUT", T1, {"data": {"title": "x"}})
    operation = {"op": "add", "path": "/foo", "value": 1}
    ignored = raw("PATCH", T1, [operation], Content_Type="application/json-patch+json")
    assert (ignored.status_code, "foo" in ignored.json()["data"]) == (200, False)
    with pytest.raises(ValueError, match="neither under /data/ nor under /permissions/"):
        json_patch([operation])
    Task.get("t1").patch(edit(key("a/b~c")).set(1), edit(key("/foo")).set(2), edit(key("never")).unset())
    assert all(each["path"].startswith(("/data/", "/permissions/")) for each in wire.body())
    stored = raw.data("GET", T1)
    assert (stored["a/b~c"], stored["/foo"]) == (1, 2)


def test_a_group_keeps_its_members_where_something_else_changes(kinto: Client, raw: Raw) -> None:
    path = "/buckets/todo/groups/team"
    Team(members={"account:carol"}).save()
    team = Team.model_validate(Team.get("team").model_dump())
    team.refresh()
    team.colour = "red"  # type: ignore[attr-defined]
    team.save()
    assert raw.data("GET", path)["members"] == ["account:carol"]
    team.replace()
    assert raw.data("GET", path)["members"] == ["account:carol"]
    assert raw.data("PUT", path, {"data": {"colour": "red"}})["members"] == []


def test_whoever_is_no_user_can_be_a_member(kinto: Client) -> None:
    """The server knows no users, and so cannot refuse one."""
    Team(members={"account:nobody-ever", "anything"}).save()
    assert Team.get("team").members == {"account:nobody-ever", "anything"}


def test_ids_and_timestamps_are_the_servers_and_never_sent(kinto: Client, raw: Raw, wire: Wire) -> None:
    kinto.bucket("todo").collection("future").save()
    place = "/buckets/todo/collections/future/records"
    assert raw("PUT", f"{place}/a", {"data": {"id": "b"}}).status_code == 400
    assert raw.data("PUT", f"{place}/a", {"data": {"last_modified": 5}})["last_modified"] == 5
    assert raw.data("PUT", f"{place}/b", {"data": {"last_modified": "5"}})["last_modified"] > 5
    assert raw.data("PUT", f"{place}/a", {"data": {"last_modified": 4}})["last_modified"] > 5
    raw("PUT", f"{place}/a", {"data": {"last_modified": _FAR}})
    assert raw("HEAD", place).headers["ETag"] == f'"{_FAR}"'  # and the next change comes after it
    wire.clear()
    task = Task(id="t1", last_modified=5)
    task.save()
    task.last_modified = _FAR
    task.title = "y"
    assert (task.last_modified or 0) == _FAR
    task.save(force=True)
    task.replace(force=True)
    for request in wire.sent:
        assert not {"id", "last_modified"} & json.loads(request.body or b"")["data"].keys()
    assert 5 < kinto.repository(Task).timestamp() < _FAR
    assert task.last_modified == kinto.repository(Task).timestamp()


def test_creating_under_an_id_that_is_taken_is_an_error_and_no_success(kinto: Client, raw: Raw) -> None:
    class Posted(Task, ids=ServerIds):
        pass

    raw("PUT", T1, {"data": {"title": "theirs"}})
    answered = raw("POST", RECORDS, {"data": {"id": "t1", "title": "mine"}})
    assert (answered.status_code, answered.json()["data"]["title"]) == (200, "theirs")
    mine = Posted(id="t1", title="mine")
    with pytest.raises(AlreadyExistsError) as caught:
        mine.save()
    assert caught.value.theirs.title == "theirs"
    assert not mine.saved


def test_the_result_says_whether_the_object_is_new(kinto: Client, raw: Raw) -> None:
    statuses = [raw("PUT", T1, {"data": {}}).status_code for _ in range(2)]
    assert statuses == [201, 200]
    tasks = kinto.repository(Task)
    assert [tasks.upsert(Task(id="t2", title=title)).created for title in "ab"] == [True, False]
    assert [Task(id="t3").save(force=True).created for _ in range(2)] == [True, False]
    assert [tasks.get_or_create(Task(id="t4"))[1] for _ in range(2)] == [True, False]


def test_an_absent_collection_is_not_an_absent_record(kinto: Client, raw: Raw) -> None:
    assert raw("GET", T1).json()["errno"] == 110
    assert raw("GET", T1.replace("tasks", "typo")).json()["errno"] == 111
    assert kinto.repository(Task).get_or_none("t1") is None
    typo: Any = kinto.repository(Task, collection="typo")
    with pytest.raises(NotFoundError, match="collection that it would be in does not exist"):
        typo.get_or_none("t1")
    with pytest.raises(NotFoundError, match="collection that it would be in does not exist"):
        typo.find().all()


def test_an_attribute_of_a_collection_is_cleared_by_id(kinto: Client, raw: Raw) -> None:
    raw("PATCH", "/buckets/todo/collections/tasks", {"data": {"cache_expires": 60}})
    assert kinto.bucket("todo").collections.patch("tasks", cache_expires=None).cache_expires is None
    assert "cache_expires" not in raw.data("GET", "/buckets/todo/collections/tasks")


def test_a_schema_is_asked_of_what_is_written_and_of_all_that_it_is_merged_into(kinto: Client) -> None:
    task = Task(id="t1", title="a long title")
    task.save()
    kinto.bucket("todo").collections.patch("tasks", json_schema={"properties": {"title": {"maxLength": 3}}})
    assert Task.get("t1").title == "a long title"
    task.done = True
    with pytest.raises(InvalidRequestError, match="too long") as caught:
        task.save()
    assert [error["loc"] for error in caught.value.errors] == [("title",)]
    task.title = "new"
    assert task.save().changed == {"title", "done"}
