"""Permissions of an object, as sets of principals: what is known of them and what was changed.

https://docs.kinto-storage.org/en/stable/api/1.x/permissions.html. The server shows them on single objects, and only to
those who are in ``write`` themselves; lists never have them. So they are either known or unknown, and unknown is not
empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, TypeAlias

from kinto_models.errors import UnknownPermissionsError
from kinto_models.models.principals import Principal, principal_of

__all__ = ["ACE", "BucketPermissions", "CollectionPermissions", "Held", "Permissions"]


Held: TypeAlias = "Mapping[str, frozenset[str] | None]"


class ACE:
    """The principals that hold one permission on one object."""

    __slots__ = ("_base", "_current", "_name")

    def __init__(self, name: str, principals: Iterable[str] | None) -> None:
        self._name = name
        self._base = None if principals is None else frozenset(principals)
        self._current = None if self._base is None else set(self._base)

    def add(self, principal: Principal) -> None:
        """Grants the permission, from the next save on.

        Raises:
            UnknownPermissionsError: the server did not show them.
        """
        self._known().add(principal_of(principal))

    def discard(self, principal: Principal) -> None:
        """Takes the permission back, from the next save on; nothing happens where it was not granted.

        The server puts whoever writes an object back into its ``write``.

        Raises:
            UnknownPermissionsError: the server did not show them.
        """
        self._known().discard(principal_of(principal))

    def replace(self, principals: Iterable[Principal]) -> None:
        """Replaces all principals, from the next save on.

        Raises:
            UnknownPermissionsError: the server did not show them.
        """
        known, wanted = self._known(), {principal_of(principal) for principal in principals}
        known.clear()
        known.update(wanted)

    @property
    def known(self) -> bool:
        """Whether the server showed the principals, or the object is new."""
        return self._current is not None

    @property
    def changed(self) -> bool:
        """Whether the next save has something to send."""
        return self._current != self._base

    @property
    def held(self) -> frozenset[str] | None:
        """The principals as they are now, or None where they are not known."""
        return None if self._current is None else frozenset(self._current)

    def moved(self, onto: ACE, since: frozenset[str] | None = None) -> ACE:
        """The same changes, made to what ``onto`` has: those since the server told, or ``since`` these were held."""
        before, now = (self._base or frozenset() if since is None else since), self._known()
        moved = ACE(self._name, onto._known())
        moved._known().update(now - before)
        moved._known().difference_update(before - now)
        return moved

    def __contains__(self, principal: Principal) -> bool:
        return principal_of(principal) in self._known()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._known()))

    def __len__(self) -> int:
        return len(self._known())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ACE):
            return self._current == other._current
        return self._known() == other

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"<{self._name}: {'unknown' if self._current is None else ', '.join(self) or 'nobody'}>"

    def _known(self) -> set[str]:
        if self._current is None:
            raise UnknownPermissionsError(
                f"the server did not show who has {self._name!r} on this object: lists carry no permissions, so "
                "refresh() it; if they stay unknown, these credentials are not in its 'write'"
            )
        return self._current


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

    def changes(self) -> dict[str, list[str]]:
        """The ACEs that changed, whole, under Kinto's names for them."""
        aces: dict[str, ACE] = {name: getattr(self, attribute) for attribute, name in self._aces.items()}
        return {name: list(ace) for name, ace in aces.items() if ace.changed}

    def all(self) -> dict[str, list[str]]:
        """Every ACE that has principals, under Kinto's names for them.

        Raises:
            UnknownPermissionsError: the server did not show them.
        """
        aces: dict[str, ACE] = {name: getattr(self, attribute) for attribute, name in self._aces.items()}
        return {name: list(ace) for name, ace in aces.items() if len(ace)}

    @property
    def held(self) -> Held:
        """Who holds what now, by the ACE's name here."""
        return {attribute: getattr(self, attribute).held for attribute in self._aces}

    def moved(self, onto: Permissions, since: Held | None = None) -> Permissions:
        """The same changes, made to what ``onto`` has: those made since the server told, or ``since`` this was held.

        Raises:
            UnknownPermissionsError: what ``onto`` has is not known.
        """
        moved = type(self)({})
        for attribute in self._aces:
            ace = getattr(self, attribute).moved(getattr(onto, attribute), (since or {}).get(attribute))
            setattr(moved, attribute, ace)
        return moved

    def __getstate__(self) -> dict[str, Any]:
        return {attribute: getattr(self, attribute) for attribute in self._aces}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for attribute, ace in state.items():
            setattr(self, attribute, ace)

    def __repr__(self) -> str:
        return f"<permissions {' '.join(repr(getattr(self, attribute)) for attribute in self._aces)}>"


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
