"""The options of scripts, once: argparse's (``scripts.py``) and typer's (``typer.py``) are both made from this table.

An option that is not given is read from its environment variable, where it has one.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, Final

from typing_extensions import Self

from kinto_models.cli.credentials import Credentials, ServerAddress, Variable
from kinto_models.protocol.paths import check_id
from kinto_models.protocol.retry import RetryPolicy
from kinto_models.transports.base import Timeout

__all__ = ["Option", "usual"]


_OFF: Final = ("0", "false", "no", "off")


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        name: in the namespace.
        flags: as they are typed.
        help: one sentence.
        group: the heading that it stands under.
        metavar: what follows it; empty for a switch.
        parse: reads what follows it; raises ValueError.
        variable: of the environment, or None.
        switch: what a switch makes of ``name``.
        required: whether there is nothing to be done without it.
        default: where neither the command line nor the environment has it.
    """

    name: str
    flags: tuple[str, ...]
    help: str
    group: str = "server"
    metavar: str = ""
    parse: Callable[[str], Any] = str
    variable: str | None = None
    switch: Any = None
    required: bool = False
    default: Any = None

    @property
    def described(self) -> str:
        """The help, and where else the value comes from."""
        return f"{self.help} (env {self.variable})" if self.variable else self.help

    def read(self, text: str) -> Any:
        """The value of what was typed, or stands in the environment.

        Raises:
            ValueError: it cannot be read; the message names the variable that it stands in.
        """
        try:
            value = self.parse(text)
        except ValueError as error:
            where = f"{text.name}: " if isinstance(text, Variable) else ""
            raise ValueError(f"{where}{error}") from None
        return value.content if isinstance(value, Variable) else value

    def fallback(self) -> Any:
        """What it is where it is not given: the variable, not read yet, or else the default. Of a switch, any variable
        turns it on that does not say that it is off.
        """
        text = os.environ.get(self.variable) if self.variable else None
        if not self.metavar:
            return self.default if (text or "0").lower() in _OFF else self.switch
        return Variable(self.variable or "", text) if text else self.default

    def prefixed(self, prefix: str) -> Self:
        """The same of one of several servers: ``--from-server`` and ``KINTO_FROM_SERVER``."""
        flag = self.flags[-1].removeprefix("--")
        variable = self.variable and self.variable.replace("KINTO_", f"KINTO_{prefix.upper()}_")
        return replace(self, name=f"{prefix}_{self.name}", flags=(f"--{prefix}-{flag}",), variable=variable)


def _timeout(text: str) -> Timeout:
    try:
        seconds = [float(part) for part in text.split(",")]
    except ValueError:
        seconds = []
    if len(seconds) not in (1, 2) or not all(math.isfinite(each) and each > 0 for each in seconds):
        raise ValueError("seconds, such as 30, or two numbers: to connect, and to wait for an answer, such as 5,30")
    return (seconds[0], seconds[-1])


def _retries(text: str) -> int:
    try:
        return RetryPolicy(retries=int(text)).retries
    except ValueError:
        raise ValueError("a number of further tries, such as 2, or 0 for none") from None


_TABLE: Final = (
    Option(
        "server",
        ("-s", "--server"),
        "Address of the server, with its version: https://example.com/v1",
        metavar="URL",
        parse=ServerAddress,
        variable="KINTO_SERVER",
        required=True,
    ),
    Option(
        "auth",
        ("-a", "--auth"),
        "USER:PASSWORD; or USER, and the password is asked for; "
        "or 'Bearer TOKEN', quoted; or browser, to sign in by it. "
        "What stands in the environment is sent to the server of the environment only",
        metavar="CREDENTIALS",
        parse=Credentials,
        variable="KINTO_AUTH",
    ),
    Option(
        "bucket",
        ("-b", "--bucket"),
        "Id of the bucket",
        metavar="ID",
        parse=lambda text: check_id(text, "bucket"),
        variable="KINTO_BUCKET",
    ),
    Option(
        "collection",
        ("-c", "--collection"),
        "Id of the collection",
        metavar="ID",
        parse=lambda text: check_id(text, "collection"),
        variable="KINTO_COLLECTION",
    ),
    Option(
        "retry",
        ("--retry",),
        "How often a request is tried again that failed and may be sent twice",
        metavar="N",
        parse=_retries,
        variable="KINTO_RETRY",
    ),
    Option(
        "timeout",
        ("--timeout",),
        "Seconds to wait; or two numbers, to connect and for an answer: 5,30",
        metavar="SECONDS",
        parse=_timeout,
        variable="KINTO_TIMEOUT",
    ),
    Option(
        "dry_run",
        ("--dry-run",),
        "Read, and write nothing",
        switch=True,
        variable="KINTO_DRY_RUN",
    ),
    Option("verbosity", ("-v", "--verbose"), "Say what is done", group="output", switch=logging.INFO),
    Option("verbosity", ("-q", "--quiet"), "Say only what is fatal", group="output", switch=logging.CRITICAL),
    Option("verbosity", ("-D", "--debug"), "Say everything, each request too", group="output", switch=logging.DEBUG),
)


def usual(*, prefix: str = "", without: Collection[str] = (), **defaults: Any) -> tuple[Option, ...]:
    """The options of the table.

    Parameters:
        prefix: for one of several servers: ``"from"`` makes ``--from-server`` and ``KINTO_FROM_SERVER`` of those that
            concern a server, and leaves out switches.
        without: names to leave out.
        defaults: values by name, for what is neither typed nor in the environment.

    Raises:
        TypeError: a name that no option has.
    """
    if unknown := {*without, *defaults} - {option.name for option in _TABLE}:
        raise TypeError(f"no option is called {', '.join(sorted(unknown))}")
    chosen = [replace(option, default=defaults.get(option.name)) for option in _TABLE if option.name not in without]
    return tuple(option.prefixed(prefix) for option in chosen if option.metavar) if prefix else tuple(chosen)
