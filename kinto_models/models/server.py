"""What a server says of itself (https://docs.kinto-storage.org/en/stable/api/1.x/utilities.html)."""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from kinto_models.errors import MissingCapabilityError

__all__ = ["Capability", "Counters", "Heartbeat", "ServerInfo", "ServerSettings", "ServerUser", "ServerVersion"]


class _Fact(BaseModel, frozen=True):
    """Read only; what is not declared is kept in ``model_extra``."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow")


class ServerSettings(_Fact, frozen=True):
    """Settings that concern clients.

    Attributes:
        batch_max_requests: requests that one batch may have; None or 0 for any number.
        readonly: whether the server refuses all writes.
        explicit_permissions: whether who writes an object is put into its ``write``.
    """

    batch_max_requests: int | None = 25
    readonly: bool = False
    explicit_permissions: bool = True


class ServerUser(_Fact, frozen=True):
    """Who the client is to the server.

    Attributes:
        id: the principal of the user, such as ``account:alice``.
        principals: all that the user has, groups included.
        bucket: id of the user's default bucket, or None where the server has none.
    """

    id: str
    principals: list[str] = []
    bucket: str | None = None


class Capability(_Fact, frozen=True):
    """Something that a server can do beyond the core.

    Attributes:
        description: what.
        url: of its documentation.
    """

    description: str = ""
    url: str = ""


class Heartbeat(_Fact, frozen=True):
    """How a server is.

    Attributes:
        backends: whether each works, such as ``storage``, ``permission``, ``cache``; None for one that does not say.
    """

    backends: dict[str, bool | None]

    @property
    def ok(self) -> bool:
        """Whether all of them work, as far as they say."""
        return False not in self.backends.values()


class ServerVersion(_Fact, frozen=True):
    """Which software a server runs, as its operator wrote it down.

    Attributes:
        name: of the software.
        version: of it.
        source: where its source is.
        commit: of that.
    """

    name: str | None = None
    version: str | None = None
    source: str | None = None
    commit: str | None = None


class Counters(_Fact, frozen=True):
    """How many objects a server holds.

    Attributes:
        objects: by kind, such as ``record``; a kind of which there are none may be missing.
        tombstones: of what was deleted, in the same way.
    """

    objects: dict[str, int] = {}
    tombstones: dict[str, int] = {}


class ServerInfo(_Fact, frozen=True):
    """What a server says of itself.

    Attributes:
        project_name: as its operator called it.
        project_version: of the software.
        http_api_version: of Kinto's HTTP API, such as ``"1.23"``; ``api_version`` has it as numbers.
        url: where the server believes to be.
        settings: that concern clients.
        capabilities: by name: ``"history" in info.capabilities``.
        user: who the client is, or None for an anonymous one.
        eos: the day on which the service ends, if one was set.
    """

    project_name: str = ""
    project_version: str = ""
    http_api_version: str
    url: str
    settings: ServerSettings
    capabilities: dict[str, Capability] = {}
    user: ServerUser | None = None
    eos: date | None = None

    @property
    def api_version(self) -> tuple[int, ...]:
        """``http_api_version`` as numbers, which compare as versions do."""
        return tuple(int(part) for part in self.http_api_version.split(".") if part.isdigit())

    def require(self, capability: str) -> Capability:
        """The capability of this name.

        Raises:
            MissingCapabilityError: the server has it not.
        """
        found = self.capabilities.get(capability)
        if found is None:
            has = ", ".join(sorted(self.capabilities)) or "none"
            raise MissingCapabilityError(f"{self.url} has no capability {capability!r}, but {has}")
        return found
