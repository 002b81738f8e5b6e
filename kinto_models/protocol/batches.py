"""Many operations in one request (https://docs.kinto-storage.org/en/stable/api/1.x/batch.html).

A batch is one answer with the status 200, whatever became of its parts: each part is read as if it had come alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from kinto_models.errors import InvalidAnswerError, KintoError
from kinto_models.protocol.bodies import BASIC, encode
from kinto_models.protocol.messages import Operation, Request, Response
from kinto_models.protocol.refusals import error_of

__all__ = ["batch", "batchable", "limit_of", "parts_of", "response_of"]

_PATH: Final = "/batch"
_DEFAULT_LIMIT: Final = 25
_UNLIMITED: Final = 500
"""Parts of one request where the server sets no limit: enough to spare the requests, little enough to wait for."""
_ABORTED: Final = 409


def batchable(request: Request) -> bool:
    """Whether a batch can carry this request.

    The server takes no path with ``/batch`` anywhere in it, makes a basic patch of every other kind (or refuses the
    whole batch), and fails the whole batch where a part is answered with a 304.
    """
    plain = request.headers.get("Content-Type", BASIC) == BASIC
    may_be_unchanged = request.safe and "If-None-Match" in request.headers
    return plain and not may_be_unchanged and _PATH not in request.target


def batch(operations: Sequence[Operation[Any]]) -> Operation[list[Any]]:
    """The operations as one: its result has the result of each, or the error that it raised."""
    parts = b",".join(_part(operation.request) for operation in operations)
    request = Request("POST", _PATH, {"Content-Type": BASIC}, b'{"requests":[' + parts + b"]}")

    def decode(response: Response) -> list[Any]:
        if response.status != 200:
            raise error_of(request, response)
        answers = _answers(response, len(operations))
        return [_read(operation, answer) for operation, answer in zip(operations, _standing(answers), strict=True)]

    repeatable = all(operation.repeatable for operation in operations)
    return Operation(request, decode, repeatable, any(operation.doubtful for operation in operations))


def parts_of(request: Request) -> list[Request] | None:
    """The requests in a batch; None where it is none."""
    if request.target != _PATH:
        return None
    listed = json.loads(request.body or b"{}").get("requests", [])
    return [_request(part) for part in listed]


def _request(part: dict[str, Any]) -> Request:
    body = encode(part["body"]) if "body" in part else None
    return Request(part["method"], part["path"], part.get("headers", {}), body)


def response_of(answers: Sequence[Response], root: str) -> Response:
    """The answer to a batch whose parts are answered like this."""
    listed = [
        {"status": each.status, "headers": dict(each.headers), "body": json.loads(each.body or b"null")}
        for each in answers
    ]
    return Response(200, {}, encode({"responses": listed}), root)


def limit_of(told: bytes) -> int:
    """How many parts a server takes in one batch, by what it says of itself
    (https://docs.kinto-storage.org/en/stable/api/1.x/utilities.html).

    Raises:
        InvalidAnswerError: that is not what a Kinto says.
    """
    try:
        limit = json.loads(told)["settings"].get("batch_max_requests", _DEFAULT_LIMIT)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise InvalidAnswerError("GET /: the server does not introduce itself as a Kinto") from None
    if isinstance(limit, bool) or not isinstance(limit, int):
        return _UNLIMITED if limit is None else _DEFAULT_LIMIT
    return limit if limit > 0 else _UNLIMITED


def _part(request: Request) -> bytes:
    body = b"" if request.body is None else b',"body":' + request.body
    headers = _headers(tuple(request.headers.items()))
    return b'{"method":"%b","path":%b%b%b}' % (request.method.encode(), encode(request.target), headers, body)


@lru_cache(maxsize=64)
def _headers(headers: tuple[tuple[str, str], ...]) -> bytes:
    # The server itself says that a body in a batch is JSON.
    own = {name: value for name, value in headers if name != "Content-Type"}
    return b',"headers":' + encode(own) if own else b""


class _Headers(Mapping[str, str]):
    """The headers of a part, whose names may be written in any way."""

    def __init__(self, headers: dict[str, str]) -> None:
        self._headers = headers

    def __getitem__(self, name: str) -> str:
        if name not in self._headers:
            name = next(each for each in [*self._headers, name] if each.lower() == name.lower())
        return str(self._headers[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)


def _answers(response: Response, expected: int) -> list[Response]:
    try:
        listed = json.loads(response.body)["responses"]
        answers = [_answer(part, response) for part in listed]
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        answers = []
    if len(answers) != expected:
        raise InvalidAnswerError(
            f"POST {_PATH}: the answer is not one for each of the {expected} requests; the server may have done them"
        )
    return answers


def _standing(answers: list[Response]) -> list[Response]:
    """The answers, each as it holds in the end: a 409 takes back what came before it, whatever was said of that
    (kinto.core.views.batch aborts the transaction).
    """
    aborted = max((index for index, answer in enumerate(answers) if answer.status == _ABORTED), default=-1)
    return [answers[aborted] if index < aborted else answer for index, answer in enumerate(answers)]


def _answer(part: Any, response: Response) -> Response:
    body, status = part.get("body"), part["status"]
    if isinstance(status, bool) or not isinstance(status, int):
        raise TypeError(status)
    # Written again, because whoever reads it expects the bytes of an answer of its own.
    told, text = _Headers({**(part.get("headers") or {})}), json.dumps(body).encode() if body else b""
    return Response(status, told, text, response.root, response.again)


def _read(operation: Operation[Any], answer: Response) -> Any:
    try:
        return operation.decode(answer)
    except KintoError as error:
        return error.with_traceback(None)  # from here on its way is that of whoever it is thrown into
