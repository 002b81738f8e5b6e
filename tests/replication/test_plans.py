"""What a dry run tells, and what becomes of it when it is applied."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import pytest

from kinto_models import AsyncClient, Client, ConflictError, Group, Progress
from kinto_models.replication import ReplicationPlan, areplicate, replicate
from tests.replication.conftest import ALICE, BOB, Item, item, items, shop, stored

Planned: TypeAlias = "Callable[[], AbstractAsyncContextManager[tuple[ReplicationPlan, Callable[..., Any]]]]"
"""Makes a plan, and gives it with what applies it: ``async with planned() as (plan, apply):``."""


@pytest.fixture(params=["blocking", "awaited"])
def planned(request: pytest.FixtureRequest, origin: Client, destination: Client) -> Planned:
    @asynccontextmanager
    async def planned() -> AsyncGenerator[tuple[ReplicationPlan, Callable[..., Any]]]:
        if request.param == "blocking":
            plan = replicate(shop(origin), shop(destination), dry_run=True)

            async def apply(**options: Any) -> Any:
                return plan.apply(**options)

            yield plan, apply
        else:
            async with AsyncClient(origin.url, auth=ALICE) as here, AsyncClient(destination.url, auth=BOB) as there:
                plan = await areplicate(shop(here), shop(there), dry_run=True)
                yield plan, plan.aapply

    return planned


def differ(origin: Client, destination: Client) -> None:
    replicate(shop(origin), shop(destination))
    items(origin).replace(item("i3", "Other", more=[]), force=True)
    items(origin).delete("i4")
    items(origin).create(Item(id="new"))
    origin.buckets.patch("shop", colour="blue")


async def test_a_dry_run_writes_nothing_and_tells_what_it_would(
    planned: Planned, origin: Client, destination: Client
) -> None:
    differ(origin, destination)
    before = stored(destination)
    async with planned() as (plan, _):
        assert stored(destination) == before
        assert (len(plan), bool(plan), plan.failures) == (4, True, ())
        assert str(plan).splitlines() == [
            "/buckets: 0 to create, 1 to change, 0 to delete, 0 unchanged",
            "  ~ shop: colour",
            "/buckets/shop/groups: 0 to create, 0 to change, 0 to delete, 1 unchanged",
            "/buckets/shop/collections: 0 to create, 0 to change, 0 to delete, 2 unchanged",
            "/buckets/shop/collections/empty/records: 0 to create, 0 to change, 0 to delete, 0 unchanged",
            "/buckets/shop/collections/items/records: 1 to create, 1 to change, 1 to delete, 8 unchanged",
            "  + new",
            "  ~ i3: more, name",
            "  - i4",
        ]
        (listed,) = [each for each in plan.lists if each.destination.endswith("/items/records")]
        assert (listed.origin, len(listed)) == (listed.destination, 3)
        assert (listed.creations, listed.deletions) == (["new"], ["i4"])
        assert listed.changes == {"i3": frozenset({"more", "name"})}
        assert repr(listed) == f"<planned {listed}>"


async def test_a_plan_is_carried_out_when_it_is_applied(planned: Planned, origin: Client, destination: Client) -> None:
    differ(origin, destination)
    told: list[Progress] = []
    async with planned() as (_, apply):
        result = await apply(progress=told.append)
    assert (result.created, result.updated, result.deleted, result.unchanged, result.failed) == (1, 2, 1, 11, 0)
    assert stored(destination) == stored(origin)
    assert told[-1] == Progress(15, 0, 15)
    again = replicate(shop(origin), shop(destination), since=result.timestamps)
    assert (again.unchanged, again.total) == (3, 3)


async def test_a_plan_of_all_makes_all(planned: Planned, origin: Client, destination: Client) -> None:
    async with planned() as (plan, apply):
        assert len(plan) == 14
        result = await apply()
    assert (result.created, result.total) == (14, 14)
    assert stored(destination) == stored(origin)


async def test_a_plan_where_nothing_differs_is_false(planned: Planned, origin: Client, destination: Client) -> None:
    replicate(shop(origin), shop(destination))
    async with planned() as (plan, apply):
        assert not plan
        assert (await apply()).unchanged == 14


async def test_what_was_changed_since_it_was_planned_is_not_overwritten(
    planned: Planned, origin: Client, destination: Client
) -> None:
    differ(origin, destination)
    async with planned() as (_, apply):
        items(destination).patch("i3", name="Mine")
        items(destination).patch("i4", name="Mine")
        items(destination).create(Item(id="new", name="Mine"))
        result = await apply()
    assert (result.updated, result.failed) == (1, 3)
    assert all(isinstance(each.error, ConflictError) for each in result.failures)
    assert {items(destination).get(name).name for name in ("i3", "i4", "new")} == {"Mine"}
    assert "/buckets/shop/collections/items/records" not in result.timestamps


async def test_a_plan_in_which_the_bucket_cannot_be_made_makes_nothing(
    planned: Planned, origin: Client, destination: Client
) -> None:
    async with planned() as (_, apply):
        with Client(destination.url, auth=ALICE) as somebody:
            somebody.bucket("shop").save()
        result = await apply()
    assert [each.uri for each in result.failures] == ["/buckets/shop"]
    assert (result.total, result.timestamps) == (1, {})
    with Client(destination.url, auth=ALICE) as somebody:
        somebody.buckets.delete("shop")


async def test_a_plan_of_the_other_kind_of_clients_is_not_applied(origin: Client, destination: Client) -> None:
    plan = replicate(shop(origin), shop(destination), dry_run=True)
    with pytest.raises(TypeError, match=r"await plan.aapply\(\)"):
        await plan.aapply()
    async with AsyncClient(origin.url, auth=ALICE) as here, AsyncClient(destination.url, auth=BOB) as there:
        plan = await areplicate(shop(here), shop(there), dry_run=True)
        with pytest.raises(TypeError, match=r"await plan.aapply\(\)"):
            plan.apply()


def test_a_long_list_is_shown_in_part(origin: Client, destination: Client) -> None:
    shop(origin).groups.create_many(Group(id=f"g{number}") for number in range(22))
    destination.bucket("shop").save()
    plan = replicate(shop(origin).groups, shop(destination).groups, dry_run=True)
    lines = str(plan).splitlines()
    assert len(lines) == 1 + 20 + 1
    assert lines[-1] == "  + and 3 more"


def test_a_change_of_permissions_is_named(origin: Client, destination: Client) -> None:
    replicate(shop(origin), shop(destination), permissions=True)
    found = items(origin).get("i3")
    found.permissions.read.add("account:dan")
    found.save()
    plan = replicate(items(origin), items(destination), permissions=True, dry_run=True)
    assert [each.changes for each in plan.lists] == [{"i3": frozenset({"permissions"})}]


def test_what_cannot_be_read_is_shown(origin: Client, destination: Client) -> None:
    bucket = origin.buckets.get("shop")
    bucket.permissions.read.add("account:bob")
    bucket.save()
    with Client(origin.url, auth=BOB) as reader:
        destination.bucket("shop").save()
        destination.bucket("shop").collection("items").save()
        plan = replicate(items(reader), items(destination), permissions=True, dry_run=True)
    assert len(plan.failures) == 10
    assert str(plan).splitlines()[1].startswith("! /buckets/shop/collections/items/records/i0: ")
    assert plan.apply().failed == 10
