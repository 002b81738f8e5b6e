"""Makes one place equal to another, by difference: records, groups, a collection, a whole bucket; of one server or of
two.

    from kinto_models.replication import replicate

    result = replicate(staging.bucket("shop"), production.bucket("shop"), permissions=True)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias, overload

from kinto_models.models.async_interface import AsyncObjects
from kinto_models.models.interface import Objects
from kinto_models.models.outcomes import Progress
from kinto_models.models.resource import Resource
from kinto_models.replication.copying import copied
from kinto_models.replication.driving import drive, drive_async
from kinto_models.replication.places import pair_of
from kinto_models.replication.plans import PlannedList, ReplicationPlan
from kinto_models.replication.results import ReplicationFailure, ReplicationResult

__all__ = ["PlannedList", "ReplicationFailure", "ReplicationPlan", "ReplicationResult", "areplicate", "replicate"]

Told: TypeAlias = "Callable[[Progress], None] | None"
Since: TypeAlias = "int | Mapping[str, int] | None"


@overload
def replicate(
    origin: Objects[Any] | Resource,
    destination: Objects[Any] | Resource,
    *,
    permissions: bool = ...,
    since: Since = ...,
    delete: bool = ...,
    dry_run: Literal[False] = ...,
    progress: Told = ...,
) -> ReplicationResult: ...
@overload
def replicate(
    origin: Objects[Any] | Resource,
    destination: Objects[Any] | Resource,
    *,
    permissions: bool = ...,
    since: Since = ...,
    delete: bool = ...,
    dry_run: Literal[True],
    progress: Told = ...,
) -> ReplicationPlan: ...
@overload
def replicate(
    origin: Objects[Any] | Resource,
    destination: Objects[Any] | Resource,
    *,
    permissions: bool = ...,
    since: Since = ...,
    delete: bool = ...,
    dry_run: bool,
    progress: Told = ...,
) -> ReplicationResult | ReplicationPlan: ...
def replicate(  # noqa: PLR0913  # each is an option
    origin: Objects[Any] | Resource,
    destination: Objects[Any] | Resource,
    *,
    permissions: bool = False,
    since: Since = None,
    delete: bool = True,
    dry_run: bool = False,
    progress: Told = None,
) -> ReplicationResult | ReplicationPlan:
    """Makes the destination equal to the origin, and writes what differs only.

    Both are of one kind: two repositories of a class, such as ``kinto.repository(Task)`` or ``bucket.groups``, or two
    handles or instances: ``kinto.bucket("a")`` with all that is in it, ``bucket.collection("x")`` with its records, a
    group. They may have other ids, and other clients. Ids and all stored fields are kept, whether a class declares them
    or not; hooks are not called. Timestamps are the destination's own, files of attachments stay where they are.

    Each write is conditional on what was compared. What the destination refuses, or was changed there meanwhile, is
    among the failures, and the rest goes on. Where a server cannot be reached any more it is over; run again, it
    completes.

    Parameters:
        origin: what to read.
        destination: what to make equal to it. A bucket, collection or group is made if it is not there.
        permissions: replicate them too, which takes a request for each object of both sides, in batches. Groups of the
            origin's bucket become those of the destination's. Without, what is created gets the writer's own.
        since: read those records and groups only that changed after it, deletions included: ``timestamps`` of the
            result before, or milliseconds. Where the origin was flushed since, everything is compared.
        delete: whether to delete what the origin has not. It is asked for each object; in a list that these credentials
            may not read as a whole nothing is deleted, and the list is among the failures.
        dry_run: write nothing, and return what would be written, to be printed and applied.
        progress: called now and then.

    Raises:
        QueryError: ``since`` is no timestamp, or lies in the future.
        TypeError: two kinds of things, or those of async clients, which ``areplicate()`` takes.
        ValueError: both are the same.
        NotFoundError: the origin does not exist, or what the destination would be in.
        UnauthorizedError: a server does not know the credentials of its client.
        KintoError: the origin cannot be read, or a server cannot be reached.
    """
    pair = pair_of(origin, destination, awaited=False)
    return drive(copied(pair, permissions=permissions, since=since, delete=delete, dry_run=dry_run, progress=progress))


@overload
async def areplicate(
    origin: AsyncObjects[Any] | Resource,
    destination: AsyncObjects[Any] | Resource,
    *,
    permissions: bool = ...,
    since: Since = ...,
    delete: bool = ...,
    dry_run: Literal[False] = ...,
    progress: Told = ...,
) -> ReplicationResult: ...
@overload
async def areplicate(
    origin: AsyncObjects[Any] | Resource,
    destination: AsyncObjects[Any] | Resource,
    *,
    permissions: bool = ...,
    since: Since = ...,
    delete: bool = ...,
    dry_run: Literal[True],
    progress: Told = ...,
) -> ReplicationPlan: ...
@overload
async def areplicate(
    origin: AsyncObjects[Any] | Resource,
    destination: AsyncObjects[Any] | Resource,
    *,
    permissions: bool = ...,
    since: Since = ...,
    delete: bool = ...,
    dry_run: bool,
    progress: Told = ...,
) -> ReplicationResult | ReplicationPlan: ...
async def areplicate(  # noqa: PLR0913  # see replicate()
    origin: AsyncObjects[Any] | Resource,
    destination: AsyncObjects[Any] | Resource,
    *,
    permissions: bool = False,
    since: Since = None,
    delete: bool = True,
    dry_run: bool = False,
    progress: Told = None,
) -> ReplicationResult | ReplicationPlan:
    """Makes the destination equal to the origin, both of async clients: see ``replicate()``."""
    pair = pair_of(origin, destination, awaited=True)
    return await drive_async(
        copied(pair, permissions=permissions, since=since, delete=delete, dry_run=dry_run, progress=progress)
    )
