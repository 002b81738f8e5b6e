"""Permissions: sets of principals that are known or not, and what changed in them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    UnknownPermissionsError,
)
from kinto_models.models.permissions import ACE, Grants
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

    class Friends(Group, bucket="default", group="friends"):
        owner: str

    with pytest.raises(DeclarationError, match="which is another one for each user"):
        _ = Friends(owner="a").principal
    with pytest.raises(TypeError, match="not int"):
        principal_of(3)  # type: ignore[arg-type]
    assert principal_of(Editors) == "/buckets/blog/groups/editors"
    for nameless in (Group, Record):
        with pytest.raises(TypeError, match=rf"{nameless.__name__}\(...\)"):
            principal_of(nameless)  # type: ignore[arg-type]
    for bad in ("", "a b", "a\n"):
        with pytest.raises(ValueError, match="is no principal"):
            principal_of(bad)


def test_an_account_is_the_text_of_its_principal() -> None:
    ada = Account("ada")
    assert (ada, ada.name, ada.principal, str(ada), repr(ada)) == (
        "account:ada",
        "ada",
        "account:ada",
        "account:ada",
        "Account('ada')",
    )
    for twin in (copy.deepcopy(ada), pickle.loads(pickle.dumps(ada))):
        assert (twin, twin.name, type(twin)) == (ada, "ada", Account)
    assert {ada} == {"account:ada"}


def test_a_group_of_the_default_bucket_stays_open_in_copies_and_pickles() -> None:
    permissions = Permissions({})
    permissions.read.add("/buckets/default/groups/friends")
    assert permissions._is_open
    for twin in (copy.deepcopy(permissions), pickle.loads(pickle.dumps(permissions))):
        assert twin._is_open
        twin._close("abc", None)
        assert twin.changes() == {"read": ["/buckets/abc/groups/friends"]}
    with pytest.raises(DeclarationError, match="server_info"):
        _ = "/buckets/default/groups/friends" in permissions.read


@pytest.mark.parametrize(
    ("kind", "name", "owner"),
    [
        (Permissions, "record_create", "a collection"),
        (Permissions, "group_create", "a bucket"),
        (CollectionPermissions, "collection_create", "a bucket"),
        (BucketPermissions, "record_create", "a collection"),
    ],
)
def test_a_permission_that_the_kind_does_not_have_is_an_error_that_says_whose_it_is(
    kind: type[Permissions], name: str, owner: str
) -> None:
    with pytest.raises(AttributeError, match=f"no permission '{name}' here, but read, write.*of {owner}"):
        getattr(kind({}), name)
    with pytest.raises(AttributeError, match="no permission 'raed' here"):
        kind({}).raed  # type: ignore[attr-defined]


def test_a_permission_is_changed_and_not_assigned() -> None:
    permissions: Any = Permissions({})
    with pytest.raises(TypeError, match="add\\(\\), discard\\(\\) and replace\\(\\)"):
        permissions.read = ["account:ada"]
    with pytest.raises(AttributeError):
        permissions.raed = permissions.read


def test_members_are_a_set_of_users() -> None:
    editors = Group(members={Account("bob"), "account:ada"})
    editors.members.add(Account("eve"))
    editors.members.discard("account:bob")
    assert editors.members == {"account:ada", "account:eve"}
    assert editors.model_dump(mode="json")["members"] == ["account:ada", "account:eve"]


@pytest.mark.parametrize(
    ("member", "remedy"),
    [
        ("/buckets/blog/groups/friends", "grant it by itself"),
        (EVERYONE, "grant the permission to EVERYONE itself"),
        ("a b", "has a space"),
        ("", "is empty"),
    ],
)
def test_a_member_that_kinto_refuses_is_refused_here(member: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        Group(members={member})


def test_a_new_object_has_known_and_empty_permissions() -> None:
    record = Record()
    assert record.permissions.known
    assert record.permissions.all() == {}
    record.permissions.read.add("account:a")
    assert record.model_copy().permissions.changes() == {"read": ["account:a"]}


def test_what_is_not_known_can_be_granted_and_revoked_but_not_read() -> None:
    permissions = Permissions(None)
    permissions.read.add(Account("a"))
    permissions.read.add("b")
    permissions.read.discard("b")
    permissions.write.discard("c")
    assert not permissions.known
    assert permissions.changed
    assert permissions.changes() == {}
    assert permissions.pending() == {
        "read": Grants(frozenset({"account:a"}), frozenset({"b"})),
        "write": Grants(frozenset(), frozenset({"c"})),
    }
    assert repr(permissions) == "<permissions <read: unknown +account:a -b> <write: unknown -c>>"
    asked: list[Callable[[ACE], object]] = [list, len, lambda ace: "a" in ace, lambda ace: ace.replace(["x"])]
    for ask in asked:
        with pytest.raises(UnknownPermissionsError, match=r"add\(\) and discard\(\) work"):
            ask(permissions.read)


def test_unsaved_changes_are_moved_onto_what_the_server_shows_now() -> None:
    unknown = Permissions(None)
    unknown.read.add("a")
    unknown.read.discard("b")
    moved = unknown.moved(Permissions({"read": ["b", "c"]}))
    assert moved.changes() == {"read": ["a", "c"]}
    assert unknown.moved(Permissions({"read": ["a"]})).changes() == {}
    assert unknown.moved(Permissions(None)).pending() == unknown.pending()


decisions = st.lists(st.tuples(st.booleans(), st.sampled_from("abc")))


@given(before=decisions, after=decisions)
def test_what_was_decided_while_an_answer_was_on_its_way_stands(
    before: list[tuple[bool, str]], after: list[tuple[bool, str]]
) -> None:
    def decide(permissions: Permissions, what: list[tuple[bool, str]]) -> None:
        for grant, who in what:
            (permissions.read.add if grant else permissions.read.discard)(who)

    permissions = Permissions({"read": ["a"]})
    decide(permissions, before)
    held, stored = permissions.held, set(permissions.read)
    decide(permissions, after)
    wanted = set(permissions.read)
    assert set(permissions.moved(Permissions({"read": stored}), held).read) == wanted
