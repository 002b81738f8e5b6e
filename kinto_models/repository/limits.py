"""How much the server takes at once."""

from __future__ import annotations

from kinto_models.protocol.batches import get_limit
from kinto_models.protocol.messages import Conversation
from kinto_models.repository.mapper import send

__all__ = ["Limits"]


class Limits:
    """Asked when they are first needed, and once for a client."""

    def __init__(self) -> None:
        self._parts: int | None = None

    def parts(self) -> Conversation[int]:
        """Requests in one batch."""
        if self._parts is None:
            self._parts = yield from send(get_limit())
        return self._parts
