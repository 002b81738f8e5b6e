# pyright: strict, reportUnnecessaryTypeIgnoreComment=error
"""The exact type of each public name of ``kinto_models.replication``; read by checkers, never run."""

from __future__ import annotations

from collections.abc import Mapping

from typing_extensions import assert_type

from kinto_models import AsyncClient, AsyncObjects, Bucket, Client, Collection, Objects, Progress
from kinto_models.replication import (
    PlannedList,
    ReplicationFailure,
    ReplicationPlan,
    ReplicationResult,
    areplicate,
    replicate,
)
from tests.typing.service import Task


def told(progress: Progress) -> None: ...


def blocking(blog: Bucket, articles: Collection, tasks: Objects[Task], kinto: Client, dry_run: bool) -> None:  # noqa: FBT001
    assert_type(replicate(blog, blog, permissions=True, since=5, delete=False, progress=told), ReplicationResult)
    assert_type(replicate(articles, articles, since={"/buckets/a/groups": 5}, dry_run=False), ReplicationResult)
    assert_type(replicate(tasks, kinto.repository(Task), dry_run=True), ReplicationPlan)
    assert_type(replicate(blog.groups, blog.groups, dry_run=dry_run), ReplicationResult | ReplicationPlan)
    replicate(kinto, kinto)  # type: ignore[call-overload]
    replicate(tasks, tasks, since="yesterday")  # type: ignore[call-overload]


async def awaited(blog: Bucket, tasks: AsyncObjects[Task], kinto: AsyncClient, dry_run: bool) -> None:  # noqa: FBT001
    assert_type(await areplicate(blog, blog, permissions=True, since=5, progress=told), ReplicationResult)
    assert_type(await areplicate(tasks, kinto.repository(Task), dry_run=True), ReplicationPlan)
    assert_type(await areplicate(blog.agroups, blog.agroups, dry_run=dry_run), ReplicationResult | ReplicationPlan)
    await areplicate(blog.groups, blog.groups)  # type: ignore[call-overload]


def result(done: ReplicationResult, failure: ReplicationFailure) -> None:
    assert_type((done.created, done.updated, done.deleted, done.unchanged), tuple[int, int, int, int])
    assert_type((done.failed, done.total, done.timestamp), tuple[int, int, int | None])
    assert_type(done.failures, tuple[ReplicationFailure, ...])
    assert_type(done.timestamps, Mapping[str, int])
    assert_type(done.raise_failures(), None)
    assert_type((failure.uri, failure.error), tuple[str, Exception])


async def plan(planned: ReplicationPlan, part: PlannedList) -> None:
    assert_type(planned.lists, tuple[PlannedList, ...])
    assert_type(planned.failures, tuple[ReplicationFailure, ...])
    assert_type(planned.apply(progress=told), ReplicationResult)
    assert_type(await planned.aapply(progress=told), ReplicationResult)
    assert_type((part.origin, part.destination, part.unchanged), tuple[str, str, int])
    assert_type((part.creations, part.deletions), tuple[list[str], list[str]])
    assert_type(part.changes, dict[str, frozenset[str]])
