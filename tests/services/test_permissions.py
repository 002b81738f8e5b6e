"""The list of what a user may do where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from kinto_models import (
    Client,
    MissingCapabilityError,
    MultipleResultsError,
    PermissionEntry,
    QueryError,
    Record,
    UserAccount,
    col,
    key,
)
from tests.conftest import Serve
from tests.repository.conftest import told
from tests.services.conftest import ALICE, BOB, Opened

_RECORDS = "/buckets/todo/collections/tasks/records"


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""


class Where(BaseModel):
    uri: str
    bucket_id: str | None = None


@pytest.fixture
def url(serve: Serve) -> str:
    """A server that gives three entries to a page, on which alice has a bucket with everything in it."""
    url = serve("three a page", {"kinto.paginate_by": "3"}).url
    with Client(url, auth=ALICE) as kinto:
        kinto.buckets.delete_all()
        kinto.bucket("todo").save()
        kinto.bucket("todo").collection("tasks").save()
        kinto.bucket("todo").group("staff").save()
        kinto.repository(Task).create_many(Task(id=f"t{n}") for n in range(8))
    return url


async def listed(query: Any) -> list[PermissionEntry]:
    entries: list[PermissionEntry] = await told(query.all())
    return entries


async def test_everything_is_listed_page_after_page(url: str, opened: Opened) -> None:
    async with opened(url, auth=ALICE) as kinto:
        entries = {entry.uri: entry for entry in await listed(kinto.permissions())}
        assert entries.keys() == {
            *("/", "/accounts/alice", "/buckets/todo", "/buckets/todo/collections/tasks", "/buckets/todo/groups/staff"),
            *(f"{_RECORDS}/t{n}" for n in range(8)),
        }
        record, root, account = entries[f"{_RECORDS}/t3"], entries["/"], entries["/accounts/alice"]
        assert (record.resource_name, sorted(record.permissions)) == ("record", ["read", "write"])
        assert (record.bucket_id, record.collection_id, record.record_id, record.group_id) == (
            *("todo", "tasks", "t3"),
            None,
        )
        assert (root.resource_name, root.bucket_id) == ("root", None)
        assert root.permissions >= {"bucket:create"}
        assert (account.account_id, UserAccount(id="alice").principal) == ("alice", "account:alice")
        assert "read:attributes" in entries["/buckets/todo"].permissions


async def test_it_is_a_query_like_others(url: str, opened: Opened) -> None:
    async with opened(url, auth=ALICE) as kinto:
        everything = kinto.permissions()
        records = everything.where(PermissionEntry.resource_name == "record")
        assert (await told(everything.count()), await told(records.count())) == (13, 8)
        assert await told(records.exists())
        assert [entry.record_id for entry in await listed(records.sort("-record_id").limit(2))] == ["t7", "t6"]
        assert [entry.uri for entry in await listed(everything.sort(PermissionEntry.uri).limit(1))] == ["/"]
        first = await told(everything.sort(PermissionEntry.uri).first())
        assert first.uri == "/"
        one = await told(everything.where(PermissionEntry.record_id == "t3").one())
        assert one.uri == f"{_RECORDS}/t3"
        with pytest.raises(MultipleResultsError):
            await told(records.one_or_none())
        kinds = everything.where(col(PermissionEntry.resource_name).in_("group", "bucket"))
        assert {entry.uri for entry in await listed(kinds)} == {"/buckets/todo", "/buckets/todo/groups/staff"}
        assert [entry.uri for entry in await listed(everything.where(col(PermissionEntry.uri).like("*/staff")))] == [
            "/buckets/todo/groups/staff"
        ]
        others = everything.where(col(PermissionEntry.record_id).exists(False))
        assert await told(others.count()) == 5
        only = {entry.uri for entry in await told(everything.select(Where).all())}
        assert len(only) == 13


async def test_every_order_gives_every_entry_once(url: str, opened: Opened) -> None:
    async with opened(url, auth=ALICE) as kinto:
        for keys in (["uri"], ["-uri"], ["resource_name"], ["bucket_id"], ["-record_id"], ["collection_id", "uri"]):
            uris = [entry.uri for entry in await listed(kinto.permissions().sort(*keys))]
            assert len(uris) == len(set(uris)) == 13, keys


async def test_pages_and_loops_read_to_the_end(url: str, opened: Opened) -> None:
    async with opened(url, auth=ALICE) as kinto:
        query = kinto.permissions()
        if isinstance(kinto, Client):
            sizes, uris = [len(page) for page in query.pages(2)], {entry.uri for entry in query}
        else:
            sizes, uris = [len(page) async for page in query.pages(2)], {entry.uri async for entry in query}
        assert (sizes, len(uris)) == ([2] * 6 + [1], 13)


async def test_who_was_granted_something_sees_that(url: str, opened: Opened) -> None:
    with Client(url, auth=ALICE) as alice:
        task = alice.repository(Task).get("t1")
        task.permissions.read.add("account:bob")
        task.save()
    async with opened(url, auth=BOB) as bob:
        entry = await told(bob.permissions().where(PermissionEntry.resource_name == "record").one())
        assert (entry.record_id, entry.permissions) == ("t1", {"read"})
    async with opened(url) as nobody:
        assert [(entry.uri, *entry.permissions) for entry in await listed(nobody.permissions())] == [
            ("/", "account:create")
        ]


def _refused() -> list[Callable[[Any], Any]]:
    return [
        lambda query: query.since(1),
        lambda query: query.before(1),
        lambda query: query.all(consistent=True),
        lambda query: query.pages(consistent=True),
        lambda query: query.if_changed(5),
        lambda query: query.timestamp(),
        lambda query: query.where(PermissionEntry.uri == "/").delete(),
        lambda query: query.where(col(PermissionEntry.permissions).contains("write")),
        lambda query: query.where(PermissionEntry.account_id == "alice"),
        lambda query: query.where(key("last_modified") > 5),
        lambda query: query.where(Task.title == "x"),
        lambda query: query.sort("permissions"),
        lambda query: query.sort("last_modified"),
        lambda query: query.select(PermissionEntry),
        lambda query: query.select(Where).since(1),
        bool,
    ]


async def _ended(ask: Callable[[Any], Any], query: Any) -> None:
    result = ask(query)
    if hasattr(result, "__anext__"):
        await result.__anext__()
    elif hasattr(result, "__next__"):
        next(result)
    else:
        await told(result)


@pytest.mark.parametrize("number", range(len(_refused())))
async def test_what_the_server_would_ignore_or_refuse_is_refused_here(opened: Opened, number: int) -> None:
    async with opened("http://localhost:1/v1") as kinto:  # where nobody is
        with pytest.raises(QueryError):
            await _ended(_refused()[number], kinto.permissions())


async def test_a_server_without_the_list_says_which_setting_has_it(serve: Serve, opened: Opened) -> None:
    server = serve("no permissions", {"kinto.experimental_permissions_endpoint": "false"})
    async with opened(server.url, auth=ALICE) as kinto:
        for ask in (kinto.permissions().all, kinto.permissions().first, kinto.permissions().count):
            with pytest.raises(MissingCapabilityError, match=r"kinto\.experimental_permissions_endpoint = true"):
                await told(ask())


def test_an_entry_is_read_only_and_keeps_what_it_does_not_declare() -> None:
    entry = PermissionEntry.model_validate(
        {"uri": "/buckets/a", "resource_name": "bucket", "permissions": ["read"], "bucket_id": "a", "id": "a"}
    )
    assert entry.model_extra == {"id": "a"}
    with pytest.raises(ValidationError):
        entry.uri = "/"
