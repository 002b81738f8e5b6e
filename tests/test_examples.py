"""The examples of the README and of the docstrings, and the demo, do what they say. Those of docs/ run in docs/."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sybil.document import Document, PythonDocStringDocument
from sybil.parsers.markdown import PythonCodeBlockParser

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "kinto_models").rglob("*.py"))


def run(document: Document) -> int:
    """Runs the blocks of a document, in one namespace, and tells how many there were."""
    examples = list(document.examples())
    for example in examples:
        example.evaluate()
    return len(examples)


def test_the_readmes_examples_run() -> None:
    assert run(Document.parse(str(ROOT / "README.md"), PythonCodeBlockParser())) >= 1


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 120


def test_the_examples_of_the_docstrings_run() -> None:
    ran = sum(run(PythonDocStringDocument.parse(str(path), PythonCodeBlockParser())) for path in SOURCES)
    fences = sum(path.read_text(encoding="utf-8").count("```python") for path in SOURCES)
    assert ran == fences >= 1


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "examples").glob("*.py")), ids=lambda path: path.name)
def test_a_program_of_the_examples_runs_and_prints_each_step(path: Path) -> None:
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "249" in done.stdout
    assert "Côte d'Ivoire" in done.stdout
    assert "ConflictError" in done.stdout
    assert "no request" in done.stdout
