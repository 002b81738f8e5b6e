"""Commands as users run them: in a process of their own, on a terminal or not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

__all__ = ["COMMAND", "environment", "on_a_terminal"]

COMMAND = (sys.executable, "-m", "kinto_models")


def environment(**variables: str) -> dict[str, str]:
    """This process's, without what a developer has for Kinto, without a width, and with Python's buffers: without them
    a write that a closed pipe cuts short is no error to Python.
    """
    left = ("KINTO_", "PYTHONUNBUFFERED", "COLUMNS", "LINES")
    own = {name: value for name, value in os.environ.items() if not name.startswith(left)}
    return {**own, **variables}


def on_a_terminal(
    *command: str, typed: str = "", after: str = "", variables: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """The status of a command, and what a user sees who types that after a prompt on a terminal of its own."""
    program = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    started = subprocess.Popen(
        [sys.executable, "-c", program, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        env=environment(**(variables or {})),
    )
    assert started.stdin is not None
    assert started.stdout is not None
    seen = b""
    with started:
        while piece := started.stdout.read(1024):
            seen += piece
            if typed and seen.endswith(after.encode()):
                started.stdin.write(typed.encode())
                typed = ""
    return started.returncode, seen.decode()
