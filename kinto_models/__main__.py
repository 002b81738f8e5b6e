"""The command ``kinto-models``, and ``python -m kinto_models``."""

from __future__ import annotations

import sys
from importlib.util import find_spec

__all__ = ["main"]

_USAGE = 2


def main() -> int:
    """Runs the command, and returns the status to exit with."""
    if not all(map(find_spec, ("typer", "rich"))):
        sys.stderr.write('kinto-models needs typer and rich: pip install "kinto-models[cli]"\n')
        return _USAGE
    from kinto_models.cli.commands import run

    return run()


if __name__ == "__main__":
    sys.exit(main())
