"""What the server says of itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import ValidationError

from kinto_models.errors import InvalidAnswerError, MissingCapabilityError
from kinto_models.protocol.batches import limit_of
from kinto_models.protocol.messages import Conversation, send
from kinto_models.protocol.operations import hello

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

    @property
    def default_bucket(self) -> str | None:
        """The real id of the user's default bucket, where the server was asked before."""
        try:
            bucket = json.loads(self._told or b"{}")["user"]["bucket"]
        except (LookupError, TypeError):
            return None
        return bucket if isinstance(bucket, str) else None

    def find_default_bucket(self) -> Conversation[str]:
        """The same, asked for.

        Raises:
            MissingCapabilityError: there is none.
        """
        yield from self._hello(refresh=False)
        if (bucket := self.default_bucket) is None:
            raise MissingCapabilityError(
                "there is no default bucket here, so no group in it: the client is anonymous, or the server has not "
                "the capability 'default_bucket'"
            )
        return bucket

    def has(self, capability: str) -> Conversation[bool]:
        """Whether the server can do this."""
        told = yield from self._hello(refresh=False)
        capabilities = json.loads(told).get("capabilities")
        return isinstance(capabilities, dict) and capability in capabilities

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
