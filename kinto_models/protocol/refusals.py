"""From an answer that is no success to an error of the tree."""

from __future__ import annotations

import json
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from kinto_models.errors import (
    AbortedError,
    AlreadyExistsError,
    ConflictError,
    EndOfLifeError,
    ForbiddenError,
    InvalidAnswerError,
    InvalidRequestError,
    KintoError,
    NotFoundError,
    RedirectError,
    RefusedError,
    ServerFailedError,
    StatusError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
    UncertainOutcomeError,
)
from kinto_models.protocol.accounts import hint_of
from kinto_models.protocol.capabilities import missing
from kinto_models.protocol.messages import Request, Response
from kinto_models.protocol.words import plain
from kinto_models.types import EndOfLifeWarning

__all__ = ["alert_of", "answer_of", "backoff_of", "error_of", "is_kintos", "retry_after", "uncertain"]

_BY_STATUS: dict[int, type[StatusError]] = {
    400: InvalidRequestError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: AbortedError,
    410: EndOfLifeError,
    412: ConflictError,
    429: TooManyRequestsError,
    503: UnavailableError,
}
# What may not be seen is not told from what is not there (kinto.authorization.RouteFactory).
_MAY_BE_ABSENT = "; Kinto also answers this where the bucket does not exist"
_HINTS = {401: f"{_MAY_BE_ABSENT} and the request is anonymous", 403: _MAY_BE_ABSENT}
_NO_PARENT = "; the bucket or collection that it would be in does not exist"
_NO_DEFAULT = ", as 'default' does on a server without the capability 'default_bucket'"
_STALE = "; refresh() the object, rebase() onto what is there now, or say what to do by save(on_conflict=...)"
_TAKEN = "; refresh() it to change what is there, or upsert() it"
_LONGEST_BACKOFF = 3600.0
_AGES = 1e12
"""Seconds; a longer wait is told as this one."""
_SHOWN = 120
"""Characters of a foreign body that a message shows."""


def error_of(request: Request, response: Response) -> KintoError:
    """The error for an answer that is not the success of this request."""
    if 400 <= response.status <= 599:
        refusal = _refusal(request, response)
        if (absent := missing(request, refusal.status, refusal.errno)) is not None:
            return absent
        # What Kinto finds invalid was so the first time.
        invalid = isinstance(refusal, InvalidRequestError) and refusal.errno is not None
        sure = not response.again or request.safe or invalid
        return refusal if sure else uncertain(request, refusal)
    if 300 <= response.status <= 399 and response.status != 304:
        return _redirect(request, response)
    unasked = " that was not asked for" if response.status == 304 else ""
    return InvalidAnswerError(f"{request.line}: the server answered a {response.status}{unasked}, which is not Kinto's")


def uncertain(request: Request, outcome: Exception) -> UncertainOutcomeError:
    """The error of a write of which nobody knows whether it was carried out, by what came of its last try."""
    refusal = outcome if isinstance(outcome, StatusError) else None
    what = (
        f"a try was not answered, and the next one with a {refusal.status}" if refusal else _without(request, outcome)
    )
    error = UncertainOutcomeError(f"{request.line}: it may have been carried out, and may not: {what}")
    error.request, error.refusal, error.__cause__ = request.line, refusal, outcome
    return error


def _without(request: Request, outcome: Exception) -> str:
    said = str(outcome).removeprefix(f"{request.line}: ")
    return said if isinstance(outcome, KintoError) else f"{type(outcome).__name__}: {said}"


def answer_of(error: StatusError) -> Response:
    """The answer that an error was made of, as far as it matters to sending again."""
    headers = {} if error.retry_after is None else {"Retry-After": f"{error.retry_after:.0f}"}
    return Response(error.status, headers, b"", "")


def is_kintos(response: Response) -> bool:
    """Whether it is Kinto's own error, and not that of something before it, which may have handed the request on."""
    errno = _body(response).get("errno")
    return isinstance(errno, int) and not isinstance(errno, bool)


def retry_after(response: Response) -> float | None:
    """Seconds that the answer asks to wait, or None. A date is read against the answer's own ``Date``, so that no
    clock of this machine is needed.
    """
    value = (response.headers.get("Retry-After") or "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), _AGES)
    try:
        until, now = (parsedate_to_datetime(text) for text in (value, response.headers.get("Date") or ""))
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def backoff_of(response: Response) -> float:
    """Seconds that all clients are asked to wait before their next request, an hour at most; 0 where nothing is asked
    (https://docs.kinto-storage.org/en/stable/api/1.x/backoff.html).
    """
    value = (response.headers.get("Backoff") or "").strip()
    return min(float(value), _LONGEST_BACKOFF) if value.isascii() and value.isdigit() else 0.0


def alert_of(response: Response) -> EndOfLifeWarning | None:
    """What the answer warns of: that the service, or what was asked for, is going to end
    (https://docs.kinto-storage.org/en/stable/api/1.x/deprecation.html).
    """
    text = (response.headers.get("Alert") or "").strip()
    try:
        told = json.loads(text)
        code, message, url = (_line(told.get(name)) for name in ("code", "message", "url"))
    except (ValueError, AttributeError, RecursionError):
        code, message, url = None, _line(text), None
    said = ": ".join(part for part in (message or code, url) if part)
    return EndOfLifeWarning(f"the server says: {said}", code, url) if said else None


def _line(value: Any) -> str | None:
    return plain(value) or None if isinstance(value, str) else None


def _refusal(request: Request, response: Response) -> StatusError:
    body = _body(response)
    errno, reason, details = body.get("errno"), body.get("message") or body.get("error"), body.get("details")
    if not isinstance(reason, str) or not reason:
        reason = plain(response.body[:_SHOWN].decode("utf-8", "replace")) or "no explanation"
    if (cls := _class(request, response.status)) is AlreadyExistsError:
        reason = "an object with this id exists"  # where Kinto says the same as of one that was modified
    errno = errno if isinstance(errno, int) and not isinstance(errno, bool) else None
    number = f" (errno {errno})" if errno is not None else ""
    hint = _HINTS.get(response.status, "") or (_NO_PARENT if (response.status, errno) == (404, 111) else "")
    hint = hint if request.target.startswith("/buckets/") else ""
    if hint and f"{request.target}/".startswith("/buckets/default/"):
        hint += _NO_DEFAULT
    hint = hint or hint_of(request, reason)
    hint = _TAKEN if cls is AlreadyExistsError else _STALE if cls is ConflictError else hint
    error = cls(f"{request.line}: {response.status}{number}: {plain(reason)}{hint}")
    error.status, error.errno, error.reason, error.details = response.status, errno, reason, details
    error.request, error.retry_after = request.line, retry_after(response)
    if isinstance(error, InvalidRequestError):
        error.errors = tuple(_entries(details))
    return error


def _entries(details: Any) -> Iterator[dict[str, Any]]:
    """Kinto's details of a 400 in pydantic's form, each ``loc`` of one part: the name that Kinto has for the place."""
    for each in details if isinstance(details, list) else ():
        if isinstance(each, dict):
            where = f"kinto.{each.get('location')}"
            yield {"type": where, "loc": (each.get("name"),), "msg": str(each.get("description") or "")}


def _class(request: Request, status: int) -> type[StatusError]:
    if status == 412 and "If-None-Match" in request.headers:
        return AlreadyExistsError
    return _BY_STATUS.get(status) or (RefusedError if status < 500 else ServerFailedError)


def _body(response: Response) -> dict[str, Any]:
    try:
        body = json.loads(response.body)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _redirect(request: Request, response: Response) -> RedirectError:
    try:
        parts = urlsplit(urljoin(response.root + request.target, response.headers.get("Location") or ""))
        _ = parts.port  # read only now, and maybe no number
        location = plain(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")
    except ValueError:
        location = "an address that is none"
    error = RedirectError(
        f"{request.line}: the server redirects to {location}, which is not followed: "
        "give the client the address of the server's root, version included, such as https://example.com/v1"
    )
    error.location = location
    return error
