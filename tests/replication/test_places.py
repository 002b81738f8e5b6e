"""What can be replicated, and onto what."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from kinto_models import AsyncClient, Client, Record
from kinto_models.replication import ReplicationPlan, areplicate, replicate
from tests.conftest import Wire
from tests.replication.conftest import Item, items, shop


class Other(Record, bucket="shop", collection="items"):
    pass


@pytest.mark.parametrize(
    ("read", "write"),
    [
        (items, lambda client: client.repository(Other)),
        (items, shop),
        (items, lambda client: shop(client).groups),
        (shop, lambda client: shop(client).collection("items")),
        (shop, lambda client: client.buckets),
        (lambda client: shop(client).groups, lambda client: shop(client).collections),
        (lambda client: shop(client).groups, lambda client: shop(client).group("staff")),
    ],
)
def test_two_kinds_of_things_are_refused(
    origin: Client, destination: Client, read: Callable[[Any], Any], write: Callable[[Any], Any]
) -> None:
    wire = Wire(destination._runner.transport)
    destination._runner.transport = wire
    with pytest.raises(TypeError, match=r"name two of a kind|cannot be replicated"):
        replicate(read(origin), write(destination))
    assert not wire.sent


@pytest.mark.parametrize("what", [lambda client: client, lambda client: client.buckets, lambda client: "shop"])
def test_what_is_no_place_is_refused(origin: Client, destination: Client, what: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match="name a bucket, a collection, a group or a repository"):
        replicate(what(origin), what(destination))


def test_a_place_is_not_replicated_onto_itself(origin: Client) -> None:
    for where in (shop, items, lambda client: shop(client).group("staff")):
        with pytest.raises(ValueError, match="is both origin and destination"):
            replicate(where(origin), where(origin))


async def test_clients_of_the_other_kind_are_named(origin: Client) -> None:
    async with AsyncClient(origin.url) as awaited:
        with pytest.raises(TypeError, match=r"an AsyncClient: await areplicate\(\)"):
            replicate(shop(origin), shop(awaited))
        with pytest.raises(TypeError, match=r"a blocking Client: replicate\(\) takes it"):
            await areplicate(shop(awaited), shop(origin))
        with pytest.raises(TypeError, match=r"an AsyncClient: await areplicate\(\)"):
            replicate(awaited.repository(Item), items(origin))  # type: ignore[call-overload]


def test_both_sides_take_the_same_and_give_the_same() -> None:
    one, other = (inspect.signature(function) for function in (replicate, areplicate))
    assert str(one) == str(other).replace("AsyncObjects", "Objects")
    assert inspect.iscoroutinefunction(areplicate)
    assert inspect.signature(ReplicationPlan.apply) == inspect.signature(ReplicationPlan.aapply)
