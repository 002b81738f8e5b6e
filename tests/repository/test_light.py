"""Changes of large objects that the server does not send back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kinto_models import AsyncClient, Client, ConflictError, Record, edit
from kinto_models.embedded import EmbeddedServer
from kinto_models.protocol.messages import Request, Response
from tests.conftest import Wire
from tests.repository.conftest import ALICE

LONG = "x" * 1_500


class Page(Record, bucket="todo", collection="tasks"):
    title: str
    text: str = LONG
    tags: list[str] = []


class Weighing(Wire):
    """Counts the bytes that come back."""

    weight = 0

    def send(self, request: Request) -> Response:
        response = super().send(request)
        if request.method == "PATCH":
            self.weight += len(response.body)
        return response


@pytest.fixture(scope="module")
def plain() -> Iterator[EmbeddedServer]:
    """A server without history."""
    server = EmbeddedServer(dict([ALICE, ("bob", "hunter2")]), {"kinto.includes": "kinto.plugins.accounts"})
    yield server
    server.stop()


@pytest.fixture
def light(plain: EmbeddedServer) -> Iterator[Client]:
    with Client(plain.url, auth=ALICE, light_answers=True) as client:
        client.buckets.delete_all()
        client.bucket("todo").save()
        client.bucket("todo").collection("tasks").save()
        yield client


@pytest.fixture
def weighing(light: Client) -> Weighing:
    weighing = Weighing(light._runner.transport)
    light._runner.transport = weighing
    return weighing


def asked(wire: Wire) -> list[str | None]:
    return [request.headers.get("Response-Behavior") for request in wire.sent if request.method == "PATCH"]


def test_the_answer_is_small_and_the_instance_is_what_the_server_has(light: Client, weighing: Weighing) -> None:
    page = Page(title="a")
    page.permissions.read.add("account:bob")
    page.save()
    page.title = "b"
    result = page.save()
    page.patch(tags=["x"])
    assert asked(weighing) == ["light", "light"]
    assert weighing.weight < 100
    again = Page.get(page.id)
    assert again.model_dump() == page.model_dump()
    assert again.etag == page.etag
    assert result.changed == {"title"}
    assert (page.dirty, set(page.permissions.read)) == (False, {"account:bob"})


def test_what_came_of_a_list_stays_with_unknown_permissions(light: Client, weighing: Weighing) -> None:
    Page(title="a").save()
    page = Page.find().one()
    page.title = "b"
    page.save()
    assert (asked(weighing), page.permissions.known, page.title) == (["light"], False, "b")


def test_the_value_is_the_one_that_the_server_made_of_it(light: Client, weighing: Weighing) -> None:
    """Kinto reads the numbers of a body with less care than Python does."""
    page: Any = Page(title="a")
    page.save()
    page.number = 2**70
    page.save()
    assert asked(weighing) == ["light"]
    assert (page.number, page.dirty) == (Page.get(page.id).model_extra["number"], False)  # type: ignore[index]
    assert type(page.number) is float


def test_a_grant_to_what_others_changed_meanwhile_brings_their_changes(plain: EmbeddedServer, light: Client) -> None:
    tasks: Any = light.bucket("todo").collections.get("tasks")
    tasks.permissions.record_create.add("account:bob")
    tasks.save()
    with Client(plain.url, auth=("bob", "hunter2")) as bob:
        his = bob.repository(Page).create(Page(id="his", title="old"))
        found = light.repository(Page).get("his")
        assert not found.permissions.known
        his.title = "new"
        bob.repository(Page).save(his)
    found.permissions.read.add("account:eve")
    light.repository(Page).save(found)
    assert (found.title, found.etag) == ("new", Page.get("his").etag)


def test_a_conflict_is_one(light: Client) -> None:
    page = Page(title="a")
    page.save()
    light.repository(Page).patch(page.id, title="theirs")
    page.title = "mine"
    with pytest.raises(ConflictError) as caught:
        page.save()
    assert caught.value.theirs.title == "theirs"


@pytest.mark.parametrize("case", ["small", "permissions", "edit", "removal", "force", "by id"])
def test_where_it_is_worth_nothing_or_not_enough_the_answer_is_whole(
    light: Client, weighing: Weighing, case: str
) -> None:
    page: Any = Page(title="a", text="" if case == "small" else LONG)
    page.more = 1
    page.save()
    if case == "removal":
        del page.more
    elif case == "permissions":
        page.permissions.read.add("account:bob")
    elif case != "edit":
        page.title = "b"
    if case == "edit":
        page.patch(edit(Page.tags).append("x"))
    elif case == "by id":
        light.repository(Page).patch(page.id, title="b")
    else:
        page.save(force=case == "force")
    assert asked(weighing) == [None]


def test_a_server_with_history_is_asked_for_whole_answers(kinto: Client) -> None:
    with Client(kinto.url, auth=ALICE, light_answers=True) as client:
        wire = Wire(client._runner.transport)
        client._runner.transport = wire
        page = Page(title="a")
        client.repository(Page).save(page)
        page.title = "b"
        client.repository(Page).save(page)
    assert asked(wire) == [None]


async def test_in_async_code_and_in_batches(light: Client, plain: EmbeddedServer) -> None:
    async with AsyncClient(plain.url, auth=ALICE, light_answers=True) as client:
        pages = client.repository(Page)
        some = [Page(id=f"p{number}", title="a") for number in range(3)]
        await pages.create_many(some)
        for page in some:
            page.title = "b"
        await some[0].asave()
        async with client.batch() as batch:
            for page in some[1:]:
                batch.save(page)
    assert [page.model_dump() for page in some] == [Page.get(page.id).model_dump() for page in some]
    with light.batch() as blocking:
        for page in some:
            page.title = "c"
            blocking.repository(Page).save(page)
    assert {page.title for page in Page.find()} == {"c"}
    assert [page.etag for page in some] == [Page.get(page.id).etag for page in some]
