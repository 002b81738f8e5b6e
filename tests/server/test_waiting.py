"""Who waits for a lock, for how long, and that every lock is given back."""

from __future__ import annotations

import socket
import time
from base64 import b64encode
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.conftest import Serve
from tests.production import Production
from tests.server.conftest import ALICE, COLLECTION, COUNTER, RECORDS, Writer, at_once, writer

BOB = ("bob", "hunter2")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, backend: str) -> Path:
    return tmp_path_factory.mktemp(backend)


@pytest.fixture
def held(serve: Serve, folder: Path) -> Writer:
    """Of a server where a write can be made to last or to fail (``tests/server/held.py``); others wait two seconds."""
    listener = "kinto.event_listeners"
    settings = {
        "kinto.includes": "kinto.plugins.accounts kinto_models.server.concurrency",
        "kinto.concurrency.lock_timeout_seconds": "2",
        "kinto.retry_after_seconds": "7",
        listener: "held",
        f"{listener}.held.use": "tests.server.held",
        f"{listener}.held.folder": str(folder),
        "multiauth.policies": "slow account",
        "multiauth.policy.slow.use": "tests.server.slow.Policy",
        "multiauth.policy.slow.folder": str(folder),
    }
    return writer(serve("held", settings).url)


@pytest.fixture
def lasting(held: Writer, folder: Path) -> Iterator[None]:
    """A write to the records lasts until the end of the test."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(held, "PUT", f"{RECORDS}/long", {"hold": True})
        while not (folder / "holding").exists():
            assert not answer.done()
            time.sleep(0.01)
        yield
        (folder / "release").touch()
        assert answer.result().status_code == 201
    (folder / "holding").unlink()
    (folder / "release").unlink()


def test_a_write_that_waits_too_long_is_asked_to_come_back(held: Writer, lasting: None) -> None:
    refused = held("PUT", f"{RECORDS}/r", {})
    assert (refused.status_code, refused.headers["Retry-After"], refused.json()["errno"]) == (503, "7", 201)
    assert held.batch(("PUT", f"{RECORDS}/r", {})) == [503]


def test_reads_do_not_wait(held: Writer, lasting: None) -> None:
    assert "counter" in held.ids()
    assert held("GET", COUNTER).status_code == 200
    assert held.batch(("GET", COUNTER, {})) == [200]


@pytest.mark.postgresql
def test_writes_elsewhere_do_not_wait(held: Writer, lasting: None) -> None:
    assert held("PUT", f"{COLLECTION}2/records/r", {}).status_code == 201
    assert held("PATCH", COLLECTION, {"displayed": True}).status_code == 200


def test_a_batch_that_is_refused_does_not_wait(held: Writer, lasting: None) -> None:
    assert held.batch(*[("PUT", f"{RECORDS}/r", {})] * 26) == [400]


@contextmanager
def slowly(url: str, request: str) -> Generator[socket.socket, None, None]:
    """A request of which half of the body is there: ``{"data``."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname or "", where.port or 0)) as slow:
        credentials = b64encode(":".join(ALICE).encode()).decode()
        head = [f"{request} HTTP/1.1", "Host: x", f"Authorization: Basic {credentials}", "Content-Length: 12"]
        slow.sendall("\r\n".join([*head, "Content-Type: application/json", "", '{"data']).encode())
        time.sleep(0.5)  # as long as the server may take to begin with it; a longer one shows less, and fails nobody
        yield slow


def test_who_sends_slowly_holds_nobody_up(held: Writer) -> None:
    with slowly(held.url, f"PUT /v1{RECORDS}/slow") as slow:
        assert held("PUT", f"{RECORDS}/r", {}).status_code == 201
        slow.sendall(b'": {}}')
        assert slow.recv(16).startswith(b"HTTP/1.1 201")


@pytest.mark.postgresql
def test_who_sends_slowly_to_the_default_bucket_has_no_transaction_yet(server: Production, write: Writer) -> None:
    import psycopg2

    write("GET", "/buckets/default")
    with slowly(server.url, "POST /v1/buckets/default/collections/c/records") as slow:
        with closing(psycopg2.connect(server.database)) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
            )
            assert cursor.fetchone() == (0,)
        slow.sendall(b'": {}}')
        assert slow.recv(16).startswith(b"HTTP/1.1 201")


SLOW = ("slow", "x")
SAID = {"Authorization": f"Basic {b64encode(':'.join(SLOW).encode()).decode()}"}
PUBLIC = "/buckets/public/groups/g"
CHECKED: dict[str, tuple[Any, tuple[str, str], dict[str, Any], list[int]]] = {
    "a deletion": (SLOW, ("DELETE", "/buckets/b"), {}, [401]),
    "a write that is anyone's": (SLOW, ("PUT", PUBLIC), {"data": {"members": []}}, [201]),
    "a batch": (
        SLOW,
        ("POST", "/batch"),
        {"requests": [{"method": "DELETE", "path": path} for path in (RECORDS, COLLECTION, "/buckets/b")]},
        [401, 401, 401],
    ),
    "parts of a batch": (
        ALICE,
        ("POST", "/batch"),
        {
            "defaults": {"method": "PUT", "path": PUBLIC, "body": {"data": {"members": []}}},
            "requests": [{"headers": SAID}, {"headers": SAID}, {"method": "PUT", "path": f"{RECORDS}/last"}],
        },
        [201, 200, 201],
    ),
}


@pytest.mark.parametrize("case", CHECKED)
def test_nobody_waits_while_a_password_is_checked_and_a_wrong_one_is_checked_once(
    held: Writer, folder: Path, case: str
) -> None:
    auth, (method, path), body, expected = CHECKED[case]
    anyone = {"permissions": {"write": ["system.Everyone"]}}
    assert held.send("PUT", "/buckets/public", anyone).status_code == 201
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(requests.request, method, held.url + path, auth=auth, json=body, timeout=60)
        try:
            while not (folder / "checked").exists():
                assert not asked.done()
                time.sleep(0.01)
            meanwhile = held("PUT", f"{RECORDS}/meanwhile", {})
            (folder / "known").touch()
            answer = asked.result()
            checked = (folder / "checked").read_text().split()
        finally:
            (folder / "known").touch()
            asked.result()
            for name in ("known", "checked"):
                (folder / name).unlink()
    statuses = [each["status"] for each in answer.json()["responses"]] if path == "/batch" else [answer.status_code]
    assert (meanwhile.status_code, statuses, checked) == (201, expected, ["x"])


@pytest.mark.postgresql
@pytest.mark.parametrize("first", ["PUT", "GET", "HEAD"])
@pytest.mark.parametrize("then", ["/records", "/records/none"])
def test_batches_that_read_lists_that_nobody_has_used_do_not_wait_for_each_other(
    held: Writer, first: str, then: str
) -> None:
    def through(one: str, other: str) -> list[int]:
        begun = f"{one}/records/r" if first == "PUT" else f"{one}/records"
        return held.batch((first, begun, {}), *[("GET", "/buckets/b", {})] * 15, ("GET", f"{other}{then}", {}))

    for turn in range(3):
        x, y = f"{COLLECTION}-x{turn}", f"{COLLECTION}-y{turn}"
        assert held("PUT", x).status_code == held("PUT", y).status_code == 201
        done = at_once(partial(through, x, y), partial(through, y, x))
        assert [len(each) for each in done] == [17, 17]


def test_the_end_of_everything_waits_for_nobody_where_there_is_none(held: Writer, lasting: None) -> None:
    assert held("POST", "/__flush__").status_code == 404


REFUSED: dict[str, tuple[int, tuple[str, str], dict[str, Any]]] = {
    "a 412": (412, ("PATCH", COUNTER), {"headers": {"If-Match": '"1"'}, "json": {"data": {}}}),
    "a creation that comes late": (412, ("PUT", COUNTER), {"headers": {"If-None-Match": "*"}, "json": {"data": {}}}),
    "an unknown record": (404, ("DELETE", f"{RECORDS}/none"), {}),
    "an unknown collection": (404, ("PUT", "/buckets/b/collections/none/records/r"), {"json": {"data": {}}}),
    "an unknown path": (404, ("PUT", "/nowhere"), {}),
    "a wrong id": (400, ("PUT", f"{RECORDS}/*"), {"json": {"data": {}}}),
    "no JSON": (400, ("PUT", f"{RECORDS}/r"), {"data": "{", "headers": {"Content-Type": "application/json"}}),
    "no JSON in a batch": (400, ("POST", "/batch"), {"data": "{", "headers": {"Content-Type": "application/json"}}),
    "a wrong batch": (400, ("POST", "/batch"), {"json": {"requests": [{"method": "PUT", "path": COUNTER, "body": 5}]}}),
    "a wrong method": (405, ("POST", COUNTER), {"json": {"data": {}}}),
    "a slash too many": (307, ("PUT", f"{COUNTER}/"), {"json": {"data": {}}, "allow_redirects": False}),
    "somebody else": (403, ("PUT", f"{RECORDS}/r"), {"json": {"data": {}}, "auth": BOB}),
    "nobody": (401, ("PUT", f"{RECORDS}/r"), {"json": {"data": {}}, "auth": None}),
    "a failure": (500, ("PUT", f"{RECORDS}/r"), {"json": {"data": {"fail": True}}}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_write_that_is_refused_holds_nobody_up(held: Writer, case: str) -> None:
    status, (method, path), options = REFUSED[case]
    sent: dict[str, Any] = {"auth": ALICE, **options}
    assert requests.request(method, held.url + path, timeout=30, **sent).status_code == status
    # All threads of the embedded server: one of them would have kept the lock, and could take it again.
    after = at_once(*(partial(held, "PUT", f"{RECORDS}/after{number}", {}) for number in range(4)))
    assert [answer.status_code for answer in after] == [201] * 4
