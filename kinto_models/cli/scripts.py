"""What any script needs to reach a server: the usual options for argparse, and a client made of what they say."""

from __future__ import annotations

import logging
import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Collection
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

from typing_extensions import Unpack

from kinto_models.cli.credentials import Credentials, ServerAddress
from kinto_models.cli.options import Option, usual
from kinto_models.client import AsyncClient, Client
from kinto_models.errors import NoClientError
from kinto_models.protocol.origins import origin_of
from kinto_models.transports.address import Address
from kinto_models.transports.auth import Auth
from kinto_models.transports.options import Options

__all__ = ["add_options", "async_client_from", "client_from", "setup_logging"]

_LOG = logging.getLogger("kinto_models")


def add_options(
    parser: ArgumentParser, *, prefix: str = "", without: Collection[str] = (), **defaults: Any
) -> ArgumentParser:
    """Adds the options that a script needs to reach a server, and returns the parser.

    They are ``-s/--server``, ``-a/--auth``, ``-b/--bucket``, ``-c/--collection``, ``--retry``, ``--timeout``,
    ``--dry-run``, ``-v/--verbose``, ``-q/--quiet`` and ``-D/--debug``. What is not given is read from ``KINTO_SERVER``,
    ``KINTO_AUTH``, ``KINTO_BUCKET`` and so on, and only the names of these are in the help. In the namespace are the
    same names, and ``verbosity``, a level of ``logging`` or None. ``args.auth`` shows no secret.

    Parameters:
        parser: of the script. The server is required, unless the environment or ``defaults`` has one.
        prefix: for one of several servers: ``"from"`` makes ``--from-server``, ``KINTO_FROM_SERVER`` and
            ``args.from_server``.
        without: names to leave out: ``without=["collection"]``.
        defaults: values by name: ``server="https://example.com/v1"``, ``bucket="blog"``.

    Raises:
        TypeError: a name that no option has.
    """
    options = usual(prefix=prefix, without=without, **defaults)
    for heading, together in groupby(options, key=lambda option: option.group):
        group = parser.add_argument_group(f"{prefix} {heading}".strip())
        for option in together:
            group.add_argument(*option.flags, dest=option.name, **_keywords(option))
    return parser


def _keywords(option: Option) -> dict[str, Any]:
    described = option.described.replace("%", "%%")
    if not option.metavar:
        return {"action": "store_const", "const": option.switch, "default": option.fallback(), "help": described}
    fallback = option.fallback()
    return {
        "metavar": option.metavar,
        "type": _reader(option),
        "default": fallback,
        "required": option.required and fallback is None,
        "help": described,
    }


def _reader(option: Option) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return option.read(text)
        except ValueError as error:  # whose text argparse would leave out, and repeat what was typed
            raise ArgumentTypeError(str(error)) from None

    return read


def client_from(args: Namespace, *, prefix: str = "", **options: Unpack[Options]) -> Client:
    """A client as the options say; asks for the password where ``--auth`` has none.

    Parameters:
        args: what a parser with ``add_options()`` gave.
        prefix: that of ``add_options()``.
        options: further ones of ``Client``, such as ``headers``; what the command line says goes before them.

    Raises:
        NoClientError: no server; or no password, and no terminal to ask for it.
        ValueError: credentials that cannot be read.
    """
    url, auth, told = _told(args, prefix, options)
    return Client(url, auth=auth, **told)


def async_client_from(args: Namespace, *, prefix: str = "", **options: Unpack[Options]) -> AsyncClient:
    """An async client as the options say: see ``client_from()``. Asks for the password before it returns.

    Raises:
        MissingExtraError: aiohttp is not installed; ``pip install "kinto-models[async]"``.
    """
    url, auth, told = _told(args, prefix, options)
    return AsyncClient(url, auth=auth, **told)


def _told(args: Namespace, prefix: str, options: Options) -> tuple[str, Auth, Options]:
    def typed(name: str) -> Any:
        return getattr(args, f"{prefix}_{name}" if prefix else name, None)

    if not (server := typed("server")):
        flag, variable = (f"--{prefix}-server", f"{prefix.upper()}_SERVER") if prefix else ("--server", "SERVER")
        raise NoClientError(f"which server? Give {flag}, or set KINTO_{variable}")
    address = server if isinstance(server, ServerAddress) else ServerAddress(server)
    credentials = _credentials(address, typed("auth"))
    auth: Auth = credentials.known() if isinstance(credentials, Credentials) else credentials
    told: dict[str, Any] = {
        "retry": typed("retry"),
        "timeout": typed("timeout"),
        "dry_run": getattr(args, "dry_run", None),  # of all servers
    }
    merged: Any = {**options, **{name: value for name, value in told.items() if value is not None}}
    return str(address), auth, merged


def _credentials(server: ServerAddress, auth: Any) -> Any:
    """Those of the command line; those of the environment only for the environment's server, as ``connect()`` does."""
    variable = auth.variable if isinstance(auth, Credentials) else None
    if variable is not None and server.variable is None and not _named_by(variable.replace("_AUTH", "_SERVER"), server):
        _LOG.warning("%s is not sent to %s, which is not of the environment: give --auth", variable, server)
        auth = None
    return auth if auth is not None else server.credentials


def _named_by(variable: str, server: str) -> bool:
    """Whether an environment variable has the address of this server, however it is written."""
    try:
        named, typed = (urlsplit(Address.parse(each).root) for each in (os.environ.get(variable, ""), server))
    except ValueError:
        return False
    return (origin_of(named), named.path) == (origin_of(typed), typed.path)


def setup_logging(args: Namespace, *loggers: logging.Logger | str) -> None:
    """Has messages written to stderr, as many as ``-v``, ``-q`` and ``-D`` ask for; warnings where none is given.

    Parameters:
        args: what a parser with ``add_options()`` gave.
        loggers: the script's own, or their names; that of ``kinto_models`` is heard too. All loggers where none is
            named. Handlers that the script has set up stay.
    """
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    if args.verbosity is not None:
        for logger in (*loggers, _LOG) if loggers else (logging.getLogger(),):
            (logging.getLogger(logger) if isinstance(logger, str) else logger).setLevel(args.verbosity)
