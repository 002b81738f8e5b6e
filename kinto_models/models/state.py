"""What an instance knows of its object on the server, kept beside its fields.

The server's answer is kept as the bytes that came, shared by all objects of a page, and parsed only when someone asks
what changed: loading costs one reference an instance.
"""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from kinto_models.models.permissions import Permissions
from kinto_models.protocol.bodies import encode
from kinto_models.protocol.etags import format_etag
from kinto_models.types import Data

__all__ = ["Snapshot", "State"]


class Snapshot:
    """One answer: the bytes, who asked for them, how long they may be kept, and the dry run that made it up, or None.
    Never changed.
    """

    __slots__ = ("_parsed", "body", "cache_control", "objects", "rehearsal")

    def __init__(
        self, body: bytes, objects: Any, cache_control: str | None = None, rehearsal: object | None = None
    ) -> None:
        self.body: bytes = body
        self.objects: Any = objects
        self.cache_control: str | None = cache_control
        self.rehearsal: object | None = rehearsal
        self._parsed: Any = None

    def parsed(self) -> Any:
        """The JSON; not to be changed."""
        parsed = self._parsed
        if parsed is None:
            parsed = self._parsed = json.loads(self.body)
        return parsed


def _is_principals(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(principal, str) for principal in value)


class State:
    """An instance's tie to its object on the server.

    Attributes:
        objects: the repository that it came from, or None.
        snapshot: the last answer of the server about it, or None for an object that was never there.
        index: its place in a list answer, or None for the answer of a single object.
        permissions: as they were shown and changed since; None until someone asks.
        rehearsal: the dry run that made up what is known, or None.
        real: what was known before that, or None for nothing.
    """

    __slots__ = ("index", "objects", "permissions", "real", "rehearsal", "snapshot")

    def __init__(self, snapshot: Snapshot | None = None, index: int | None = None) -> None:
        self.snapshot: Snapshot | None = snapshot
        self.index: int | None = index
        self.objects: Any = snapshot.objects if snapshot else None
        self.permissions: Permissions | None = None
        self.rehearsal: object | None = snapshot.rehearsal if snapshot else None
        self.real: State | None = None

    @property
    def data(self) -> Data | None:
        """The object as the server last told it, or None; not to be changed."""
        if self.snapshot is None:
            return None
        told = self.snapshot.parsed()["data"]
        data: Data = told if self.index is None else told[self.index]
        return data

    @property
    def shown(self) -> dict[str, list[str]] | None:
        """The permissions that the server showed, or None. It shows none at all, ``{}``, to who may not see them."""
        if self.snapshot is None:
            return {}
        shown = self.snapshot.parsed().get("permissions") if self.index is None else None
        return shown if isinstance(shown, dict) and shown and all(map(_is_principals, shown.values())) else None

    @property
    def timestamp(self) -> int | None:
        """The object's timestamp in milliseconds, as the server last told it."""
        timestamp = (self.data or {}).get("last_modified")
        return timestamp if type(timestamp) is int and timestamp > 0 else None  # and not True, which is one as well

    @property
    def etag(self) -> str | None:
        """The object's ETag."""
        timestamp = self.timestamp
        return None if timestamp is None else format_etag(timestamp)

    def take(self, other: State) -> None:
        """Ties the instance to the answer that ``other`` came from; unsaved permissions are dropped."""
        self._turn(other.rehearsal)
        self.snapshot, self.index, self.permissions = other.snapshot, other.index, None

    def forget(self, rehearsal: object | None) -> None:
        """The object is not there any more, or would not be after a dry run."""
        self._turn(rehearsal)
        self.snapshot = self.index = self.permissions = None

    def _turn(self, rehearsal: object | None) -> None:
        if rehearsal is None:
            self.real = None
        elif self.rehearsal is None:
            self.real = self.copy()
        self.rehearsal = rehearsal

    def wake(self) -> None:
        """Knows again what it did before a dry run made something up. What was changed since stays changed."""
        real, since = self.real or State(), self.permissions
        permissions = real.permissions
        if since is not None:
            permissions = since.moved(permissions if permissions is not None else type(since)(real.shown))
        self.snapshot, self.index, self.permissions, self.objects = real.snapshot, real.index, permissions, real.objects
        self.rehearsal = self.real = None

    def copy(self) -> State:
        """The same for a copy of the instance."""
        copied = State(self.snapshot, self.index)
        copied.objects, copied.permissions = self.objects, deepcopy(self.permissions)
        copied.rehearsal, copied.real = self.rehearsal, self.real
        return copied

    def __getstate__(self) -> tuple[bytes | None, Permissions | None]:
        # Only this object's part of a page, and no repository: a pickle holds no client and no credentials.
        if self.rehearsal is not None:
            return (self.real or State()).__getstate__()
        if self.data is None:
            return None, self.permissions
        return encode({"data": self.data, "permissions": self.shown or {}}), self.permissions

    def __setstate__(self, state: tuple[bytes | None, Permissions | None]) -> None:
        body, permissions = state
        self.__init__(Snapshot(body, None) if body else None)  # type: ignore[misc]  # an unpickled one is a new one
        self.permissions = permissions
