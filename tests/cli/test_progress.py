"""The bar: what it shows in a terminal, and that it shows nothing elsewhere."""

from __future__ import annotations

import io
import re
import subprocess
import sys

import pytest
from rich.console import Console

from kinto_models import BatchError, Client, Progress, Record
from kinto_models.cli import progress_bar


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""


def terminal(*, is_one: bool = True) -> tuple[Console, io.StringIO]:
    drawn = io.StringIO()
    console = Console(file=drawn, force_terminal=is_one, width=120, color_system=None, legacy_windows=False)
    return console, drawn


def last_line(drawn: io.StringIO) -> str:
    """What stands in the terminal in the end, without its control sequences."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.getvalue())
    return [line for line in re.split(r"[\r\n]+", plain) if line.strip()][-1]


def test_it_shows_how_many_are_done_and_how_many_failed() -> None:
    console, drawn = terminal()
    with progress_bar("importing", console=console) as show:
        show(Progress(25, 0, 100))
        assert "failed" not in drawn.getvalue()
        show(Progress(75, 2, 100))
    assert re.search(r"importing .*\b75/100\b.*\b2 failed", last_line(drawn))


def test_it_shows_a_rate() -> None:
    console, drawn = terminal()
    with progress_bar(console=console) as show:
        for done in range(0, 101, 25):
            show(Progress(done, 0, 100))
    assert re.search(r"100/100 +[\d,]+/s", last_line(drawn))


def test_it_goes_on_where_nobody_knows_how_many_there_are() -> None:
    console, drawn = terminal()
    with progress_bar("importing", console=console) as show:
        show(Progress(25, 0, None))
        show(Progress(5000, 1, None))
    assert re.search(r"importing .*\b5000/\?.*\b1 failed", last_line(drawn))


def test_nothing_is_drawn_where_there_is_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    console, drawn = terminal(is_one=False)
    with progress_bar("importing", console=console) as show:
        show(Progress(25, 1, 100))
    assert drawn.getvalue() == ""
    with progress_bar("importing") as show:  # stderr, which is no terminal under a test
        show(Progress(25, 1, 100))
    assert capfd.readouterr() == ("", "")


def test_an_exception_leaves_the_bar_and_the_terminal_in_order() -> None:
    console, drawn = terminal()
    with pytest.raises(ZeroDivisionError), progress_bar("importing", console=console) as show:  # noqa: PT012
        show(Progress(25, 0, 100))
        raise ZeroDivisionError
    assert "25/100" in last_line(drawn)
    assert drawn.getvalue().rstrip().endswith("\x1b[?25h")  # the cursor is shown again


def test_a_bulk_operation_draws_it(kinto: Client) -> None:
    console, drawn = terminal()
    tasks = kinto.repository(Task)
    tasks.create(Task(id="t3"))
    with progress_bar("creating", console=console) as show, pytest.raises(BatchError):
        tasks.create_many([Task(id=f"t{number}") for number in range(60)], progress=show)
    assert re.search(r"creating .*\b60/60\b.*\b1 failed", last_line(drawn))


def test_without_rich_the_error_names_the_extra() -> None:
    program = (
        "import sys; sys.modules['rich'] = None\n"
        "import kinto_models\n"
        "try:\n"
        "    from kinto_models.cli import progress_bar\n"
        "except kinto_models.MissingExtraError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == 'a progress bar needs rich: pip install "kinto-models[cli]"\n'
    assert done.stderr == ""


def test_the_package_itself_imports_no_rich() -> None:
    program = "import sys; from kinto_models import Client, Progress; print([m for m in sys.modules if m == 'rich'])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "[]\n"
