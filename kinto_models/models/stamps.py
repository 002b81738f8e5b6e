"""The timestamp that the server puts into a record when it has checked it against the collection's JSON Schema.

It stands among the data, as ``schema`` (kinto.views.records), and is the server's: written anew at each change, of no
meaning to the record. It is told from a field of the application's by its size: it is in milliseconds since 1970.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from pydantic import BaseModel

from kinto_models.models.expressions import wire_name
from kinto_models.protocol.bodies import encode
from kinto_models.types import Data

__all__ = ["drop_stamps", "is_stamped", "without_stamp", "without_stamps"]

_NAME: Final = "schema"
_IN_JSON: Final = b'"schema"'
_SINCE_2001: Final = 1_000_000_000_000


def is_stamped(data: Data) -> bool:
    """Whether an object's data have the timestamp."""
    stamp = data.get(_NAME)
    return isinstance(stamp, int) and not isinstance(stamp, bool) and stamp >= _SINCE_2001


def without_stamp(model: type[BaseModel], data: Data) -> Data:
    """An object's data as the class is to see them."""
    if not is_stamped(data) or not _may_be_stamped(model):
        return data
    return {name: value for name, value in data.items() if name != _NAME}


def without_stamps(model: type[BaseModel], body: bytes) -> bytes:
    """An answer as a class can read it that refuses what it does not declare."""
    if _IN_JSON not in body or model.model_config.get("extra") != "forbid" or not _may_be_stamped(model):
        return body
    try:
        told: Any = json.loads(body)
        many = isinstance(told["data"], list)
        kept = [without_stamp(model, each) for each in (told["data"] if many else [told["data"]])]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return body  # whoever reads it says what is wrong with it
    return encode({**told, "data": kept if many else kept[0]})


def drop_stamps(model: type[BaseModel], objs: Iterable[BaseModel], body: bytes) -> None:
    """Takes the timestamp out of what the instances of an answer keep beside their fields."""
    if _IN_JSON in body and model.model_config.get("extra") == "allow" and _may_be_stamped(model):
        for obj in objs:
            if (extra := obj.__pydantic_extra__) and is_stamped(extra):
                del extra[_NAME]
                obj.__pydantic_fields_set__.discard(_NAME)


@lru_cache(maxsize=1024)
def _may_be_stamped(model: type[BaseModel]) -> bool:
    options = getattr(model, "__kinto__", None)
    of_records = options is not None and options.kind == "record"
    return of_records and all(wire_name(name, info) != _NAME for name, info in model.__pydantic_fields__.items())
