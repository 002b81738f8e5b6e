"""What a class's hooks see, change and refuse, and what a client's subscribers are told."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, ClassVar, cast

import pytest
from pydantic import PrivateAttr
from typing_extensions import Self

from kinto_models import (
    AlreadyExistsError,
    AsyncClient,
    BatchError,
    Client,
    Event,
    KintoError,
    Record,
    SaveResult,
    UnknownPermissionsError,
    edit,
)
from tests.conftest import Wire
from tests.repository.conftest import ALICE, Opened, carry_out, told

Seen = list[tuple[Any, ...]]


class Watched(Record, bucket="todo", collection="tasks"):
    """Notes what is called."""

    seen: ClassVar[Seen] = []

    title: str
    size: int = 0
    tags: list[str] = []

    _loaded: int = PrivateAttr(default=0)

    def before_save(self, old: Self | None) -> None:
        self.seen.append(("before_save", old and old.title, self.title))

    def after_save(self, old: Self | None, result: SaveResult) -> None:
        self.seen.append(("after_save", old and old.title, self.title, self.etag == result.etag, result.created))

    def after_load(self) -> None:
        self._loaded += 1

    def before_delete(self, old: Self | None) -> None:
        self.seen.append(("before_delete", old and old.title))

    def after_delete(self, old: Self | None) -> None:
        self.seen.append(("after_delete", old and old.title, self.saved))


class Numbered(Record, bucket="todo", collection="tasks"):
    """Counts its own revisions, and is not to be touched once it is closed."""

    title: str
    revision: int = 0
    closed: bool = False

    def before_save(self, old: Self | None) -> None:
        if old is not None and old.closed:
            raise PermissionError(f"{old.title} is closed")
        self.revision = 1 if old is None else old.revision + 1

    def before_delete(self, old: Self | None) -> None:
        if old is not None and old.closed:
            raise PermissionError(f"{old.title} is closed")


class Awaiting(Record, bucket="todo", collection="tasks"):
    """Its hooks take their time."""

    seen: ClassVar[Seen] = []

    title: str

    async def before_save(self, old: Self | None) -> None:
        await asyncio.sleep(0)
        self.title = self.title.strip()

    async def after_save(self, old: Self | None, result: SaveResult) -> None:
        await asyncio.sleep(0)
        self.seen.append((self.title, result.created))

    async def after_load(self) -> None:
        await asyncio.sleep(0)
        self.seen.append(("loaded", self.title))


@pytest.fixture(autouse=True)
def _nothing_seen() -> None:
    Watched.seen.clear()
    Awaiting.seen.clear()


def test_a_hook_sees_the_old_state_and_the_new(kinto: Client) -> None:
    task = Watched(title="old")
    task.save()
    assert Watched.seen == [("before_save", None, "old"), ("after_save", None, "old", True, True)]
    Watched.seen.clear()
    task.title = "new"
    task.save()
    assert Watched.seen == [("before_save", "old", "new"), ("after_save", "old", "new", True, False)]
    Watched.seen.clear()
    task.delete()
    assert Watched.seen == [("before_delete", "new"), ("after_delete", "new", False)]


def test_the_old_state_is_an_instance_of_the_object(kinto: Client) -> None:
    seen: list[Any] = []

    class Curious(Record, bucket="todo", collection="tasks"):
        title: str

        def before_save(self, old: Self | None) -> None:
            seen.append(old)

    task = Curious(title="a")
    task.save()
    etag, task.title = task.etag, "b"
    task.save()
    assert (seen[0], seen[1].saved, seen[1].etag, seen[1].dirty) == (None, True, etag, False)


def test_nothing_is_called_where_nothing_changed(kinto: Client, wire: Wire) -> None:
    task = Numbered(title="a")
    task.save()
    wire.clear()
    task.save()
    assert (task.revision, wire.sent) == (1, [])


def test_a_hook_may_change_what_is_saved(kinto: Client, wire: Wire) -> None:
    task = Numbered(title="a")
    task.save()
    task.title = "b"
    assert task.save().changed == {"title", "revision"}
    assert wire.body() == {"data": {"title": "b", "revision": 2}}
    assert Numbered.get(task.id).revision == 2


def test_a_hook_may_change_what_is_patched(kinto: Client, wire: Wire) -> None:
    task = Numbered(title="a")
    task.save()
    task.closed = True
    result = task.patch(title="b")
    assert result.changed == {"title", "revision"}
    assert (task.revision, task.changes) == (2, {"closed": True})
    assert wire.body() == {"data": {"title": "b", "revision": 2}}


def test_an_edit_of_an_instance_is_seen_too(kinto: Client) -> None:
    task = Watched(title="a")
    task.save()
    Watched.seen.clear()
    task.patch(edit(Watched.tags).append("x"))
    assert Watched.seen == [("before_save", "a", "a"), ("after_save", "a", "a", True, False)]


@pytest.mark.parametrize("way", ["save", "patch", "replace", "upsert", "delete"])
def test_a_hook_refuses_before_the_request(kinto: Client, wire: Wire, way: str) -> None:
    task = Numbered(title="a", closed=True)
    task.save()
    wire.clear()
    task.closed = False
    if way == "upsert":
        other = Numbered(id=task.id, title="b")
        with pytest.raises(PermissionError, match="a is closed"):
            kinto.repository(Numbered).upsert(other)
        assert [request.method for request in wire.sent] == ["PUT"]  # which found that it is there
        return
    with pytest.raises(PermissionError, match="a is closed"):
        task.patch(title="b") if way == "patch" else getattr(task, way)()
    assert wire.sent == []


def test_what_a_hook_makes_is_checked(kinto: Client, wire: Wire) -> None:
    class Wrong(Record, bucket="todo", collection="tasks"):
        tags: list[str] = []

        def before_save(self, old: Self | None) -> None:
            self.tags.append(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    with pytest.raises(ValueError, match="tags"):
        Wrong().save()
    assert wire.sent == []


def test_every_way_of_reading_tells_the_instance(kinto: Client) -> None:
    tasks = kinto.repository(Watched)
    since = tasks.timestamp()
    task = tasks.create(Watched(id="first", title="a"))
    assert task._loaded == 0
    read = [
        Watched.get("first"),
        tasks.get_or_create(Watched(id="first", title="b"))[0],
        *Watched.find().all(),
        *Watched.find(),
        *[each for page in Watched.find().pages() for each in page],
        *tasks.changes(since).updated,
        tasks.patch("first", size=3),
    ]
    assert [each._loaded for each in read] == [1] * 7
    task.refresh()
    assert task._loaded == 1


def test_an_object_may_refuse_to_be_read(kinto: Client) -> None:
    class Shy(Record, bucket="todo", collection="tasks"):
        title: str

        def after_load(self) -> None:
            if self.title == "secret":
                raise PermissionError("not for you")

    kinto.repository(Shy).create(Shy(id="first", title="secret"))
    with pytest.raises(PermissionError, match="not for you"):
        Shy.get("first")
    with pytest.raises(PermissionError, match="not for you"):
        Shy.find().all()


def test_with_a_conflict_the_hook_sees_each_state_that_is_written_over(kinto: Client) -> None:
    task = kinto.repository(Numbered).create(Numbered(title="a"))
    other = Numbered.get(task.id)
    other.title = "theirs"
    other.save()
    task.closed = True
    task.save(on_conflict="merge")
    assert (task.title, task.closed, task.revision) == ("theirs", True, 3)


def test_nothing_follows_where_the_hook_takes_the_change_back(kinto: Client, wire: Wire) -> None:
    seen: list[str] = []

    class Stubborn(Record, bucket="todo", collection="tasks"):
        title: str

        def before_save(self, old: Self | None) -> None:
            if old is not None:
                self.title = old.title

        def after_save(self, old: Self | None, result: SaveResult) -> None:
            seen.append("saved")

    task = Stubborn(title="a")
    task.save()
    kinto.subscribe(Stubborn)(lambda event: seen.append(event.action))
    task.title = "b"
    wire.clear()
    assert task.save().changed == set()
    assert (wire.sent, seen) == ([], ["saved"])


@pytest.mark.parametrize("way", ["save", "merge", "upsert", "get_or_create", "modify", "batch"])
async def test_a_conflict_of_another_object_within_a_hook_is_not_mistaken_for_ones_own(
    kinto: Client, opened: Opened, way: str
) -> None:
    other = kinto.repository(Numbered).create(Numbered(id="other", title="a"))
    kinto.repository(Numbered).patch("other", title="theirs")
    other.title = "mine"

    class Logged(Record, bucket="todo", collection="tasks"):
        title: str

        def before_save(self, old: Self | None) -> None:
            if self.title != "first":
                kinto.repository(Numbered).save(other)

    kinto.repository(Logged).create(Logged(id="log", title="first"))
    async with opened(kinto.url) as client:
        logs = client.repository(Logged)
        log = await told(logs.get("log"))
        log.title = "second"
        calls: dict[str, Any] = {
            "save": lambda: logs.save(log),
            "merge": lambda: logs.save(log, on_conflict="merge"),
            "upsert": lambda: logs.upsert(Logged(id="log", title="third")),
            "get_or_create": lambda: logs.get_or_create(Logged(id="log", title="third")),
            "modify": lambda: logs.modify("log", lambda found: setattr(found, "title", "third")),
            "batch": lambda: carry_out(client, lambda batch: [batch.save(log, on_conflict="merge")]),
        }
        with pytest.raises(KintoError) as caught:
            await told(calls[way]())
    error: Any = caught.value
    error = error.failures[0][1] if way == "batch" else error
    assert (error.mine, error.theirs.title) == (other, "theirs")
    assert kinto.repository(Logged).get("log").title == "first"


def test_what_follows_a_write_does_not_undo_it(kinto: Client) -> None:
    class Late(Record, bucket="todo", collection="tasks"):
        title: str

        def after_save(self, old: Self | None, result: SaveResult) -> None:
            raise RuntimeError("too late")

    task = Late(title="a")
    with pytest.raises(RuntimeError, match="too late"):
        task.save()
    assert task.saved
    assert Late.get(task.id).title == "a"


def test_a_coroutine_function_is_a_hook_in_async_code_only(kinto: Client, wire: Wire) -> None:
    with pytest.raises(TypeError, match="AsyncClient"):
        Awaiting(title="a").save()
    assert wire.sent == []


async def test_async_hooks_are_awaited(kinto: Client) -> None:
    async with AsyncClient(kinto.url, auth=ALICE) as client:
        task = Awaiting(title=" a ")
        await task.asave()
        found = await Awaiting.aget(task.id)
        assert [each.title async for each in Awaiting.afind()] == ["a"]
        async with client.batch() as batch:
            found.title = " b "
            batch.save(found)
            batch.create(Awaiting(title=" c "))
    assert sorted(Awaiting.seen[:3]) == [("a", True), ("loaded", "a"), ("loaded", "a")]
    assert sorted(Awaiting.seen[3:]) == [("b", False), ("c", True)]


async def test_an_async_batch_awaits_what_resolves_its_conflicts(kinto: Client) -> None:
    async def take(conflict: Any) -> None:
        await asyncio.sleep(0)
        conflict.mine.title = "both"

    async with AsyncClient(kinto.url, auth=ALICE) as client:
        tasks = client.repository(Numbered)
        task = await tasks.create(Numbered(title="a"))
        await tasks.patch(task.id, title="theirs")
        task.title = "mine"
        async with client.batch() as batch:
            saved = batch.save(task, on_conflict=take)
            batch.create(Numbered(title="other"))
        assert saved.result().changed == {"title", "revision"}
        assert task.title == "both"


async def test_a_batch_calls_the_hooks_of_each(kinto: Client, opened: Opened) -> None:
    async with opened(kinto.url) as client:
        closed, free = Numbered(title="closed", closed=True), Numbered(title="free")
        await carry_out(client, lambda batch: [batch.create(closed), batch.create(free)])
        closed.title, free.title = "x", "y"
        with pytest.raises(BatchError, match="closed is closed") as caught:
            await carry_out(client, lambda batch: [batch.save(closed), batch.save(free), batch.delete(closed)])
        assert [type(error) for _, error in caught.value.failures] == [PermissionError, PermissionError]
        assert (free.revision, closed.saved) == (2, True)


async def test_bulk_operations_call_the_hooks_of_each(kinto: Client, opened: Opened) -> None:
    async with opened(kinto.url) as client:
        tasks = client.repository(Numbered)
        many = [Numbered(id=f"n{number}", title=str(number)) for number in range(30)]
        await told(tasks.create_many(many))
        assert {each.revision for each in many} == {1}
        wanted = [Numbered(id=each.id, title="new", revision=1) for each in many]
        await told(tasks.apply(await told(tasks.sync_to(wanted))))
        assert {each.revision for each in await told(tasks.find().all())} == {2}


# Subscribers


async def test_subscribers_are_told_what_was_written(kinto: Client, opened: Opened) -> None:
    events: list[Event[Any]] = []
    async with opened(kinto.url) as client:
        client.subscribe(Watched)(events.append)
        tasks = client.repository(Watched)
        task = Watched(id="first", title="a")
        await told(tasks.save(task))
        task.title = "b"
        await told(tasks.save(task))
        await told(tasks.save(task))
        await told(tasks.delete(task))
    assert [(event.action, event.id, event.old and event.old.title) for event in events] == [
        ("created", "first", None),
        ("updated", "first", "a"),
        ("deleted", "first", "b"),
    ]
    assert all(event.obj is task for event in events)
    assert {(event.path, event.model) for event in events} == {
        ("/buckets/todo/collections/tasks/records/first", Watched)
    }


async def test_what_is_written_without_an_instance_is_told_by_its_id(kinto: Client, opened: Opened) -> None:
    events: list[Event[Numbered]] = []
    async with opened(kinto.url) as client:
        tasks = client.repository(Numbered)
        for name in "abcd":
            await told(tasks.create(Numbered(id=name, title=name)))
        client.subscribe(Numbered)(events.append)
        await told(tasks.patch("a", title="x"))
        await told(tasks.delete("a"))
        await told(tasks.delete("a", missing_ok=True))
        await told(tasks.find(Numbered.title == "b").delete())
        await told(tasks.delete_all())
    assert [(each.action, each.id, each.obj and each.obj.title) for each in events[:3]] == [
        ("updated", "a", "x"),
        ("deleted", "a", None),
        ("deleted", "b", None),
    ]
    assert {(each.action, each.id) for each in events[3:]} == {("deleted", "c"), ("deleted", "d")}


def test_a_subscriber_hears_of_its_class_and_its_actions_only(kinto: Client) -> None:
    heard: list[str] = []

    @kinto.subscribe(Watched, "created")
    def created(event: Event[Watched]) -> None:
        heard.append(f"created {event.id}")

    @kinto.subscribe(Record, "updated", "deleted")
    def changed(event: Event[Record]) -> None:
        heard.append(f"{event.action} {event.id}")

    watched, numbered = Watched(id="w", title="a"), Numbered(id="n", title="a")
    for task in (watched, numbered):
        task.save()
        task.title = "b"
        task.save()
    kinto.bucket("todo").collection("others").save()  # no record
    numbered.delete()
    assert heard == ["created w", "updated w", "updated n", "deleted n"]
    kinto.unsubscribe(changed)
    kinto.unsubscribe(changed)
    watched.delete()
    assert heard == ["created w", "updated w", "updated n", "deleted n"]


def test_nobody_is_told_of_what_failed(kinto: Client) -> None:
    heard: list[str] = []
    kinto.subscribe(Watched)(lambda event: heard.append(event.action))
    Watched(id="first", title="a").save()
    with pytest.raises(AlreadyExistsError):
        Watched(id="first", title="b").save()
    assert heard == ["created"]


def test_a_failing_subscriber_is_logged_and_the_write_stands(kinto: Client, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []

    @kinto.subscribe(Numbered)
    def fail(event: Event[Numbered]) -> None:
        raise RuntimeError("the mail server is down")

    kinto.subscribe(Numbered)(lambda event: heard.append(event.action))
    with caplog.at_level(logging.ERROR, "kinto_models"):
        result = Numbered(title="a").save()
    assert (result.created, heard) == (True, ["created"])
    assert "the mail server is down" in caplog.text


async def test_an_async_client_awaits_its_subscribers(kinto: Client, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []
    async with AsyncClient(kinto.url, auth=ALICE) as client:

        @client.subscribe(Numbered)
        async def slow(event: Event[Numbered]) -> None:
            await asyncio.sleep(0)
            heard.append(event.id)

        @client.subscribe(Numbered)
        async def fail(event: Event[Numbered]) -> None:
            await asyncio.sleep(0)
            raise RuntimeError("the mail server is down")

        await Numbered(id="a", title="a").asave()
        async with client.batch() as batch:
            batch.create(Numbered(id="b", title="b"))
            batch.create(Numbered(id="c", title="c"))
    assert heard == ["a", "b", "c"]
    assert caplog.text.count("the mail server is down") == 6  # the traceback and its last line


@pytest.mark.parametrize(
    ("model", "actions", "error"),
    [(str, (), TypeError), (Record, ("saved",), ValueError), ("Record", (), TypeError)],
)
def test_a_wrong_subscription_is_refused_at_once(
    kinto: Client, model: Any, actions: tuple[Any, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        kinto.subscribe(model, *actions)(print)


def test_a_blocking_client_takes_no_coroutine_function(kinto: Client) -> None:
    async def slow(event: Event[Record]) -> None: ...

    with pytest.raises(TypeError, match="plain functions"):
        kinto.subscribe(Record)(slow)


def test_what_is_done_is_told_also_where_a_hook_fails_afterwards(kinto: Client) -> None:
    class Late(Record, bucket="todo", collection="tasks"):
        title: str

        def after_save(self, old: Self | None, result: SaveResult) -> None:
            raise RuntimeError("too late")

        def after_delete(self, old: Self | None) -> None:
            raise RuntimeError("too late")

        def after_load(self) -> None:
            if self.title == "y":
                raise RuntimeError("too late")

    heard: list[str] = []
    kinto.subscribe(Late)(lambda event: heard.append(event.action))
    late = Late(id="l1", title="x")
    with pytest.raises(RuntimeError):
        late.save()
    with pytest.raises(RuntimeError):
        kinto.repository(Late).patch("l1", title="y")
    with pytest.raises(RuntimeError):
        late.delete(force=True)
    assert heard == ["created", "updated", "deleted"]


def test_what_a_repository_of_a_class_writes_of_its_subclass_is_told_to_that(kinto: Client) -> None:
    class Special(Numbered):
        """One more kind."""

    heard: list[type] = []
    kinto.subscribe(Special)(lambda event: heard.append(event.model))
    kinto.repository(Numbered).create(Special(title="x"))
    kinto.repository(Numbered).create(Numbered(title="x"))
    assert heard == [Special]


def test_a_decorator_without_its_class_is_an_error(kinto: Client) -> None:
    with pytest.raises(TypeError, match="takes a Record"):
        kinto.subscribe(cast("Any", print))


def test_a_subscriber_that_would_have_to_be_awaited_is_logged(kinto: Client, caplog: pytest.LogCaptureFixture) -> None:
    async def slow(event: Event[Numbered]) -> None: ...

    def begin(event: Event[Numbered]) -> object:
        return slow(event)

    kinto.subscribe(Numbered)(begin)
    assert Numbered(title="x").save().created
    assert "would have to be awaited" in caplog.text


def test_what_a_hook_grants_is_patched_too(kinto: Client) -> None:
    class Public(Record, bucket="todo", collection="tasks"):
        title: str
        tags: list[str] = []

        def before_save(self, old: Self | None) -> None:
            self.permissions.read.add("system.Everyone" if self.title == "x" else "account:bob")

    note = Public(id="p1", title="x")
    note.save()
    assert note.patch(title="y").changed == {"title", "permissions"}
    assert set(Public.get("p1").permissions.read) == set(note.permissions.read) == {"system.Everyone", "account:bob"}
    note.permissions.read.discard("account:bob")
    note.save()
    note.patch(edit(Public.tags).append("a"))
    assert "account:bob" in Public.get("p1").permissions.read
    listed = Public.find().one()
    with pytest.raises(UnknownPermissionsError, match="refresh"):
        listed.patch(title="z")
