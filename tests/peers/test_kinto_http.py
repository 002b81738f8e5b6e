"""What kinto-http.py 11 loses, breaks or hides, shown beside what happens here: W1 to W25 of docs/coverage.md."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import sys
import traceback
from collections.abc import Callable, Iterable
from copy import deepcopy
from datetime import date
from hashlib import sha256
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import kinto_http
import pytest
from kinto_http import replication, utils
from kinto_http.patch_type import JSONPatch, MergePatch

from kinto_models import (
    AsyncClient,
    Attachment,
    BatchError,
    Client,
    ForeignLocationError,
    ForeignPageError,
    InvalidIdError,
    KintoError,
    NotFoundError,
    NotSavedError,
    Record,
    RetryPolicy,
    UnavailableError,
    UncertainOutcomeError,
    WrongHashError,
    col,
    edit,
    key,
)
from kinto_models.replication import replicate
from tests.conftest import Serve, Wire
from tests.faults import Answer, Bench, Cut
from tests.loopback import Loopback
from tests.peers.conftest import Old

ALICE = ("alice", "s3cret")
_HELLO = b'{"http_api_version": "1.9", "url": "http://kinto/v1/", "settings": {"batch_max_requests": 25}}'


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""
    priority: int = 0


@pytest.fixture
def three(kinto: Client) -> list[str]:
    """The ids of three tasks."""
    ids = ["a", "b", "c"]
    kinto.repository(Task).create_many([Task(id=task, title=task) for task in ids])
    return ids


def ids_of(tasks: Iterable[Record]) -> list[str]:
    return sorted(task.id for task in tasks)


def asked(kind: Any, url: str, question: Callable[[Any], Any]) -> Any:
    """What a client of either kind answers."""

    async def awaited() -> Any:
        async with kind(url, auth=ALICE, retry=0) as client:
            return await question(client)

    if kind is AsyncClient:
        return asyncio.run(awaited())
    with kind(url, auth=ALICE, retry=0) as client:
        return question(client)


# W1, W2 and W3 are about what is hit


@pytest.mark.parametrize("symbols", ["!!!", "🎉", ".."])
def test_a_record_with_an_id_of_symbols_cannot_delete_the_collection(
    kinto: Client, old: Old, three: list[str], wire: Wire, symbols: str
) -> None:
    wire.clear()
    with pytest.raises(InvalidIdError):
        kinto.repository(Task).delete(symbols)
    assert wire.sent == []
    assert ids_of(Task.find()) == three

    old().delete_record(id=symbols)
    assert Task.find().count() == 0


def test_a_bucket_with_an_id_of_symbols_cannot_delete_all_buckets(kinto: Client, old: Old) -> None:
    kinto.bucket("other").save()
    with pytest.raises(InvalidIdError):
        kinto.buckets.delete("🎉")
    assert kinto.buckets.count() == 2

    old().delete_bucket(id="🎉")
    assert kinto.buckets.count() == 0


def test_a_dot_in_an_id_reads_and_writes_no_other_object(kinto: Client, old: Old) -> None:
    kinto.repository(Task).create(Task(id="v12", title="Twelve"))
    with pytest.raises(InvalidIdError, match=r"'v1\.2'"):
        Task.get("v1.2")
    with pytest.raises(InvalidIdError, match=r"'v1\.2'"):
        kinto.repository(Task).patch("v1.2", title="One, two")
    assert Task.get("v12").title == "Twelve"

    assert old().get_record(id="v1.2")["data"]["id"] == "v12"


def test_a_deletion_that_names_nothing_deletes_nothing(kinto: Client, old: Old, three: list[str]) -> None:
    collections: Any = kinto.bucket("todo").collections
    for call in (collections.delete, lambda: collections.delete(None), lambda: collections.delete("")):
        with pytest.raises((TypeError, InvalidIdError)):
            call()
    with pytest.raises(NotSavedError):
        kinto.bucket("todo").delete()
    assert ids_of(Task.find()) == three

    old().delete_collection()
    old().delete_bucket()
    assert kinto.buckets.count() == 0


def test_a_batch_writes_into_a_bucket_whose_name_ends_like_a_version(kinto: Client, old: Old) -> None:
    kinto.bucket("main-v1").save()
    kinto.bucket("main-v1").collection("tasks").save()
    with kinto.batch() as batch:
        there = batch.repository(Task, bucket="main-v1")
        saved = [there.create(Task(id=task)) for task in ("a", "b")]
    assert [outcome.result().id for outcome in saved] == ["a", "b"]
    assert ids_of(kinto.repository(Task, bucket="main-v1").find()) == ["a", "b"]

    with pytest.raises(kinto_http.KintoException), old(bucket="main-v1").batch() as theirs:
        theirs.create_record(id="c", data={})
    assert ids_of(kinto.repository(Task, bucket="main-v1").find()) == ["a", "b"]


# W4 is about batches


def test_what_is_read_in_a_batch_is_there_after_it(kinto: Client, old: Old, three: list[str]) -> None:
    with kinto.batch() as batch:
        tasks = batch.repository(Task)
        found = [tasks.get("a"), tasks.find(Task.title == "b").one(), tasks.find().count()]
    assert [found[0].result().title, found[1].result().title, found[2].result()] == ["a", "b", 3]  # type: ignore[attr-defined]

    with pytest.raises(TypeError), old().batch() as theirs:
        theirs.get_record(id="a")


def test_a_batch_gets_or_creates_and_deletes_what_may_be_missing(kinto: Client, old: Old, three: list[str]) -> None:
    with kinto.batch() as batch:
        tasks = batch.repository(Task)
        got, gone = tasks.get_or_create(Task(id="a", title="Another")), tasks.delete("nobody", missing_ok=True)
    assert got.result()[0].title == "a"
    assert not got.result()[1]
    assert gone.result() is False

    for ask in ("create", "delete"):
        with pytest.raises(kinto_http.KintoException), old().batch() as theirs:  # noqa: PT012
            if ask == "create":
                theirs.create_record(id="a", data={}, if_not_exists=True)
            else:
                theirs.delete_record(id="nobody", if_exists=True)


def test_what_is_removed_in_a_batch_is_gone_and_not_null(kinto: Client, old: Old) -> None:
    tasks = kinto.repository(Task)
    tasks.create(Task.model_validate({"id": "a", "note": "x"}))
    with kinto.batch() as batch:
        batch.repository(Task).patch("a", edit(key("note")).unset())
        batch.repository(Task).patch("a", priority=1)
    assert tasks.get("a").model_extra == {}

    tasks.create(Task.model_validate({"id": "b", "note": "x"}))
    with old().batch() as theirs:
        theirs.patch_record(id="b", changes=MergePatch({"note": None}))
    assert tasks.get("b").model_extra == {"note": None}


def test_an_edit_does_not_take_the_rest_of_its_batch_with_it(kinto: Client, old: Old) -> None:
    tasks = kinto.repository(Task)
    tasks.create(Task.model_validate({"id": "a", "tags": ["x"]}))
    with kinto.batch() as batch:
        edited = batch.repository(Task).patch("a", edit(key("tags")).append("y"))
        made = batch.repository(Task).create(Task(id="b"))
    assert edited.result().model_extra == {"tags": ["x", "y"]}
    assert made.result().saved

    with pytest.raises(kinto_http.KintoException), old().batch() as theirs:  # noqa: PT012
        theirs.patch_record(id="a", changes=JSONPatch([{"op": "add", "path": "/data/tags/-", "value": "z"}]))
        theirs.create_record(id="c", data={})
    assert not tasks.exists("c")


def test_a_batch_can_be_printed_and_warns_of_no_success(
    kinto: Client, old: Old, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        with kinto.batch() as batch:
            assert "Batch" in repr(batch)
            batch.repository(Task).create(Task(id="a"))
            batch.repository(Task).create(Task(id="b"))
        assert caplog.records == []

        with old().batch() as theirs:
            with pytest.raises(AttributeError):
                repr(theirs)
            theirs.create_record(id="c", data={})
        assert [record.levelname for record in caplog.records] == ["WARNING"]


# W5 and W8 are about clones and dry runs


def test_a_clone_with_other_credentials_keeps_what_the_client_was_told(loopback: Loopback, old: Old) -> None:
    with Client(loopback.url, auth=ALICE, headers={"X-Job": "sync"}, timeout=3, retry=1) as client:
        clone = client.clone(auth=("bob", "hunter2"))
    with clone, pytest.raises(KintoError):
        clone.server_info()
    assert loopback.only.headers["x-job"] == "sync"
    assert loopback.only.headers["authorization"] == "Basic Ym9iOmh1bnRlcjI="

    loopback.forget()
    for _ in range(4):
        loopback.answers(503)
    with client.clone(retry=RetryPolicy(retries=3, backoff=0)) as clone, pytest.raises(UnavailableError):
        clone.buckets.get("todo")
    assert len(loopback.received) == 4

    theirs = old(headers={"X-Job": "sync"}, timeout=3, retry=1, dry_mode=True, ignore_batch_4xx=True)
    lost = theirs.clone(auth=("bob", "hunter2"), server_url=loopback.url)
    assert (lost.session.headers, lost.session.timeout, lost.session.dry_mode) == ({}, None, False)
    assert not lost._ignore_batch_4xx
    assert theirs.clone(retry=9).session.nb_retry == 1


def test_a_dry_run_reads_really_and_deletes_nothing(kinto: Client, old: Old, three: list[str]) -> None:
    with kinto.clone(dry_run=True) as dry:
        tasks = dry.repository(Task)
        assert tasks.get("a").title == "a"
        assert tasks.delete("a")
        assert tasks.delete_all() == 2
    assert [request.method for request in dry.withheld] == ["DELETE", "DELETE"]
    assert ids_of(Task.find()) == three

    theirs = old(dry_mode=True)
    assert theirs.get_record(id="a") == {}
    with pytest.raises(KeyError):
        theirs.delete_record(id="a")


# W6 and W13 are about attachments


@pytest.mark.memory("kinto-attachment is on the embedded server only")
def test_an_upload_that_is_tried_again_is_whole_the_second_time(kinto: Client, old: Old, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"p" * 5000)
    busy = Answer(503, {"Retry-After": "0"}, b'{"code": 503, "errno": 201, "error": "", "message": ""}')
    with Bench(kinto.url) as bench, Client(bench.url, auth=ALICE) as client:
        plan = bench.plan(busy, on="POST")
        attached = client.repository(Task).attach(Task(id="a"), path)
        assert plan.met == 1
    assert attached.size == 5000
    assert kinto.repository(Task).download("a") == b"p" * 5000

    kinto.repository(Task).create(Task(id="b"))
    with Bench(kinto.url) as bench:
        bench.plan(busy, on="POST")
        stored = old(server_url=bench.url, retry=1).add_attachment(id="b", filepath=str(path))
    assert stored["size"] == 0


def _with_file(loopback: Loopback, file: bytes, **told: Any) -> dict[str, Any]:
    """A record of a server that has this file; its attachment, as the record tells it."""
    told = {"filename": "x.txt", "location": "files/x.txt", "mimetype": "text/plain", "size": len(file), **told}
    hello = {**json.loads(_HELLO), "capabilities": {"attachments": {"base_url": f"{loopback.origin}/"}}}
    loopback.answers(body=json.dumps(hello).encode())
    loopback.answers(body=file)
    return {"hash": sha256(file).hexdigest(), **told}


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_file_name_of_the_server_leads_out_of_no_folder(loopback: Loopback, tmp_path: Path, kind: Any) -> None:
    folder = tmp_path / "one" / "two"
    folder.mkdir(parents=True)
    told = _with_file(loopback, b"x", filename="../../x.txt")
    attachment = Attachment.model_validate(told)
    written = asked(kind, loopback.url, lambda client: client.repository(Task).download(attachment, folder))
    assert written.parent == folder
    assert not (tmp_path / "x.txt").exists()

    _with_file(loopback, b"x")
    kinto_http.Client(server_url=loopback.url).download_attachment({"attachment": told}, filepath=str(folder))
    assert (tmp_path / "x.txt").exists()


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_file_that_does_not_come_as_it_should_leaves_the_old_one(
    loopback: Loopback, tmp_path: Path, kind: Any
) -> None:
    path = tmp_path / "x.txt"
    path.write_text("the old one")
    told = _with_file(loopback, b"x", hash="0" * 64)
    attachment = Attachment.model_validate(told)
    with pytest.raises(WrongHashError):
        asked(kind, loopback.url, lambda client: client.repository(Task).download(attachment, path))
    assert path.read_text() == "the old one"
    assert list(tmp_path.iterdir()) == [path]

    _with_file(loopback, b"x")
    theirs = kinto_http.Client(server_url=loopback.url)
    theirs.download_attachment({"attachment": told}, filepath=str(path), overwrite=True)
    assert path.read_text() == "x"


def test_a_file_elsewhere_is_not_asked_for(loopback: Loopback, tmp_path: Path) -> None:
    elsewhere = Loopback()
    told = _with_file(loopback, b"x", location=f"{elsewhere.url}/x.txt")
    attachment = Attachment.model_validate(told)
    with Client(loopback.url) as client, pytest.raises(ForeignLocationError):
        client.repository(Task).download(attachment)
    assert elsewhere.received == []
    elsewhere.close()


# W7 is about what an answer says


def test_a_list_that_did_not_change_is_not_an_empty_one(kinto: Client, old: Old, three: list[str]) -> None:
    tasks = kinto.repository(Task)
    timestamp = tasks.timestamp()
    assert tasks.find().if_changed(timestamp) is None
    assert old().get_records(if_none_match=timestamp) == []

    tasks.delete_all()
    page = tasks.find().if_changed(timestamp)
    assert page is not None
    assert list(page) == []


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_server_that_is_overloaded_is_not_an_absent_bucket(loopback: Loopback, kind: Any) -> None:
    loopback.answers(503)
    with pytest.raises(UnavailableError):
        asked(kind, loopback.url, lambda client: client.buckets.get("todo"))

    loopback.answers(503)
    with pytest.raises(kinto_http.BucketNotFound):
        kinto_http.Client(server_url=loopback.url, auth=ALICE).get_bucket(id="todo")


# W9 is about credentials


def test_a_token_with_a_colon_is_sent_as_a_token(loopback: Loopback) -> None:
    with Client(loopback.url, auth="Bearer abc:def", retry=0) as client, pytest.raises(KintoError):
        client.server_info()
    assert loopback.only.headers["authorization"] == "Bearer abc:def"

    assert kinto_http.Client(server_url=loopback.url, auth="Bearer abc:def").session.auth == ("Bearer abc", "def")


def test_what_are_no_credentials_is_said_and_not_unpacked(loopback: Loopback) -> None:
    with pytest.raises(ValueError, match="neither 'user:password' nor 'Bearer token'"):
        Client(loopback.url, auth="bearerish")

    with pytest.raises(ValueError, match="not enough values to unpack"):
        kinto_http.Client(server_url=loopback.url, auth="bearerish")


def test_who_is_anonymous_does_not_send_the_password_of_a_netrc_file(
    loopback: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login alice password s3cret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with Client(loopback.url, retry=0) as client, pytest.raises(KintoError):
        client.server_info()
    assert "authorization" not in loopback.only.headers

    loopback.forget()
    kinto_http.Client(server_url=loopback.url).server_info()
    assert "authorization" in loopback.only.headers


# W10 is about filters


def test_text_that_looks_like_a_number_is_found(kinto: Client, old: Old) -> None:
    kinto.repository(Task).create(Task(id="a", title="2.0"))
    assert ids_of(Task.find(Task.title == "2.0")) == ["a"]
    assert ids_of(Task.find(col(Task.title).in_("2.0", "3"))) == ["a"]

    assert old().get_records(title="2.0") == []


def test_numbers_are_found_in_a_list_of_numbers(kinto: Client, old: Old, three: list[str]) -> None:
    kinto.repository(Task).patch("b", priority=2)
    assert ids_of(Task.find(col(Task.priority).in_(1, 2))) == ["b"]

    with pytest.raises(TypeError):
        old().get_records(in_priority=[1, 2])


# W11, W12 and W16 are about pages


def test_credentials_do_not_follow_a_page_to_another_server(loopback: Loopback) -> None:
    elsewhere = Loopback()
    page = {"headers": {"Next-Page": f"{elsewhere.url}/buckets?_token=x", "ETag": '"1"'}, "body": b'{"data": []}'}
    loopback.answers(**page)  # type: ignore[arg-type]
    with Client(loopback.url, auth=ALICE) as client, pytest.raises(ForeignPageError):
        client.buckets.find().all()
    assert elsewhere.received == []

    loopback.answers(**page)  # type: ignore[arg-type]
    elsewhere.answers(body=b'{"data": []}')
    kinto_http.Client(server_url=loopback.url, auth=ALICE).get_buckets()
    assert "authorization" in elsewhere.only.headers
    elsewhere.close()


def _pages(loopback: Loopback, number: int) -> None:
    for page in range(number):
        following = {"Next-Page": f"{loopback.url}/buckets?_token={page}"} if page < number - 1 else {}
        body = json.dumps({"data": [{"id": f"b{page}", "last_modified": 1}]}).encode()
        loopback.answers(headers={"ETag": '"1"', "Total-Objects": str(number), **following}, body=body)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_list_of_600_pages_is_read_to_its_end(loopback: Loopback, kind: Any) -> None:
    _pages(loopback, 600)
    assert len(asked(kind, loopback.url, lambda client: client.buckets.find().all())) == 600


def test_the_600_pages_are_too_many_for_the_other(loopback: Loopback) -> None:
    _pages(loopback, 600)
    with pytest.raises(RecursionError):
        kinto_http.Client(server_url=loopback.url, auth=ALICE).get_buckets()


def test_a_page_that_fails_is_asked_for_again_by_itself(loopback: Loopback) -> None:
    """There each page that was read before doubles the tries of the next one."""
    _pages(loopback, 6)
    for _ in range(3):
        loopback._answers.insert(4, (b"", "close"))
    policy = RetryPolicy(retries=2, backoff=0)
    with Client(loopback.url, auth=ALICE, retry=policy) as client, pytest.raises(KintoError):
        client.buckets.find().all()
    assert len(loopback.received) == 4 + 3


def test_all_records_are_deleted_also_where_the_server_gives_pages(serve: Serve) -> None:
    url = serve("paged", {"kinto.paginate_by": "2"}).url
    with Client(url, auth=ALICE) as kinto:
        kinto.buckets.delete_all()
        kinto.bucket("todo").save()
        kinto.bucket("todo").collection("tasks").save()
        tasks = kinto.repository(Task)
        tasks.create_many(Task(id=f"t{number}") for number in range(7))
        theirs = kinto_http.Client(server_url=url, auth=ALICE, bucket="todo", collection="tasks")
        assert len(theirs.delete_records()) == 2
        assert tasks.count() == 5

        assert tasks.delete_all() == 5
        assert tasks.count() == 0


# W14 and W15 are about what is sent, and how often


async def test_a_review_that_async_code_asks_for_is_really_asked_for(loopback: Loopback) -> None:
    theirs: Any = kinto_http.AsyncClient(server_url=loopback.url, auth=ALICE, bucket="todo", collection="tasks")
    pending = await theirs.request_review("please")
    assert asyncio.iscoroutine(pending)
    pending.close()
    assert loopback.received == []

    loopback.answers(body=b'{"data": {"id": "tasks", "last_modified": 5, "status": "to-review"}}')
    async with AsyncClient(loopback.url, auth=ALICE) as client:
        await client.bucket("todo").collection("tasks").arequest_review("please")
    assert loopback.only.line == "PATCH /v1/buckets/todo/collections/tasks HTTP/1.1"


async def test_async_code_goes_on_while_a_batch_is_on_its_way(loopback: Loopback) -> None:
    """There the end of a batch holds up the loop."""
    loopback.answers(body=_HELLO)
    loopback.answers(503)
    async with AsyncClient(loopback.url, auth=ALICE, retry=0) as client:
        await client.server_info()
        loopback.hold()

        async def write() -> None:
            async with client.batch() as batch:
                batch.repository(Task).create(Task(id="a"))
                batch.repository(Task).create(Task(id="b"))

        writing = asyncio.create_task(write())
        await asyncio.to_thread(loopback.await_requests, 2)
        assert not writing.done()
        loopback.release()
        with pytest.raises(BatchError):
            await writing


def test_a_creation_whose_answer_was_lost_is_no_conflict(kinto: Client, old: Old) -> None:
    """There it is sent again blindly, and its own success is the refusal of the second try."""
    with Bench(kinto.url) as bench:
        bench.plan(Cut("answer"), on="PUT")
        with Client(bench.url, auth=ALICE, retry=RetryPolicy(backoff=0)) as client:
            task = client.repository(Task).create(Task(title="x"))
    assert Task.get(task.id).etag == task.etag

    with Bench(kinto.url) as bench:
        bench.plan(Cut("answer"), on="PUT")
        with pytest.raises(kinto_http.KintoException, match="412"):
            old(server_url=bench.url).create_record(id="b", data={"title": "x"})
    assert Task.get("b").title == "x"


def test_an_item_is_not_added_twice_where_nobody_knows_whether_it_was_added(kinto: Client, old: Old) -> None:
    tasks = kinto.repository(Task)
    tasks.create(Task.model_validate({"id": "a", "tags": []}))
    with Bench(kinto.url) as bench:
        bench.plan(Cut("answer"), on="PATCH")
        with Client(bench.url, auth=ALICE) as client, pytest.raises(UncertainOutcomeError):
            client.repository(Task).patch("a", edit(key("tags")).append("x"))
    assert tasks.get("a").model_extra == {"tags": ["x"]}

    with Bench(kinto.url) as bench:
        bench.plan(Cut("answer"), on="PATCH")
        appended = JSONPatch([{"op": "add", "path": "/data/tags/-", "value": "y"}])
        old(server_url=bench.url).patch_record(id="a", changes=appended)
    assert tasks.get("a").model_extra == {"tags": ["x", "y", "y"]}


def test_a_wait_of_a_year_is_not_waited_for(loopback: Loopback) -> None:
    """There it sleeps as long as it is told to."""
    loopback.answers(503, {"Retry-After": "31536000"})
    with Client(loopback.url, auth=ALICE, retry=5) as client, pytest.raises(UnavailableError) as caught:
        client.server_info()
    assert caught.value.retry_after == 31536000


# W17 is about what is remembered


def test_the_timestamp_of_a_list_is_that_of_now(kinto: Client, old: Old, three: list[str]) -> None:
    tasks, theirs = kinto.repository(Task), old()
    before, theirs_before = tasks.timestamp(), theirs.get_records_timestamp()
    tasks.delete("a")
    assert tasks.timestamp() > before

    assert theirs.get_records_timestamp() == theirs_before


def test_a_server_can_be_asked_again_what_it_is(loopback: Loopback) -> None:
    for body in (_HELLO, _HELLO.replace(b"1.9", b"1.23")):
        loopback.answers(body=body)
    with Client(loopback.url, auth=ALICE) as client:
        assert client.server_info().api_version == (1, 9)
        assert client.server_info().api_version == (1, 9)
        assert client.server_info(refresh=True).api_version == (1, 23)


# W18 is about what an error holds


def test_an_error_says_what_happened_and_holds_no_password(kinto: Client, old: Old) -> None:
    with pytest.raises(NotFoundError) as ours:
        Task.get("nobody")
    error = ours.value
    assert (error.status, error.errno, error.details) == (404, 110, {"id": "nobody", "resource_name": "record"})
    told = "".join(traceback.format_exception(error)) + repr(vars(error)) + repr(pickle.dumps(error))
    assert "YWxpY2U6czNjcmV0" not in told
    assert "s3cret" not in told
    assert "Authorization" not in told

    with pytest.raises(kinto_http.KintoException) as theirs:
        old().get_record(id="nobody")
    assert theirs.value.request.headers["Authorization"] == "Basic YWxpY2U6czNjcmV0"
    assert not theirs.value.response  # so that "if error.response and ..." never holds


def test_whatever_goes_wrong_is_one_kind_of_error(loopback: Loopback) -> None:
    theirs = kinto_http.Client(server_url=loopback.url, auth=ALICE, collection="tasks")
    for broken, their_error in ((b"", OSError), (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n<>", ValueError)):
        loopback.says(broken)
        with Client(loopback.url, auth=ALICE, retry=0) as client, pytest.raises(KintoError):
            client.server_info()

        loopback.says(broken)
        with pytest.raises(their_error) as caught:  # of requests, or of json
            theirs.session.request("get", "/")
        assert not isinstance(caught.value, kinto_http.KintoException)


# W20 is about its utilities


def test_records_are_sorted_whatever_they_hold(kinto: Client) -> None:
    for task, title, priority in (("a", "Ärger", -5), ("b", "Zorn", 3), ("c", "日本", -1)):
        kinto.repository(Task).create(Task(id=task, title=title, priority=priority))
    assert [task.id for task in Task.find().sort(Task.priority)] == ["a", "c", "b"]
    assert [task.id for task in Task.find().sort(-col(Task.title))] == ["c", "a", "b"]

    stored = [task.model_dump() for task in Task.find()]
    assert [task["id"] for task in utils.sort_records(stored, "priority")] != ["a", "c", "b"]
    with pytest.raises(ValueError, match="chr"):
        utils.sort_records(stored, "-title")


def test_a_comparison_leaves_both_sides_as_they_were(kinto: Client, three: list[str]) -> None:
    desired = [Task(id="a", title="A"), Task(id="z", title="z")]
    before = deepcopy(desired)
    plan = kinto.repository(Task).sync_to(desired)
    assert (len(plan.creations), len(plan.patches), len(plan.deletions)) == (1, 1, 2)
    assert [task.model_dump() for task in desired] == [task.model_dump() for task in before]

    source = [{"id": "a", "title": "A", "last_modified": 5}]
    utils.collection_diff(source, [{"id": "a", "title": "a"}])
    assert source == [{"id": "a", "title": "A"}]


def test_a_field_called_schema_is_part_of_the_comparison(kinto: Client) -> None:
    class Form(Record, bucket="todo", collection="tasks"):
        schema_: str = ""

    forms = kinto.repository(Form)
    forms.create(Form(id="a", schema_="one"))
    assert [patch.changed for patch in forms.sync_to([Form(id="a", schema_="two")]).patches] == [{"schema_"}]

    assert utils.records_equal({"id": "a", "schema": "one"}, {"id": "a", "schema": "two"})


def test_a_date_is_a_date_again_when_it_is_read(kinto: Client, old: Old) -> None:
    class Due(Record, bucket="todo", collection="tasks"):
        due: date

    kinto.repository(Due).create(Due(id="a", due=date(2026, 12, 24)))
    assert Due.get("a").due == date(2026, 12, 24)
    assert ids_of(Due.find(Due.due < date(2027, 1, 1))) == ["a"]

    old().create_record(id="b", data={"due": date(2026, 12, 24)})
    assert old().get_record(id="b")["data"]["due"] == "2026-12-24"


def test_no_edits_are_no_request(kinto: Client, wire: Wire, old: Old, three: list[str]) -> None:
    task = Task.get("a")
    wire.clear()
    assert task.patch().changed == frozenset()
    assert wire.sent == []

    with pytest.raises(kinto_http.KintoException, match="400"):
        old().patch_record(id="a", changes=JSONPatch([]))


# W21 is about replication


def test_a_replication_replays_what_was_deleted(
    kinto: Client, old: Old, three: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There deletions are never listed, and what is gone stays at the destination; its command asks for an option
    that there is not.
    """
    bucket = kinto.bucket("todo")
    for name in ("copy", "theirs"):
        bucket.collection(name).save()
        replicate(bucket.collection("tasks"), bucket.collection(name))
    kinto.repository(Task).delete("a")

    replicate(bucket.collection("tasks"), bucket.collection("copy"))
    assert ids_of(kinto.repository(Task, collection="copy").find()) == ["b", "c"]

    replication.replicate(old(), old(collection="theirs"))
    assert ids_of(kinto.repository(Task, collection="theirs").find()) == three
    monkeypatch.setattr(sys, "argv", ["replication", "-o", kinto.url, "-s", kinto.url, "--auth", "alice:s3cret"])
    with pytest.raises(AttributeError, match="origin_server"):
        replication.main()


# W22 is about logs


def test_a_log_line_names_what_was_written(kinto: Client, old: Old, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "kinto_models"):
        kinto.bucket("first").save()
    assert "PUT /buckets/first" in caplog.messages[-1]
    assert "s3cret" not in caplog.text

    caplog.clear()
    with caplog.at_level(logging.INFO, "kinto_http"):
        old(bucket="second").create_bucket()
    assert "Create bucket None" in caplog.messages


# W24 and W25 are about what it brings along, and what it does to what it is given


def test_the_package_brings_three_others_and_no_licence_to_worry_about() -> None:
    def needed(package: str) -> set[str]:
        names = [line for line in requires(package) or [] if "extra ==" not in line]
        return {line.split(";")[0].split("[")[0].strip(" <>=!~0123456789.,").lower() for line in names}

    assert needed("kinto-models") == {"pydantic", "requests", "typing-extensions"}
    assert {"unidecode", "backoff"} <= needed("kinto-http")


def test_nothing_that_is_handed_over_is_changed(kinto: Client, old: Old, three: list[str]) -> None:
    data = {"title": "x", "priority": 1, "tags": ["one"]}
    tags = ["two"]
    headers = {"X-Job": "sync"}
    with Client(kinto.url, auth=ALICE, headers=headers) as client:
        task = Task.model_validate({"id": "d", **data})
        client.repository(Task).create(task)
        client.repository(Task).patch("d", edit(key("tags")).set(tags))
        tags.append("three")
        assert client.repository(Task).get("d").model_extra == {"tags": ["two"]}
    assert (data, headers) == ({"title": "x", "priority": 1, "tags": ["one"]}, {"X-Job": "sync"})

    params = {"_limit": 1}
    old().get_permissions(params=params)
    assert params == {"_limit": 1, "_sort": "id"}
