"""Permissions: sets of principals that are known or not, and what changed in them."""

from __future__ import annotations

import copy
import pickle

import pytest

from kinto_models import (
    AUTHENTICATED,
    EVERYONE,
    Account,
    BucketPermissions,
    CollectionPermissions,
    DeclarationError,
    Group,
    Permissions,
    Record,
)
from kinto_models.models.principals import principal_of


def test_each_kind_has_its_own_permissions() -> None:
    for kind, names in (
        (Permissions, {"read", "write"}),
        (CollectionPermissions, {"read", "write", "record:create"}),
        (BucketPermissions, {"read", "write", "collection:create", "group:create"}),
    ):
        shown = {name: ["account:a"] for name in names}
        assert kind(shown).all() == shown
        assert kind({**shown, "other": ["x"]}).all() == shown


def test_only_what_changed_is_sent_and_each_of_it_whole() -> None:
    permissions = Permissions({"write": ["account:a"], "read": ["account:b"]})
    assert permissions.changes() == {}
    permissions.read.add(EVERYONE)
    permissions.read.discard("account:nobody")
    assert permissions.changes() == {"read": ["account:b", "system.Everyone"]}
    permissions.read.discard(EVERYONE)
    assert permissions.changes() == {}
    permissions.write.replace([])
    assert permissions.changes() == {"write": []}


def test_they_are_read_like_sets() -> None:
    permissions = Permissions({"read": ["b", "a"]})
    assert list(permissions.read) == ["a", "b"]
    assert (len(permissions.read), len(permissions.write)) == (2, 0)
    assert Account("x") not in permissions.read
    assert permissions.read == {"a", "b"}
    assert permissions.read == Permissions({"read": ["a", "b"]}).read
    assert permissions.read != permissions.write
    assert repr(permissions) == "<permissions <read: a, b> <write: nobody>>"
    with pytest.raises(TypeError, match="unhashable"):
        hash(permissions.read)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_copies_are_independent(copied: object) -> None:
    permissions = BucketPermissions({"read": ["a"]})
    permissions.group_create.add("b")
    other = copied(permissions)  # type: ignore[operator]
    other.read.add("c")
    assert permissions.changes() == {"group:create": ["b"]}
    assert other.changes() == {"read": ["a", "c"], "group:create": ["b"]}


def test_principals() -> None:
    assert (principal_of(EVERYONE), principal_of(AUTHENTICATED)) == ("system.Everyone", "system.Authenticated")
    assert principal_of(Account("ada")) == "account:ada"

    class Editors(Group, bucket="blog", group="editors"):
        pass

    assert principal_of(Editors()) == "/buckets/blog/groups/editors"
    with pytest.raises(DeclarationError, match="names no bucket"):
        principal_of(Group())
    with pytest.raises(TypeError, match="not int"):
        principal_of(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"Editors\(...\)"):
        principal_of(Editors)  # type: ignore[arg-type]
    for bad in ("", "a b", "a\n"):
        with pytest.raises(ValueError, match="is no principal"):
            principal_of(bad)


def test_a_new_object_has_known_and_empty_permissions() -> None:
    record = Record()
    assert record.permissions.known
    assert record.permissions.all() == {}
    record.permissions.read.add("account:a")
    assert record.model_copy().permissions.changes() == {"read": ["account:a"]}
