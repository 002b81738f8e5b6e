"""For programs in a terminal: the usual options of scripts, their exit statuses, and a progress bar, which
needs the ``cli`` extra.

Commands of typer have theirs from ``kinto_models.cli.typer``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kinto_models.cli.scripts import add_options, async_client_from, client_from, setup_logging
from kinto_models.cli.status import Status, exit_status

if TYPE_CHECKING:
    from kinto_models.cli.progress import progress_bar

__all__ = [
    "Status",
    "add_options",
    "async_client_from",
    "client_from",
    "exit_status",
    "progress_bar",
    "setup_logging",
]


def __getattr__(name: str) -> Any:
    if name == "progress_bar":  # which imports rich
        from kinto_models.cli.progress import progress_bar

        return progress_bar
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
