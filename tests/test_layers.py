"""The rows: a module imports only from lower ones, in no circle, and the protocol only what is pure."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import kinto_models

ROOT = Path(kinto_models.__file__).parent
ROWS = [
    {"errors", "types"},
    {"protocol"},
    {"models", "transports"},
    {"repository"},
    {"services"},
    {"client"},
    {"embedded", "cli", "server", "replication", "__main__"},
]
UPWARDS = {("kinto_models.client", "kinto_models.embedded")}
"""Client.embedded() starts an optional tool: it is imported in that method only."""
PURE = {
    *(
        "__future__",
        "base64",
        "collections",
        "copy",
        "dataclasses",
        "email",
        "enum",
        "functools",
        "json",
        "re",
        "typing",
        "urllib",
    ),
    "typing_extensions",
}
"""What the protocol may import: no I/O, no clock, no randomness, no pydantic, no requests."""


def modules() -> dict[str, Path]:
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = ["kinto_models", *path.relative_to(ROOT).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imported(path: Path) -> set[str]:
    """Every module that is imported anywhere in the file, inside functions and for type checking included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            base = node.module or ""
            names |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base for alias in node.names}
    return names


GRAPH = {name: {target for target in imported(path) if target in MODULES} for name, path in MODULES.items()}


def row(name: str) -> int:
    part = name.split(".")[1]
    return next(index for index, parts in enumerate(ROWS) if part in parts)


def test_every_module_belongs_to_a_row() -> None:
    for name in MODULES:
        if name != "kinto_models":
            row(name)


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"kinto_models"}))
def test_a_module_imports_only_from_its_row_and_lower_ones(name: str) -> None:
    above = {target for target in GRAPH[name] if target != "kinto_models" and row(target) > row(name)}
    assert {(name, target) for target in above} <= UPWARDS
    assert "kinto_models" not in GRAPH[name]


def test_the_package_itself_imports_no_tool() -> None:
    assert not any(row(target) > row("kinto_models.client") for target in GRAPH["kinto_models"])


def test_models_know_no_transport_and_transports_no_model() -> None:
    for name, targets in GRAPH.items():
        for target in targets:
            rows = {name.split(".")[1:2] == ["models"], target.split(".")[1:2] == ["transports"]}
            assert rows != {True}, f"{name} imports {target}"
            rows = {name.split(".")[1:2] == ["transports"], target.split(".")[1:2] == ["models"]}
            assert rows != {True}, f"{name} imports {target}"


def test_there_is_no_circle() -> None:
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, f"a circle: {' -> '.join([*way, name])}"
        if name not in done:
            for target in GRAPH[name]:
                visit(target, (*way, name))
            done.add(name)

    for name in sorted(set(MODULES) - {"kinto_models"}):
        visit(name, ())


def test_the_protocol_is_pure() -> None:
    for name, path in MODULES.items():
        if name.startswith(("kinto_models.protocol", "kinto_models.errors", "kinto_models.types")):
            foreign = {target.split(".")[0] for target in imported(path)} - {"kinto_models"}
            assert foreign <= PURE, f"{name} imports {foreign - PURE}"


def test_only_transports_know_requests_and_nobody_a_private_part_of_pydantic() -> None:
    for name, path in MODULES.items():
        targets = imported(path)
        if not name.startswith("kinto_models.transports"):
            assert not {t for t in targets if t.split(".")[0] in ("requests", "urllib3")}, name
        assert not {t for t in targets if t.startswith(("pydantic._", "pydantic.v1"))}, name


def test_the_third_parties_are_the_declared_ones() -> None:
    third = {t.split(".")[0] for path in MODULES.values() for t in imported(path)} - set(sys.stdlib_module_names)
    in_kinto = {"kinto", "pyramid", "transaction", "sqlalchemy", "bcrypt"}
    optional = in_kinto | {"waitress", "aiohttp", "yarl", "rich", "typer"}
    core = {"pydantic", "pydantic_core", "requests", "urllib3", "typing_extensions"}
    assert third - {"kinto_models"} == core | optional
