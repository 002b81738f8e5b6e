"""Records: what collections hold (https://docs.kinto-storage.org/en/stable/api/1.x/records.html)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, overload

from kinto_models.models.attachments import AsyncSource, Attachment, FileProgress, Source, Writable
from kinto_models.models.historic import Historic
from kinto_models.models.options import Options
from kinto_models.models.principals import Principal
from kinto_models.models.resource import async_objects_of, objects_of

__all__ = ["Record"]


class Record(Historic):
    """A record. Subclass it with pydantic fields; by itself it holds any JSON object.

    Its class keywords:

    - `bucket`, `collection`: where the records live: ids, or declared `Bucket` and `Collection` classes.
    - `readonly`: names of fields that are fixed after creation.
    - `ids`: makes the ids of new records; UUID4 by default.
    - `path`: a plural endpoint of one's own instead, for a Kinto-Core resource.
    - `unknown`: stored fields that the class does not declare are kept (`"preserve"`, the default), left on the server
      and out of the instance (`"ignore"`), or make reading an error (`"forbid"`).

    Raises:
        DeclarationError: when the class is made, for a misspelt keyword, an id that Kinto does not take, or a field
            that has the name of a method.
    """

    __kinto__: ClassVar[Options] = Options("record")

    def attach(  # noqa: PLR0913  # what is sent, and how it is called
        self,
        source: Source,
        *,
        filename: str | None = None,
        mimetype: str | None = None,
        data: Mapping[str, Any] | None = None,
        permissions: Mapping[str, Iterable[Principal]] | None = None,
        progress: FileProgress | None = None,
    ) -> Attachment:
        """Sends a file, which takes the place of the one that the record has: see ``Objects.attach``.

        A record that was never saved is created with it, in one request; unsaved changes of another stay unsaved.

        Raises as ``save()`` does, and:
            FileError: the source cannot be read.
            MissingCapabilityError: the server has not the plugin kinto-attachment.
            WrongHashError: the server got other bytes than were sent.
        """
        return objects_of(self).attach(
            self, source, filename=filename, mimetype=mimetype, data=data, permissions=permissions, progress=progress
        )

    def detach(self, *, missing_ok: bool = False) -> bool:
        """Takes the file away, and tells whether there was one: see ``Objects.detach``.

        Raises:
            NoAttachmentError: there is none.
            ConflictError: the record changed since it was read.
        """
        return objects_of(self).detach(self, missing_ok=missing_ok)

    @overload
    def download(self, to: None = None, *, progress: FileProgress | None = None) -> bytes: ...
    @overload
    def download(self, to: str | os.PathLike[str], *, progress: FileProgress | None = None) -> Path: ...
    @overload
    def download(self, to: Writable, *, progress: FileProgress | None = None) -> int: ...
    def download(self, to: Any = None, *, progress: FileProgress | None = None) -> Any:
        """Reads the file into bytes, a folder, a path or a file, once its SHA-256 is the one that the record tells: see
        ``Objects.download``.

        Raises:
            NoAttachmentError: there is none.
            ForeignLocationError: it is not where the server has its files.
            WrongHashError: it is not what the record tells.
            FileError: it cannot be written; an old file is intact.
        """
        return objects_of(self).download(self, to, progress=progress)

    async def aattach(  # noqa: PLR0913  # what is sent, and how it is called
        self,
        source: AsyncSource,
        *,
        filename: str | None = None,
        mimetype: str | None = None,
        data: Mapping[str, Any] | None = None,
        permissions: Mapping[str, Iterable[Principal]] | None = None,
        progress: FileProgress | None = None,
    ) -> Attachment:
        """Sends a file, and keeps it beside the record: see ``attach()``."""
        return await async_objects_of(self).attach(
            self, source, filename=filename, mimetype=mimetype, data=data, permissions=permissions, progress=progress
        )

    async def adetach(self, *, missing_ok: bool = False) -> bool:
        """Takes the file away: see ``detach()``."""
        return await async_objects_of(self).detach(self, missing_ok=missing_ok)

    @overload
    async def adownload(self, to: None = None, *, progress: FileProgress | None = None) -> bytes: ...
    @overload
    async def adownload(self, to: str | os.PathLike[str], *, progress: FileProgress | None = None) -> Path: ...
    @overload
    async def adownload(self, to: Writable, *, progress: FileProgress | None = None) -> int: ...
    async def adownload(self, to: Any = None, *, progress: FileProgress | None = None) -> Any:
        """Reads the file: see ``download()``."""
        return await async_objects_of(self).download(self, to, progress=progress)
