"""The command as a whole: statuses, streams, JSON, the environment, and what a hostile server can write."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kinto_models import Client, Record, __version__
from kinto_models.cli.lines import shown
from kinto_models.cli.screen import as_json
from kinto_models.cli.status import Status
from tests.cli.conftest import HOSTILE, Command, record
from tests.cli.terminal import COMMAND, environment, on_a_terminal
from tests.loopback import Loopback


def started(*typed: str, url: str, auth: str = "alice:s3cret", **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *typed],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment(KINTO_SERVER=url, KINTO_AUTH=auth, NO_COLOR="1", **variables),
    )


# In this process


def test_it_says_its_version_and_helps(command: Command) -> None:
    assert command("--version").out == f"kinto-models {__version__}\n"
    helped = command("--help")
    assert helped.status == Status.DONE
    for name in ("info", "ls", "get", "history", "permissions", "replicate"):
        assert re.search(rf"│ {name} ", helped.out)
        own = command(name, "--help")
        assert own.status == Status.DONE
        assert f"kinto-models {name}" in own.out.split("JSON")[1]  # an example
        assert "s3cret" not in helped.out + own.out


def test_without_a_command_it_helps_and_fails(command: Command) -> None:
    done = command()
    assert done.status == Status.USAGE
    assert "Usage: kinto-models" in done.out + done.err


@pytest.mark.parametrize(
    ("typed", "status"),
    [
        (["info"], Status.DONE),
        (["lss"], Status.USAGE),
        (["ls", "--lnog"], Status.USAGE),
        (["ls", "a b"], Status.USAGE),
        (["get", "blog/articles/a1/x"], Status.USAGE),
        (["get", "/buckets/../x"], Status.USAGE),
        (["get", "blog/articles/", "--where", "words"], Status.USAGE),
        (["get", "blog/articles/", "--where", "id~"], Status.DONE),
        (["get", "blog/articles/", "--sort", "a,,b"], Status.USAGE),
        (["get", "blog/articles/", "--since", "soon"], Status.USAGE),
        (["get", "blog/articles/a1", "--limit", "3"], Status.USAGE),
        (["get", "blog/articles/?_limit=1"], Status.USAGE),
        (["get", "blog/articles/a b"], Status.USAGE),
        (["ls", "blog/articles/a1"], Status.USAGE),
        (["ls", "/buckets/blog/groups/editors"], Status.USAGE),
        (["permissions", "--resource-name", "foo"], Status.USAGE),
        (["get", "blog/articles/nobody"], Status.NOT_FOUND),
        (["get", "blog/nowhere"], Status.NOT_FOUND),
        (["history", "blog", "--action", "undo"], Status.USAGE),
        (["history", "blog", "--since", "soon"], Status.USAGE),
        (["history", "/accounts/alice"], Status.USAGE),
        (["ls", "blog/nowhere"], Status.NOT_FOUND),
        (["get", "secret"], Status.NOT_ALLOWED),
        (["get", "blog", "--auth", "alice:wrong"], Status.NOT_ALLOWED),
        (["info", "--auth", "alice:wrong"], Status.NOT_ALLOWED),
        (["ls", "--server", "http://127.0.0.1:1/v1", "--retry", "0"], Status.UNREACHABLE),
    ],
)
def test_statuses_tell_what_went_wrong(command: Command, typed: list[str], status: Status) -> None:
    done = command(*typed)
    assert done.status == status, done.err
    if status is not Status.DONE:
        assert done.out == ""
        assert done.err
        assert "Traceback" not in done.err
        assert "s3cret" not in done.err


def test_an_error_is_one_line_and_its_traceback_only_asked_for(command: Command) -> None:
    done = command("get", "blog/nowhere")
    assert done.err.startswith("error: GET /buckets/blog/collections/nowhere: 404")
    assert done.err.count("\n") == 1
    assert "Traceback" in command("get", "blog/nowhere", "-D").err


def test_where_a_password_may_be_wrong_that_is_said(command: Command) -> None:
    for typed in (["ls"], ["info"], ["get", "blog/articles/"]):
        done = command(*typed, "-a", "alice:wrong")
        assert "the user or the password is wrong: see --auth" in done.err
        assert done.err.count("\n") == 1


def test_credentials_that_cannot_be_read_are_a_wrong_call(command: Command) -> None:
    done = command("ls", "--auth", "Bearer \x00hidden")
    assert done.status == Status.USAGE
    assert "--auth" in done.err
    assert "hidden" not in done.err


def test_no_server_at_all_is_a_wrong_call(command: Command) -> None:
    done = command("ls", server="")
    assert done.status == Status.USAGE
    assert "KINTO_SERVER" in done.err


@pytest.mark.parametrize("answer", [b"<html>no Kinto</html>", b"{}"])
def test_what_is_no_kinto_is_the_servers_fault(command: Command, loopback: Loopback, answer: bytes) -> None:
    loopback.answers(body=answer)
    assert command("info", server=loopback.url).status == Status.UNREACHABLE


@pytest.mark.parametrize("typed", [["info"], ["get", "blog"], ["get", "blog/articles/"], ["ls", "blog"]])
def test_so_is_a_page_that_is_not_found(command: Command, loopback: Loopback, typed: list[str]) -> None:
    loopback.answers(404, body=b"<html>not here</html>")
    done = command(*typed, server=loopback.url)
    assert done.status == Status.UNREACHABLE
    assert "no answer of Kinto's" in done.err


def test_text_of_a_server_is_shown_and_not_obeyed(command: Command) -> None:
    for typed in (
        ["get", "blog/hostile/evil"],
        ["get", "blog/hostile/"],
        ["get", "blog/hostile/evil", "--json"],
        ["get", "blog/hostile/", "--json"],
        ["get", "/buckets/blog/history", "--limit", "2"],
    ):
        done = command(*typed, width=400)
        assert done.status == Status.DONE
        assert all(each.isprintable() or each == "\n" for each in done.out), typed
        assert "[bold]bold[/bold]" in done.out
    assert command("get", "blog/hostile/evil", "--json").document["data"]["title"] == HOSTILE
    assert command("get", "blog/hostile/", "--json").lines[0]["title"] == HOSTILE


def test_nor_can_that_of_an_error(command: Command, loopback: Loopback) -> None:
    loopback.answers(403, body=b'{"errno": 121, "message": "\\u001b[31mred \\u009b2J[bold]bold[/bold]\\n"}')
    done = command("get", "blog", server=loopback.url)
    assert done.status == Status.NOT_ALLOWED
    assert all(each.isprintable() or each == "\n" for each in done.err)
    assert "[bold]bold[/bold]" in done.err


def test_what_is_no_letter_is_written_out() -> None:
    assert shown("a\x1bb\x9bc\u202ed\ud800e\nf\x7f") == "a\\x1bb\\x9bc\\u202ed\\ud800e\\nf\\x7f"
    assert shown("naïve 日本 👩\u200d💻") == "naïve 日本 👩\u200d💻"
    assert as_json("a\x7f\x9b\u202e\ud800\U000e0001") == '"a\\u007f\\u009b\\u202e\\ud800\\udb40\\udc01"'


def test_the_docs_and_the_help_have_every_status(command: Command) -> None:
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    assert {int(number) for number in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)} == {*Status}
    helped = " ".join(command("--help").out.split()).partition("Exit status: ")[2]
    assert {int(number) for number in re.findall(r"\b\d+\b", helped)} == {*Status} - {Status.PIPE}


def test_the_docs_have_every_command(command: Command) -> None:
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    shown = re.findall(r"^│ (\w+) ", command("--help").out.partition("Commands")[2], re.MULTILINE)
    assert sorted(shown) == sorted(re.findall(r"^\| `(\w+)", page.partition("| Command |")[2], re.MULTILINE))


# In a process of its own


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def test_results_go_to_stdout_and_all_else_to_stderr(blog: str) -> None:
    with (
        started("get", "blog/articles/", "--json", "-v", url=blog) as listing,
        started("ls", "--json", url=blog) as tree,
        started("get", "blog/nowhere", url=blog) as nowhere,
    ):
        out, err = listing.communicate(timeout=60)
        assert listing.returncode == 0
        assert len(out.splitlines()) == 120
        assert err == ""
        assert tree.communicate(timeout=60)[0].startswith("[\n")
        assert nowhere.communicate(timeout=60)[0] == ""
        assert nowhere.returncode == Status.NOT_FOUND


def test_an_output_without_the_letters_gets_them_written_out(blog: str) -> None:
    ascii_only = environment(KINTO_SERVER=blog, KINTO_AUTH="alice:s3cret", PYTHONIOENCODING="ascii")
    for typed, end in (["get", "blog/hostile/"], "end \\xe9"), (["get", "blog/hostile/", "--json"], "end \\u00e9"):
        done = subprocess.run([*COMMAND, *typed], env=ascii_only, capture_output=True, check=True, timeout=60)
        assert end in done.stdout.decode("ascii")


def test_a_pipe_that_is_closed_is_no_error(kinto: Client) -> None:
    records = kinto.bucket("todo").collection("tasks").records(Record)
    records.create_many([record(id=f"r{n}", text="x" * 130) for n in range(800)])
    for how, unbuffered in (["--json"], ""), (["--limit", "800"], ""), (["--limit", "800"], "1"):
        with started("get", "todo/tasks/", *how, url=kinto.url, PYTHONUNBUFFERED=unbuffered) as reading:
            assert reading.stdout is not None
            assert reading.stderr is not None
            reading.stdout.readline()
            reading.stdout.close()
            assert reading.stderr.read() == ""
        assert reading.returncode == Status.PIPE


def test_an_interrupt_ends_it_with_130(silent: socket.socket) -> None:
    host, port = silent.getsockname()
    with started("ls", url=f"http://{host}:{port}/v1") as waiting:
        connection, _ = silent.accept()
        connection.recv(1024)  # by now it waits for an answer
        waiting.send_signal(signal.SIGINT)
        out, err = waiting.communicate(timeout=60)
        connection.close()
    assert (waiting.returncode, out, err) == (Status.INTERRUPTED, "", "error: interrupted\n")


def test_a_terminal_gets_colours_and_asks_for_the_password(blog: str) -> None:
    status, seen = on_a_terminal(
        *COMMAND,
        "ls",
        "-s",
        blog,
        "-a",
        "alice",
        typed="s3cret\n",
        after="Password of alice: ",
        variables={"TERM": "xterm"},
    )
    assert status == Status.DONE
    assert "\x1b[1;34mblog\x1b[0m" in seen
    assert "s3cret" not in seen


def test_without_the_extra_it_says_how_to_get_it() -> None:
    program = "import sys; sys.modules['typer'] = None; from kinto_models.__main__ import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == Status.USAGE
    assert done.stderr == 'kinto-models needs typer and rich: pip install "kinto-models[cli]"\n'
