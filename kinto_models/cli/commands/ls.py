"""``kinto-models ls``: a tree of what is in a server, with counts, in three rounds for any number of buckets."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any, TypeAlias, TypeVar

import typer
from pydantic import BaseModel
from rich.text import Text
from rich.tree import Tree

from kinto_models.cli.commands.base import Run, command, typed
from kinto_models.cli.lines import shown
from kinto_models.cli.places import Spot, spot_of
from kinto_models.client import Client
from kinto_models.errors import BatchError, ForbiddenError, NotFoundError, NotSentError, UnauthorizedError
from kinto_models.models.collection import Collection
from kinto_models.models.group import Group
from kinto_models.models.outcomes import Outcome
from kinto_models.models.record import Record
from kinto_models.repository.batch import Batch

__all__ = ["ls"]

T = TypeVar("T")


class _Named(BaseModel):
    id: str


class _Members(_Named):
    members: list[str] = []


_Inside: TypeAlias = "tuple[Outcome[list[_Named]], Outcome[list[_Members]] | None]"
"""Collections, and groups where these are asked for."""


@command("ls")
def ls(
    run: Run,
    path: Annotated[str, typer.Argument(metavar="PATH", help="BUCKET or BUCKET/COLLECTION: look into this only.")] = "",
) -> None:
    """Shows buckets, collections and groups as a tree, with how many records and members they have.

    What you may not read is shown as such. JSON: one document, a list of buckets; null is what you may not read.

        kinto-models ls

        kinto-models ls blog/articles --json
    """
    spot = typed(spot_of, path, "PATH") if path else None
    if spot is not None and spot.kind not in ("bucket", "collection"):
        raise typer.BadParameter("a bucket or a collection: kinto-models get shows other objects", param_hint="PATH")
    with run.client() as kinto:
        buckets = _buckets(kinto, spot)
        if run.screen.machine:
            run.screen.document(buckets)
        else:
            user = kinto.server_info().user
            run.screen.show(_tree(kinto.url, user.id if user else "nobody", buckets))


def _buckets(kinto: Client, spot: Spot | None) -> list[dict[str, Any]]:
    """The buckets as JSON, with None for what these credentials may not read."""
    ids = [spot.bucket] if spot else sorted(each.id for each in kinto.buckets.find().select(_Named))
    with _together(kinto) as batch:
        inside = {bucket: _inside(batch, bucket, spot.collection if spot else None) for bucket in ids}
    if spot is not None:
        _require(kinto, spot, inside[spot.bucket])
    with _together(kinto) as batch:
        counts = {
            (bucket, each.id): batch.repository(Record, bucket=bucket, collection=each.id).count()
            for bucket, (collections, _) in inside.items()
            for each in _seen(collections) or ()
        }
    return [_bucket(bucket, *inside[bucket], counts) for bucket in ids]


def _inside(batch: Batch, bucket: str, only: str | None) -> _Inside:
    collections = batch.repository(Collection, bucket=bucket).find().select(_Named)
    if only is not None:
        return collections.where(Collection.id == only).all(), None
    return collections.all(), batch.repository(Group, bucket=bucket).find().select(_Members).all()


def _require(kinto: Client, spot: Spot, inside: _Inside) -> None:
    """Raises what keeps anything from being seen of what was named."""
    collections, groups = inside
    if collections.error is not None and (groups is None or groups.error is not None):
        raise collections.error
    if spot.collection is not None and not _seen(collections):
        kinto.bucket(spot.bucket).collections.get(spot.collection)


def _bucket(
    bucket: str,
    collections: Outcome[list[_Named]],
    groups: Outcome[list[_Members]] | None,
    counts: dict[tuple[str, str], Outcome[int]],
) -> dict[str, Any]:
    found = _seen(collections)
    told: dict[str, Any] = {
        "id": bucket,
        "collections": found
        and [{"id": each.id, "records": _seen(counts[bucket, each.id])} for each in sorted(found, key=_by_id)],
    }
    if groups is not None:
        grouped = _seen(groups)
        told["groups"] = grouped and [
            {"id": each.id, "members": len(each.members)} for each in sorted(grouped, key=_by_id)
        ]
    return told


def _by_id(each: _Named) -> str:
    return each.id


@contextmanager
def _together(kinto: Client) -> Generator[Batch, None, None]:
    """A batch whose outcomes are looked at one by one."""
    with suppress(BatchError), kinto.batch() as batch:
        yield batch


def _seen(outcome: Outcome[T]) -> T | None:
    """What was read, or None where these credentials may not, or it went meanwhile.

    Raises:
        KintoError: another failure, of the server or on the way to it.
    """
    error = outcome.error
    if isinstance(error, (ForbiddenError, UnauthorizedError, NotFoundError)):
        return None
    if isinstance(error, NotSentError) and isinstance(error.__cause__, Exception):
        raise error.__cause__
    return outcome.result()


def _tree(url: str, who: str, buckets: list[dict[str, Any]]) -> Tree:
    tree = Tree(Text.assemble((shown(url), "bold"), ("  as ", "dim"), (shown(who), "green")), guide_style="dim")
    for bucket in buckets:
        branch = tree.add(Text(shown(bucket["id"]), "bold blue"))
        entries = [
            *_entries(bucket["collections"], "collections", "record", "cyan"),
            *_entries(bucket.get("groups", []), "groups", "member", "magenta"),
        ]
        width = max((name.cell_len for name, _ in entries), default=0)
        for name, said in entries:
            branch.add(Text.assemble(name, " " * (width - name.cell_len + 2), said))
    if not buckets:
        tree.add(Text("no bucket that you may read", "dim"))
    return tree


def _entries(listed: list[dict[str, Any]] | None, kind: str, what: str, style: str) -> Iterator[tuple[Text, Text]]:
    if listed is None:
        yield Text(kind, "dim"), Text("not yours to list", "yellow")
    for each in listed or ():
        number = each[f"{what}s"]
        said = f"{number:,} {what}{'' if number == 1 else 's'}" if number is not None else "not yours to read"
        group = "group, " if kind == "groups" else ""
        yield Text(shown(each["id"]), style), Text(f"{group}{said}", "dim" if number is not None else "yellow")
