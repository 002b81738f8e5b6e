"""From the bytes of an answer to the instances in it, or to the error that says why not."""

from __future__ import annotations

import gc
import json
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Generic, TypeVar, cast

from pydantic import BaseModel, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from kinto_models.errors import InvalidAnswerError, InvalidRecordError
from kinto_models.models.interface import Page
from kinto_models.models.stamps import drop_stamps, without_stamps
from kinto_models.models.state import Snapshot
from kinto_models.models.stored import Stored, attach_all
from kinto_models.protocol.caching import max_age_of
from kinto_models.protocol.operations import Answer, Listing

__all__ = ["load_one", "load_page"]

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


@contextmanager
def _nothing_collected() -> Generator[None, None, None]:
    """Pauses Python's garbage collector, which would look through a growing page again and again: a quarter of the time
    that it takes to make one, and nothing in it can be garbage yet.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _One(TypedDict, Generic[T]):
    data: T


_ENVELOPE: Any = _One
_LIST: Any = list


# What an answer is parsed with, by the class in it: Any, because a type made at run time is none to a checker.


@lru_cache(maxsize=1024)
def _one(model: Any) -> TypeAdapter[Any]:
    return TypeAdapter(_ENVELOPE[model])


@lru_cache(maxsize=1024)
def _many(model: Any) -> TypeAdapter[Any]:
    return TypeAdapter(_ENVELOPE[_LIST[model]])


def load_one(model: type[M], answer: Answer) -> M:
    """The object of an answer, validated straight from its bytes and not yet tied to it."""
    try:
        obj: M = _one(model).validate_json(without_stamps(model, answer.body))["data"]
    except ValidationError as exc:
        raise _misfit(model, answer.body, exc, answer.request.line, many=False) from exc
    drop_stamps(model, (obj,), answer.body)
    return obj


def load_page(model: type[M], listing: Listing, objects: Any = None) -> Page[M]:
    """The objects of a page, validated straight from its bytes. Resources are tied to the answer they came from."""
    try:
        with _nothing_collected():
            items: list[M] = _many(model).validate_json(without_stamps(model, listing.body))["data"]
    except ValidationError as exc:
        raise _misfit(model, listing.body, exc, listing.request.line, many=True) from exc
    drop_stamps(model, items, listing.body)
    if issubclass(model, Stored):
        attach_all(cast("list[Stored]", items), Snapshot(listing.body, objects, listing.cache_control))
    return Page(items, listing.timestamp, max_age_of(listing.cache_control))


def _misfit(
    model: type[BaseModel], body: bytes, error: ValidationError, line: str, *, many: bool
) -> InvalidAnswerError:
    """Whether the answer is not Kinto's, or an object in it does not fit the class."""
    entries = error.errors(include_url=False, include_context=False, include_input=False)
    first: tuple[Any, ...] = entries[0]["loc"]
    at = 2 if many else 1  # how deep the object that does not fit stands in the answer
    try:
        found: Any = json.loads(body)["data"]
        found = found[first[1]] if many else found
    except (ValueError, LookupError, TypeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        start = body[:80].decode("utf-8", "replace")
        return InvalidAnswerError(f"{line}: the server answered something that is not Kinto's JSON: {start!r}")
    mine = [(entry["loc"][at:], entry) for entry in entries if entry["loc"][:at] == first[:at]]
    where, what = ".".join(str(part) for part in mine[0][0]) or "the whole", mine[0][1]["msg"]
    misfit = InvalidRecordError(f"{line}: {model.__name__} {found.get('id')!r} does not fit: {where}: {what}")
    misfit.model, misfit.object_id = model.__name__, found.get("id")
    misfit.errors = tuple({**entry, "loc": loc} for loc, entry in mine)
    return misfit
