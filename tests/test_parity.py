"""The two sides, and the batches between them, have the same names, parameters and results, and each says what it does.

Annotations are compared as they are written, ``Async`` left out of the names in them.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable
from typing import Any, Final

import pytest

import kinto_models
from kinto_models import (
    Accounts,
    AsyncAccounts,
    AsyncBatch,
    AsyncClient,
    AsyncFinder,
    AsyncObjects,
    AsyncQuery,
    AsyncRepository,
    AsyncUtilities,
    Batch,
    BatchQuery,
    BatchRepository,
    Bucket,
    Client,
    Collection,
    Finder,
    Objects,
    Query,
    Record,
    Repository,
    Resource,
    Utilities,
    aconnect,
    connect,
)
from kinto_models.models.historic import Historic
from kinto_models.repository.running.async_runner import AsyncRunner
from kinto_models.repository.running.runner import Runner
from kinto_models.transports.aiohttp import AiohttpTransport
from kinto_models.transports.base import AsyncTransport, Transport
from kinto_models.transports.requests import RequestsTransport

_PAIRS: Final[list[tuple[Any, Any]]] = [
    (Client, AsyncClient),
    (Repository, AsyncRepository),
    (Query, AsyncQuery),
    (Objects, AsyncObjects),
    (Finder, AsyncFinder),
    (Batch, AsyncBatch),
    (Accounts, AsyncAccounts),
    (Utilities, AsyncUtilities),
    (Runner, AsyncRunner),
    (Transport, AsyncTransport),
    (RequestsTransport, AiohttpTransport),
]
_of_both = pytest.mark.parametrize(("blocking", "awaited"), _PAIRS, ids=lambda cls: cls.__name__)

# What does no I/O, or does it only while it is iterated: called, and not awaited, on both sides.
_OF_REPOSITORIES: Final = {
    "find",
    "history",
    "history_in",
    "watch",
    "sibling",
    "model",
    "url",
    "url_of",
    "bucket",
    "collection",
    "awaited",
}
_OF_CLIENTS: Final = {"url", "embedded", "clone", "withheld", "subscribe", "unsubscribe"}
_OF_QUERIES: Final = {"where", "sort", "limit", "since", "before", "select", "pages"}
_CALLED: Final[dict[type, set[str]]] = {
    AsyncClient: {"repository", "buckets", "bucket", "batch", "accounts", "permissions", "utilities", *_OF_CLIENTS},
    AsyncRepository: _OF_REPOSITORIES,
    AsyncUtilities: set(),
    AsyncAccounts: {*_OF_REPOSITORIES, "of"},
    AsyncObjects: _OF_REPOSITORIES,
    AsyncQuery: _OF_QUERIES,
    AsyncFinder: _OF_QUERIES,
    AsyncBatch: {"repository", "create", "upsert", "save", "replace", "patch", "delete", "refresh", "add"},
    AsyncRunner: {"stream"},
    AsyncTransport: {"root"},
    AiohttpTransport: {"root"},
}
_SPECIAL: Final = {"__iter__": "__aiter__", "__enter__": "__aenter__", "__exit__": "__aexit__"}


def _public(cls: type) -> set[str]:
    """What a user can call or read, the inherited included; attributes of instances come with ``__init__``."""
    return {name for name in dir(cls) if not name.startswith("_")}


def _function(cls: type, name: str) -> Any:
    value = inspect.getattr_static(cls, name)
    if isinstance(value, (classmethod, staticmethod)):
        value = value.__func__
    return value.fget if isinstance(value, property) else value


def _plain(annotation: Any) -> str:
    """An annotation without what makes it one of the async side, and without what is then said twice."""
    text = re.sub(r"\bAsync(?=[A-Z])", "", str(annotation))
    text = re.sub(r"\bAwaitable\[([^\[\]]*)\]", r"\1", text)
    return re.sub(r"(\bIterable\[([^\[\]]|\[[^\[\]]*\])*\]) \| \1", r"\1", text)


def _shape(function: Callable[..., Any], skipped: int = 1) -> list[tuple[Any, ...]]:
    """Parameters after ``self``: name, kind, default and annotation."""
    parameters = list(inspect.signature(function).parameters.values())[skipped:]
    return [(p.name, p.kind, p.default, _plain(p.annotation)) for p in parameters]


def _result(function: Callable[..., Any]) -> str:
    return _plain(inspect.signature(function).return_annotation)


def _overloads(function: Callable[..., Any]) -> list[tuple[Any, str]]:
    known: Any = getattr(typing, "get_overloads", lambda _: [])  # Python 3.10 does not keep them
    return [(_shape(each), _result(each)) for each in known(function)]


@_of_both
def test_both_sides_have_the_same_names(blocking: type, awaited: type) -> None:
    assert _public(blocking) == _public(awaited)
    for name, twin in _SPECIAL.items():
        assert (name in vars(blocking)) == (twin in vars(awaited))
        assert not hasattr(awaited, name), f"{awaited.__name__}.{name} would block, or look as if"


@_of_both
def test_both_sides_take_the_same_and_give_the_same(blocking: type, awaited: type) -> None:
    names = [(name, name) for name in _public(blocking)]
    names += [pair for pair in _SPECIAL.items() if pair[0] in vars(blocking)]
    for name, twin in names:
        one, other = _function(blocking, name), _function(awaited, twin)
        if not callable(one):
            assert not callable(other)
            continue
        assert _shape(one) == _shape(other), name
        assert _result(one) == _result(other), name
        assert _overloads(one) == _overloads(other), name


@pytest.mark.parametrize(("blocking", "awaited"), [pair for pair in _PAIRS if pair[0] is not Runner])
def test_both_sides_are_made_of_the_same(blocking: type, awaited: type) -> None:
    # A runner's differ in what they wait with.
    assert _shape(blocking.__init__) == _shape(awaited.__init__)  # type: ignore[misc]


@_of_both
def test_what_does_io_is_awaited_and_nothing_else(blocking: type, awaited: type) -> None:
    coroutines = {name for name in _public(awaited) if inspect.iscoroutinefunction(_function(awaited, name))}
    assert coroutines == _public(awaited) - _CALLED[awaited]
    assert not any(inspect.iscoroutinefunction(_function(blocking, name)) for name in _public(blocking))


def test_connect_has_its_twin() -> None:
    assert _shape(connect, 0) == _shape(aconnect, 0)
    assert _result(connect) == _result(aconnect)
    assert inspect.iscoroutinefunction(aconnect)


_TWINS = [name for name in vars(Resource) if f"a{name}" in vars(Resource)]


def test_every_method_of_a_model_that_does_io_has_its_twin() -> None:
    assert set(_TWINS) == {"get", "find", "save", "patch", "replace", "delete", "refresh"}
    rest = {name for name in vars(Resource) if not name.startswith("_")} - {*_TWINS, *(f"a{name}" for name in _TWINS)}
    assert rest - {"model_config", "permissions"} == {"kinto_schema", "rebase"}  # which sends nothing


def test_the_way_back_has_its_twin() -> None:
    for cls, twins in ((Historic, {"history", "revert"}), (Bucket, {"purge_history"})):
        for name in twins:
            one, other = _function(cls, name), _function(cls, f"a{name}")
            assert (_shape(one), _result(one)) == (_shape(other), _result(other))
            assert inspect.iscoroutinefunction(other) == (name != "history")
    assert _shape(Historic.revert) == _shape(Repository.revert, 2)


@pytest.mark.parametrize("name", _TWINS)
def test_a_models_method_and_its_twin_take_the_same_and_give_the_same(name: str) -> None:
    one, other = _function(Resource, name), _function(Resource, f"a{name}")
    assert _shape(one) == _shape(other)
    assert _result(one) == _result(other)
    assert inspect.iscoroutinefunction(other) == (name != "find")
    on_repository = _shape(_function(AsyncRepository, name), 1 if name in ("get", "find") else 2)
    assert [(*each[:3], str(each[3]).replace("Self", "R")) for each in _shape(other)] == on_repository


@pytest.mark.parametrize("name", ["attach", "detach", "download"])
def test_what_a_record_does_with_its_file_has_its_twin(name: str) -> None:
    one, other = _function(Record, name), _function(Record, f"a{name}")
    assert _shape(one) == _shape(other) == _shape(_function(Repository, name), 2)
    assert _result(one) == _result(other)
    assert inspect.iscoroutinefunction(other)


@pytest.mark.parametrize(
    ("cls", "name"),
    [(Bucket, "collections"), (Bucket, "groups"), (Bucket, "history"), (Collection, "records")],
    ids=str,
)
def test_a_place_leads_on_for_both_sides(cls: type, name: str) -> None:
    one, other = _function(cls, name), _function(cls, f"a{name}")
    assert _shape(one) == _shape(other)
    assert _result(one) == _result(other)
    assert "Async" in str(inspect.signature(other).return_annotation)


# Batches

# What reads or writes any number of objects by itself, and what sends nothing.
_OF_FILES = {"attach", "detach", "download"}  # which are no JSON
_NOT_IN_A_BATCH = {"create_many", "save_many", "upsert_many", "delete_many", "sync_to", "apply", "watch", *_OF_FILES}
_NO_REQUEST = {"sibling", "model", "url", "url_of", "bucket", "collection", "awaited"}
_STEPS = {"where", "sort", "limit", "since", "before"}


def test_a_batch_has_the_verbs_of_a_repository() -> None:
    assert _public(BatchRepository) == _public(Repository) - _NOT_IN_A_BATCH - _NO_REQUEST


@pytest.mark.parametrize("name", sorted(_public(BatchRepository) - {"find", "history", "history_in"}))
def test_a_verb_in_a_batch_takes_the_same_and_gives_an_outcome_of_the_same(name: str) -> None:
    one, other = _function(Repository, name), _function(BatchRepository, name)
    assert _shape(one) == _shape(other)
    assert _result(other) == f"Outcome[{_result(one)}]"
    assert [(shape, f"Outcome[{result}]") for shape, result in _overloads(one)] == _overloads(other)


def test_a_query_in_a_batch_has_the_steps_and_the_endings_of_a_query() -> None:
    assert _public(BatchQuery) == _public(Query) - {"pages"}  # which would have to be sent at once
    for name in ("find", "history", "history_in"):
        assert _shape(getattr(BatchRepository, name)) == _shape(getattr(Repository, name))


@pytest.mark.parametrize("name", sorted(_public(BatchQuery) - {"select"}))
def test_an_ending_in_a_batch_takes_the_same_and_gives_an_outcome_of_the_same(name: str) -> None:
    one, other = _function(Query, name), _function(BatchQuery, name)
    assert _shape(one) == _shape(other)
    # The variable of a query in a batch has a name of its own.
    wanted = _result(one) if name in _STEPS else f"Outcome[{_result(one)}]"
    assert re.sub(r"\bM\b", "T", _result(other)) == wanted


@pytest.mark.parametrize("name", ["create", "upsert", "save", "replace", "patch", "delete", "refresh"])
def test_a_batch_itself_has_the_verbs_that_an_instance_says_all_about(name: str) -> None:
    one, other = _function(Batch, name), _function(BatchRepository, name)
    assert [shape[:3] for shape in _shape(one)][1:] == [shape[:3] for shape in _shape(other)][1:]


# Words

_CLASSES = [
    value
    for name in kinto_models.__all__
    if inspect.isclass(value := getattr(kinto_models, name)) and value.__module__.startswith("kinto_models.")
]


@pytest.mark.parametrize("cls", [*_CLASSES, Runner, AsyncRunner, RequestsTransport, AiohttpTransport])
def test_every_public_method_says_what_it_does(cls: type) -> None:
    for name in _public(cls):
        owners = [base for base in cls.__mro__ if name in vars(base)]  # none has what pydantic's fields are
        if owners and owners[0].__module__.startswith("kinto_models."):
            values = [vars(owner)[name] for owner in owners]
            if inspect.isfunction(values[0]) or isinstance(values[0], (property, classmethod, staticmethod)):
                assert any(map(inspect.getdoc, values)), f"{cls.__name__}.{name}"


@pytest.mark.parametrize("cls", [AsyncObjects, AsyncFinder])
def test_a_docstring_that_refers_to_another_refers_to_one(cls: type) -> None:
    for name in _public(cls):
        doc = inspect.getdoc(getattr(cls, name)) or ""
        for owner, method in re.findall(r"``(\w+)\.(\w+)``", doc):
            assert callable(getattr(getattr(kinto_models, owner), method)), f"{name}: {owner}.{method}"
