"""A dry run: writes that are not sent, checked against what is there and answered as Kinto would.

What is there is read, and what the dry run itself would have written since is remembered, so that one write may build
on another. Who may write what is not known before it is tried: a dry run does not tell.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, TypeVar
from urllib.parse import quote, unquote

from kinto_models.protocol.accounts import ACCOUNTS, without_password
from kinto_models.protocol.batches import batch, parts_of, response_of
from kinto_models.protocol.bodies import encode, envelope
from kinto_models.protocol.effects import Stored, written
from kinto_models.protocol.etags import format_etag, parse_etag
from kinto_models.protocol.messages import Conversation, Operation, Request, Response, send

__all__ = ["Rehearsal"]

T = TypeVar("T")

_NO_OBJECT: Final = 110
_ERRNOS: Final = {400: 107, 404: _NO_OBJECT, 412: 114}
"""Kinto's, of what a rehearsal can refuse (https://docs.kinto-storage.org/en/stable/api/1.x/errors.html)."""


class Rehearsal:
    """What a client in a dry run would have sent, and what would be there then.

    Parameters:
        root: of the server.
        clock: tells milliseconds since the epoch.
        ids: makes the ids that the server would make.
        note: told each write that is not sent.

    Attributes:
        withheld: writes that were not sent, in order.
    """

    def __init__(
        self, root: str, clock: Callable[[], int], ids: Callable[[], str], note: Callable[[Request], object]
    ) -> None:
        self.withheld: list[Request] = []
        self._root = root
        self._clock = clock
        self._ids = ids
        self._note = note
        self._written: dict[str, Stored | None] = {}
        """By path, what would be there; None for what would be gone."""
        self._holders: set[str] = set()
        """Paths under which something would be."""
        self._wiped: set[str] = set()
        """Paths under which nothing would be left of what is there."""

    def minds(self, operation: Operation[Any]) -> bool:
        """Whether it would write, or read what would have been written."""
        if isinstance(operation, _Look):
            return False
        parts = parts_of(operation.request) or (operation.request,)
        return any(not part.safe or self.holds(part) for part in parts)

    def holds(self, request: Request) -> bool:
        """Whether the dry run would have written the object that a request is about, or deleted what it was in."""
        path = _path(request)
        return path in self._written or (_is_object(path) and not self._wiped.isdisjoint(_above(path)))

    def carry(self, operation: Operation[T]) -> Conversation[T]:
        """What the operation would return, had it been sent."""
        if operation.pretend is not None:
            self._withhold(operation.request)
            return operation.pretend()
        parts = parts_of(operation.request)
        if parts is None:
            seen = yield from send(_look(operation.request))
            return operation.decode(self._answer(operation.request, seen))
        looks = batch([_look(part) for part in parts])
        seen_ones = yield from send(_Look(looks.request, looks.decode))
        answers = [self._answer(part, seen) for part, seen in zip(parts, seen_ones, strict=True)]
        return operation.decode(response_of(answers, self._root))

    def _withhold(self, request: Request) -> None:
        self.withheld.append(without_password(request))
        self._note(request)

    def _answer(self, request: Request, seen: Response) -> Response:
        """The answer to a request, where a GET of the same target is answered like this."""
        path = _path(request)
        if request.safe:
            return self._shown(request, self._before(path, seen)) if self.holds(request) else seen
        if request.method == "POST":
            return self._created(request, seen)
        return self._write(request, path, seen)

    def _write(self, request: Request, path: str, seen: Response) -> Response:
        if request.method == "DELETE" and (listed := self._listed(path, request, seen)) is not None:
            self._withhold(request)
            return self._emptied(seen, listed)
        before = self._before(path, seen)
        if (refusal := self._refusal(request, seen, before)) is not None:
            return refusal
        if request.method == "DELETE":
            self._withhold(request)
            self._wipe(path)
            return self._answered(200, Stored(self._tombstone(path, before)), bare=True)
        return self._put(request, path, before)

    def _shown(self, request: Request, stored: Stored | None) -> Response:
        """The answer to who reads an object."""
        if stored is None:
            return self._refused(404, "it does not exist")
        answer = self._answered(200, stored)
        return replace(answer, body=b"") if request.method == "HEAD" else answer

    def _before(self, path: str, seen: Response) -> Stored | None:
        wiped = not self._wiped.isdisjoint(_above(path))
        return self._written.get(path, None if wiped else _stored(seen))

    def _refusal(self, request: Request, seen: Response, before: Stored | None) -> Response | None:
        only, fresh = parse_etag(request.headers.get("If-Match")), "If-None-Match" in request.headers
        if before is None and (nowhere := self._nowhere(request, seen)) is not None:
            return nowhere
        if before is None and request.method != "PUT":
            return self._refused(404, "it does not exist")
        # What a list says of it is true as well: nobody has changed it.
        told = {each.data.get("last_modified") for each in (before, before and _stored(seen)) if each}
        if (fresh and before is not None) or (only is not None and only not in told):
            existing = {} if before is None else {"existing": before.data}
            return self._refused(412, "it was changed meanwhile", existing)
        return None

    def _put(self, request: Request, path: str, before: Stored | None) -> Response:
        try:
            after = written(request, before)
        except (ValueError, LookupError, TypeError) as error:
            return self._refused(400, f"the patch cannot be applied: {error}")
        self._withhold(request)
        data = {**after.data, "id": _name(path), "last_modified": self._stamp(before)}
        self._written[path] = stored = Stored(data, after.permissions)
        self._holders.update(_above(path))
        return self._answered(201 if before is None else 200, stored)

    def _nowhere(self, request: Request, seen: Response) -> Response | None:
        """Why there is nothing that the object could be in, or None."""
        path = _path(request)
        above = [self._written[each] for each in _above(path) if each in self._written]
        if None in above:
            return self._refused(404, "what it is in was deleted")
        if above or path in self._written:
            return None
        # Who may create need not be able to read, as a stranger who signs up.
        unread = seen.status == 403 or (seen.status == 401 and path.startswith(f"{ACCOUNTS}/"))
        listed = request.method == "POST" and seen.status == 200 and "ETag" in seen.headers
        creates = listed or (unread and request.method in ("PUT", "POST"))
        absent = seen.status == 404 and _json(seen).get("errno") == _NO_OBJECT
        return None if creates or absent else seen

    def _created(self, request: Request, seen: Response) -> Response:
        if (nowhere := self._nowhere(request, seen)) is not None:
            return nowhere
        name = (json.loads(request.body or b"{}").get("data") or {}).get("id") or self._ids()
        return self._put(request, f"{_path(request)}/{name}", None)

    def _listed(self, path: str, request: Request, seen: Response) -> dict[str, Stored] | None:
        """The objects, by path, that the deletion of a list is about; None where it is about one object."""
        data = _json(seen).get("data")
        if not isinstance(data, list):
            made = path not in self._written and self._nowhere(request, seen) is None
            if seen.status == 200 or _is_object(path) or not made:
                return None
            data = []
        listed = {f"{path}/{quote(each['id'], safe='')}": Stored(each) for each in data}
        listed = {each: stored for each, stored in listed.items() if self._written.get(each, stored) is not None}
        if request.target in (path, f"{path}?not_deleted=true"):  # or who knows whether they meet the conditions
            made_here = self._written.items()
            listed |= {each: stored for each, stored in made_here if stored and each.rpartition("/")[0] == path}
        return listed

    def _emptied(self, seen: Response, gone: dict[str, Stored]) -> Response:
        for path in gone:
            self._wipe(path)
        tombstones = [self._tombstone(path, before) for path, before in gone.items()]
        return Response(200, seen.headers, encode({"data": tombstones}), self._root)

    def _wipe(self, path: str) -> None:
        """Deletes an object, and all that is in it."""
        if path in self._holders:
            for below in [each for each in self._written if each.startswith(f"{path}/")]:
                del self._written[below]
        self._written[path] = None
        self._wiped.add(path)

    def _tombstone(self, path: str, before: Stored | None) -> dict[str, Any]:
        return {"id": _name(path), "last_modified": self._stamp(before), "deleted": True}

    def _stamp(self, before: Stored | None) -> int:
        return max(self._clock(), (before.data.get("last_modified", 0) if before else 0) + 1)

    def _answered(self, status: int, stored: Stored, *, bare: bool = False) -> Response:
        told = envelope(stored.data, None if bare else stored.permissions)
        return Response(status, {"ETag": format_etag(stored.data["last_modified"])}, told, self._root)

    def _refused(self, status: int, message: str, details: dict[str, Any] | None = None) -> Response:
        told = {"code": status, "errno": _ERRNOS[status], "message": f"{message} (in a dry run)", "details": details}
        return Response(status, {}, encode(told), self._root)


class _Look(Operation[T]):
    """What is really sent."""


def _look(request: Request) -> _Look[Response]:
    """Reads what a write is about; the first page of what a deletion lists."""
    if not request.safe:
        request = Request("HEAD" if request.method == "POST" else "GET", request.target)
    return _Look(request, lambda seen: seen)


def _path(request: Request) -> str:
    return request.target.partition("?")[0]


def _is_object(path: str) -> bool:
    """Whether it is the path of an object, and not of a list, as Kinto's own are."""
    return path.count("/") % 2 == 0


def _above(path: str) -> list[str]:
    return [path[:at] for at, character in enumerate(path) if character == "/" and at]


def _name(path: str) -> str:
    return unquote(path.rpartition("/")[2])


def _json(response: Response) -> dict[str, Any]:
    try:
        told = json.loads(response.body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _stored(seen: Response) -> Stored | None:
    told = _json(seen)
    data = told.get("data") if seen.status == 200 else None
    return Stored(data, told.get("permissions") or {}) if isinstance(data, dict) else None
