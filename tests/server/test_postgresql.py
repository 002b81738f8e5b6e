"""Kinto on PostgreSQL, as in production: the server under test, and what only a database can show."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor
from configparser import ConfigParser
from contextlib import closing
from typing import Any

import pytest
import requests

from kinto_models import Client
from kinto_models.server.locks import listed, ordered, whole
from tests.conftest import POSTGRES
from tests.production import PLUGIN, ROOT, Production
from tests.server.conftest import ALICE, COUNTER, RECORDS, Writer, at_once


@pytest.mark.skipif(not POSTGRES, reason="KINTO_MODELS_TEST_POSTGRES has no URL: nothing was tested on PostgreSQL")
def test_the_suite_runs_on_postgresql_too() -> None:
    with Production(POSTGRES, plugin=False, workers=2) as server, Client(server.url, auth=ALICE) as client:
        assert "concurrency" not in client.server_info().capabilities
        killed = server.workers()
        assert len(killed) == 2
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        while len({*server.workers()} - {*killed}) < 2:
            time.sleep(0.01)
        client.bucket("b").save()
    with pytest.raises(OSError, match="refused"):
        requests.get(server.url, timeout=5)


@pytest.mark.postgresql
def test_the_configuration_of_the_docs_starts() -> None:
    page = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")
    ini = ConfigParser(interpolation=None)
    ini.read_string(page.partition("```ini\n")[2].partition("```")[0])
    settings = {name: value for name, value in ini["app:main"].items() if name.startswith(("kinto.", "multiauth."))}
    assert PLUGIN in settings["kinto.includes"]
    elsewhere = {name for name in settings if name.endswith("_url")}  # and not of this machine
    here = {name: settings[name] for name in settings.keys() - elsewhere - {"kinto.cache_backend"}}
    with Production(POSTGRES, settings=here) as server, Client(server.url, auth=ALICE) as client:
        info = client.server_info()
        assert {"concurrency", "history", "default_bucket", "schema"} <= info.capabilities.keys()
        assert info.settings.batch_max_requests == 100


@pytest.mark.postgresql
def test_a_text_with_a_nul_is_refused_as_if_it_could_be_sent_again(write: Writer) -> None:
    refused = write("PUT", f"{RECORDS}/nul", {"title": "a\0b"})
    assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
    assert write.ids() == {"counter"}


@pytest.mark.postgresql
def test_after_a_409_the_rest_of_a_batch_is_locked_again(write: Writer) -> None:
    """Kinto ends the transaction there, and does the rest in another one."""
    earlier = write("PUT", f"{RECORDS}/earlier", {}).json()["data"]["last_modified"]
    write("PUT", f"{RECORDS}/latest", {})
    clash = {"method": "PUT", "path": f"{RECORDS}/clash", "body": {"data": {"last_modified": earlier}}}

    def add() -> None:
        added = 0
        while added < 8:
            read = write("GET", COUNTER)
            change = {"data": {"n": read.json()["data"]["n"] + 1}}
            add = {"method": "PATCH", "path": COUNTER, "body": change, "headers": {"If-Match": read.headers["ETag"]}}
            first, second = write.send("POST", "/batch", {"requests": [clash, add]}).json()["responses"]
            assert first["status"] == 409
            added += second["status"] == 200

    at_once(*[add] * 4)
    assert write("GET", COUNTER).json()["data"]["n"] == 32


@pytest.mark.postgresql
def test_a_default_bucket_that_went_while_a_write_waited_is_locked_as_one_that_is_made(
    server: Production, write: Writer
) -> None:
    import psycopg2

    record = "/buckets/default/collections/c/records/r"
    assert write("PUT", record, {}).status_code == 201
    bucket = write("GET", "/").json()["user"]["bucket"]
    (tree, _), *_ = ordered(whole("buckets", bucket))
    (buckets, _), *_ = ordered(listed("buckets"))
    with closing(psycopg2.connect(server.database)) as connection, ThreadPoolExecutor(1) as pool:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("SELECT pg_advisory_lock(%s), pg_advisory_lock(%s)", (tree, buckets))
        asked = pool.submit(write, "PUT", record, {})
        _await_waiting(cursor, asked, tree)
        cursor.execute("DELETE FROM objects WHERE id = %s OR parent_id LIKE %s", (bucket, f"/buckets/{bucket}%"))
        cursor.execute("SELECT pg_advisory_unlock(%s)", (tree,))
        _await_waiting(cursor, asked, buckets)
        cursor.execute("SELECT pg_advisory_unlock(%s)", (buckets,))
        assert asked.result().status_code == 201


def _await_waiting(cursor: Any, asked: Future[requests.Response], key: int) -> None:
    waiting = "SELECT FROM pg_locks WHERE NOT granted AND (classid::bigint << 32 | objid::bigint) = %s"
    while cursor.execute(waiting, (key,)) or not cursor.fetchall():
        assert not asked.done()
        time.sleep(0.01)
