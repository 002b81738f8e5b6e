"""Endpoints that are no data of one's own, read by a class with a path: history, permissions, accounts."""

from __future__ import annotations

from typing import Any

import requests

from kinto_models import Client, Record, UUID4Ids
from tests.conftest import Wire
from tests.traps.conftest import ALICE, RECORDS


class Entry(Record, path="/buckets/todo/history"):
    action: str
    uri: str
    record_id: str = ""
    target: dict[str, Any] = {}


class Grant(Record, path="/permissions"):
    uri: str


class Names(UUID4Ids):
    pattern = "[a-zA-Z0-9][+.@a-zA-Z0-9_-]*"


class User(Record, path="/accounts", ids=Names()):
    password: str = ""
    colour: str = ""


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""


def test_a_deletion_in_the_history_has_a_tombstone_and_no_permissions(kinto: Client) -> None:
    task = Task(id="t1", title="x")
    task.save()
    task.delete()
    made, gone = Entry.find(Entry.record_id == "t1").sort(Entry.last_modified)
    assert (made.action, made.target["data"]["title"], made.target["permissions"]["write"]) == (
        "create",
        "x",
        ["account:alice"],
    )
    assert (gone.action, gone.target["data"]["deleted"], gone.target.get("permissions")) == ("delete", True, {})
    assert not made.permissions.known


def test_ids_of_digits_are_text_in_the_history_and_entries_have_ids_of_their_own(kinto: Client, wire: Wire) -> None:
    Task(id="123").save()
    entry = Entry.find(Entry.record_id == "123").one()
    assert wire.last.target.endswith("?record_id=%22123%22&_limit=2")
    assert entry.uri == f"{RECORDS}/123"
    assert entry.id != "123"


def test_what_a_writer_of_a_bucket_inherits_is_not_listed_and_the_lists_timestamp_tells_nothing(
    kinto: Client, bob: Client
) -> None:
    grants = kinto.repository(Grant)
    before = grants.timestamp()
    place: Any = kinto.bucket("todo").collections.get("tasks")
    place.permissions.record_create.add("account:bob")
    place.save()
    bob.repository(Task).create(Task(id="his"))
    uris = {grant.uri for grant in Grant.find()}
    assert "/buckets/todo" in uris
    assert f"{RECORDS}/his" not in uris  # which she may write all the same
    assert Task.get("his").id == "his"
    assert grants.timestamp() == before


def test_the_hash_in_an_account_is_neither_seen_nor_sent_back(kinto: Client, wire: Wire) -> None:
    stored = requests.get(f"{kinto.url}/accounts/alice", auth=ALICE, timeout=10).json()["data"]
    assert stored["password"].startswith("$2")
    user = User.get("alice")
    assert not user.password
    user.colour = "red"
    wire.clear()
    user.save()
    assert [(request.method, b"$2" in (request.body or b"")) for request in wire.sent] == [("PATCH", False)]
    assert kinto.server_info(refresh=True).user is not None  # the password is the same
