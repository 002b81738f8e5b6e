"""The embedded server: a real Kinto that starts, serves, keeps to itself and stops."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from kinto_models import Client, NoClientError, Record, ServerFailedError, UnauthorizedError
from kinto_models.embedded import EmbeddedServer


class Task(Record, bucket="todo", collection="tasks"):
    title: str = ""


def test_it_is_a_whole_kinto(kinto: Client) -> None:
    told = requests.get(kinto.url + "/", timeout=5).json()
    assert {"accounts", "default_bucket", "flush_endpoint", "history", "permissions_endpoint", "schema"} <= set(
        told["capabilities"]
    )
    assert told["project_name"] == "embedded kinto"


def test_two_servers_do_not_touch_each_other() -> None:
    with Client.embedded() as one, Client.embedded() as other:
        one.bucket("todo").save()
        assert one.url != other.url
        assert (one.buckets.count(), other.buckets.count()) == (1, 0)


def test_the_account_is_made_and_others_on_request() -> None:
    with Client.embedded(auth=("ann", "pässword"), accounts={"ben": "b"}) as kinto:
        assert list(kinto.buckets.create(kinto.bucket("x")).permissions.write) == ["account:ann"]
        with Client(kinto.url, auth=("ben", "b")) as ben:
            assert ben.bucket("y").save().created
        with Client(kinto.url, auth=("ben", "wrong")) as stranger, pytest.raises(UnauthorizedError):
            stranger.bucket("z").save()


def test_settings_can_be_given() -> None:
    with Client.embedded(settings={"kinto.paginate_by": "2"}) as kinto:
        for name in "abcde":
            kinto.bucket(name).save()
        assert [len(page) for page in kinto.buckets.find().pages()] == [2, 2, 1]
        assert kinto.buckets.delete_all() == 5


def test_it_keeps_files_in_a_folder_that_goes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Client.embedded() as kinto:
        kinto.bucket("todo").save()
        kinto.bucket("todo").collection("tasks").save()
        task = Task()
        told = task.attach(b"hello", filename="a.txt")
        assert told.location.startswith(kinto.url.removesuffix("/v1") + "/attachments/")
        assert requests.get(told.location, timeout=5).content == b"hello"
        assert requests.get(told.location + "/../../secret", timeout=5).status_code == 404
        assert len(list(tmp_path.rglob("*.txt"))) == 1
    assert not list(tmp_path.iterdir())


def test_without_the_plugin_for_files_it_starts_without_it() -> None:
    done = run(
        "import importlib.util as u\n"
        "real = u.find_spec; u.find_spec = lambda name, *a: None if name == 'kinto_attachment' else real(name, *a)\n"
        "from kinto_models import Client\n"
        "with Client.embedded() as kinto: print('attachments' in kinto.server_info().capabilities)\n"
    )
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_closing_the_client_stops_the_server_and_frees_the_port() -> None:
    before = threading.active_count()
    client = Client.embedded()
    port = urlsplit(client.url).port
    assert port is not None
    client.bucket("x").save()
    client.close()
    client.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=1)
    with socket.create_server(("127.0.0.1", port)):
        pass
    assert threading.active_count() == before
    with pytest.raises(NoClientError):
        client.buckets.count()


def test_a_client_that_cannot_be_made_leaves_no_server_behind() -> None:
    before = threading.active_count()
    with pytest.raises(ValueError, match="timeout"):
        Client.embedded(timeout=-1)
    assert threading.active_count() == before


def run(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_nothing_is_printed_logged_or_warned() -> None:
    done = run(
        "import logging; logging.basicConfig(level='INFO')\n"
        "from kinto_models import Client\n"
        "with Client.embedded() as kinto: kinto.bucket('x').save()\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_failing_server_prints_no_traceback_of_its_own() -> None:
    done = run(
        "import requests\n"
        "from kinto_models import Client\n"
        "with Client.embedded(auth=('a', 'b')) as kinto:\n"
        "    kinto.bucket('x').save()\n"
        "    # Kinto fails on a quoted last_modified here\n"
        "    print(requests.delete(kinto.url + '/buckets/x?last_modified=%22123%22', auth=('a', 'b')).status_code)\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "500\n", "")


def test_a_program_that_forgets_to_close_still_ends() -> None:
    done = run("from kinto_models import Client; Client.embedded().bucket('x').save()")
    assert (done.returncode, done.stderr) == (0, "")


def test_whoever_gives_kintos_logger_a_level_sees_its_log(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("kinto")
    level = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        server = EmbeddedServer({}, {})
        assert logger.level == logging.DEBUG
        server.stop()
    finally:
        logger.setLevel(level)


@pytest.mark.parametrize("missing", ["kinto", "waitress"])
def test_without_the_extra_the_error_names_it(missing: str) -> None:
    done = run(
        "import sys, importlib.util as u\n"
        f"real = u.find_spec; u.find_spec = lambda name, *a: None if name == '{missing}' else real(name, *a)\n"
        "from kinto_models import Client\n"
        "try: Client.embedded()\n"
        "except ImportError as error: print(type(error).__name__, error)\n"
    )
    assert done.stderr == ""
    assert done.stdout.startswith("MissingExtraError")
    assert 'pip install "kinto-models[embedded]"' in done.stdout


def test_an_error_of_the_server_is_an_error_of_the_tree(kinto: Client) -> None:
    class Odd(Record, path="/__no_such_endpoint__"):
        pass

    with pytest.raises(LookupError, match="404"):
        kinto.repository(Odd).find().all()
    assert issubclass(ServerFailedError, Exception)
