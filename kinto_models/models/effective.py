"""What principals may do with an object by its permissions and those of what it is in.

https://docs.kinto-storage.org/en/stable/api/1.x/permissions.html. Kinto asks of an object and of each that it is in:
``write`` there is everything here, ``read`` there is ``read`` here, and what may be created in an object is only its
own business.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Any, Final, TypeAlias

from kinto_models.errors import UnknownPermissionsError
from kinto_models.models.bucket import Bucket
from kinto_models.models.collection import Collection
from kinto_models.models.group import Group
from kinto_models.models.permissions import aces_of
from kinto_models.models.principals import AUTHENTICATED, EVERYONE, Principal, known, principal_of
from kinto_models.models.record import Record
from kinto_models.models.resource import Resource
from kinto_models.models.stored import state_of

__all__ = ["effective_permissions"]

_Levels: TypeAlias = "list[tuple[str, Resource | None]]"
"""An object and what it is in, the nearest first, each by its kind; None for one that was not given."""

_CLASSES: Final[dict[str, type[Resource]]] = {
    "bucket": Bucket,
    "collection": Collection,
    "group": Group,
    "record": Record,
}

_ATTRIBUTES: Final = "read:attributes"
"""Kinto's name for reading an object itself, and not the list of what is in it, which who may create there may too."""


def effective_permissions(  # noqa: PLR0913  # an object, what it is in, and who asks
    principals: Iterable[Principal],
    *,
    bucket: Bucket | None = None,
    collection: Collection | None = None,
    group: Group | None = None,
    record: Record | None = None,
    groups: Iterable[Group] = (),
) -> frozenset[str]:
    """What whoever has these principals may do with an object, by what was read of it and of what it is in: of a
    record, its collection and its bucket. Asks nothing; changes that are not saved count as if they were.

    What the server's settings grant, such as ``bucket_write_principals``, no client sees, and it is not in there.

    Parameters:
        principals: all of one user, such as ``client.me().principals`` or ``[Account("bob")]``; none for a stranger.
            ``EVERYONE`` is implied, and ``AUTHENTICATED`` for who has any other.
        bucket: it, or what the others are in.
        collection: the collection, or that of the record.
        group: the group.
        record: the record.
        groups: groups that were read; the user is in those whose members have one of the principals.

    Returns:
        Kinto's names: ``read``, ``write``, ``record:create``, ``collection:create``, ``group:create``; and
        ``read:attributes`` for who may read a bucket or a collection itself, which who may create in it may too.

    Raises:
        UnknownPermissionsError: the answer depends on permissions that the server did not show, or on an object that
            was not given. What is known may be enough: who has ``write`` on the bucket may do everything.
        TypeError: a single principal, or none; no object, or an id in its place; both a record and a group.
        ValueError: an object that is in another than the one that was given.
    """
    levels = _levels(bucket, collection, group, record)
    has = _all_of(principals, groups)
    least, most = _allowed(levels, has, unknown=False), _allowed(levels, has, unknown=True)
    if least != most:
        hidden = [f"{kind} {obj.id!r}" if obj else f"its {kind}, which was not given" for kind, obj in _hidden(levels)]
        raise UnknownPermissionsError(
            f"whether {', '.join(sorted(most - least))} is allowed depends on permissions that are not known, of "
            f"{' and of '.join(hidden)}: lists carry none, so get() or refresh() it; the server shows them to who is "
            "in its 'write'"
        )
    return least


def _levels(
    bucket: Bucket | None, collection: Collection | None, group: Group | None, record: Record | None
) -> _Levels:
    if record is not None and group is not None:
        raise TypeError("effective_permissions() is of one object: of a record or of a group")
    if record is not None:
        levels: _Levels = [("record", record), ("collection", collection), ("bucket", bucket)]
    elif group is not None:
        levels = [("group", group), ("bucket", bucket)]
    elif collection is not None:
        levels = [("collection", collection), ("bucket", bucket)]
    elif bucket is not None:
        levels = [("bucket", bucket)]
    else:
        raise TypeError("effective_permissions() takes the object that it is about: bucket=, collection=, ...")
    for kind, obj in levels:
        if obj is not None:
            _refuse_other(f"{kind}=", obj, _CLASSES[kind])
    _refuse_strangers(levels)
    return levels


def _refuse_other(where: str, obj: object, cls: type[Resource]) -> None:
    if not isinstance(obj, cls):
        raise TypeError(
            f"effective_permissions(): {where} takes a {cls.__name__} that was read, such as by get(), "
            f"not {type(obj).__name__}"
        )


def _refuse_strangers(levels: _Levels) -> None:
    """Raises ValueError if one of them is known to be in another object than the next."""
    for kind, obj in levels:
        bound = state_of(obj).objects if obj is not None else None
        for outer, parent in levels:
            inside = getattr(bound, outer, None) if outer != kind else None
            if parent is not None and inside not in (None, parent.id, "default") and parent.id != "default":
                raise ValueError(f"{kind} {obj and obj.id!r} is in the {outer} {inside!r}, and not in {parent.id!r}")


def _all_of(principals: Iterable[Principal], groups: Iterable[Group]) -> frozenset[str]:
    """What the user has, what is implied and groups included."""
    if isinstance(principals, str):
        raise TypeError(f"effective_permissions() takes all principals of a user, such as [{principals!r}]")
    if not isinstance(principals, Iterable):
        raise TypeError(
            "effective_permissions() takes the principals of a user, such as client.me().principals, or [] for a "
            f"stranger, not {type(principals).__name__}"
        )
    groups = list(groups)
    for each in groups:
        _refuse_other("groups=", each, Group)
    has = {known(principal_of(each)) for each in principals} | {EVERYONE}
    if has != {EVERYONE}:
        has.add(AUTHENTICATED)
    return frozenset(has | {each.principal for each in groups if not has.isdisjoint(each.members - {EVERYONE})})


def _allowed(levels: _Levels, has: AbstractSet[str], *, unknown: bool) -> frozenset[str]:
    """What is allowed, if what is not known of permissions is taken for granted, or for not granted."""
    (kind, obj), own = levels[0], aces_of(levels[0][0])

    def held(where: Any, ace: str) -> bool:
        acl = getattr(where.permissions, ace.replace(":", "_")) if where is not None and where.saved else None
        return unknown if acl is None or not acl.known else not has.isdisjoint(acl)

    if any(held(each, "write") for _, each in levels):
        allowed = set(own)
    else:
        allowed = {ace for ace in own if ace not in ("read", "write") and held(obj, ace)}
        if any(held(each, "read") for _, each in levels):
            allowed.add("read")
    readable = bool(allowed) and kind in ("bucket", "collection")
    return frozenset(allowed | {_ATTRIBUTES} if readable else allowed)


def _hidden(levels: _Levels) -> _Levels:
    return [(kind, obj) for kind, obj in levels if obj is None or not (obj.saved and obj.permissions.known)]
