"""The usual options of scripts: where values come from, that secrets stay unseen, and that argparse and typer agree."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import re
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from kinto_models import (
    BearerToken,
    Client,
    LoginError,
    MissingCapabilityError,
    NoClientError,
    NotFoundError,
    Record,
    connect,
)
from kinto_models.cli import Status, add_options, async_client_from, client_from, exit_status, setup_logging
from kinto_models.cli.credentials import Credentials
from kinto_models.cli.options import usual
from kinto_models.cli.typer import with_options
from kinto_models.embedded import EmbeddedServer
from kinto_models.models import binding
from kinto_models.transports.auth import BasicAuth
from tests.cli.terminal import COMMAND, on_a_terminal
from tests.loopback import Loopback

SERVER = "http://127.0.0.1:9/v1"
ENVIRONMENT = {
    "KINTO_SERVER": "http://of-env:hidden1@127.0.0.1:9/v1",
    "KINTO_AUTH": "alice:hidden2",
    "KINTO_BUCKET": "blog",
    "KINTO_COLLECTION": "articles",
    "KINTO_RETRY": "7",
    "KINTO_TIMEOUT": "3,4",
}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("KINTO_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


class Refused(Exception):  # noqa: N818  # what a script's user reads
    """What argparse or typer said before it ended with status 2."""


def by_argparse(*typed: str, **options: Any) -> Namespace:
    parser = add_options(argparse.ArgumentParser(), **options)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return parser.parse_args(typed)
    except SystemExit as exit_:
        assert exit_.code == 2
        raise Refused(said.getvalue()) from None


def by_typer(*typed: str, **options: Any) -> Namespace:
    app, given = typer.Typer(), []

    @app.command()
    @with_options(**options)
    def command(args: Namespace) -> None:
        given.append(args)

    result = CliRunner().invoke(app, list(typed), catch_exceptions=False, env={"COLUMNS": "400"})
    if result.exit_code:
        assert result.exit_code == 2
        raise Refused(result.output)
    return given[0]


@pytest.fixture(params=[by_argparse, by_typer])
def parse(request: pytest.FixtureRequest) -> Any:
    return request.param


def headers(client: Client) -> Mapping[str, str]:
    transport: Any = client._runner.transport
    sent: Mapping[str, str] = transport._connection.headers
    return sent


def header(client: Client) -> str | None:
    return headers(client).get("Authorization")


def test_a_script_reaches_the_server_that_its_options_name(parse: Any, kinto: Client) -> None:
    class Task(Record, bucket="todo", collection="tasks"):
        title: str = ""

    Task(id="one").save()
    args = parse("-s", kinto.url, "-a", "alice:s3cret", "-b", "todo", "-c", "tasks")
    with client_from(args) as client:
        assert [each.id for each in client.bucket(args.bucket).collection(args.collection).records(Record).find()] == [
            "one"
        ]


async def test_so_does_an_async_one(parse: Any, server: EmbeddedServer) -> None:
    async with async_client_from(parse("--server", server.url, "--auth", "alice:s3cret")) as client:
        user = (await client.server_info()).user
        assert user is not None
        assert user.id == "account:alice"


def test_nothing_but_the_server_is_needed(parse: Any) -> None:
    args = parse("-s", SERVER)
    assert vars(args) == dict.fromkeys(("auth", "bucket", "collection", "retry", "timeout", "dry_run", "verbosity")) | {
        "server": SERVER
    }
    client = client_from(args)
    assert (client.url, header(client)) == (SERVER, None)


def test_without_a_server_it_is_said_how_to_give_one(parse: Any) -> None:
    with pytest.raises(Refused, match="--server"):
        parse()
    with pytest.raises(NoClientError, match="--server.*KINTO_SERVER"):
        client_from(Namespace())


@pytest.mark.usefixtures("environment")
def test_what_is_not_typed_comes_from_the_environment(parse: Any) -> None:
    args = parse()
    assert (args.bucket, args.collection, args.retry, args.timeout) == ("blog", "articles", 7, (3.0, 4.0))
    assert str(args.bucket) == f"{args.bucket}" == "blog"
    client = client_from(args)
    assert client.url == SERVER
    assert header(client) == BasicAuth("alice", "hidden2").header
    assert client._runner.pacing.policy.retries == 7


@pytest.mark.usefixtures("environment")
def test_what_is_typed_goes_before_the_environment_and_that_before_the_scripts_own(parse: Any) -> None:
    args = parse("-b", "typed", bucket="own", collection="own", server="http://own/v1")
    assert (args.server, args.bucket, args.collection) == (SERVER, "typed", "articles")


def test_a_script_has_defaults_of_its_own(parse: Any) -> None:
    args = parse(server=SERVER, retry=0, bucket="own", verbosity=logging.INFO)
    assert (args.server, args.retry, args.bucket, args.verbosity) == (SERVER, 0, "own", logging.INFO)


def test_an_empty_variable_is_none(parse: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINTO_AUTH", "")
    monkeypatch.setenv("KINTO_BUCKET", "")
    args = parse("-s", SERVER)
    assert (args.auth, args.bucket) == (None, None)


@pytest.mark.usefixtures("environment")
def test_the_environments_credentials_go_to_the_environments_server_only(
    parse: Any, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = "http://127.0.0.1:10/v1"
    assert header(client_from(parse("-s", elsewhere))) is None
    assert "KINTO_AUTH is not sent to http://127.0.0.1:10/v1" in caplog.text
    assert "hidden" not in caplog.text
    try:
        assert header(connect(elsewhere)) is None  # which does the same
        assert header(connect()) == header(client_from(parse()))
    finally:
        binding.BLOCKING.set_default(None)
    assert header(client_from(parse("-s", elsewhere, "-a", "bob:pw"))) == BasicAuth("bob", "pw").header


@pytest.mark.parametrize(
    ("of_environment", "typed", "same"),
    [
        ("http://h.example/v1", "http://H.Example:80/v1/", True),
        ("https://h.example:443/v1/", "https://h.example/v1", True),
        ("http://h.example:80/v1", "https://h.example:80/v1", False),
        ("http://h.example/v1", "http://h.example:8080/v1", False),
        ("http://h.example/v1", "http://h.example/v1/other", False),
        ("http://h.example/v1", "http://h.example.evil.example/v1", False),
        ("", "http://h.example/v1", False),
    ],
)
def test_the_environments_server_is_that_however_its_address_is_written(
    parse: Any, monkeypatch: pytest.MonkeyPatch, of_environment: str, typed: str, *, same: bool
) -> None:
    monkeypatch.setenv("KINTO_AUTH", "alice:s3cret")
    monkeypatch.setenv("KINTO_SERVER", of_environment)
    assert (header(client_from(parse("-s", typed))) is not None) is same


def test_credentials_in_the_address_are_used_and_not_shown(parse: Any) -> None:
    args = parse("-s", "http://bob:hidden@127.0.0.1:9/v1/")
    assert args.server == SERVER
    assert "hidden" not in repr(args)
    assert header(client_from(args)) == BasicAuth("bob", "hidden").header
    args = parse("-s", "http://bob:hidden@127.0.0.1:9/v1/", "-a", "carol:pw")
    assert header(client_from(args)) == BasicAuth("carol", "pw").header


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("alice:s3cret", BasicAuth("alice", "s3cret")),
        ("alice:pass word: and more", BasicAuth("alice", "pass word: and more")),
        ("alice:", BasicAuth("alice", "")),
        ("Bearer abc", BearerToken("abc")),
        ("Bearer abc:def ghi", BearerToken("abc:def ghi")),
        ("Bearer+OIDC a:b", BearerToken("a:b", scheme="Bearer+OIDC")),
    ],
)
def test_credentials_are_read_by_their_first_word(parse: Any, typed: str, expected: BasicAuth | BearerToken) -> None:
    assert header(client_from(parse("-s", SERVER, "-a", typed))) == expected.header


def test_credentials_that_are_empty_are_none_at_all(parse: Any) -> None:
    with pytest.raises(Refused, match="USER:PASSWORD"):
        parse("-s", SERVER, "-a", "")


def test_a_browser_is_asked_for_by_its_name(parse: Any, loopback: Loopback) -> None:
    google = {"name": "google", "auth_path": "/openid/google/login"}
    loopback.answers(body=json.dumps({"capabilities": {"openid": {"providers": [google]}}}).encode())
    with (
        client_from(parse("-s", loopback.url, "-a", "browser corp")) as client,
        pytest.raises(MissingCapabilityError, match="no OpenID provider 'corp', but 'google'"),
    ):
        client.buckets.count()
    loopback.answers(body=b'{"capabilities": {}}')
    with client_from(parse("-s", loopback.url, "-a", "browser")) as client, pytest.raises(MissingCapabilityError):
        client.buckets.count()
    assert header(client_from(parse("-s", SERVER, "-a", "browser:pw"))) == BasicAuth("browser", "pw").header


def test_a_token_whose_quotes_were_forgotten_is_not_taken_for_a_user(parse: Any) -> None:
    with pytest.raises(Refused, match="Bearer TOKEN") as refused:
        parse("-s", SERVER, "-a", "Bearer", "hidden")
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["-s", "ftp://bob:hidden@x"], "https://example.com/v1"),
        (["-s", SERVER, "--retry", "-1"], "number of further tries"),
        (["-s", SERVER, "--retry", "many"], "number of further tries"),
        (["-s", SERVER, "--timeout", "0"], "seconds, such as 30"),
        (["-s", SERVER, "--timeout", "1,2,3"], "seconds, such as 30"),
        (["-s", SERVER, "--timeout", "nan"], "seconds, such as 30"),
        (["-s", SERVER, "--bucket", "a/b"], "is not a bucket id"),
        (["-s", SERVER, "--collection", ""], "is not a collection id"),
    ],
)
def test_what_cannot_be_read_is_said_in_words_that_help(parse: Any, typed: list[str], said: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(*typed)
    assert said in str(refused.value)
    assert "hidden" not in str(refused.value)


def test_a_variable_that_cannot_be_read_is_named(parse: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINTO_RETRY", "hidden")
    with pytest.raises(Refused, match="KINTO_RETRY: a number of further tries") as refused:
        parse("-s", SERVER)
    assert "hidden" not in str(refused.value)
    assert parse("-s", SERVER, "--retry", "3").retry == 3


@pytest.mark.usefixtures("environment")
def test_no_secret_is_in_the_namespace_or_in_the_help(parse: Any) -> None:
    assert "hidden" not in repr(parse())
    assert "hidden" not in repr(vars(parse()))
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    assert "hidden" not in add_options(parser).format_help()
    assert "$KINTO_AUTH" in parser.format_help()


def test_one_of_several_servers_has_names_of_its_own(parse: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINTO_FROM_AUTH", "alice:s3cret")
    monkeypatch.setenv("KINTO_FROM_SERVER", SERVER)
    args = parse("--from-bucket", "blog", prefix="from", without=["collection"])
    assert (args.from_server, args.from_bucket) == (SERVER, "blog")
    assert not hasattr(args, "from_collection")
    assert not hasattr(args, "from_verbosity")
    assert header(client_from(args, prefix="from")) == BasicAuth("alice", "s3cret").header
    with pytest.raises(NoClientError, match="--to-server.*KINTO_TO_SERVER"):
        client_from(args, prefix="to")


def test_an_option_that_does_not_exist_is_not_left_out(parse: Any) -> None:
    with pytest.raises(TypeError, match="bukcet"):
        parse(without=["bukcet"])
    with pytest.raises(TypeError, match="bukcet"):
        parse(bukcet="blog")


@pytest.mark.parametrize(
    ("variable", "typed", "dry"),
    [
        ("", [], False),
        ("0", [], False),
        ("No", [], False),
        ("1", [], True),
        ("yes", [], True),
        ("", ["--dry-run"], True),
    ],
)
def test_a_dry_run_writes_nothing(
    parse: Any, kinto: Client, monkeypatch: pytest.MonkeyPatch, variable: str, typed: list[str], *, dry: bool
) -> None:
    monkeypatch.setenv("KINTO_DRY_RUN", variable)
    with client_from(parse("-s", kinto.url, "-a", "alice:s3cret", *typed)) as client:
        client.bucket("another").save()
    assert ("another" in {bucket.id for bucket in kinto.buckets.find()}) is not dry


def test_options_of_the_client_that_are_not_typed_are_the_scripts() -> None:
    args = by_argparse("-s", SERVER, "--retry", "5")
    client = client_from(args, retry=1, headers={"X-Script": "1"})
    assert client._runner.pacing.policy.retries == 5
    assert headers(client)["X-Script"] == "1"


def test_argparse_and_typer_have_the_same_options_and_say_the_same_of_them() -> None:
    def words(text: str) -> str:
        return " ".join(re.sub(r"[│╭╮╰╯─]|\x1b\[[0-9;]*m", " ", text).split())

    app = typer.Typer()
    app.command()(with_options()(lambda args: None))
    shown = words(CliRunner().invoke(app, ["--help"], env={"COLUMNS": "400", "TERM": "dumb"}).output)
    parser = argparse.ArgumentParser(formatter_class=lambda prog: argparse.HelpFormatter(prog, width=400))
    told = words(add_options(parser).format_help())
    for option in usual():
        for text in (*option.flags, option.described):
            assert text in shown
            assert text in told


@pytest.mark.parametrize(
    ("typed", "level"),
    [
        ([], None),
        (["-v"], logging.INFO),
        (["--verbose"], logging.INFO),
        (["-q"], logging.CRITICAL),
        (["-D"], logging.DEBUG),
        (["-v", "--debug"], logging.DEBUG),
    ],
)
def test_verbosity_is_a_level_of_logging(parse: Any, typed: list[str], level: int | None) -> None:
    assert parse("-s", SERVER, *typed).verbosity == level


def test_of_several_switches_argparse_takes_the_last_and_typer_the_one_that_says_most() -> None:
    assert by_argparse("-s", SERVER, "-v", "-q").verbosity == logging.CRITICAL
    assert by_typer("-s", SERVER, "-v", "-q").verbosity == logging.INFO


@pytest.fixture
def loggers() -> Iterator[dict[str, logging.Logger]]:
    """The root's, the library's and a script's, which are as before afterwards."""
    found = {name: logging.getLogger(name) for name in ("root", "kinto_models", "script")}
    before = {name: (each.level, list(each.handlers)) for name, each in found.items()}
    yield found
    for name, each in found.items():
        each.setLevel(before[name][0])
        each.handlers[:] = before[name][1]


def test_loggers_that_are_named_hear_the_library_too_and_no_others(loggers: dict[str, logging.Logger]) -> None:
    setup_logging(by_argparse("-s", SERVER, "-D"), "script")
    assert loggers["script"].level == loggers["kinto_models"].level == logging.DEBUG
    assert loggers["root"].level != logging.DEBUG
    setup_logging(by_argparse("-s", SERVER, "-q"), loggers["script"])
    assert loggers["script"].level == logging.CRITICAL


def test_all_are_heard_where_none_is_named_and_left_alone_where_nothing_is_typed(
    loggers: dict[str, logging.Logger],
) -> None:
    setup_logging(by_argparse("-s", SERVER, "-v"))
    assert loggers["root"].level == logging.INFO
    setup_logging(by_argparse("-s", SERVER))
    assert loggers["root"].level == logging.INFO


ASKING = """
import argparse
from kinto_models.cli import add_options, client_from
from kinto_models import NoClientError
args = add_options(argparse.ArgumentParser()).parse_args()
try:
    with client_from(args) as kinto:
        user = kinto.server_info().user
        print("you are", user and user.id)
except NoClientError as error:
    print(error)
"""


def test_a_password_is_asked_for_and_not_echoed(server: EmbeddedServer) -> None:
    command = (sys.executable, "-c", ASKING, "-s", server.url, "-a", "alice")
    status, seen = on_a_terminal(*command, typed="s3cret\n", after="Password of alice: ")
    assert status == 0
    assert "you are account:alice" in seen
    assert "s3cret" not in seen


@pytest.mark.parametrize(
    ("typed", "status", "said"),
    [
        ("\x04", Status.USAGE, "Password of alice: \r\nerror: no password was typed for alice\r\n"),
        ("\x03", Status.INTERRUPTED, "Password of alice: \r\nerror: interrupted\r\n"),
    ],
)
def test_who_types_no_password_is_told_so_on_a_line_of_its_own(typed: str, status: Status, said: str) -> None:
    command = (*COMMAND, "ls", "-s", SERVER, "-a", "alice")
    variables = {"NO_COLOR": "1", "TERM": "dumb"}
    seen = on_a_terminal(*command, typed=typed, after="Password of alice: ", variables=variables)
    assert seen == (status, said)


def test_where_nobody_can_be_asked_nothing_is_read(server: EmbeddedServer) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASKING, "-s", server.url, "-a", "alice"],
        input="s3cret\n",
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        start_new_session=True,  # without a terminal
    )
    assert "no password for alice, and no terminal to ask for it" in done.stdout
    assert "Warning" not in done.stderr


def test_the_helpers_need_neither_typer_nor_rich() -> None:
    program = (
        "import sys; sys.modules['rich'] = sys.modules['typer'] = None\n"
        "from kinto_models.cli import Status, add_options, async_client_from, client_from, exit_status, setup_logging\n"
        "import kinto_models\n"
        "try:\n"
        "    import kinto_models.cli.typer\n"
        "except kinto_models.MissingExtraError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == 'this needs typer: pip install "kinto-models[cli]"\n'
    assert done.stderr == ""


def ends(error: BaseException, capsys: pytest.CaptureFixture[str], *typed: str) -> tuple[object, str]:
    """The status that a script ends with, and what it says."""
    with pytest.raises(SystemExit) as ended, exit_status(by_argparse("-s", SERVER, *typed)):
        raise error
    return ended.value.code, capsys.readouterr().err


def test_an_error_of_a_script_is_a_status_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends(NotFoundError("no \x1b[31mtasks"), capsys) == (Status.NOT_FOUND, "error: no \\x1b[31mtasks\n")
    assert ends(FileNotFoundError(2, "No such file", "x"), capsys)[0] == Status.FAILED
    assert ends(LoginError("nobody signed in"), capsys)[0] == Status.NOT_ALLOWED
    assert ends(KeyboardInterrupt(), capsys) == (Status.INTERRUPTED, "error: interrupted\n")


def test_its_traceback_is_only_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = ends(NotFoundError("no tasks"), capsys, "-D")
    assert status == Status.NOT_FOUND
    assert said.startswith("Traceback")
    assert said.endswith("\nerror: no tasks\n")


def test_a_wrong_password_of_a_script_is_said_to_be_one(
    server: EmbeddedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    @exit_status()
    def script() -> None:
        with client_from(by_argparse("-s", server.url, "-a", "alice:wrong")) as client:
            client.buckets.count()

    with pytest.raises(SystemExit) as ended:
        script()
    assert ended.value.code == Status.NOT_ALLOWED
    assert "the user or the password is wrong" in capsys.readouterr().err


def test_a_mistake_in_a_script_and_its_own_status_stay_what_they_are() -> None:
    with pytest.raises(ValueError, match="mistake"), exit_status():
        raise ValueError("a mistake")
    with pytest.raises(SystemExit) as ended, exit_status():
        sys.exit(Status.PARTLY)
    assert ended.value.code == 6


@given(st.text(), st.text())
def test_no_secret_is_ever_in_the_repr_of_credentials(user: str, password: str) -> None:
    try:
        assert repr(Credentials(f"{user}:{password}")) == "Credentials(...)"
    except ValueError as error:
        assert str(error) == "a token is written after its scheme, in quotes: 'Bearer TOKEN'"
