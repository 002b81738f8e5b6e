"""What the server says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from kinto_models.errors import InvalidAnswerError
from kinto_models.protocol.batches import limit_of
from kinto_models.protocol.messages import Conversation
from kinto_models.protocol.operations import hello
from kinto_models.repository.mapper import send

if TYPE_CHECKING:
    from kinto_models.models.server import ServerInfo

__all__ = ["Facts"]


class Facts:
    """Asked when they are first needed, and once for a client."""

    def __init__(self) -> None:
        self._told: bytes | None = None

    def parts(self) -> Conversation[int]:
        """Requests in one batch."""
        return limit_of((yield from self._hello(refresh=False)))

    def info(self, *, refresh: bool) -> Conversation[ServerInfo]:
        """All of them."""
        from kinto_models.models.server import ServerInfo  # few programs ask, and its classes take time to make

        told = yield from self._hello(refresh=refresh)
        try:
            return ServerInfo.model_validate_json(told)
        except ValidationError:
            raise InvalidAnswerError("GET /: the server does not introduce itself as a Kinto") from None

    def _hello(self, *, refresh: bool) -> Conversation[bytes]:
        if self._told is None or refresh:
            told = yield from send(hello())
            limit_of(told)  # what is not Kinto's is not kept
            self._told = told
        return self._told
