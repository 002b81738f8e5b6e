"""The file beside a record, as kinto-attachment tells of it (https://github.com/Kinto/kinto-attachment)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any, ClassVar, Final, Protocol, TypeAlias

from pydantic import BaseModel, ConfigDict

from kinto_models.errors import ReadOnlyFieldError
from kinto_models.protocol.attachments import FIELD
from kinto_models.types import Data

__all__ = ["AsyncSource", "Attachment", "FileProgress", "Readable", "Source", "Writable", "has_file", "not_written"]

_TOLD: Final = {"filename", "location", "hash", "size", "mimetype"}


class Attachment(BaseModel, frozen=True):
    """What a record tells of its file: declare ``attachment: Attachment | None = None``. Read only: the server writes
    it when a file is attached or detached. What is not declared is kept in ``model_extra``.

    Attributes:
        filename: as whoever attached it called it; ``download()`` makes a safe name of it.
        location: its address, absolute, or relative to the ``base_url`` of the capability ``attachments``.
        hash: its SHA-256, in hexadecimal digits.
        size: in bytes.
        mimetype: such as ``image/png``.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow")

    filename: str
    location: str
    hash: str
    size: int
    mimetype: str

    @property
    def original(self) -> dict[str, Any] | None:
        """The file as it was sent, where the server keeps it compressed: its ``filename``, ``hash``, ``size`` and
        ``mimetype``; None where it is kept as it is.
        """
        told = (self.model_extra or {}).get("original")
        return told if isinstance(told, dict) else None


class Readable(Protocol):
    """A file that is open for reading in binary mode, or what behaves so."""

    def read(self, size: int = ..., /) -> bytes:
        """The next bytes, none of them at the end."""
        ...


class Writable(Protocol):
    """A file that is open for writing in binary mode, or what behaves so."""

    def write(self, data: bytes, /) -> object:
        """Takes the next bytes, and tells how many it took."""
        ...


Source: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | Readable | Iterable[bytes]"
"""What is attached: a path, bytes, a file that is open in binary mode, or anything that gives bytes piece by piece."""

AsyncSource: TypeAlias = "Source | AsyncIterable[bytes]"
"""The same, or what gives bytes awaited."""

FileProgress: TypeAlias = Callable[[int, int], object]
"""Is told how many bytes of how many have passed; on another try it begins again."""


def has_file(data: Data) -> bool:
    """Whether these data of a record tell of a file of the plugin's."""
    told = data.get(FIELD)
    return isinstance(told, dict) and told.keys() >= _TOLD


def not_written(model: type[BaseModel]) -> ReadOnlyFieldError:
    """The error of a write that would leave a file without its record."""
    return ReadOnlyFieldError(
        f"{model.__name__}: {FIELD!r} is what the server tells of a file, and written by attach() and detach() only"
    )
