"""Typed conditions: what ``Task.priority < 3`` and ``col(Task.title).like("write*")`` make.

To a type checker ``Task.priority`` is the field's own type, so that a misspelt name or a wrong operand is its error;
at run time it is an ``Expr``. ``col()`` says to the checker what the run time knows, and so gives access to the
operators that the field's type does not have. Expressions and conditions are immutable and have no truth value.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, Final, Generic, NoReturn, TypeVar, Union, get_args, get_origin, overload

from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticSerializationError, to_jsonable_python

from kinto_models.errors import QueryError
from kinto_models.protocol.filters import Filter, Operator, Sort

__all__ = ["Condition", "Expr", "col", "conditions", "dump_field", "field_of", "key", "sort_keys", "wire_name"]

_NOT_AS_TEXT = (Decimal, timedelta)
_KINDS: Final[tuple[tuple[tuple[type, ...], str], ...]] = (
    ((int, float), "number"),
    ((str,), "text"),
    ((list, set, frozenset, tuple), "list"),
    ((dict, BaseModel), "object"),
)

T = TypeVar("T")
V = TypeVar("V")


def wire_name(name: str, info: FieldInfo) -> str:
    """The name under which a field is stored."""
    return info.serialization_alias or info.alias or name


_NO_OR: Final = "Kinto has no 'or': use col(...).in_(...) on one field, or two queries"


class Condition:
    """Filters that must all hold. Combine with ``&``, or pass several to ``find()``."""

    __slots__ = ("_roots", "filters")

    def __init__(self, *filters: Filter, roots: frozenset[type[BaseModel]] = frozenset()) -> None:
        self.filters: tuple[Filter, ...] = filters
        self._roots: frozenset[type[BaseModel]] = roots

    def __and__(self, other: Condition | bool) -> Condition:
        both = _condition(other)
        return Condition(*self.filters, *both.filters, roots=self._roots | both._roots)

    def __or__(self, other: object) -> NoReturn:
        raise QueryError(_NO_OR)

    __ror__ = __or__

    def __invert__(self) -> NoReturn:
        raise QueryError("Kinto has no 'not': write the opposite comparison, such as != or not_in()")

    def __bool__(self) -> NoReturn:
        raise QueryError(
            "a condition has no truth value: instead of 'and' pass several conditions to find() (or use &), "
            "instead of 'in' write col(...).in_(...), instead of 'not' the opposite comparison, "
            "and a chained comparison as two"
        )

    def __repr__(self) -> str:
        return f"<condition {' and '.join(f'{f.field} {f.operator.value} {f.value!r}' for f in self.filters)}>"


@dataclass(frozen=True, slots=True)
class _Field:
    """Where an expression points to, and what it knows of the type there.

    ``owner`` and ``name`` are the model and field whose serialiser makes JSON of values, where there is one; ``root``
    is the class that the path begins in, or None where nothing declares it.
    """

    path: str
    owner: type[BaseModel] | None
    name: str
    annotation: Any
    root: type[BaseModel] | None = None

    @property
    def label(self) -> str:
        return f"{self.owner.__name__}.{self.name}" if self.owner else self.path

    @property
    def kind(self) -> str | None:
        """What the values are in JSON, where that is plain to see: ``number``, ``text``, ``list`` or ``object``."""
        held = bare(self.annotation)
        held = get_origin(held) or held
        for kinds, said in _KINDS:
            if isinstance(held, type) and issubclass(held, kinds):
                return said
        return None

    def json(self, value: Any) -> Any:
        """The JSON of a value, as the field itself is stored."""
        try:
            if self.owner is None:
                return to_jsonable_python(value)
            if type(value) is float and self._takes(0):
                return value  # 2.5 is a fair thing to compare an int with
            return self._dump(value)
        except PydanticSerializationError as exc:
            raise QueryError(
                f"{self.label} is not compared with {value!r}: it holds {_shown(self.annotation)}"
            ) from exc

    def items(self, values: tuple[Any, ...]) -> list[Any]:
        """The JSON of values that stand in the field's list."""
        container = get_origin(bare(self.annotation)) or bare(self.annotation)
        if container not in (list, set, frozenset, tuple):
            return [to_jsonable_python(value) for value in values]
        listed: list[Any] = [self.json(container([value]))[0] for value in values]
        return listed

    def ordered(self, value: Any) -> Any:
        """The JSON of a value that is compared by size.

        Raises:
            QueryError: the JSON is text whose order is not that of the values.
        """
        if value is None:
            raise QueryError(f"{self.label}: nothing is less or more than None; compare with == or !=")
        if self.kind in ("list", "object"):
            raise QueryError(f"{self.label} holds {_shown(self.annotation)}, which Kinto has no order for")
        json = self.json(value)
        if isinstance(json, str) and isinstance(value, _NOT_AS_TEXT):
            raise QueryError(
                f"{self.label} is stored as text, which Kinto would order letter by letter, not by size: "
                "store a number instead, such as with a field_serializer that returns a float"
            )
        return json

    def sortable(self) -> None:
        """Raises QueryError where Kinto would sort in another order than that of the values."""
        kind = bare(self.annotation)
        if isinstance(kind, type) and issubclass(kind, _NOT_AS_TEXT):
            self.ordered(kind(0))

    def _takes(self, value: Any) -> bool:
        try:
            self._dump(value)
        except PydanticSerializationError:
            return False
        return True

    def _dump(self, value: Any) -> Any:
        return dump_field(self.owner or BaseModel, self.name, value)


def dump_field(owner: type[BaseModel], name: str, value: Any) -> Any:
    """The JSON of a value of this field, as it is stored.

    Raises:
        QueryError: the field is not stored.
        pydantic_core.PydanticSerializationError: the value is not one of this field.
    """
    holder = owner.model_construct(**{name: value})
    dumped = holder.model_dump(mode="json", by_alias=True, include={name}, round_trip=True, warnings="error")
    if not dumped:
        raise QueryError(f"{owner.__name__}.{name} is not stored: its class excludes it")
    return next(iter(dumped.values()))


def field_of(expr: Expr[Any]) -> _Field:
    """Where an expression points to."""
    return expr._field


class Expr(Generic[T]):
    """A field of a model, in a query. Get one with ``col()``; misspelt sub-fields raise ``AttributeError``."""

    __slots__ = ("_field",)

    def __init__(self, field: _Field) -> None:
        self._field = field

    def _filter(self, operator: Operator, value: Any) -> Condition:
        if _is_secret(self._field.annotation):
            raise _secret(self._field.label)
        made = Filter(self._field.path, operator, value)
        made.parameter()  # what Kinto has no words for is refused where it is written
        return Condition(made, roots=frozenset() if self._field.root is None else frozenset((self._field.root,)))

    def __eq__(self, other: T | None) -> Condition:  # type: ignore[override]
        return self._filter(Operator.EQ, None if other is None else self._field.json(other))

    def __ne__(self, other: T | None) -> Condition:  # type: ignore[override]
        return self._filter(Operator.NOT, None if other is None else self._field.json(other))

    def __lt__(self, other: T) -> Condition:
        return self._filter(Operator.LT, self._field.ordered(other))

    def __le__(self, other: T) -> Condition:
        return self._filter(Operator.MAX, self._field.ordered(other))

    def __gt__(self, other: T) -> Condition:
        return self._filter(Operator.GT, self._field.ordered(other))

    def __ge__(self, other: T) -> Condition:
        return self._filter(Operator.MIN, self._field.ordered(other))

    def in_(self, *values: T) -> Condition:
        """Equal to one of the values. A value with a comma cannot be asked for in this way."""
        return self._filter(Operator.IN, tuple(self._field.json(value) for value in values))

    def not_in(self, *values: T) -> Condition:
        """Equal to none of the values."""
        return self._filter(Operator.EXCLUDE, tuple(self._field.json(value) for value in values))

    def like(self, pattern: str) -> Condition:
        """Text that matches, whatever the case; ``*`` stands for any characters, and no ``*`` at all means anywhere."""
        if not isinstance(pattern, str):
            raise QueryError(f"{self._field.label}: like() takes text, not {type(pattern).__name__}")
        if self._field.kind in ("number", "list", "object"):  # on which Kinto's memory backend fails
            raise QueryError(f"{self._field.label} holds {_shown(self._field.annotation)}, and like() is for text")
        return self._filter(Operator.LIKE, pattern)

    def exists(self, there: bool = True) -> Condition:  # noqa: FBT001, FBT002  # exists(False) reads well
        """The stored object has this field at all, or has not."""
        if not isinstance(there, bool):
            raise QueryError(f"{self._field.label}: exists() takes True or False, not {there!r}")
        return self._filter(Operator.HAS, there)

    @overload
    def contains(self: Expr[list[V]], *values: V) -> Condition: ...
    @overload
    def contains(self: Expr[set[V]], *values: V) -> Condition: ...
    @overload
    def contains(self: Expr[frozenset[V]], *values: V) -> Condition: ...
    @overload
    def contains(self: Expr[tuple[V, ...]], *values: V) -> Condition: ...
    def contains(self: Expr[Any], *values: Any) -> Condition:
        """A list that holds all of the values."""
        return self._filter(Operator.CONTAINS, self._listed(values))

    @overload
    def contains_any(self: Expr[list[V]], *values: V) -> Condition: ...
    @overload
    def contains_any(self: Expr[set[V]], *values: V) -> Condition: ...
    @overload
    def contains_any(self: Expr[frozenset[V]], *values: V) -> Condition: ...
    @overload
    def contains_any(self: Expr[tuple[V, ...]], *values: V) -> Condition: ...
    def contains_any(self: Expr[Any], *values: Any) -> Condition:
        """A list that holds at least one of the values."""
        return self._filter(Operator.CONTAINS_ANY, self._listed(values))

    def _listed(self, values: tuple[Any, ...]) -> list[Any]:
        if not values:
            raise QueryError("contains() and contains_any() need at least one value")
        if self._field.kind not in (None, "list"):  # in text and objects Kinto would look for parts and keys
            raise QueryError(f"{self._field.label} holds {_shown(self._field.annotation)}, and not a list to look into")
        return self._field.items(values)

    def __and__(self, other: Condition | bool) -> Condition:
        return _condition(self) & other

    def __or__(self, other: object) -> NoReturn:
        raise QueryError(_NO_OR)

    __ror__ = __or__

    def __invert__(self) -> NoReturn:
        raise QueryError(f"Kinto has no 'not': write {self._field.label} == False")

    @property
    def holds(self) -> Any:
        """The type of the field's values, None aside."""
        return bare(self._field.annotation)

    def __neg__(self) -> Sort:
        """Sort by this field, the greatest first."""
        self._field.sortable()
        return Sort(self._field.path, descending=True)

    def __pos__(self) -> Sort:
        """Sort by this field, the least first."""
        self._field.sortable()
        return Sort(self._field.path)

    def __getattr__(self, name: str) -> Expr[Any]:
        if name.startswith("_"):  # no field's name: copy and pickle ask for such before there is a _field
            raise AttributeError(name)
        model = next((each for each in _models_in(self._field.annotation) if name in each.__pydantic_fields__), None)
        if model is None:
            raise AttributeError(
                f"{self._field.label} ({_shown(self._field.annotation)}) has no field {name!r}{self._has()}"
            )
        info = model.__pydantic_fields__[name]
        path = f"{self._field.path}.{_undotted(wire_name(name, info))}"
        return Expr(_Field(path, model, name, info.annotation, self._field.root))

    def __getitem__(self, item: str) -> Expr[Any]:
        """A key of a field that holds a dict; of one that holds a model, the field that is stored under this name."""
        if not isinstance(item, str):
            raise QueryError(f"{self._field.label}: Kinto looks into objects by name, not into lists by position")
        models = _models_in(self._field.annotation)
        for model in models:
            for name, info in model.__pydantic_fields__.items():
                if item == wire_name(name, info):
                    return self.__getattr__(name)
        if models and not any(model.model_config.get("extra") == "allow" for model in models):
            raise QueryError(
                f"{self._field.label} ({_shown(self._field.annotation)}) stores no field {item!r}{self._has()}"
            )
        inner = bare(self._field.annotation)
        values = get_args(inner)[1] if get_origin(inner) is dict and get_args(inner) else Any
        return Expr(_Field(f"{self._field.path}.{_undotted(item)}", None, item, values, self._field.root))

    def _typed(self) -> str:
        return f"{self._field.label} ({_shown(self._field.annotation)})"

    def _has(self) -> str:
        names = [name for model in _models_in(self._field.annotation) for name in model.__pydantic_fields__]
        return f", but {', '.join(names)}" if names else ""

    def __bool__(self) -> NoReturn:
        raise QueryError(
            f"{self._field.label} has no truth value on the class: write {self._field.label} == True, and two queries "
            "instead of 'or'"
        )

    def __contains__(self, value: object) -> NoReturn:
        raise QueryError(f"instead of 'in' write col({self._field.label}).contains({value!r})")

    __iter__ = None

    def __hash__(self) -> int:
        return hash(self._field.path)

    def __repr__(self) -> str:
        return f"<field {self._field.label}>"


def expression(owner: type[BaseModel], name: str) -> Expr[Any]:
    """The expression for a field of a model class."""
    if not owner.__pydantic_complete__:
        owner.model_rebuild(raise_errors=False)
    info = owner.__pydantic_fields__[name]
    return Expr(_Field(_undotted(wire_name(name, info)), owner, name, info.annotation, owner))


@overload
def col(field: Expr[T]) -> Expr[T]: ...
@overload
def col(field: T | None) -> Expr[T]: ...
def col(field: Any) -> Any:
    """A class's field with all of Kinto's operators: ``col(Task.due) < today``, ``col(Task.tags).contains("docs")``.

    Raises:
        QueryError: not the field of a model class; for a field without one, use ``key("name")``.
    """
    if not isinstance(field, Expr):
        raise QueryError(f"col() takes the field of a class, such as col(Task.title), not {field!r}; see also key()")
    return field


def key(name: str) -> Expr[Any]:
    """A stored field that no class declares, by its name in the JSON; dots lead into sub-objects.

    Raises:
        QueryError: no name.
    """
    if not isinstance(name, str) or not all(name.split(".")):
        raise QueryError(f"key() takes the name of a stored field, with dots between the parts, not {name!r}")
    return Expr(_Field(name, None, name, Any))


def conditions(owner: type[BaseModel], values: tuple[Condition | bool, ...]) -> tuple[Filter, ...]:
    """The filters of what ``find()`` and ``where()`` of a class were given.

    Raises:
        QueryError: not a condition, or one of another class.
    """
    checked = [_condition(value) for value in values]
    for root in {root for condition in checked for root in condition._roots}:
        refuse_foreign(owner, root)
    filters = tuple(filter_ for condition in checked for filter_ in condition.filters)
    for filter_ in filters:
        _refuse_secret(owner, filter_.field)
    return filters


def _refuse_secret(owner: type[BaseModel], path: str) -> None:
    """Raises QueryError if what is stored there is a secret, by whatever way it was named."""
    models = [owner]
    for part in path.split("."):
        fields = [field for model in models for field in model.__pydantic_fields__.items()]
        found = [info.annotation for name, info in fields if wire_name(name, info) == part]
        if any(map(_is_secret, found)):
            raise _secret(f"{owner.__name__}'s {path!r}")
        models = [model for annotation in found for model in _models_in(annotation)]


def _is_secret(annotation: Any) -> bool:
    held = bare(annotation)
    return held in (SecretStr, SecretBytes) or any(map(_is_secret, get_args(held)))


def _secret(label: str) -> QueryError:
    return QueryError(f"{label} is a secret, which would stand in the address that is asked for")


def refuse_foreign(owner: type[BaseModel], root: type[BaseModel] | None) -> None:
    """Raises QueryError if a field is one of a class that has nothing to do with this one."""
    if root is not None and not issubclass(owner, root) and not issubclass(root, owner):
        raise QueryError(f"{root.__name__} is another class: name a field of {owner.__name__} here, or key(...)")


def _condition(value: object) -> Condition:
    if isinstance(value, Condition):
        return value
    if isinstance(value, Expr):
        if value.holds is bool:
            return value == True  # noqa: E712
        raise QueryError(f"{value!r} alone is no condition: compare it with something")
    if isinstance(value, bool):
        raise QueryError(
            f"Python made {value} of this condition before Kinto could see it: "
            "write == or != instead of 'is', 'is not' and 'not', and col(...).in_(...) instead of 'in'"
        )
    raise QueryError(f"a condition is made with a class's fields, such as Task.done == True, not {value!r}")


def sort_keys(owner: type[BaseModel], keys: tuple[object, ...]) -> tuple[Sort, ...]:
    """The keys that ``sort()`` was given: fields of the class, ``-col(...)``, or names with or without a ``-``."""
    return tuple(_sort_key(owner, key_) for key_ in keys)


def _sort_key(owner: type[BaseModel], value: object) -> Sort:
    if isinstance(value, Sort):
        return value
    if isinstance(value, Expr):
        refuse_foreign(owner, value._field.root)
        return +value
    if not isinstance(value, str):
        raise QueryError(f"sort() takes fields of the class, -col(...) or their names, not {value!r}")
    first, *rest = value.removeprefix("-").removeprefix("+").split(".")
    names = {name: wire_name(name, info) for name, info in owner.__pydantic_fields__.items()}
    if first not in names and first not in names.values():
        raise QueryError(f"{owner.__name__} has no field {first!r}; for one that no class declares, sort by key(...)")
    if first not in names:
        first = next(name for name, wire in names.items() if wire == first)
    field = expression(owner, first)
    for part in rest:
        field = field[part]
    return -field if value.startswith("-") else +field


def bare(annotation: Any) -> Any:
    """The annotation without ``Annotated`` and without ``| None``."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
            continue
        if origin in (Union, UnionType):
            rest = [argument for argument in get_args(annotation) if argument is not type(None)]
            if len(rest) == 1:
                annotation = rest[0]
                continue
        return annotation


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The model that the annotation names, or those of a union."""
    inner = bare(annotation)
    members = get_args(inner) if get_origin(inner) in (Union, UnionType) else [inner]
    return [member for member in map(bare, members) if isinstance(member, type) and issubclass(member, BaseModel)]


def _undotted(name: str) -> str:
    if "." in name:
        raise QueryError(f"Kinto reads the dot in {name!r} as a way into a sub-object, so it cannot be queried")
    return name


def _shown(annotation: Any) -> str:
    return getattr(annotation, "__name__", None) or str(annotation).replace("typing.", "")
