"""Every error that this library raises, in one tree whose first split says who is to blame.

    KintoError
    ├── CallerError                       the caller
    │   ├── InvalidIdError                (ValueError) an id that Kinto does not take; nothing was sent
    │   ├── InvalidSchemaError            (ValueError) a JSON Schema that the server would fail on; nothing was sent
    │   ├── QueryError                    (TypeError) a condition that Kinto cannot answer; nothing was sent
    │   ├── DeclarationError              (TypeError) a class that cannot be stored as it is declared
    │   ├── NoClientError                 (RuntimeError) no client is active
    │   ├── NotSavedError                 (ValueError) the object was never read from or written to a server
    │   ├── ReadOnlyFieldError            (ValueError) a field that is fixed after creation was changed
    │   ├── UnknownPermissionsError       (LookupError) the server did not show the permissions
    │   ├── MissingExtraError             (ImportError) an optional package is not installed
    │   ├── MissingCapabilityError        (LookupError) the server cannot do this
    │   ├── LoginError                    (PermissionError) nobody signed in; nothing was sent
    │   ├── NotInHistoryError             (LookupError) the history does not have this state
    │   ├── NoResultError                 (LookupError) ``one()`` found nothing
    │   ├── MultipleResultsError          (LookupError) ``one()`` found more than one
    │   ├── NotSentError                  (RuntimeError) a part of a batch was not sent
    │   ├── BackoffError                  (RuntimeError) the server asked for no requests for a while; nothing was sent
    │   ├── FileError                     (OSError) a file or folder of this machine cannot be read or written
    │   ├── NoAttachmentError             (LookupError) the record has no file
    │   └── RefusedError                  the server refused the request: any 4xx
    │       ├── InvalidRequestError       (ValueError) 400
    │       ├── UnauthorizedError         (PermissionError) 401
    │       ├── ForbiddenError            (PermissionError) 403
    │       ├── NotFoundError             (LookupError) 404
    │       ├── AbortedError              409: the server took it back, because another write came in between
    │       ├── ConflictError             412: it changed since it was read
    │       │   └── AlreadyExistsError    412: it was to be created, and is there
    │       ├── EndOfLifeError            410: the service has ended
    │       └── TooManyRequestsError      429
    ├── ServerError                       the server
    │   ├── ServerFailedError             any 5xx
    │   │   └── UnavailableError          503
    │   └── InvalidAnswerError            an answer that is not Kinto's
    │       ├── RedirectError             a redirect, which is never followed
    │       ├── ForeignPageError          a next page that is not on this server, or was read before
    │       ├── AttachmentError           a file that is not what its record says
    │       │   ├── ForeignLocationError  it is not where this server has its files
    │       │   └── WrongHashError        it has other bytes
    │       └── InvalidRecordError        (ValueError) stored data that does not fit the model
    ├── TransportError                    the wire
    │   ├── ConnectionFailedError         (ConnectionError)
    │   │   ├── ProxyFailedError
    │   │   └── TLSError
    │   ├── TimedOutError                 (TimeoutError)
    │   │   ├── ConnectTimeoutError
    │   │   └── ReadTimeoutError
    │   ├── BrokenAnswerError             the answer broke off, or cannot be decoded
    │   │   └── AnswerTooLargeError       the answer is larger than the client takes
    │   └── UncertainOutcomeError         a write that may have been carried out, and may not
    └── BatchError                        some requests of a batch failed; each failure has its own error

Errors are data: each has typed attributes, survives pickle, and holds no credentials (requests are named by method
and path only).
"""

from __future__ import annotations

from typing import Any, Generic, Protocol, cast

from typing_extensions import TypeVar

__all__ = [
    "AbortedError",
    "AlreadyExistsError",
    "AnswerTooLargeError",
    "AttachmentError",
    "BackoffError",
    "BatchError",
    "BrokenAnswerError",
    "CallerError",
    "ConflictError",
    "ConnectTimeoutError",
    "ConnectionFailedError",
    "DeclarationError",
    "EndOfLifeError",
    "FileError",
    "ForbiddenError",
    "ForeignLocationError",
    "ForeignPageError",
    "InvalidAnswerError",
    "InvalidIdError",
    "InvalidRecordError",
    "InvalidRequestError",
    "InvalidSchemaError",
    "KintoError",
    "LoginError",
    "MissingCapabilityError",
    "MissingExtraError",
    "MultipleResultsError",
    "NoAttachmentError",
    "NoClientError",
    "NoResultError",
    "NotFoundError",
    "NotInHistoryError",
    "NotSavedError",
    "NotSentError",
    "ProxyFailedError",
    "QueryError",
    "ReadOnlyFieldError",
    "ReadTimeoutError",
    "RedirectError",
    "RefusedError",
    "ServerError",
    "ServerFailedError",
    "StatusError",
    "TLSError",
    "TimedOutError",
    "TooManyRequestsError",
    "TransportError",
    "UnauthorizedError",
    "UnavailableError",
    "UncertainOutcomeError",
    "UnknownPermissionsError",
    "WrongHashError",
]


T = TypeVar("T", default=Any)


class KintoError(Exception):
    """The root: ``except KintoError`` catches all that comes of a server, a wire, an id, a query or a declaration.

    Values that the caller gives wrongly raise what Python programs raise for them, and nothing is sent: pydantic's
    ``ValidationError``, ``ValueError`` (NaN, text that is not Unicode, credentials, addresses) and ``TypeError`` (an
    unknown field of ``patch()``).
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self.args, dict(self.__dict__))


def _revive(cls: type[KintoError], args: tuple[Any, ...], attributes: dict[str, Any]) -> KintoError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(attributes)
    return error


class CallerError(KintoError):
    """What was asked cannot be done as it was asked."""


class InvalidIdError(CallerError, ValueError):
    """An id is not one that Kinto takes. Raised before anything is sent; ids are never rewritten."""


class InvalidSchemaError(CallerError, ValueError):
    """A JSON Schema that Kinto would take, and then fail on at every record or not apply. Nothing was sent."""


class QueryError(CallerError, TypeError):
    """A condition, sort or projection that Kinto cannot answer. Raised before anything is sent."""


class DeclarationError(CallerError, TypeError):
    """A model class cannot be stored as it is declared, or does not say where its objects live."""


class NoClientError(CallerError, RuntimeError):
    """A model was asked to reach a server and no client is active."""


class NotSavedError(CallerError, ValueError):
    """The operation needs an object that was read from, or written to, a server."""


class ReadOnlyFieldError(CallerError, ValueError):
    """A field that the class declares ``readonly`` was changed after creation. Nothing was sent."""


class UnknownPermissionsError(CallerError, LookupError):
    """The server did not show the permissions of this object, so they are unknown, not empty."""


class MissingExtraError(CallerError, ImportError):
    """A feature needs an optional package that is not installed; the message names the extra."""


class MissingCapabilityError(CallerError, LookupError):
    """The server has no such capability: see ``ServerInfo.capabilities``."""


class LoginError(CallerError, PermissionError):
    """Nobody signed in within the time limit, the provider refused, or the server does not take what the provider gave.
    The request that needed it was not carried out: see ``BrowserOAuth``.
    """


class NotInHistoryError(CallerError, LookupError):
    """The history does not have what was asked of it: the object did not exist then, or the entries about it were
    purged, never written, or are not shown to these credentials.
    """


class NoResultError(CallerError, LookupError):
    """``one()`` found no object."""


class MultipleResultsError(CallerError, LookupError):
    """``one()`` found more than one object."""


class NotSentError(CallerError, RuntimeError):
    """A part of a batch was not sent: its block has not ended, or ended with an exception, or the server could not be
    reached any more; then that is the ``__cause__``.
    """


class BackoffError(CallerError, RuntimeError):
    """The server asked its clients to send nothing for a while, which is not over. Nothing was sent
    (https://docs.kinto-storage.org/en/stable/api/1.x/backoff.html).

    Attributes:
        retry_after: seconds that are left of it.
    """

    retry_after: float = 0.0


class FileError(CallerError, OSError):
    """A file or folder of this machine cannot be read or written: it is missing, not allowed, or the disk is full.
    Python's own error is the ``__cause__``.

    Attributes:
        errno: the system's number for it, such as ``errno.ENOSPC``, or None.
    """

    errno: int | None = None


class NoAttachmentError(CallerError, LookupError):
    """The record has no file."""


class StatusError(KintoError):
    """What every answer with an error status carries.

    Attributes:
        status: the HTTP status.
        errno: Kinto's error number, or None where the body was not Kinto's
            (https://docs.kinto-storage.org/en/stable/api/1.x/errors.html).
        reason: the server's own message, or the first characters of a body that was not Kinto's.
        details: Kinto's ``details``: a list for a 400, a dict for a 404 or a 412, or None.
        request: method and path of the request, without headers or body.
        retry_after: seconds the server asked to wait, or None.
    """

    status: int = 0
    errno: int | None = None
    reason: str = ""
    details: Any = None
    request: str = ""
    retry_after: float | None = None


class RefusedError(CallerError, StatusError):
    """The server refused the request: any 4xx without a class of its own."""


class InvalidRequestError(RefusedError, ValueError):
    """400: the server found the request invalid, such as by the JSON Schema of the collection.

    Attributes:
        errors: what it found, in pydantic's form: ``loc``, ``msg`` and ``type``. Of a write, ``loc`` names the class's
            fields; it is empty where Kinto does not tell enough, such as for an item of a list.
    """

    errors: tuple[dict[str, Any], ...] = ()


class UnauthorizedError(RefusedError, PermissionError):
    """401: no credentials, or wrong ones. Kinto also answers this to anonymous requests on an unknown bucket."""


class ForbiddenError(RefusedError, PermissionError):
    """403: these credentials may not do this. Kinto also answers this for an unknown bucket."""


class NotFoundError(RefusedError, LookupError):
    """404: the object, or the collection it would be in, does not exist."""


class EndOfLifeError(RefusedError):
    """410: the service, or this version of its API, has ended; the message says where it goes on, if it does
    (https://docs.kinto-storage.org/en/stable/api/1.x/deprecation.html).
    """


class AbortedError(RefusedError):
    """409: the server took back what it had begun, because another write came in between; nothing was done. Within a
    batch that is so of all that comes before it (https://github.com/Kinto/kinto/issues/624).
    """


class TooManyRequestsError(RefusedError):
    """429: the server, or a proxy before it, asks for fewer requests."""


class _Rebasable(Protocol):
    def rebase(self, theirs: Any) -> None: ...


class ConflictError(RefusedError, Generic[T]):
    """412: the object on the server is not the one that was read.

    A function that ``on_conflict`` names is handed one of its class, such as ``ConflictError[Task]``, in which ``mine``
    and ``theirs`` are never None.

    Attributes:
        mine: the instance that was to be written, untouched; None where a repository wrote without an instance.
        base: the object as it was read, or None where it was to be created.
        theirs: the object as it is on the server now, or None where the server did not show it.
        overlapping: names of the fields that both sides changed, to different values.
    """

    mine: T = cast("T", None)
    base: T | None = None
    theirs: T = cast("T", None)
    overlapping: frozenset[str] = frozenset()

    def rebase(self) -> T:
        """Puts the changes of ``mine`` on top of ``theirs`` and returns ``mine``, ready to be saved again.

        Fields that only the server changed take its value, and so do keys of objects in them; what is in
        ``overlapping`` keeps mine. Sends nothing.

        Raises:
            NotSavedError: the server did not show its state; ``refresh()`` the object instead.
        """
        if self.mine is None or self.theirs is None:
            raise NotSavedError("the conflict does not hold both sides: refresh() the object and change it again")
        cast("_Rebasable", self.mine).rebase(self.theirs)
        return self.mine


class AlreadyExistsError(ConflictError[T]):
    """412: the object was to be created, and one with this id exists; ``theirs`` is that one."""


class ServerError(KintoError):
    """The server did not do its part."""


class ServerFailedError(ServerError, StatusError):
    """Any 5xx without a class of its own: whether the request was carried out is not known."""


class UnavailableError(ServerFailedError):
    """503: the server is overloaded, or one of its backends is down."""


class InvalidAnswerError(ServerError):
    """The answer is not one of Kinto's: HTML, broken JSON, a 304 that nobody asked for."""


class RedirectError(InvalidAnswerError):
    """A redirect. None is followed, because credentials stay with the server they were given for.

    Attributes:
        location: where the server pointed to, without credentials and query.
    """

    location: str = ""


class ForeignPageError(InvalidAnswerError):
    """A ``Next-Page`` that points to another server, or to a page that was read before. It was not asked for."""


class AttachmentError(InvalidAnswerError):
    """A record's file is not what the record says, or the server does not say where its files are. No file was written
    or replaced.
    """


class ForeignLocationError(AttachmentError):
    """The location of a file is not below the address where the server has its files. It was not asked for."""


class WrongHashError(AttachmentError):
    """A file has not the size or the SHA-256 that its record says."""


class InvalidRecordError(InvalidAnswerError, ValueError):
    """An object on the server does not fit its model.

    Attributes:
        model: name of the model class.
        object_id: id of the object, or None where it cannot be told.
        errors: pydantic's error entries, their ``loc`` relative to the object.
    """

    model: str = ""
    object_id: str | None = None
    errors: tuple[dict[str, Any], ...] = ()


class TransportError(KintoError):
    """The exchange did not complete.

    Attributes:
        request: method and path of the request.
        sent: whether any of the request may have reached the server; where it is False nothing was done.
    """

    request: str = ""
    sent: bool = True


class ConnectionFailedError(TransportError, ConnectionError):
    """No connection, or one that was cut before an answer came."""


class ProxyFailedError(ConnectionFailedError):
    """The proxy of the environment could not be used."""


class TLSError(ConnectionFailedError):
    """The server's certificate, or the TLS handshake, was not accepted."""


class TimedOutError(TransportError, TimeoutError):
    """The server took longer than ``timeout`` allows."""


class ConnectTimeoutError(TimedOutError):
    """No connection within the first of the two timeouts; nothing was sent."""


class ReadTimeoutError(TimedOutError):
    """No answer within the second of the two timeouts; the request may have been carried out."""


class BrokenAnswerError(TransportError):
    """The answer broke off, or its encoding is not what its headers say; the request may have been carried out."""


class AnswerTooLargeError(BrokenAnswerError):
    """The answer is larger than ``Limits.answer_bytes`` allows; the request may have been carried out."""


class UncertainOutcomeError(TransportError):
    """A write that may have been carried out, and may not: its answer did not arrive, and what the server has tells
    neither. The instance is as it was before.

    The ``__cause__`` is what went wrong. ``refresh()`` shows what is there.

    Attributes:
        mine: the instance that was to be written, or None where there is none.
        base: the object as it was read, or None.
        theirs: the object as the server had it afterwards, or None where that was not seen.
        refusal: what the server answered to a later try, or None where it did not answer.
    """

    mine: Any = None
    base: Any = None
    theirs: Any = None
    refusal: StatusError | None = None


class BatchError(KintoError):
    """Some of a batch, or of a bulk operation, failed. The rest was done.

    Attributes:
        failures: what each was about (the instance, or the id or class where there is none), and its error: a
            ``KintoError``, or pydantic's ``ValidationError`` for what does not fit its class and was not sent.
    """

    failures: tuple[tuple[Any, Exception], ...] = ()
