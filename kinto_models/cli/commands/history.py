"""``kinto-models history``: who did what when."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

import typer
from rich.text import Text

from kinto_models.cli.commands.base import Limit, Run, command, typed
from kinto_models.cli.lines import shown
from kinto_models.cli.places import short, spot_of
from kinto_models.cli.screen import cell, columns, compact
from kinto_models.cli.times import Before, Since, timestamp_of
from kinto_models.models.history import HistoryEntry
from kinto_models.models.resource import Resource
from kinto_models.protocol import operations

__all__ = ["history"]

_STYLES = {"create": "green", "update": "yellow", "delete": "red"}


class Action(str, Enum):
    """What was done."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@command("history")
def history(  # noqa: PLR0913  # each is an option
    run: Run,
    path: Annotated[str, typer.Argument(metavar="PATH", help="BUCKET[/COLLECTION[/RECORD]]; /buckets/ID/groups/ID.")],
    *,
    action: Annotated[Action | None, typer.Option(help="Only this.", rich_help_panel="Lists")] = None,
    user: Annotated[
        str,
        typer.Option(
            metavar="USER",
            help="Only what this one did: alice, for account:alice, or a principal.",
            rich_help_panel="Lists",
        ),
    ] = "",
    since: Since = "",
    before: Before = "",
    limit: Limit = None,
) -> None:
    """Shows who did what when, the latest first: to a bucket, a collection, a record or a group, and to what is
    in it.

    The server must have Kinto's history plugin. JSON: a line for each entry, as Kinto has it: the object as it was
    afterwards is in `target.data`.

        kinto-models history blog/articles --since 7d --action delete

        kinto-models history blog --user alice --json
    """
    spot = typed(spot_of, path, "PATH")
    after = typed(timestamp_of, since, "--since") if since else None
    until = typed(timestamp_of, before, "--before") if before else None
    with run.client() as kinto:
        found = kinto.bucket(spot.bucket).history
        if spot.group is not None:
            found = found.where(HistoryEntry.group_id == spot.group)
        if spot.collection is not None:
            found = found.where(HistoryEntry.collection_id == spot.collection)
        if spot.record is not None:
            found = found.where(HistoryEntry.record_id == spot.record)
        whole = found
        if action is not None:
            found = found.where(HistoryEntry.action == action.value)
        if user:
            found = found.where(HistoryEntry.user_id == (user if ":" in user else f"account:{user}"))
        found = found.since(after) if after is not None else found
        found = found.before(until) if until is not None else found

        def empty() -> None:
            if not whole.count():  # what was deleted has a history still
                kinto.run(operations.get(spot.place.plural, spot.place.object_id or ""))

        run.listed(found, limit, _json, _table, empty=empty)


def _json(entry: HistoryEntry[Resource]) -> dict[str, Any]:
    return entry.model_dump(mode="json", by_alias=True)


def _table(entries: list[HistoryEntry[Resource]]) -> Any:
    table = columns("when (UTC)", "who", "what", "where", cut=["as it was afterwards"])
    for entry in entries:
        table.add_row(
            Text(f"{entry.date:%Y-%m-%d %H:%M:%S}", "dim"),
            Text(shown(entry.user_id), "magenta"),
            Text(entry.action, _STYLES[entry.action]),
            Text(shown(short(entry.uri)), "cyan"),
            cell(compact(entry.target.raw) if entry.action != "delete" else ""),
        )
    return table
