"""The commands of ``kinto-models``, each in a module of its own; ``run()`` is the program."""

from __future__ import annotations

import sys
from io import TextIOWrapper

from kinto_models.cli.commands import attachments, get, history, info, ls, permissions, replicate
from kinto_models.cli.commands.base import app

__all__ = ["app", "attachments", "get", "history", "info", "ls", "permissions", "replicate", "run"]


def run() -> int:
    """Runs what the command line says, and returns the status to exit with."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # letters that the terminal has not are no reason to fail
    app(prog_name="kinto-models")
    return 0
