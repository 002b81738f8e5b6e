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

if TYPE_CHECKING:
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

# Names are imported when they are first used, as pydantic does: a program that imports the package pays for what it
# takes from it, and a class that is never used is never built.
_HOMES = {
    "kinto_models.client": ("Client", "connect"),
    "kinto_models.errors": (
        "AlreadyExistsError",
        "BrokenAnswerError",
        "CallerError",
        "ConflictError",
        "ConnectTimeoutError",
        "ConnectionFailedError",
        "DeclarationError",
        "ForbiddenError",
        "ForeignPageError",
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
        "UnknownPermissionsError",
    ),
    "kinto_models.models.bucket": ("Bucket",),
    "kinto_models.models.collection": ("Collection",),
    "kinto_models.models.expressions": ("Condition", "Expr", "col", "key"),
    "kinto_models.models.group": ("Group",),
    "kinto_models.models.ids": ("IdGenerator", "ServerIds", "UUID4Ids"),
    "kinto_models.models.interface": ("Finder", "Objects", "Page", "SaveResult"),
    "kinto_models.models.permissions": ("ACE", "BucketPermissions", "CollectionPermissions", "Permissions"),
    "kinto_models.models.principals": ("AUTHENTICATED", "Account", "EVERYONE", "Principal"),
    "kinto_models.models.record": ("Record",),
    "kinto_models.models.resource": ("Resource",),
    "kinto_models.protocol.retry": ("RetryPolicy",),
    "kinto_models.repository.query": ("Query",),
    "kinto_models.repository.repository": ("Repository",),
    "kinto_models.transports.auth": ("BasicAuth", "BearerToken"),
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
