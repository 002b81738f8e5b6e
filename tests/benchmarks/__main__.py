"""``make bench``: measures, prints the table, and writes docs/performance.md."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.benchmarks import cpu, rest, wall
from tests.benchmarks.report import Bound, Row, page, table

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"


def rows() -> list[Row]:
    """Everything, in the order of the table."""
    found: list[Row] = []
    with cpu.replayed() as root:
        got = cpu.get(root)
        found += [
            Row.compared("`repository.get` of one typed record, CPU", got, "kinto-http", "`get_record`", 0.65),
            Row.compared("the same", got, "requests", "`Session.get(...).json()`", 0.75),
        ]
        saved = cpu.save(root)
        found += [
            Row.compared("`save()` of one changed field, CPU", saved, "kinto-http", "`update_record`", 0.70),
            Row.compared("the same", saved, "requests", "`Session.patch(...).json()`"),
        ]
        at_once = cpu.get_at_once(root)
        found += [
            Row.compared("`await repository.get`, 16 at once, CPU", at_once, "kinto-http", "`AsyncClient`", 0.15),
            Row.compared("the same", at_once, "aiohttp", "`session.get(...)`, `.json()`"),
        ]
        requests_sent = rest.unchanged(root)
    loaded = cpu.load()
    found.append(
        Row.compared("load 5,000 records of nine fields, one nested, CPU", loaded, "pydantic", "`validate_json`", 1.10)
    )
    found.append(
        Row.compared("iterate 20,000 records in pages of 200, wall", wall.iterate(), "kinto-http", "`get_records`", 1.0)
    )
    found.append(Row.compared("batch of 2,000 creations, wall", wall.batch(), "kinto-http", "`batch()`", 1.0))
    updated, sizes = wall.update()
    found += [
        Row.compared(
            "bring 10,000 records up to date after 10 changed, wall", updated, "kinto-http", "`get_records()`", 0.60
        ),
        Row.ratio("the same, bytes of the answers", sizes["ours"], sizes["kinto-http"], "`get_records()`", 0.02),
    ]
    synced, written = wall.sync()
    found += [
        Row.compared("5,000 records made equal to 5,000, 10 differ, wall", synced, "kinto-http", "`replicate`", 0.05),
        Row.absolute("the same, records written", written, "", Bound(wall.DIFFERENT, exact=True)),
        Row.absolute("peak memory while iterating 100,000 records", rest.memory(), "MiB", Bound(30)),
        Row.absolute("`save()` of an unchanged record", requests_sent, "requests", Bound(0)),
    ]
    imported = rest.imports()
    found += [
        Row.compared("`import kinto_models`, wall", imported, "pydantic and requests", "`import` of both", 1.15),
        Row.compared(
            "`from kinto_models import Client, Record`, wall",
            {"ours": imported["ours, used"], "both": imported["pydantic and requests, used"]},
            "both",
            "`from pydantic import BaseModel`, `import requests`",
        ),
    ]
    return found


if __name__ == "__main__":
    measured = rows()
    print(table(measured))  # noqa: T201  # the table is what it is run for
    PAGE.write_text(page(measured), encoding="utf-8")
    sys.exit(any(row.missed for row in measured))
