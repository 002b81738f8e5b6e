"""What puts kinto-http.py beside this library, run: the tables of docs/from-kinto-http.md and docs/migrating.md, and
the pairs of blocks of the latter.

The page's function ``begin()`` makes what is on the server before each cell or block. The two of a row must come to the
same result, and leave the whole server with the same content; the two of a pair, after each line that is an expression.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import kinto_http
from pydantic import BaseModel
from sybil import Document, Example, Region

from kinto_models import Resource, SaveResult

_TABLE = re.compile(r"^\| kinto-http\.py \| (.+) \|\n\|[ |-]+\|\n((?:\|.*\|\n)+)", re.MULTILINE)
_ROW = re.compile(r"^\| (.+) \|$", re.MULTILINE)
_PAIR = re.compile(r"(?ms)^```py\n# kinto-http\.py\n(.+?)^```\n\n```py\n# kinto_models\n(.+?)^```$")
_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_WALK = re.compile(r"^\| Section \|.+ \| Examples \|\n\|[ |-]+\|\n((?:\|.*\|\n)+)", re.MULTILINE)
_REST = re.compile(r"^## Without a row\n\n((?:.+\n)+)", re.MULTILINE)
_RANDOM = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SETS = {"members", "read", "write", "record:create", "collection:create", "group:create"}
_INSIDE = {"buckets": ("groups", "collections"), "collections": ("records",)}

_Content: TypeAlias = dict[str, Any]
"""What every object of a server has, data and permissions, by its path; and what was done, by its history."""


def comparisons(document: Document) -> Iterator[Region]:
    """The rows of these tables, and the list of what no row has."""
    left = ""
    for table in _TABLE.finditer(document.text):
        for row in _ROW.finditer(document.text, *table.span(2)):
            cells = ["\n".join(re.findall(r"`(.+?)`", cell)) for cell in row[1].split(" | ")]
            left += cells[0] + "\n"
            yield Region(row.start(), row.end(), cells, _CHECKS[table[1]])
    if left and (rest := _REST.search(document.text)):
        yield Region(*rest.span(1), (left, rest[1]), _complete)


def _alike(example: Example) -> str | None:
    return _same(*(_play(code, example.namespace, _last) for code in example.parsed))


def _alike_throughout(example: Example) -> str | None:
    return _same(*(_play(code, example.namespace, _each) for code in example.parsed))


def _same(old: _Side, ours: _Side) -> str | None:
    for side in (old, ours):
        if side.error:
            raise side.error
    return _difference(old, ours, "result", "content")


def _refused(example: Example) -> str | None:
    *cells, named = example.parsed
    old, ours = (_play(code, example.namespace, _last) for code in cells)
    if not isinstance(old.error, kinto_http.KintoException):
        return f"kinto-http.py gives {old}"
    if type(ours.error).__name__ != named:
        return f"kinto_models gives {ours}"
    return _difference(old, ours, "content")


def _different(example: Example) -> str | None:
    for code, said in (example.parsed[:2], example.parsed[2:]):
        side = _play(code, example.namespace, _last)
        if said != (type(side.error).__name__ if side.error else repr(side.result)):
            return f"{code} gives {side}"
    return None


_CHECKS: dict[str, Callable[[Example], str | None]] = {
    "kinto_models": _alike,
    "kinto_models | Raises": _refused,
    "Gives | kinto_models | Gives": _different,
}


def _complete(example: Example) -> str | None:
    """Every public method of the other client, and every option of those that have a row."""
    rows, rest = example.parsed
    methods = dict(inspect.getmembers(kinto_http.Client, inspect.isfunction))
    public = {name for name in methods if not name.startswith("_")}
    shown = {name for name in public if f".{name}(" in rows}
    options = {option for name in shown | {"__init__"} for option in inspect.signature(methods[name]).parameters}
    lost = {name for name in public - shown if f"`{name}()`" not in rest}
    lost |= {option for option in options - {"self", "kwargs", "name"} if f"{option}=" not in rows + rest}
    return f"neither in a row nor in the list: {sorted(lost)}" if lost else None


def pairs(document: Document) -> Iterator[Region]:
    """The pairs of blocks, and the page's own list of what they are to cover."""
    for pair in _PAIR.finditer(document.text):
        yield Region(pair.start(), pair.end(), pair.groups(), _alike_throughout)
    if walk := _WALK.search(document.text):
        yield Region(*walk.span(), (document.text, walk[1]), _walked)


def _walked(example: Example) -> str | None:
    """The sections are those of the list, in its order, and none compares less than the list says."""
    text, rows = example.parsed
    listed = [(name, int(number)) for name, number in re.findall(r"^\| \[(.+?)\].* \| (\d+) \|$", rows, re.MULTILINE)]
    _, *parts = _SECTION.split(text)
    names, bodies = parts[0::2], parts[1::2]
    if names != [name for name, _ in listed]:
        return f"the sections are {names}, the list has {listed}"
    if text.count("# kinto-http.py\n") != len(_PAIR.findall(text)):
        return "a block of kinto-http.py without one of kinto_models"
    short = [name for (name, number), body in zip(listed, bodies, strict=True) if _compared(body) < number]
    return f"fewer examples than the list says: {short}" if short else None


def _compared(body: str) -> int:
    rows = [row for table in _TABLE.finditer(body) for row in _ROW.findall(table[2])]
    return len(rows) + len(_PAIR.findall(body))


@dataclass(frozen=True)
class _Side:
    """What a cell came to."""

    result: Any
    error: Exception | None
    content: _Content
    wrote: bool


def _play(code: str, namespace: dict[str, Any], told: Callable[[Iterator[Any], dict[str, Any]], Any]) -> _Side:
    before: _Content | None = namespace.get("__content__")
    if before is None:
        namespace["begin"]()
        before = _content(namespace)
    result, error = None, None
    try:
        # Without what the other client remembers.
        result = told(_values(code, {**namespace, "old": namespace["old"].clone()}), namespace)
    except Exception as caught:  # noqa: BLE001  # whichever: the table says what is right
        error = caught
    content = _content(namespace)
    # The next one finds the very same server, timestamps included, unless this one wrote.
    namespace["__content__"] = before if content == before else None
    return _Side(result, error, content, wrote=content != before)


def _last(values: Iterator[Any], namespace: dict[str, Any]) -> Any:
    """The value of the last line, if it is an expression."""
    *_, value = values
    return _plain(value, _content(namespace))


def _each(values: Iterator[Any], namespace: dict[str, Any]) -> Any:
    """The value of each line that is an expression and gives something, and what is on the server then."""
    steps = []
    for value in values:
        if value is not None:
            content = _content(namespace)
            steps.append([_plain(value, content), content])
    return steps


def _values(code: str, namespace: dict[str, Any]) -> Iterator[Any]:
    """What each line gives: None where it is no expression."""
    for line in ast.parse(code).body:
        if isinstance(line, ast.Expr):
            yield eval(compile(ast.Expression(line.value), code, "eval"), namespace)  # noqa: S307  # our own pages
        else:
            exec(compile(ast.Module([line], []), code, "exec"), namespace)  # noqa: S102
            yield None


def _content(namespace: dict[str, Any]) -> _Content:
    def walk(path: str) -> Iterator[tuple[str, Any]]:
        for obj in get(path)["data"]:
            of_one = f"{path}/{obj['id']}"
            yield of_one, get(of_one)
            for inside in _INSIDE.get(path.rpartition("/")[2], ()):
                yield from walk(f"{of_one}/{inside}")

    def get(path: str) -> Any:
        answer, _headers = namespace["old"].session.request("get", path)
        return answer

    def history(bucket: str) -> list[str]:
        return sorted(_named(f"{entry['action']} {entry['uri']}") for entry in get(f"{bucket}/history")["data"])

    objects = dict(walk("/buckets"))
    return {**objects, "history": [history(path) for path in objects if path.count("/") == 2]}


def _plain(value: Any, content: _Content) -> Any:
    """The result in the words of Kinto's API, which are those of kinto-http.py."""
    if isinstance(value, SaveResult):
        return next(obj for obj in content.values() if f'"{obj["data"]["last_modified"]}"' == value.etag)
    if isinstance(value, Resource):
        data = value.model_dump(mode="json", by_alias=True)
        return {"data": data, "permissions": value.permissions.all()} if value.permissions.known else data
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_unset=True)
    if isinstance(value, Iterable) and not isinstance(value, str | dict):
        return [_plain(item, content) for item in value]
    return value


def _difference(old: _Side, ours: _Side, *parts: str) -> str | None:
    timeless = old.wrote or ours.wrote
    for part in parts:
        left, right = (_text(getattr(side, part), timeless=timeless) for side in (old, ours))
        if left != right:
            names = (f"{part} of kinto-http.py", f"{part} of kinto_models")
            return "\n".join(difflib.unified_diff(left.splitlines(), right.splitlines(), *names, lineterm=""))
    return None


def _text(value: Any, *, timeless: bool) -> str:
    def tidy(value: Any) -> Any:
        if isinstance(value, dict):
            kept = {key: item for key, item in value.items() if not (timeless and key == "last_modified")}
            return {key: sorted(item) if key in _SETS else tidy(item) for key, item in kept.items()}
        return [tidy(item) for item in value] if isinstance(value, list) else value

    return json.dumps(tidy(json.loads(_named(json.dumps(value)))), indent=1, sort_keys=True)


def _named(text: str) -> str:
    return _RANDOM.sub("some random id", text)
