"""What a server tells of its health and its software, and what its operators ask of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from kinto_models import (
    Account,
    Client,
    ForbiddenError,
    Heartbeat,
    InvalidAnswerError,
    MissingCapabilityError,
    NotFoundError,
    Record,
    RetryPolicy,
    ServerFailedError,
    TransportError,
    UnavailableError,
    UncertainOutcomeError,
)
from tests.conftest import Serve
from tests.faults import Answer, Bench, Cut
from tests.loopback import Loopback
from tests.repository.conftest import told
from tests.services.conftest import ALICE, BOB, Opened

_QUICK: Final = RetryPolicy(retries=2, backoff=0.001)
_PLUGINS: Final = (  # not the history, whose entries nobody may write: Kinto's memory backend fails on that
    "kinto.plugins.accounts kinto.plugins.flush kinto.plugins.counters kinto_models.server.concurrency"
)


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""


@pytest.fixture(scope="session")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("version") / "version.json"
    path.write_text(json.dumps({"name": "kinto", "version": "26.5.0", "source": "https://example.com", "build": 7}))
    return path


@pytest.fixture
def url(serve: Serve, version: Path) -> str:
    """A server with every utility, on which alice deletes what others have."""
    settings = {
        "kinto.includes": _PLUGINS,
        "kinto.version_json_path": str(version),
        "kinto.user-data_delete_principals": "account:alice",
    }
    return serve("utilities", settings).url


def fill(url: str, auth: tuple[str, str]) -> None:
    with Client(url, auth=auth) as client:
        client.buckets.delete_all()
        client.bucket("todo").save()
        client.bucket("todo").collection("tasks").save()
        client.repository(Task).create_many(Task(id=f"t{n}") for n in range(3))


async def test_a_server_tells_how_it_is(url: str, opened: Opened) -> None:
    async with opened(url) as anyone:
        beat = await told(anyone.utilities.heartbeat())
        assert (beat.ok, beat.backends) == (True, {"storage": True, "permission": True, "cache": True})
        assert await told(anyone.utilities.lbheartbeat()) is True


async def test_a_server_whose_storage_fails_says_so_once_and_that_is_no_error(
    loopback: Loopback, opened: Opened
) -> None:
    loopback.answers(503, body=b'{"storage":false,"cache":true,"queue":null}')
    async with opened(loopback.url, retry=_QUICK) as anyone:
        beat = await told(anyone.utilities.heartbeat())
    assert (beat.ok, beat.backends) == (False, {"storage": False, "cache": True, "queue": None})
    assert len(loopback.received) == 1


def test_a_backend_that_does_not_say_is_not_one_that_fails() -> None:
    assert Heartbeat(backends={"storage": True, "queue": None}).ok
    assert not Heartbeat(backends={"storage": False, "queue": None}).ok


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (503, b"<html>", UnavailableError),
        (503, b"{}", UnavailableError),
        (503, b'{"code":503,"errno":201,"error":"x"}', UnavailableError),
        (500, b'{"storage":true}', ServerFailedError),
        (200, b"[]", InvalidAnswerError),
        (200, b'{"storage":1}', InvalidAnswerError),
        (404, b"", NotFoundError),
    ],
)
async def test_what_is_no_heartbeat_is_an_error(
    loopback: Loopback, opened: Opened, status: int, body: bytes, error: type[Exception]
) -> None:
    loopback.answers(status, body=body)
    async with opened(loopback.url, retry=0) as anyone:
        with pytest.raises(error):
            await told(anyone.utilities.heartbeat())


async def test_a_web_head_that_does_not_work_is_asked_once(loopback: Loopback, opened: Opened) -> None:
    loopback.answers(502, body=b"<html>")
    async with opened(loopback.url, retry=_QUICK) as anyone:
        assert await told(anyone.utilities.lbheartbeat()) is False
    assert len(loopback.received) == 1
    async with opened("http://localhost:1/v1", retry=0) as anyone:
        with pytest.raises(TransportError):
            await told(anyone.utilities.lbheartbeat())


async def test_a_server_tells_its_software(url: str, opened: Opened) -> None:
    async with opened(url) as anyone:
        software = await told(anyone.utilities.version())
        assert (software.name, software.version, software.commit) == ("kinto", "26.5.0", None)
        assert software.model_extra == {"build": 7}
        assert "/buckets" in (await told(anyone.utilities.openapi()))["paths"]
        assert (await told(anyone.utilities.contribute()))["name"] == "Kinto"


async def test_a_server_without_a_version_says_which_setting_has_it(loopback: Loopback, opened: Opened) -> None:
    # By the answer of Kinto, which keeps the file that it found first for all servers of a process.
    fault = b'{"code":500,"errno":999,"error":"Internal Server Error","message":"A programmatic error occurred"}'
    loopback.answers(500, body=fault)
    async with opened(loopback.url, retry=0) as anyone:
        with pytest.raises(ServerFailedError, match="version_json_path") as caught:
            await told(anyone.utilities.version())
    assert caught.value.errno == 999


async def test_objects_are_counted(url: str, opened: Opened) -> None:
    fill(url, ALICE)
    with Client(url, auth=ALICE) as alice:
        alice.repository(Task).delete("t1")
    async with opened(url) as anyone:
        counters = await told(anyone.utilities.counters())
    assert (counters.objects["record"], counters.objects["collection"], counters.tombstones["record"]) == (2, 1, 1)


async def test_a_flush_leaves_nothing(serve: Serve, opened: Opened) -> None:
    server = serve("flushed", {})
    with Client(server.url) as nobody:
        nobody.accounts.sign_up("eve", "pw")
        with Client(server.url, auth=("eve", "pw")) as eve:
            eve.bucket("hers").save()
            async with opened(server.url) as anyone:
                assert await told(anyone.utilities.flush()) is None
            assert eve.server_info().user is None  # accounts are gone too
            nobody.accounts.sign_up("eve", "pw")
            assert eve.buckets.find().all() == []
            eve.accounts.delete("eve")


async def test_a_flush_whose_answer_is_lost_is_not_done_twice(serve: Serve, opened: Opened) -> None:
    with Bench(serve("flushed", {}).url) as bench:
        bench.plan(Cut("answer"), on="POST")
        async with opened(bench.url, retry=_QUICK) as anyone:
            with pytest.raises(UncertainOutcomeError):
                await told(anyone.utilities.flush())
        assert [each.line for each in bench.handed_on] == ["POST /v1/__flush__ HTTP/1.1"]
        bench.forget()
        bench.plan(Answer(502, body=b"<html>"), on="POST")
        async with opened(bench.url, retry=_QUICK) as anyone:
            with pytest.raises(ServerFailedError):
                await told(anyone.utilities.flush())
        assert len(bench.received) == 1


def fill_for_two(url: str) -> None:
    with Client(url, auth=ALICE) as alice:
        alice.buckets.delete_all()
    with Client(url, auth=BOB) as bob:
        bob.buckets.delete_all()
        for name in ("his", "ours"):
            bob.bucket(name).save()
            bob.bucket(name).collection("tasks").save()
        bob.repository(Task, bucket="his").create(Task(id="t1"))
        ours = bob.buckets.get("ours")
        ours.permissions.write.add(Account("alice"))
        ours.save()


async def test_what_a_user_alone_may_write_is_deleted(url: str, opened: Opened) -> None:
    fill_for_two(url)
    async with opened(url, auth=ALICE) as alice:
        assert await told(alice.utilities.delete_user_data(Account("bob"))) is None
        ours = await told(alice.buckets.get("ours"))
        assert ours.permissions.write == {"account:alice"}
        assert await told(alice.buckets.delete("ours"))
    with Client(url, auth=BOB) as bob:
        assert bob.buckets.find().all() == []
        assert bob.me() is not None  # the account stays


@pytest.mark.memory("Kinto on PostgreSQL fails on who has nothing left, which the next test shows")
async def test_a_users_data_may_be_deleted_twice(url: str, opened: Opened) -> None:
    fill_for_two(url)
    with Bench(url) as bench:
        bench.plan(Cut("answer"), on="DELETE")
        async with opened(bench.url, auth=ALICE, retry=_QUICK) as flaky:
            assert await told(flaky.utilities.delete_user_data(Account("bob"))) is None
        assert [each.line.split()[0] for each in bench.received] == ["DELETE", "DELETE"]


@pytest.mark.postgresql
async def test_who_has_nothing_is_a_503_of_kinto_on_postgresql(url: str, opened: Opened) -> None:
    fill_for_two(url)
    with Bench(url) as bench:
        bench.plan(Cut("answer"), on="DELETE")
        async with opened(bench.url, auth=ALICE, retry=_QUICK) as flaky:
            with pytest.raises(UncertainOutcomeError):
                await told(flaky.utilities.delete_user_data(Account("bob")))
    with Client(url, auth=BOB) as bob:
        assert [bucket.id for bucket in bob.buckets.find()] == []
    async with opened(url, auth=ALICE, retry=0) as alice:
        with pytest.raises(UnavailableError):
            await told(alice.utilities.delete_user_data(Account("bob")))
        assert await told(alice.buckets.delete("ours"))


async def test_who_may_not_delete_the_data_of_users_is_told_which_setting_says_who(url: str, opened: Opened) -> None:
    fill(url, ALICE)
    async with opened(url, auth=BOB, retry=_QUICK) as bob:
        with pytest.raises(ForbiddenError, match="user-data_delete_principals says who may"):
            await told(bob.utilities.delete_user_data("account:alice"))
    with Client(url, auth=ALICE) as alice:
        assert alice.repository(Task).count() == 3


@pytest.mark.memory("only its backend of permissions fails on this")
async def test_what_kinto_fails_on_is_explained(serve: Serve, opened: Opened) -> None:
    server = serve("user data with history", {"kinto.user-data_delete_principals": "account:alice"})
    with Client(server.url, auth=BOB) as bob:
        bob.buckets.delete_all()
        bob.bucket("noted").save()
        async with opened(server.url, auth=ALICE) as alice:
            with pytest.raises(ServerFailedError, match="such as an entry of the history: nothing was deleted"):
                await told(alice.utilities.delete_user_data("account:bob"))
        assert bob.buckets.exists("noted")


async def test_the_data_of_a_group_are_not_deleted(opened: Opened) -> None:
    async with opened("http://localhost:1/v1") as anyone:
        for wrong in ("/buckets/todo/groups/staff", "", "a b"):
            with pytest.raises(ValueError, match=r"is a group|no principal"):
                await told(anyone.utilities.delete_user_data(wrong))


async def test_a_server_without_a_plugin_says_which_setting_has_it(serve: Serve, opened: Opened) -> None:
    async with opened(serve("few plugins", {"kinto.includes": "kinto.plugins.accounts"}).url) as anyone:
        with pytest.raises(MissingCapabilityError, match=r"'flush_endpoint'.*kinto\.includes = kinto\.plugins\.flush"):
            await told(anyone.utilities.flush())
        with pytest.raises(MissingCapabilityError, match=r"'counters_endpoint'.*kinto\.plugins\.counters"):
            await told(anyone.utilities.counters())


async def test_a_dry_run_flushes_and_deletes_nothing(url: str, opened: Opened) -> None:
    fill(url, ALICE)
    async with opened(url, auth=ALICE, dry_run=True) as dry:
        await told(dry.utilities.flush())
        await told(dry.utilities.delete_user_data(Account("alice")))
        withheld: Any = dry.withheld
    assert [request.line for request in withheld] == ["POST /__flush__", "DELETE /__user_data__/account%3Aalice"]
    with Client(url, auth=ALICE) as alice:
        assert alice.repository(Task).count() == 3


async def test_a_dry_run_looks_whether_there_is_anything_to_flush_with(serve: Serve, opened: Opened) -> None:
    few = serve("few plugins", {"kinto.includes": "kinto.plugins.accounts"})
    async with opened(few.url, dry_run=True) as dry:
        with pytest.raises(MissingCapabilityError, match=r"POST /__flush__.*kinto\.includes = kinto\.plugins\.flush"):
            await told(dry.utilities.flush())
        assert dry.withheld == ()


async def test_a_flush_asks_for_nothing_before(serve: Serve, opened: Opened) -> None:
    with Bench(serve("flushed", {}).url) as bench:
        async with opened(bench.url) as anyone:
            await told(anyone.utilities.flush())
        assert [each.line for each in bench.received] == ["POST /v1/__flush__ HTTP/1.1"]


@pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b"null"])
async def test_a_page_in_the_place_of_an_answer_does_not_pass_for_a_deletion(
    loopback: Loopback, opened: Opened, body: bytes
) -> None:
    for _ in range(2):
        loopback.answers(body=body)
    async with opened(loopback.url) as anyone:
        with pytest.raises(InvalidAnswerError, match="POST /__flush__: the server answered something"):
            await told(anyone.utilities.flush())
        with pytest.raises(InvalidAnswerError, match="DELETE /__user_data__/account%3Abob: the server answered"):
            await told(anyone.utilities.delete_user_data(Account("bob")))


async def test_any_json_is_no_version_and_no_description(loopback: Loopback, opened: Opened) -> None:
    for _ in range(3):
        loopback.answers(body=b'{"status":"ok"}')
    async with opened(loopback.url) as anyone:
        for ask in (anyone.utilities.version, anyone.utilities.openapi, anyone.utilities.counters):
            with pytest.raises(InvalidAnswerError, match="the server answered something that is not Kinto's JSON"):
                await told(ask())


@pytest.mark.parametrize("body", [b'{"objects":{"record":"many"}}', b'{"objects":[]}', b"[]", b"<html>"])
async def test_counters_that_are_none_are_an_error(loopback: Loopback, opened: Opened, body: bytes) -> None:
    loopback.answers(body=body)
    async with opened(loopback.url) as anyone:
        with pytest.raises(InvalidAnswerError, match="GET /__counters__: the server answered something"):
            await told(anyone.utilities.counters())
