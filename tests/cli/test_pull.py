"""``attachments pull``: every file under its own record, right or not there, and nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kinto_models import Client, Record
from kinto_models.cli.status import Status
from kinto_models.embedded import EmbeddedServer
from tests.cli.conftest import Command, Done


@pytest.fixture(scope="module")
def images() -> Iterator[Client]:
    """A server with a collection of seven records, five of which have a file each, all of one name."""
    server = EmbeddedServer({"alice": "s3cret"}, {})
    with Client(server.url, auth=("alice", "s3cret")) as kinto:
        kinto.bucket("blog").save()
        kinto.bucket("blog").collection("images").save()
        records = kinto.bucket("blog").collection("images").records(Record)
        for number in range(5):
            records.attach(f"r{number}", f"content {number}".encode(), filename="photo.png")
        records.create(Record(id="bare"))
        records.attach("gone", b"x", filename="x.png")
        records.detach("gone")
        yield kinto
    server.stop()


def pull(command: Command, kinto: Client, folder: Path, *typed: str, path: str = "blog/images") -> Done:
    return command("attachments", "pull", path, str(folder), *typed, server=kinto.url)


def fetched(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


ALL = {f"r{number}/photo.png": f"content {number}".encode() for number in range(5)}


@pytest.mark.parametrize("jobs", ["1", "4"])
def test_each_file_is_in_a_folder_of_its_record(command: Command, images: Client, tmp_path: Path, jobs: str) -> None:
    folder = tmp_path / "not" / "there"
    done = pull(command, images, folder, "--jobs", jobs)
    assert (done.status, done.out, done.err) == (Status.DONE, "5 fetched, 0 already there, 0 failed\n", "")
    assert fetched(folder) == ALL


def test_what_is_there_and_right_is_not_fetched_again(command: Command, images: Client, tmp_path: Path) -> None:
    pull(command, images, tmp_path)
    (tmp_path / "r1" / "photo.png").write_bytes(b"content X")
    done = pull(command, images, tmp_path)
    assert done.out == "1 fetched, 4 already there, 0 failed\n"
    assert fetched(tmp_path) == ALL


def test_for_programs_there_is_a_line_for_each_file(command: Command, images: Client, tmp_path: Path) -> None:
    done = pull(command, images, tmp_path, "--json")
    lines = {line.pop("record"): line for line in done.lines}
    assert lines["r3"] == {"path": str(tmp_path / "r3" / "photo.png"), "fetched": True, "error": None}
    assert set(lines) == {f"r{number}" for number in range(5)}


def test_one_record_alone(command: Command, images: Client, tmp_path: Path) -> None:
    assert pull(command, images, tmp_path, path="blog/images/r2").status == Status.DONE
    assert list(fetched(tmp_path)) == ["r2/photo.png"]
    assert pull(command, images, tmp_path, path="blog/images/r9").status == Status.NOT_FOUND


def test_what_fails_is_named_at_the_end_and_the_rest_is_fetched(
    command: Command, images: Client, tmp_path: Path
) -> None:
    (tmp_path / "r1").write_text("in the way")
    done = pull(command, images, tmp_path)
    assert (done.status, done.out) == (Status.PARTLY, "4 fetched, 0 already there, 1 failed\n")
    assert done.err.startswith("error: r1: ")
    assert done.err.count("\n") == 1
    failed = {line["record"]: line["error"] for line in pull(command, images, tmp_path, "--json").lines}
    assert failed["r1"]
    assert failed["r2"] is None


@pytest.mark.parametrize("below", [".", "not/there"])
def test_a_folder_that_is_a_file_is_one_error(command: Command, images: Client, tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("in the way")
    done = pull(command, images, tmp_path / "file" / below)
    assert (done.status, done.out) == (Status.USAGE, "")
    assert "FOLDER" in done.err
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_collection_that_is_not_there_is_named(command: Command, images: Client, tmp_path: Path) -> None:
    done = pull(command, images, tmp_path / "new", path="blog/nowhere")
    assert (done.status, done.out) == (Status.NOT_FOUND, "")
    assert done.err.startswith("error: GET /buckets/blog/collections/nowhere/records: 404 (errno 111): Not Found; ")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("path", ["blog", "a/b/c/d", "/buckets/blog/groups/x"])
def test_what_is_no_collection_is_a_wrong_call(command: Command, images: Client, tmp_path: Path, path: str) -> None:
    assert pull(command, images, tmp_path, path=path).status == Status.USAGE


def test_without_the_plugin_the_error_names_it(command: Command, tmp_path: Path) -> None:
    server = EmbeddedServer({"alice": "s3cret"}, {"kinto.includes": "kinto.plugins.accounts"})
    try:
        done = command("attachments", "pull", "blog/images", str(tmp_path), server=server.url)
    finally:
        server.stop()
    assert done.status == Status.FAILED
    assert "attachments" in done.err
