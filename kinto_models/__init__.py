"""Typed models on a Kinto server: pydantic classes with their own ``save``, ``patch``, ``delete`` and permissions.

```python
from kinto_models import Client, Record

class Task(Record, bucket="todo", collection="tasks"):
    title: str
    priority: int = 3

with Client.embedded() as kinto:  # or Client("https://example.com/v1", auth=("alice", "s3cret"))
    kinto.bucket("todo").save()
    kinto.bucket("todo").collection("tasks").save()
    Task(title="Write the docs", priority=1).save()
    urgent = Task.find(Task.priority < 3).sort(Task.title).all()
    assert [task.title for task in urgent] == ["Write the docs"]
```
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kinto_models.errors import (
    AbortedError,
    AlreadyExistsError,
    AnswerTooLargeError,
    AttachmentError,
    BackoffError,
    BatchError,
    BrokenAnswerError,
    CallerError,
    ConflictError,
    ConnectionFailedError,
    ConnectTimeoutError,
    DeclarationError,
    EndOfLifeError,
    FileError,
    ForbiddenError,
    ForeignLocationError,
    ForeignPageError,
    InvalidAnswerError,
    InvalidIdError,
    InvalidRecordError,
    InvalidRequestError,
    InvalidSchemaError,
    KintoError,
    LoginError,
    MissingCapabilityError,
    MissingExtraError,
    MultipleResultsError,
    NoAttachmentError,
    NoClientError,
    NoResultError,
    NotFoundError,
    NotInHistoryError,
    NotSavedError,
    NotSentError,
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
    UncertainOutcomeError,
    UnknownPermissionsError,
    WrongHashError,
)

if TYPE_CHECKING:
    from kinto_models.client import AsyncClient, Client, aconnect, connect
    from kinto_models.models.account import UserAccount
    from kinto_models.models.async_interface import AsyncFinder, AsyncObjects
    from kinto_models.models.attachments import Attachment
    from kinto_models.models.bucket import Bucket
    from kinto_models.models.changes import ChangeSet, RemoteChangeSet, Tombstone
    from kinto_models.models.collection import Collection
    from kinto_models.models.edits import Edit, Editor, edit
    from kinto_models.models.effective import effective_permissions
    from kinto_models.models.entries import PermissionEntry
    from kinto_models.models.events import Action, Event
    from kinto_models.models.expressions import Condition, Expr, col, key
    from kinto_models.models.group import Group
    from kinto_models.models.history import HistoryEntry, HistoryTarget, was
    from kinto_models.models.ids import IdGenerator, ServerIds, UUID4Ids
    from kinto_models.models.interface import Finder, Objects, OnConflict, Page
    from kinto_models.models.outcomes import BulkResult, Outcome, Progress, SaveResult
    from kinto_models.models.permissions import ACE, BucketPermissions, CollectionPermissions, Permissions
    from kinto_models.models.plans import Plan, Revision
    from kinto_models.models.principals import AUTHENTICATED, EVERYONE, Account, Principal
    from kinto_models.models.record import Record
    from kinto_models.models.resource import Resource
    from kinto_models.models.review import ReviewStatus
    from kinto_models.models.server import (
        Capability,
        Counters,
        Heartbeat,
        ServerInfo,
        ServerSettings,
        ServerUser,
        ServerVersion,
    )
    from kinto_models.protocol.retry import RetryPolicy
    from kinto_models.repository.batch import AsyncBatch, Batch, BatchQuery, BatchRepository
    from kinto_models.repository.query import AsyncQuery, Query
    from kinto_models.repository.repository import AsyncRepository, Repository
    from kinto_models.services.accounts import Accounts, AsyncAccounts
    from kinto_models.services.utilities import AsyncUtilities, Utilities
    from kinto_models.transports.auth import BasicAuth, BearerToken
    from kinto_models.transports.browser import BrowserOAuth
    from kinto_models.transports.limits import Limits
    from kinto_models.types import EndOfLifeWarning

__all__ = [
    "ACE",
    "AUTHENTICATED",
    "EVERYONE",
    "AbortedError",
    "Account",
    "Accounts",
    "Action",
    "AlreadyExistsError",
    "AnswerTooLargeError",
    "AsyncAccounts",
    "AsyncBatch",
    "AsyncClient",
    "AsyncFinder",
    "AsyncObjects",
    "AsyncQuery",
    "AsyncRepository",
    "AsyncUtilities",
    "Attachment",
    "AttachmentError",
    "BackoffError",
    "BasicAuth",
    "Batch",
    "BatchError",
    "BatchQuery",
    "BatchRepository",
    "BearerToken",
    "BrokenAnswerError",
    "BrowserOAuth",
    "Bucket",
    "BucketPermissions",
    "BulkResult",
    "CallerError",
    "Capability",
    "ChangeSet",
    "Client",
    "Collection",
    "CollectionPermissions",
    "Condition",
    "ConflictError",
    "ConnectTimeoutError",
    "ConnectionFailedError",
    "Counters",
    "DeclarationError",
    "Edit",
    "Editor",
    "EndOfLifeError",
    "EndOfLifeWarning",
    "Event",
    "Expr",
    "FileError",
    "Finder",
    "ForbiddenError",
    "ForeignLocationError",
    "ForeignPageError",
    "Group",
    "Heartbeat",
    "HistoryEntry",
    "HistoryTarget",
    "IdGenerator",
    "InvalidAnswerError",
    "InvalidIdError",
    "InvalidRecordError",
    "InvalidRequestError",
    "InvalidSchemaError",
    "KintoError",
    "Limits",
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
    "Objects",
    "OnConflict",
    "Outcome",
    "Page",
    "PermissionEntry",
    "Permissions",
    "Plan",
    "Principal",
    "Progress",
    "ProxyFailedError",
    "Query",
    "QueryError",
    "ReadOnlyFieldError",
    "ReadTimeoutError",
    "Record",
    "RedirectError",
    "RefusedError",
    "RemoteChangeSet",
    "Repository",
    "Resource",
    "RetryPolicy",
    "ReviewStatus",
    "Revision",
    "SaveResult",
    "ServerError",
    "ServerFailedError",
    "ServerIds",
    "ServerInfo",
    "ServerSettings",
    "ServerUser",
    "ServerVersion",
    "StatusError",
    "TLSError",
    "TimedOutError",
    "Tombstone",
    "TooManyRequestsError",
    "TransportError",
    "UUID4Ids",
    "UnauthorizedError",
    "UnavailableError",
    "UncertainOutcomeError",
    "UnknownPermissionsError",
    "UserAccount",
    "Utilities",
    "WrongHashError",
    "__version__",
    "aconnect",
    "col",
    "connect",
    "edit",
    "effective_permissions",
    "key",
    "was",
]

__version__ = "0.1.0"

# Names are imported when they are first used, as pydantic does: a program that imports the package pays for what it
# takes from it, and a class that is never used is never built.
_HOMES = {
    "kinto_models.client": ("AsyncClient", "Client", "aconnect", "connect"),
    "kinto_models.models.account": ("UserAccount",),
    "kinto_models.models.async_interface": ("AsyncFinder", "AsyncObjects"),
    "kinto_models.models.attachments": ("Attachment",),
    "kinto_models.models.bucket": ("Bucket",),
    "kinto_models.models.changes": ("ChangeSet", "RemoteChangeSet", "Tombstone"),
    "kinto_models.models.collection": ("Collection",),
    "kinto_models.models.edits": ("Edit", "Editor", "edit"),
    "kinto_models.models.effective": ("effective_permissions",),
    "kinto_models.models.entries": ("PermissionEntry",),
    "kinto_models.models.events": ("Action", "Event"),
    "kinto_models.models.expressions": ("Condition", "Expr", "col", "key"),
    "kinto_models.models.group": ("Group",),
    "kinto_models.models.history": ("HistoryEntry", "HistoryTarget", "was"),
    "kinto_models.models.ids": ("IdGenerator", "ServerIds", "UUID4Ids"),
    "kinto_models.models.interface": ("Finder", "Objects", "OnConflict", "Page"),
    "kinto_models.models.outcomes": ("BulkResult", "Outcome", "Progress", "SaveResult"),
    "kinto_models.models.permissions": ("ACE", "BucketPermissions", "CollectionPermissions", "Permissions"),
    "kinto_models.models.plans": ("Plan", "Revision"),
    "kinto_models.models.principals": ("AUTHENTICATED", "Account", "EVERYONE", "Principal"),
    "kinto_models.models.record": ("Record",),
    "kinto_models.models.resource": ("Resource",),
    "kinto_models.models.review": ("ReviewStatus",),
    "kinto_models.models.server": (
        "Capability",
        "Counters",
        "Heartbeat",
        "ServerInfo",
        "ServerSettings",
        "ServerUser",
        "ServerVersion",
    ),
    "kinto_models.protocol.retry": ("RetryPolicy",),
    "kinto_models.repository.batch": ("AsyncBatch", "Batch", "BatchQuery", "BatchRepository"),
    "kinto_models.repository.query": ("AsyncQuery", "Query"),
    "kinto_models.repository.repository": ("AsyncRepository", "Repository"),
    "kinto_models.services.accounts": ("Accounts", "AsyncAccounts"),
    "kinto_models.services.utilities": ("AsyncUtilities", "Utilities"),
    "kinto_models.transports.auth": ("BasicAuth", "BearerToken"),
    "kinto_models.transports.browser": ("BrowserOAuth",),
    "kinto_models.transports.limits": ("Limits",),
    "kinto_models.types": ("EndOfLifeWarning",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return __all__
