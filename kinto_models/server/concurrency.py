"""A plugin of Kinto that makes the check and the write of a request one step: ``kinto.includes`` names this module.

Kinto reads an object, compares its ETag, and writes it in statements of their own. In between, another request may pass
the same check. With this plugin, a request that writes begins with locks for all that it may write, before Kinto reads
anything for it but who it is from, and keeps them until its transaction ends. Reads take no lock, but those that write:
of a default bucket, which Kinto may make, and in a batch the first of a list, which Kinto gives a timestamp.

Setting: ``kinto.concurrency.lock_timeout_seconds``, how long a request waits for a lock, 10 by default, from 0.001 to
2147483. Beyond that it is answered with a 503 and ``Retry-After``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any, Final, NamedTuple

import transaction
from kinto.core.errors import ERRORS, http_error
from kinto.core.storage import memory, postgresql
from kinto.core.storage.exceptions import ObjectNotFoundError
from kinto.core.utils import build_request
from pyramid.events import NewRequest
from pyramid.exceptions import ConfigurationError
from pyramid.httpexceptions import HTTPServiceUnavailable

from kinto_models.server.guards import Guard, InMemory, InPostgreSQL, TookTooLongError
from kinto_models.server.locks import (
    Locks,
    Path,
    batched,
    bounded,
    listed,
    members,
    merged,
    ordered,
    path_of,
    staying,
    storable,
    whole,
    writing,
)

__all__ = ["includeme"]

_TIMEOUT: Final = "concurrency.lock_timeout_seconds"
_SHORTEST: Final = 0.001
_LONGEST: Final = 2147483
"""What PostgreSQL's ``lock_timeout`` takes, an ``int`` of milliseconds, of which 0 is for ever."""
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_HELD: Final = "kinto_models.server.concurrency.held"
_REFUSED: Final = "kinto_models.server.concurrency.refused"


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


class _Part(NamedTuple):
    """A request, or a part of a batch."""

    path: Path
    """Where it really reads or writes."""
    locks: Locks = {}
    personal: bool = False
    """Whether Kinto makes the bucket, and the collection, where there is none."""


def _begin(request: Any, guard: Guard) -> None:
    """Takes what the request needs. This is inside of pyramid_tm's transaction, and before Kinto authorizes."""
    if hasattr(request, "parent"):
        _go_on(request, guard)
        return
    request.make_body_seekable()  # all of it is here before anyone waits: who sends slowly holds nobody up
    path = path_of(request.path_info)
    if path == ("batch",):
        parts = _batched(request)
        locks = _together(parts, guard)
    else:
        parts = [_part(request, request.method, path)]
        locks = parts[0].locks
    if not locks:
        return
    _known(request)
    _take(request, guard, locks)
    # Only now it stays as it is. To take more beside what is held could be to wait for who waits for this, so the
    # transaction ends, which has written nothing, and the locks with it.
    while not (missing := _made(request.registry.storage, parts)).items() <= locks.items():
        request.tm.abort()
        request.tm.begin()
        locks = merged([locks, missing])
        _take(request, guard, locks)


def _go_on(request: Any, guard: Guard) -> None:
    """With a part of a batch, which has taken all locks.

    But a 409 of one part ends the transaction, and the locks with it; Kinto goes on with the next part in another one
    (kinto.core.views.batch).
    """
    if request.headers.get("Authorization") in request.bound_data.get(_REFUSED, ()):
        del request.headers["Authorization"]
    held, locks = request.bound_data.get(_HELD, (None, {}))
    if locks and held is not transaction.get():
        _take(request, guard, locks)


def _take(request: Any, guard: Guard, locks: Locks) -> None:
    try:
        guard.take(request, ordered(locks))
    except TookTooLongError:
        message = "Another request has been writing here for too long, please retry later."
        raise http_error(HTTPServiceUnavailable(), errno=ERRORS.BACKEND, message=message) from None
    request.bound_data[_HELD] = (transaction.get(), locks)


def _known(request: Any) -> bool:
    """Whether Kinto knows who it is from, asked while nobody waits: to check a password takes a quarter of a second.

    Kinto remembers a right one. A wrong one, with which it goes on as for anyone, is taken off the request, and so off
    the parts of a batch: each would check it again.
    """
    if request.authenticated_userid is not None:
        return True
    if "Authorization" in request.headers:
        request.bound_data.setdefault(_REFUSED, set()).add(request.headers.pop("Authorization"))
    return False


def _batched(request: Any) -> Sequence[_Part]:
    asked, limit = [*batched(_body(request))], int(request.registry.settings["batch_max_requests"] or 0)
    if 0 < limit < len(asked):
        return []  # Kinto refuses it
    senders: dict[str | None, Any] = {None: request}
    for _, _, credentials in asked:
        if credentials is not None and credentials not in senders:
            said = {"path": "/", "headers": {"Authorization": credentials}}
            senders[credentials] = build_request(request, said)
    for sender in senders.values():
        _known(sender)
    return [_part(senders[credentials], method, path) for method, path, credentials in asked]


def _body(request: Any) -> Any:
    try:
        return request.json_body
    except ValueError:
        return None  # Kinto says so


def _part(sender: Any, method: str, path: Path) -> _Part:
    capabilities = sender.registry.api_capabilities
    stays: Locks = {}
    personal = path[:2] == ("buckets", "default") and "default_bucket" in capabilities
    if personal:
        if method == "OPTIONS" or not _known(sender):
            return _Part(path)  # does nothing, or is refused
        path = ("buckets", sender.default_bucket_id, *path[2:])
        stays = merged([staying(path), staying((*path[:2], "collections"))])
    if method in _READS or not path or (path[0] == "__flush__" and "flush_endpoint" not in capabilities):
        return _Part(path, stays, personal)
    # The history of a bucket is one list: without its lock, writers of two collections can refuse each other there.
    of_bucket = path[0] == "buckets" and len(path) > 1
    recorded = listed(*path[:2], "history") if of_bucket and "history" in capabilities else {}
    return _Part(path, merged([stays, writing(method, path), recorded]), personal)


def _together(parts: Sequence[_Part], guard: Guard) -> Locks:
    """Of a batch."""
    # Kinto gives a list its timestamp when it, or anything in it, is first asked for, and PostgreSQL keeps others from
    # doing the same until the end: two batches that do it in opposite orders would wait for one another.
    used = {members(path) for path, *_ in parts if path[:1] == ("buckets",) and storable(path)}
    stamped = [writing("GET", path) for path in guard.unused(used)]
    # What plugins add to each bucket once all parts are done, they add in an order of their own: two batches that write
    # in the same buckets could wait for one another there. With the whole buckets to itself, a batch cannot.
    buckets = {path[:2] for path, locks, _ in parts if locks and path[0] == "buckets" and len(path) > 1}
    alone = [whole(*bucket) for bucket in buckets] if len(buckets) > 1 else []
    return bounded(merged([*(part.locks for part in parts), *stamped, *alone]))


def _made(storage: Any, parts: Iterable[_Part]) -> Locks:
    """What else it takes where Kinto makes a default bucket, or a collection of one, on the way, for reads too.

    https://docs.kinto-storage.org/en/stable/api/1.x/buckets.html#personal-bucket-default
    """
    needed = {_personal(path) for path, _, personal in parts if personal}
    missing = {path[:2] for path in needed if not _exists(storage, path)}
    return merged(each for bucket in missing for each in (whole(*bucket), listed("buckets")))


def _personal(path: Path) -> Path:
    """The collection, which is in no bucket that is not there, or the bucket."""
    match path:
        case (_, _, "collections", _, *_) if storable(path[:4]):
            return path[:4]
        case _:
            return path[:2]


def _exists(storage: Any, path: Path) -> bool:
    *above, kind, name = path
    try:
        storage.get(kind.removesuffix("s"), "".join(f"/{each}" for each in above), name)
    except ObjectNotFoundError:
        return False
    return True
