"""Laws: after a replication both sides are equal, a second one writes nothing, and one that goes on does as well."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kinto_models import Client, Record
from kinto_models.replication import replicate
from tests.replication.conftest import items, stored
from tests.test_laws import json_values, texts

values = st.dictionaries(
    texts.filter(lambda name: name not in ("id", "last_modified", "schema", "deleted", "")), json_values, max_size=3
)
contents = st.dictionaries(st.from_regex(r"\A[a-z0-9][a-z0-9_-]{0,2}\Z"), values, max_size=8)


def fill(client: Client, content: dict[str, dict[str, Any]]) -> None:
    """Makes this what the collection has."""
    objects = client.repository(Record, bucket="shop", collection="items")
    objects.apply(objects.sync_to([Record.model_validate({"id": name, **data}) for name, data in content.items()]))


@given(before=contents, there=contents, after=contents)
@settings(max_examples=15)
def test_the_destination_is_the_origin_afterwards(
    origin: Client,
    destination: Client,
    before: dict[str, dict[str, Any]],
    there: dict[str, dict[str, Any]],
    after: dict[str, dict[str, Any]],
) -> None:
    for client in (origin, destination):
        client.bucket("shop").collection("items")
        client.buckets.get_or_create(client.bucket("shop"))
        client.bucket("shop").collections.get_or_create(client.bucket("shop").collection("items"))
    fill(origin, before)
    fill(destination, there)
    first = replicate(items(origin), items(destination))
    assert first.failures == ()
    assert len(before) == first.created + first.updated + first.unchanged
    assert records(destination) == records(origin)
    stamp = items(destination).timestamp()
    again = replicate(items(origin), items(destination))
    assert again.unchanged == again.total == len(before)
    assert items(destination).timestamp() == stamp
    fill(origin, after)
    onwards = replicate(items(origin), items(destination), since=first.timestamps)
    assert onwards.failures == ()
    assert records(destination) == records(origin)


def records(client: Client) -> dict[str, Any]:
    return {path: data for path, data in stored(client).items() if path.startswith("/collections/items/records/")}
