"""``kinto-models attachments pull``: the files beside a collection's records."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from kinto_models.cli.commands.base import Run, app, command, typed, usage
from kinto_models.cli.places import spot_of
from kinto_models.cli.progress import progress_bar
from kinto_models.cli.status import Status
from kinto_models.errors import KintoError
from kinto_models.models.expressions import col, key
from kinto_models.models.interface import Finder, Objects
from kinto_models.models.outcomes import Progress
from kinto_models.models.record import Record

__all__ = ["pull"]

group: typer.Typer = typer.Typer(help="The files beside records, of kinto-attachment.", no_args_is_help=True)
app.add_typer(group, name="attachments")


@dataclass(frozen=True)
class _Pulled:
    """What became of one file: a line of the JSON."""

    record: str
    path: str | None
    fetched: bool
    error: str | None = None


@command("pull", of=group)
def pull(
    run: Run,
    path: Annotated[str, typer.Argument(metavar="PATH", help="BUCKET/COLLECTION, or one record of it.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to. It is made if it is not there.")],
    *,
    jobs: Annotated[
        int, typer.Option("-j", "--jobs", min=1, max=32, metavar="N", help="How many files to fetch at a time.")
    ] = 4,
) -> None:
    """Fetches the files of a collection's records, each to FOLDER/RECORD/NAME.

    A file takes its name once its size and its SHA-256 are right; one that is there already and right is not fetched
    again. Where one fails the others go on; it is named at the end, and the status is 6.

    JSON: a line for each file.

        kinto-models attachments pull blog/images ./images -j 8
    """
    spot = typed(spot_of, path, "PATH")
    if spot.collection is None:
        raise typer.BadParameter("files are in collections: BUCKET/COLLECTION", param_hint="PATH")
    with run.client() as kinto:
        kinto.server_info().require("attachments")
        records = kinto.bucket(spot.bucket).collection(spot.collection).records(Record)
        found = records.find(key("attachment").exists())
        if spot.record is not None:
            records.get(spot.record)  # which there is to be
            found = found.where(col(Record.id) == spot.record)
        found.limit(1).all()  # whose error says what is not there; that of the count, a HEAD, does not
        with usage("FOLDER"):
            _make(folder)
        pulled = _pulled(run, records, found, folder, jobs)
    failed = [each for each in pulled if each.error is not None]
    if not run.screen.machine:
        fetched = sum(each.fetched for each in pulled)
        there = len(pulled) - fetched - len(failed)
        run.screen.show(Text(f"{fetched:,} fetched, {there:,} already there, {len(failed):,} failed"))
    for each in failed:
        run.screen.fail(f"{each.record}: {each.error}")
    run.end(Status.PARTLY if failed else Status.DONE)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{folder} is no folder, and cannot be made: {error.strerror}") from None


def _pulled(run: Run, records: Objects[Record], found: Finder[Record], folder: Path, jobs: int) -> list[_Pulled]:
    pulled: list[_Pulled] = []

    def fetch(record: Record) -> _Pulled:
        return _fetch(records, record, folder)

    with (
        progress_bar("Files", console=run.screen.err) as show,
        ThreadPoolExecutor(jobs, thread_name_prefix="pull") as pool,
    ):
        total, failed = found.count(), 0
        with_file = (each for each in found if (each.model_extra or {}).get("attachment") is not None)
        for each in _in_order(pool, fetch, with_file, 2 * jobs):
            pulled.append(each)
            failed += each.error is not None
            show(Progress(len(pulled), failed, total))
            if run.screen.machine:
                run.screen.line(asdict(each))
    return pulled


def _in_order(
    pool: ThreadPoolExecutor, fetch: Callable[[Record], _Pulled], records: Iterable[Record], ahead: int
) -> Iterator[_Pulled]:
    """The results in the order of the records, of which no more are read than are soon needed."""
    pending: deque[Future[_Pulled]] = deque()
    try:
        for record in records:
            pending.append(pool.submit(fetch, record))
            if len(pending) >= ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for each in pending:
            each.cancel()


def _fetch(records: Objects[Record], record: Record, folder: Path) -> _Pulled:
    own = folder / record.id  # an id has no dots and no slashes: see ID_PATTERN
    try:
        own.mkdir(parents=True, exist_ok=True)
        before = {each.name: each.inode() for each in os.scandir(own)}
        path = records.download(record, own)
        # What was fetched has taken the place of what was there, and is another file.
        return _Pulled(record.id, str(path), fetched=before.get(path.name) != path.stat().st_ino)
    except (KintoError, OSError) as error:
        return _Pulled(record.id, None, fetched=False, error=str(error))
