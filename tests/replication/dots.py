"""Loaded by a server whose record ids may have dots."""

from __future__ import annotations

from kinto.core.storage.generators import Generator


class DotIds(Generator):  # type: ignore[misc]  # Kinto has no types
    """Letters and dots."""

    regexp = r"^[a-z.]+$"

    def __call__(self) -> str:
        return "a.b"
