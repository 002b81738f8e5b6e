"""``kinto-models replicate``: makes one place equal to another, of one server or of two."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from typing import Annotated, Final

import typer
from rich.text import Text

from kinto_models.cli.commands.base import ONE_SERVER, Run, command, typed, usage
from kinto_models.cli.lines import shown
from kinto_models.cli.options import Option, usual
from kinto_models.cli.places import Spot, spot_of
from kinto_models.cli.progress import progress_bar
from kinto_models.cli.status import Status
from kinto_models.cli.times import timestamp_of
from kinto_models.client import Client
from kinto_models.models.resource import Resource
from kinto_models.replication import (
    PlannedList,
    ReplicationFailure,
    ReplicationPlan,
    ReplicationResult,
    replicate,
)

__all__ = ["replicate_command"]

_ELSEWHERE: Final = ("bucket", "collection", "retry", "timeout", "dry_run", "verbosity")
_BESIDES: Final = ("server", "auth", "bucket", "collection", "retry", "timeout", "verbosity")


def _side(prefix: str, name: str) -> Iterator[Option]:
    for option in usual(prefix=prefix, without=_ELSEWHERE):
        words = "Its server, if not that of --server" if option.required else "Credentials there, as for --auth"
        yield replace(option, required=False, group=name, help=words)


_OPTIONS: Final = (
    *_side("from", "origin"),
    *_side("to", "destination"),
    *(replace(option, required=False) for option in ONE_SERVER),
    *(
        replace(
            option, flags=("-n", *option.flags), group="options", help="Write nothing, and show what would be written"
        )
        for option in usual(without=_BESIDES)
    ),
)
_MARKS: Final = {"create": "+", "change": "~", "delete": "-"}
_STYLES: Final = {
    **dict.fromkeys(("create", "created"), "green"),
    **dict.fromkeys(("change", "updated"), "yellow"),
    **dict.fromkeys(("delete", "deleted"), "red"),
    "failed": "bold red",
}
_NAMED: Final = 5
"""Objects of a list that a plan names for each thing that is to be done."""


@command("replicate", options=_OPTIONS)
def replicate_command(  # noqa: PLR0913  # each is an option
    run: Run,
    origin: Annotated[
        str, typer.Argument(metavar="ORIGIN", help="BUCKET, BUCKET/COLLECTION or a group: what to read.")
    ],
    destination: Annotated[
        str, typer.Argument(metavar="DESTINATION", help="Of the same kind: what to make equal to it.")
    ],
    *,
    permissions: Annotated[bool, typer.Option("--permissions", help="Replicate permissions too.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Delete nothing at the destination.")] = False,
    since: Annotated[
        str,
        typer.Option(metavar="WHEN", help="Read only what changed since: a timestamp, a date (UTC), an age: 24h."),
    ] = "",
) -> None:
    """Makes a bucket, a collection or a group equal to another one, and writes what differs only.

    The servers are those of --from-server and --to-server; where one is not given, that of --server. Credentials go to
    the server that they were given for. Nothing is asked: try --dry-run first. Run again, it completes what was cut
    off.

    JSON: one document: the plan for a dry run, or what was done. Status 6 where some objects failed.

        kinto-models replicate shop shop --from-server https://staging.example.com/v1 --dry-run

        kinto-models replicate shop shop-copy --permissions
    """
    one, other = typed(spot_of, origin, "ORIGIN"), typed(spot_of, destination, "DESTINATION")
    after = typed(timestamp_of, since, "--since") if since else None
    if one.kind == "record" or one.kind != other.kind:
        raise typer.BadParameter(
            "two buckets, two collections or two groups (/buckets/ID/groups/ID)", param_hint="DESTINATION"
        )
    with ExitStack() as sides:
        source, target = (
            _at(sides.enter_context(run.side("from")), one),
            _at(sides.enter_context(run.side("to")), other),
        )
        if run.args.verbosity is None:  # it warns of the first failure, and all are named at the end
            logging.getLogger("kinto_models").setLevel(logging.ERROR)
        with progress_bar("Replicating", console=run.screen.err) as progress, usage("DESTINATION"):
            done = replicate(
                source,
                target,
                permissions=permissions,
                since=after,
                delete=not keep,
                dry_run=bool(run.args.dry_run),
                progress=progress,
            )
    if isinstance(done, ReplicationPlan):
        _show_plan(run, done)
    else:
        _show_result(run, done)
    run.end(Status.PARTLY if done.failures else Status.DONE)


def _at(kinto: Client, spot: Spot) -> Resource:
    bucket = kinto.bucket(spot.bucket)
    if spot.group is not None:
        return bucket.group(spot.group)
    return bucket if spot.collection is None else bucket.collection(spot.collection)


def _show_result(run: Run, done: ReplicationResult) -> None:
    counts = {name: getattr(done, name) for name in ("created", "updated", "deleted", "unchanged", "failed")}
    if run.screen.machine:
        run.screen.document({**counts, "failures": _failures(done.failures), "timestamps": dict(done.timestamps)})
        return
    run.screen.show(Text(", ").join(_count(number, name) for name, number in counts.items()))
    _say_failures(run, done.failures)
    if done.timestamp is not None:
        run.screen.note(f"to go on from here: --since {done.timestamp}")


def _count(number: int, name: str, before: str = "") -> Text:
    return Text(f"{number:,} {before}{name}", _STYLES.get(name, "") if number else "dim")


def _show_plan(run: Run, plan: ReplicationPlan) -> None:
    if run.screen.machine:
        lists = [
            {
                "origin": each.origin,
                "destination": each.destination,
                "create": each.creations,
                "change": {object_id: sorted(names) for object_id, names in each.changes.items()},
                "delete": each.deletions,
                "unchanged": each.unchanged,
            }
            for each in plan.lists
        ]
        run.screen.document({"lists": lists, "failures": _failures(plan.failures)})
        return
    for each in plan.lists:
        run.screen.show(*_lines(each))
    _say_failures(run, plan.failures)
    run.screen.note("this was a dry run: nothing was written" if plan else "nothing differs")


def _lines(planned: PlannedList) -> Iterator[Text]:
    """What is to be written in a list, the first objects of it by name."""
    kinds: dict[str, dict[str, frozenset[str]]] = {
        "create": dict.fromkeys(planned.creations, frozenset()),
        "change": planned.changes,
        "delete": dict.fromkeys(planned.deletions, frozenset()),
    }
    counts = [_count(len(objects), name, "to ") for name, objects in kinds.items()]
    heading = Text(shown(planned.destination), "bold" if len(planned) else "")
    counted = Text(", ").join([*counts, Text(f"{planned.unchanged:,} unchanged", "dim")])
    yield Text.assemble(heading, "  ", counted)
    for name, objects in kinds.items():
        style = _STYLES[name]
        for object_id in islice(objects, _NAMED):
            changed = f"  {shown(', '.join(sorted(objects[object_id])))}".rstrip()
            yield Text.assemble((f"  {_MARKS[name]} {shown(object_id)}", style), (changed, "dim"))
        if (left := len(objects) - _NAMED) > 0:
            yield Text(f"  {_MARKS[name]} and {left:,} more", f"dim {style}")


def _failures(failures: tuple[ReplicationFailure, ...]) -> list[dict[str, str]]:
    return [{"uri": each.uri, "error": str(each.error)} for each in failures]


def _say_failures(run: Run, failures: tuple[ReplicationFailure, ...]) -> None:
    for each in failures:
        run.screen.fail(f"{each.uri}: {each.error}")
