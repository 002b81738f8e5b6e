# pyright: strict, reportUnnecessaryTypeIgnoreComment=error
"""What blocks: the exact type of each public name of clients, models, repositories, queries and batches.

One function a class; read by mypy --strict with and without pydantic's plugin, and by pyright; never run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timezone
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

from pydantic import SecretStr
from typing_extensions import assert_type

from kinto_models import (
    Account,
    Accounts,
    Attachment,
    Batch,
    BatchQuery,
    BatchRepository,
    Bucket,
    BucketPermissions,
    BulkResult,
    ChangeSet,
    Client,
    Collection,
    CollectionPermissions,
    ConflictError,
    Counters,
    Edit,
    Event,
    Finder,
    Group,
    Heartbeat,
    HistoryEntry,
    Objects,
    Outcome,
    Page,
    PermissionEntry,
    Permissions,
    Plan,
    Progress,
    Query,
    Record,
    RemoteChangeSet,
    Repository,
    Resource,
    ReviewStatus,
    SaveResult,
    ServerInfo,
    ServerUser,
    ServerVersion,
    Tombstone,
    UserAccount,
    Utilities,
    col,
    connect,
)
from kinto_models.models.stored import Stored
from kinto_models.protocol.messages import Conversation, Operation, Request
from tests.typing.service import Task, Title

R = TypeVar("R", bound=Record)


def told(event: Event[Task]) -> str:
    return event.id


def client(kinto: Client, any_title: Operation[Title]) -> None:
    assert_type(kinto.subscribe(Task, "created", "updated")(told), Callable[[Event[Task]], str])
    assert_type(kinto.unsubscribe(told), None)
    assert_type(Client("https://example.com/v1", auth=("ada", "x"), headers={"A": "b"}, timeout=None, retry=2), Client)
    assert_type(Client.embedded(auth=("ada", "x"), accounts={"bob": "y"}, settings={"a": "b"}, retry=0), Client)
    assert_type(connect("https://example.com/v1", auth="Bearer x", timeout=(1, 2.5)), Client)
    assert_type(kinto.url, str)
    assert_type(kinto.repository(Task, bucket="b", collection="c"), Repository[Task])
    assert_type(kinto.buckets, Repository[Bucket])
    assert_type(kinto.bucket("b"), Bucket)
    assert_type(kinto.batch(), Batch)
    assert_type(kinto.server_info(refresh=True), ServerInfo)
    assert_type(kinto.clone(url="https://example.org/v1", auth=None, headers={}, retry=0, dry_run=True), Client)
    assert_type(kinto.withheld, tuple[Request, ...])
    assert_type(kinto.accounts, Accounts[UserAccount])
    assert_type(kinto.me(), ServerUser | None)
    assert_type(kinto.permissions(), Finder[PermissionEntry])
    assert_type(kinto.utilities, Utilities)
    assert_type(kinto.run(any_title), Title)
    assert_type(kinto.close(), None)
    with kinto as entered:
        assert_type(entered, Client)


def resource(obj: Resource) -> None:
    assert_type(Resource.get("a"), Resource)
    assert_type(Resource.find(), Finder[Resource])
    assert_type(obj.id, str)
    assert_type(obj.last_modified, int | None)
    assert_type(obj.saved, bool)
    assert_type(obj.etag, str | None)
    assert_type(obj.cache_max_age, int | None)
    assert_type(obj.dirty, bool)
    assert_type(obj.changes, dict[str, Any])
    assert_type(obj.permissions, Permissions)
    assert_type(obj.save(force=True), SaveResult)
    assert_type(obj.replace(force=True), SaveResult)
    assert_type(obj.patch(title="x"), SaveResult)
    assert_type(obj.delete(force=True, missing_ok=True), bool)
    assert_type(obj.refresh(), bool)
    assert_type(obj.rebase(obj), None)
    assert_type(Resource.kinto_schema(), dict[str, Any])


def hooks(obj: Resource, result: SaveResult) -> None:
    assert_type(obj.before_save(None), Awaitable[None] | None)
    assert_type(obj.after_save(None, result), Awaitable[None] | None)
    assert_type(obj.after_load(), Awaitable[None] | None)
    assert_type(obj.before_delete(None), Awaitable[None] | None)
    assert_type(obj.after_delete(None), Awaitable[None] | None)


def record(task: Task, an_edit: Edit, settle: Callable[[ConflictError[Task]], Task]) -> None:
    assert_type(Task.get("a"), Task)
    assert_type(Task.find(col(Task.priority) < 3), Finder[Task])
    assert_type(task.permissions, Permissions)
    assert_type(task.changes, dict[str, Any])
    assert_type(task.save(on_conflict="mine"), SaveResult)
    assert_type(task.save(on_conflict="theirs"), SaveResult)
    assert_type(task.save(on_conflict="merge"), SaveResult)
    assert_type(task.save(on_conflict="raise"), SaveResult)
    assert_type(task.save(on_conflict=settle), SaveResult)
    assert_type(task.patch(an_edit, an_edit, title="x"), SaveResult)
    assert_type(task.rebase(task), None)
    assert_type(task.history(), Finder[HistoryEntry[Task]])


def the_way_back(
    task: Task, articles: Collection, editors: Group, entry: HistoryEntry[Task], moment: datetime, record: Record
) -> None:
    assert_type(task.revert(entry), SaveResult)
    assert_type(task.revert(to=5), SaveResult)
    assert_type(task.revert(moment), SaveResult)
    assert_type(record.history(), Finder[HistoryEntry[Record]])
    assert_type(articles.history(), Finder[HistoryEntry[Collection]])
    assert_type(articles.revert(5), SaveResult)
    assert_type(editors.history(), Finder[HistoryEntry[Group]])
    assert_type(editors.revert(5), SaveResult)


def history(blog: Bucket, moment: datetime) -> None:
    assert_type(blog.history, Finder[HistoryEntry[Resource]])
    assert_type(blog.purge_history(HistoryEntry.action == "update", before=moment), int)
    assert_type(blog.purge_history(before=5), int)
    assert_type(blog.purge_history(everything=True), int)


def record_with_a_file(obj: Record) -> None:
    assert_type(obj.attach("x", filename="x", data={"title": "y"}), Attachment)
    assert_type(obj.attach(iter([b"x"]), filename="x", permissions={"write": {"account:a"}}), Attachment)
    assert_type(obj.detach(missing_ok=True), bool)
    assert_type(obj.download(), bytes)
    assert_type(obj.download(Path("x")), Path)
    assert_type(obj.download(BytesIO()), int)


def bucket(blog: Bucket) -> None:
    assert_type(Bucket.get("blog"), Bucket)
    assert_type(blog.permissions, BucketPermissions)
    assert_type(blog.collections, Objects[Collection])
    assert_type(blog.groups, Objects[Group])
    assert_type(blog.collection("articles"), Collection)
    assert_type(blog.group("editors"), Group)


def schemas(blog: Bucket) -> None:
    assert_type(blog.record_schema, dict[str, Any] | None)
    assert_type(blog.collection_schema, dict[str, Any] | None)
    assert_type(blog.group_schema, dict[str, Any] | None)


def collection(articles: Collection) -> None:
    assert_type(Collection.get("articles"), Collection)
    assert_type(articles.permissions, CollectionPermissions)
    assert_type(articles.records(Task), Objects[Task])
    assert_type(articles.json_schema, dict[str, Any] | None)
    assert_type(articles.cache_expires, int | None)
    assert_type(articles.sort, str | None)
    assert_type(articles.display_fields, list[str] | None)
    assert_type(articles.attachment, dict[str, Any] | None)


def review(articles: Collection, collections: Objects[Collection], tasks: Objects[Task]) -> None:
    assert_type(articles.review_status, ReviewStatus | str | None)
    assert_type(articles.request_review("please", force=True), SaveResult)
    assert_type(articles.approve(force=True), SaveResult)
    assert_type(articles.decline("no", force=True), SaveResult)
    assert_type(articles.rollback("oops", force=True), SaveResult)
    assert_type(articles.resign(force=True), SaveResult)
    assert_type(collections.review(articles, ReviewStatus.TO_REVIEW, message="please", force=True), SaveResult)
    assert_type(tasks.changeset(1, expected=2, bust_cache=False), RemoteChangeSet[Task])


class Member(UserAccount):
    colour: str = "blue"


def accounts(users: Accounts[UserAccount], members: Accounts[Member], member: Member) -> None:
    assert_type(users.of(Member), Accounts[Member])
    assert_type(members.get("ada"), Member)
    assert_type(members.sign_up("ada", "x", colour="red"), Member)
    assert_type(members.change_password(member, SecretStr("y")), Member)
    assert_type(users.change_password("ada", "y"), UserAccount)


def utilities(server: Utilities) -> None:
    assert_type(server.heartbeat(), Heartbeat)
    assert_type(server.lbheartbeat(), bool)
    assert_type(server.version(), ServerVersion)
    assert_type(server.openapi(), dict[str, Any])
    assert_type(server.contribute(), dict[str, Any])
    assert_type(server.counters(), Counters)
    assert_type(server.flush(), None)
    assert_type(server.delete_user_data(Account("ada")), None)


def user_account(user: UserAccount) -> None:
    assert_type(UserAccount.get("ada"), UserAccount)
    assert_type(user.id, str)
    assert_type(user.password, SecretStr | None)
    assert_type(user.principal, Account)


def group(editors: Group) -> None:
    assert_type(Group.get("editors"), Group)
    assert_type(editors.permissions, Permissions)
    assert_type(editors.members, set[str])
    assert_type(editors.principal, str)


def objects(tasks: Objects[Task], task: Task, some: list[Task], plan: Plan[Task], an_edit: Edit) -> None:
    assert_type(tasks.awaited, bool)
    assert_type(tasks.model, type[Task])
    assert_type(tasks.url, str)
    assert_type(tasks.bucket, str | None)
    assert_type(tasks.collection, str | None)
    assert_type(tasks.get("a"), Task)
    assert_type(tasks.get_or_none("a"), Task | None)
    assert_type(tasks.get_or_create(task), tuple[Task, bool])
    assert_type(tasks.create(task), Task)
    assert_type(tasks.upsert(task), SaveResult)
    assert_type(tasks.save(task, force=True, on_conflict="merge"), SaveResult)
    assert_type(tasks.modify("a", lambda found: found.tags.append("b")), Task)
    assert_type(tasks.replace(task, force=True), SaveResult)
    assert_type(tasks.patch(task, an_edit, title="x"), SaveResult)
    assert_type(tasks.patch("a", an_edit, title="x"), Task)
    assert_type(tasks.delete(task, force=True), bool)
    assert_type(tasks.delete("a", missing_ok=True), bool)
    assert_type(tasks.delete_all(), int)
    assert_type(tasks.refresh(task), bool)
    assert_type(tasks.create_many(some), BulkResult)
    assert_type(tasks.save_many(some, force=True), BulkResult)
    assert_type(tasks.upsert_many(some), BulkResult)
    assert_type(tasks.delete_many(some, force=True, missing_ok=True), BulkResult)
    assert_type(tasks.sync_to(some, delete=False), Plan[Task])
    assert_type(tasks.apply(plan), BulkResult)
    assert_type(tasks.find(Task.done), Finder[Task])
    assert_type(tasks.history("a"), Finder[HistoryEntry[Task]])
    assert_type(tasks.history_in("b"), Finder[HistoryEntry[Stored]])
    assert_type(tasks.snapshot(5, by="server"), list[Task])
    assert_type(tasks.revert(task, 5), SaveResult)
    assert_type(tasks.count(), int)
    assert_type(tasks.timestamp(), int)
    assert_type(tasks.timestamp("a"), int)
    assert_type(tasks.url_of("a"), str)
    assert_type(tasks.url_of(Task(id="a", title="b")), str)
    assert_type(tasks.exists("a"), bool)
    assert_type(tasks.changes(5), ChangeSet[Task])
    assert_type(tasks.changeset(5, bust_cache=True), RemoteChangeSet[Task])
    assert_type(tasks.review(task, "to-sign"), SaveResult)
    assert_type(tasks.watch(5, interval=0.5), Iterator[ChangeSet[Task]])
    assert_type(tasks.attach(task, b"x", filename="x", data={"title": "y"}), Attachment)
    assert_type(tasks.attach("a", Path("x"), permissions={"read": ["a"]}), Attachment)
    assert_type(tasks.detach("a", missing_ok=True), bool)
    assert_type(tasks.download(task), bytes)
    assert_type(tasks.download("a", Path("x")), Path)
    assert_type(tasks.download("a", "x"), Path)
    assert_type(tasks.download("a", BytesIO()), int)
    assert_type(tasks.sibling(Bucket, bucket="b", collection="c"), Objects[Bucket])


def repository(tasks: Repository[Task], task: Task, some: list[Task], plan: Plan[Task], an_edit: Edit) -> None:
    assert_type(tasks.awaited, bool)
    assert_type(tasks.model, type[Task])
    assert_type(tasks.url, str)
    assert_type(tasks.bucket, str | None)
    assert_type(tasks.collection, str | None)
    assert_type(tasks.get("a"), Task)
    assert_type(tasks.get_or_none("a"), Task | None)
    assert_type(tasks.get_or_create(task), tuple[Task, bool])
    assert_type(tasks.create(task), Task)
    assert_type(tasks.upsert(task), SaveResult)
    assert_type(tasks.save(task, force=True, on_conflict="merge"), SaveResult)
    assert_type(tasks.modify("a", lambda found: found.tags.append("b")), Task)
    assert_type(tasks.replace(task, force=True), SaveResult)
    assert_type(tasks.patch(task, an_edit, title="x"), SaveResult)
    assert_type(tasks.patch("a", an_edit, title="x"), Task)
    assert_type(tasks.delete(task, force=True), bool)
    assert_type(tasks.delete("a", missing_ok=True), bool)
    assert_type(tasks.delete_all(), int)
    assert_type(tasks.refresh(task), bool)
    assert_type(tasks.create_many(some), BulkResult)
    assert_type(tasks.save_many(some, force=True), BulkResult)
    assert_type(tasks.upsert_many(some), BulkResult)
    assert_type(tasks.delete_many(some, force=True, missing_ok=True), BulkResult)
    assert_type(tasks.sync_to(some, delete=False), Plan[Task])
    assert_type(tasks.apply(plan), BulkResult)
    assert_type(tasks.find(Task.done), Query[Task])
    assert_type(tasks.history("a"), Query[HistoryEntry[Task]])
    assert_type(tasks.history_in("b"), Query[HistoryEntry[Stored]])
    assert_type(tasks.snapshot(5, by="server"), list[Task])
    assert_type(tasks.revert(task, 5), SaveResult)
    assert_type(tasks.count(), int)
    assert_type(tasks.timestamp(), int)
    assert_type(tasks.timestamp("a"), int)
    assert_type(tasks.url_of("a"), str)
    assert_type(tasks.url_of(Task(id="a", title="b")), str)
    assert_type(tasks.exists("a"), bool)
    assert_type(tasks.changes(5), ChangeSet[Task])
    assert_type(tasks.changeset(5, bust_cache=True), RemoteChangeSet[Task])
    assert_type(tasks.review(task, "to-sign"), SaveResult)
    assert_type(tasks.watch(5, interval=0.5), Iterator[ChangeSet[Task]])
    assert_type(tasks.attach(task, b"x", filename="x", data={"title": "y"}), Attachment)
    assert_type(tasks.attach("a", Path("x"), permissions={"read": ["a"]}), Attachment)
    assert_type(tasks.detach("a", missing_ok=True), bool)
    assert_type(tasks.download(task), bytes)
    assert_type(tasks.download("a", Path("x")), Path)
    assert_type(tasks.download("a", "x"), Path)
    assert_type(tasks.download("a", BytesIO()), int)
    assert_type(tasks.sibling(Bucket, bucket="b", collection="c"), Repository[Bucket])


def any_repository(objs: Objects[R], obj: R) -> R:
    assert_type(objs.create(obj), R)
    assert_type(objs.find().first(), R | None)
    assert_type(objs.changes().updated, list[R])
    assert_type(type(obj).get("a"), R)
    return objs.get("a")


def what_protocols_take(tasks: Repository[Task], found: Query[Task], task: Task) -> None:
    objects: Objects[Task] = tasks
    finder: Finder[Task] = found
    assert_type(any_repository(tasks, task), Task)
    del objects, finder


def callbacks(tasks: Repository[Task], some: list[Task], plan: Plan[Task]) -> None:
    def saved(task: Task, outcome: Outcome[SaveResult]) -> None: ...
    def deleted(target: Task | str, outcome: Outcome[bool]) -> None: ...
    def applied(task: Task, outcome: Outcome[SaveResult] | Outcome[bool]) -> None: ...
    def shown(progress: Progress) -> None: ...

    assert_type(tasks.create_many(some, each=saved, progress=shown), BulkResult)
    assert_type(tasks.save_many(some, each=saved, progress=shown), BulkResult)
    assert_type(tasks.upsert_many(some, each=saved, progress=shown), BulkResult)
    assert_type(tasks.delete_many(["a", *some], each=deleted, progress=shown), BulkResult)
    assert_type(tasks.apply(plan, each=applied, progress=shown), BulkResult)


def finder(found: Finder[Task]) -> None:
    assert_type(found.where(Task.done, col(Task.priority) < 3), Finder[Task])
    assert_type(found.sort(Task.due, -col(Task.priority), "-last_modified"), Finder[Task])
    assert_type(found.limit(2), Finder[Task])
    assert_type(found.since(5), Finder[Task])
    assert_type(found.before(5), Finder[Task])
    assert_type(found.since(datetime.now(timezone.utc)).before(datetime.now(timezone.utc)), Finder[Task])
    assert_type(found.select(Title), Finder[Title])
    assert_type(found.all(consistent=True), list[Task])
    assert_type(found.first(), Task | None)
    assert_type(found.one(), Task)
    assert_type(found.one_or_none(), Task | None)
    assert_type(found.count(), int)
    assert_type(found.exists(), bool)
    assert_type(found.pages(100, consistent=True), Iterator[Page[Task]])
    assert_type(found.timestamp(), int)
    assert_type(found.if_changed(None), Page[Task] | None)
    assert_type(found.delete(), int)
    for each in found:
        assert_type(each, Task)
    for title in found.select(Title):
        assert_type(title, Title)


def query(found: Query[Task]) -> None:
    assert_type(found.where(Task.done, col(Task.priority) < 3), Query[Task])
    assert_type(found.sort(Task.due, -col(Task.priority), "-last_modified"), Query[Task])
    assert_type(found.limit(2), Query[Task])
    assert_type(found.since(5), Query[Task])
    assert_type(found.before(5), Query[Task])
    assert_type(found.since(datetime.now(timezone.utc)).before(datetime.now(timezone.utc)), Query[Task])
    assert_type(found.select(Title), Query[Title])
    assert_type(found.all(consistent=True), list[Task])
    assert_type(found.first(), Task | None)
    assert_type(found.one(), Task)
    assert_type(found.one_or_none(), Task | None)
    assert_type(found.count(), int)
    assert_type(found.exists(), bool)
    assert_type(found.pages(100, consistent=True), Iterator[Page[Task]])
    assert_type(found.timestamp(), int)
    assert_type(found.if_changed(None), Page[Task] | None)
    assert_type(found.delete(), int)
    for each in found:
        assert_type(each, Task)
    for title in found.select(Title):
        assert_type(title, Title)


def batch(many: Batch, task: Task, an_edit: Edit, begin: Callable[[], Conversation[Tombstone]]) -> None:
    assert_type(many.repository(Task, bucket="b", collection="c"), BatchRepository[Task])
    assert_type(many.create(task), Outcome[Task])
    assert_type(many.upsert(task), Outcome[SaveResult])
    assert_type(many.save(task, force=True, on_conflict="mine"), Outcome[SaveResult])
    assert_type(many.replace(task, force=True), Outcome[SaveResult])
    assert_type(many.patch(task, an_edit, title="x"), Outcome[SaveResult])
    assert_type(many.delete(task, force=True, missing_ok=True), Outcome[bool])
    assert_type(many.refresh(task), Outcome[bool])
    assert_type(many.add("a", begin, reads=True), Outcome[Tombstone])
    with many as entered:
        assert_type(entered, Batch)


def batch_repository(tasks: BatchRepository[Task], task: Task, an_edit: Edit) -> None:
    assert_type(tasks.get("a"), Outcome[Task])
    assert_type(tasks.get_or_none("a"), Outcome[Task | None])
    assert_type(tasks.get_or_create(task), Outcome[tuple[Task, bool]])
    assert_type(tasks.create(task), Outcome[Task])
    assert_type(tasks.upsert(task), Outcome[SaveResult])
    assert_type(tasks.save(task, force=True, on_conflict="merge"), Outcome[SaveResult])
    assert_type(tasks.modify("a", lambda found: found.tags.append("b")), Outcome[Task])
    assert_type(tasks.replace(task, force=True), Outcome[SaveResult])
    assert_type(tasks.patch(task, an_edit, title="x"), Outcome[SaveResult])
    assert_type(tasks.patch("a", an_edit, title="x"), Outcome[Task])
    assert_type(tasks.delete(task, force=True), Outcome[bool])
    assert_type(tasks.delete("a", missing_ok=True), Outcome[bool])
    assert_type(tasks.delete_all(), Outcome[int])
    assert_type(tasks.refresh(task), Outcome[bool])
    assert_type(tasks.find(Task.done), BatchQuery[Task])
    assert_type(tasks.history("a"), BatchQuery[HistoryEntry[Task]])
    assert_type(tasks.history_in("b"), BatchQuery[HistoryEntry[Stored]])
    assert_type(tasks.snapshot(5, by="server"), Outcome[list[Task]])
    assert_type(tasks.revert(task, 5), Outcome[SaveResult])
    assert_type(tasks.changes(5), Outcome[ChangeSet[Task]])
    assert_type(tasks.changeset(5, bust_cache=True), Outcome[RemoteChangeSet[Task]])
    assert_type(tasks.review(task, "to-sign", force=True), Outcome[SaveResult])
    assert_type(tasks.count(), Outcome[int])
    assert_type(tasks.timestamp(), Outcome[int])
    assert_type(tasks.exists("a"), Outcome[bool])


def batch_query(found: BatchQuery[Task]) -> None:
    assert_type(found.where(Task.done, col(Task.priority) < 3), BatchQuery[Task])
    assert_type(found.sort(Task.due, -col(Task.priority), "-last_modified"), BatchQuery[Task])
    assert_type(found.limit(2), BatchQuery[Task])
    assert_type(found.since(5), BatchQuery[Task])
    assert_type(found.before(5), BatchQuery[Task])
    assert_type(found.since(datetime.now(timezone.utc)).before(datetime.now(timezone.utc)), BatchQuery[Task])
    assert_type(found.select(Title), BatchQuery[Title])
    assert_type(found.all(consistent=True), Outcome[list[Task]])
    assert_type(found.first(), Outcome[Task | None])
    assert_type(found.one(), Outcome[Task])
    assert_type(found.one_or_none(), Outcome[Task | None])
    assert_type(found.count(), Outcome[int])
    assert_type(found.exists(), Outcome[bool])
    assert_type(found.timestamp(), Outcome[int])
    assert_type(found.if_changed(1), Outcome[Page[Task] | None])
    assert_type(found.delete(), Outcome[int])
