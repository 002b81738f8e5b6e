"""Requests, responses and operations: what goes over the wire, as values.

A request knows nothing of hosts, credentials or sockets: its target is relative to the server's root, and whoever
sends it adds the rest. That is also why an error or a log line may name a request without telling a secret.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

__all__ = [
    "Ahead",
    "Body",
    "Call",
    "Conversation",
    "Emit",
    "Operation",
    "Pause",
    "Raised",
    "Request",
    "Response",
    "Sink",
    "Started",
    "Step",
    "Stream",
    "Transfer",
    "call",
    "called",
    "drain",
    "fail",
    "hand",
    "send",
    "work",
]

T = TypeVar("T")
U = TypeVar("U")

_NO_HEADERS: Mapping[str, str] = {}
_IDEMPOTENT: Final = ("GET", "HEAD", "PUT", "DELETE")
_CONDITIONS: Final = frozenset({"If-Match", "If-None-Match"})


class Body(Protocol):
    """What is sent in pieces, and may be sent again: each iteration begins at its beginning."""

    def __len__(self) -> int:
        """All of it, in bytes."""
        ...

    def __iter__(self) -> Iterator[bytes]: ...


class Sink(Protocol):
    """What the body of an answer goes to, piece by piece.

    Attributes:
        bounded: whether it may be no larger than an answer that is kept in memory.
    """

    bounded: bool

    def begin(self) -> None:
        """A body begins; what came of an earlier try counts no more."""
        ...

    def write(self, piece: bytes, /) -> object:
        """Takes the next bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Transfer:
    """What of a request, or of its answer, is not kept in memory.

    Attributes:
        body: what is sent.
        sink: where the body of a 200 goes, decompressed.
        root: the absolute address that the target is relative to, where that is not the server's root. It gets
            credentials, and the headers of the client, on the server's own origin only.
    """

    body: Body | None = None
    sink: Sink | None = None
    root: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request to a Kinto server.

    Attributes:
        method: GET, HEAD, POST, PUT, PATCH or DELETE.
        target: path and query, already quoted, relative to the server's root (``/buckets/blog?_limit=3``).
        headers: those of this request only; the transport adds credentials and its own.
        body: bytes of JSON, or None.
        transfer: a file that goes with it or comes of it, or None.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_HEADERS)
    body: bytes | None = field(default=None, repr=False)
    transfer: Transfer | None = field(default=None, repr=False)

    @property
    def line(self) -> str:
        """Method and path, for errors and logs: no query, no headers, no body. With the host, where it is another."""
        root = "" if self.transfer is None else self.transfer.root or ""
        return f"{self.method} {root}{self.target.partition('?')[0]}"

    @property
    def safe(self) -> bool:
        """Whether the request only reads, so that sending it twice changes nothing (RFC 9110, 9.2.1)."""
        return self.method in ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer.

    Attributes:
        status: the HTTP status.
        headers: a mapping whose ``get`` ignores case.
        body: the bytes, decompressed.
        root: the absolute address of the server's root, to which targets are relative.
        again: whether an earlier try of the request may have been carried out, of which no answer is known.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    root: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class Operation(Generic[T]):
    """One request together with the function that reads its answer: everything the library asks of a server is one.

    Attributes:
        request: what to send.
        decode: turns the answer into the result, or raises an error of the tree.
        idempotent: whether carrying it out twice does the same as once; None where its method and its condition tell.
        doubtful: whether it was sent before, and nobody knows what became of it.
        pretend: what it returns in a dry run, where its request does not tell; None for a write of objects.
        answers: statuses of failures that are answers all the same, for which it is not sent again.
    """

    request: Request
    decode: Callable[[Response], T]
    idempotent: bool | None = None
    doubtful: bool = False
    pretend: Callable[[], T] | None = None
    answers: tuple[int, ...] = ()

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again when nobody knows what became of it: a condition that the first try made untrue
        refuses the second (RFC 9110, 9.2.2 and 13.1).
        """
        if self.idempotent is not None:
            return self.idempotent
        return self.request.method in _IDEMPOTENT or not _CONDITIONS.isdisjoint(self.request.headers)

    def map(self, function: Callable[[T], U]) -> Operation[U]:
        """The same request, its result passed through ``function``."""
        decode, pretend = self.decode, self.pretend
        return Operation(
            self.request,
            lambda response: function(decode(response)),
            self.idempotent,
            self.doubtful,
            None if pretend is None else lambda: function(pretend()),
            self.answers,
        )

    def again(self) -> Operation[T]:
        """The same, once it was sent and nobody knows what became of it."""
        decode = self.decode
        return replace(self, decode=lambda response: decode(replace(response, again=True)), doubtful=True)


@dataclass(frozen=True, slots=True)
class Ahead(Generic[T]):
    """Asks for an operation to be started, and for something to be yielded later, when its result is needed."""

    operation: Operation[T]


@dataclass(frozen=True, slots=True)
class Started:
    """What whoever runs a conversation may answer to ``Ahead``: an operation that is on its way.

    Attributes:
        future: where its result will be.
    """

    future: Any


@dataclass(frozen=True, slots=True)
class Call:
    """Asks for a function of the user's to be called, and for what it returns to be awaited if that is to be.

    Attributes:
        function: takes nothing.
        blocks: whether it may take long, such as what reads a file: an event loop calls it in a thread.
    """

    function: Callable[[], object]
    blocks: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Asks for nothing to be done for a while.

    Attributes:
        seconds: how long.
        why: what for, in the log; not logged where it is empty.
    """

    seconds: float
    why: str = ""


Step: TypeAlias = "Operation[Any] | Ahead[Any] | Started | Call | Pause"
Conversation: TypeAlias = "Generator[Step, Any, T]"
"""Several operations with a decision between them: yields operations, receives their results, returns its own.

An error of an operation is thrown into the generator, which may answer it with another operation.
"""


@dataclass(frozen=True, slots=True)
class Emit(Generic[T]):
    """A result that a stream gives before it ends."""

    value: T


Stream: TypeAlias = "Generator[Step | Emit[T], Any, None]"
"""A conversation with many results: yields operations, and what it has to give between them."""


class Raised(Exception):  # noqa: N818  # it never leaves the library
    """Carries an error that a function of the user's raised past conversations that would take it for their own.

    Attributes:
        error: that one.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error: Exception = error


def send(operation: Operation[T]) -> Conversation[T]:
    """One operation as a part of a conversation: ``answer = yield from send(operation)`` keeps its type."""
    result: T = yield operation
    return result


def call(function: Callable[..., object], *args: object) -> Conversation[Any]:
    """A function of the user's as a part of a conversation."""
    return (yield Call(partial(function, *args)))


def work(function: Callable[..., T], *args: object) -> Conversation[T]:
    """A function that may take long, such as one that reads a file, as a part of a conversation."""
    result: T = yield Call(partial(function, *args), blocks=True)
    return result


def called(step: Call) -> object:
    """Calls it where nothing can be awaited.

    Raises:
        TypeError: it is a coroutine function.
    """
    result = step.function()
    if isinstance(result, Awaitable):
        if isinstance(result, Coroutine):
            result.close()
        raise TypeError("a coroutine function is called by an AsyncClient only: use a plain one")
    return result


def hand(stream: Stream[T], result: Any) -> Step | Emit[T] | None:
    """Hands a stream the result that it asked for; its next step, or None where it ends."""
    try:
        return stream.send(result)
    except StopIteration:
        return None


def fail(stream: Stream[T], error: Exception) -> Step | Emit[T] | None:
    """Hands a stream the error of what it asked for, which it may answer; its next step, or None where it ends.

    Raises:
        Exception: that one, or what the stream makes of it.
    """
    try:
        return stream.throw(error)
    except StopIteration:
        return None
    except Raised as raised:
        raise raised.error from raised.error.__cause__


def drain(stream: Stream[T], take: Callable[[T], object]) -> Conversation[None]:
    """The stream as a conversation: each result is handed to ``take``."""
    step = next(stream, None)
    while step is not None:
        if isinstance(step, Emit):
            take(step.value)
            step = next(stream, None)
        else:
            step = hand(stream, (yield step))
