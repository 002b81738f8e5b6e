"""Two servers, a user of each, and both kinds of clients between them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

import pytest

from kinto_models import AsyncClient, Bucket, Client, Collection, Group, Record, UUID4Ids
from kinto_models.protocol.messages import Operation, Request, Response
from kinto_models.replication import areplicate, replicate
from tests.conftest import Serve

ALICE: Final = ("alice", "s3cret")
BOB: Final = ("bob", "hunter2")

Replicate: TypeAlias = "Callable[..., Any]"
"""Replicates by clients of one kind: ``await run(lambda client: client.bucket("shop"))``."""


class Item(Record, bucket="shop", collection="items"):
    name: str = ""


class AnyDots(UUID4Ids):
    """What a client of that server is told."""

    pattern = "[a-z.]+"


def item(item_id: str, name: str, **more: Any) -> Item:
    """An item with fields that its class does not declare."""
    return Item.model_validate({"id": item_id, "name": name, **more})


@pytest.fixture
def origin(serve: Serve) -> Iterator[Client]:
    """Alice's client of a server with a shop: a group, two collections, and items in one of them."""
    with Client(serve("origin", {"kinto.paginate_by": "4"}).url, auth=ALICE) as client:
        client.buckets.delete_all()
        client.buckets.create(
            Bucket.model_validate({"id": "shop", "colour": "red", "record:schema": {"type": "object"}})
        )
        shop = client.bucket("shop")
        shop.groups.create(Group.model_validate({"id": "staff", "members": ["account:carol"], "floor": 2}))
        shop.collections.create(Collection(id="empty"))
        shop.collections.create(
            Collection.model_validate({"id": "items", "sort": "name", "cache_expires": 5, "owner": {"name": "ada"}})
        )
        client.repository(Item).create_many([item(f"i{n}", f"Item {n}", more=[n, {"deep": None}]) for n in range(10)])
        yield client


@pytest.fixture
def destination(serve: Serve) -> Iterator[Client]:
    """Bob's client of another server, which has nothing."""
    client = Client(serve("destination", {}).url, auth=BOB)
    client.buckets.delete_all()
    yield client
    client.close()


@pytest.fixture(params=["blocking", "awaited"])
def run(request: pytest.FixtureRequest, origin: Client, destination: Client) -> Replicate:
    async def run(
        read: Callable[[Any], Any], write: Callable[[Any], Any] | None = None, to: str = destination.url, **options: Any
    ) -> Any:
        client_options = {"retry": options.pop("retry", 2)}
        auth = options.pop("auth", ALICE)  # at the origin
        if request.param == "blocking":
            with Client(origin.url, auth=auth) as here, Client(to, auth=BOB, **client_options) as there:
                return replicate(read(here), (write or read)(there), **options)
        async with AsyncClient(origin.url, auth=auth) as here, AsyncClient(to, auth=BOB, **client_options) as there:
            return await areplicate(read(here), (write or read)(there), **options)

    return run


def shop(client: Any) -> Any:
    return client.bucket("shop")


def items(client: Any) -> Any:
    return client.repository(Item)


def stored(client: Client, bucket: str = "shop", *, permissions: bool = False) -> dict[str, Any]:
    """All that is in a bucket, by path below it, as it is stored; without timestamps."""

    def told(path: str) -> Any:
        return client._runner.run(get(f"/buckets/{bucket}{path}"))

    def one(path: str) -> Any:
        found = told(path)
        data = {
            name: value for name, value in found["data"].items() if name != "last_modified" and (path or name != "id")
        }
        return (data, {ace: sorted(who) for ace, who in found["permissions"].items() if who}) if permissions else data

    everything = {"": one("")}
    for kind in ("groups", "collections"):
        for each in told(f"/{kind}?_limit=1000")["data"]:
            everything[f"/{kind}/{each['id']}"] = one(f"/{kind}/{each['id']}")
            if kind == "collections":
                place = f"/{kind}/{each['id']}/records"
                for record in client.repository(Record, bucket=bucket, collection=each["id"]).find():
                    of_one = f"{place}/{record.id}"
                    everything[of_one] = one(of_one) if permissions else {"id": record.id, **(record.model_extra or {})}
    return everything


def get(target: str) -> Operation[Any]:
    """Reads what is stored."""

    def decode(response: Response) -> Any:
        assert response.status == 200, response
        return json.loads(response.body)

    return Operation(Request("GET", target), decode)


def put(target: str, data: dict[str, Any]) -> Operation[Any]:
    """Writes what no class declares."""
    request = Request("PUT", target, {"Content-Type": "application/json"}, json.dumps({"data": data}).encode())
    return Operation(request, lambda response: response.status)
