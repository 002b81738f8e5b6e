"""The page of coverage names tests that exist, all that are about traps and about peers, and leaves no cell empty."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent.parent
_PAGE = (_ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
_NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", _PAGE)))


@cache
def functions_of(path: Path) -> set[str]:
    """The names of the test functions in a file."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, functions) and node.name.startswith("test_")}


@pytest.mark.parametrize(("file", "name"), _NAMED)
def test_a_test_that_is_named_exists(file: str, name: str) -> None:
    assert name in functions_of(_ROOT / file)


def test_whatever_looks_like_a_test_is_one() -> None:
    assert len(re.findall(r"tests/", _PAGE)) == len(re.findall(r"`tests/[\w/]+\.py::\w+`", _PAGE))
    assert len(_NAMED) > 90


def test_every_test_of_a_trap_is_named() -> None:
    written = {
        (file.relative_to(_ROOT).as_posix(), name)
        for folder in ("traps", "peers")
        for file in (_ROOT / "tests" / folder).glob("test_*.py")
        for name in functions_of(file)
    }
    assert written <= set(_NAMED)


def test_each_defect_of_the_other_client_has_a_test_or_cannot_arise() -> None:
    answers = re.findall(r"^\| (W\d+) \|.+\| (.+?) \|$", _PAGE, re.MULTILINE)
    assert [number for number, _ in answers] == [f"W{number}" for number in range(1, 26)]
    assert all(answer.startswith(("`tests/", "cannot arise: ")) for _, answer in answers)


def test_no_cell_is_empty_and_no_row_is_short() -> None:
    width = 0
    for line in _PAGE.splitlines():
        if not line.startswith("|"):
            width = 0
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        width = width or len(cells)
        assert all(cells), line
        assert len(cells) == width, line
