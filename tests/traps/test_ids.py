"""Ids, the default bucket, and what a server may ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count

import pytest
from pydantic import ValidationError

from kinto_models import (
    Client,
    ConflictError,
    EndOfLifeError,
    EndOfLifeWarning,
    ForbiddenError,
    InvalidIdError,
    InvalidRecordError,
    NotFoundError,
    Record,
    RefusedError,
    Repository,
    ServerIds,
    UnavailableError,
)
from tests.conftest import Wire
from tests.loopback import Loopback
from tests.traps.conftest import RECORDS, Raw

_MINE = "/buckets/default/collections/tasks/records"


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""


class Mine(Record, bucket="default", collection="tasks"):
    title: str = ""


class Posted(Mine, ids=ServerIds):
    pass


def test_an_id_that_ends_with_a_line_is_refused_though_the_server_takes_it(kinto: Client, raw: Raw, wire: Wire) -> None:
    assert raw.data("PUT", f"{RECORDS}/ab%0A", {"data": {}})["id"] == "ab\n"
    wire.clear()
    with pytest.raises(ValidationError):
        Task(id="ab\n")
    for wrong in ("ab\n", "ab%0A", "a.b", "é"):
        with pytest.raises(InvalidIdError):
            kinto.repository(Task).get(wrong)
    assert wire.sent == []
    with pytest.raises(InvalidRecordError, match="does not fit: id"):
        Task.find().all()
    assert kinto.repository(Task).delete_all() == 1


def test_a_server_of_other_ids_is_told_of_by_a_pattern(kinto: Client, wire: Wire) -> None:
    class Dotted:
        pattern = r"[a-z.@+]+"

        def __init__(self) -> None:
            self._numbers = count(1)

        def __call__(self) -> str:
            return "a" * next(self._numbers)

    class User(Record, path="/accounts", ids=Dotted()):
        pass

    assert User().id == "a"
    with pytest.raises(ForbiddenError):  # of another account
        User.get("carol+x@example.com")
    assert wire.last.target == "/accounts/carol%2Bx%40example.com"
    with pytest.raises(InvalidIdError):
        User.get("Carol")


def test_long_ids_are_ids(kinto: Client) -> None:
    Task(id="a" * 500).save()
    assert Task.get("a" * 500).id == "a" * 500


def test_an_id_with_default_in_it_stays_what_it_is_in_the_default_bucket(kinto: Client, raw: Raw, wire: Wire) -> None:
    raw("PUT", f"{_MINE}/x", {"data": {}})
    assert raw("PUT", f"{_MINE}/my-default", {"data": {"id": "my-default"}}).status_code == 400
    assert raw.data("POST", _MINE, {"data": {"id": "my-default"}})["id"] != "my-default"
    mine = Mine(id="my-default", title="default")
    mine.save()
    assert "id" not in wire.body()["data"]
    mine.title = "my-default"
    mine.save()
    mine.replace()
    assert Mine.get("my-default") == mine
    posted = Posted(title="default")
    posted.save()
    assert Mine.get(posted.id).title == "default"
    assert Mine.find(Mine.title == "default").one().id == posted.id


def test_a_misspelt_collection_is_an_error_under_the_real_id(kinto: Client, raw: Raw) -> None:
    """Under ``default`` the server makes what it is asked for, even by a read."""
    assert raw("GET", "/buckets/default/collections/typo/records/x").status_code == 404
    user = kinto.server_info().user
    assert user is not None
    mine = kinto.bucket(user.bucket or "")
    assert "typo" in [place.id for place in mine.collections.find()]
    with pytest.raises(NotFoundError, match="collection that it would be in does not exist"):
        kinto.repository(Mine, bucket=user.bucket, collection="other").get("x")
    assert "other" not in [place.id for place in mine.collections.find()]


def test_the_real_id_makes_no_default_bucket_by_itself(kinto: Client, raw: Raw) -> None:
    user = kinto.server_info().user
    assert user is not None
    real = user.bucket or ""
    assert raw("PUT", f"/buckets/{real}/collections/tasks/records/t1", {"data": {}}).status_code in {403, 404}
    with pytest.raises((ForbiddenError, NotFoundError), match="does not exist"):
        kinto.repository(Mine, bucket=real).create(Mine(id="t1"))
    kinto.bucket(real).save()
    kinto.bucket(real).collection("tasks").save()
    assert kinto.repository(Mine, bucket=real).create(Mine(id="t1")).saved
    assert Mine.get("t1").id == "t1"


@pytest.fixture
def his(bob: Client) -> Iterator[Repository[Mine]]:
    """Bob's default bucket, which alice cannot clean up."""
    yield bob.repository(Mine)
    bob.buckets.delete_all()


def test_the_default_bucket_of_another_user_is_another_one(kinto: Client, bob: Client, his: Repository[Mine]) -> None:
    hers = kinto.repository(Mine)
    mine = hers.create(Mine(id="t1", title="hers"))
    with pytest.raises(NotFoundError):
        his.get("t1")
    his.create(Mine(id="t1", title="his"))
    mine.title = "changed"
    with pytest.raises(ConflictError):
        his.save(mine)  # what was read there is not written here
    assert his.get("t1").title == "his"
    users = [client.server_info().user for client in (kinto, bob)]
    assert len({user.bucket for user in users if user is not None}) == 2
    principals = {client.bucket("default").group("friends").principal for client in (kinto, bob)}
    assert len(principals) == 2


@pytest.mark.parametrize(("status", "kind"), [(503, UnavailableError), (409, RefusedError)])
def test_a_wait_that_a_server_asks_for_is_told(loopback: Loopback, status: int, kind: type[RefusedError]) -> None:
    loopback.answers(status, {"Retry-After": "77"}, b'{"errno":122,"message":"again"}')
    with Client(loopback.url) as client, pytest.raises(kind) as caught:
        client.repository(Task).create(Task(id="t1"))
    assert (caught.value.status, caught.value.retry_after) == (status, 77)
    assert len(loopback.received) == 1


def test_a_service_that_ends_is_a_warning_and_then_an_error() -> None:
    settings = {
        "kinto.eos": "2000-01-01",
        "kinto.eos_message": "It is over",
        "kinto.eos_url": "https://example.com/over",
    }
    with Client.embedded(settings=settings) as kinto:
        warned = pytest.warns(EndOfLifeWarning, match=re.escape("It is over: https://example.com/over"))
        with warned, pytest.raises(EndOfLifeError) as caught:
            kinto.buckets.get("todo")
        assert (caught.value.status, caught.value.errno) == (410, 202)
