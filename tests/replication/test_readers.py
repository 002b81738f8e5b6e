"""What is deleted depends on who reads: Kinto lists to each what is shared with them, and nothing is an answer too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from requests import PreparedRequest

from kinto_models import (
    AUTHENTICATED,
    EVERYONE,
    Client,
    Collection,
    ForbiddenError,
    Group,
    UnauthorizedError,
)
from kinto_models.protocol.messages import Request, Response
from kinto_models.replication import replicate
from tests.conftest import Serve, Wire
from tests.replication.conftest import ALICE, BOB, Item, Replicate, items, shop, stored

_RECORDS: Final = "/buckets/shop/collections/items/records"


@pytest.fixture
def copied(origin: Client, destination: Client) -> None:
    """The shop is at both, with something more at the destination in each list of it."""
    replicate(shop(origin), shop(destination))
    shop(destination).groups.create(Group(id="old"))
    shop(destination).collections.create(Collection(id="old"))
    items(destination).create(Item(id="old"))


def collection(client: Any) -> Any:
    return shop(client).collection("items")


def _grant(origin: Client, who: str, *, bucket: tuple[str, ...] = (), within: tuple[str, ...] = ()) -> None:
    of_bucket, of_items = origin.buckets.get("shop"), shop(origin).collections.get("items")
    for obj, names in ((of_bucket, bucket), (of_items, within)):
        for name in names:
            getattr(obj.permissions, name).add(who)
        obj.save()


def _share(origin: Client, who: str, *ids: str) -> None:
    for each in ids:
        shared = items(origin).get(each)
        shared.permissions.read.add(who)
        shared.save()


def reads_the_bucket(origin: Client) -> None:
    _grant(origin, "account:bob", bucket=("read",))


def writes_the_bucket(origin: Client) -> None:
    _grant(origin, "account:bob", bucket=("write",))


def reads_the_collection(origin: Client) -> None:
    _grant(origin, "account:bob", within=("read",))


def reads_as_one_of_a_group(origin: Client) -> None:
    shop(origin).groups.patch("staff", members={"account:bob"})
    _grant(origin, "/buckets/shop/groups/staff", within=("read",))


def creates(origin: Client) -> None:
    _grant(origin, "account:bob", bucket=("collection_create", "group_create"), within=("record_create",))


def reads_some_records(origin: Client) -> None:
    _grant(origin, "account:bob", within=("record_create",))
    _share(origin, "account:bob", "i1", "i2")


def reads_all_there_are(origin: Client) -> None:
    _grant(origin, "account:bob", within=("record_create",))
    _share(origin, "account:bob", *(f"i{n}" for n in range(10)))


def everybody_creates(origin: Client) -> None:
    _grant(origin, EVERYONE, bucket=("collection_create", "group_create"), within=("record_create",))


def everybody_reads(origin: Client) -> None:
    _grant(origin, EVERYONE, bucket=("read",))


def nothing(origin: Client) -> None:
    pass


@pytest.mark.usefixtures("copied")
@pytest.mark.parametrize(
    ("auth", "allow"),
    [
        (ALICE, nothing),
        (BOB, reads_the_bucket),
        (BOB, writes_the_bucket),
        (BOB, reads_the_collection),
        (BOB, reads_as_one_of_a_group),
        (BOB, everybody_reads),
        (None, everybody_reads),
    ],
)
async def test_who_may_read_all_of_a_collection_has_deleted_what_it_has_not(
    run: Replicate, origin: Client, destination: Client, auth: Any, allow: Callable[[Client], None]
) -> None:
    allow(origin)
    result = await run(collection, auth=auth)
    assert (result.deleted, result.failures) == (1, ())
    assert {each.id for each in items(destination).find()} == {f"i{n}" for n in range(10)}


@pytest.mark.usefixtures("copied")
@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    ("auth", "allow", "error"),
    [
        (BOB, creates, ForbiddenError),
        (BOB, reads_some_records, ForbiddenError),
        (BOB, reads_all_there_are, ForbiddenError),
        (BOB, everybody_creates, ForbiddenError),
        (None, everybody_creates, UnauthorizedError),
    ],
)
async def test_for_who_may_not_read_all_of_a_collection_nothing_is_deleted_which_is_said(
    run: Replicate,
    origin: Client,
    destination: Client,
    auth: Any,
    allow: Callable[[Client], None],
    error: type[Exception],
    *,
    dry_run: bool,
) -> None:
    allow(origin)
    before = stored(destination)
    done = await run(collection, auth=auth, dry_run=dry_run)
    assert [each.uri for each in done.failures] == [_RECORDS]
    assert isinstance(done.failures[0].error, error)
    assert "nothing was deleted here" in str(done)
    assert "delete=False (--keep)" in str(done)
    if dry_run:
        assert [each.deletions for each in done.lists] == [[], []]
    else:
        assert (done.deleted, done.timestamps) == (0, {})
    assert stored(destination) == before
    assert (await run(collection, auth=auth, delete=False)).failures == ()


@pytest.mark.usefixtures("copied")
@pytest.mark.parametrize(
    ("auth", "allow", "error"),
    [
        (BOB, creates, ForbiddenError),
        (BOB, reads_the_collection, ForbiddenError),
        (None, everybody_creates, UnauthorizedError),
    ],
)
async def test_for_who_may_not_read_all_of_a_bucket_its_lists_stay_as_they_are(
    run: Replicate,
    origin: Client,
    destination: Client,
    auth: Any,
    allow: Callable[[Client], None],
    error: type[Exception],
) -> None:
    _grant(origin, "account:bob", bucket=("collection_create", "group_create"))
    allow(origin)
    before = stored(destination)
    result = await run(shop, auth=auth)
    lists = ["/buckets/shop/groups", "/buckets/shop/collections", _RECORDS]
    assert [each.uri for each in result.failures] == lists[: 2 if allow is reads_the_collection else 3]
    assert all(isinstance(each.error, error) for each in result.failures)
    if allow is reads_the_collection:  # of that one all is shown
        assert result.deleted == 1
        del before[f"{_RECORDS.removeprefix('/buckets/shop')}/old"]
    assert stored(destination) == before


@pytest.mark.usefixtures("copied")
@pytest.mark.parametrize(("auth", "allow"), [(ALICE, nothing), (BOB, reads_the_bucket), (None, everybody_reads)])
async def test_who_may_read_all_of_a_bucket_has_deleted_what_it_has_not(
    run: Replicate, origin: Client, destination: Client, auth: Any, allow: Callable[[Client], None]
) -> None:
    allow(origin)
    result = await run(shop, auth=auth)
    assert (result.deleted, result.failures) == (3, ())
    assert stored(destination) == stored(origin)


@pytest.mark.parametrize("level", ["record", "collection", "bucket"])
async def test_who_may_read_all_by_the_settings_may_have_deleted(serve: Serve, destination: Client, level: str) -> None:
    settings = {f"kinto.{level}_read_principals": AUTHENTICATED, "kinto.bucket_create_principals": AUTHENTICATED}
    with Client(serve(f"settings {level}", settings).url, auth=ALICE) as owner, Client(owner.url, auth=BOB) as reader:
        for client in (owner, destination):
            client.buckets.get_or_create(shop(client))
            shop(client).collections.get_or_create(collection(client))
            items(client).delete_all()
        items(owner).create(Item(id="i1"))
        _grant(owner, "account:bob", within=("record_create",))
        items(destination).create(Item(id="old"))
        result = replicate(items(reader), items(destination))
        # What the settings say of a record is said of its list; what they say of a collection is not.
        whole = level == "record"
        assert (result.created, result.deleted, result.failed) == ((1, 1, 0) if whole else (0, 0, 1))


@pytest.mark.usefixtures("copied")
@pytest.mark.parametrize("side", ["origin", "destination"])
async def test_credentials_that_a_server_does_not_know_are_an_error_before_anything_is_compared(
    run: Replicate, origin: Client, destination: Client, side: str
) -> None:
    client = origin if side == "origin" else destination
    _grant(client, EVERYONE, bucket=("write",))
    before = stored(destination)
    with Client(client.url, auth=("alice", "typo")) as wrong, pytest.raises(UnauthorizedError, match="credentials"):
        replicate(
            shop(wrong) if wrong.url == origin.url else shop(origin), shop(wrong if side != "origin" else destination)
        )
    if side == "origin":
        with pytest.raises(UnauthorizedError, match="does not know these credentials"):
            await run(collection, auth=("alice", "typo"), delete=False)
    assert stored(destination) == before


@pytest.mark.usefixtures("copied")
async def test_a_token_that_expires_half_way_is_no_empty_list(
    run: Replicate, origin: Client, destination: Client
) -> None:
    _grant(origin, EVERYONE, within=("record_create",))
    header, asked = PreparedRequest(), list[str]()
    header.prepare("GET", origin.url, headers={}, auth=ALICE)
    before = stored(destination)

    def sign(request: PreparedRequest) -> PreparedRequest:
        asked.append(request.url or "")
        if not any("/records" in each for each in asked):
            request.headers["Authorization"] = header.headers["Authorization"]
        return request

    result = await run(collection, auth=sign)
    assert [type(each.error) for each in result.failures] == [UnauthorizedError]
    assert stored(destination) == before


class Late(Wire):
    """Lets somebody create an item when the list was read."""

    def send(self, request: Request) -> Response:
        if request.target == f"{_RECORDS}/old":
            with Client(self.root, auth=ALICE) as somebody:
                items(somebody).upsert(Item(id="old", name="New"))
        return super().send(request)


@pytest.mark.usefixtures("copied")
def test_what_is_created_when_the_list_was_read_is_copied_and_not_deleted(origin: Client, destination: Client) -> None:
    origin._runner.transport = Late(origin._runner.transport)
    result = replicate(items(origin), items(destination))
    assert (result.updated, result.deleted, result.failures) == (1, 0, ())
    assert items(destination).get("old").name == "New"


class Later(Wire):
    """Lets somebody create a collection when the list was read."""

    def send(self, request: Request) -> Response:
        if request.target == "/buckets/shop/collections/old":
            with Client(self.root, auth=ALICE) as somebody:
                shop(somebody).collections.get_or_create(Collection(id="old"))
                shop(somebody).collection("old").records(Item).upsert(Item(id="in"))
        return super().send(request)


@pytest.mark.usefixtures("copied")
def test_what_is_in_a_collection_that_is_made_meanwhile_is_copied_too(origin: Client, destination: Client) -> None:
    origin._runner.transport = Later(origin._runner.transport)
    assert replicate(shop(origin), shop(destination)).failures == ()
    assert stored(destination) == stored(origin)


@pytest.mark.parametrize("whole", [True, False])
async def test_nothing_is_made_in_a_default_bucket_by_being_asked_for(
    run: Replicate, origin: Client, destination: Client, *, whole: bool
) -> None:
    for client, name in ((origin, "notes"), (destination, "other")):
        client.buckets.delete_all()
        client.bucket("default").collection(name).records(Item).create(Item(id="n1"))
    result = await run(
        lambda client: client.bucket("default") if whole else client.repository(Collection, bucket="default")
    )
    assert (result.deleted, result.failures) == (1, ())
    for client in (origin, destination):
        assert [each.id for each in client.bucket("default").collections.find()] == ["notes"]
