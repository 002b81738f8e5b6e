"""Typed models on a Kinto server: pydantic classes with their own ``save``, ``patch``, ``delete`` and permissions.

class Task(Record, bucket="todo", collection="tasks"):
    title: str
    priority: int = 3

with Client("https://example.com/v1", auth=("alice", "s3cret")):
    Task(title="Write the docs").save()
    urgent = Task.find(Task.priority < 3).sort(Task.title).all()
"""

from kinto_models.client import Client, connect
from kinto_models.errors import (
    AlreadyExistsError,
    BrokenAnswerError,
    CallerError,
    ConflictError,
    ConnectionFailedError,
    ConnectTimeoutError,
    DeclarationError,
    ForbiddenError,
    ForeignPageError,
    InvalidAnswerError,
    InvalidIdError,
    InvalidRecordError,
    InvalidRequestError,
    KintoError,
    MissingExtraError,
    MultipleResultsError,
    NoClientError,
    NoResultError,
    NotFoundError,
    NotSavedError,
    ProxyFailedError,
    QueryError,
    ReadOnlyFieldError,
    ReadTimeoutError,
    RedirectError,
    RefusedError,
    ServerError,
    ServerFailedError,
    StatusError,
    TimedOutError,
    TLSError,
    TooManyRequestsError,
    TransportError,
    UnauthorizedError,
    UnavailableError,
    UnknownPermissionsError,
)
from kinto_models.models.bucket import Bucket
from kinto_models.models.collection import Collection
from kinto_models.models.expressions import Condition, Expr, col, key
from kinto_models.models.group import Group
from kinto_models.models.ids import IdGenerator, ServerIds, UUID4Ids
from kinto_models.models.interface import Finder, Objects, Page, SaveResult
from kinto_models.models.permissions import ACE, BucketPermissions, CollectionPermissions, Permissions
from kinto_models.models.principals import AUTHENTICATED, EVERYONE, Account, Principal
from kinto_models.models.record import Record
from kinto_models.models.resource import Resource
from kinto_models.protocol.retry import RetryPolicy
from kinto_models.repository.query import Query
from kinto_models.repository.repository import Repository
from kinto_models.transports.auth import BasicAuth, BearerToken

__all__ = [
    "ACE",
    "AUTHENTICATED",
    "EVERYONE",
    "Account",
    "AlreadyExistsError",
    "BasicAuth",
    "BearerToken",
    "BrokenAnswerError",
    "Bucket",
    "BucketPermissions",
    "CallerError",
    "Client",
    "Collection",
    "CollectionPermissions",
    "Condition",
    "ConflictError",
    "ConnectTimeoutError",
    "ConnectionFailedError",
    "DeclarationError",
    "Expr",
    "Finder",
    "ForbiddenError",
    "ForeignPageError",
    "Group",
    "IdGenerator",
    "InvalidAnswerError",
    "InvalidIdError",
    "InvalidRecordError",
    "InvalidRequestError",
    "KintoError",
    "MissingExtraError",
    "MultipleResultsError",
    "NoClientError",
    "NoResultError",
    "NotFoundError",
    "NotSavedError",
    "Objects",
    "Page",
    "Permissions",
    "Principal",
    "ProxyFailedError",
    "Query",
    "QueryError",
    "ReadOnlyFieldError",
    "ReadTimeoutError",
    "Record",
    "RedirectError",
    "RefusedError",
    "Repository",
    "Resource",
    "RetryPolicy",
    "SaveResult",
    "ServerError",
    "ServerFailedError",
    "ServerIds",
    "StatusError",
    "TLSError",
    "TimedOutError",
    "TooManyRequestsError",
    "TransportError",
    "UUID4Ids",
    "UnauthorizedError",
    "UnavailableError",
    "UnknownPermissionsError",
    "__version__",
    "col",
    "connect",
    "key",
]

__version__ = "0.1.0"
