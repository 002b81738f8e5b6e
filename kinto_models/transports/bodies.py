"""The body of an answer, put together from the pieces that come, decompressed, and never larger than it may be.

Decompressed here and not by requests or aiohttp: many of their versions make all of a piece at once, and a piece of
gzip can be a thousand times as large as it looks. zlib stops where it is told.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Final

__all__ = ["CODINGS", "Body", "TooLargeError"]

CODINGS: Final = "gzip, deflate"
"""What a client asks for."""

_GZIP: Final = 16 + zlib.MAX_WBITS
_WINDOWS: Final = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": zlib.MAX_WBITS}


class TooLargeError(Exception):
    """The body has more bytes than it may have."""


class Body:
    """Grows by ``add()``, and is ``whole()`` in the end.

    Parameters:
        coding: the Content-Encoding.
        limit: bytes that it may have, decompressed; None for any.
        length: bytes that the headers promise, or None.
        pour: takes the bytes, instead of their being kept.

    Raises:
        zlib.error: an encoding that nobody asked for, or one that the bytes are not of.
        TooLargeError: there is more of it than it may have; what is over is not decompressed.
    """

    def __init__(
        self, coding: str, limit: int | None, length: int | None, pour: Callable[[bytes], object] | None = None
    ) -> None:
        self._coding = coding.strip().lower()
        if self._coding not in ("", "identity", *_WINDOWS):
            raise zlib.error("an encoding that nobody asked for")
        if self._coding not in _WINDOWS and limit is not None and length is not None and length > limit:
            raise TooLargeError
        self._limit = limit
        self._whole = BytesIO()
        self._pour = pour or self._whole.write
        self._size = 0
        self._inflating: zlib._Decompress | None = None

    def add(self, piece: bytes) -> None:
        """Takes the next bytes as they came."""
        if self._coding in _WINDOWS:
            self._inflate(piece)
        else:
            self._keep(piece)

    def whole(self) -> bytes:
        """All of it, decompressed, unless it was poured."""
        if self._inflating is not None and not self._inflating.eof:
            raise zlib.error("it breaks off")
        return self._whole.getvalue()

    def _inflate(self, piece: bytes) -> None:
        while piece:
            if self._inflating is None or self._inflating.eof:  # gzip may have several members
                self._inflating = zlib.decompressobj(self._window(piece))
            room = 0 if self._limit is None else self._limit - self._size + 1
            self._keep(self._inflating.decompress(piece, room))
            piece = self._inflating.unused_data

    def _window(self, piece: bytes) -> int:
        # Some servers leave out the head that deflate has by RFC 9110, 8.4.1.2.
        bare = self._coding == "deflate" and piece[0] & 0x0F != zlib.DEFLATED
        return -zlib.MAX_WBITS if bare else _WINDOWS[self._coding]

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._limit is not None and self._size > self._limit:
            raise TooLargeError
        self._pour(piece)
