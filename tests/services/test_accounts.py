"""Accounts: users sign up, change their passwords and go, and nobody sees a hash."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import re
from base64 import b64encode
from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

import pytest
import requests
from pydantic import SecretStr, ValidationError

from kinto_models import (
    Account,
    AlreadyExistsError,
    BatchError,
    Client,
    ConflictError,
    ForbiddenError,
    InvalidIdError,
    InvalidRequestError,
    KintoError,
    MissingCapabilityError,
    NotFoundError,
    QueryError,
    Record,
    RetryPolicy,
    UnauthorizedError,
    UncertainOutcomeError,
    UserAccount,
    col,
    edit,
    key,
)
from kinto_models.models.stored import state_of
from tests.conftest import Serve, Wire
from tests.faults import Bench, Cut
from tests.loopback import Loopback
from tests.repository.conftest import told
from tests.services.conftest import ALICE, BOB, Opened

_HASH: Final = "$2b$04$0rTo9o6MmlRNJ1QIg.4d6u"
_QUICK: Final = RetryPolicy(retries=2, backoff=0.001)


class Member(UserAccount):
    colour: str = "blue"


@pytest.fixture
def url(serve: Serve) -> str:
    """A server on which alice is an administrator."""
    admins = {f"kinto.account_{what}_principals": "account:alice" for what in ("read", "write")}
    return serve("administered", admins).url


@pytest.fixture
def name() -> str:
    return f"carol+{uuid4().hex[:8]}@example.com"


def user_of(url: str, name: str, password: str) -> str | None:
    """Who these credentials belong to, by a client that is not ours."""
    header = b64encode(f"{name}:{password}".encode()).decode()
    user = requests.get(f"{url}/", headers={"Authorization": f"Basic {header}"}, timeout=10).json().get("user")
    return user["id"] if user else None


def shows(secret: str, *values: Any) -> bool:
    """Whether anything that one of these tells of itself has the secret in it."""
    texts = [text for value in values for text in (repr(value), str(value), repr(getattr(value, "__dict__", "")))]
    pickled = [pickle.dumps(value) for value in values]
    kept = [state_of(value).snapshot for value in values if isinstance(value, UserAccount)]
    bodies = pickled + [snapshot.body for snapshot in kept if snapshot]
    return any(secret in text for text in texts) or any(secret.encode() in body for body in bodies)


async def test_a_stranger_signs_up_and_may_come_in(url: str, name: str, opened: Opened) -> None:
    async with opened(url) as nobody:
        account = await told(nobody.accounts.sign_up(name, "pw-carol", colour="red"))
        assert (account.id, account.password, account.saved, account.dirty) == (name, None, True, False)
        assert account.model_extra == {"colour": "red"}
        assert account.principal == Account(name) == f"account:{name}"
        assert account.principal in account.permissions.write
    assert user_of(url, name, "pw-carol") == f"account:{name}"
    assert not shows("pw-carol", account)
    assert not shows("$2", account)


async def test_an_administrator_makes_accounts_and_lists_changes_and_deletes_all(
    url: str, name: str, opened: Opened
) -> None:
    async with opened(url, auth=ALICE) as admin:
        accounts = admin.accounts
        made = await told(accounts.sign_up(name, SecretStr("first")))
        assert {"alice", "bob", name} <= {account.id for account in await told(accounts.find().all())}
        assert (await told(accounts.get(name))).id == name
        assert (await told(accounts.change_password(name, "second"))).id == name
        assert user_of(url, name, "second") == made.principal
        assert await told(accounts.delete(name))
        assert await told(accounts.get_or_none(name)) is None
        assert user_of(url, name, "second") is None


async def test_others_see_only_themselves(url: str, opened: Opened) -> None:
    async with opened(url, auth=BOB) as bob:
        assert [account.id for account in await told(bob.accounts.find().all())] == ["bob"]
        with pytest.raises(ForbiddenError, match=r"403 \(errno 121\): This user cannot access this resource\.$"):
            await told(bob.accounts.get("alice"))
        said = r"do not match\.; .*client\.clone\(auth=None\)"
        with pytest.raises(InvalidRequestError, match=said):
            await told(bob.accounts.sign_up("mallory", "pw"))
        with pytest.raises(InvalidRequestError, match=said):
            await told(bob.accounts.create(UserAccount(id="mallory", password=SecretStr("pw"))))
    async with opened(url) as nobody:
        with pytest.raises(UnauthorizedError):
            await told(nobody.accounts.find().all())


async def test_a_class_of_ones_own_has_fields_and_keeps_what_it_does_not_declare(
    url: str, name: str, opened: Opened
) -> None:
    async with opened(url, auth=ALICE) as admin:
        members = admin.accounts.of(Member)
        await told(members.sign_up(name, "pw", colour="red", size=3))
        member = await told(members.get(name))
        assert (type(member), member.colour, member.size) == (Member, "red", 3)
        assert [found.id for found in await told(members.find(Member.colour == "red", Member.id == name).all())] == [
            name
        ]
        member.colour = "green"
        saved = await told(admin.repository(Member).save(member))
        assert saved.changed == {"colour"}
        plain = await told(admin.accounts.get(name))
        assert plain.model_extra == {"colour": "green", "size": 3}
        with pytest.raises(ValidationError):
            await told(members.sign_up("dave", "pw", colour=7))


def test_what_was_read_is_saved_by_a_patch_without_a_password(url: str, name: str) -> None:
    with Client(url, auth=ALICE) as admin:
        admin.accounts.sign_up(name, "pw", note="old")
        account = admin.accounts.get(name)
        wire = Wire(admin._runner.transport)
        admin._runner.transport = wire
        account.note, etag = "new", account.etag  # type: ignore[attr-defined]  # an unknown field
        assert account.save().changed == {"note"}
        assert (wire.last.method, wire.last.headers["If-Match"]) == ("PATCH", etag)
        assert wire.body() == {"data": {"note": "new"}}
        del account.note  # type: ignore[attr-defined]
        account.save()
        assert user_of(url, name, "pw") == account.principal


async def test_a_conflict_shows_no_hash(url: str, name: str, opened: Opened) -> None:
    async with opened(url, auth=ALICE) as admin:
        await told(admin.accounts.of(Member).sign_up(name, "pw"))
        mine, theirs = [await told(admin.accounts.of(Member).get(name)) for _ in range(2)]
        theirs.colour, mine.colour = "theirs", "mine"
        await told(admin.repository(Member).save(theirs))
        with pytest.raises(ConflictError) as caught:
            await told(admin.repository(Member).save(mine))
    error = caught.value
    sides: list[Any] = [error.theirs, error.base, error.mine]
    assert [side.colour for side in sides] == ["theirs", "blue", "mine"]
    assert not shows("$2", error, *sides)
    assert "password" not in error.details["existing"]


async def test_a_stranger_who_asks_for_a_taken_name_sees_no_hash(url: str, name: str, opened: Opened) -> None:
    async with opened(url) as nobody:
        await told(nobody.accounts.sign_up(name, "hers"))
        with pytest.raises(AlreadyExistsError) as caught:
            await told(nobody.accounts.sign_up(name, "his-own"))
    assert not shows("$2", caught.value, caught.value.theirs)
    assert not shows("his-own", caught.value)


def test_kinto_tells_a_stranger_the_hash_of_anybody(url: str) -> None:
    only_new = {"If-None-Match": "*"}
    leaked = requests.put(f"{url}/accounts/bob", json={"data": {"password": "x"}}, headers=only_new, timeout=10)
    assert leaked.json()["details"]["existing"]["password"].startswith("$2b$")


# Passwords


async def test_a_password_is_changed_of_an_instance_under_its_etag(url: str, name: str, opened: Opened) -> None:
    async with opened(url) as nobody:
        await told(nobody.accounts.sign_up(name, "first"))
    async with opened(url, auth=(name, "first")) as carol:
        account, stale = [await told(carol.accounts.get(name)) for _ in range(2)]
        assert await told(carol.accounts.change_password(account, "second")) is account
        assert (account.password, account.dirty) == (None, False)
        with pytest.raises(UnauthorizedError, match="does not know these credentials"):
            await told(carol.me())
    assert not shows("second", account)
    assert not shows("$2", account)
    async with opened(url, auth=(name, "second")) as carol:
        with pytest.raises(ConflictError):
            await told(carol.accounts.change_password(stale, "third"))
        assert (await told(carol.me())).id == account.principal


def test_a_password_is_a_field_too_that_is_gone_once_it_is_saved(url: str, name: str) -> None:
    with Client(url, auth=ALICE) as admin:
        account = UserAccount(id=name, password=SecretStr("first"))
        assert account.save().created
        assert vars(account)["password"] is None
        account.password = SecretStr("second")
        assert account.changes == {"password": SecretStr("second")}
        assert account.save().changed == {"password"}
        assert not account.dirty
        assert user_of(url, name, "second") == account.principal
        again = admin.accounts.get(name)
        again.password = SecretStr("third")
        assert again.replace().changed >= {"password"}  # which needs one
        with pytest.raises(InvalidRequestError, match=r"password.*Required"):
            again.replace()
        assert user_of(url, name, "third") == account.principal


@pytest.mark.parametrize("password", ["  ", " x ", "é" * 36, "a" * 72, "**********", "new\nline", "päss:wörd"])
def test_a_password_that_kinto_takes_is_taken_as_it_is(url: str, name: str, password: str) -> None:
    with Client(url) as nobody:
        nobody.accounts.sign_up(name, password)
    with Client(url, auth=(name, password)) as client:
        user = client.me()
    assert user is not None
    assert user.id == f"account:{name}"


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("", "empty"),
        ("é" * 37, "72 bytes"),
        ("a" * 73, "72 bytes"),
        ("leak\0ed", "U\\+0000"),
        ("leak\ud800", "Unicode"),
    ],
)
async def test_a_password_that_kinto_would_not_take_or_cut_short_is_refused(
    url: str, name: str, opened: Opened, password: str, said: str
) -> None:
    async with opened(url, auth=ALICE) as admin:
        bob = await told(admin.accounts.get("bob"))
        attempts: list[Callable[[], Any]] = [
            lambda: admin.accounts.sign_up(name, password),
            lambda: admin.accounts.change_password("bob", password),
            lambda: admin.accounts.change_password(bob, password),
            lambda: admin.repository(UserAccount).upsert(UserAccount(id="bob", password=SecretStr(password))),
        ]
        for attempt in attempts:
            with pytest.raises(ValueError, match=said) as caught:
                await told(attempt())
            assert not password or password not in f"{caught.value!r}{caught.value}"
        assert await told(admin.accounts.get_or_none(name)) is None
    assert user_of(url, *BOB) == "account:bob"


def test_a_password_that_is_no_text_is_refused(url: str) -> None:
    wrong: Any = 5
    with Client(url) as nobody, pytest.raises(TypeError, match="a password is text or a SecretStr, not int"):
        nobody.accounts.sign_up("eve", wrong)


def test_kinto_fails_on_a_long_password_and_this_is_why_it_is_refused(url: str, name: str) -> None:
    answer = requests.put(f"{url}/accounts/{name}", json={"data": {"password": "a" * 73}}, timeout=10)
    assert answer.status_code in (201, 500)  # by bcrypt's version: cut short, or a failure


def test_what_kinto_would_store_unhashed_is_refused(url: str, name: str) -> None:
    with Client(url, auth=ALICE) as admin:
        member = admin.accounts.of(Member).sign_up(name, "pw", size=3)
        member.password = SecretStr("plain")
        del member.size  # type: ignore[attr-defined]  # only a JSON patch removes
        for attempt in (
            member.save,
            lambda: admin.accounts.patch(
                name, edit(UserAccount.password).set(SecretStr("plain")), edit(Member.id).unset()
            ),
            lambda: admin.accounts.patch(name, password=None),
        ):
            with pytest.raises((ValueError, TypeError)):
                attempt()
        member.refresh()
        assert user_of(url, name, "pw") == member.principal


def test_a_class_of_ones_own_at_the_same_path_sees_no_hash_either(url: str) -> None:
    class Raw(Record, path="/accounts"):
        password: str = "none"

    with Client(url, auth=ALICE):
        assert Raw.get("bob").password == "none"
        assert Raw.find(Raw.id == "bob").one().password == "none"


def test_a_password_is_no_condition() -> None:
    for wrong in (
        lambda: UserAccount.find(UserAccount.password == SecretStr("x")),
        lambda: col(UserAccount.password).like("$2b*"),
    ):
        with pytest.raises(QueryError, match="would stand in the address"):
            wrong()


async def test_a_password_is_no_condition_by_another_name_either(url: str, opened: Opened) -> None:
    async with opened(url, auth=ALICE) as admin:
        for accounts in (admin.accounts, admin.accounts.of(Member), admin.repository(UserAccount)):
            for wrong in (key("password") == "pw-carol", key("password").like("$2b*"), key("password").exists()):
                with pytest.raises(QueryError, match="would stand in the address") as caught:
                    accounts.find(key("colour") == "red", wrong)
                assert "pw-carol" not in str(caught.value)
        assert await told(admin.accounts.find(key("passwords") == "none").all()) == []


def test_an_unsaved_password_shows_nowhere() -> None:
    account = Member(id="carol", password=SecretStr("pw-carol"))
    assert not shows("pw-carol", account)
    assert "pw-carol" not in account.model_dump_json()
    assert "pw-carol" not in str(account.model_dump())
    assert pickle.loads(pickle.dumps(account)) == Member(id="carol")
    for copied in (copy.copy(account), copy.deepcopy(account), account.model_copy()):
        assert copied.password == account.password
    for given in ({"id": "not one"}, {"id": "carol", "colour": 3}, {"last_modified": "x"}):
        with pytest.raises(ValidationError) as caught:
            Member.model_validate({**given, "password": "pw-carol"})
        assert "pw-carol" not in str(caught.value)


async def test_no_log_shows_a_password_or_a_hash(
    url: str, name: str, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with opened(url, auth=ALICE) as admin:
        await told(admin.accounts.sign_up(name, "pw-carol"))
        await told(admin.accounts.change_password(name, "new-carol"))
    assert not re.search(r"-carol|\$2b", caplog.text)


@pytest.mark.parametrize("account_id", ["", "a b", "a/b", "-a", "a:b", "a\n", "é", "../x"])
def test_an_id_that_is_none_is_refused_before_anything_is_sent(url: str, account_id: str) -> None:
    with Client(url, auth=ALICE) as admin:
        wire = Wire(admin._runner.transport)
        admin._runner.transport = wire
        with pytest.raises(ValidationError):
            admin.accounts.sign_up(account_id, "pw")
        for attempt in (lambda: admin.accounts.get(account_id), lambda: admin.accounts.delete(account_id)):
            with pytest.raises(InvalidIdError):
                attempt()
        with pytest.raises(InvalidIdError):
            admin.accounts.change_password(account_id, "pw")
        assert wire.sent == []


# Batches, lost answers, and servers without accounts


async def test_accounts_go_in_batches(url: str, name: str, opened: Opened) -> None:
    async with opened(url, auth=ALICE) as admin:

        def fill(batch: Any) -> list[Any]:
            accounts = batch.repository(UserAccount)
            made = accounts.create(UserAccount(id=name, password=SecretStr("pw")))
            return [made, accounts.get(name), accounts.patch(name, password=SecretStr("new")), accounts.find().all()]

        batch = admin.batch()
        if isinstance(admin, Client):
            with batch:
                outcomes = fill(batch)
        else:
            async with batch:
                outcomes = fill(batch)
        made, read, changed, listed = [outcome.result() for outcome in outcomes]
        assert user_of(url, name, "new") == made.principal
        assert not shows("$2", made, read, changed, *listed)
    with pytest.raises(BatchError) as caught, Client(url).batch() as again:
        again.create(UserAccount(id=name, password=SecretStr("pw")))
    assert not shows("$2", caught.value.failures[0][1])


async def test_a_sign_up_whose_answer_is_lost_is_not_taken_for_somebody_elses(
    url: str, name: str, opened: Opened
) -> None:
    with Bench(url) as bench:
        bench.plan(Cut("answer"), on="PUT")
        async with opened(bench.url, retry=_QUICK) as nobody:
            with pytest.raises(UncertainOutcomeError) as caught:
                await told(nobody.accounts.sign_up(name, "pw"))
        assert isinstance(caught.value.refusal, AlreadyExistsError)
        assert not shows("$2", caught.value, caught.value.refusal)
        assert not shows("'pw'", caught.value)
    assert user_of(url, name, "pw") == f"account:{name}"


async def test_a_change_of_ones_password_whose_answer_is_lost_is_uncertain(url: str, name: str, opened: Opened) -> None:
    with Client(url) as nobody:
        nobody.accounts.sign_up(name, "first")
    with Bench(url) as bench:
        bench.plan(Cut("answer"), on="PATCH")
        async with opened(bench.url, auth=(name, "first"), retry=_QUICK) as carol:
            with pytest.raises(UncertainOutcomeError) as caught:
                await told(carol.accounts.change_password(name, "second"))
    assert isinstance(caught.value.refusal, UnauthorizedError)  # by then the first was none any more
    assert user_of(url, name, "second") == f"account:{name}"


async def test_a_server_without_accounts_says_which_setting_has_them(serve: Serve, opened: Opened) -> None:
    plain = {
        "kinto.includes": "kinto.plugins.history",
        "multiauth.policies": "basicauth",
        "multiauth.policy.basicauth.use": "kinto.core.authentication.BasicAuthAuthenticationPolicy",
    }
    async with opened(serve("without accounts", plain).url, auth=ALICE) as client:
        accounts = client.accounts
        for attempt in (
            lambda: accounts.sign_up("eve", "pw"),
            lambda: accounts.change_password("eve", "pw"),
            lambda: accounts.get_or_none("eve"),
            lambda: accounts.exists("eve"),
            lambda: accounts.find().all(),
            accounts.count,
            lambda: accounts.delete("eve", missing_ok=True),
        ):
            with pytest.raises(MissingCapabilityError, match=r"'accounts'.*kinto\.includes = kinto\.plugins\.accounts"):
                await told(attempt())


def test_an_account_that_is_not_there_is_not_a_missing_plugin(url: str) -> None:
    with Client(url, auth=ALICE) as admin:
        assert not admin.accounts.exists("nobody")
        with pytest.raises(NotFoundError):
            admin.accounts.get("nobody")


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":{"id":"carol","password":"%b","last_modified":"x"}}',
        b'{"data":{"password":"%b","id":"carol"',
        b'{"password":"%b"',
    ],
)
def test_an_answer_that_is_broken_shows_no_hash(loopback: Loopback, body: bytes) -> None:
    loopback.answers(body=body % _HASH.encode())
    with Client(loopback.url) as client, pytest.raises(KintoError) as caught:
        client.accounts.get("carol")
    assert not shows(_HASH, caught.value, caught.value.__cause__)


def test_what_else_an_account_holds_comes_as_it_was_told(loopback: Loopback) -> None:
    told_ = {"id": "carol", "last_modified": 5, "n": 1e300, "text": "é😀", "wifi": {"password": "mine"}}
    loopback.answers(body=json.dumps({"data": {**told_, "password": _HASH}}).encode())
    with Client(loopback.url) as client:
        account = client.accounts.get("carol")
    assert {**account.model_dump(exclude_none=True)} == told_
    assert not account.dirty


# Who the client is


async def test_a_client_asks_who_it_is_each_time(url: str, opened: Opened) -> None:
    async with opened(url, auth=BOB) as client:
        me = await told(client.me())
        assert me.id == "account:bob"
        assert {"account:bob", "system.Authenticated", "system.Everyone"} <= set(me.principals)
        assert me.bucket
        with Client(url, auth=ALICE) as admin:
            bucket = admin.bucket(f"b{uuid4().hex}")
            bucket.save()
            group = bucket.group("staff")
            group.members = {"account:bob"}
            group.save()
        assert group.principal in (await told(client.me())).principals


async def test_who_has_no_credentials_is_nobody(url: str, opened: Opened) -> None:
    async with opened(url) as client:
        assert await told(client.me()) is None


@pytest.mark.parametrize(
    "options", [{"auth": ("bob", "wrong")}, {"auth": "Bearer x"}, {"headers": {"authorization": "Basic eA=="}}]
)
async def test_credentials_that_are_wrong_are_not_taken_for_none(url: str, opened: Opened, options: Any) -> None:
    async with opened(url, **options) as client:
        with pytest.raises(UnauthorizedError, match="does not know these credentials") as caught:
            await told(client.me())
        assert (caught.value.status, caught.value.request) == (401, "GET /")
        assert (await told(client.server_info())).user is None


def test_an_account_is_granted_permissions(kinto: Client) -> None:
    bucket = kinto.buckets.get("todo")
    bucket.permissions.read.add(kinto.accounts.get("alice"))
    bucket.save()
    assert kinto.buckets.get("todo").permissions.read == {"account:alice"}
