"""Permissions of an object, as sets of principals: what is known of them and what was changed.

https://docs.kinto-storage.org/en/stable/api/1.x/permissions.html. The server shows them on single objects, and only to
those who are in ``write`` themselves; lists never have them. So they are either known or unknown, and unknown is not
empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

from kinto_models.errors import UnknownPermissionsError
from kinto_models.models.principals import OpenPrincipal, Principal, known, principal_of

__all__ = ["ACE", "BucketPermissions", "CollectionPermissions", "Grants", "Held", "Permissions", "aces_of"]


@dataclass(frozen=True, slots=True)
class Grants:
    """What is to be changed in one ACE: principals that are to be in it, and principals that are not."""

    granted: frozenset[str] = frozenset()
    revoked: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.granted or self.revoked)

    def since(self, before: Grants) -> Grants:
        """What was decided after ``before``: what it undoes is decided anew."""
        granted = (self.granted - before.granted) | (before.revoked - self.revoked)
        revoked = (self.revoked - before.revoked) | (before.granted - self.granted)
        return Grants(granted, revoked)


Held: TypeAlias = "Mapping[str, Grants]"
"""The unsaved changes of an object's ACEs, at one moment, by the ACE's name here."""


class ACE:
    """The principals that hold one permission on one object.

    Where the server did not show them, they can be granted and revoked, but neither read nor replaced.
    """

    __slots__ = ("_base", "_grants", "_name")

    def __init__(self, name: str, principals: Iterable[str] | None) -> None:
        self._name = name
        self._base = None if principals is None else frozenset(principals)
        self._grants = Grants()

    def add(self, principal: Principal) -> None:
        """Grants the permission, from the next save on."""
        self._change(grant={principal_of(principal)})

    def discard(self, principal: Principal) -> None:
        """Takes the permission back, from the next save on; nothing happens where it was not granted.

        The server puts whoever writes an object back into its ``write``.
        """
        self._change(revoke={principal_of(principal)})

    def replace(self, principals: Iterable[Principal]) -> None:
        """Replaces all principals, from the next save on.

        Raises:
            TypeError: a single one.
            UnknownPermissionsError: the server did not show them.
        """
        if isinstance(principals, str):
            raise TypeError(f"replace() takes all principals, such as [{principals!r}], and not one")
        known, wanted = self._known(), {principal_of(principal) for principal in principals}
        self._change(grant=wanted, revoke=known - wanted)

    def _change(self, grant: AbstractSet[str] = frozenset(), revoke: AbstractSet[str] = frozenset()) -> None:
        granted, revoked = (self._grants.granted | grant) - revoke, (self._grants.revoked | revoke) - grant
        if self._base is not None:  # what is so already is no change; of an open principal nobody knows yet
            granted -= self._base
            revoked = frozenset(p for p in revoked if p in self._base or isinstance(p, OpenPrincipal))
        self._grants = Grants(granted, revoked)

    def _close(self, bucket: str, facts: Any) -> None:
        """Names groups of the default bucket by the real id of that.

        Raises:
            DeclarationError: one of another client.
        """
        granted, revoked = (
            {each.closed(bucket, facts) if isinstance(each, OpenPrincipal) else each for each in principals}
            for principals in (self._grants.granted, self._grants.revoked)
        )
        self._grants = Grants()
        self._change(granted, revoked)

    @property
    def known(self) -> bool:
        """Whether the server showed the principals, or the object is new."""
        return self._base is not None

    @property
    def _is_open(self) -> bool:
        """Whether a group of the default bucket is among the changes."""
        return any(isinstance(each, OpenPrincipal) for each in self._grants.granted | self._grants.revoked)

    @property
    def changed(self) -> bool:
        """Whether the next save has something to send."""
        return bool(self._grants)

    @property
    def grants(self) -> Grants:
        """What the next save has to send."""
        return self._grants

    def moved(self, onto: ACE, since: Grants | None = None) -> ACE:
        """The unsaved changes, made to what ``onto`` has: all of them, or those after ``since``."""
        moved = ACE(self._name, onto._base)
        grants = self._grants if since is None else self._grants.since(since)
        moved._change(grants.granted, grants.revoked)
        return moved

    def __contains__(self, principal: Principal) -> bool:
        return known(principal_of(principal)) in self._known()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._known()))

    def __len__(self) -> int:
        return len(self._known())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ACE):
            return (self._base, self._grants) == (other._base, other._grants) or (
                self.known and other.known and self._known() == other._known()
            )
        return self._known() == other

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        if self.known:
            return f"<{self._name}: {', '.join(self) or 'nobody'}>"
        granted = [f"+{principal}" for principal in sorted(self._grants.granted)]
        revoked = [f"-{principal}" for principal in sorted(self._grants.revoked)]
        return f"<{self._name}: {' '.join(['unknown', *granted, *revoked])}>"

    def _known(self) -> frozenset[str]:
        if self._base is None:
            raise UnknownPermissionsError(
                f"the server did not show who has {self._name!r} on this object: lists carry no permissions, so "
                "refresh() it; if they stay unknown, these credentials are not in its 'write'. add() and discard() "
                "work all the same"
            )
        return (self._base | self._grants.granted) - self._grants.revoked


_OWNERS: Final = {"record_create": "a collection", "collection_create": "a bucket", "group_create": "a bucket"}


class Permissions:
    """The permissions of a record or a group. Changes are sent by the object's next ``save()``, with its data.

    Attributes:
        read: who may read the object.
        write: who may change it, delete it, and see its permissions.
    """

    _aces: ClassVar[Mapping[str, str]] = {"read": "read", "write": "write"}

    read: ACE
    write: ACE

    __slots__ = ("read", "write")

    def __init__(self, shown: Mapping[str, Iterable[str]] | None) -> None:
        """``shown`` is what the server showed, or None where it showed nothing."""
        for attribute, name in self._aces.items():
            setattr(self, attribute, ACE(name, None if shown is None else shown.get(name, ())))

    @property
    def known(self) -> bool:
        """Whether the server showed the permissions, or the object is new."""
        return self.read.known

    @property
    def _is_open(self) -> bool:
        """Whether a group of the default bucket is among the changes, whose real id is still to be found."""
        return any(ace._is_open for ace in self._by_name().values())

    def _close(self, bucket: str, facts: Any) -> None:
        """Names groups of the default bucket by the real id of that.

        Raises:
            DeclarationError: one of another client.
        """
        for ace in self._by_name().values():
            ace._close(bucket, facts)

    def changes(self) -> dict[str, list[str]]:
        """The ACEs that are known and changed, whole, under Kinto's names for them."""
        return {name: list(ace) for name, ace in self._by_name().items() if ace.changed and ace.known}

    def grants(self) -> dict[str, Grants]:
        """All changes, principal by principal, under Kinto's names for the ACEs."""
        return {name: ace.grants for name, ace in self._by_name().items() if ace.changed}

    def pending(self) -> dict[str, Grants]:
        """The changes of ACEs that are not known, under Kinto's names for them."""
        return {name: ace.grants for name, ace in self._by_name().items() if ace.changed and not ace.known}

    @property
    def changed(self) -> bool:
        """Whether the next save has something to send."""
        return any(ace.changed for ace in self._by_name().values())

    def _by_name(self) -> dict[str, ACE]:
        return {name: getattr(self, attribute) for attribute, name in self._aces.items()}

    def all(self) -> dict[str, list[str]]:
        """Every ACE that has principals, under Kinto's names for them.

        Raises:
            UnknownPermissionsError: the server did not show them.
        """
        return {name: list(ace) for name, ace in self._by_name().items() if len(ace)}

    @property
    def held(self) -> Held:
        """The unsaved changes, by the ACE's name here."""
        return {attribute: getattr(self, attribute).grants for attribute in self._aces}

    def moved(self, onto: Permissions, since: Held | None = None) -> Permissions:
        """The unsaved changes, made to what ``onto`` has: all of them, or those after ``since``."""
        moved = type(self)({})
        for attribute in self._aces:
            ace = getattr(self, attribute).moved(getattr(onto, attribute), (since or {}).get(attribute))
            setattr(moved, attribute, ace)
        return moved

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            owner = _OWNERS.get(name)
            hint = f"; {name} is a permission of {owner}" if owner else ""
            raise AttributeError(f"there is no permission {name!r} here, but {', '.join(self._aces)}{hint}")

        def __setattr__(self, name: str, value: Any) -> None:
            if name in self._aces and not isinstance(value, ACE):
                raise TypeError(f"permissions.{name} is not assigned but changed: by add(), discard() and replace()")
            super().__setattr__(name, value)

    def __getstate__(self) -> dict[str, Any]:
        return {attribute: getattr(self, attribute) for attribute in self._aces}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for attribute, ace in state.items():
            setattr(self, attribute, ace)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Permissions) and self._by_name() == other._by_name()

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # they change

    def __repr__(self) -> str:
        return f"<permissions {' '.join(repr(getattr(self, attribute)) for attribute in self._aces)}>"


def aces_of(kind: str) -> tuple[str, ...]:
    """Kinto's names for the permissions of a kind of object."""
    return tuple(_BY_KIND.get(kind, Permissions)._aces.values())


class CollectionPermissions(Permissions):
    """The permissions of a collection.

    Attributes:
        record_create: who may create records in it.
    """

    _aces: ClassVar[Mapping[str, str]] = {**Permissions._aces, "record_create": "record:create"}

    record_create: ACE

    __slots__ = ("record_create",)


class BucketPermissions(Permissions):
    """The permissions of a bucket.

    Attributes:
        collection_create: who may create collections in it.
        group_create: who may create groups in it.
    """

    _aces: ClassVar[Mapping[str, str]] = {
        **Permissions._aces,
        "collection_create": "collection:create",
        "group_create": "group:create",
    }

    collection_create: ACE
    group_create: ACE

    __slots__ = ("collection_create", "group_create")


_BY_KIND: Final[Mapping[str, type[Permissions]]] = {"bucket": BucketPermissions, "collection": CollectionPermissions}
