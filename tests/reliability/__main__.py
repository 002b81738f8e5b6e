"""``make reliability``: measures all, or what is named, and prints each figure with its bound."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Final

from tests.reliability.figures import Figure, Measurement, SkippedError

_ALL: Final = ("exchange", "hostile", "law", "load", "counter", "batches", "cost")
"""Modules of this package, in their order; each has a ``measure()``."""


def main(names: Sequence[str]) -> int:
    """Measures; the exit code."""
    logging.disable(logging.ERROR)  # what the library tells of tries
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Kinto's
            return _measured(names)
    finally:
        logging.disable(logging.NOTSET)


def _measured(names: Sequence[str]) -> int:
    figures: list[Figure] = []
    skipped: list[str] = []
    for name in names or _ALL:
        print(f"--- {name}", flush=True)
        measure: Measurement = import_module(f"tests.reliability.{name}").measure
        try:
            measured = measure()
        except SkippedError as reason:
            skipped.append(f"{name}: {reason}")
        else:
            figures += measured
            print(*measured, sep="\n", flush=True)
    failed = [figure for figure in figures if not figure.held]
    print("---", *(f"skipped {each}" for each in skipped), *failed, sep="\n")
    left_out = f"; {len(skipped)} left out" if skipped else ""
    print((f"failed: {len(failed)} of" if failed else "OK:") + f" {len(figures)} figures{left_out}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
