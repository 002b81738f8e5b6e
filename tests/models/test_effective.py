"""What principals may do: as Kinto's own rules say, whatever of the permissions is known; and as a real server does."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product
from typing import Any, Final

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from kinto_models import (
    AUTHENTICATED,
    EVERYONE,
    Account,
    Bucket,
    Client,
    Collection,
    Group,
    Record,
    UnknownPermissionsError,
    effective_permissions,
)
from kinto_models.models.resource import Resource
from kinto_models.models.state import Snapshot
from kinto_models.models.stored import attach
from kinto_models.protocol.bodies import encode
from tests.conftest import Serve

ACEs = dict[str, list[str]]

_KINDS: Final[dict[str, type[Resource]]] = {
    "bucket": Bucket,
    "collection": Collection,
    "group": Group,
    "record": Record,
}
_ACES: Final = {
    "bucket": ("read", "write", "collection:create", "group:create"),
    "collection": ("read", "write", "record:create"),
    "group": ("read", "write"),
    "record": ("read", "write"),
}
_INSIDE: Final = {
    "bucket": ["bucket"],
    "collection": ["collection", "bucket"],
    "group": ["group", "bucket"],
    "record": ["record", "collection", "bucket"],
}
_STAFF: Final = "/buckets/b/groups/staff"
_ALL: Final = [Account("alice"), Account("bob"), EVERYONE, AUTHENTICATED, _STAFF]

_principals = st.lists(st.sampled_from([str(each) for each in _ALL]), unique=True, max_size=2)


def _of(kind: str) -> st.SearchStrategy[ACEs]:
    return st.fixed_dictionaries(dict.fromkeys(_ACES[kind], _principals))


_acls = st.fixed_dictionaries({kind: _of(kind) for kind in _KINDS})


def loaded(kind: str, aces: ACEs | None) -> Any:
    """An instance as it is read by who sees these permissions, or none."""
    obj = _KINDS[kind](id="b" if kind == "bucket" else "x")
    body = {"data": {"id": obj.id, "last_modified": 5}, "permissions": {} if aces is None else {"write": [], **aces}}
    attach(obj, Snapshot(encode(body), None))
    return obj


@cache
def _tree() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what Kinto imports
        from kinto.authorization import PERMISSIONS_INHERITANCE_TREE
    return PERMISSIONS_INHERITANCE_TREE


def by_kinto(kind: str, acls: Mapping[str, ACEs], principals: set[str]) -> set[str]:
    """What Kinto's own tree says."""
    return {
        permission
        for permission, sources in _tree()[kind].items()
        if any(principals & set(acls[where].get(ace, ())) for where, aces in sources.items() for ace in aces)
    }


def asked(kind: str, objects: Mapping[str, Any], principals: list[str]) -> frozenset[str]:
    return effective_permissions(principals, **{each: objects[each] for each in _INSIDE[kind]})


@given(st.sampled_from(sorted(_KINDS)), _acls, st.lists(st.sampled_from([Account("alice"), Account("bob"), _STAFF])))
@settings(max_examples=300)
def test_all_known_it_is_what_kintos_own_rules_say(kind: str, acls: dict[str, ACEs], who: list[str]) -> None:
    objects = {each: loaded(each, acls[each]) for each in _KINDS}
    has = {str(each) for each in who} | {EVERYONE} | ({AUTHENTICATED} if who else set())
    assert asked(kind, objects, who) == by_kinto(kind, acls, has)


@given(
    st.sampled_from(sorted(_KINDS)),
    _acls,
    st.sets(st.sampled_from(sorted(_KINDS))),
    st.sampled_from([[], [Account("bob")], [Account("bob"), _STAFF]]),
)
@settings(max_examples=300)
def test_an_answer_holds_whatever_is_hidden_and_an_error_is_raised_only_where_it_matters(
    kind: str, acls: dict[str, ACEs], hidden: set[str], who: list[str]
) -> None:
    objects = {each: loaded(each, None if each in hidden else acls[each]) for each in _KINDS}
    has = {str(each) for each in who} | {EVERYONE} | ({AUTHENTICATED} if who else set())
    possible = {
        frozenset(by_kinto(kind, {**acls, **dict(zip(sorted(hidden), shown, strict=True))}, has))
        for shown in product(*(_extremes(each) for each in sorted(hidden)))
    }
    try:
        answer = asked(kind, objects, who)
    except UnknownPermissionsError:
        assert len(possible) > 1
    else:
        assert possible == {answer}


def _extremes(kind: str) -> list[ACEs]:
    """Nobody has anything, and everybody each."""
    return [{}, *({ace: [EVERYONE]} for ace in _ACES[kind]), {ace: [EVERYONE] for ace in _ACES[kind]}]


# A real server: bob, or a stranger, tries


_CHECKS: Final = {
    # A condition that nothing meets: who may is told that by a 412, and nothing changes.
    ("bucket", "read:attributes"): ("GET", ""),
    ("bucket", "write"): ("PATCH", ""),
    ("bucket", "collection:create"): ("PUT", "/collections/new"),
    ("bucket", "group:create"): ("PUT", "/groups/new"),
    ("collection", "read:attributes"): ("GET", "/collections/c"),
    ("collection", "write"): ("PATCH", "/collections/c"),
    ("collection", "record:create"): ("PUT", "/collections/c/records/new"),
    ("group", "read"): ("GET", "/groups/staff"),
    ("group", "write"): ("PATCH", "/groups/staff"),
    ("record", "read"): ("GET", "/collections/c/records/r"),
    ("record", "write"): ("PATCH", "/collections/c/records/r"),
}


@pytest.fixture
def alice(serve: Serve) -> Iterator[Client]:
    """The owner of all that is on a server where she alone gets what she writes."""
    with Client(serve("effective", {}).url, auth=("alice", "s3cret")) as client:
        yield client


def _place(url: str, acls: Mapping[str, ACEs], members: list[str]) -> None:
    paths = {
        "bucket": "",
        "group": "/groups/staff",
        "collection": "/collections/c",
        "record": "/collections/c/records/r",
    }
    parts = [
        {
            "method": "PUT",
            "path": f"/buckets/b{paths[kind]}",
            "body": {"data": {"members": members} if kind == "group" else {}, "permissions": acls[kind]},
        }
        for kind in paths
    ]
    placed = requests.post(f"{url}/batch", json={"requests": parts}, auth=("alice", "s3cret"), timeout=10)
    assert {part["status"] for part in placed.json()["responses"]} <= {200, 201}, placed.text


def _may(url: str, method: str, path: str, auth: tuple[str, str] | None) -> bool:
    headers = {"If-Match": '"1"', "Content-Type": "application/json"} if method != "GET" else {}
    body = json.dumps({"data": {}}) if method != "GET" else None
    answer = requests.request(method, f"{url}/buckets/b{path}", data=body, headers=headers, auth=auth, timeout=10)
    assert answer.status_code in ((200,) if method == "GET" else (412,)) + (401, 403), answer.text
    return answer.status_code in (200, 412)


@given(acls=_acls, members=st.sampled_from([[], ["account:bob"], [AUTHENTICATED]]), known=st.booleans())
@settings(max_examples=25)
def test_it_is_what_a_user_can_do_on_a_real_server(
    alice: Client, acls: dict[str, ACEs], members: list[str], *, known: bool
) -> None:
    _place(alice.url, acls, members)
    bucket = alice.buckets.get("b")
    objects: dict[str, Any] = {
        "bucket": bucket,
        "collection": bucket.collections.get("c"),
        "group": bucket.groups.get("staff"),
        "record": bucket.collection("c").records(Record).get("r"),
    }
    users: list[tuple[tuple[str, str] | None, list[str]]] = [(("bob", "hunter2"), [Account("bob")]), (None, [])]
    for auth, principals in users:
        who, groups = principals, [objects["group"]]
        if known and auth is not None:  # by the server's own list of principals
            with Client(alice.url, auth=auth) as client:
                me = client.me()
            assert me is not None
            who, groups = me.principals, []
        for (kind, permission), (method, path) in _CHECKS.items():
            inside = {each: objects[each] for each in _INSIDE[kind]}
            allowed = permission in effective_permissions(who, **inside, groups=groups)
            assert allowed == _may(alice.url, method, path, auth), (kind, permission, who)


# What it takes


def test_a_group_that_was_read_counts_for_its_members() -> None:
    bucket = loaded("bucket", {"write": [_STAFF]})
    staff = Group(id="staff", members={"account:bob"})
    attach(staff, Snapshot(encode({"data": {"id": "staff", "last_modified": 5, "members": []}}), _InBucket()))
    assert "write" in effective_permissions([Account("bob")], bucket=bucket, groups=[staff])
    assert effective_permissions([Account("carol")], bucket=bucket, groups=[staff]) == frozenset()
    assert effective_permissions([staff], bucket=bucket) >= {"read", "write", "group:create", "read:attributes"}


class _InBucket:
    bucket, collection, awaited, _facts = "b", None, False, None


def test_changes_that_are_not_saved_count() -> None:
    bucket = loaded("bucket", {"read": ["account:bob"]})
    bucket.permissions.read.discard("account:bob")
    bucket.permissions.collection_create.add("account:carol")
    assert effective_permissions([Account("bob")], bucket=bucket) == frozenset()
    assert effective_permissions(["account:carol"], bucket=bucket) == {"collection:create", "read:attributes"}


def test_what_was_not_given_is_not_known_and_may_not_matter() -> None:
    record = loaded("record", {"write": ["account:bob"]})
    assert effective_permissions([Account("bob")], record=record) == {"read", "write"}
    with pytest.raises(UnknownPermissionsError, match="whether read, write .* its collection, which was not given"):
        effective_permissions([Account("carol")], record=record)


def test_what_was_never_read_is_not_known() -> None:
    with pytest.raises(UnknownPermissionsError, match="bucket 'b'"):
        effective_permissions([], bucket=Bucket(id="b"))
    with pytest.raises(UnknownPermissionsError, match="bucket 'b'"):
        effective_permissions([], bucket=loaded("bucket", None))


def test_an_object_of_another_bucket_is_refused(kinto: Client) -> None:
    kinto.bucket("other").save()
    other, tasks = kinto.buckets.get("other"), kinto.bucket("todo").collections.get("tasks")
    with pytest.raises(ValueError, match="collection 'tasks' is in the bucket 'todo', and not in 'other'"):
        effective_permissions([], bucket=other, collection=tasks)


@pytest.mark.parametrize(
    ("who", "objects", "said"),
    [
        ("account:bob", {"bucket": "bucket"}, r"such as \['account:bob'\]"),
        ([], {}, "takes the object"),
        ([], {"group": "group", "record": "record"}, "of one object"),
    ],
)
def test_what_makes_no_sense_is_a_type_error(who: Any, objects: dict[str, str], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        effective_permissions(who, **{name: loaded(kind, {}) for name, kind in objects.items()})


@pytest.mark.parametrize(
    ("who", "given", "said"),
    [
        (None, {}, r"client\.me\(\)\.principals.* not NoneType"),
        ([], {"bucket": "b"}, "bucket= takes a Bucket that was read.* not str"),
        ([], {"collection": Bucket(id="b")}, "collection= takes a Collection .* not Bucket"),
        ([], {"record": Record}, "record= takes a Record "),
        ([], {"groups": ["staff"]}, "groups= takes a Group .* not str"),
    ],
)
def test_what_is_not_given_as_it_should_be_is_a_type_error_that_says_what_to_give(
    who: Any, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(TypeError, match=said):
        effective_permissions(who, **{"bucket": loaded("bucket", {}), **given})
