"""What a replication leaves behind at the destination, and what it tells."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any, Final

import pytest

from kinto_models import (
    EVERYONE,
    BatchError,
    Client,
    Collection,
    ConflictError,
    ForbiddenError,
    Group,
    InvalidRequestError,
    KintoError,
    NotFoundError,
    Progress,
    QueryError,
    Record,
    TransportError,
    UnknownPermissionsError,
)
from kinto_models.models.resource import handle
from kinto_models.protocol.messages import Request, Response
from kinto_models.replication import ReplicationFailure, ReplicationResult, replicate
from tests.conftest import Serve, Wire
from tests.faults import Bench, Cut
from tests.replication.conftest import ALICE, BOB, AnyDots, Item, Replicate, get, item, items, put, shop, stored

_ITEMS: Final = "/buckets/shop/collections/items/records"


def counts(result: ReplicationResult) -> tuple[int, ...]:
    return result.created, result.updated, result.deleted, result.unchanged, result.failed


def written(wire: Wire) -> list[str]:
    """Method and id of all that was to be written."""
    listed: list[str] = []
    for request in wire.sent:
        if request.target == "/batch":
            parts = json.loads(request.body or b"")["requests"]
            listed += [f"{p['method']} {p['path'].rpartition('/')[2]}" for p in parts if p["method"] != "GET"]
        elif not request.safe:
            listed.append(f"{request.method} {request.target.rpartition('/')[2]}")
    return sorted(listed)


def listened(client: Client) -> Wire:
    wire = Wire(client._runner.transport)
    client._runner.transport = wire
    return wire


# What comes over


async def test_a_bucket_comes_over_with_all_that_is_in_it(run: Replicate, origin: Client, destination: Client) -> None:
    result = await run(shop)
    assert counts(result) == (14, 0, 0, 0, 0)
    assert stored(destination) == stored(origin)
    assert str(result) == "14 created, 0 updated, 0 deleted, 0 unchanged, 0 failed"


async def test_a_second_run_writes_nothing(run: Replicate, origin: Client, destination: Client) -> None:
    await run(shop)
    before = [destination.bucket("shop").etag, items(destination).timestamp()]
    result = await run(shop)
    assert counts(result) == (0, 0, 0, 14, 0)
    assert [destination.bucket("shop").etag, items(destination).timestamp()] == before


async def test_only_what_differs_is_written(run: Replicate, origin: Client, destination: Client) -> None:
    await run(shop)
    items(origin).patch("i3", name="Other")
    items(origin).delete("i4")
    items(origin).create(Item(id="new"))
    shop(origin).groups.delete("staff")
    shop(origin).collections.patch("items", sort="-name")
    stamps = {each.id: each.last_modified for each in items(destination).find()}
    result = await run(shop)
    assert counts(result) == (1, 2, 2, 10, 0)
    assert stored(destination) == stored(origin)
    assert {each.id for each in items(destination).find() if each.last_modified == stamps.get(each.id)} == {
        f"i{n}" for n in (0, 1, 2, 5, 6, 7, 8, 9)
    }


def test_what_is_written_is_conditional_and_packed(origin: Client, destination: Client) -> None:
    replicate(shop(origin), shop(destination))
    items(origin).patch("i3", name="Other")
    items(origin).delete("i4")
    items(origin).create(Item(id="new"))
    wire = listened(destination)
    replicate(shop(origin), shop(destination))
    assert written(wire) == ["DELETE i4", "PUT i3", "PUT new"]
    parts = [part for r in wire.sent if r.target == "/batch" for part in json.loads(r.body or b"")["requests"]]
    alone = [r for r in wire.sent if not r.safe and r.target != "/batch"]
    assert (len(parts), len(alone)) == (2, 1)  # the deletion is known when all was read
    assert all({"If-Match", "If-None-Match"} & headers.keys() for headers in [p["headers"] for p in parts])
    assert "If-Match" in alone[0].headers


@pytest.mark.parametrize("permissions", [False, True])
async def test_a_float_that_kinto_rounds_at_each_write_is_written_once(
    run: Replicate, origin: Client, destination: Client, *, permissions: bool
) -> None:
    items_of_a_new_shop(destination)
    items(origin).create(item("small", "x", deep=[{"price": 5.685597035348413e-10}]))
    assert (await run(items, permissions=permissions)).created == 11
    assert items(destination).get("small").model_extra != items(origin).get("small").model_extra
    assert counts(await run(items, permissions=permissions)) == (0, 0, 0, 11, 0)
    items(origin).replace(item("small", "x", deep=[{"price": 5.6855970353485e-10}]), force=True)
    items(origin).replace(item("i1", "Item 1", more=[True, {"deep": None}]), force=True)
    assert counts(await run(items, permissions=permissions)) == (0, 2, 0, 9, 0)


def _of_each_kind(client: Client, value: Any) -> None:
    """Writes a value under names that classes of Python have for themselves, into one object of each kind."""
    names = ("schema", "copy", "json", "json_schema", "permissions", "model_config")
    fields: dict[str, Any] = dict.fromkeys(names, value)
    collection = {"schema": {"type": "object", "properties": {"n": {"type": "number", "maximum": value["n"]}}}}
    for path, data in {
        "": fields,
        "/groups/staff": {**fields, "members": ["account:carol"]},
        "/collections/empty": {**fields, **collection},
        "/collections/items/records/i3": fields,
    }.items():
        client._runner.run(put(f"/buckets/shop{path}", data))


@pytest.mark.parametrize("permissions", [False, True])
async def test_a_change_is_copied_whatever_the_name_of_the_field(
    run: Replicate, origin: Client, destination: Client, *, permissions: bool
) -> None:
    _of_each_kind(origin, {"n": 1})
    await run(shop, permissions=permissions)
    _of_each_kind(origin, {"n": 2})
    assert shop(origin).collections.get("empty").json_schema["properties"]["n"]["maximum"] == 2
    result = await run(shop, permissions=permissions)
    assert (result.updated, result.failures) == (4, ())
    assert stored(destination) == stored(origin)
    assert (await run(shop, permissions=permissions)).updated == 0


async def test_a_plan_names_a_field_whatever_its_name(run: Replicate, origin: Client) -> None:
    _of_each_kind(origin, {"n": 1})
    await run(shop)
    _of_each_kind(origin, {"n": 2})
    plan = await run(items, dry_run=True)
    assert plan.lists[0].changes == {"i3": {"schema", "copy", "json", "json_schema", "permissions", "model_config"}}


async def test_kintos_stamp_is_no_difference(run: Replicate, origin: Client, destination: Client) -> None:
    await run(shop)
    shop(destination).collections.patch("items", json_schema={"type": "object"})
    for name in ("i1", "i2"):
        items(destination).patch(name, name="x")  # and is stamped
    assert "schema" in destination._runner.run(get(f"{_ITEMS}/i1"))["data"]
    items(origin).patch("i1", name="x")
    assert counts(await run(items)) == (0, 1, 0, 9, 0)
    assert counts(await run(items)) == (0, 0, 0, 10, 0)


async def test_a_whole_number_is_compared_to_its_last_digit(
    run: Replicate, origin: Client, destination: Client
) -> None:
    items_of_a_new_shop(destination)
    await run(items)
    for size in (1e15, 1e15 + 1, -1e15, -1e15 - 1, 7205776395316588.0, 7205776395316590.0, 2.0**53 - 1):
        items(origin).upsert(item("i1", "x", size=size))
        assert counts(await run(items)) == (0, 1, 0, 9, 0)
        assert counts(await run(items)) == (0, 0, 0, 10, 0)
    assert items(destination).get("i1").model_extra == items(origin).get("i1").model_extra


async def test_a_field_that_went_is_gone(run: Replicate, origin: Client, destination: Client) -> None:
    await run(items_of_a_new_shop(destination))
    items(origin).replace(Item(id="i1", name="x"), force=True)
    assert counts(await run(items)) == (0, 1, 0, 9, 0)
    assert items(destination).get("i1").model_extra == {}


def items_of_a_new_shop(destination: Client) -> Callable[[Any], Any]:
    destination.bucket("shop").save()
    destination.bucket("shop").collection("items").save()
    return items


async def test_a_class_that_leaves_fields_out_loses_none(run: Replicate, origin: Client, destination: Client) -> None:
    class Narrow(Record, bucket="shop", collection="items", unknown="ignore"):
        size: int = 3

        def before_save(self, old: Any) -> None:
            raise AssertionError("hooks are not called")

    items_of_a_new_shop(destination)
    result = await run(lambda client: client.repository(Narrow))
    assert counts(result) == (10, 0, 0, 0, 0)
    assert items(destination).get("i2").model_extra == {"more": [2, {"deep": None}]}


@pytest.mark.parametrize(
    ("where", "created"),
    [
        (lambda client: client.bucket("shop").collection("items"), {"/collections/items", "records"}),
        (lambda client: client.bucket("shop").group("staff"), {"/groups/staff"}),
        (lambda client: _objects(client, "groups"), {"/groups/staff"}),
        (lambda client: _objects(client, "collections"), {"/collections/items", "/collections/empty", "records"}),
    ],
    ids=["collection", "group", "groups", "collections"],
)
async def test_a_part_of_a_bucket_comes_over_by_itself(
    run: Replicate, origin: Client, destination: Client, where: Callable[[Any], Any], created: set[str]
) -> None:
    destination.bucket("shop").save()
    result = await run(where)
    found = stored(destination)
    assert {path if path.count("/") < 3 else "records" for path in found} == {"", *created}
    assert {**stored(origin), **found, "": {}} == {**stored(origin), "": {}}
    assert result.created == len(found) - 1


def _objects(client: Any, kind: str) -> Any:
    return getattr(client.bucket("shop"), kind if isinstance(client, Client) else f"a{kind}")


async def test_one_record_comes_over_by_itself(run: Replicate, origin: Client, destination: Client) -> None:
    items_of_a_new_shop(destination)

    assert counts(await run(lambda client: handle(client.repository(Item), "i7"))) == (1, 0, 0, 0, 0)
    assert items(destination).get("i7").more == [7, {"deep": None}]


async def test_a_bucket_under_another_name_on_the_same_server(run: Replicate, origin: Client) -> None:
    def onto(client: Any) -> Any:
        return client.bucket("copy")

    bucket = origin.buckets.get("shop")
    bucket.permissions.read.add("account:bob")
    bucket.save()
    assert counts(await run(shop, onto, to=origin.url)) == (14, 0, 0, 0, 0)
    with Client(origin.url, auth=BOB) as bob:
        assert stored(bob, "copy") == stored(bob)
        bob.buckets.delete("copy")


async def test_what_only_the_destination_has_may_stay(run: Replicate, origin: Client, destination: Client) -> None:
    await run(shop)
    items(destination).create(Item(id="own"))
    shop(destination).groups.create(Group(id="own"))
    assert counts(await run(shop, delete=False)) == (0, 0, 0, 14, 0)
    assert items(destination).exists("own")
    assert counts(await run(shop)) == (0, 0, 2, 14, 0)
    assert stored(destination) == stored(origin)


async def test_a_collection_that_went_is_gone_with_its_records(
    run: Replicate, origin: Client, destination: Client
) -> None:
    await run(shop)
    shop(origin).collections.delete("items")
    assert counts(await run(shop)) == (0, 0, 1, 3, 0)
    assert stored(destination) == stored(origin)


async def test_ids_of_a_server_with_ids_of_its_own(run: Replicate, serve: Serve, destination: Client) -> None:
    class Dotted(Record, path="/buckets/shop/collections/items/records"):
        pass

    items_of_a_new_shop(destination)
    assert counts(await run(lambda client: client.repository(Dotted))) == (10, 0, 0, 0, 0)


async def test_the_default_bucket_of_one_user_becomes_that_of_another(
    run: Replicate, origin: Client, destination: Client
) -> None:
    collection = origin.bucket("default").collection("notes")
    collection.records(Item).create(Item(id="n1", name="x"))
    staff = origin.bucket("default").group("staff")
    staff.save()
    origin.server_info()
    found = origin.bucket("default").collections.get("notes")
    found.permissions.read.add(staff)
    found.save()
    result = await run(lambda client: client.bucket("default"), permissions=True)
    assert result.failures == ()
    assert destination.bucket("default").collection("notes").records(Item).get("n1").name == "x"
    info = destination.server_info()
    assert info.user is not None
    readers = destination.bucket("default").collections.get("notes").permissions.read
    assert list(readers) == [f"/buckets/{info.user.bucket}/groups/staff"]
    assert counts(await run(lambda client: client.bucket("default"), permissions=True))[:3] == (0, 0, 0)


class Busy(Wire):
    """Lets somebody change an item while the pages of the list are read."""

    def __init__(self, client: Client, name: str) -> None:
        super().__init__(client._runner.transport)
        self.name = name
        self.somebody = Client(client.url, auth=ALICE)
        client._runner.transport = self

    def send(self, request: Request) -> Response:
        response = super().send(request)
        if len([each for each in self.sent if each.target.startswith(f"{_ITEMS}?")]) == 2 and self.name:
            items(self.somebody).patch("i0", name=self.name)  # moves to the end
            self.name = ""
        return response

    def close(self) -> None:
        self.somebody.close()
        super().close()


async def test_what_changes_while_it_is_read_is_copied_as_it_is_then(origin: Client, destination: Client) -> None:
    items_of_a_new_shop(destination)
    before = items(origin).timestamp()
    Busy(origin, "Changed")
    result = replicate(items(origin), items(destination))
    assert counts(result) == (10, 1, 0, 0, 0)
    assert items(destination).get("i0").name == "Changed"
    assert result.timestamps == {_ITEMS: before}  # what changes later still is read the next time
    assert counts(replicate(items(origin), items(destination), since=result.timestamps)) == (0, 0, 0, 1, 0)


async def test_what_becomes_equal_while_it_is_read_is_in_no_plan(origin: Client, destination: Client) -> None:
    replicate(shop(origin), shop(destination))
    items(destination).patch("i0", name="Changed")
    Busy(origin, "Changed")
    plan = replicate(items(origin), items(destination), dry_run=True)
    assert not plan


async def test_ids_that_no_class_takes_by_default_are_ids(serve: Serve) -> None:
    class Dotted(Record, bucket="shop", collection="items", ids=AnyDots):
        pass

    settings = {"kinto.record_id_generator": "tests.replication.dots.DotIds"}
    with (
        Client(serve("dots", settings).url, auth=ALICE) as here,
        Client(serve("more dots", settings).url, auth=BOB) as there,
    ):
        for client in (here, there):
            items_of_a_new_shop(client)
        here.repository(Dotted).create(Dotted(id="a.b"))
        assert counts(replicate(here.repository(Dotted), there.repository(Dotted))) == (1, 0, 0, 0, 0)
        assert there.repository(Dotted).exists("a.b")


# Permissions


async def test_permissions_mean_the_same_at_the_destination(
    run: Replicate, origin: Client, destination: Client
) -> None:
    grant(origin)
    result = await run(shop, lambda client: client.bucket("store"), permissions=True)
    assert counts(result) == (14, 0, 0, 0, 0)
    found = stored(destination, "store", permissions=True)
    bob, alice, staff = "account:bob", "account:alice", "/buckets/store/groups/staff"
    assert found[""][1] == {"write": [alice, bob], "collection:create": [staff]}
    assert found["/collections/items"][1] == {"write": [alice, bob], "record:create": [staff], "read": [EVERYONE]}
    assert found["/collections/items/records/i1"][1] == {
        "write": [alice, bob],
        "read": ["/buckets/other/groups/x", staff],
    }
    assert found["/groups/staff"][1] == {"write": [alice, bob]}
    again = await run(shop, lambda client: client.bucket("store"), permissions=True)
    assert counts(again) == (0, 0, 0, 14, 0)


def grant(origin: Client) -> None:
    bucket = origin.buckets.get("shop")
    bucket.permissions.collection_create.add(shop(origin).group("staff"))
    bucket.save()
    collection = shop(origin).collections.get("items")
    collection.permissions.record_create.add(shop(origin).group("staff"))
    collection.permissions.read.add(EVERYONE)
    collection.save()
    found = items(origin).get("i1")
    found.permissions.read.add(shop(origin).group("staff"))
    found.permissions.read.add("/buckets/other/groups/x")
    found.save()


async def test_a_permission_that_was_taken_back_is_taken_back(
    run: Replicate, origin: Client, destination: Client
) -> None:
    grant(origin)
    await run(shop, permissions=True)
    found = items(origin).get("i1")
    found.permissions.read.replace([])
    found.save()
    extra = items(destination).get("i2")
    extra.permissions.write.add("account:dan")
    extra.save()
    result = await run(shop, permissions=True)
    assert counts(result) == (0, 2, 0, 12, 0)
    found = stored(destination, permissions=True)
    assert found["/collections/items/records/i1"][1] == {"write": ["account:alice", "account:bob"]}
    assert found["/collections/items/records/i2"][1] == {"write": ["account:alice", "account:bob"]}


async def test_permissions_are_left_alone_where_they_are_not_asked_for(
    run: Replicate, origin: Client, destination: Client
) -> None:
    grant(origin)
    await run(shop)
    assert stored(destination, permissions=True)["/collections/items"][1] == {"write": ["account:bob"]}
    found = items(destination).get("i1")
    found.permissions.read.add(EVERYONE)
    found.save()
    items(origin).patch("i1", name="x")
    assert counts(await run(shop)) == (0, 1, 0, 13, 0)
    assert list(items(destination).get("i1").permissions.read) == [EVERYONE]


async def test_permissions_that_the_origin_does_not_show_are_a_failure(
    run: Replicate, origin: Client, destination: Client
) -> None:
    # Alice wrote them; who only reads is shown none.
    bucket = origin.buckets.get("shop")
    bucket.permissions.read.add("account:bob")
    bucket.save()
    with Client(origin.url, auth=BOB) as reader:
        result = replicate(items(reader), items(client := _with_items(destination)), permissions=True)
    assert counts(result) == (0, 0, 0, 0, 10)
    assert all(isinstance(each.error, UnknownPermissionsError) for each in result.failures)
    assert items(client).count() == 0
    assert result.timestamps == {}


async def test_what_is_in_a_place_that_fails_for_its_permissions_is_not_tried(
    origin: Client, destination: Client
) -> None:
    bucket = origin.buckets.get("shop")
    bucket.permissions.read.add("account:bob")
    bucket.save()
    with Client(origin.url, auth=BOB) as reader:
        result = replicate(shop(reader), shop(destination), permissions=True)
    assert [failure.uri for failure in result.failures] == ["/buckets/shop"]
    assert isinstance(result.failures[0].error, UnknownPermissionsError)


def _with_items(client: Client) -> Client:
    items_of_a_new_shop(client)
    return client


async def test_permissions_that_the_destination_does_not_show_become_those_of_the_origin(
    run: Replicate, origin: Client, destination: Client
) -> None:
    # Alice may write all of bob's bucket, and is shown the permissions of nothing in it that she did not write.
    bucket = destination.bucket("shop")
    bucket.permissions.write.add("account:alice")
    bucket.save()
    bucket.collection("items").save()
    items(destination).create(item("i1", "Item 1", more=[1, {"deep": None}]))
    with Client(destination.url, auth=ALICE) as writer:
        assert not items(writer).get("i1").permissions.known
        result = replicate(items(origin), items(writer), permissions=True)
        assert counts(result) == (9, 1, 0, 0, 0)
        assert counts(replicate(items(origin), items(writer), permissions=True)) == (0, 0, 0, 10, 0)
        assert list(items(writer).get("i1").permissions.write) == ["account:alice"]


# Going on


async def test_a_run_goes_on_from_the_one_before(run: Replicate, origin: Client, destination: Client) -> None:
    first = await run(shop)
    assert first.timestamps.keys() == {
        "/buckets/shop/groups",
        _ITEMS,
        "/buckets/shop/collections/empty/records",
    }
    assert first.timestamps[_ITEMS] == items(origin).timestamp()
    assert first.timestamp == min(first.timestamps.values())
    items(origin).patch("i3", name="Other")
    items(origin).delete("i4")
    items(origin).create(Item(id="new"))
    items(destination).create(Item(id="own"))  # of no concern: only what changed there is looked at
    second = await run(shop, since=first.timestamps)
    assert counts(second) == (1, 1, 1, 3, 0)
    assert items(destination).get("i3").name == "Other"
    assert not items(destination).exists("i4")
    assert items(destination).exists("own")
    third = await run(shop, since=second.timestamps)
    assert counts(third) == (0, 0, 0, 3, 0)
    assert third.timestamps == second.timestamps


async def test_one_number_does_for_all_lists(run: Replicate, origin: Client, destination: Client) -> None:
    first = await run(shop)
    items(origin).delete("i4")
    second = await run(shop, since=first.timestamp)
    assert second.deleted == 1
    assert stored(destination) == stored(origin)


def test_what_did_not_change_is_not_read(origin: Client, destination: Client) -> None:
    first = replicate(items(origin), items(_with_items(destination)))
    items(origin).patch("i3", name="Other")
    wire, there = listened(origin), listened(destination)
    result = replicate(items(origin), items(destination), since=first.timestamps)
    assert counts(result) == (0, 1, 0, 0, 0)
    assert len(wire.sent) == 2
    assert "_since" in wire.last.target
    assert [request.line for request in there.sent] == ["GET /", f"GET {_ITEMS}/i3", f"PUT {_ITEMS}/i3"]


async def test_a_deletion_is_replayed_once(run: Replicate, origin: Client, destination: Client) -> None:
    first = await run(shop)
    items(origin).delete("i4")
    assert counts(await run(items, since=first.timestamps)) == (0, 0, 1, 0, 0)
    assert counts(await run(items, since=first.timestamps)) == (0, 0, 0, 1, 0)
    items(destination).create(Item(id="i4"))
    assert counts(await run(items, since=first.timestamps, delete=False)) == (0, 0, 0, 0, 0)


async def test_an_origin_that_was_flushed_is_compared_as_a_whole(
    run: Replicate, origin: Client, destination: Client
) -> None:
    first = await run(shop)
    shop(origin).collections.get("items").delete()
    shop(origin).collections.create(Collection(id="items"))
    result = await run(shop, since=first.timestamps)
    assert result.deleted == 10
    assert stored(destination) == stored(origin)


async def test_an_origin_that_came_back_from_a_backup_is_compared_as_a_whole(
    run: Replicate, origin: Client, destination: Client
) -> None:
    first = await run(shop)
    items(destination).delete("i1")
    result = await run(items, since=first.timestamps[_ITEMS] + 1)
    assert counts(result) == (1, 0, 0, 9, 0)
    assert result.timestamps == {_ITEMS: first.timestamps[_ITEMS]}


async def test_a_collection_that_the_destination_lost_is_copied_as_a_whole(
    run: Replicate, origin: Client, destination: Client
) -> None:
    first = await run(shop)
    shop(destination).collections.get("items").delete()
    result = await run(shop, since=first.timestamps)
    assert result.created == 11
    assert stored(destination) == stored(origin)


# What fails


@pytest.fixture
def strict(destination: Client) -> Client:
    """The destination, which takes items with a name only that is no longer than seven characters."""
    destination.bucket("shop").save()
    schema = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 6}}, "required": ["name"]}
    destination.bucket("shop").collections.create(Collection(id="items", json_schema=schema))
    return destination


async def test_what_the_destination_refuses_is_told_and_the_rest_goes_on(
    run: Replicate, origin: Client, strict: Client, caplog: pytest.LogCaptureFixture
) -> None:
    items(origin).patch("i3", name="Too long")
    items(origin).patch("i5", name="Far too long")
    with caplog.at_level(logging.WARNING, "kinto_models"):
        result = await run(items)
    assert counts(result) == (8, 0, 0, 0, 2)
    assert [failure.uri for failure in result.failures] == [f"{_ITEMS}/i3", f"{_ITEMS}/i5"]
    assert all(isinstance(failure.error, InvalidRequestError) for failure in result.failures)
    assert isinstance(result.failures[0], ReplicationFailure)
    assert str(result).splitlines()[0] == "8 created, 0 updated, 0 deleted, 0 unchanged, 2 failed"
    assert str(result).splitlines()[1].startswith(f"! {_ITEMS}/i3: PUT ")
    with pytest.raises(BatchError, match="2 of 10 failed") as caught:
        result.raise_failures()
    assert [target for target, _ in caught.value.failures] == [f"{_ITEMS}/i3", f"{_ITEMS}/i5"]
    (record,) = [each for each in caplog.records if each.name == "kinto_models"]
    assert record.getMessage().startswith(f"{_ITEMS}/i3 was not replicated")
    assert record.getMessage().endswith("and 1 more")


async def test_a_list_with_failures_is_begun_again_where_it_was(run: Replicate, origin: Client, strict: Client) -> None:
    first = await run(items)
    assert first.timestamps.keys() == {_ITEMS}
    items(origin).patch("i3", name="Too long")
    second = await run(items, since=first.timestamps)
    assert counts(second) == (0, 0, 0, 0, 1)
    assert second.timestamps == first.timestamps
    strict.bucket("shop").collections.replace(Collection(id="items"), force=True)
    third = await run(items, since=second.timestamps)
    assert counts(third) == (0, 1, 0, 0, 0)
    assert third.timestamps == {_ITEMS: items(origin).timestamp()}


async def test_a_list_that_failed_from_the_beginning_has_no_timestamp(
    run: Replicate, origin: Client, strict: Client
) -> None:
    items(origin).patch("i3", name="Too long")
    result = await run(items)
    assert (result.timestamps, result.timestamp) == ({}, None)


class Meddling(Wire):
    """Lets somebody write as soon as the first write is about to be sent."""

    def __init__(self, client: Client, meddle: Callable[[], object]) -> None:
        super().__init__(client._runner.transport)
        client._runner.transport = self
        self.meddle: Callable[[], object] | None = meddle

    def send(self, request: Request) -> Response:
        if not request.safe and self.meddle is not None:
            meddle, self.meddle = self.meddle, None
            meddle()
        return super().send(request)


def test_what_somebody_wrote_meanwhile_is_not_overwritten(origin: Client, destination: Client) -> None:
    replicate(shop(origin), shop(destination))
    items(origin).patch("i3", name="Theirs")
    items(origin).patch("i5", name="Other")
    items(origin).create(Item(id="new"))
    items(origin).delete("i6")
    somebody = Client(destination.url, auth=BOB)

    def meddle() -> None:
        items(somebody).patch("i3", name="Mine")
        items(somebody).create(Item(id="new", name="Mine"))
        items(somebody).patch("i6", name="Mine")

    Meddling(destination, meddle)
    result = replicate(shop(origin), shop(destination))
    assert counts(result) == (0, 1, 0, 11, 3)
    assert {failure.uri.rpartition("/")[2] for failure in result.failures} == {"i3", "new", "i6"}
    assert all(isinstance(failure.error, ConflictError) for failure in result.failures)
    assert all("replicate again" in str(failure.error) for failure in result.failures)
    assert not any("refresh()" in str(failure.error) for failure in result.failures)
    assert {items(somebody).get(name).name for name in ("i3", "new", "i6")} == {"Mine"}
    assert items(somebody).get("i5").name == "Other"
    assert counts(replicate(shop(origin), shop(somebody))) == (0, 2, 1, 12, 0)
    assert stored(somebody) == stored(origin)
    somebody.close()


async def test_what_cannot_be_made_is_told_and_nothing_in_it_is_tried(
    run: Replicate, serve: Serve, origin: Client
) -> None:
    closed = serve("closed", {"kinto.bucket_create_principals": "account:nobody"})
    wire = listened(origin)
    with Client(closed.url, auth=BOB) as client:
        replicate(shop(origin), shop(client))
    assert [request.target for request in wire.sent] == ["/", "/buckets/shop"]
    result = await run(shop, to=closed.url)
    assert counts(result) == (0, 0, 0, 0, 1)
    assert result.failures[0].uri == "/buckets/shop"
    assert isinstance(result.failures[0].error, ForbiddenError)
    assert result.timestamps == {}
    plan = await run(shop, to=closed.url, dry_run=True)
    assert len(plan) == 14


async def test_a_collection_that_cannot_be_made_leaves_the_others_alone(
    run: Replicate, origin: Client, destination: Client
) -> None:
    schema = {"type": "object", "properties": {"sort": {"enum": ["-name"]}}}
    shop(origin).collections.create(Collection(id="z"))
    shop(origin).collection("z").records(Record).create(Record(id="r"))
    origin.buckets.patch("shop", collection_schema=schema)
    result = await run(shop)
    assert [failure.uri for failure in result.failures] == ["/buckets/shop/collections/items"]
    assert {"/collections/empty", "/collections/z", "/collections/z/records/r"} <= stored(destination).keys()
    assert _ITEMS not in result.timestamps


async def test_an_origin_that_is_not_there_empties_nothing(run: Replicate, origin: Client, destination: Client) -> None:
    await run(shop)
    before = stored(destination)
    shop(origin).collections.delete("items")
    with pytest.raises(NotFoundError):
        await run(items)
    origin.buckets.delete("shop")
    with pytest.raises(KintoError):
        await run(shop)
    assert stored(destination) == before


async def test_a_destination_that_is_in_nothing_is_an_error(
    run: Replicate, origin: Client, destination: Client
) -> None:
    with pytest.raises(ForbiddenError):
        await run(items)
    destination.bucket("shop").save()
    with pytest.raises(NotFoundError):
        await run(items)
    with pytest.raises(ForbiddenError):
        await run(lambda client: shop(client).group("staff"), lambda client: client.bucket("other").group("staff"))


# Cut off


@pytest.fixture
def many(origin: Client) -> Client:
    items(origin).create_many([Item(id=f"m{n}", name=f"Item {n}") for n in range(60)])
    return origin


def stamps(client: Client) -> dict[str, int | None]:
    try:
        return {each.id: each.last_modified for each in items(client).find()}
    except NotFoundError:  # not even the collection
        return {}


@pytest.mark.parametrize("nth", [1, 2, 4])
@pytest.mark.parametrize("at", ["request", "answer"])
async def test_a_replication_that_was_cut_off_completes_when_it_is_run_again(
    run: Replicate, many: Client, destination: Client, nth: int, at: Any
) -> None:
    with Bench(destination.url) as bench:
        bench.plan(Cut(at), on="POST", path="/batch", nth=nth, times=1000)  # from here on the server is gone
        bench.plan(Cut(at), on="GET", path="/records/", nth=1, times=1000)
        with pytest.raises(TransportError):
            await run(shop, to=bench.url, retry=0)
        bench.settle()
    there = stamps(destination)
    assert len(there) < 70
    result = await run(shop)
    assert result.failures == ()
    assert result.created + result.unchanged == 74
    assert stored(destination) == stored(many)
    now = stamps(destination)
    assert {name: now[name] for name in there} == there  # nothing was written twice


async def test_a_server_that_is_gone_for_a_moment_is_asked_again(
    run: Replicate, many: Client, destination: Client
) -> None:
    with Bench(destination.url) as bench:
        bench.plan(Cut("answer"), on="POST", path="/batch", nth=2)
        bench.plan(Cut("request"), on="POST", path="/batch", nth=4)
        result = await run(shop, to=bench.url)
        assert result.failures == ()
    assert result.created == 74
    assert stored(destination) == stored(many)


async def test_an_origin_that_breaks_off_is_an_error_and_deletes_nothing(many: Client, destination: Client) -> None:
    replicate(shop(many), shop(destination))
    with Bench(many.url) as bench, Client(bench.url, auth=ALICE, retry=0) as broken:
        bench.plan(Cut("answer.body"), path="_token", nth=5, times=1000)
        with pytest.raises(TransportError):
            replicate(shop(broken), shop(destination))
    assert stored(destination) == stored(many)


# How far it is


async def test_progress_is_told(run: Replicate, many: Client, destination: Client) -> None:
    told: list[Progress] = []
    await run(shop, progress=told.append)
    assert told[-1] == Progress(done=74, failed=0, total=74)
    assert len(told) == 3
    assert [each.done for each in told] == sorted(each.done for each in told)
    first = replicate(items(many), items(destination))
    items(many).delete("m1")
    told.clear()
    await run(items, progress=told.append)
    assert told[-1] == Progress(70, 0, 70)
    told.clear()
    await run(items, progress=told.append, since=first.timestamps)
    assert told[-1] == Progress(1, 0, 1)
    told.clear()
    await run(items, progress=told.append, permissions=True, dry_run=True)
    assert told[-1] == Progress(69, 0, 69)


async def test_a_progress_that_would_have_to_be_awaited_is_refused(run: Replicate) -> None:
    async def progress(told: Progress) -> None: ...

    with pytest.raises(TypeError, match="plain function"):
        await run(shop, progress=progress)


@pytest.mark.parametrize("since", [0, -1, True, "yesterday", 32_472_144_000_000, {_ITEMS: 0}, {"/elsewhere": 0}])
async def test_what_is_no_timestamp_is_refused(run: Replicate, destination: Client, since: Any) -> None:
    for what in (shop, items):
        with pytest.raises(QueryError, match=r"replicate\("):
            await run(what, since=since)
    assert list(destination.buckets.find()) == []
