# pyright: strict, reportUnnecessaryTypeIgnoreComment=error
"""What scripts use: the exact type of each public name of ``kinto_models.cli``.

Read by mypy --strict with and without pydantic's plugin, and by pyright; never run.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from typing_extensions import assert_type

from kinto_models import AsyncClient, Client, Progress
from kinto_models.cli import (
    Status,
    add_options,
    async_client_from,
    client_from,
    exit_status,
    progress_bar,
    setup_logging,
)
from kinto_models.cli.typer import with_options


def helpers(parser: ArgumentParser, args: Namespace) -> None:
    assert_type(add_options(parser, without=["collection"], bucket="blog"), ArgumentParser)
    assert_type(client_from(args, prefix="from", headers={"X-Script": "1"}), Client)
    assert_type(async_client_from(args), AsyncClient)
    assert_type(setup_logging(args, "script"), None)
    with exit_status(args) as nothing:
        assert_type(nothing, None)
    assert_type(Status(6), Status)


def command() -> None:
    @with_options(without=["collection"])
    def download(args: Namespace, folder: str) -> int:
        return len(folder)

    assert_type(download, Callable[..., int])


def bar() -> None:
    with progress_bar("Tasks") as show:
        assert_type(show, Callable[[Progress], None])
