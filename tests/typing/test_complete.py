"""Every public method, property, attribute and function is in an ``assert_type`` of this folder.

An assertion counts for the class of what it is made on: a parameter of its function, by the annotation, or a class.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

from pydantic import BaseModel

import kinto_models

PUBLIC = [getattr(kinto_models, name) for name in kinto_models.__all__]
CLASSES = [value for value in PUBLIC if inspect.isclass(value)]
FUNCTIONS = [value.__name__ for value in PUBLIC if inspect.isfunction(value)]
READ_BY_CHECKERS = [path for path in Path(__file__).parent.glob("[!_]*.py") if not path.stem.startswith("test_")]


def names(cls: type) -> set[str]:
    return {*vars(cls), *inspect.get_annotations(cls)}


def home(cls: type, name: str) -> type | None:
    """The class that says what the name is there."""
    return next((base for base in cls.__mro__ if name in names(base)), None)


def promised(cls: type) -> Iterator[str]:
    """What the class has that no other public class hands down to it."""
    others = [base for base in cls.__mro__ if base in CLASSES and base is not cls]
    for name in {name for base in cls.__mro__ if base.__module__.startswith("kinto_models.") for name in names(base)}:
        pydantics = issubclass(cls, BaseModel) and hasattr(BaseModel, name)
        handed_down = any(home(base, name) is home(cls, name) for base in others)
        if not (name.startswith("_") or pydantics or handed_down):
            yield name


def receivers(function: ast.FunctionDef | ast.AsyncFunctionDef, module: ModuleType) -> dict[str, type]:
    """Classes by the names that a function has for them and, as its annotations say, for their instances."""
    found = {name: value for name, value in vars(module).items() if inspect.isclass(value)}
    for parameter in function.args.args:
        annotation = parameter.annotation
        head = annotation.value if isinstance(annotation, ast.Subscript) else annotation  # Query of Query[Task]
        if isinstance(head, ast.Name) and head.id in found:
            found[parameter.arg] = found[head.id]
    return found


def asserted_in(function: ast.FunctionDef | ast.AsyncFunctionDef, module: ModuleType) -> Iterator[str]:
    classes = receivers(function, module)
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "assert_type":
            subject = node.args[0].value if isinstance(node.args[0], ast.Await) else node.args[0]
            while isinstance(subject, ast.Call):  # twice where a method makes a decorator
                subject = subject.func
            match subject:
                case ast.Name(function_name):
                    yield function_name
                case ast.Attribute(ast.Name(receiver), name) if cls := classes.get(receiver):
                    same = (base for base in cls.__mro__ if home(base, name) is home(cls, name))
                    yield from (f"{base.__name__}.{name}" for base in same)
                case _:
                    pass


def asserted() -> Iterator[str]:
    for path in READ_BY_CHECKERS:
        module = import_module(f"tests.typing.{path.stem}")
        for function in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield from asserted_in(function, module)


def test_every_public_name_has_its_exact_type_asserted() -> None:
    wanted = {f"{cls.__name__}.{name}" for cls in CLASSES for name in promised(cls)}
    missing = sorted({*wanted, *FUNCTIONS} - set(asserted()))
    assert not missing, f"no assert_type of {', '.join(missing)}"
