"""Files beside records: attached to a real Kinto with its plugin, and downloaded from servers that do as they like."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import os
import pickle
import resource
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from hashlib import sha256
from inspect import isawaitable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from pydantic import BaseModel

from kinto_models import (
    AlreadyExistsError,
    AnswerTooLargeError,
    AsyncClient,
    AsyncRepository,
    Attachment,
    AttachmentError,
    BrokenAnswerError,
    Client,
    ConflictError,
    DeclarationError,
    Event,
    FileError,
    ForeignLocationError,
    Limits,
    MissingCapabilityError,
    NoAttachmentError,
    NotFoundError,
    NotSavedError,
    ReadOnlyFieldError,
    ReadTimeoutError,
    Record,
    RedirectError,
    RetryPolicy,
    ServerIds,
    UncertainOutcomeError,
    WrongHashError,
    edit,
)
from tests.conftest import Serve, Wire
from tests.faults import Answer, Bench, Cut, Fault
from tests.loopback import Loopback

pytestmark = pytest.mark.memory("kinto-attachment is on the embedded server only")

LARGE = bytes(range(256)) * 4096  # a mebibyte, and more than fits into the buffers of a connection


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""
    attachment: Attachment | None = None


class Plain(Record, bucket="todo", collection="tasks"):
    """Whose class says nothing of a file."""


Ask: TypeAlias = Callable[..., Any]
"""Asks by a client of its own: ``ask(url, lambda tasks: tasks.attach("t1", b"x", filename="x"))``."""


@pytest.fixture(params=["blocking", "async", "blocking, signed", "async, signed"])
def ask(request: pytest.FixtureRequest) -> Ask:
    side, _, signed = request.param.partition(", ")

    def sign(prepared: Any) -> Any:
        prepared.prepare_auth(("alice", "s3cret"))
        return prepared

    usual: dict[str, Any] = {"retry": RetryPolicy(backoff=0), "auth": sign if signed else ("alice", "s3cret")}

    def blocking(url: str, use: Callable[[Any], Any], **options: Any) -> Any:
        with Client(url, **(usual | options)) as kinto:
            return use(kinto.repository(Task))

    async def awaited(url: str, use: Callable[[Any], Any], **options: Any) -> Any:
        async with AsyncClient(url, **(usual | options)) as kinto:
            result = use(kinto.repository(Task))
            return await result if isawaitable(result) else result

    if side == "blocking":
        return blocking
    return lambda *args, **options: asyncio.run(awaited(*args, **options))


def read(kinto: Client, object_id: str) -> dict[str, Any]:
    return kinto.repository(Plain).get(object_id).model_extra or {}


def there(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# Attach


def sources(folder: Path) -> dict[str, Callable[[], Any]]:
    path = folder / "été.bin"
    path.write_bytes(LARGE)

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(LARGE), 50_000):
            yield LARGE[start : start + 50_000]

    class Unseekable(io.RawIOBase):
        def __init__(self) -> None:
            self.inner = io.BytesIO(LARGE)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            return self.inner.readinto(buffer)

    class Reader:
        def __init__(self) -> None:
            self.inner = io.BytesIO(LARGE)

        def read(self, size: int = -1, /) -> bytes:
            return self.inner.read(size)

    return {
        "text path": lambda: str(path),
        "path": lambda: path,
        "bytes": lambda: LARGE,
        "bytearray": lambda: bytearray(LARGE),
        "memoryview": lambda: memoryview(LARGE),
        "BytesIO": lambda: io.BytesIO(LARGE),
        "a stream that cannot go back": Unseekable,
        "what only reads": Reader,
        "generator": pieces,
        "list": lambda: list(pieces()),
    }


@pytest.mark.parametrize("kind", sources(Path("/tmp")))  # noqa: S108  # for their names only
def test_a_file_is_attached_from_whatever_it_is_in(kinto: Client, ask: Ask, tmp_path: Path, kind: str) -> None:
    told = ask(kinto.url, lambda tasks: tasks.attach("t1", sources(tmp_path)[kind](), filename="a.bin"))
    assert (told.filename, told.size, told.hash) == ("a.bin", len(LARGE), sha256(LARGE).hexdigest())
    assert told.mimetype == "application/octet-stream"
    assert Attachment.model_validate(read(kinto, "t1")["attachment"]) == told
    assert ask(kinto.url, lambda tasks: tasks.download("t1")) == LARGE


def test_an_open_file_is_attached_under_its_name_from_where_it_stands_and_stays_open(
    kinto: Client, ask: Ask, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_bytes(b"skipped, sent")
    with (tmp_path / "notes.txt").open("rb") as file:
        file.seek(9)
        told = ask(kinto.url, lambda tasks: tasks.attach("t1", file))
        assert not file.closed
    assert (told.filename, told.mimetype) == ("notes.txt", "text/plain")
    assert ask(kinto.url, lambda tasks: tasks.download("t1")) == b"sent"


async def test_a_file_is_attached_from_what_gives_its_bytes_awaited(kinto: Client) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(LARGE), 300_000):
            yield LARGE[start : start + 300_000]

    with pytest.raises(TypeError, match="AsyncClient"):
        kinto.repository(Task).attach("t1", pieces(), filename="a.bin")  # type: ignore[call-overload, arg-type, unused-ignore]
    async with AsyncClient(kinto.url, auth=("alice", "s3cret")) as client:
        told = await client.repository(Task).attach("t1", pieces(), filename="a.bin")
        assert told.hash == sha256(LARGE).hexdigest()
        assert await client.repository(Task).download(told) == LARGE


@pytest.mark.parametrize(
    "name", ["a.txt", 'q"uo"te.txt', "été 漢字.txt", "pct%22%0A.txt", "semi;x=1.txt", "none", "a'b.txt"]
)
def test_the_server_knows_the_file_by_the_very_name(kinto: Client, ask: Ask, name: str) -> None:
    assert ask(kinto.url, lambda tasks: tasks.attach("t1", b"x", filename=name)).filename == name


def unsent(folder: Path) -> dict[str, Callable[[], Any]]:
    path = folder / "report.txt"

    def just_written(mode: str) -> Any:
        file = path.open(mode)
        file.write(b"report")
        return file

    def in_memory() -> Any:
        file = io.BytesIO()
        file.write(b"report")
        return file

    class NotYet:
        def read(self, size: int = -1, /) -> Any:
            return None

    return {
        "just written": lambda: just_written("wb+"),
        "only for writing": lambda: path.open("wb"),
        "in memory": in_memory,
        "a pipe's end for writing": lambda: os.fdopen(os.pipe()[1], "wb"),
        "not yet": NotYet,
    }


@pytest.mark.parametrize("kind", unsent(Path()))
def test_a_file_of_which_nothing_would_be_sent_does_not_take_the_place_of_a_good_one(
    kinto: Client, ask: Ask, tmp_path: Path, kind: str
) -> None:
    kinto.repository(Task).attach("t1", b"good", filename="a")
    source = unsent(tmp_path)[kind]()
    with pytest.raises(ValueError, match=r"seek\(0\)|not open for reading|blocking"):
        ask(kinto.url, lambda tasks: tasks.attach("t1", source, filename="a"))
    assert kinto.repository(Task).download("t1") == b"good"
    if hasattr(source, "close"):
        assert not source.closed
        source.close()


def test_who_may_read_the_record_is_written_with_its_file(kinto: Client, ask: Ask) -> None:
    new, known = Task(id="t1"), kinto.repository(Task).create(Task(id="t2"))
    new.permissions.read.add("account:bob")
    known.permissions.write.add("account:bob")  # unsaved, and stays so
    for target in (new, known, "t3"):
        ask(
            kinto.url,
            lambda tasks, target=target: tasks.attach(
                target, b"x", filename="a", permissions={"read": {"system.Everyone"}, "write": []}
            ),
        )
    for object_id in ("t1", "t2", "t3"):
        permissions = kinto.repository(Task).get(object_id).permissions
        assert (set(permissions.read), set(permissions.write)) == ({"system.Everyone"}, {"account:alice"})
    assert "account:bob" in known.permissions.write
    assert known.permissions.changed
    with pytest.raises(TypeError, match="read"):
        ask(kinto.url, lambda tasks: tasks.attach("t1", b"y", filename="a", permissions={"record:create": ["x"]}))


def test_a_class_that_could_not_read_a_record_with_a_file_attaches_none(kinto: Client, ask: Ask) -> None:
    class Closed(Record, bucket="todo", collection="tasks", unknown="forbid"):
        title: str = ""

    closed: Any = Closed
    for target in (Closed(id="t1"), "t1"):
        with pytest.raises(DeclarationError, match="declare attachment"):
            ask(kinto.url, lambda tasks, target=target: tasks.sibling(closed).attach(target, b"x", filename="a"))
    assert not kinto.repository(Task).exists("t1")


def test_an_empty_file_is_a_file(kinto: Client, ask: Ask, tmp_path: Path) -> None:
    ask(kinto.url, lambda tasks: tasks.attach("t1", b"", filename="a.txt"))
    assert ask(kinto.url, lambda tasks: tasks.download("t1")) == b""
    assert ask(kinto.url, lambda tasks: tasks.download("t1", tmp_path)).read_bytes() == b""


@pytest.mark.parametrize(
    ("source", "options", "error"),
    [
        (b"x", {}, ValueError),
        (b"x", {"filename": "a\r\nX-Evil: y"}, ValueError),
        (b"x", {"filename": "a/b"}, ValueError),
        (b"x", {"filename": "a", "mimetype": "text/plain\r\nX-Evil: y"}, ValueError),
        (b"x", {"filename": "a", "mimetype": "multipart/mixed"}, ValueError),
        (b"x", {"filename": "a", "data": {"no_such_field": 1}}, TypeError),
        (b"x", {"filename": "a", "data": {"title": 5}}, ValueError),
        (b"x", {"filename": "a", "data": {"title": "a\0b"}}, ValueError),
        (b"x", {"filename": "a", "data": {"attachment": None}}, TypeError),
        (5, {"filename": "a"}, TypeError),
        (io.StringIO("x"), {"filename": "a"}, TypeError),
        ("/no/such/file.txt", {}, FileError),
        ("/tmp", {"filename": "a"}, FileError),  # noqa: S108
    ],
)
def test_what_cannot_be_sent_is_an_error_and_nothing_is_sent(
    kinto: Client, wire: Wire, source: Any, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        kinto.repository(Task).attach("t1", source, **options)
    assert not [request for request in wire.sent if request.method == "POST"]


def test_a_new_record_is_made_with_its_file_in_one_request(kinto: Client, wire: Wire) -> None:
    task = Task(title="x")
    task.permissions.read.add("system.Everyone")
    told = task.attach(b"hello", filename="a.txt")
    assert [request.method for request in wire.sent] == ["POST", "GET"]
    assert task.saved
    assert not task.dirty
    assert task.attachment == told
    assert read(kinto, task.id)["title"] == "x"
    assert "system.Everyone" in task.permissions.read
    task.title = "y"
    assert task.save().changed == {"title"}
    assert task.download() == b"hello"


def test_a_new_record_does_not_take_the_place_of_another(kinto: Client, ask: Ask) -> None:
    Task(id="t1", title="theirs").save()
    with pytest.raises(AlreadyExistsError) as caught:
        ask(kinto.url, lambda tasks: tasks.attach(Task(id="t1", title="mine"), b"x", filename="a"))
    assert caught.value.theirs.title == "theirs"
    assert read(kinto, "t1") == {"title": "theirs", "attachment": None}


def test_a_record_whose_id_the_server_makes_is_saved_first(kinto: Client) -> None:
    asked: list[str] = []

    class Numbered(Record, bucket="todo", collection="tasks", ids=ServerIds()):
        def before_save(self, old: object) -> None:
            asked.append("before_save")

    with pytest.raises(NotSavedError, match="save"):
        Numbered().attach(b"x", filename="a")
    assert not asked


def test_an_instance_knows_its_file_and_its_unsaved_changes_stay_unsaved(kinto: Client, ask: Ask) -> None:
    task = kinto.repository(Task).create(Task(id="t1", title="old"))
    task.title = "unsaved"
    before = task.last_modified or 0

    def use(tasks: Any) -> Any:
        return tasks.attach(task, b"hello", filename="a.txt")

    told = ask(kinto.url, use)
    assert task.attachment == told
    assert task.changes == {"title": "unsaved"}
    assert (task.last_modified or 0) > before
    assert read(kinto, "t1")["title"] == "old"
    assert kinto.repository(Task).save(task).changed == {"title"}


def test_data_of_the_record_is_written_with_its_file(kinto: Client, ask: Ask) -> None:
    task = kinto.repository(Task).create(Task(id="t1", title="old"))
    task.title = "unsaved"
    ask(kinto.url, lambda tasks: tasks.attach(task, b"x", filename="a", data={"title": "with it"}))
    assert (task.title, task.dirty) == ("with it", False)
    ask(kinto.url, lambda tasks: tasks.attach("t2", b"x", filename="a", data={"title": "new"}))
    assert read(kinto, "t2")["title"] == "new"


def test_a_record_that_changed_meanwhile_is_a_conflict_and_its_file_stays(kinto: Client, ask: Ask) -> None:
    kinto.repository(Task).attach("t1", b"first", filename="a.txt")
    task = kinto.repository(Task).get("t1")
    kinto.repository(Task).attach("t1", b"theirs", filename="b.txt")
    for use in (
        lambda tasks: tasks.attach(task, b"mine", filename="a.txt"),
        lambda tasks: tasks.detach(task),
    ):
        with pytest.raises(ConflictError, match="refresh") as caught:
            ask(kinto.url, use)
        assert caught.value.mine is task
        assert caught.value.theirs.attachment.filename == "b.txt"
    assert kinto.repository(Task).download("t1") == b"theirs"


def test_a_record_that_was_deleted_meanwhile_is_not_made_anew(kinto: Client, ask: Ask) -> None:
    task = kinto.repository(Task).create(Task(id="t1"))
    kinto.repository(Task).delete("t1")
    for use in (lambda tasks: tasks.attach(task, b"x", filename="a"), lambda tasks: tasks.detach(task)):
        with pytest.raises(NotFoundError):
            ask(kinto.url, use)
    assert not kinto.repository(Task).exists("t1")


def test_subscribers_are_told(kinto: Client) -> None:
    told: list[tuple[str, str, bool]] = []

    @kinto.subscribe(Task)
    def listen(event: Event[Task]) -> None:
        told.append((event.action, event.id, bool(event.obj and event.obj.attachment)))

    tasks = kinto.repository(Task)
    task = Task(id="t1")
    task.attach(b"x", filename="a")
    task.attach(b"y", filename="a")
    tasks.attach("t1", b"z", filename="a")
    tasks.attach("t2", b"z", filename="a")
    tasks.detach("t1")
    expected = [("created", "t1"), ("updated", "t1"), ("updated", "t1"), ("created", "t2"), ("updated", "t1")]
    assert told == [(*each, index < 4) for index, each in enumerate(expected)]


def test_progress_counts_the_bytes_of_the_file(kinto: Client, ask: Ask, tmp_path: Path) -> None:
    sent: list[tuple[int, int]] = []
    got: list[tuple[int, int]] = []
    again: list[tuple[int, int]] = []
    ask(kinto.url, lambda tasks: tasks.attach("t1", LARGE, filename="a", progress=lambda *n: sent.append(n)))
    ask(kinto.url, lambda tasks: tasks.download("t1", tmp_path, progress=lambda *n: got.append(n)))
    ask(kinto.url, lambda tasks: tasks.download("t1", tmp_path, progress=lambda *n: again.append(n)))
    for seen in (sent, got):
        assert len(seen) > 3
        assert seen == sorted(seen)
        assert seen[-1] == (len(LARGE), len(LARGE))
    assert again == [(len(LARGE), len(LARGE))]


def test_what_progress_raises_comes_through(kinto: Client, ask: Ask, tmp_path: Path) -> None:
    def stop(*_: int) -> None:
        raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        ask(kinto.url, lambda tasks: tasks.attach("t1", LARGE, filename="a", progress=stop))
    assert not kinto.repository(Task).exists("t1")
    kinto.repository(Task).attach("t1", LARGE, filename="a")
    with pytest.raises(KeyError, match="enough"):
        ask(kinto.url, lambda tasks: tasks.download("t1", tmp_path, progress=stop))
    assert not list(tmp_path.iterdir())


def test_a_batch_has_no_files(kinto: Client) -> None:
    with kinto.batch() as batch:
        for name in ("attach", "detach", "download"):
            assert not hasattr(batch.repository(Task), name)


def test_a_dry_run_sends_no_file_and_says_what_it_would_have(kinto: Client, ask: Ask) -> None:
    task = kinto.repository(Task).create(Task(id="t1", title="x"))
    digest = sha256(LARGE).hexdigest()
    for target in (task, Task(id="t2"), "t3"):
        told = ask(kinto.url, lambda tasks, target=target: tasks.attach(target, LARGE, filename="a.png"), dry_run=True)
        assert told.model_dump() == {
            "filename": "a.png", "location": "", "hash": digest, "size": len(LARGE), "mimetype": "image/png"
        }  # fmt: skip
    assert (task.attachment, kinto.repository(Task).count()) == (None, 1)
    task = kinto.repository(Task).get("t1")
    task.attach(b"x", filename="a")
    assert ask(kinto.url, lambda tasks: tasks.detach(task), dry_run=True) is True
    with kinto.clone(dry_run=True) as dry:
        dry.repository(Task).attach("t1", b"secret", filename="a")
        assert [request.line for request in dry.withheld] == [f"POST {task_path}/attachment"]
        assert "secret" not in repr(dry.withheld)
    assert kinto.repository(Task).download("t1") == b"x"


task_path = "/buckets/todo/collections/tasks/records/t1"


# Writes beside a file


def test_a_write_that_knows_of_no_file_leaves_it_where_it_is(kinto: Client, ask: Ask) -> None:
    tasks = kinto.repository(Task)
    told = tasks.attach("t1", b"x", filename="a", data={"title": "old"})
    again = Task(id="t1", title="upserted")
    ask(kinto.url, lambda tasks: tasks.upsert(again))
    assert again.attachment == told
    assert read(kinto, "t1")["title"] == "upserted"
    same = Task(id="t1", title="upserted")
    assert not tasks.sync_to([same])
    assert same.attachment == told
    assert not same.dirty
    desired = Task(id="t1", title="synced")
    plan = tasks.sync_to([desired])
    assert tasks.apply(plan).updated == 1
    assert desired.attachment == told
    bare = Plain.model_validate({"id": "t1", "title": "without its type", "more": 1})
    assert kinto.repository(Plain).apply(kinto.repository(Plain).sync_to([bare])).updated == 1
    fewer = Plain.model_validate({"id": "t1", "title": "fewer"})  # by a PUT, because something is gone
    assert kinto.repository(Plain).apply(kinto.repository(Plain).sync_to([fewer])).updated == 1
    assert (fewer.model_extra or {})["attachment"] == told.model_dump()
    assert read(kinto, "t1") == {"title": "fewer", "attachment": told.model_dump()}
    assert tasks.download("t1") == b"x"


def test_an_instance_with_a_file_is_replaced_with_it(kinto: Client) -> None:
    task = Task(id="t1")
    told = task.attach(b"x", filename="a")
    task.title = "replaced"
    task.replace()
    assert (read(kinto, "t1")["attachment"], task.attachment) == (told.model_dump(), told)


@pytest.mark.parametrize("how", ["save", "force", "replace", "patch"])
def test_a_file_is_not_taken_away_by_a_field(kinto: Client, how: str) -> None:
    task = Task(id="t1")
    told = task.attach(b"x", filename="a")
    if how != "patch":
        task.attachment = None
    writes: dict[str, Callable[[], object]] = {
        "save": task.save,
        "force": lambda: task.save(force=True),
        "replace": task.replace,
        "patch": lambda: task.patch(attachment=None),
    }
    with pytest.raises(ReadOnlyFieldError, match="detach"):
        writes[how]()
    assert read(kinto, "t1")["attachment"] == told.model_dump()
    task.refresh()
    assert task.attachment == told


def test_a_class_that_does_not_see_the_file_saves_all_the_same(kinto: Client) -> None:
    class Ignoring(Record, bucket="todo", collection="tasks", unknown="ignore"):
        title: str = ""

    told = kinto.repository(Task).attach("t1", b"x", filename="a")
    record = kinto.repository(Ignoring).get("t1")
    record.title = "y"
    record.save()
    assert read(kinto, "t1") == {"title": "y", "attachment": told.model_dump()}


@pytest.mark.parametrize("model", [Task, Plain], ids=["declared", "undeclared"])
def test_a_collection_goes_back_to_what_it_was_and_its_files_stay(
    kinto: Client, ask: Ask, model: type[Task | Plain]
) -> None:
    tasks = kinto.repository(Task)
    for object_id in ("newer", "gone", "detached", "alone"):
        tasks.attach(object_id, b"old", filename="o.txt", data={"title": "then"})
    moment = tasks.timestamp()
    tasks.attach("newer", b"new", filename="n.txt", data={"title": "now"})
    tasks.attach("alone", b"new", filename="n.txt")  # of which nothing else is to go back
    tasks.delete("gone")
    tasks.detach("detached")
    tasks.patch("detached", title="now")
    stayed = {object_id: read(kinto, object_id)["attachment"] for object_id in ("newer", "alone", "detached")}

    async def awaited(there: Any) -> Any:
        return await there.apply(await there.sync_to(await there.snapshot(moment)))

    def back(tasks: Any) -> Any:
        there = tasks.sibling(model)
        if isinstance(tasks, AsyncRepository):
            return awaited(there)
        return there.apply(there.sync_to(there.snapshot(moment)))

    result = ask(kinto.url, back)
    assert (result.created, result.updated) == (1, 2)
    assert not tasks.sync_to(tasks.snapshot(moment))  # there is no more to go back to
    assert {object_id: read(kinto, object_id)["attachment"] for object_id in stayed} == stayed
    assert {read(kinto, object_id)["title"] for object_id in (*stayed, "gone")} == {"then"}
    assert tasks.download("newer") == tasks.download("alone") == b"new"
    assert "attachment" not in read(kinto, "gone")  # it went with the record
    with pytest.raises(NoAttachmentError):
        tasks.download("gone")


def test_a_record_that_is_made_again_does_not_tell_of_the_file_that_went_with_it(kinto: Client, ask: Ask) -> None:
    for how in ("save", "upsert", "create", "replace"):
        task = Task(id=how, title="x")
        task.attach(b"x", filename="a")
        task.delete()
        options = {"force": True} if how == "replace" else {}
        ask(kinto.url, lambda tasks, how=how, task=task, options=options: getattr(tasks, how)(task, **options))
        assert task.attachment is None
        assert not task.dirty
        assert not read(kinto, how).get("attachment")


@pytest.mark.parametrize("model", [Task, Plain], ids=["declared", "undeclared"])
def test_a_forced_write_leaves_the_file_that_is_there_by_now(
    kinto: Client, ask: Ask, model: type[Task | Plain]
) -> None:
    tasks = kinto.repository(Task)
    tasks.attach("t1", b"first", filename="a", data={"title": "old"})
    stale: Any = kinto.repository(model).get("t1")
    told = tasks.attach("t1", b"second", filename="b")
    stale.title = "forced"
    ask(kinto.url, lambda tasks: tasks.sibling(model).replace(stale, force=True))
    assert read(kinto, "t1") == {"title": "forced", "attachment": told.model_dump()}
    assert Attachment.model_validate(stale.model_dump()["attachment"]) == told
    ask(kinto.url, lambda tasks: tasks.replace(Task(id="t1", title="never read"), force=True))
    assert read(kinto, "t1") == {"title": "never read", "attachment": told.model_dump()}
    assert tasks.download("t1") == b"second"


@pytest.mark.parametrize("how", ["save", "forced save", "replace", "patch", "edit", "by id", "edit by id"])
def test_what_is_told_of_a_file_is_not_changed_by_a_field(kinto: Client, ask: Ask, wire: Wire, how: str) -> None:
    task = Task(id="t1")
    told = task.attach(b"x", filename="a")
    other = told.model_copy(update={"location": "elsewhere.txt"})
    if "save" in how or how == "replace":
        task.attachment = other
    change = edit(Task.attachment).set(other)
    writes: dict[str, Callable[[Any], Any]] = {
        "save": lambda tasks: tasks.save(task),
        "forced save": lambda tasks: tasks.save(task, force=True),
        "replace": lambda tasks: tasks.replace(task),
        "patch": lambda tasks: tasks.patch(task, attachment=other),
        "edit": lambda tasks: tasks.patch(task, change),
        "by id": lambda tasks: tasks.patch("t1", attachment=other),
        "edit by id": lambda tasks: tasks.patch("t1", change),
    }
    before = len(wire.sent)
    with pytest.raises(ReadOnlyFieldError, match="detach"):
        ask(kinto.url, writes[how])
    assert not [request for request in wire.sent[before:] if request.method != "GET"]
    assert kinto.repository(Task).download("t1") == b"x"


def test_what_is_told_of_a_file_of_another_place_is_copied(kinto: Client, ask: Ask) -> None:
    kinto.bucket("todo").collection("others").save()
    told = kinto.repository(Task).attach("t1", b"x", filename="a")
    others = kinto.repository(Task, collection="others")
    others.create(Task(id="t2"))
    there = kinto.repository(Task).get("t1")
    again = Task(id="t2", attachment=told)
    assert others.apply(others.sync_to([there, again])).created == 1
    assert others.get("t1").attachment == others.get("t2").attachment == told
    known = others.create(Task(id="t3"))
    known.attachment = told
    ask(kinto.url, lambda tasks: tasks.sibling(Task, collection="others").save(known))
    assert others.get("t3").attachment == told


def test_a_class_that_sees_less_of_a_file_replaces_its_record_all_the_same(kinto: Client, ask: Ask) -> None:
    class Named(BaseModel):
        filename: str

    class Less(Record, bucket="todo", collection="tasks", unknown="ignore"):
        title: str = ""
        attachment: Named | None = None

    class Nothing(Record, bucket="todo", collection="tasks", unknown="ignore"):
        title: str = ""

    told = kinto.repository(Task).attach("t1", b"x", filename="a")
    models: list[Any] = [Less, Nothing]
    for model in models:
        record = kinto.repository(model).get("t1")
        record.title = model.__name__
        ask(kinto.url, lambda tasks, model=model, record=record: tasks.sibling(model).replace(record))
        assert read(kinto, "t1") == {"title": model.__name__, "attachment": told.model_dump()}


def test_without_the_plugin_the_field_is_like_any_other(ask: Ask, serve: Serve) -> None:
    server = serve("without attachments", {"kinto.includes": "kinto.plugins.accounts"})
    with Client(server.url, auth=("alice", "s3cret")) as kinto:
        kinto.bucket("todo").save(force=True)
        kinto.bucket("todo").collection("tasks").save(force=True)
        told = Attachment.model_validate(TOLD)
        other = told.model_copy(update={"location": "elsewhere.txt"})
        task = Task(id="plain", attachment=told)
        for use in (
            lambda tasks: tasks.replace(task, force=True),
            lambda tasks: tasks.delete(task),
            lambda tasks: tasks.create(task),
        ):
            ask(server.url, use)
        assert task.attachment == told
        task.attachment = other
        ask(server.url, lambda tasks: tasks.save(task))
        assert read(kinto, "plain")["attachment"] == other.model_dump()
        assert ask(server.url, lambda tasks: tasks.patch("plain", attachment=None)).attachment is None


# Faults on the way


@pytest.mark.parametrize(
    "fault",
    [
        Cut("answer"),
        Cut("request"),
        Cut("request.body", 100_000),
        Cut("answer.body"),
        Answer(503, {"Retry-After": "0"}),
    ],
    ids=repr,
)
@pytest.mark.parametrize("kind", ["bytes", "path", "BytesIO", "generator"])
def test_the_second_try_sends_the_whole_file(kinto: Client, ask: Ask, tmp_path: Path, fault: Fault, kind: str) -> None:
    with Bench(kinto.url) as bench:
        plan = bench.plan(fault, on="POST")
        ask(bench.url, lambda tasks: tasks.attach("t1", sources(tmp_path)[kind](), filename="a.bin"))
        assert plan.met == 1
        assert len(bench.handed_on[-1].body) > len(LARGE)
    assert kinto.repository(Task).download("t1") == LARGE


def test_the_time_of_an_answer_begins_when_the_file_is_out(kinto: Client, ask: Ask) -> None:
    def slowly(*_: int) -> None:
        time.sleep(0.1)  # a disk that takes its time: 1.6 seconds for 16 pieces

    limits = Limits(answer_seconds=1.2)
    told = ask(
        kinto.url, lambda tasks: tasks.attach("t1", LARGE, filename="a", progress=slowly), limits=limits, retry=0
    )
    assert told.size == len(LARGE)


def test_an_upload_of_which_nobody_knows_is_uncertain(kinto: Client, ask: Ask) -> None:
    with Bench(kinto.url) as bench:
        bench.plan(Cut("answer"), on="POST")
        with pytest.raises(UncertainOutcomeError):
            ask(bench.url, lambda tasks: tasks.attach("t1", b"x", filename="a"), retry=0)
        bench.settle()


def test_a_server_that_got_other_bytes_is_found_out(ask: Ask, loopback: Loopback) -> None:
    told = {"filename": "a", "location": "a", "hash": "0" * 64, "size": 1, "mimetype": "text/plain"}
    loopback.answers(201, body=json.dumps(told).encode())
    with pytest.raises(WrongHashError, match="attach it again"):
        ask(loopback.url, lambda tasks: tasks.attach("t1", b"x", filename="a"))


def test_a_file_that_is_kept_compressed_is_compared_as_it_was_sent(ask: Ask, loopback: Loopback) -> None:
    original = {"filename": "a", "hash": sha256(b"x").hexdigest(), "size": 1, "mimetype": "text/plain"}
    told = {"filename": "a.gz", "location": "a", "hash": "0" * 64, "size": 25, "mimetype": "application/x-gzip"}
    loopback.answers(201, body=json.dumps({**told, "original": original}).encode())
    attachment = ask(loopback.url, lambda tasks: tasks.attach("t1", b"x", filename="a"))
    assert attachment.original == original
    assert attachment.model_dump() == {**told, "original": original}


# Detach


def test_a_file_is_detached(kinto: Client, ask: Ask) -> None:
    kinto.repository(Task).attach("t1", b"x", filename="a.txt")
    task = kinto.repository(Task).get("t1")
    task.title = "unsaved"
    address = task.attachment.location if task.attachment else ""
    assert ask(kinto.url, lambda tasks: tasks.detach(task)) is True
    assert (task.attachment, task.changes) == (None, {"title": "unsaved"})
    assert read(kinto, "t1")["attachment"] is None
    gone = Attachment(filename="a", location=address, hash="", size=1, mimetype="")
    with pytest.raises(NotFoundError, match="404"):
        ask(kinto.url, lambda tasks: tasks.download(gone))
    with pytest.raises(NoAttachmentError):
        ask(kinto.url, lambda tasks: tasks.detach(task))
    assert ask(kinto.url, lambda tasks: tasks.detach("t1", missing_ok=True)) is False


def test_detaching_makes_no_record(kinto: Client, ask: Ask) -> None:
    with pytest.raises(NoAttachmentError, match="does not exist"):
        ask(kinto.url, lambda tasks: tasks.detach("t1"))
    assert ask(kinto.url, lambda tasks: tasks.detach("t1", missing_ok=True)) is False
    with pytest.raises(NotSavedError):
        ask(kinto.url, lambda tasks: tasks.detach(Task(id="t1")))
    assert not kinto.repository(Task).exists("t1")


# Download from the real server


def test_a_file_is_downloaded_to_wherever_it_is_wanted(kinto: Client, ask: Ask, tmp_path: Path) -> None:
    task = Task(id="t1")
    told = task.attach(LARGE, filename="été.bin")
    for target in (task, "t1", told, kinto.repository(Task).get("t1")):
        assert ask(kinto.url, lambda tasks, target=target: tasks.download(target)) == LARGE
    assert ask(kinto.url, lambda tasks: tasks.download(task, tmp_path)) == tmp_path / "été.bin"
    assert ask(kinto.url, lambda tasks: tasks.download(task, str(tmp_path / "own"))) == tmp_path / "own"
    with (tmp_path / "file").open("wb") as file:
        assert ask(kinto.url, lambda tasks: tasks.download(task, file)) == len(LARGE)
    buffer = io.BytesIO(b"before ")
    buffer.seek(7)
    ask(kinto.url, lambda tasks: tasks.download(task, buffer))
    assert buffer.getvalue() == b"before " + LARGE
    assert {path.name: path.read_bytes() == LARGE for path in tmp_path.iterdir()} == dict.fromkeys(
        ("été.bin", "own", "file"), True
    )


def test_a_record_whose_class_says_nothing_of_a_file_has_one_all_the_same(kinto: Client) -> None:
    record = Plain(id="t1")
    record.attach(b"hello", filename="a.txt")
    assert record.download() == b"hello"
    assert kinto.repository(Plain).get("t1").download() == b"hello"

    class Ignoring(Record, bucket="todo", collection="tasks", unknown="ignore"):
        pass

    assert kinto.repository(Ignoring).get("t1").download() == b"hello"


def test_a_record_without_a_file_says_so(kinto: Client, ask: Ask) -> None:
    Task(id="t1").save()
    with pytest.raises(NoAttachmentError, match="Task 't1' has no attachment"):
        ask(kinto.url, lambda tasks: tasks.download("t1"))


async def test_an_instance_of_async_code_has_the_same_methods(kinto: Client, tmp_path: Path) -> None:
    async with AsyncClient(kinto.url, auth=("alice", "s3cret")):
        task = Task(id="t1")
        told = await task.aattach(b"hello", filename="a.txt")
        assert await task.adownload() == b"hello"
        assert await task.adownload(tmp_path) == tmp_path / "a.txt"
        assert await task.adownload(io.BytesIO()) == 5
        assert task.attachment == told
        assert await task.adetach() is True


def test_the_default_bucket_has_files_too(kinto: Client) -> None:
    kinto.bucket("default").collection("tasks").save()
    tasks = kinto.repository(Task, bucket="default")
    tasks.attach("t1", b"hello", filename="a.txt")
    assert tasks.download("t1") == b"hello"


def test_without_the_plugin_the_error_says_how_to_get_it(ask: Ask, serve: Serve) -> None:
    server = serve("without attachments", {"kinto.includes": "kinto.plugins.accounts"})
    with Client(server.url, auth=("alice", "s3cret")) as kinto:
        kinto.bucket("todo").save(force=True)
        kinto.bucket("todo").collection("tasks").save(force=True)
        kinto.repository(Plain).upsert(Plain.model_validate({"id": "t1", "attachment": TOLD}))
    for use in (
        lambda tasks: tasks.attach("t1", b"x", filename="a"),
        lambda tasks: tasks.detach("t1"),
        lambda tasks: tasks.download("t1"),
    ):
        for dry_run in (False, True):
            with pytest.raises(MissingCapabilityError, match="kinto-attachment.*kinto.includes"):
                ask(server.url, use, dry_run=dry_run)


def test_a_collection_that_is_not_there_is_told_from_a_missing_plugin(kinto: Client, ask: Ask) -> None:
    elsewhere = kinto.repository(Task, collection="nope")
    with pytest.raises(NotFoundError, match="does not exist"):
        elsewhere.attach("t1", b"x", filename="a")


# Download from servers that do what they like

CONTENT = b"what was attached"
TOLD = {
    "filename": "a.txt",
    "location": "x/a.txt",
    "hash": sha256(CONTENT).hexdigest(),
    "size": len(CONTENT),
    "mimetype": "text/plain",
}


@pytest.fixture
def cdn() -> Iterator[Loopback]:
    """Another server, which has the files."""
    server = Loopback()
    yield server
    server.close()


def hello(loopback: Loopback, base_url: str | None) -> None:
    told = {"project_name": "x", "http_api_version": "1.23", "url": loopback.url, "settings": {}}
    capabilities = {"attachments": {"description": "", "url": "", "base_url": base_url}}
    loopback.answers(body=json.dumps({**told, "capabilities": capabilities}).encode())


@pytest.fixture
def get(ask: Ask, loopback: Loopback, cdn: Loopback) -> Callable[..., Any]:
    """Downloads what a record told, whose file is on the other server."""

    def get(to: Any = None, *, told: dict[str, Any] | None = None, **options: Any) -> Any:
        hello(loopback, f"{cdn.origin}/files/")
        attachment = Attachment.model_validate({**TOLD, **(told or {})})
        return ask(loopback.url, lambda tasks: tasks.download(attachment, to), **options)

    return get


Get: TypeAlias = Callable[..., Any]


def test_another_server_gets_neither_credentials_nor_the_clients_headers(cdn: Loopback, get: Get) -> None:
    cdn.answers(body=CONTENT)
    assert get(headers={"X-Secret": "s3cret"}) == CONTENT
    assert cdn.only.line == "GET /files/x/a.txt HTTP/1.1"
    assert not {"authorization", "x-secret", "cookie"} & cdn.only.headers.keys()
    assert cdn.only.headers["accept-encoding"] == "identity"
    assert b"s3cret" not in cdn.only.head


def test_a_host_may_be_written_in_capitals(ask: Ask, loopback: Loopback, cdn: Loopback) -> None:
    hello(loopback, f"{cdn.origin.replace('127.0.0.1', 'LocalHost')}/files/")
    cdn.answers(body=CONTENT)
    assert ask(loopback.url, lambda tasks: tasks.download(Attachment.model_validate(TOLD))) == CONTENT


@pytest.mark.parametrize("base_url", ["/files/", "files/", "{origin}/files"])
def test_the_server_itself_gets_credentials_for_its_files_too(ask: Ask, loopback: Loopback, base_url: str) -> None:
    hello(loopback, base_url.format(origin=loopback.origin))
    loopback.answers(body=CONTENT)
    attachment = Attachment.model_validate(TOLD)
    options = {"headers": {"X-Own": "1"}}
    assert ask(loopback.url, lambda tasks: tasks.download(attachment), **options) == CONTENT
    asked = loopback.received[-1]
    assert asked.line.split()[1].endswith("/files/x/a.txt")
    assert {"authorization", "x-own"} <= asked.headers.keys()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_of_a_file_is_not_followed(cdn: Loopback, get: Get, tmp_path: Path, status: int) -> None:
    elsewhere = Loopback()
    cdn.answers(status, {"Location": f"{elsewhere.origin}/files/x/a.txt"})
    with pytest.raises(RedirectError, match="base_url"):
        get(tmp_path)
    assert not elsewhere.received
    assert not list(tmp_path.iterdir())
    elsewhere.close()


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1:1/files/a", "//127.0.0.1:1/a", "../a", "/a", "file:///etc/passwd"]
)
def test_a_location_elsewhere_is_an_error_and_not_asked_for(
    cdn: Loopback, get: Get, tmp_path: Path, location: str
) -> None:
    (tmp_path / "a.txt").write_bytes(b"old")
    with pytest.raises(ForeignLocationError, match="not asked for"):
        get(tmp_path, told={"location": location})
    assert not cdn.received
    assert there(tmp_path) == {"a.txt": b"old"}


def test_a_server_that_does_not_say_where_its_files_are_is_an_error(ask: Ask, loopback: Loopback) -> None:
    hello(loopback, None)
    with pytest.raises(AttachmentError, match="base_url"):
        ask(loopback.url, lambda tasks: tasks.download(Attachment.model_validate(TOLD)))


@pytest.mark.parametrize("body", [b"what was attach3d", b"", CONTENT[:-1], CONTENT + b"!"])
@pytest.mark.parametrize("where", ["folder", "path", "file", "bytes"])
def test_a_wrong_hash_or_size_leaves_the_old_file_and_nothing_else(
    cdn: Loopback, get: Get, tmp_path: Path, body: bytes, where: str
) -> None:
    (tmp_path / "a.txt").write_bytes(b"old")
    buffer = io.BytesIO()
    to = {"folder": tmp_path, "path": tmp_path / "a.txt", "file": buffer, "bytes": None}[where]
    cdn.answers(body=body)
    with pytest.raises(WrongHashError, match=r"'a\.txt'"):
        get(to)
    assert there(tmp_path) == {"a.txt": b"old"}
    assert buffer.getvalue() == b""


def test_a_file_that_never_ends_is_given_up_where_it_was_to_end(cdn: Loopback, get: Get, tmp_path: Path) -> None:
    cdn.says(b"HTTP/1.1 200 OK\r\n\r\n" + CONTENT + b"x" * 1_000_000, "stall")
    with pytest.raises(WrongHashError, match="more than the 17 bytes"):
        get(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_file_that_breaks_off_is_asked_for_again_from_its_beginning(cdn: Loopback, get: Get, tmp_path: Path) -> None:
    half = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(CONTENT) + CONTENT[:8]
    cdn.says(half, "close")
    cdn.answers(503)
    cdn.answers(body=CONTENT)
    assert get(tmp_path).read_bytes() == CONTENT
    assert len(cdn.received) == 3


@pytest.mark.parametrize("then", ["close", "reset"])
def test_a_file_that_always_breaks_off_leaves_the_old_one_and_nothing_else(
    cdn: Loopback, get: Get, tmp_path: Path, then: Any
) -> None:
    (tmp_path / "a.txt").write_bytes(b"old")
    for _ in range(3):
        cdn.says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(CONTENT) + CONTENT[:8], then)
    with pytest.raises((BrokenAnswerError, ConnectionError)) as caught:
        get(tmp_path)
    assert "may have done it" not in str(caught.value)  # there is nothing to do
    assert there(tmp_path) == {"a.txt": b"old"}
    assert len(cdn.received) == 3


def test_the_time_limits_hold_for_files_too(cdn: Loopback, get: Get, tmp_path: Path) -> None:
    cdn.says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(CONTENT) + CONTENT[:8], "stall")
    with pytest.raises(ReadTimeoutError, match="no answer within the time limit [(]"):
        get(tmp_path, timeout=(5, 0.1), retry=0)
    assert not list(tmp_path.iterdir())
    cdn.says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(CONTENT) + CONTENT[:8], "stall")
    with pytest.raises(ReadTimeoutError, match="answer_seconds"):
        get(tmp_path, limits=Limits(answer_seconds=0.1), retry=0)
    assert not list(tmp_path.iterdir())


def test_what_is_kept_in_memory_is_bounded_and_a_file_is_not(cdn: Loopback, get: Get, tmp_path: Path) -> None:
    limits = Limits(answer_bytes=1000)
    told = {"size": len(LARGE), "hash": sha256(LARGE).hexdigest()}
    cdn.answers(body=LARGE)
    with pytest.raises(AnswerTooLargeError):
        get(told=told, limits=limits)
    cdn.forget()
    cdn.answers(body=LARGE)
    assert get(tmp_path, told=told, limits=limits).read_bytes() == LARGE


def test_a_file_that_travels_compressed_is_checked_as_it_is(cdn: Loopback, get: Get) -> None:
    cdn.answers(headers={"Content-Encoding": "gzip"}, body=gzip.compress(CONTENT))
    assert get() == CONTENT


def test_a_file_that_is_there_already_is_not_asked_for(cdn: Loopback, get: Get, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(CONTENT)
    before = (tmp_path / "a.txt").stat()
    assert get(tmp_path) == tmp_path / "a.txt"
    assert not cdn.received
    assert (tmp_path / "a.txt").stat().st_mtime_ns == before.st_mtime_ns
    (tmp_path / "a.txt").write_bytes(CONTENT[:-1] + b"?")  # as long as it
    cdn.answers(body=CONTENT)
    assert get(tmp_path).read_bytes() == CONTENT
    assert len(cdn.received) == 1


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "..\\x", "C:\\x", "x\0", "\u202ex"])
def test_a_name_that_leads_elsewhere_leads_into_the_folder(cdn: Loopback, get: Get, tmp_path: Path, name: str) -> None:
    (tmp_path / "into").mkdir()
    cdn.answers(body=CONTENT)
    assert get(tmp_path / "into", told={"filename": name}) == tmp_path / "into" / "x"
    assert [path.name for path in tmp_path.iterdir()] == ["into"]


@pytest.mark.parametrize("to", ["no/such/a.txt", "nope/", "file/a.txt", "taken"])
def test_a_folder_that_does_not_exist_is_an_error_before_anything_is_asked(
    cdn: Loopback, get: Get, tmp_path: Path, to: str
) -> None:
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "a.txt").mkdir()
    with pytest.raises(FileError) as caught:
        get(os.path.join(tmp_path, to))  # noqa: PTH118  # which keeps the slash at the end
    assert isinstance(caught.value.errno, int)
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), FileError)
    assert not cdn.received
    assert (tmp_path / "file").read_bytes() == b"old"


@contextmanager
def full_disk() -> Generator[None, None, None]:
    """No file may grow beyond a few bytes, which is an error like that of a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, before[1]))
    try:
        yield
    finally:  # before pytest writes to a file of its own
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(cdn: Loopback, get: Get, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"old")
    for content in (CONTENT, LARGE):
        cdn.forget()
        cdn.answers(body=content)
        told = {"size": len(content), "hash": sha256(content).hexdigest()}
        with full_disk(), pytest.raises(FileError, match=r"a\.txt: File too large") as caught:
            get(tmp_path, told=told)
        assert isinstance(caught.value.__cause__, OSError)
        assert there(tmp_path) == {"a.txt": b"old"}
        assert len(cdn.received) == 1  # another try would not help


def test_a_file_that_cannot_be_written_to_is_an_error(cdn: Loopback, get: Get) -> None:
    cdn.answers(body=CONTENT)
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(FileError, match="No space left"):  # noqa: PTH123
        get(full)


def test_a_folder_that_may_not_be_written_to_is_an_error(cdn: Loopback, get: Get) -> None:
    cdn.answers(body=CONTENT)
    with pytest.raises(FileError):
        get("/proc/self/fd/a.txt")


def test_the_new_file_may_be_read_by_whom_the_old_one_was(cdn: Loopback, get: Get, tmp_path: Path) -> None:
    for mode in (0o600, 0o666, 0o751):
        (tmp_path / "a").write_bytes(b"old")
        (tmp_path / "a").chmod(mode)
        cdn.answers(body=CONTENT)
        get(tmp_path / "a")
        assert (tmp_path / "a").read_bytes() == CONTENT
        assert (tmp_path / "a").stat().st_mode & 0o777 == mode


def test_a_link_is_followed_where_it_was_named_and_not_where_the_server_says_the_name(
    cdn: Loopback, get: Get, tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real" / "file")
    (tmp_path / "dangling").symlink_to(tmp_path / "real" / "new")
    for link in ("link", "dangling"):
        cdn.answers(body=CONTENT)
        assert get(tmp_path / link) == tmp_path / link
        assert (tmp_path / link).is_symlink()
    assert there(tmp_path / "real") == {"file": CONTENT, "new": CONTENT}
    (tmp_path / "real" / "file").write_bytes(b"not the server's")
    (tmp_path / "a.txt").symlink_to(tmp_path / "real" / "file")
    cdn.answers(body=CONTENT)
    assert get(tmp_path) == tmp_path / "a.txt"
    assert not (tmp_path / "a.txt").is_symlink()
    assert there(tmp_path / "real")["file"] == b"not the server's"


def test_what_is_no_file_is_not_replaced_by_one(cdn: Loopback, get: Get, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.txt")
    (tmp_path / "link").symlink_to(tmp_path / "a.txt")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for to in (tmp_path, tmp_path / "a.txt", tmp_path / "link", tmp_path / "loop"):
        with pytest.raises(FileError, match="regular"):
            get(to)
    assert (tmp_path / "a.txt").is_fifo()
    assert not cdn.received


def test_what_is_neither_a_path_nor_a_file_is_refused(cdn: Loopback, get: Get, tmp_path: Path) -> None:
    for to in (5, os.fsencode(tmp_path / "a"), bytearray(b"x"), object()):
        with pytest.raises(TypeError, match="a path or to a file"):
            get(to)
    assert not cdn.received


def test_a_file_that_is_awaited_or_holds_text_is_refused(cdn: Loopback, get: Get) -> None:
    class Awaited:
        async def write(self, data: bytes) -> int:
            return len(data)

    cdn.answers(body=CONTENT)
    with pytest.raises(TypeError, match="not awaited"):
        get(Awaited())
    with pytest.raises(TypeError, match="binary"):
        get(io.StringIO())


async def test_a_download_that_is_cancelled_leaves_nothing(loopback: Loopback, cdn: Loopback, tmp_path: Path) -> None:
    hello(loopback, f"{cdn.origin}/files/")
    (tmp_path / "a.txt").write_bytes(b"old")
    cdn.says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(CONTENT) + CONTENT[:8], "stall")
    begun = asyncio.Event()
    async with AsyncClient(loopback.url) as kinto:
        attachment = Attachment.model_validate(TOLD)
        tasks = kinto.repository(Task)
        download = asyncio.create_task(tasks.download(attachment, tmp_path, progress=lambda *_: begun.set()))
        await begun.wait()
        assert len(there(tmp_path)) == 2
        download.cancel()
        with pytest.raises(asyncio.CancelledError):
            await download
    assert there(tmp_path) == {"a.txt": b"old"}


def test_an_attachment_that_is_none_is_an_error(kinto: Client) -> None:
    kinto.repository(Plain).upsert(Plain.model_validate({"id": "t1", "attachment": {"location": 5}}))
    with pytest.raises(AttachmentError, match="not what kinto-attachment tells"):
        kinto.repository(Plain).download("t1")
