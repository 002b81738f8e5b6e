"""A bar for what takes long."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from kinto_models.errors import MissingExtraError
from kinto_models.models.outcomes import Progress

try:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar
    from rich.text import Text
except ImportError as _missing:
    raise MissingExtraError('a progress bar needs rich: pip install "kinto-models[cli]"') from _missing

__all__ = ["progress_bar"]


class _Rate(ProgressColumn):
    """Objects a second, over the last half minute."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.0f}/s", style="progress.data.speed")


@contextmanager
def progress_bar(
    description: str = "", *, console: Console | None = None
) -> Generator[Callable[[Progress], None], None, None]:
    """A bar with count, rate and time left, for the ``progress`` of a bulk operation; failures are counted beside it.

    Where the iterable does not say how many objects there are, the bar only shows that it goes on.

    Parameters:
        description: what stands before the bar.
        console: rich's console to draw on; stderr by default. Nothing is drawn where that is no terminal.

    Raises:
        MissingExtraError: when it is imported and rich is not installed.
    """
    console = console or Console(stderr=True)
    bar = Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}", style="red"),
        console=console,
        disable=not console.is_terminal,
    )
    task = bar.add_task(description, total=None, failed="")

    def show(progress: Progress) -> None:
        failed = f"{progress.failed} failed" if progress.failed else ""
        bar.update(task, completed=progress.done, total=progress.total, failed=failed)

    with bar:
        yield show
