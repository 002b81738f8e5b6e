"""The commands of ``kinto-models``, each in a module of its own; ``run()`` is the program."""

from __future__ import annotations

import sys
from io import BufferedWriter, RawIOBase, TextIOWrapper

from kinto_models.cli.commands import attachments, get, history, info, ls, permissions, replicate
from kinto_models.cli.commands.base import app

__all__ = ["app", "attachments", "get", "history", "info", "ls", "permissions", "replicate", "run"]


def run() -> int:
    """Runs what the command line says, and returns the status to exit with."""
    if isinstance(out := getattr(sys.stdout, "buffer", None), RawIOBase):
        # Of PYTHONUNBUFFERED: Python would take what a pipe took a part of for written.
        sys.stdout = TextIOWrapper(BufferedWriter(out), encoding=sys.stdout.encoding, line_buffering=True)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # letters that the terminal has not are no reason to fail
    app(prog_name="kinto-models")
    return 0
