"""Granting and revoking, where the permissions are known and where they are not."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from kinto_models import (
    EVERYONE,
    Account,
    AsyncClient,
    Client,
    Collection,
    ConflictError,
    DeclarationError,
    Group,
    MissingCapabilityError,
    Record,
    UnknownPermissionsError,
)
from kinto_models.embedded import EmbeddedServer
from kinto_models.protocol.messages import Request, Response
from tests.conftest import Wire
from tests.repository.conftest import Opened, told

CAROL, DAVE = Account("carol"), Account("dave")


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""


class Team(Group, bucket="todo", group="team"):
    """A group, whose principal has slashes in it."""


@pytest.fixture
def listed(kinto: Client) -> Task:
    """A task that carol may read, from a list, which shows no permissions."""
    task = Task(id="t1", title="x")
    task.permissions.read.add(CAROL)
    task.save()
    return Task.find().one()


def readers(object_id: str = "t1") -> set[str]:
    return set(Task.get(object_id).permissions.read)


def test_a_grant_on_unknown_permissions_leaves_the_others_alone(listed: Task, wire: Wire) -> None:
    assert not listed.permissions.known
    listed.permissions.read.add(DAVE)
    listed.permissions.read.add(Team())
    wire.clear()
    assert listed.save().changed == {"permissions"}
    assert wire.last.headers["Content-Type"] == "application/json-patch+json"
    assert "/permissions/read/~1buckets~1todo~1groups~1team" in [operation["path"] for operation in wire.body()]
    assert readers() == set(listed.permissions.read) == {"account:carol", "account:dave", "/buckets/todo/groups/team"}
    assert set(listed.permissions.write) == {"account:alice"}
    assert not listed.permissions.changed


def test_data_goes_in_the_same_request(listed: Task, wire: Wire) -> None:
    listed.title = "y"
    listed.permissions.read.discard(CAROL)
    listed.permissions.read.add("system.Authenticated")
    wire.clear()
    assert listed.save().changed == {"title", "permissions"}
    assert [request.method for request in wire.sent] == ["GET", "PATCH"]
    found = Task.get("t1")
    assert (found.title, set(found.permissions.read)) == ("y", {"system.Authenticated"})


def test_what_is_so_already_is_not_sent(listed: Task, wire: Wire) -> None:
    etag = listed.etag
    listed.permissions.read.add(CAROL)
    listed.permissions.read.discard(DAVE)
    wire.clear()
    assert listed.save().changed == frozenset()
    assert [request.method for request in wire.sent] == ["GET"]
    assert (listed.etag, listed.permissions.known, listed.permissions.changed) == (etag, True, False)


def test_every_kind_and_every_ace(kinto: Client) -> None:
    Team(members={"account:carol"}).save()
    for objects, ace in (
        (kinto.buckets, "collection_create"),
        (kinto.bucket("todo").collections, "record_create"),
        (kinto.bucket("todo").groups, "read"),
    ):
        found = None
        for who in (CAROL, DAVE):
            found = next(each for each in objects.find() if each.id in {"todo", "tasks", "team"})
            getattr(found.permissions, ace).add(who)
            found.save()
        assert found is not None
        assert set(getattr(objects.get(found.id).permissions, ace)) == {"account:carol", "account:dave"}
        getattr(found.permissions, ace).discard(CAROL)
        found.save()
        assert set(getattr(objects.get(found.id).permissions, ace)) == {"account:dave"}


@pytest.mark.parametrize("reading", ["get", "find"])
@pytest.mark.parametrize("change", ["grant", "both", "removal"])
def test_who_may_write_without_seeing_the_permissions_costs_nobody_one(
    kinto: Client, bob: Client, reading: str, change: str
) -> None:
    """The owner of a bucket is in the ``write`` of no record in it: to her the server shows empty permissions."""
    place: Collection = kinto.bucket("todo").collections.get("tasks")
    place.permissions.record_create.add(Account("bob"))
    place.save()
    his = Task.model_validate({"id": "t1", "title": "his", "extra": 1})
    his.permissions.read.add(CAROL)
    bob.repository(Task).create(his)
    found = Task.get("t1") if reading == "get" else Task.find().one()
    assert not found.permissions.known
    found.permissions.read.add(DAVE)
    if change == "both":
        found.title = "hers"
    if change == "removal":
        delattr(found, "extra")
    assert "permissions" in found.save().changed
    bob.repository(Task).refresh(his)
    assert his.title == ("hers" if change == "both" else "his")
    assert (his.model_extra == {}) == (change == "removal")
    assert set(his.permissions.read) == set(found.permissions.read) == {"account:carol", "account:dave"}
    assert set(his.permissions.write) == {"account:alice", "account:bob"}


def test_four_who_grant_at_once_all_have_granted_in_the_end(kinto: Client, listed: Task) -> None:
    """On a server that does one request after the other: checking and writing are two steps of Kinto's."""
    lock = threading.Lock()

    class OneByOne(Wire):
        def send(self, request: Request) -> Response:
            with lock:
                return super().send(request)

    kinto._runner.transport = OneByOne(kinto._runner.transport)
    everyone = threading.Barrier(4)
    failed: list[BaseException] = []

    def grant(number: int, *, known: bool) -> None:
        try:
            tasks = kinto.repository(Task)
            task = tasks.get("t1") if known else tasks.find().one()
            everyone.wait()
            task.permissions.read.add(f"account:u{number}")
            task.save(on_conflict="merge")
        except BaseException as error:  # noqa: BLE001  # shown below
            failed.append(error)

    threads = [threading.Thread(target=grant, args=(number,), kwargs={"known": number % 2 == 0}) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert readers() == {"account:carol", *(f"account:u{number}" for number in range(4))}


@pytest.mark.parametrize("write", ["replace", "upsert"])
def test_other_writes_grant_too(kinto: Client, listed: Task, write: str) -> None:
    listed.title = "y"
    listed.permissions.read.add(DAVE)
    result = getattr(kinto.repository(Task), write)(listed)
    assert {"title", "permissions"} <= result.changed
    assert readers() == {"account:carol", "account:dave"}


def test_a_grant_of_what_is_created_elsewhere_goes_along(kinto: Client, listed: Task) -> None:
    kinto.bucket("todo").collection("other").save()
    listed.permissions.read.add(EVERYONE)
    other = kinto.repository(Task, collection="other")
    other.create(listed)
    assert set(other.get("t1").permissions.read) == {EVERYONE}


def test_a_patch_keeps_grants_for_the_next_save(listed: Task) -> None:
    listed.permissions.read.add(DAVE)
    listed.patch(title="y")
    assert readers() == {"account:carol"}
    assert listed.permissions.changed
    listed.save()
    assert readers() == {"account:carol", "account:dave"}


def test_a_batch_grants_too(kinto: Client, listed: Task) -> None:
    listed.permissions.read.add(DAVE)
    with kinto.batch() as batch:
        saved = batch.save(listed)
        batch.save(Task(id="t2"))
    assert saved.result().changed == {"permissions"}
    assert readers() == {"account:carol", "account:dave"}


def test_unknown_ones_cannot_be_read(listed: Task) -> None:
    with pytest.raises(UnknownPermissionsError, match=r"refresh\(\)"):
        set(listed.permissions.read)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("verb", ["upsert", "force"])
def test_what_is_written_over_another_keeps_the_grants_of_others(kinto: Client, known: bool, verb: str) -> None:  # noqa: FBT001
    task = Task(id="t1", title="x")
    task.permissions.read.add(CAROL)
    task.save()
    mine = Task.get("t1") if known else Task(id="t1", title="y")
    other = Task.get("t1")
    other.permissions.read.add(Account("eve"))
    other.save()
    mine.permissions.read.add(DAVE)
    if verb == "upsert":
        kinto.repository(Task).upsert(mine)
    else:
        mine.save(force=True) if known else kinto.repository(Task).upsert(mine)
    assert readers() == set(mine.permissions.read) == {"account:carol", "account:dave", "account:eve"}


def test_a_copy_under_another_id_has_no_permissions_of_the_first(kinto: Client) -> None:
    task = Task(id="t1")
    task.permissions.read.add(CAROL)
    task.save()
    looked = Task.get("t1")
    assert CAROL in looked.permissions.read
    copy = looked.model_copy(update={"id": "t2"})
    assert not copy.permissions.read
    copy.permissions.read.add(CAROL)
    copy.permissions.read.add(DAVE)
    copy.save()
    assert readers("t2") == {"account:carol", "account:dave"}


def test_all_principals_are_not_one(listed: Task) -> None:
    with pytest.raises(TypeError, match=r"\['account:bob'\]"):
        Task().permissions.read.replace("account:bob")


async def test_what_is_changed_while_a_grant_is_on_its_way_stays_unsaved(
    server: EmbeddedServer, kinto: Client, listed: Task
) -> None:
    async with AsyncClient(server.url, auth=("alice", "s3cret")) as akinto:
        (task,) = await akinto.repository(Task).find().all()
        task.permissions.read.add(DAVE)
        replacing = asyncio.ensure_future(task.areplace())
        await asyncio.sleep(0)
        task.title = "late"
        await replacing
        assert task.changes == {"title": "late"}
        assert (await akinto.repository(Task).get("t1")).title == "x"
        assert readers() == {"account:carol", "account:dave"}


# Groups of the default bucket


class Friends(Group, bucket="default", group="friends"):
    """One's own."""


class Note(Record, bucket="default", collection="notes"):
    text: str


def _real(client: Client) -> str:
    user = client.server_info().user
    assert user is not None
    return f"/buckets/{user.bucket}/groups/friends"


@pytest.mark.parametrize("how", ["class", "instance", "handle", "text"])
async def test_a_group_of_the_default_bucket_is_granted_under_its_real_id(
    kinto: Client, opened: Opened, how: str
) -> None:
    async with opened(kinto.url) as client:
        friends, note = Friends(members={"account:bob"}), Note(id="n1", text="x")
        await told(client.repository(Friends).save(friends))
        granted: Any = {
            "class": Friends,
            "instance": friends,
            "handle": client.bucket("default").group("friends"),
            "text": "/buckets/default/groups/friends",
        }[how]
        note.permissions.read.add(granted)
        await told(client.repository(Note).save(note))
        assert set(note.permissions.read) == {_real(kinto)}
        listed = (await told(client.repository(Note).find().all()))[0]
        listed.permissions.read.discard(granted)
        await told(client.repository(Note).save(listed))
        assert set(listed.permissions.read) == set()


def test_a_group_of_the_default_bucket_is_revoked_where_the_permissions_are_known(kinto: Client) -> None:
    Friends().save()
    note = Note(id="n1", text="x")
    note.permissions.read.add(Friends)
    note.save()
    note = Note.get("n1")
    assert note.permissions.known
    note.permissions.read.discard(Friends)
    assert note.save().changed == {"permissions"}
    assert set(Note.get("n1").permissions.read) == set()


def test_a_friend_may_read_what_her_group_may(kinto: Client, bob: Client) -> None:
    Friends(members={Account("bob")}).save()
    note = Note(id="n1", text="x")
    note.permissions.read.add(Friends)
    note.save()
    bucket = _real(kinto).split("/")[2]
    assert bob.repository(Note, bucket=bucket).get("n1").text == "x"


def test_whether_a_group_of_the_default_bucket_is_granted_needs_its_real_id(kinto: Client, server: Any) -> None:
    friends, note = Friends(), Note(id="n1", text="x")
    friends.save()
    note.permissions.read.add(friends)
    note.save()
    with Client(server.url, auth=("alice", "s3cret")) as client:
        found, group = client.repository(Note).get("n1"), client.repository(Friends).get("friends")
        with pytest.raises(DeclarationError, match=r"client.server_info\(\)"):
            _ = group in found.permissions.read
        client.server_info()
        assert group in found.permissions.read
        assert group.principal == _real(client)


def test_a_group_of_somebody_elses_default_bucket_is_not_mistaken_for_ones_own(kinto: Client, bob: Client) -> None:
    his = Friends()
    bob.repository(Friends).save(his)
    note = Note(id="n1", text="x")
    note.permissions.read.add(his)
    with pytest.raises(DeclarationError, match="another one for each user"):
        note.save()
    assert not note.saved
    bob.server_info()
    note.permissions.read.discard("/buckets/default/groups/friends")
    note.permissions.read.add(his)
    note.save()
    assert set(note.permissions.read) == {_real(bob)}


def test_an_anonymous_client_has_no_default_bucket(server: Any, kinto: Client) -> None:
    with Client(server.url) as nobody:
        task = Task(id="t9", title="x")
        task.permissions.read.add("/buckets/default/groups/friends")
        with pytest.raises(MissingCapabilityError, match="anonymous"):
            nobody.repository(Task).save(task)


# What others hold


def test_replacing_by_force_takes_nothing_from_others(kinto: Client) -> None:
    Task(id="t1", title="x").save()
    mine, theirs = Task.get("t1"), Task.get("t1")
    theirs.permissions.read.add(CAROL)
    theirs.permissions.write.add(DAVE)
    theirs.save()
    mine.permissions.read.add("account:eve")
    mine.title = "mine"
    mine.replace(force=True)
    found = Task.get("t1")
    assert found.title == "mine"
    assert set(found.permissions.read) == {"account:carol", "account:eve"}
    assert set(found.permissions.write) == {"account:alice", "account:dave"}


def test_the_base_of_a_conflict_has_the_permissions_that_were_read(kinto: Client) -> None:
    task = Task(id="t1", title="x")
    task.permissions.read.add(CAROL)
    task.save()
    for mine, known in ((Task.get("t1"), True), (Task.find().one(), False)):
        kinto.repository(Task).patch("t1", title="theirs")
        mine.title = "mine"
        with pytest.raises(ConflictError) as caught:
            mine.save()
        base: Any = caught.value.base
        assert base.title != "mine"
        assert base.permissions.known is known
        assert not known or set(base.permissions.read) == {"account:carol"}


def test_permissions_are_equal_where_they_are_the_same(kinto: Client) -> None:
    Task(id="t1", title="x").save()
    assert Task.get("t1").permissions == Task.get("t1").permissions
    other = Task.get("t1")
    other.permissions.read.add(CAROL)
    assert other.permissions != Task.get("t1").permissions
