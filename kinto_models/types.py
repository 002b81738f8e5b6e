"""Words that every layer shares."""

from __future__ import annotations

from typing import Any

__all__ = ["Data"]

Data = dict[str, Any]
"""One JSON object, as Kinto stores it."""
