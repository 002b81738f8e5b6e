"""Listeners of Kinto's events, for servers under test: ``kinto.event_listeners.held.use`` names this module.

A write of ``{"hold": true}`` lasts until the file ``release`` is there; it makes the file ``holding``. One of
``{"fail": true}`` fails.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from kinto.core.listeners import ListenerBase

_SECONDS = 30


class Listener(ListenerBase):  # type: ignore[misc]  # Kinto has no types
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, event: Any) -> None:
        for changed in event.impacted_objects:
            if changed["new"].get("fail"):
                raise RuntimeError("as it was asked for")
            if changed["new"].get("hold"):
                self._hold()

    def _hold(self) -> None:
        (self._folder / "holding").touch()
        until = time.monotonic() + _SECONDS
        while not (self._folder / "release").exists() and time.monotonic() < until:
            time.sleep(0.01)


def load_from_config(config: Any, prefix: str = "") -> Listener:
    return Listener(Path(config.get_settings()[f"{prefix}folder"]))
