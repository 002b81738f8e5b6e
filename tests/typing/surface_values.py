# pyright: strict, reportUnnecessaryTypeIgnoreComment=error
"""What is held in the hand: the exact type of each public name of permissions, expressions, edits, results and errors.

One function a class; read by mypy --strict with and without pydantic's plugin, and by pyright; never run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel
from typing_extensions import assert_type

from kinto_models import (
    ACE,
    Account,
    Action,
    AlreadyExistsError,
    Attachment,
    BackoffError,
    BasicAuth,
    BatchError,
    BearerToken,
    BrowserOAuth,
    Bucket,
    BucketPermissions,
    BulkResult,
    Capability,
    ChangeSet,
    CollectionPermissions,
    Condition,
    ConflictError,
    Counters,
    Edit,
    Editor,
    EndOfLifeWarning,
    Event,
    Expr,
    FileError,
    Group,
    Heartbeat,
    HistoryEntry,
    HistoryTarget,
    IdGenerator,
    InvalidRecordError,
    InvalidRequestError,
    Limits,
    Outcome,
    Page,
    PermissionEntry,
    Permissions,
    Plan,
    Progress,
    RedirectError,
    RemoteChangeSet,
    RetryPolicy,
    ReviewStatus,
    Revision,
    SaveResult,
    ServerIds,
    ServerInfo,
    ServerSettings,
    ServerUser,
    ServerVersion,
    StatusError,
    Tombstone,
    TransportError,
    UncertainOutcomeError,
    UUID4Ids,
    col,
    edit,
    effective_permissions,
    key,
    was,
)
from kinto_models.models.permissions import Grants
from kinto_models.protocol.filters import Filter, Sort
from kinto_models.protocol.messages import Request, Response
from kinto_models.transports.base import Connection
from kinto_models.transports.renewing import Credentials
from tests.typing.service import Address, Task


class Editors(Group, bucket="blog", group="editors"):
    pass


def ace(readers: ACE, editors: Group) -> None:
    assert_type(readers.add("account:ada"), None)
    assert_type(readers.add(Account("ada")), None)
    assert_type(readers.add(editors), None)
    assert_type(readers.add(Editors), None)
    assert_type(readers.discard(editors), None)
    assert_type(readers.replace(["account:ada", Account("bob"), editors]), None)
    assert_type(readers.known, bool)
    assert_type(readers.changed, bool)
    assert_type(readers.grants, Grants)
    assert_type(readers.moved(readers), ACE)
    assert_type(Account("ada") in readers, bool)
    assert_type(iter(readers), Iterator[str])
    assert_type(len(readers), int)
    assert_type(readers == {"account:ada"}, bool)


def account(ada: Account) -> None:
    assert_type(ada.name, str)
    assert_type(ada.principal, str)


def permissions(of_a_record: Permissions) -> None:
    assert_type(of_a_record.read, ACE)
    assert_type(of_a_record.write, ACE)
    assert_type(of_a_record.known, bool)
    assert_type(of_a_record.changed, bool)
    assert_type(of_a_record.all(), dict[str, list[str]])
    assert_type(of_a_record.changes(), dict[str, list[str]])
    assert_type(of_a_record.grants(), dict[str, Grants])
    assert_type(of_a_record.pending(), dict[str, Grants])
    assert_type(of_a_record.held, Mapping[str, Grants])
    assert_type(of_a_record.moved(of_a_record), Permissions)


def further_permissions(of_a_collection: CollectionPermissions, of_a_bucket: BucketPermissions) -> None:
    assert_type(of_a_collection.read, ACE)
    assert_type(of_a_collection.record_create, ACE)
    assert_type(of_a_bucket.read, ACE)
    assert_type(of_a_bucket.collection_create, ACE)
    assert_type(of_a_bucket.group_create, ACE)


def expressions() -> None:
    assert_type(col(Task.title), Expr[str])
    assert_type(col(Task.due), Expr[date])
    assert_type(col(Task.address), Expr[Address])
    assert_type(col(Task.address.city), Expr[str])
    assert_type(col(col(Task.title)), Expr[str])
    assert_type(key("anything"), Expr[Any])


def expr(
    title: Expr[str], due: Expr[date], tags: Expr[list[str]], labels: Expr[set[int]], frozen: Expr[frozenset[int]]
) -> None:
    assert_type(title == "a", Condition)
    assert_type(title != None, Condition)
    assert_type(due < date.max, Condition)
    assert_type(due <= date.max, Condition)
    assert_type(due > date.max, Condition)
    assert_type(due >= date.max, Condition)
    assert_type(-due, Sort)
    assert_type(+due, Sort)
    assert_type(title.in_("a", "b"), Condition)
    assert_type(title.not_in("a", "b"), Condition)
    assert_type(title.like("a*"), Condition)
    assert_type(title.exists(False), Condition)
    assert_type(title.holds, Any)
    assert_type(tags.contains("a"), Condition)
    assert_type(tags.contains_any("a", "b"), Condition)
    assert_type(labels.contains(1), Condition)
    assert_type(labels.contains_any(1, 2), Condition)
    assert_type(frozen.contains(1), Condition)
    assert_type(frozen.contains_any(1, 2), Condition)


def condition(urgent: Condition) -> None:
    assert_type(urgent.filters, tuple[Filter, ...])
    assert_type(urgent & urgent, Condition)
    assert_type(urgent & Task.done, Condition)


def edits() -> None:
    assert_type(edit(Task.title), Editor[str])
    assert_type(edit(Task.due), Editor[date])
    assert_type(edit(Task.tags), Editor[list[str]])
    assert_type(edit(Task.address.city), Editor[str])
    assert_type(edit(key("anything")), Editor[Any])


def editor(
    due: Editor[date], tags: Editor[list[str]], labels: Editor[set[int]], frozen: Editor[frozenset[int]]
) -> None:
    assert_type(due.set(date.max), Edit)
    assert_type(due.set(None), Edit)
    assert_type(due.unset(), Edit)
    assert_type(due.expect(date.max), Edit)
    assert_type(tags.set(["a"]), Edit)
    assert_type(tags.append("a"), Edit)
    assert_type(tags.insert(0, "a"), Edit)
    assert_type(tags.remove(0), Edit)
    assert_type(labels.append(1), Edit)
    assert_type(frozen.append(1), Edit)


def one_edit(step: Edit) -> None:
    assert_type(step.how, Literal["set", "unset", "insert", "remove", "test"])
    assert_type(step.path, tuple[str, ...])
    assert_type(step.value, Any)
    assert_type(step.root, type[BaseModel] | None)


def attachment(told: Attachment, full: FileError) -> None:
    assert_type(told.filename, str)
    assert_type(told.location, str)
    assert_type(told.hash, str)
    assert_type(told.size, int)
    assert_type(told.mimetype, str)
    assert_type(told.original, dict[str, Any] | None)
    assert_type(full.errno, int | None)


def save_result(saved: SaveResult) -> None:
    assert_type(saved.created, bool)
    assert_type(saved.changed, frozenset[str])
    assert_type(saved.etag, str | None)


def event(told: Event[Task]) -> None:
    assert_type(told.action, Action)
    assert_type(told.model, type[Task])
    assert_type(told.id, str)
    assert_type(told.path, str)
    assert_type(told.obj, Task | None)
    assert_type(told.old, Task | None)


def page(first: Page[Task]) -> None:
    assert_type(first.cache_max_age, int | None)
    assert_type(first.items, list[Task])
    assert_type(first.timestamp, int | None)
    assert_type(first[0], Task)
    assert_type(first[:2], list[Task])
    assert_type(len(first), int)
    assert_type(iter(first), Iterator[Task])


def change_set(found: ChangeSet[Task]) -> None:
    assert_type(found.updated, list[Task])
    assert_type(found.deleted, list[Tombstone])
    assert_type(found.timestamp, int)
    assert_type(found.flushed, bool)
    assert_type(len(found), int)


def remote_change_set(found: RemoteChangeSet[Task]) -> None:
    assert_type(found.updated, list[Task])
    assert_type(found.deleted, list[Tombstone])
    assert_type(found.timestamp, int)
    assert_type(found.flushed, bool)
    assert_type(found.metadata, dict[str, Any])


def review_status(status: ReviewStatus) -> None:
    assert_type(ReviewStatus.WORK_IN_PROGRESS, Literal[ReviewStatus.WORK_IN_PROGRESS])
    assert_type(ReviewStatus.TO_REVIEW, Literal[ReviewStatus.TO_REVIEW])
    assert_type(ReviewStatus.TO_SIGN, Literal[ReviewStatus.TO_SIGN])
    assert_type(ReviewStatus.TO_ROLLBACK, Literal[ReviewStatus.TO_ROLLBACK])
    assert_type(ReviewStatus.TO_RESIGN, Literal[ReviewStatus.TO_RESIGN])
    assert_type(ReviewStatus.SIGNED, Literal[ReviewStatus.SIGNED])
    assert_type(ReviewStatus("to-sign"), ReviewStatus)
    assert_type(str(status), str)


def tombstone(gone: Tombstone) -> None:
    assert_type(gone.id, str)
    assert_type(gone.last_modified, int)
    assert_type(gone.deleted, Literal[True])


def outcome(of_a_get: Outcome[Task], result: Task) -> None:
    assert_type(of_a_get.target, Any)
    assert_type(of_a_get.done, bool)
    assert_type(of_a_get.error, Exception | None)
    assert_type(of_a_get.result(), Task)
    assert_type(of_a_get.succeed(result), None)
    assert_type(of_a_get.fail(ValueError()), None)


def bulk(result: BulkResult, progress: Progress) -> None:
    assert_type(result.created, int)
    assert_type(result.updated, int)
    assert_type(result.deleted, int)
    assert_type(result.unchanged, int)
    assert_type(result.failed, int)
    assert_type(result.total, int)
    assert_type(progress.done, int)
    assert_type(progress.failed, int)
    assert_type(progress.total, int | None)


def servers_facts(beat: Heartbeat, software: ServerVersion, counted: Counters) -> None:
    assert_type(beat.backends, dict[str, bool | None])
    assert_type(beat.ok, bool)
    assert_type(software.name, str | None)
    assert_type(software.version, str | None)
    assert_type(software.source, str | None)
    assert_type(software.commit, str | None)
    assert_type(counted.objects, dict[str, int])
    assert_type(counted.tombstones, dict[str, int])


def permission_entry(entry: PermissionEntry, bucket: Bucket, group: Group) -> None:
    assert_type(entry.uri, str)
    assert_type(entry.resource_name, str)
    assert_type(entry.permissions, frozenset[str])
    assert_type(entry.bucket_id, str | None)
    assert_type(entry.collection_id, str | None)
    assert_type(entry.group_id, str | None)
    assert_type(entry.record_id, str | None)
    assert_type(entry.account_id, str | None)
    assert_type(effective_permissions([Account("ada")], bucket=bucket, group=group, groups=[group]), frozenset[str])


def plan(todo: Plan[Task], revision: Revision[Task]) -> None:
    assert_type(todo.creations, list[Task])
    assert_type(todo.patches, list[Revision[Task]])
    assert_type(todo.deletions, list[Task])
    assert_type(todo.unchanged, int)
    assert_type(len(todo), int)
    assert_type(revision.desired, Task)
    assert_type(revision.current, Task)
    assert_type(revision.changed, frozenset[str])


def ids(own: IdGenerator, random: UUID4Ids, servers: ServerIds) -> None:
    assert_type(own.pattern, str)
    assert_type(own(), str)
    assert_type(random.pattern, str)
    assert_type(random(), str)
    assert_type(servers.pattern, str)
    assert_type(servers(), str)


def server(info: ServerInfo, settings: ServerSettings, user: ServerUser, capability: Capability) -> None:
    assert_type(info.project_name, str)
    assert_type(info.project_version, str)
    assert_type(info.http_api_version, str)
    assert_type(info.api_version, tuple[int, ...])
    assert_type(info.url, str)
    assert_type(info.settings, ServerSettings)
    assert_type(info.capabilities, dict[str, Capability])
    assert_type(info.require("history"), Capability)
    assert_type(info.user, ServerUser | None)
    assert_type(info.eos, date | None)
    assert_type(settings.batch_max_requests, int | None)
    assert_type(settings.readonly, bool)
    assert_type(settings.explicit_permissions, bool)
    assert_type(user.id, str)
    assert_type(user.principals, list[str])
    assert_type(user.bucket, str | None)
    assert_type(capability.description, str)
    assert_type(capability.url, str)


def signing_in(oauth: BrowserOAuth, connection: Connection) -> None:
    assert_type(BrowserOAuth("google", timeout=60, open_browser=print, show=print), BrowserOAuth)
    assert_type(oauth.at(connection), Credentials)


def options(policy: RetryPolicy, basic: BasicAuth, token: BearerToken, request: Request, response: Response) -> None:
    assert_type(RetryPolicy.of(3), RetryPolicy)
    assert_type(policy.retries, int)
    assert_type(policy.backoff, float)
    assert_type(policy.longest, float)
    assert_type(policy.budget, float | None)
    assert_type(policy.on_backoff, Literal["wait", "raise", "ignore"])
    assert_type(policy.delay(0, request, response, 0.5), float | None)
    assert_type(basic.header, str)
    assert_type(token.header, str)


def limits(taken: Limits) -> None:
    assert_type(taken.answer_bytes, int | None)
    assert_type(taken.answer_seconds, float | None)


def warning(told: EndOfLifeWarning) -> None:
    assert_type(told.code, str | None)
    assert_type(told.url, str | None)


def invalid_request(error: InvalidRequestError) -> None:
    assert_type(error.errors, tuple[dict[str, Any], ...])


def conflict_error(error: ConflictError[Task], exists: AlreadyExistsError) -> None:
    assert_type(error.mine, Task)
    assert_type(error.base, Task | None)
    assert_type(error.theirs, Task)
    assert_type(error.overlapping, frozenset[str])
    assert_type(error.rebase(), Task)
    assert_type(error.status, int)
    assert_type(exists.theirs, Any)


def uncertain_errors(uncertain: UncertainOutcomeError, backoff: BackoffError) -> None:
    assert_type(uncertain.mine, Any)
    assert_type(uncertain.base, Any)
    assert_type(uncertain.theirs, Any)
    assert_type(uncertain.refusal, StatusError | None)
    assert_type(backoff.retry_after, float)


def errors(
    refused: StatusError, redirect: RedirectError, record: InvalidRecordError, wire: TransportError, batch: BatchError
) -> None:
    assert_type(refused.status, int)
    assert_type(refused.errno, int | None)
    assert_type(refused.reason, str)
    assert_type(refused.details, Any)
    assert_type(refused.request, str)
    assert_type(refused.retry_after, float | None)
    assert_type(redirect.location, str)
    assert_type(record.model, str)
    assert_type(record.object_id, str | None)
    assert_type(record.errors, tuple[dict[str, Any], ...])
    assert_type(wire.request, str)
    assert_type(wire.sent, bool)
    assert_type(batch.failures, tuple[tuple[Any, Exception], ...])


def history_entry(entry: HistoryEntry[Task]) -> None:
    assert_type(entry.id, str)
    assert_type(entry.last_modified, int)
    assert_type(entry.action, Literal["create", "update", "delete"])
    assert_type(entry.date, datetime)
    assert_type(entry.user_id, str)
    assert_type(entry.uri, str)
    assert_type(entry.resource_name, Literal["bucket", "collection", "group", "record"])
    assert_type(entry.bucket_id, str)
    assert_type(entry.collection_id, str | None)
    assert_type(entry.group_id, str | None)
    assert_type(entry.record_id, str | None)
    assert_type(entry.object_id, str)
    assert_type(entry.timestamp, int)
    assert_type(entry.tombstone, Tombstone | None)
    assert_type(entry.target, HistoryTarget[Task])
    assert_type(entry.target.data, Task)
    assert_type(entry.as_(Group), HistoryEntry[Group])
    assert_type(entry.as_(Group).target.data.members, set[str])


def history_target(target: HistoryTarget[Task]) -> None:
    assert_type(target.data, Task)
    assert_type(target.raw, dict[str, Any])
    assert_type(target.permissions, dict[str, list[str]])


def in_the_history() -> None:
    assert_type(was(Task.title), Expr[str])
    assert_type(was(col(Task.title)), Expr[str])
    assert_type(was(Task.priority) < 3, Condition)
    assert_type(col(HistoryEntry.uri).like("*"), Condition)
