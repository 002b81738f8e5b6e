"""``kinto-models get``: an object, or what is in a list."""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import Annotated, Any, Final

import typer
from rich.table import Table
from rich.text import Text

from kinto_models.cli.commands.base import Limit, Run, command, typed
from kinto_models.cli.lines import shown
from kinto_models.cli.places import ANY_ID, place_of
from kinto_models.cli.screen import cell, columns, compact, moment
from kinto_models.cli.times import Since, timestamp_of
from kinto_models.client import Client
from kinto_models.models.expressions import Condition, key
from kinto_models.models.ids import UUID4Ids
from kinto_models.models.record import Record
from kinto_models.protocol import operations
from kinto_models.protocol.filters import Filter, Operator
from kinto_models.protocol.paths import Plural

__all__ = ["get"]

_COMPARISON: Final = re.compile(r"([\w.]+)\s*(==|=|!=|<=|<|>=|>|~)(.*)", re.DOTALL)
_OPERATORS: Final = {
    "=": Operator.EQ,
    "==": Operator.EQ,
    "!=": Operator.NOT,
    "<": Operator.LT,
    "<=": Operator.MAX,
    ">": Operator.GT,
    ">=": Operator.MIN,
    "~": Operator.LIKE,
}
_COLUMN: Final = 18
"""Characters of a terminal's width that a column is worth."""
_OWN: Final = ("id", "last_modified")


def condition(text: str) -> Condition:
    """Reads a comparison, such as ``priority<3``; what it compares with is JSON, or else text.

    Raises:
        ValueError: another form.
    """
    found = _COMPARISON.fullmatch(text.strip())
    if found is None:
        raise ValueError("a comparison, such as 'priority<3', 'title~write*' or 'done=true'")
    field, operator, value = found.groups()
    try:
        value = json.loads(value)
    except ValueError:
        value = value.strip()
    return Condition(Filter(field, _OPERATORS[operator], value))


def _keys(text: str) -> list[object]:
    return [-key(name[1:]) if name.startswith("-") else key(name) for name in text.split(",")]


@command("get")
def get(  # noqa: PLR0913  # each is an option
    run: Run,
    path: Annotated[str, typer.Argument(metavar="PATH", help="What to show.")],
    *,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "-w",
            "--where",
            metavar="CONDITION",
            help="Only what meets it: FIELD, one of = != < <= > >= ~ (like, with *), VALUE. May be repeated.",
            rich_help_panel="Lists",
        ),
    ] = None,
    sort: Annotated[
        str, typer.Option(metavar="FIELDS", help="By these: -due,title; the latest first.", rich_help_panel="Lists")
    ] = "",
    limit: Limit = None,
    since: Since = "",
    fields: Annotated[
        str, typer.Option(metavar="FIELDS", help="Only these columns: title,due.", rich_help_panel="Lists")
    ] = "",
) -> None:
    """Shows an object, or what is in a list.

    PATH is BUCKET, BUCKET/COLLECTION or BUCKET/COLLECTION/RECORD; with a slash at its end, what is in it; or any path
    of Kinto's, such as /buckets/blog/groups.

    JSON: of an object one document, data and permissions, as Kinto answers it; of a list a line for each object.

        kinto-models get blog/articles/hello

        kinto-models get blog/articles/ --where 'words>=1000' --sort=-words --json
    """
    place = typed(place_of, path, "PATH")
    if place.object_id is not None:
        if where or sort or limit or since or fields:
            raise typer.BadParameter("an object is no list: end it with a slash for what is in it", param_hint="PATH")
        with run.client() as kinto:
            _object(run, kinto, place.plural, place.object_id)
        return
    conditions = [typed(condition, text, "--where") for text in where or ()]
    keys = _keys(sort) if sort else []
    start = typed(timestamp_of, since, "--since") if since else None
    with run.client() as kinto:
        found = kinto.repository(_class_of(place.plural)).find(*conditions)
        found = found.sort(*keys) if keys else found
        found = found.since(start) if start is not None else found
        asked = fields.split(",") if fields else None
        width = run.screen.out.width

        def table(rows: list[Record]) -> Table:
            listed = [_data(each, asked) for each in rows]
            if empty := [name for name in asked or () if all(row[name] is None for row in listed)]:
                run.screen.note(f"nothing in {', '.join(empty)}")
            return _table(listed, asked, width)

        run.listed(found, limit, lambda each: _data(each, asked), table)


class _AnyIds(UUID4Ids):
    pattern = ANY_ID


def _class_of(plural: Plural) -> type[Record]:
    class Anything(Record, path=plural.path, ids=_AnyIds()): ...

    return Anything


def _object(run: Run, kinto: Client, plural: Plural, object_id: str) -> None:
    answer = kinto.run(operations.get(plural, object_id))
    told: dict[str, Any] = json.loads(answer.body)
    if run.screen.machine:
        run.screen.document(told)
        return
    data, permissions = told.get("data", {}), told.get("permissions")
    changed = moment(data.get("last_modified")) if isinstance(data, dict) else ""
    run.screen.show(Text.assemble((shown(object_id), "bold"), (f"  {changed} UTC", "dim")))
    run.screen.pretty(data)
    for name, principals in (permissions or {}).items():
        run.screen.show(Text.assemble((f"{shown(name)}: ", "dim"), shown(", ".join(principals))))


def _data(each: Record, fields: list[str] | None) -> dict[str, Any]:
    data = each.model_dump(mode="json", by_alias=True)
    return data if fields is None else {name: data.get(name) for name in (*_OWN, *fields)}


def _table(rows: list[dict[str, Any]], fields: list[str] | None, width: int) -> Table:
    """As many columns as fit, in the order in which they come; the names of the others below."""
    names = list(dict.fromkeys(name for row in rows for name in row if name not in _OWN)) if fields is None else fields
    shown_names = names if fields is not None else list(islice(names, max(1, width // _COLUMN - len(_OWN))))
    left = [shown(name) for name in names if name not in shown_names]
    table = columns("id", "last modified (UTC)", cut=map(shown, shown_names))
    table.columns[0].style, table.columns[1].style = "cyan", "dim"
    table.caption = f"also: {', '.join(left)}" if left else None
    for row in rows:
        values = (cell(compact(row.get(name))) for name in shown_names)
        table.add_row(shown(row["id"]), moment(row.get("last_modified")), *values)
    return table
