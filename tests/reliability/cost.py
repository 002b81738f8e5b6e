"""What the plugin costs a single write of one writer on PostgreSQL: see ``tests/production_cost.py``."""

from __future__ import annotations

from tests.production_cost import BOUND, plugin_cost
from tests.reliability.figures import Figure, SkippedError
from tests.reliability.servers import POSTGRES

__all__ = ["measure"]


def measure() -> list[Figure]:
    """Of PUT and PATCH.

    Raises:
        SkippedError: there is no PostgreSQL.
    """
    if not POSTGRES:
        raise SkippedError("no PostgreSQL: KINTO_MODELS_TEST_POSTGRES is not set")
    return [
        Figure(
            f"{cost.method} with the plugin, times without", f"{cost.ratio:.3f}", f"≤ {BOUND:.2f}", cost.ratio <= BOUND
        )
        for cost in plugin_cost(POSTGRES)
    ]
