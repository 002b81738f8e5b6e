# pyright: strict, reportUnnecessaryTypeIgnoreComment=error
"""What is awaited: the exact type of each public name of the async clients, models, repositories, queries and batches.

One function a class; read by mypy --strict with and without pydantic's plugin, and by pyright; never run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timezone
from io import BytesIO
from pathlib import Path
from typing import Any

from typing_extensions import assert_type

from kinto_models import (
    AsyncAccounts,
    AsyncBatch,
    AsyncClient,
    AsyncFinder,
    AsyncObjects,
    AsyncQuery,
    AsyncRepository,
    AsyncUtilities,
    Attachment,
    BatchRepository,
    Bucket,
    BulkResult,
    ChangeSet,
    Collection,
    ConflictError,
    Counters,
    Edit,
    Event,
    Group,
    Heartbeat,
    HistoryEntry,
    Outcome,
    Page,
    PermissionEntry,
    Plan,
    Progress,
    Record,
    RemoteChangeSet,
    Resource,
    SaveResult,
    ServerInfo,
    ServerUser,
    ServerVersion,
    Tombstone,
    UserAccount,
    aconnect,
    col,
)
from kinto_models.models.stored import Stored
from kinto_models.protocol.messages import Conversation, Operation, Request
from tests.typing.service import Task, Title


def told(event: Event[Record]) -> Awaitable[str]:
    raise NotImplementedError


async def client(kinto: AsyncClient, any_title: Operation[Title]) -> None:
    assert_type(kinto.subscribe(Record)(told), Callable[[Event[Record]], Awaitable[str]])
    assert_type(kinto.unsubscribe(told), None)
    assert_type(AsyncClient("https://example.com/v1", auth=None, headers={"A": "b"}, timeout=3, retry=2), AsyncClient)
    assert_type(AsyncClient.embedded(auth=("ada", "x"), accounts={"bob": "y"}, settings={"a": "b"}), AsyncClient)
    assert_type(await aconnect("https://example.com/v1", auth="Bearer x", timeout=(1, 2.5)), AsyncClient)
    assert_type(kinto.url, str)
    assert_type(kinto.repository(Task, bucket="b", collection="c"), AsyncRepository[Task])
    assert_type(kinto.buckets, AsyncRepository[Bucket])
    assert_type(kinto.bucket("b"), Bucket)
    assert_type(kinto.batch(), AsyncBatch)
    assert_type(await kinto.server_info(refresh=True), ServerInfo)
    assert_type(kinto.clone(url="https://example.org/v1", auth=None, timeout=3, dry_run=True), AsyncClient)
    assert_type(kinto.withheld, tuple[Request, ...])
    assert_type(kinto.accounts, AsyncAccounts[UserAccount])
    assert_type(await kinto.me(), ServerUser | None)
    assert_type(kinto.permissions(), AsyncFinder[PermissionEntry])
    assert_type(kinto.utilities, AsyncUtilities)
    assert_type(await kinto.run(any_title), Title)
    assert_type(await kinto.close(), None)
    async with kinto as entered:
        assert_type(entered, AsyncClient)


async def utilities(server: AsyncUtilities) -> None:
    assert_type(await server.heartbeat(), Heartbeat)
    assert_type(await server.lbheartbeat(), bool)
    assert_type(await server.version(), ServerVersion)
    assert_type(await server.openapi(), dict[str, Any])
    assert_type(await server.contribute(), dict[str, Any])
    assert_type(await server.counters(), Counters)
    assert_type(await server.flush(), None)
    assert_type(await server.delete_user_data("account:ada"), None)


async def accounts(users: AsyncAccounts[UserAccount], user: UserAccount) -> None:
    assert_type(users.of(UserAccount), AsyncAccounts[UserAccount])
    assert_type(await users.get("ada"), UserAccount)
    assert_type(await users.sign_up("ada", "x", colour="red"), UserAccount)
    assert_type(await users.change_password(user, "y"), UserAccount)


async def resource(obj: Resource) -> None:
    assert_type(await Resource.aget("a"), Resource)
    assert_type(Resource.afind(), AsyncFinder[Resource])
    assert_type(await obj.asave(force=True), SaveResult)
    assert_type(await obj.areplace(force=True), SaveResult)
    assert_type(await obj.apatch(title="x"), SaveResult)
    assert_type(await obj.adelete(force=True, missing_ok=True), bool)
    assert_type(await obj.arefresh(), bool)


async def record(task: Task, an_edit: Edit, settle: Callable[[ConflictError], Awaitable[Task]]) -> None:
    assert_type(await Task.aget("a"), Task)
    assert_type(Task.afind(col(Task.priority) < 3), AsyncFinder[Task])
    assert_type(await task.asave(on_conflict="merge"), SaveResult)
    assert_type(await task.asave(on_conflict=settle), SaveResult)
    assert_type(await task.apatch(an_edit, an_edit, title="x"), SaveResult)
    assert_type(task.ahistory(), AsyncFinder[HistoryEntry[Task]])
    assert_type(await task.arevert(5), SaveResult)


async def record_with_a_file(obj: Record, pieces: AsyncIterator[bytes]) -> None:
    assert_type(await obj.aattach(pieces, filename="x", permissions={"write": {"account:a"}}), Attachment)
    assert_type(await obj.adetach(missing_ok=True), bool)
    assert_type(await obj.adownload(), bytes)
    assert_type(await obj.adownload(Path("x")), Path)
    assert_type(await obj.adownload(BytesIO()), int)


async def bucket(blog: Bucket) -> None:
    assert_type(await Bucket.aget("blog"), Bucket)
    assert_type(blog.acollections, AsyncObjects[Collection])
    assert_type(blog.agroups, AsyncObjects[Group])
    assert_type(blog.ahistory, AsyncFinder[HistoryEntry[Resource]])
    assert_type(await blog.apurge_history(HistoryEntry.action == "update", before=5), int)
    assert_type(await blog.apurge_history(everything=True), int)


async def collection(articles: Collection) -> None:
    assert_type(await Collection.aget("articles"), Collection)
    assert_type(articles.arecords(Task), AsyncObjects[Task])
    assert_type(articles.ahistory(), AsyncFinder[HistoryEntry[Collection]])
    assert_type(await articles.arevert(5), SaveResult)


async def group(editors: Group) -> None:
    assert_type(editors.ahistory(), AsyncFinder[HistoryEntry[Group]])
    assert_type(await editors.arevert(5), SaveResult)


async def review(articles: Collection, collections: AsyncObjects[Collection], tasks: AsyncObjects[Task]) -> None:
    assert_type(await articles.arequest_review("please", force=True), SaveResult)
    assert_type(await articles.aapprove(force=True), SaveResult)
    assert_type(await articles.adecline("no", force=True), SaveResult)
    assert_type(await articles.arollback("oops", force=True), SaveResult)
    assert_type(await articles.aresign(force=True), SaveResult)
    assert_type(await collections.review(articles, "to-review", message="please", force=True), SaveResult)
    assert_type(await tasks.changeset(1, expected=2, bust_cache=False), RemoteChangeSet[Task])


async def objects(tasks: AsyncObjects[Task], task: Task, some: list[Task], plan: Plan[Task], an_edit: Edit) -> None:
    assert_type(tasks.awaited, bool)
    assert_type(tasks.model, type[Task])
    assert_type(tasks.url, str)
    assert_type(tasks.bucket, str | None)
    assert_type(tasks.collection, str | None)
    assert_type(await tasks.get("a"), Task)
    assert_type(await tasks.get_or_none("a"), Task | None)
    assert_type(await tasks.get_or_create(task), tuple[Task, bool])
    assert_type(await tasks.create(task), Task)
    assert_type(await tasks.upsert(task), SaveResult)
    assert_type(await tasks.save(task, force=True, on_conflict="merge"), SaveResult)
    assert_type(await tasks.modify("a", lambda found: found.tags.append("b")), Task)
    assert_type(await tasks.replace(task, force=True), SaveResult)
    assert_type(await tasks.patch(task, an_edit, title="x"), SaveResult)
    assert_type(await tasks.patch("a", an_edit, title="x"), Task)
    assert_type(await tasks.delete(task, force=True), bool)
    assert_type(await tasks.delete("a", missing_ok=True), bool)
    assert_type(await tasks.delete_all(), int)
    assert_type(await tasks.refresh(task), bool)
    assert_type(await tasks.create_many(some), BulkResult)
    assert_type(await tasks.save_many(some, force=True), BulkResult)
    assert_type(await tasks.upsert_many(some), BulkResult)
    assert_type(await tasks.delete_many(some, force=True, missing_ok=True), BulkResult)
    assert_type(await tasks.sync_to(some, delete=False), Plan[Task])
    assert_type(await tasks.apply(plan), BulkResult)
    assert_type(tasks.find(Task.done), AsyncFinder[Task])
    assert_type(tasks.history("a"), AsyncFinder[HistoryEntry[Task]])
    assert_type(tasks.history_in("b"), AsyncFinder[HistoryEntry[Stored]])
    assert_type(await tasks.snapshot(5, by="server"), list[Task])
    assert_type(await tasks.revert(task, 5), SaveResult)
    assert_type(await tasks.count(), int)
    assert_type(await tasks.timestamp(), int)
    assert_type(await tasks.timestamp("a"), int)
    assert_type(tasks.url_of("a"), str)
    assert_type(tasks.url_of(Task(id="a", title="b")), str)
    assert_type(await tasks.exists("a"), bool)
    assert_type(await tasks.changes(5), ChangeSet[Task])
    assert_type(await tasks.changeset(5, bust_cache=True), RemoteChangeSet[Task])
    assert_type(await tasks.review(task, "to-sign"), SaveResult)
    assert_type(tasks.watch(5, interval=0.5), AsyncIterator[ChangeSet[Task]])
    assert_type(await tasks.attach(task, b"x", filename="x", data={"title": "y"}), Attachment)
    assert_type(await tasks.attach("a", Path("x"), permissions={"read": ["a"]}), Attachment)
    assert_type(await tasks.detach("a", missing_ok=True), bool)
    assert_type(await tasks.download(task), bytes)
    assert_type(await tasks.download("a", Path("x")), Path)
    assert_type(await tasks.download("a", "x"), Path)
    assert_type(await tasks.download("a", BytesIO()), int)
    assert_type(tasks.sibling(Bucket, bucket="b", collection="c"), AsyncObjects[Bucket])


async def repository(
    tasks: AsyncRepository[Task], task: Task, some: AsyncIterator[Task], plan: Plan[Task], an_edit: Edit
) -> None:
    async def change(found: Task) -> None:
        found.done = True

    assert_type(tasks.awaited, bool)
    assert_type(tasks.model, type[Task])
    assert_type(tasks.url, str)
    assert_type(tasks.bucket, str | None)
    assert_type(tasks.collection, str | None)
    assert_type(await tasks.get("a"), Task)
    assert_type(await tasks.get_or_none("a"), Task | None)
    assert_type(await tasks.get_or_create(task), tuple[Task, bool])
    assert_type(await tasks.create(task), Task)
    assert_type(await tasks.upsert(task), SaveResult)
    assert_type(await tasks.save(task, force=True, on_conflict="merge"), SaveResult)
    assert_type(await tasks.modify("a", change), Task)
    assert_type(await tasks.replace(task, force=True), SaveResult)
    assert_type(await tasks.patch(task, an_edit, title="x"), SaveResult)
    assert_type(await tasks.patch("a", an_edit, title="x"), Task)
    assert_type(await tasks.delete(task, force=True), bool)
    assert_type(await tasks.delete("a", missing_ok=True), bool)
    assert_type(await tasks.delete_all(), int)
    assert_type(await tasks.refresh(task), bool)
    assert_type(await tasks.create_many(some), BulkResult)
    assert_type(await tasks.save_many(some, force=True), BulkResult)
    assert_type(await tasks.upsert_many(some), BulkResult)
    assert_type(await tasks.delete_many(some, force=True, missing_ok=True), BulkResult)
    assert_type(await tasks.sync_to(some, delete=False), Plan[Task])
    assert_type(await tasks.apply(plan), BulkResult)
    assert_type(tasks.find(Task.done), AsyncQuery[Task])
    assert_type(tasks.history("a"), AsyncQuery[HistoryEntry[Task]])
    assert_type(tasks.history_in("b"), AsyncQuery[HistoryEntry[Stored]])
    assert_type(await tasks.snapshot(5, by="server"), list[Task])
    assert_type(await tasks.revert(task, 5), SaveResult)
    assert_type(await tasks.count(), int)
    assert_type(await tasks.timestamp(), int)
    assert_type(await tasks.timestamp("a"), int)
    assert_type(tasks.url_of("a"), str)
    assert_type(tasks.url_of(Task(id="a", title="b")), str)
    assert_type(await tasks.exists("a"), bool)
    assert_type(await tasks.changes(5), ChangeSet[Task])
    assert_type(await tasks.changeset(5, bust_cache=True), RemoteChangeSet[Task])
    assert_type(await tasks.review(task, "to-sign"), SaveResult)
    assert_type(tasks.watch(5, interval=0.5), AsyncIterator[ChangeSet[Task]])
    assert_type(await tasks.attach(task, b"x", filename="x", data={"title": "y"}), Attachment)
    assert_type(await tasks.attach("a", Path("x"), permissions={"read": ["a"]}), Attachment)
    assert_type(await tasks.detach("a", missing_ok=True), bool)
    assert_type(await tasks.download(task), bytes)
    assert_type(await tasks.download("a", Path("x")), Path)
    assert_type(await tasks.download("a", "x"), Path)
    assert_type(await tasks.download("a", BytesIO()), int)
    assert_type(tasks.sibling(Bucket, bucket="b", collection="c"), AsyncRepository[Bucket])


async def callbacks(tasks: AsyncRepository[Task], some: list[Task], plan: Plan[Task]) -> None:
    def saved(task: Task, outcome: Outcome[SaveResult]) -> None: ...
    def deleted(target: Task | str, outcome: Outcome[bool]) -> None: ...
    def applied(task: Task, outcome: Outcome[SaveResult] | Outcome[bool]) -> None: ...
    def shown(progress: Progress) -> None: ...

    assert_type(await tasks.create_many(some, each=saved, progress=shown), BulkResult)
    assert_type(await tasks.save_many(some, each=saved, progress=shown), BulkResult)
    assert_type(await tasks.upsert_many(some, each=saved, progress=shown), BulkResult)
    assert_type(await tasks.delete_many(["a", *some], each=deleted, progress=shown), BulkResult)
    assert_type(await tasks.apply(plan, each=applied, progress=shown), BulkResult)


async def finder(found: AsyncFinder[Task]) -> None:
    assert_type(found.where(Task.done, col(Task.priority) < 3), AsyncFinder[Task])
    assert_type(found.sort(Task.due, -col(Task.priority), "-last_modified"), AsyncFinder[Task])
    assert_type(found.limit(2), AsyncFinder[Task])
    assert_type(found.since(5), AsyncFinder[Task])
    assert_type(found.before(5), AsyncFinder[Task])
    assert_type(found.since(datetime.now(timezone.utc)).before(datetime.now(timezone.utc)), AsyncFinder[Task])
    assert_type(found.select(Title), AsyncFinder[Title])
    assert_type(await found.all(consistent=True), list[Task])
    assert_type(await found.first(), Task | None)
    assert_type(await found.one(), Task)
    assert_type(await found.one_or_none(), Task | None)
    assert_type(await found.count(), int)
    assert_type(await found.exists(), bool)
    assert_type(found.pages(100, consistent=True), AsyncIterator[Page[Task]])
    assert_type(await found.timestamp(), int)
    assert_type(await found.if_changed(None), Page[Task] | None)
    assert_type(await found.delete(), int)
    async for each in found:
        assert_type(each, Task)
    async for title in found.select(Title):
        assert_type(title, Title)


async def query(found: AsyncQuery[Task]) -> None:
    assert_type(found.where(Task.done, col(Task.priority) < 3), AsyncQuery[Task])
    assert_type(found.sort(Task.due, -col(Task.priority), "-last_modified"), AsyncQuery[Task])
    assert_type(found.limit(2), AsyncQuery[Task])
    assert_type(found.since(5), AsyncQuery[Task])
    assert_type(found.before(5), AsyncQuery[Task])
    assert_type(found.since(datetime.now(timezone.utc)).before(datetime.now(timezone.utc)), AsyncQuery[Task])
    assert_type(found.select(Title), AsyncQuery[Title])
    assert_type(await found.all(consistent=True), list[Task])
    assert_type(await found.first(), Task | None)
    assert_type(await found.one(), Task)
    assert_type(await found.one_or_none(), Task | None)
    assert_type(await found.count(), int)
    assert_type(await found.exists(), bool)
    assert_type(found.pages(100, consistent=True), AsyncIterator[Page[Task]])
    assert_type(await found.timestamp(), int)
    assert_type(await found.if_changed(None), Page[Task] | None)
    assert_type(await found.delete(), int)
    async for each in found:
        assert_type(each, Task)
    async for title in found.select(Title):
        assert_type(title, Title)


async def batch(many: AsyncBatch, task: Task, an_edit: Edit, begin: Callable[[], Conversation[Tombstone]]) -> None:
    assert_type(many.repository(Task, bucket="b", collection="c"), BatchRepository[Task])
    assert_type(many.create(task), Outcome[Task])
    assert_type(many.upsert(task), Outcome[SaveResult])
    assert_type(many.save(task, force=True, on_conflict="mine"), Outcome[SaveResult])
    assert_type(many.replace(task, force=True), Outcome[SaveResult])
    assert_type(many.patch(task, an_edit, title="x"), Outcome[SaveResult])
    assert_type(many.delete(task, force=True, missing_ok=True), Outcome[bool])
    assert_type(many.refresh(task), Outcome[bool])
    assert_type(many.add("a", begin, reads=True), Outcome[Tombstone])
    async with many as entered:
        assert_type(entered, AsyncBatch)
