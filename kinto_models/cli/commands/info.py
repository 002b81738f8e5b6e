"""``kinto-models info``."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from kinto_models.cli.commands.base import Run, command
from kinto_models.cli.lines import shown
from kinto_models.cli.screen import cell, columns, compact
from kinto_models.models.server import ServerInfo

__all__ = ["info"]


@command("info")
def info(run: Run) -> None:
    """Tells what a server says of itself: versions, settings, capabilities, and who you are there.

    JSON: one document, as the server answers it.

        kinto-models info -s https://example.com/v1 -a alice
    """
    with run.client() as kinto:
        kinto.me()  # to whom a server that does not take the credentials is as polite as to a stranger
        told = kinto.server_info()
    if run.screen.machine:
        run.screen.document(told.model_dump(mode="json"))
    else:
        run.screen.show(_facts(told), Text(), _capabilities(told))


def _facts(told: ServerInfo) -> Table:
    user = told.user
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim")
    facts.add_column(overflow="fold")
    facts.add_row("server", Text(shown(told.project_name), "bold") + Text(f" {shown(told.project_version)}"))
    facts.add_row("address", shown(told.url))
    facts.add_row("HTTP API", shown(told.http_api_version))
    facts.add_row("you", Text(shown(user.id), "green") if user else Text("nobody: no credentials", "yellow"))
    if user:
        facts.add_row("principals", shown(", ".join(sorted(user.principals))))
        facts.add_row("your bucket", compact(user.bucket))
    for name, value in told.settings.model_dump(mode="json").items():
        facts.add_row(shown(name), compact(value))
    if told.eos:
        facts.add_row("ends on", Text(str(told.eos), "red"))
    return facts


def _capabilities(told: ServerInfo) -> Table:
    table = columns("capability", cut=["what"])
    for name in sorted(told.capabilities):
        table.add_row(Text(shown(name), "cyan"), cell(shown(told.capabilities[name].description)))
    return table
