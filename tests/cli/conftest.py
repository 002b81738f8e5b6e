"""A server with something to look at, and the command in this process."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest
from typer.testing import CliRunner

from kinto_models import Client, Record
from kinto_models.cli.commands import app
from kinto_models.embedded import EmbeddedServer

HOSTILE = "\x1b[31mred \x9b2J[bold]bold[/bold] \u202egnp.exe\n\x07end é"
"""Text of a server that would colour, clear, mark up, turn round and ring."""


def record(**fields: Any) -> Record:
    """One with fields that no class declares."""
    return Record.model_validate(fields)


@pytest.fixture(scope="session")
def blog() -> Iterator[str]:
    """The address of a server with a blog of alice's; bob may read the collection ``drafts``, and nothing else."""
    server = EmbeddedServer({"alice": "s3cret", "bob": "hunter2"}, {})
    with Client(server.url, auth=("alice", "s3cret")) as kinto:
        blog = kinto.bucket("blog")
        blog.save()
        for name in ("articles", "drafts", "hostile"):
            blog.collection(name).save()
        editors = blog.group("editors")
        editors.members = {"account:bob", "account:carol"}
        editors.save()
        kinto.bucket("empty").save()
        blog.collection("articles").records(Record).create_many(
            [record(id=f"a{n}", title=f"Title {n}", words=n) for n in range(120)]
        )
        blog.collection("hostile").records(Record).create(record(**{"id": "evil", "title": HOSTILE, HOSTILE: 1}))
        drafts = blog.collections.get("drafts")
        drafts.permissions.read.add("account:bob")
        drafts.save()
    yield server.url
    server.stop()


@dataclass(frozen=True)
class Done:
    """What a command wrote, and its status."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Its one JSON document."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Its JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


Command: TypeAlias = "Callable[..., Done]"


@pytest.fixture
def command(blog: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Runs the command as alice; ``auth`` and ``server`` make it somebody else's, and elsewhere."""
    for name in [name for name in os.environ if name.startswith("KINTO_")]:
        monkeypatch.delenv(name)
    level = logging.getLogger("kinto_models").level

    def run(*typed: str, auth: str = "alice:s3cret", server: str = blog, width: int = 100) -> Done:
        variables = {"KINTO_SERVER": server, "KINTO_AUTH": auth, "COLUMNS": str(width), "TERM": "dumb"}
        result = CliRunner().invoke(app, typed, env=variables, prog_name="kinto-models")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Done(result.exit_code, result.stdout, result.stderr)

    yield run
    logging.getLogger("kinto_models").setLevel(level)
