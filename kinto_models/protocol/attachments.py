"""Files beside records: how kinto-attachment takes them, and where it says that they are.

https://github.com/Kinto/kinto-attachment. It heeds no ``If-Match``, and makes a record that is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, unquote, urljoin, urlsplit

from kinto_models.errors import ForeignLocationError, RedirectError
from kinto_models.protocol.etags import timestamp_of
from kinto_models.protocol.messages import Body, Operation, Request, Response, Sink, Transfer
from kinto_models.protocol.operations import Answer
from kinto_models.protocol.paths import Plural
from kinto_models.protocol.refusals import error_of
from kinto_models.protocol.words import plain

__all__ = ["CAPABILITY", "FIELD", "Form", "attach", "check_mimetype", "check_name", "detach", "fetch", "locate"]

CAPABILITY: Final = "attachments"
"""What a server with the plugin says that it can do."""
FIELD: Final = "attachment"
"""The name of the file in a form, and of what is told of it in a record."""

_MIMETYPE: Final = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+", re.IGNORECASE | re.ASCII)
_TAKEN_APART: Final = ("multipart/", "application/x-www-form-urlencoded")
"""Types that Python's cgi, with which the server reads forms, takes for forms in the form: a 500, the old file gone."""
_QUOTED: Final = "!#$%&'()*+,/:;=?@[]~"


def check_name(name: str) -> str:
    """The name, if a form can carry it and the server tells it as it is.

    Raises:
        ValueError: it is empty, has a separator of folders or a control character, or is not Unicode.
    """
    if not isinstance(name, str) or not name or not name.isprintable() or "/" in name or "\\" in name:
        raise ValueError(
            f"a file is not sent under the name {name!r}: say another one by filename=, without a folder and control "
            "characters"
        )
    return name


def check_mimetype(mimetype: str) -> str:
    """The type, if a form can carry it.

    Raises:
        ValueError: not of the form ``type/subtype``, or one that the server would fail on.
    """
    if not isinstance(mimetype, str) or not _MIMETYPE.fullmatch(mimetype):
        raise ValueError(f"a mimetype is written as 'image/png', not {mimetype!r}")
    if mimetype.lower().startswith(_TAKEN_APART):
        raise ValueError(f"the server fails on files of the type {mimetype}: send it as 'application/octet-stream'")
    return mimetype


class Form:
    """A form of the type ``multipart/form-data``: some JSON, and a file (RFC 7578).

    Parameters:
        parts: JSON by the name of the part.
        name: of the file.
        mimetype: of the file.
        content: of the file.
        boundary: what stands between the parts, and in none of them.
    """

    def __init__(self, parts: dict[str, bytes], name: str, mimetype: str, content: Body, boundary: str) -> None:
        edge = f"--{boundary}\r\n".encode()
        told = [edge + _disposition(part) + b"\r\n" + text + b"\r\n" for part, text in parts.items()]
        # With backslashes, as Python's cgi reads it: browsers write %22, which would become part of the name.
        shown = check_name(name).replace('"', '\\"')
        file = _disposition(FIELD, shown) + f"Content-Type: {check_mimetype(mimetype)}\r\n".encode()
        self._before = b"".join([*told, edge, file, b"\r\n"])
        self._content = content
        self._after = f"\r\n--{boundary}--\r\n".encode()
        self.content_type: str = f"multipart/form-data; boundary={boundary}"

    def __len__(self) -> int:
        return len(self._before) + len(self._content) + len(self._after)

    def __iter__(self) -> Iterator[bytes]:
        yield self._before
        yield from self._content
        yield self._after


def _disposition(part: str, filename: str | None = None) -> bytes:
    named = "" if filename is None else f'; filename="{filename}"'
    return f'Content-Disposition: form-data; name="{part}"{named}\r\n'.encode()


def attach(place: Plural, object_id: str, form: Form) -> Operation[Answer]:
    """Puts a file beside a record, instead of the one that is there; answers what is told of it.

    A record that does not exist is made. Sent twice it does the same as once: the second file takes the place of the
    first.
    """
    path = f"{place.object(object_id)}/{FIELD}"
    request = Request("POST", path, {"Content-Type": form.content_type}, transfer=Transfer(body=form))

    def decode(response: Response) -> Answer:
        if response.status not in (200, 201):
            raise error_of(request, response)
        return Answer(response.body, timestamp_of(response), response.status == 201, request)

    return Operation(request, decode, idempotent=True)


def detach(place: Plural, object_id: str) -> Operation[None]:
    """Takes the file of a record away, and leaves a null."""
    request = Request("DELETE", f"{place.object(object_id)}/{FIELD}")

    def decode(response: Response) -> None:
        if response.status != 204:
            raise error_of(request, response)

    return Operation(request, decode)


def fetch(root: str, address: str, sink: Sink) -> Operation[None]:
    """Reads a file of the server's into a sink.

    Parameters:
        root: of the server.
        address: of the file, as ``locate()`` gives it.
        sink: where it goes.
    """
    parts = urlsplit(address)
    near = address.startswith(f"{root}/")
    origin = None if near else f"{parts.scheme}://{parts.netloc}"
    target = address[len(root if origin is None else origin) :]
    request = Request("GET", target, {"Accept-Encoding": "identity"}, transfer=Transfer(sink=sink, root=origin))

    def decode(response: Response) -> None:
        if 300 <= response.status <= 399:
            raise RedirectError(
                f"{request.line}: the server redirects a file, which is not followed: its operator sets "
                "attachment.base_url to where the files are"
            )
        if response.status != 200:
            raise error_of(request, response)

    return Operation(request, decode)


def locate(root: str, base_url: str, location: str) -> str:
    """The absolute address of a file.

    Parameters:
        root: of the server.
        base_url: where it says that its files are, absolute or relative to its root.
        location: of the file, as its record says, which anybody may have written.

    Raises:
        ForeignLocationError: it is not below ``base_url``.
    """
    base = urljoin(f"{root}/", base_url if base_url.endswith("/") else f"{base_url}/")
    try:
        address = urljoin(base, location).partition("#")[0]
        below = _is_below(address, base)
    except ValueError:
        address, below = "", False
    if not below:
        raise ForeignLocationError(
            f"the location {plain(location[:200])!r} is not where this server has its files, below {plain(base)!r}: "
            "it was not asked for"
        )
    parts = urlsplit(address)
    origin = f"{parts.scheme}://{parts.netloc}"
    return origin + quote(address[len(origin) :], safe=_QUOTED)


def _is_below(address: str, base: str) -> bool:
    one, other = urlsplit(address), urlsplit(base)
    if other.scheme not in ("http", "https") or "@" in other.netloc or not other.hostname:
        return False
    _ = other.port  # read only now, and maybe no number
    if (one.scheme, one.netloc) != (other.scheme, other.netloc) or not one.path.startswith(other.path):
        return False
    steps = unquote(unquote(one.path)).replace("\\", "/").split("/")
    return address.isprintable() and ".." not in steps and one.path != other.path
