"""``replicate``: plans and results on the screen and as JSON, which server gets which credentials, and what fails."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest

from kinto_models import Client, Record
from kinto_models.cli.status import Status
from kinto_models.embedded import EmbeddedServer
from tests.cli.conftest import Command, record
from tests.cli.terminal import COMMAND, environment, on_a_terminal


@pytest.fixture
def other() -> Iterator[Client]:
    """Another server, empty; its user is carol."""
    server = EmbeddedServer({"carol": "pa55", "dave": "pa55", "alice": "s3cret"}, {})
    with Client(server.url, auth=("carol", "pa55")) as kinto:
        yield kinto
    server.stop()


def to(kinto: Client, auth: str = "carol:pa55") -> list[str]:
    return ["--to-server", kinto.url, "--to-auth", auth]


def test_a_bucket_goes_to_another_server(command: Command, other: Client) -> None:
    done = command("replicate", "blog", "copy", *to(other))
    assert done.status == Status.DONE
    assert re.fullmatch(r"126 created, 0 updated, 0 deleted, 0 unchanged, 0 failed", done.out.strip())
    assert re.fullmatch(r"to go on from here: --since \d+", done.err.strip())
    assert other.bucket("copy").collections.count() == 3
    again = command("replicate", "blog", "copy", *to(other), "--json").document
    assert (again["created"], again["unchanged"], again["failures"]) == (0, 126, [])
    assert all(path.startswith("/buckets/blog/") for path in again["timestamps"] if path != "/buckets")


def test_a_dry_run_shows_the_plan_and_writes_nothing(command: Command, other: Client) -> None:
    done = command("replicate", "blog", "copy", *to(other), "--dry-run")
    assert done.status == Status.DONE
    assert done.err == "this was a dry run: nothing was written\n"
    assert "\n/buckets/copy/collections  3 to create, 0 to change, 0 to delete, 0 unchanged\n  + articles\n" in done.out
    assert "  + and 115 more\n" in done.out
    plan = command("replicate", "blog", "copy", *to(other), "--dry-run", "--json").document
    assert {each["destination"]: len(each["create"]) for each in plan["lists"]} == {
        "/buckets": 1,
        "/buckets/copy/groups": 1,
        "/buckets/copy/collections": 3,
        "/buckets/copy/collections/articles/records": 120,
        "/buckets/copy/collections/drafts/records": 0,
        "/buckets/copy/collections/hostile/records": 1,
    }
    assert other.buckets.count() == 0


def test_a_dry_run_may_be_asked_for_by_a_letter_or_by_the_environment(
    command: Command, other: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "this was a dry run: nothing was written\n"
    assert command("replicate", "blog", "copy", *to(other), "-n").err == said
    monkeypatch.setenv("KINTO_DRY_RUN", "1")
    assert command("replicate", "blog", "copy", *to(other)).err == said
    assert other.buckets.count() == 0


def test_a_plan_tells_changes_and_deletions(command: Command, other: Client) -> None:
    command("replicate", "blog/articles", "copy/articles", *to(other), "--json")
    assert other.buckets.count() == 0  # its bucket is not made
    command("replicate", "blog", "copy", *to(other))
    group = other.bucket("copy").groups.get("editors")
    group.members = {"account:dave"}
    group.save()
    other.bucket("copy").group("more").save()
    done = command("replicate", "blog", "copy", *to(other), "--dry-run")
    assert "0 to create, 1 to change, 1 to delete, 0 unchanged\n  ~ editors  members\n  - more\n" in done.out
    kept = command("replicate", "blog", "copy", *to(other), "--keep", "--json").document
    assert (kept["updated"], kept["deleted"]) == (1, 0)
    assert other.bucket("copy").groups.exists("more")


def test_nothing_that_differs_is_said(command: Command, other: Client) -> None:
    command("replicate", "empty", "copy", *to(other))
    done = command("replicate", "empty", "copy", *to(other), "--dry-run")
    assert done.err == "nothing differs\n"


def test_a_group_goes_to_another_server(command: Command, other: Client) -> None:
    other.bucket("copy").save()
    done = command("replicate", "/buckets/blog/groups/editors", "/buckets/copy/groups/writers", *to(other))
    assert done.out == "1 created, 0 updated, 0 deleted, 0 unchanged, 0 failed\n"
    assert other.bucket("copy").groups.get("writers").members == {"account:bob", "account:carol"}


def test_two_collections_of_one_server(command: Command, kinto: Client) -> None:
    kinto.bucket("todo").collection("copies").save()
    done = command("replicate", "todo/tasks", "todo/copies", server=kinto.url)
    assert done.status == Status.DONE


@pytest.mark.parametrize(
    "typed",
    [
        ["blog", "blog"],
        ["blog", "blog/articles"],
        ["blog/articles", "/buckets/blog/groups/editors"],
        ["blog/articles/a1", "blog/articles/a2"],
        ["blog", "copy", "--since", "soon"],
        ["blog", "copy", "--to-auth", "Bearer"],
    ],
)
def test_what_cannot_be_replicated_is_a_wrong_call(command: Command, typed: list[str]) -> None:
    done = command("replicate", *typed)
    assert (done.status, done.out) == (Status.USAGE, "")


def test_without_a_server_the_side_that_lacks_one_is_named(command: Command, other: Client) -> None:
    done = command("replicate", "blog", "copy", *to(other), server="")
    assert done.status == Status.USAGE
    assert "--from-server" in done.err


def test_credentials_go_to_their_own_server_only(command: Command, blog: str, other: Client) -> None:
    # Alice is known at the other server too: were her credentials sent there, she could write.
    done = command("replicate", "blog", "copy", "--to-server", other.url)
    assert done.status == Status.NOT_ALLOWED
    done = command("replicate", "blog", "copy", "--auth", "alice:s3cret", "--to-server", other.url)
    assert done.status == Status.NOT_ALLOWED
    done = command("replicate", "blog", "copy", "--from-server", blog, *to(other))
    assert done.status == Status.NOT_ALLOWED  # KINTO_AUTH is that of KINTO_SERVER, and not of --from-server
    done = command("replicate", "blog", "copy", "--from-server", blog, "--from-auth", "alice:s3cret", *to(other))
    assert done.status == Status.DONE


def test_what_fails_is_named_once_and_the_rest_is_done(
    command: Command, other: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with Client(other.url, auth=("dave", "pa55")) as dave:
        articles = dave.bucket("copy").collection("articles")
        dave.bucket("copy").save()
        articles.permissions.read.add("account:carol")
        articles.permissions.record_create.add("account:carol")
        articles.save()
        articles.records(Record).create(record(id="a5", title="Dave's"))
    typed = ("replicate", "blog/articles", "copy/articles", *to(other))
    done = command(*typed)
    assert done.status == Status.PARTLY
    assert done.out == "119 created, 0 updated, 0 deleted, 1 unchanged, 1 failed\n"
    assert "error: /buckets/copy/collections/articles/records/a5: PUT" in done.err
    assert caplog.text == ""
    told = command(*typed, "--json").document
    assert [each["uri"] for each in told["failures"]] == ["/buckets/copy/collections/articles/records/a5"]
    assert "403" in told["failures"][0]["error"]


def test_what_cannot_be_reached_is_the_servers_fault(command: Command) -> None:
    done = command("replicate", "blog", "copy", "--to-server", "http://127.0.0.1:1/v1", "--retry", "0")
    assert done.status == Status.UNREACHABLE


def test_a_terminal_gets_a_bar_and_a_pipe_none(blog: str, other: Client) -> None:
    variables = {
        "KINTO_FROM_SERVER": blog,
        "KINTO_FROM_AUTH": "alice:s3cret",
        "KINTO_TO_SERVER": other.url,
        "KINTO_TO_AUTH": "carol:pa55",
    }
    status, seen = on_a_terminal(*COMMAND, "replicate", "blog", "copy", variables={**variables, "TERM": "xterm"})
    assert status == Status.DONE
    assert re.search(r"Replicating .*126/126", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen))
    done = subprocess.run(
        [*COMMAND, "replicate", "blog", "copy"],
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "0 created, 0 updated, 0 deleted, 126 unchanged, 0 failed\n"
    assert done.stderr.startswith("to go on from here")
