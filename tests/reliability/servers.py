"""The servers that are measured on: PostgreSQL's, where there is one."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Final

from tests.production import PLUGIN, Production
from tests.reliability.figures import SkippedError

__all__ = ["AUTH", "POSTGRES", "has_plugin", "production"]

AUTH: Final = ("alice", "s3cret")
POSTGRES: Final = os.environ.get("KINTO_MODELS_TEST_POSTGRES", "")


def has_plugin() -> bool:
    """Whether the package brings the plugin that makes check and act one step."""
    return find_spec(PLUGIN.rpartition(".")[0]) is not None and find_spec(PLUGIN) is not None


def production(*, plugin: bool | None = None) -> Production:
    """Kinto on PostgreSQL with three workers; with the plugin where there is one and nothing else is said.

    Raises:
        SkippedError: there is no PostgreSQL, or no plugin.
    """
    if not POSTGRES:
        raise SkippedError("no PostgreSQL: KINTO_MODELS_TEST_POSTGRES is not set")
    if plugin and not has_plugin():
        raise SkippedError(f"{PLUGIN} is not there")
    return Production(POSTGRES, plugin=has_plugin() if plugin is None else plugin, workers=3)
