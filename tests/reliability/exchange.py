"""The table of faults: each operation, with its connection cut at each boundary, by both kinds of client, with and
without retries; what the library reports is held against what another client then reads on the server.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Final

from kinto_models import AsyncClient, Client, RetryPolicy
from kinto_models.embedded import EmbeddedServer
from tests.faults import Answer, Bench, Cut, Fault, Garble
from tests.reliability.figures import Figure
from tests.reliability.operations import OPERATIONS, PAGES, Act, Case, Entry, Listed, attachment
from tests.reliability.reports import Report, report_of

__all__ = ["Cell", "cells", "measure", "servers", "table", "violations"]

LIMIT: Final = 10.0
"""Seconds that an operation may take."""
AUTH: Final = ("alice", "s3cret")
FAULTS: Final[dict[str, Fault | None]] = {
    "no server": None,
    "connecting": Cut("connection"),
    "request": Cut("request"),
    "req. head": Cut("request.head"),
    "req. body": Cut("request.body"),
    "sent": Cut("sent"),
    "answer": Cut("answer"),
    "ans. head": Cut("answer.head"),
    "ans. body": Cut("answer.body"),
    "409, wait": Answer(409, {"Retry-After": "0"}, b'{"errno": 122}'),
    "503, wait": Answer(503, {"Retry-After": "0"}, b'{"errno": 201}'),
    "503, proxy": Answer(503, {"Retry-After": "0"}, b"<html>"),
    "502, done": Garble("answer.head", 9, b"502"),
}
"""By the names of the table's columns; after the cuts, a server that asks to wait, a proxy that does, and a server that
has done it and says that it failed.
"""
WAYS: Final = {
    ("blocking", "retries"): RetryPolicy(retries=3, backoff=0.01, longest=0.05),
    ("blocking", "none"): RetryPolicy(retries=0),
    ("async", "retries"): RetryPolicy(retries=3, backoff=0.01, longest=0.05),
    ("async", "none"): RetryPolicy(retries=0),
}
"""The four letters of a cell, in this order."""


@dataclass
class Cell:
    """What came of one operation under one fault."""

    operation: str
    fault: str
    way: tuple[str, str]
    reports: list[Report] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def refused(self) -> bool:
        """Whether there was nobody to connect to, so that nothing was sent."""
        return FAULTS[self.fault] is None

    @property
    def refused_by_kinto(self) -> bool:
        """Whether the answer says for certain that nothing was done."""
        fault = FAULTS[self.fault]
        return isinstance(fault, Answer) and b"errno" in fault.body

    @property
    def letter(self) -> str:
        """The report; of a batch with several, the one that says least."""
        return max(self.reports, key=list(Report).index).value


@contextmanager
def servers() -> Generator[tuple[Client, dict[str, Act]]]:
    """A client of a Kinto, and the operations that this Kinto knows."""
    acts = dict(OPERATIONS)
    settings = {"kinto.includes": "kinto.plugins.flush", "multiauth.policies": "basicauth", "kinto.paginate_by": "3"}
    with tempfile.TemporaryDirectory() as folder:
        if find_spec("kinto_attachment") and find_spec("cgi"):
            settings["kinto.includes"] += " kinto_attachment"
            settings |= {"kinto.attachment.base_path": folder, "kinto.attachment.base_url": "http://files.example/"}
            acts["upload an attachment"] = Act(attachment, "POST", "/attachment")
        server = EmbeddedServer({}, settings)
        direct = Client(server.url, auth=AUTH)
        try:
            direct.bucket("faults").save()
            for collection in ("tasks", "pages"):
                direct.bucket("faults").collection(collection).save()
            direct.repository(Listed).create_many(Listed(title=str(n)) for n in range(PAGES))
            yield direct, acts
        finally:
            direct.close()
            server.stop()


def cells(direct: Client, acts: dict[str, Act]) -> Iterator[Cell]:
    """Does every operation under every fault, in each way."""
    for name, act in acts.items():
        for boundary, fault in FAULTS.items():
            if not act.body and fault == Cut("request.body"):
                continue
            for way in WAYS:
                cell = Cell(name, boundary, way)
                with Bench(direct.url, seconds=3 * LIMIT) as bench:
                    _carried_out(cell, act, bench, direct)
                yield cell


def _carried_out(cell: Cell, act: Act, bench: Bench, direct: Client) -> None:
    url = bench.url
    near = Client(url, auth=AUTH)  # not closed by a with block, which would make it the active one
    case = act.prepare(near, direct)
    near.close()
    before, fault = [_seen(entry) for entry in case.entries], FAULTS[cell.fault]
    plan = bench.plan(fault or Cut("request"), on=act.on, path=act.path)
    if fault is None:
        bench.close()
    if not _within(LIMIT, url, cell.way, case):
        cell.reports.append(Report.HANG)
        cell.wrong.append(f"hang of more than {LIMIT:g} s")
        return
    bench.settle()
    if fault is not None and not plan.met:
        cell.wrong.append("the fault was not met: the table is wrong")
    for entry, seen in zip(case.entries, before, strict=True):
        _fill(cell, case, entry)
        if isinstance(entry.outcome, BaseException) and _seen(entry) != seen:
            cell.wrong.append(f"the instance was touched by {type(entry.outcome).__name__}")


def _fill(cell: Cell, case: Case, entry: Entry) -> None:
    report = report_of(entry.outcome)
    cell.reports.append(report)
    named = "" if report is Report.DONE else f" ({type(entry.outcome).__name__})"
    cell.wrong += [wrong + named for wrong in _judged(cell, case, entry, report)]


def _judged(cell: Cell, case: Case, entry: Entry, report: Report) -> Iterator[str]:
    """What is wrong with a report."""
    must = WAYS[cell.way].retries > 0 and not cell.refused and report is not Report.DONE
    if case.reads:
        if must or report in (Report.UNCERTAIN, Report.FOREIGN):
            yield "a read that is reported as a write, or was not tried again"
        return
    times = entry.times()
    if contradiction := report.contradicted_by(times):
        yield contradiction
    if report is Report.UNCERTAIN and cell.refused:
        yield "uncertain, although nothing can have left this machine"
    if report is Report.UNCERTAIN and not isinstance(entry.outcome.__cause__, Exception):
        yield "uncertain, without its cause"
    if must and (entry.resolvable or cell.refused_by_kinto):
        yield "not cleared, although it could be sent again"
    if report is Report.DONE and times == 1 and not _agrees(entry):
        yield "the instance does not show that it is saved"


def _agrees(entry: Entry) -> bool:
    instance = entry.instance
    return instance is None or entry.outcome is True or not instance.dirty


def _seen(entry: Entry) -> object:
    obj = entry.instance
    return obj and (obj.model_dump(), obj.etag, obj.changes, obj.saved, repr(obj.permissions))


def _within(seconds: float, url: str, way: tuple[str, str], case: Case) -> bool:
    """Does it in a thread of its own; whether it ended in time."""
    thread = threading.Thread(target=asyncio.run, args=[_done(url, way, case)], daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


async def _done(url: str, way: tuple[str, str], case: Case) -> None:
    options: dict[str, Any] = {"auth": AUTH, "retry": WAYS[way], "timeout": (2, 5)}
    if way[0] == "blocking":
        with Client(url, **options) as blocking:
            await case.do(blocking)
    else:
        async with AsyncClient(url, **options) as awaited:
            await case.do(awaited)


def violations(found: list[Cell]) -> list[str]:
    """What is wrong in the table, the same of several cells once."""
    where: dict[tuple[str, str], list[str]] = {}
    for cell in found:
        for wrong in dict.fromkeys(cell.wrong):
            where.setdefault((cell.operation, wrong), []).append(f"{cell.fault} ({' '.join(cell.way)})")
    return [f"{operation}: {wrong}: {', '.join(cut)}" for (operation, wrong), cut in where.items()]


def table(found: list[Cell]) -> str:
    """The letters, a row an operation: blocking with retries and without, async with and without."""
    rows: dict[str, dict[str, str]] = {}
    for cell in found:
        row = rows.setdefault(cell.operation, {})
        row[cell.fault] = row.get(cell.fault, "") + cell.letter + ("!" if cell.wrong else "")
    lines = [" ".join([" " * 22, *(f"{name:10}" for name in FAULTS)])]
    lines += [" ".join([f"{name:22}", *(f"{row.get(fault, ''):10}" for fault in FAULTS)]) for name, row in rows.items()]
    lines.append("D done, U uncertain, F failed server, N not done, X no error of the tree, H hang; ! contradicted.")
    lines.append("The letters of a cell: blocking with retries, blocking without, async with, async without.")
    return "\n".join(lines)


def measure() -> list[Figure]:
    """Prints the table."""
    with servers() as (direct, acts):
        found = list(cells(direct, acts))
    print(table(found), *violations(found), sep="\n")
    if "upload an attachment" not in acts:
        print("without the upload of an attachment: kinto-attachment is not installed, or does not run on this Python")
    wrong = sum(1 for cell in found if cell.wrong)
    return [Figure(f"{len(found)} exchanges with a fault, reports that are wrong", wrong, "0", not wrong)]
