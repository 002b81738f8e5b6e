"""What a server tells of its health and its software, and what its operators ask of it
(https://docs.kinto-storage.org/en/stable/api/1.x/utilities.html).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar
from urllib.parse import quote

from kinto_models.errors import InvalidAnswerError, StatusError
from kinto_models.protocol.messages import Operation, Request, Response
from kinto_models.protocol.refusals import error_of
from kinto_models.types import Data

__all__ = ["counters", "delete_user_data", "flush", "heartbeat", "lbheartbeat", "openapi", "tell", "version"]

T = TypeVar("T")

_FAILED: Final = (500, 502, 503, 504)
_NO_FILE: Final = "; Kinto also answers this where there is no version.json: see its setting version_json_path"
_NOT_ALLOWED: Final = "; its setting user-data_delete_principals says who may"
_NO_WRITERS: Final = (
    "; Kinto's memory backend fails like this where the user may read what nobody may write, such as an entry of the "
    "history: nothing was deleted then"
)


def _told(request: Request, response: Response) -> Data:
    """The JSON object of an answer.

    Raises:
        InvalidAnswerError: it is none.
    """
    try:
        told = json.loads(response.body)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise _not_kintos(request)
    return told


def _not_kintos(request: Request) -> InvalidAnswerError:
    return InvalidAnswerError(f"{request.line}: the server answered something that is not Kinto's JSON")


def tell(path: str, *names: str) -> Operation[Data]:
    """Whatever JSON object a server tells under this path, as long as it has one of these names, if any are given."""
    request = Request("GET", path)

    def decode(response: Response) -> Data:
        if response.status != 200:
            raise error_of(request, response)
        told = _told(request, response)
        if names and told.keys().isdisjoint(names):
            raise _not_kintos(request)
        return told

    return Operation(request, decode)


def heartbeat() -> Operation[dict[str, bool | None]]:
    """Whether each of its backends works; None for one that does not say. A 503 is such an answer too."""
    request = Request("GET", "/__heartbeat__")

    def decode(response: Response) -> dict[str, bool | None]:
        try:
            backends: dict[str, Any] = _told(request, response)
        except InvalidAnswerError:
            backends = {}
        known = all(works is None or isinstance(works, bool) for works in backends.values())
        if response.status in (200, 503) and backends and known:
            return backends
        raise error_of(request, response)  # of something before it

    return Operation(request, decode, answers=(503,))


def lbheartbeat() -> Operation[bool]:
    """Whether it answers at all."""
    request = Request("GET", "/__lbheartbeat__")

    def decode(response: Response) -> bool:
        if response.status != 200 and response.status not in _FAILED:
            raise error_of(request, response)
        return response.status == 200

    return Operation(request, decode, answers=_FAILED)


def version() -> Operation[Data]:
    """Which software it is."""
    return _explained(tell("/__version__", "name", "version", "source", "commit"), {500: _NO_FILE})


def openapi() -> Operation[Data]:
    """The description of its API."""
    return tell("/__api__", "swagger", "openapi")


def counters() -> Operation[Data]:
    """How many objects it holds."""
    return tell("/__counters__", "objects")


def flush() -> Operation[None]:
    """Deletes all that the server holds. It is not sent again where nobody knows whether it was carried out: in between
    somebody may have begun anew.
    """
    request = Request("POST", "/__flush__")

    def decode(response: Response) -> None:
        if response.status not in (200, 202):
            raise error_of(request, response)
        _told(request, response)

    return Operation(request, decode, idempotent=False, pretend=lambda: None)


def delete_user_data(principal: str) -> Operation[None]:
    """Deletes what a user alone may write, and takes back what else was granted. May be sent again: what was made in
    between is the user's as well.

    Raises:
        ValueError: the principal is a group.
    """
    if "/" in principal:
        raise ValueError(f"{principal!r} is a group: Kinto deletes the data of a user, such as 'account:alice'")
    request = Request("DELETE", f"/__user_data__/{quote(principal, safe='')}")

    def decode(response: Response) -> None:
        if response.status != 200:
            raise error_of(request, response)
        _told(request, response)

    hints = {401: _NOT_ALLOWED, 403: _NOT_ALLOWED, 500: _NO_WRITERS}
    return _explained(Operation(request, decode, pretend=lambda: None), hints)


def _explained(operation: Operation[T], hints: Mapping[int, str]) -> Operation[T]:
    """The same, with a hint in the errors of Kinto's that have these statuses."""
    decode: Callable[[Response], T] = operation.decode

    def explain(response: Response) -> T:
        try:
            return decode(response)
        except StatusError as error:
            if error.errno is not None and error.status in hints:
                error.args = (f"{error}{hints[error.status]}",)
            raise

    return replace(operation, decode=explain)
