"""Files of this machine: what is sent, what arrives, and how that takes its name.

What is here reads and writes files, and so may take long: conversations ask for it by ``work()``.
"""

from __future__ import annotations

import mimetypes
import os
import re
import stat
from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from hashlib import sha256
from io import BytesIO, TextIOBase
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, Final
from uuid import uuid4

from kinto_models.errors import FileError, KintoError, WrongHashError
from kinto_models.models.attachments import Attachment, FileProgress
from kinto_models.protocol.words import plain

__all__ = [
    "Arriving",
    "Content",
    "Part",
    "collected",
    "file_of",
    "filing",
    "guessed",
    "holds",
    "opened",
    "pour",
    "safe_name",
]

_PIECE: Final = 1 << 16
"""Bytes that are read at once."""
_IN_MEMORY: Final = 1 << 20
"""Bytes of a stream that are kept in memory; beyond, it is kept in a temporary file."""
_LONGEST: Final = 255
"""Bytes of a name, on most systems."""
_MODES: Final = 0o777
"""What of a file's mode says who may do what."""
_FORBIDDEN: Final = re.compile(r'[<>:"|?*]')
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])", re.IGNORECASE)
"""Names that are devices on Windows, whatever comes after a dot."""


@contextmanager
def filing(what: object) -> Generator[None, None, None]:
    """Makes an error of the tree of what the system says of a file."""
    try:
        yield
    except OSError as error:
        if isinstance(error, KintoError):  # such as of a stream that is another file of the server's
            raise
        shown = plain(str(what))
        ours = FileError(f"{shown}: {error.strerror or str(error) or type(error).__name__}")
        ours.errno = error.errno
        raise ours from error


# What is sent


class Content:
    """What is sent: bytes that can be read again from the beginning, which each iteration does.

    Parameters:
        file: that has them, from where it stands.
        label: what an error calls it.
        progress: is told how many of them are out.
        owned: whether it is closed in the end.

    Attributes:
        hash: their SHA-256, once they were read.

    Raises:
        ValueError: the file stands at its end, and is not empty.
    """

    def __init__(self, file: Any, label: str, progress: FileProgress | None, *, owned: bool = True) -> None:
        self._file = file
        self._label = label
        self._progress = progress
        self._owned = owned
        self._start: int = file.tell()
        self._length: int = _end(file) - self._start
        if self._length <= 0 < self._start:
            raise ValueError(f"{label} stands at its end, and is sent from where it stands: seek(0) for all of it")
        self.hash: str = ""

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        digest, left = sha256(), self._length
        with filing(self._label):
            self._file.seek(self._start)
        while left:
            with filing(self._label):
                piece: bytes = self._file.read(min(left, _PIECE))
            if not piece:
                raise FileError(f"{self._label}: it became shorter while it was being sent")
            digest.update(piece)
            yield piece
            left -= len(piece)
            if self._progress is not None:
                self._progress(self._length - left, self._length)
        self.hash = digest.hexdigest()

    def close(self) -> None:
        """Gives back what was opened here."""
        if self._owned:
            self._file.close()


def file_of(source: Any) -> str | None:
    """The name that a source has by itself, without folders."""
    if not isinstance(source, (str, os.PathLike)):
        source = getattr(source, "name", None)  # of a file; a number for one without
    return os.path.basename(os.fspath(source)) if isinstance(source, (str, os.PathLike)) else None  # noqa: PTH119


def guessed(name: str) -> str:
    """The type of a file by its name."""
    kind, coding = mimetypes.guess_type(name)
    if coding is not None:
        return f"application/{coding}" if coding == "gzip" else "application/octet-stream"
    return kind or "application/octet-stream"


def opened(source: Any, progress: FileProgress | None) -> Content:
    """A source as it can be sent. What cannot be read twice is kept in a temporary file.

    Raises:
        FileError: it cannot be read.
        TypeError: it is nothing that can be sent.
        ValueError: it stands at its end, or is not open for reading.
    """
    label = plain(str(source)) if isinstance(source, (str, os.PathLike)) else f"the {type(source).__name__} to attach"
    with filing(label):
        if isinstance(source, (bytes, bytearray, memoryview)):
            return Content(BytesIO(source), label, progress)
        if isinstance(source, (str, os.PathLike)):
            file = open(source, "rb")  # noqa: PTH123, SIM115  # closed by the Content
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return Content(file, label, progress)
            with file:
                return _kept(_pieces(file), label, progress)
        if isinstance(source, TextIOBase):
            raise TypeError("attach() sends bytes: open the file in binary mode, open(path, 'rb')")
        if not hasattr(source, "read"):
            return _kept(_checked(source), label, progress)
        if hasattr(source, "readable") and not source.readable():
            raise ValueError(f"{label} is not open for reading: open(path, 'rb')")
        if hasattr(source, "seekable") and source.seekable():
            return Content(source, label, progress, owned=False)
        return _kept(_pieces(source), label, progress)


async def collected(source: AsyncIterable[bytes], progress: FileProgress | None) -> Content:
    """The same of what gives its bytes awaited."""
    file = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  # closed by the Content
    label = f"the {type(source).__name__} to attach"
    try:
        async for piece in source:
            with filing(label):
                file.write(piece)
        return _rewound(file, label, progress)
    except BaseException:
        file.close()
        raise


def _kept(pieces: Iterable[bytes], label: str, progress: FileProgress | None) -> Content:
    file = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  # closed by the Content
    try:
        for piece in pieces:
            file.write(piece)
        return _rewound(file, label, progress)
    except BaseException:
        file.close()
        raise


def _rewound(file: Any, label: str, progress: FileProgress | None) -> Content:
    file.seek(0)
    return Content(file, label, progress)


def _end(file: Any) -> int:
    file.seek(0, os.SEEK_END)
    end: int = file.tell()  # which a spooled file's seek() does not say on Python 3.10
    return end


def _pieces(file: Any) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece
    if piece is None:
        raise ValueError(f"the {type(file).__name__} has no bytes yet, and does not wait for them: make it blocking")


def _checked(source: Any) -> Iterable[bytes]:
    if isinstance(source, Iterable):
        return source
    raise TypeError(f"attach() takes a path, bytes, a file or an iterable of bytes, not {type(source).__name__}")


# What arrives


class Arriving:
    """Takes what arrives of a file, in a file that can be read and written, and checks it.

    Parameters:
        file: where it goes.
        attachment: what is told of it.
        progress: is told how many of its bytes are there.
        label: what an error calls the file.
        bounded: see ``Sink``.
    """

    def __init__(
        self, file: Any, attachment: Attachment, progress: FileProgress | None, label: object, *, bounded: bool = False
    ) -> None:
        self.file = file
        self.bounded: bool = bounded
        self._attachment = attachment
        self._progress = progress
        self._label = label
        self._digest = sha256()
        self._size = 0

    def begin(self) -> None:
        """A body begins, maybe once more."""
        with filing(self._label):
            self.file.seek(0)
            self.file.truncate()
        self._digest, self._size = sha256(), 0

    def write(self, piece: bytes) -> None:
        """Takes the next bytes.

        Raises:
            WrongHashError: they are more than was told.
            FileError: they cannot be written.
        """
        self._size += len(piece)
        if self._size > self._attachment.size:
            raise WrongHashError(f"{_called(self._attachment)} has more than the {self._attachment.size} bytes told")
        self._digest.update(piece)
        with filing(self._label):
            self.file.write(piece)
        if self._progress is not None:
            self._progress(self._size, self._attachment.size)

    def check(self) -> None:
        """Raises WrongHashError if it is not what was told."""
        if self._size != self._attachment.size:
            size = self._attachment.size
            raise WrongHashError(f"{_called(self._attachment)} has {self._size} bytes, and not the {size} told")
        if self._digest.hexdigest() != self._attachment.hash.lower():
            raise WrongHashError(f"{_called(self._attachment)} has not the SHA-256 that its record tells")


def _called(attachment: Attachment) -> str:
    return f"the file {plain(attachment.filename)!r}"


class Part:
    """A file that has no name yet: it is written beside the one that it is to be, with the mode of that if it is there
    already, and goes if it never is.

    Parameters:
        path: of the one that it is to be.

    Raises:
        FileError: nothing can be written there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f".{uuid4().hex}.part")
        with filing(path):
            mode = _mode_of(path)
            self.file: BinaryIO = open(self._part, "xb+", opener=partial(_open, mode=mode))  # noqa: SIM115  # by drop()
            if mode is not None:
                self._part.chmod(mode)  # whatever the umask

    def take_name(self) -> None:
        """Puts it where it is to be, in one step, once all of it is on the disk."""
        with filing(self._path):
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
            self._part.replace(self._path)

    def drop(self) -> None:
        """Leaves nothing behind. Does nothing once it has its name."""
        with suppress(OSError):
            self.file.close()  # which may write, and fail at that
        with suppress(OSError):
            self._part.unlink(missing_ok=True)


def _mode_of(path: Path) -> int | None:
    """Who may read and write a file, or None where there is none."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return None
    return mode & _MODES if stat.S_ISREG(mode) else None


def _open(path: str, flags: int, *, mode: int | None) -> int:
    return os.open(path, flags, 0o666 if mode is None else mode)


def holds(path: Path, attachment: Attachment) -> bool:
    """Whether this very file is there already."""
    with suppress(OSError):
        told = path.stat()
        if stat.S_ISREG(told.st_mode) and told.st_size == attachment.size:
            digest = sha256()
            with path.open("rb") as file:
                for piece in _pieces(file):
                    digest.update(piece)
            return digest.hexdigest() == attachment.hash.lower()
    return False


def pour(file: Any, to: Any) -> int:
    """Copies all of a file into another, and tells how many bytes that were.

    Raises:
        FileError: they cannot be written.
        TypeError: it takes no bytes, or wants to be awaited.
    """
    size = _end(file)
    file.seek(0)
    for whole in _pieces(file):
        piece = whole
        while piece:
            with filing(f"the {type(to).__name__} to write to"):
                taken = to.write(piece)
            if isinstance(taken, Awaitable):
                if isinstance(taken, Coroutine):
                    taken.close()
                raise TypeError("download() writes to a file that is not awaited, such as open(path, 'wb')")
            piece = piece[taken:] if isinstance(taken, int) else b""
    with filing(f"the {type(to).__name__} to write to"):
        flush: Callable[[], object] | None = getattr(to, "flush", None)
        if flush is not None:
            flush()
    return size


# Names


def safe_name(name: str) -> str:
    """A name for a file of this machine, whatever the server says: no folder, no device, nothing hidden, no character
    that cannot be seen, and not longer than a name may be.
    """
    last = re.split(r"[/\\]", name)[-1]
    seen = "".join(each for each in last if each.isprintable())
    kept = _FORBIDDEN.sub("_", seen).strip(". ")
    stem, dot, rest = kept.partition(".")
    if _RESERVED.fullmatch(stem.strip()):
        kept = f"_{stem}{dot}{rest}"
    return _shortened(kept) or FALLBACK


FALLBACK: Final = "attachment"
"""The name of a file of which none is left."""


def _shortened(name: str) -> str:
    if len(name.encode()) <= _LONGEST:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix.encode()) > _LONGEST // 4:
        stem, dot, suffix = name, "", ""
    room = _LONGEST - len(f"{dot}{suffix}".encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(". ") + dot + suffix


def target_of(to: str | os.PathLike[str], attachment: Attachment) -> tuple[Path, Path]:
    """The path of a file that is to be written, in the folder that this is, or this; and where that leads to. A link
    in a folder, of which the server says the name, leads nowhere, and is replaced.

    Raises:
        FileError: there is no such folder, or something else than a file.
    """
    text = os.fspath(to)
    with filing(text):
        path = Path(text)
        named = not path.is_dir()
        if named and (text.endswith(("/", os.sep)) or not path.parent.is_dir()):
            raise FileNotFoundError(2, "there is no such folder")
        if not named:
            path /= safe_name(attachment.filename)
        if path.is_dir():
            raise IsADirectoryError(21, "it is a folder")
        written = Path(os.path.realpath(path)) if named else path
        if os.path.lexists(written):
            mode = written.lstat().st_mode
            if not (stat.S_ISREG(mode) or (stat.S_ISLNK(mode) and not named)):
                raise OSError(None, "it is no regular file, and is not replaced by one")
    return path, written
