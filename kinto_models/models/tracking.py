"""What changed in an instance, and how an answer of the server gets into it.

An instance is compared with what the class makes of the server's own bytes, both written as JSON again. So changes in
place are seen, and what the class only spells differently (a date's offset, a default that the server lacks) is none.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from pathlib import PurePath
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, SecretStr

from kinto_models.errors import DeclarationError
from kinto_models.models.expressions import wire_name
from kinto_models.models.stamps import without_stamp
from kinto_models.protocol.bodies import encode
from kinto_models.types import Data

__all__ = [
    "MASK",
    "SERVER_OWNED",
    "Changes",
    "absorb",
    "diff",
    "differing",
    "dump",
    "dump_json",
    "lost_secret",
    "masked",
    "names_of",
    "parse",
    "storable",
    "wire_names",
]

R = TypeVar("R", bound=BaseModel)

SERVER_OWNED = ("id", "last_modified")
_NOT_WRITTEN: set[str] = set(SERVER_OWNED)
_IMMUTABLE = (str, bytes, int, float, type(None), date, time, timedelta, Decimal, UUID, Enum, PurePath)


@dataclass(frozen=True, slots=True)
class Changes:
    """The difference between an instance and its object.

    Attributes:
        written: new values, as JSON, under the names they are stored under.
        removed: names of stored fields that the instance no longer has.
        names: the fields' names on the class.
    """

    written: Data = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.written or self.removed)


@lru_cache(maxsize=1024)
def wire_names(cls: type[BaseModel]) -> dict[str, str]:
    """The stored name of each field, by its name on the class."""
    if not cls.__pydantic_complete__:
        cls.model_rebuild()
    return {name: wire_name(name, info) for name, info in cls.__pydantic_fields__.items()}


def names_of(cls: type[BaseModel], wires: Collection[str]) -> frozenset[str]:
    """The names on the class of these stored names; undeclared ones have only one."""
    by_wire = _names(cls)
    return frozenset([by_wire.get(wire, wire) for wire in wires])


@lru_cache(maxsize=1024)
def _names(cls: type[BaseModel]) -> dict[str, str]:
    """The name on the class of each stored name."""
    return {wire: name for name, wire in wire_names(cls).items()}


def dump(obj: BaseModel) -> Data:
    """The instance's own data as JSON, under the stored names: without what is the server's and what is computed."""
    # round_trip leaves out what is computed, at any depth.
    return obj.model_dump(mode="json", by_alias=True, exclude=_NOT_WRITTEN, round_trip=True, warnings=False)


def dump_json(obj: BaseModel) -> bytes:
    """The same as text: quicker to make, to send and to compare."""
    text = obj.model_dump_json(by_alias=True, exclude=_NOT_WRITTEN, round_trip=True, warnings=False)
    return text.encode()


def parse(cls: type[R], data: Data) -> R:
    """An instance of this JSON.

    Raises:
        pydantic.ValidationError: it does not fit.
    """
    return cls.model_validate_json(encode(without_stamp(cls, data)))


def storable(obj: BaseModel) -> Data:
    """The instance's own data as it is to be stored: validated, because what was changed in place was not.

    Raises:
        pydantic.ValidationError: it does not fit the class, and could not be read back.
    """
    return dump(parse(type(obj), dump(obj)))


def diff(obj: BaseModel, data: Data, mine: Data | None = None) -> Changes:
    """What the instance has that ``data``, the object as the server told it, has not.

    Parameters:
        obj: the instance.
        data: the object.
        mine: the instance as ``storable()`` has it, where that is known.
    """
    try:
        mine = storable(obj) if mine is None else mine
    except ValueError:  # pydantic's, or JSON's of a NaN: a change all the same, which no save() will send
        mine = dump(obj)
    both = _Both(obj, mine, parse(type(obj), data))
    written = {w: v for w, v in both.mine.items() if not both.equal(w) and not both.made_anew(w, stored=w in data)}
    removed = tuple(wire for wire in both.theirs if wire not in both.mine and wire in data)
    return Changes(written, removed, frozenset(both.names.get(wire, wire) for wire in (*written, *removed)))


class _Both(Generic[R]):
    """An instance beside another of the same object, each also as JSON."""

    def __init__(self, obj: R, mine: Data, told: R) -> None:
        self.obj, self.told = obj, told
        self.mine, self.theirs = mine, dump(told)
        self.names = _names(type(obj))

    def equal(self, wire: str) -> bool:
        """Whether both have the same under this stored name."""
        if wire not in self.mine or wire not in self.theirs:
            return wire not in self.mine and wire not in self.theirs  # as what the class excludes
        if same(self.mine[wire], self.theirs[wire]):
            return True
        return _same_but_for_order(self._value(self.obj, wire), self._value(self.told, wire))

    def _value(self, obj: R, wire: str) -> Any:
        # No attribute: pydantic's classes have some, such as schema and copy, that hide a field which none declares.
        name = self.names.get(wire)
        return (obj.__pydantic_extra__ or {}).get(wire) if name is None else vars(obj).get(name)

    def made_anew(self, wire: str, *, stored: bool) -> bool:
        """Whether this is the default of a field that the server lacks: a default such as the time differs each time
        it is made. Nobody assigned the field, and an immutable value cannot have changed in any other way.
        """
        name = self.names.get(wire)
        if stored or name is None or name in self.obj.model_fields_set:
            return False
        return isinstance(getattr(self.obj, name, None), _IMMUTABLE)


def same(a: Any, b: Any) -> bool:
    """Whether two JSON values are the same text, but for the order of keys: 1, 1.0 and true are three values."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(value, b[name]) for name, value in a.items())
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


MASK: Final = str(SecretStr("x")).encode()


def masked(value: Any) -> bool:
    """Whether pydantic's SecretStr and SecretBytes left their mask somewhere in this JSON."""
    if isinstance(value, str):
        return value == str(SecretStr("x"))
    return any(map(masked, value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()))


def lost_secret(label: str) -> DeclarationError:
    """The error of a field of which only the mask would be stored."""
    return DeclarationError(
        f"{label} holds a secret that pydantic writes as asterisks, and it would be lost: give it a field_serializer "
        "that returns get_secret_value()"
    )


def _same_but_for_order(a: Any, b: Any) -> bool:
    """Whether two values that differ in JSON do so only by the order in which sets were written."""
    if type(a) is not type(b):
        return False
    if isinstance(a, (set, frozenset)):
        return bool(a == b)
    if isinstance(a, BaseModel):
        return _same_but_for_order(dict(a), dict(b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same_but_for_order(value, b[name]) for name, value in a.items())
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_same_but_for_order, a, b))
    return bool(a == b) and str(a) == str(b)


def absorb(obj: R, told: R, keep: Collection[str] = (), sent: bytes | None = None) -> None:
    """Makes the instance equal to ``told``, what the server answered, but for the fields in ``keep``.

    Values that are the same stay the very objects that they are, so that what the caller holds of them stays part of
    the instance.

    Parameters:
        obj: the instance.
        told: what the server answered.
        keep: names of fields that stay as they are.
        sent: what the instance was, by ``dump_json()``, when the request was made: what changed since then stays too.
    """
    obj.__pydantic_fields_set__.update(told.__pydantic_fields_set__)
    now = dump_json(obj)
    if now == dump_json(told):
        vars(obj).update({name: vars(told)[name] for name in SERVER_OWNED})
        return
    both = _Both(obj, dump(obj), told)
    if sent is not None and now != sent:
        before: Data = json.loads(sent)
        keep = {
            *keep,
            *names_of(type(obj), differing(before, both.mine)),
        }
    for name, wire in wire_names(type(obj)).items():
        differs = name in SERVER_OWNED or not both.equal(wire)
        if name not in keep and differs and name in vars(told):
            vars(obj)[name] = vars(told)[name]
    if obj.__pydantic_extra__ is not None and told.__pydantic_extra__ is not None:
        _absorb_extra(obj.__pydantic_extra__, told.__pydantic_extra__, keep)


def differing(a: Data, b: Data) -> list[str]:
    """The names that only one of the two has, or that have another value there."""
    return [name for name in {**a, **b} if not (name in a and name in b and same(a[name], b[name]))]


def _absorb_extra(mine: Data, theirs: Data, keep: Collection[str]) -> None:
    for name in [name for name in mine if name not in theirs and name not in keep]:
        del mine[name]
    for name, value in theirs.items():
        if name not in keep and not (name in mine and same(mine[name], value)):
            mine[name] = value
