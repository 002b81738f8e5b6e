"""``kinto-models permissions``: what one may do, and where."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

import typer
from rich.text import Text

from kinto_models.cli.commands.base import Limit, Run, command
from kinto_models.cli.lines import shown
from kinto_models.cli.places import short
from kinto_models.cli.screen import cell, columns
from kinto_models.models.entries import PermissionEntry

__all__ = ["permissions"]


class Kind(str, Enum):
    """What permissions are given on; ``root`` is the server, where buckets are created."""

    ROOT = "root"
    BUCKET = "bucket"
    COLLECTION = "collection"
    GROUP = "group"
    RECORD = "record"
    ACCOUNT = "account"


@command("permissions")
def permissions(
    run: Run,
    *,
    resource_name: Annotated[
        Kind | None,
        typer.Option(help="Only of this kind.", rich_help_panel="Lists"),
    ] = None,
    limit: Limit = None,
) -> None:
    """Shows what you may do, and where: each object that lets you read, write or create something.

    The server must have the permissions endpoint. JSON: a line for each object.

        kinto-models permissions --resource-name collection
    """
    with run.client() as kinto:
        found = kinto.permissions()
        if resource_name is not None:
            found = found.where(PermissionEntry.resource_name == resource_name.value)
        run.listed(found, limit, _json, _table)


def _json(entry: PermissionEntry) -> dict[str, Any]:
    return {**entry.model_dump(mode="json"), "permissions": sorted(entry.permissions)}


def _table(entries: list[PermissionEntry]) -> Any:
    table = columns("kind", "where", cut=["permissions"])
    for entry in entries:
        table.add_row(
            Text(shown(entry.resource_name), "dim"),
            Text(shown(short(entry.uri)), "cyan"),
            cell(shown(", ".join(sorted(entry.permissions)))),
        )
    return table
