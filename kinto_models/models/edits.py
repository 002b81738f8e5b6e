"""Typed operations of a patch: what ``edit(Task.tags).append("docs")`` makes.

They change an object where it is, without reading it first, as JSON Patch does (RFC 6902).
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any, Generic, Literal, TypeAlias, TypeVar, get_args, get_origin, overload

from pydantic import BaseModel, TypeAdapter

from kinto_models.errors import QueryError
from kinto_models.models.expressions import Expr, bare, dump_field, field_of
from kinto_models.models.numbers import refuse_rounded
from kinto_models.models.tracking import lost_secret, masked
from kinto_models.types import Data

__all__ = ["Edit", "Editor", "applied", "edit", "value_of"]

T = TypeVar("T")
V = TypeVar("V")

_How: TypeAlias = Literal["set", "unset", "insert", "remove", "test"]


@dataclass(frozen=True, slots=True)
class Edit:
    """One operation on a stored object. Made by ``edit()``.

    Attributes:
        how: what is done there.
        path: stored names, from the object's own field inwards; last a place in a list, where it is about one.
        value: the JSON that is set, inserted or expected.
        root: the class that the field is of; None for one that no class declares.
    """

    how: _How
    path: tuple[str, ...]
    value: Any = field(default=None)
    root: type[BaseModel] | None = None


class Editor(Generic[T]):
    """A field of stored objects, as the place of an edit. Get one with ``edit()``."""

    __slots__ = ("_expr", "_path")

    def __init__(self, expr: Expr[T]) -> None:
        self._expr = expr
        self._path = tuple(field_of(expr).path.split("."))

    def set(self, value: T | None) -> Edit:
        """Sets the field; of a sub-object, the others stay as they are.

        Raises:
            pydantic.ValidationError: it does not fit the field.
        """
        if value is None and _none_is_absence(field_of(self._expr)):
            return self.unset()
        return self._edit("set", self._path, self._json(value))

    def unset(self) -> Edit:
        """Takes the field out of the object; nothing happens where it is not there.

        Raises:
            QueryError: the class could not read the object without it.
        """
        place = field_of(self._expr)
        if place.owner is not None and place.owner.__pydantic_fields__[place.name].is_required():
            raise QueryError(f"{place.label} is required: without it the object could not be read")
        return self._edit("unset", self._path)

    def expect(self, value: T | None) -> Edit:
        """Refuses the whole patch where the field is not equal to this: ``InvalidRequestError``."""
        return self._edit("test", self._path, self._json(value))

    @overload
    def append(self: Editor[list[V]], value: V) -> Edit: ...
    @overload
    def append(self: Editor[builtins.set[V]], value: V) -> Edit: ...
    @overload
    def append(self: Editor[frozenset[V]], value: V) -> Edit: ...
    @overload
    def append(self: Editor[tuple[V, ...]], value: V) -> Edit: ...
    def append(self: Editor[Any], value: Any) -> Edit:
        """Adds a value at the end of a list, whatever else is in it. The stored object must have the list.

        Raises:
            pydantic.ValidationError: it does not fit the list.
        """
        return self._edit("insert", (*self._path, "-"), self._item(value))

    def insert(self: Editor[list[V]], index: int, value: V) -> Edit:
        """Adds a value before the one at ``index``, counted from 0. The stored list must be that long.

        Raises:
            pydantic.ValidationError: it does not fit the list.
            QueryError: a negative index.
        """
        return self._edit("insert", (*self._path, _index(index)), self._item(value))

    def remove(self: Editor[list[V]], index: int) -> Edit:
        """Takes the value at ``index`` out of a list. The stored list must have it.

        Raises:
            QueryError: a negative index.
        """
        return self._edit("remove", (*self._path, _index(index)))

    def _edit(self, how: _How, path: tuple[str, ...], value: Any = None) -> Edit:
        return Edit(how, path, value, field_of(self._expr).root)

    def _json(self, value: Any) -> Any:
        place = field_of(self._expr)
        if place.owner is not None:
            return value_of(place.owner, place.name, value)
        return _told(place.label, place.json(_of_type(place.annotation).validate_python(value)))

    def _item(self, value: Any) -> Any:
        place = field_of(self._expr)
        if place.annotation is Any:
            return place.json(value)
        kind, items = get_origin(bare(place.annotation)), get_args(bare(place.annotation))
        alike = len(items) == 1 or (kind is tuple and items[1:] == (...,))
        if kind not in (list, set, frozenset, tuple) or not alike:
            raise QueryError(f"{place.label} holds no list to put a value into")
        return _told(place.label, place.items((_of_type(items[0]).validate_python(value),))[0])

    def __repr__(self) -> str:
        return f"<edit {'.'.join(self._path)}>"


@overload
def edit(field: Expr[T]) -> Editor[T]: ...
@overload
def edit(field: T | None) -> Editor[T]: ...
def edit(field: Any) -> Editor[Any]:
    """The place of an edit: ``task.patch(edit(Task.tags).append("docs"), edit(Task.due).unset())``.

    Raises:
        QueryError: not the field of a model class; for a field that no class declares, ``edit(key("name"))``.
    """
    if not isinstance(field, Expr):
        raise QueryError(f"edit() takes the field of a class, such as edit(Task.tags), not {field!r}; see also key()")
    return Editor(field)


def value_of(model: type[BaseModel], name: str, value: Any) -> Any:
    """The JSON of a value that is to be stored in this field: validated as by an assignment, but where the whole model
    has validators by the type of the field and its constraints only.

    Raises:
        pydantic.ValidationError: it does not fit the field.
        DeclarationError: pydantic would write asterisks.
    """
    if model.__pydantic_decorators__.model_validators or model.model_config.get("frozen"):
        checked = _adapter_of(model, name).validate_python(value)  # alone it is no model to validate
    else:
        holder = model.model_construct()
        model.__pydantic_validator__.validate_assignment(holder, name, value)
        checked = vars(holder)[name]
    label = f"{model.__name__}.{name}"
    dumped = _told(label, dump_field(model, name, checked))
    refuse_rounded(label, dumped, _adapter_of(model, name).validate_python)
    return dumped


def _none_is_absence(place: Any) -> bool:
    return place.name in getattr(place.owner, "__kinto_settings__", ())


def _told(label: str, value: Any) -> Any:
    if masked(value):
        raise lost_secret(label)
    return value


def _index(index: int) -> str:
    if isinstance(index, bool) or not isinstance(index, int) or index < 0:
        raise QueryError(f"a place in a list is counted from 0, not {index!r}; append() adds at the end")
    return str(index)


@lru_cache(maxsize=1024)
def _adapter_of(model: type[BaseModel], name: str) -> TypeAdapter[Any]:
    """What validates a value of this field alone."""
    info = model.__pydantic_fields__[name]
    special: Any = Annotated
    parts = (info.annotation, *info.metadata)
    annotated: Any = special[parts] if info.metadata else info.annotation
    return TypeAdapter(annotated)


@lru_cache(maxsize=1024)
def _of_type(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation)


def applied(edits: Iterable[Edit], data: Data) -> Data:
    """The data as they will be once the server has carried out the edits.

    Raises:
        LookupError: it will refuse them.
    """
    changed: Data = deepcopy(data)
    for each in edits:
        *way, last = each.path
        inner: Any = changed
        for step in way:
            inner = inner[int(step) if isinstance(inner, list) else step]
        if isinstance(inner, list):
            _apply_to_list(inner, each, last)
        elif not isinstance(inner, dict):
            raise LookupError(last)  # noqa: TRY004  # it is not there, in what was to be an object
        elif each.how == "set":
            inner[last] = each.value
        elif each.how == "unset":
            inner.pop(last, None)
    return changed


def _apply_to_list(values: list[Any], each: Edit, place: str) -> None:
    index = len(values) if place == "-" else int(place)
    if index > len(values) - (each.how == "remove"):
        raise LookupError(place)
    if each.how == "insert":
        values.insert(index, each.value)
    elif each.how == "remove":
        del values[index]
