"""Which locks a request needs before it may check and write: values, without a server or a database.

A lock is named by a path, and there are two of each path:

- *list*: who holds the one of ``/buckets/b/collections`` exclusively is the only writer of these collections'
  attributes, permissions and timestamps.
- *tree*: who writes anywhere below a path shares the ones of all paths above it, so that who deletes what is at a path,
  with all that is below, waits for them by holding its *tree* exclusively.

A list is the smallest thing that is locked, and not an object, because Kinto gives each change of a list a timestamp of
its own: two creations at the same millisecond are refused with a 409
(https://docs.kinto-storage.org/en/stable/api/1.x/timestamps.html).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

__all__ = [
    "Locks",
    "Path",
    "batched",
    "bounded",
    "listed",
    "members",
    "merged",
    "ordered",
    "path_of",
    "staying",
    "storable",
    "whole",
    "writing",
]

Path: TypeAlias = tuple[str, ...]
"""Segments, without the version of the API."""
Locks: TypeAlias = Mapping[str, bool]
"""By name, whether it is held exclusively."""

_RECORD: Final = 6
_ACCOUNT: Final = 2
"""Segments of their paths. What is added below, an attachment or an account's validation, is a part of them."""

_MOST: Final = 500

_NAMESPACE: Final = b"kinto_models"
"""Other programs that take advisory locks in the same database have other keys."""


def _list(path: Path) -> str:
    return "list /" + "/".join(path)


def _tree(path: Path) -> str:
    return "tree /" + "/".join(path)


_EVERYTHING: Final[Locks] = {_tree(()): True}
"""Locks that nobody else can have a part of."""


def path_of(decoded: str) -> Path:
    """The path of a URL path, percent-decoded already. A slash too many changes nothing, as Kinto redirects it."""
    segments = tuple(segment for segment in decoded.split("/") if segment)
    return segments[1:] if segments and segments[0][:1] == "v" and segments[0][1:].isdecimal() else segments


def batched(body: Any) -> Iterator[tuple[str, Path, str | None]]:
    """Method and path of each part of a batch as Kinto reads them, and its ``Authorization`` if it has one of its own.

    Nothing of what Kinto refuses: https://docs.kinto-storage.org/en/stable/api/1.x/batch.html
    """
    requests = body.get("requests") if isinstance(body, dict) else None
    defaults = body.get("defaults") if isinstance(body, dict) else None
    defaults = defaults if isinstance(defaults, dict) else {}
    for request in requests if isinstance(requests, list) else ():
        if isinstance(request, dict):
            part = {**defaults, **request}
            method, path = part.get("method") or "GET", part.get("path")
            if isinstance(method, str) and isinstance(path, str):
                credentials = _credentials(request.get("headers"), defaults.get("headers"))
                yield method, path_of(unquote(path.partition("?")[0])), credentials


def _credentials(own: Any, default: Any) -> str | None:
    own, default = (each if isinstance(each, dict) else {} for each in (own, default))
    headers = {**own, **default, **own}  # in the order of Kinto, where the last one of several spellings is it
    said = [value for name, value in headers.items() if str(name).lower() == "authorization"]
    return said[-1] if said and isinstance(said[-1], str) else None


def storable(path: Path) -> bool:
    """Whether PostgreSQL can be asked for it; Kinto refuses the rest."""
    try:
        return b"\0" not in "/".join(path).encode()
    except UnicodeEncodeError:
        return False


def writing(method: str, path: Path) -> Locks:
    """Locks of a request that is not a read."""
    if path[0] in {"__flush__", "__user_data__"}:
        return _EVERYTHING
    here = path[: _ACCOUNT if path[0] == "accounts" else _RECORD]
    below = {_tree(here): True} if method == "DELETE" and here == path else {}
    return {**staying(here), _list(members(here)): True, **below}


def members(path: Path) -> Path:
    """The list that a path is, or is in: one that has an odd number of segments."""
    return path[: len(path) - 1 + len(path) % 2]


def staying(path: Path) -> Locks:
    """Locks of who relies on it that nothing above the path is deleted meanwhile."""
    return {_tree(path[:length]): False for length in range(len(path))}


def listed(*path: str) -> Locks:
    """Locks of who adds something to a list besides what the request says."""
    return {_list(path): True}


def whole(*path: str) -> Locks:
    """Locks of who may write anywhere below the path."""
    return {_tree(path): True}


def merged(parts: Iterable[Locks]) -> Locks:
    """All of them; exclusively what one of them needs so."""
    together: dict[str, bool] = {}
    for part in parts:
        for name, exclusive in part.items():
            together[name] = exclusive or together.get(name, False)
    return together


def bounded(locks: Locks) -> Locks:
    """Instead of very many, one for everything: PostgreSQL has a few thousand places for all locks of all requests."""
    return locks if len(locks) <= _MOST else _EVERYTHING


def ordered(locks: Locks) -> list[tuple[int, bool]]:
    """Keys of 64 bits, in the order in which everybody takes them: so nobody waits for somebody who waits for him."""
    return sorted((_key(name), exclusive) for name, exclusive in locks.items())


def _key(name: str) -> int:
    digest = blake2b(name.encode(errors="surrogatepass"), digest_size=8, person=_NAMESPACE).digest()
    return int.from_bytes(digest, "big", signed=True)
