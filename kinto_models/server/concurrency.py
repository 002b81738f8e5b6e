"""A plugin of Kinto that makes the check and the write of a request one step: ``kinto.includes`` names this module.

Kinto reads an object, compares its ETag, and writes it in statements of their own. In between, another request may pass
the same check. With this plugin, a request that writes begins with locks for all that it may write, before Kinto reads
anything for it, and keeps them until its transaction ends. Reads take no lock.

Setting: ``kinto.concurrency.lock_timeout_seconds``, how long a request waits for a lock, 10 by default, from 0.001 to
2147483. Beyond that it is answered with a 503 and ``Retry-After``.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

import transaction
from kinto.core.errors import ERRORS, http_error
from kinto.core.storage import memory, postgresql
from kinto.core.storage.exceptions import ObjectNotFoundError
from pyramid.events import NewRequest
from pyramid.exceptions import ConfigurationError
from pyramid.httpexceptions import HTTPServiceUnavailable

from kinto_models.server.guards import Guard, InMemory, InPostgreSQL, TookTooLongError
from kinto_models.server.locks import (
    EVERYTHING,
    Locks,
    Path,
    batched,
    bounded,
    listed,
    merged,
    ordered,
    path_of,
    staying,
    whole,
    writing,
)

__all__ = ["includeme"]

_TIMEOUT: Final = "concurrency.lock_timeout_seconds"
_SHORTEST: Final = 0.001
_LONGEST: Final = 2147483
"""What PostgreSQL's ``lock_timeout`` takes, an ``int`` of milliseconds, of which 0 is for ever."""
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_HELD: Final = "kinto_models.server.concurrency"


def includeme(config: Any) -> None:
    """Puts the plugin into a Kinto: Pyramid calls it.

    Raises:
        ConfigurationError: the storage is one that this plugin cannot lock, or the setting is no number of seconds.
    """
    guard = _guard(config.registry.storage, _seconds(config.get_settings().get(_TIMEOUT, 10)))
    config.add_subscriber(lambda event: _begin(event.request, guard), NewRequest)
    config.add_api_capability(
        "concurrency",
        description="The check and the write of a request are one step.",
        url="https://kinto-models.readthedocs.io/en/latest/production.html",
        version=version("kinto-models"),
    )


def _seconds(value: Any) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = 0
    if not _SHORTEST <= seconds <= _LONGEST:
        raise ConfigurationError(
            f"kinto.{_TIMEOUT} must be a number of seconds from {_SHORTEST} to {_LONGEST}, not {value!r}"
        )
    return seconds


def _guard(storage: Any, seconds: float) -> Guard:
    if isinstance(storage, memory.Storage):
        return InMemory(seconds)
    if not isinstance(storage, postgresql.Storage):
        raise ConfigurationError(
            f"kinto_models.server.concurrency cannot lock {type(storage).__module__}: set kinto.storage_backend = "
            "kinto.core.storage.postgresql (or memory), or take it out of kinto.includes"
        )
    if storage.client.commit_manually:
        raise ConfigurationError(
            "kinto_models.server.concurrency holds its locks as long as a request's transaction: set "
            "kinto.transaction_per_request = true, or take it out of kinto.includes"
        )
    return InPostgreSQL(storage.client, seconds)


def _begin(request: Any, guard: Guard) -> None:
    """Takes what the request needs. This is inside of pyramid_tm's transaction, and before Kinto authorizes."""
    if not hasattr(request, "parent"):
        locks = _needed(request)
        request.make_body_seekable()  # all of it is here before anyone waits: who sends slowly holds nobody up
    else:
        # A part of a batch, which has taken all of them. But a 409 of one part ends the transaction, and the locks with
        # it; Kinto goes on with the next part in another one (kinto.core.views.batch).
        held, locks = request.bound_data.get(_HELD, (None, {}))
        if held is transaction.get():
            return
    if locks:
        try:
            guard.take(request, ordered(locks))
        except TookTooLongError:
            message = "Another request has been writing here for too long, please retry later."
            raise http_error(HTTPServiceUnavailable(), errno=ERRORS.BACKEND, message=message) from None
        request.bound_data[_HELD] = (transaction.get(), locks)


def _needed(request: Any) -> Locks:
    path = path_of(request.path_info)
    if path != ("batch",):
        return _of_part(request, request.method, path)[1]
    asked, limit = [*batched(_body(request))], int(request.registry.settings["batch_max_requests"] or 0)
    if 0 < limit < len(asked):
        return {}  # Kinto refuses it
    parts = [_of_part(request, *part) for part in asked]
    # What plugins add to each bucket once all parts are done, they add in an order of their own: two batches that write
    # in the same buckets could wait for one another there. With the whole buckets to itself, a batch cannot.
    buckets = {path[:2] for path, locks in parts if locks and path[0] == "buckets" and len(path) > 1}
    alone = [whole(*bucket) for bucket in buckets] if len(buckets) > 1 else []
    return bounded(merged([*(locks for _, locks in parts), *alone]))


def _body(request: Any) -> Any:
    try:
        return request.json_body
    except ValueError:
        return None  # Kinto says so


def _of_part(request: Any, method: str, path: Path, owned: bool = False) -> tuple[Path, Locks]:  # noqa: FBT001, FBT002
    """Where a request, or a part of a batch, really writes, and the locks of that. None for a read."""
    implied: Locks = {}
    if path[:2] == ("buckets", "default") and "default_bucket" in request.registry.api_capabilities:
        if owned:
            return path, EVERYTHING  # whose bucket it is comes out when Kinto authenticates the part
        if method == "OPTIONS" or request.authenticated_userid is None:
            return path, {}  # does nothing, or is refused
        path = ("buckets", request.default_bucket_id, *path[2:])
        implied = merged([staying(path), _created(request.registry.storage, path)])
    if method in _READS or not path:
        return path, implied
    return path, merged([implied, writing(method, path), _recorded(request, path)])


def _created(storage: Any, path: Path) -> Locks:
    """What Kinto creates of a default bucket on the way, for reads too.

    https://docs.kinto-storage.org/en/stable/api/1.x/buckets.html#personal-bucket-default
    """
    _, bucket, *inside = path
    if not _exists(storage, "bucket", "", bucket):
        return {**whole("buckets", bucket), **listed("buckets")}
    match inside:
        case ["collections", collection, *_] if not _exists(storage, "collection", f"/buckets/{bucket}", collection):
            return whole("buckets", bucket)
        case _:
            return {}


def _exists(storage: Any, resource: str, parent: str, name: str) -> bool:
    try:
        storage.get(resource, parent, name)
    except ObjectNotFoundError:
        return False
    return True


def _recorded(request: Any, path: Path) -> Locks:
    """The history of a bucket is one list: without its lock, writers of two collections can refuse each other there."""
    of_bucket = path[0] == "buckets" and len(path) > 1
    return listed(*path[:2], "history") if of_bucket and "history" in request.registry.api_capabilities else {}
