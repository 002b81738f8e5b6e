"""What all commands have in common: the program, their options, and how they end."""

from __future__ import annotations

import logging
import warnings
from argparse import Namespace
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from typing import Annotated, Any, Concatenate, Final, ParamSpec, TypeVar

import typer
from rich.console import RenderableType

from kinto_models.cli.options import Option, usual
from kinto_models.cli.screen import Screen
from kinto_models.cli.scripts import client_from, setup_logging
from kinto_models.cli.status import Status, ended
from kinto_models.cli.typer import with_these
from kinto_models.client import Client
from kinto_models.errors import KintoError
from kinto_models.models.interface import Finder

__all__ = ["ONE_SERVER", "Limit", "Run", "app", "command", "typed", "usage"]

P = ParamSpec("P")
T = TypeVar("T")

_JSON: Final = Option("json", ("--json",), "Write JSON, for programs", group="output", switch=True)
_ROWS: Final = 50
"""Objects that people are shown where they say no limit."""
Limit = Annotated[
    int | None,
    typer.Option(
        "--limit",
        min=1,
        metavar="N",
        help=f"At most so many. If not given: {_ROWS}, and all of them as JSON.",
        rich_help_panel="Lists",
    ),
]
"""The option of commands that list something."""
ONE_SERVER: Final = (*usual(without=("bucket", "collection", "dry_run")), _JSON)
"""The options of a command that needs one server."""

_EPILOG: Final = (
    "Exit status: 0 done, 1 failed, 2 wrongly called, 3 not found, 4 not allowed, 5 the server or the network failed, "
    "6 some of it failed, 130 interrupted."
)

app: typer.Typer = typer.Typer(
    name="kinto-models",
    help="Looks into Kinto servers, and moves what is in them.\n\n"
    "Which server, and as whom, say --server and --auth, or KINTO_SERVER and KINTO_AUTH. "
    "Results go to stdout, as JSON with --json; all else goes to stderr.",
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,  # they would show the values of variables
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:  # noqa: FBT001  # typer calls it
    if asked:
        typer.echo(f"kinto-models {import_module('kinto_models').__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *, version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")] = False
) -> None:
    """Takes the options that stand before a command."""


class Run:
    """One call of a command.

    Attributes:
        args: its options, as ``client_from()`` takes them.
        screen: what it writes on.
    """

    def __init__(self, args: Namespace) -> None:
        self.args: Namespace = args
        self.screen: Screen = Screen(machine=bool(args.json))

    def client(self) -> Client:
        """A client of the server that the options name."""
        with usage("--auth"):
            return client_from(self.args)

    def side(self, prefix: str) -> Client:
        """A client of one of two servers: ``--from-server`` and ``--from-auth``, or what ``--server`` and ``--auth``
        say instead. Credentials for the one server are never those for another.
        """
        args = Namespace(**{name: getattr(self.args, name) for name in ("retry", "timeout", "server", "auth")})
        server, auth = getattr(self.args, f"{prefix}_server"), getattr(self.args, f"{prefix}_auth")
        if server is not None:
            args.server, args.auth = server, auth
        elif auth is not None:
            args.auth = auth
        if args.server is None:
            raise typer.BadParameter("missing: give it, or --server", param_hint=f"--{prefix}-server")
        with usage(f"--{prefix}-auth"):
            return client_from(args)

    def listed(
        self,
        found: Finder[T],
        limit: int | None,
        as_json: Callable[[T], Any],
        table: Callable[[list[T]], RenderableType],
        *,
        empty: Callable[[], object] = lambda: None,
    ) -> None:
        """Writes a list: a line of JSON for each, or a table, of the first few where no limit is said.

        Parameters:
            found: what to list.
            limit: as it was typed.
            as_json: one of them for programs.
            table: those that are shown, for people.
            empty: called where there is none; raises what is the matter then.
        """
        if self.screen.machine:
            any_at_all = False
            for each in found.limit(limit) if limit else found:
                self.screen.line(as_json(each))
                any_at_all = True
            if not any_at_all:
                empty()
            return
        rows = found.limit(limit or _ROWS).all()
        if rows:
            self.screen.show(table(rows))
        else:
            empty()
            self.screen.note("nothing")
        if limit is None and len(rows) == _ROWS and (total := found.count()) > _ROWS:
            self.screen.note(f"the first {_ROWS} of {total:,}: see --limit and --json")

    def end(self, status: Status) -> None:
        """Ends the command, unless all is done."""
        if status is not Status.DONE:
            raise typer.Exit(status)


def command(
    name: str, *, options: Sequence[Option] = ONE_SERVER, of: typer.Typer = app
) -> Callable[[Callable[Concatenate[Run, P], None]], Callable[..., None]]:
    """A decorator: makes a command of a function. Its docstring is the help."""

    def decorate(function: Callable[Concatenate[Run, P], None]) -> Callable[..., None]:
        call: Callable[..., None] = function

        def called(args: Namespace, **values: Any) -> None:
            setup_logging(args, "kinto_models")
            run = Run(args)
            with _warnings_on(run.screen), ended(run.screen.fail, debug=args.verbosity == logging.DEBUG):
                call(run, **values)

        documented: Callable[..., None] = wraps(call)(called)
        return of.command(name)(with_these(options)(documented))

    return decorate


@contextmanager
def _warnings_on(screen: Screen) -> Generator[None, None, None]:
    def show(message: Warning | str, *_: object, **__: object) -> None:
        screen.note(f"warning: {message}", "yellow")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


@contextmanager
def usage(name: str) -> Generator[None, None, None]:
    """Makes a usage error of a ValueError that is none of this library's tree: the server or a file is not to blame."""
    try:
        yield
    except ValueError as error:
        if isinstance(error, KintoError):
            raise
        raise typer.BadParameter(str(error), param_hint=name) from None


def typed(read: Callable[[str], T], text: str, name: str) -> T:
    """What was typed, read; a usage error where that cannot be done."""
    with usage(name):
        return read(text)
