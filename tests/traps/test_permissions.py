"""Permissions: what the server adds, hides and forgets by itself, and who loses none of them here."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from kinto_models import (
    EVERYONE,
    Account,
    AlreadyExistsError,
    Client,
    Collection,
    ConflictError,
    ForbiddenError,
    Group,
    Record,
    UnknownPermissionsError,
)
from kinto_models.embedded import EmbeddedServer
from tests.conftest import Wire
from tests.traps.conftest import BOB, RECORDS, T1, Raw

CAROL, DAVE = "account:carol", "account:dave"


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""


class Team(Group, bucket="todo", group="team"):
    pass


@pytest.fixture
def his(kinto: Client, bob: Client) -> Task:
    """Bob's task: alice, who owns the bucket, may write it, and is shown no permissions of it."""
    place = kinto.bucket("todo").collections.get("tasks")
    place.permissions.record_create.add(Account("bob"))
    place.save()
    his = Task.model_validate({"id": "t1", "title": "his", "extra": 1})
    his.permissions.read.add(CAROL)
    his.permissions.write.add(DAVE)
    bob.repository(Task).create(his)
    return his


def test_revoking_everything_is_said_and_not_left_out(kinto: Client, raw: Raw) -> None:
    raw("PUT", T1, {"data": {}, "permissions": {"read": [EVERYONE]}})
    assert raw("PUT", T1, {"data": {}, "permissions": {}}).json()["permissions"]["read"] == [EVERYONE]
    task = Task.get("t1")
    task.permissions.read.discard(EVERYONE)
    task.replace()
    assert "read" not in raw("GET", T1).json()["permissions"]


def test_replacing_an_object_keeps_the_aces_that_did_not_change(kinto: Client, raw: Raw) -> None:
    path = "/buckets/todo/collections/tasks"
    granted = {"write": [CAROL], "record:create": [CAROL]}
    raw("PATCH", path, {"permissions": granted})
    place: Collection = kinto.bucket("todo").collections.get("tasks")
    place.permissions.read.add(DAVE)
    place.replace()
    kept = raw("GET", path).json()["permissions"]
    assert {ace: set(kept[ace]) for ace in kept} == {
        "read": {"account:dave"},
        "write": {"account:alice", "account:carol"},
        "record:create": {"account:carol"},
    }
    wiped = raw("PUT", path, {"permissions": {"read": [DAVE]}}).json()["permissions"]
    assert wiped == {"read": ["account:dave"], "write": ["account:alice"]}


def test_saving_one_ace_leaves_the_others_and_an_empty_one_is_emptied(kinto: Client, raw: Raw, wire: Wire) -> None:
    raw("PUT", T1, {"data": {}, "permissions": {"read": [CAROL], "write": [DAVE]}})
    task = Task.get("t1")
    task.permissions.read.discard(CAROL)
    task.save()
    assert wire.body() == {"permissions": {"read": []}}
    assert set(raw("GET", T1).json()["permissions"]["write"]) == {"account:alice", "account:dave"}
    raw("PATCH", T1, {"permissions": {"write": None}})
    assert DAVE in raw("GET", T1).json()["permissions"]["write"]


def test_whoever_writes_becomes_a_writer_and_the_instance_says_so(kinto: Client, his: Task, bob: Client) -> None:
    hers = Task.get("t1")
    hers.title = "hers"
    hers.save()
    assert set(hers.permissions.write) == {"account:alice", "account:bob", "account:dave"}
    bob.repository(Task).refresh(his)
    assert Account("alice") in his.permissions.write


def test_what_nobody_in_particular_creates_is_everyones_and_the_instance_says_so() -> None:
    settings = {"kinto.bucket_create_principals": "system.Everyone"}
    with Client.embedded(settings=settings) as server, Client(server.url) as anonymous:
        bucket = anonymous.bucket("open")
        bucket.save()
        assert set(bucket.permissions.write) == {EVERYONE}


def test_who_is_not_made_a_writer_is_not_taken_for_one() -> None:
    rights = ("bucket_write", "collection_create", "record_create", "record_read", "record_write")
    settings = {f"kinto.{right}_principals": "account:admin" for right in rights}
    settings["kinto.explicit_permissions"] = "false"
    with Client.embedded(accounts=dict([BOB]), settings=settings) as kinto:
        assert not kinto.server_info().settings.explicit_permissions
        kinto.bucket("todo").save()
        kinto.bucket("todo").collection("tasks").save()
        task = Task(id="t1")
        task.permissions.read.add(CAROL)
        task.permissions.write.add(Account("bob"))
        task.save()
        assert not task.permissions.known
        task.permissions.read.add(DAVE)
        with pytest.raises(UnknownPermissionsError, match="nobody can change what nobody sees"):
            task.save()
        assert Raw(kinto.url, BOB)("GET", T1).json()["permissions"] == {"read": [CAROL], "write": ["account:bob"]}


def test_who_takes_themselves_out_is_told_that_they_are_still_in(kinto: Client, bob: Client, raw: Raw) -> None:
    task = Task(id="t1")
    task.permissions.write.add(Account("bob"))
    task.save()
    task.permissions.write.discard(Account("alice"))
    task.save()
    assert set(task.permissions.write) == {"account:alice", "account:bob"}
    assert not task.permissions.changed
    handed = bob.repository(Task).get("t1")
    handed.permissions.write.discard(Account("alice"))
    bob.repository(Task).save(handed)
    assert set(handed.permissions.write) == {"account:bob"}


def test_hidden_permissions_are_unknown_and_not_empty(his: Task, raw: Raw) -> None:
    assert raw("GET", T1).json()["permissions"] == {}
    hers = Task.get("t1")
    assert not hers.permissions.known
    for ace in (hers.permissions.read, hers.permissions.write):
        with pytest.raises(UnknownPermissionsError):
            assert CAROL not in ace


def test_a_grant_by_who_sees_none_wipes_none(his: Task, bob: Client, raw: Raw) -> None:
    hers = Task.get("t1")
    hers.permissions.read.add(EVERYONE)
    hers.save()
    bob.repository(Task).refresh(his)
    assert set(his.permissions.read) == {"account:carol", EVERYONE}
    assert set(his.permissions.write) == {"account:alice", "account:bob", "account:dave"}


def test_a_merge_patch_by_who_sees_none_wipes_the_writers(his: Task, server: EmbeddedServer, raw: Raw) -> None:
    raw("PATCH", T1, {"permissions": {"read": [EVERYONE]}}, Content_Type="application/merge-patch+json")
    assert raw("GET", T1).json()["permissions"]["write"] == ["account:alice"]
    assert Raw(server.url, BOB)("PATCH", T1, {"data": {}}).status_code == 403  # he lost his own task


def test_a_json_patch_of_data_by_who_sees_none_wipes_none(his: Task, bob: Client, raw: Raw) -> None:
    hers = Task.get("t1")
    delattr(hers, "extra")
    hers.save()
    bob.repository(Task).refresh(his)
    assert his.model_extra == {}
    assert set(his.permissions.read) == {CAROL}
    assert set(his.permissions.write) == {"account:alice", "account:bob", DAVE}


def test_a_json_patch_of_data_alone_wipes_what_it_does_not_see(his: Task, bob: Client, raw: Raw) -> None:
    raw("PATCH", T1, [{"op": "remove", "path": "/data/extra"}], Content_Type="application/json-patch+json")
    assert raw("GET", T1).json()["permissions"] == {"write": ["account:alice"]}


def test_lists_conflicts_and_selections_tell_no_permissions_and_claim_none(kinto: Client, raw: Raw) -> None:
    class Title(BaseModel):
        title: str

    task = Task(id="t1", title="x")
    task.save()
    mine = Task.get("t1")
    raw("PATCH", T1, {"data": {"title": "theirs"}})
    assert "permissions" not in raw("GET", RECORDS).json()["data"][0]
    assert "permissions" not in raw("GET", f"{T1}?_fields=title").json()
    assert not Task.find().one().permissions.known
    assert Task.find().select(Title).all() == [Title(title="theirs")]
    mine.title = "mine"
    with pytest.raises(ConflictError) as changed:
        mine.save()
    with pytest.raises(AlreadyExistsError) as exists:
        Task(id="t1").save()
    for error in (changed.value, exists.value):
        assert not error.theirs.permissions.known
        with pytest.raises(UnknownPermissionsError):
            list(error.theirs.permissions.write)


def test_an_emptied_ace_is_empty_also_where_it_goes_by_json_patch(kinto: Client, raw: Raw, wire: Wire) -> None:
    raw("PUT", T1, {"data": {"extra": 1}, "permissions": {"read": [CAROL]}})
    kind = "application/json-patch+json"
    removed = raw("PATCH", T1, [{"op": "remove", "path": "/permissions/read"}], Content_Type=kind)
    assert removed.json()["permissions"]["read"] == ["account:carol"]
    task = Task.get("t1")
    delattr(task, "extra")
    task.permissions.read.discard(CAROL)
    task.save()
    assert wire.last.headers["Content-Type"] == kind
    assert raw("GET", T1).json()["permissions"] == {"write": ["account:alice"]}


def test_principals_with_slashes_and_aces_that_were_empty_go_by_json_patch(kinto: Client, raw: Raw) -> None:
    path = "/buckets/todo/collections/tasks"
    kind = "application/json-patch+json"
    lacking = [{"op": "add", "path": "/permissions/record:create/account:carol"}]
    assert raw("PATCH", path, lacking, Content_Type=kind).status_code == 400
    place = kinto.bucket("todo").collections.find().one()
    place.permissions.record_create.add(Team())
    place.permissions.record_create.add(CAROL)
    place.permissions.read.add(Team())
    place.save()
    kept = raw("GET", path).json()["permissions"]
    assert set(kept["record:create"]) == {"/buckets/todo/groups/team", "account:carol"}
    assert kept["read"] == ["/buckets/todo/groups/team"]


def test_a_group_as_a_principal_has_no_version_in_it(kinto: Client, bob: Client) -> None:
    Team(members={"account:bob"}).save()
    task = Task(id="t1")
    task.permissions.read.add(Team())
    task.save()
    assert Team().principal == kinto.bucket("todo").group("team").principal == "/buckets/todo/groups/team"
    assert bob.repository(Task).get("t1") == task


@pytest.fixture
def writer(kinto: Client, bob: Client) -> Client:
    """Bob, who may write one task, and create none."""
    task = Task(id="t1", title="x")
    task.permissions.write.add(Account("bob"))
    task.save()
    return bob


def test_who_may_write_an_object_and_create_none_can_upsert_it(writer: Client, server: EmbeddedServer) -> None:
    refused = Raw(server.url, BOB)("PUT", T1, {"data": {}}, If_None_Match="*")
    assert refused.status_code == 403  # and not 412
    tasks = writer.repository(Task)
    assert tasks.get_or_create(Task(id="t1", title="his"))[0].title == "x"
    assert tasks.upsert(Task(id="t1", title="his")).changed == {"title"}
    with pytest.raises(ForbiddenError):
        tasks.upsert(Task(id="t2"))


def test_who_may_create_counts_and_lists_what_is_theirs(kinto: Client, bob: Client, his: Task) -> None:
    Task(id="t2").save()
    tasks = bob.repository(Task)
    assert [task.id for task in tasks.find()] == ["t1"]
    assert tasks.count() == 1
    assert tasks.timestamp() == kinto.repository(Task).timestamp() > (his.last_modified or 0)  # of the whole list
    assert not bob.bucket("todo").collections.get("tasks").permissions.known
    assert "todo" not in [bucket.id for bucket in bob.buckets.find()]


def test_any_text_without_a_space_is_a_principal(kinto: Client, raw: Raw) -> None:
    """The server checks none: whoever is misspelt is granted it, and nobody has it."""
    task = Task(id="t1")
    for principal in ("account:nobody-ever", "openid:x", "basicauth:0", "/buckets/none/groups/none", "anything"):
        task.permissions.read.add(principal)
    task.save()
    assert set(raw("GET", T1).json()["permissions"]["read"]) == set(task.permissions.read)
    for wrong in ("", "account: bob"):
        with pytest.raises(ValueError, match="is no principal"):
            task.permissions.read.add(wrong)


@pytest.mark.parametrize("verb", ["save", "replace"])
def test_what_is_forced_over_an_unread_object_keeps_the_grants_of_others(kinto: Client, raw: Raw, verb: str) -> None:
    raw("PUT", T1, {"data": {}, "permissions": {"read": ["account:carol"], "write": ["account:dave"]}})
    task = Task(id="t1")
    task.permissions.read.add("account:eve")
    getattr(task, verb)(force=True)
    kept = raw("GET", T1).json()["permissions"]
    assert set(kept["read"]) == {"account:carol", "account:eve"}
    assert set(kept["write"]) == {"account:alice", "account:dave"}
