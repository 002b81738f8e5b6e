"""The public face: names, signatures, docstrings, and what importing the package costs."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import kinto_models
from kinto_models import Finder, Objects, Query, Repository
from kinto_models.models.stored import Stored

NAMES = [name for name in kinto_models.__all__ if name != "__version__"]


def test_all_is_exactly_what_the_package_offers() -> None:
    source = Path(kinto_models.__file__).read_text(encoding="utf-8")
    for_checkers = {
        alias.asname or alias.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("kinto_models.")
        and node.module != "kinto_models.errors"
        for alias in node.names
    }
    assert len(kinto_models.__all__) == len(set(kinto_models.__all__))
    assert for_checkers == set(kinto_models._HOME_OF)
    assert {*for_checkers, *kinto_models.errors.__all__} == set(NAMES)
    assert set(dir(kinto_models)) == set(kinto_models.__all__)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_can_be_imported_and_says_what_it_is(name: str) -> None:
    value = getattr(kinto_models, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert value.__name__ == name
        assert (inspect.getdoc(value) or "").strip()


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Recrod"):
        kinto_models.Recrod


def test_the_star_import_and_the_version() -> None:
    namespace: dict[str, Any] = {}
    exec("from kinto_models import *", namespace)  # noqa: S102  # what is under test
    assert set(kinto_models.__all__) <= set(namespace)
    assert re.fullmatch(r"\d+\.\d+\.\d+", kinto_models.__version__)


def methods(cls: type) -> list[str]:
    return [name for name, value in vars(cls).items() if not name.startswith("_") and callable(value)]


@pytest.mark.parametrize(("declared", "built"), [(Finder, Query), (Objects, Repository)])
def test_what_is_built_has_the_signatures_that_are_declared(declared: type, built: type) -> None:
    for name in methods(declared):
        wanted, got = (inspect.signature(getattr(cls, name)) for cls in (declared, built))
        kinds = [[(p.kind, p.default) for p in signature.parameters.values()] for signature in (wanted, got)]
        assert kinds[0] == kinds[1], name
        names = [[n.rstrip("_") for n in signature.parameters] for signature in (wanted, got)]
        assert names[0] == names[1], name


@pytest.mark.parametrize("name", ["save", "replace", "patch", "delete", "refresh"])
def test_an_instances_method_is_its_repositorys(name: str) -> None:
    on_instance = list(inspect.signature(getattr(kinto_models.Resource, name)).parameters.values())[1:]
    on_repository = list(inspect.signature(getattr(Repository, name)).parameters.values())[2:]
    assert [(p.name, p.kind, p.default) for p in on_instance] == [(p.name, p.kind, p.default) for p in on_repository]


@pytest.mark.parametrize(
    "cls", [kinto_models.Client, Finder, Objects, kinto_models.Resource, Stored, kinto_models.Expr]
)
def test_every_public_method_says_what_it_does(cls: type) -> None:
    for name, value in vars(cls).items():
        if not name.startswith("_") and (callable(value) or isinstance(value, (property, classmethod))):
            assert inspect.getdoc(getattr(cls, name) if callable(value) else value), f"{cls.__name__}.{name}"


def loaded_by(code: str) -> set[str]:
    script = f"import sys\nbefore = set(sys.modules)\n{code}\nprint(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return {name.split(".")[0] for name in done.stdout.split()} - set(sys.stdlib_module_names)


def test_importing_loads_nothing_beyond_the_core_dependencies() -> None:
    core = loaded_by("import requests, pydantic, typing_extensions; from pydantic import BaseModel, Field")
    for code in ("import kinto_models", "from kinto_models import *", "import kinto_models.client"):
        assert loaded_by(code) <= core | {"kinto_models"}, code
