"""What an instance is and knows: its class's keywords, id and timestamp, and its state, kept beside the fields.

What it does, which needs a repository, is in ``resource``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from copy import deepcopy
from inspect import get_annotations
from itertools import count, repeat
from typing import Annotated, Any, ClassVar, TypeVar, cast

from pydantic import AliasChoices, BaseModel, ConfigDict, Field
from typing_extensions import Self, Unpack

from kinto_models.errors import DeclarationError
from kinto_models.models.expressions import wire_name
from kinto_models.models.fields import FieldsOnClass
from kinto_models.models.hooks import Hooks
from kinto_models.models.ids import IdGenerator, UUID4Ids
from kinto_models.models.options import EXTRA, Options, Unknown
from kinto_models.models.permissions import Permissions
from kinto_models.models.state import Snapshot, State
from kinto_models.models.tracking import SERVER_OWNED, Changes, diff, parse
from kinto_models.protocol.caching import max_age_of
from kinto_models.protocol.paths import ID_PATTERN

__all__ = ["Stored", "as_told", "attach", "attach_all", "changes_of", "permissions_of", "state_of"]

P = TypeVar("P", bound=Permissions)
S = TypeVar("S", bound="Stored")


class Stored(Hooks, FieldsOnClass):
    """The fields and state of an object on a Kinto server: the base of ``Resource``.

    ``id`` and ``last_modified`` are described there.
    """

    __slots__ = ("__kinto_index__", "__kinto_state__")

    # By name as well as by alias: a keyword that is only the name must not become an unknown field.
    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="allow", validate_assignment=True, populate_by_name=True, ser_json_inf_nan="constants"
    )

    __kinto__: ClassVar[Options] = Options("record")
    __kinto_schemas__: ClassVar[frozenset[str]] = frozenset()
    """The stored names of the fields that hold a JSON Schema for the server to apply."""
    __kinto_checks__: ClassVar[Mapping[str, Callable[[Any], None]]] = {}
    """What refuses a value before it is written, though it can be read, by the stored name of the field."""
    __kinto_settings__: ClassVar[Mapping[str, str]] = {}
    """The fields in which None is absence, with the names that they are stored under."""

    # Aliases of their own, so that no alias generator renames what is Kinto's.
    id: str = Field(default_factory=UUID4Ids(), pattern=f"^{ID_PATTERN}$", alias="id")
    last_modified: int | None = Field(default=None, alias="last_modified")

    def __init_subclass__(  # noqa: PLR0913  # each is a keyword of the class statement
        cls,
        *,
        bucket: str | type[Stored] | None = None,
        collection: str | type[Stored] | None = None,
        group: str | None = None,
        readonly: Collection[str] | None = None,
        ids: IdGenerator | type[IdGenerator] | None = None,
        path: str | None = None,
        unknown: Unknown | None = None,
        **config: Unpack[ConfigDict],
    ) -> None:
        super().__init_subclass__()
        _refuse_reserved(cls, get_annotations(cls))
        said = {"bucket": bucket, "collection": collection, "group": group, "readonly": readonly, "ids": ids}
        keywords = {**said, "path": path, "unknown": unknown, **config}
        before = cls.__dict__.get("__kinto__") or Options.inherited([base.__kinto__ for base in _bases(cls)])
        cls.__kinto__ = before.updated(cls.__name__, {k: v for k, v in keywords.items() if v is not None})
        _fix_id(cls, _bases(cls)[0].__kinto__)

    @classmethod
    def __pydantic_init_subclass__(cls, *, unknown: Unknown | None = None, **keywords: Any) -> None:
        super().__pydantic_init_subclass__()
        _check_fields(cls)
        if unknown is not None and cls.model_config.get("extra") != EXTRA[unknown]:
            cls.model_config["extra"] = EXTRA[unknown]
            cls.model_rebuild(force=True, raise_errors=False)

    # What the instance knows of the server

    @property
    def saved(self) -> bool:
        """Whether this object, under this id, is on the server as far as is known."""
        data = state_of(self).data
        return data is not None and data.get("id") == self.id

    @property
    def etag(self) -> str | None:
        """The ETag that writes are conditional on, or None for what was never saved."""
        return state_of(self).etag if self.saved else None

    @property
    def dirty(self) -> bool:
        """Whether ``save()`` has data to send: always for a new object."""
        return not self.saved or bool(changes_of(self))

    @property
    def cache_max_age(self) -> int | None:
        """Seconds that the server allowed the last answer about the object to be kept, by its Cache-Control: 0 where it
        forbade it, None where it said nothing. Kinto allows it to anonymous readers only.
        """
        snapshot = state_of(self).snapshot
        return None if snapshot is None else max_age_of(snapshot.cache_control)

    @property
    def changes(self) -> dict[str, Any]:
        """The fields that differ from what the server last told, with their values here; all fields of a new object.

        A field that is gone from the instance is not among them.
        """
        values = {**vars(self), **(self.model_extra or {})}
        names = changes_of(self).names if self.saved else values.keys()
        return {name: values[name] for name in sorted(names) if name in values and name not in SERVER_OWNED}

    @property
    def permissions(self) -> Permissions:
        """Who may do what with the object. Changes are sent by the next ``save()``."""
        return permissions_of(self, Permissions)

    # Copies and pickles keep the state; pickles leave the repository behind

    def __copy__(self) -> Self:
        return _with_state(super().__copy__(), state_of(self))

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return _with_state(super().__deepcopy__(memo), state_of(self))

    def __getstate__(self) -> dict[Any, Any]:
        return {**super().__getstate__(), "__kinto_state__": deepcopy(state_of(self))}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        kinto = state.pop("__kinto_state__", None)
        super().__setstate__(state)
        if kinto is not None:
            _STATE.__set__(self, kinto)


# An instance that was just read has its snapshot in the one slot and its place in it in the other, and no State before
# someone asks: nothing is made for it that Python's garbage collector would have to look after.
_STATE: Any = Stored.__dict__["__kinto_state__"]
_INDEX: Any = Stored.__dict__["__kinto_index__"]


def attach(obj: Stored, snapshot: Snapshot) -> None:
    """Ties an instance that was just read to the answer that it came from."""
    _INDEX.__set__(obj, None)
    _STATE.__set__(obj, snapshot)


def attach_all(objs: Sequence[Stored], snapshot: Snapshot) -> None:
    """Ties the instances of a list, in its order, to the answer that they came from."""
    deque(map(_INDEX.__set__, objs, count()), maxlen=0)  # loops without a step of the interpreter for each
    deque(map(_STATE.__set__, objs, repeat(snapshot)), maxlen=0)


def state_of(obj: Stored) -> State:
    """The state of an instance, made when it is first asked for."""
    try:
        state: State | Snapshot = _STATE.__get__(obj)
    except AttributeError:
        state = State()
        _STATE.__set__(obj, state)
    if isinstance(state, Snapshot):
        state = State(state, _INDEX.__get__(obj))
        _STATE.__set__(obj, state)
    return state


def as_told(obj: S) -> S | None:
    """The object as the server last told it, as an instance of its own."""
    state = state_of(obj)
    if state.data is None:
        return None
    told = parse(type(obj), state.data)
    _STATE.__set__(told, State(state.snapshot, state.index))
    state_of(told).objects = state.objects
    return told


def changes_of(obj: Stored) -> Changes:
    """What the instance has that the server, as far as is known, has not; nothing where nothing is known."""
    data = state_of(obj).data
    return Changes() if data is None else diff(obj, data)


def permissions_of(obj: Stored, kind: type[P]) -> P:
    """The instance's permissions, made from what the server showed when they are first asked for."""
    state = state_of(obj)
    if state.permissions is None:
        state.permissions = kind(state.shown if obj.saved else {})
    elif not obj.saved and state.data is not None:  # a copy under another id: what others hold is of the other object
        state.permissions = state.permissions.moved(kind({}))
    return cast("P", state.permissions)


def _with_state(obj: S, state: State) -> S:
    _STATE.__set__(obj, state.copy())
    return obj


def _fix_id(cls: type[Stored], before: Options) -> None:
    """Gives the class an id field of its own where its options say something else about ids than those of the base
    whose field it would inherit.
    """
    options, annotations = cls.__kinto__, cls.__annotations__
    if "id" in annotations or (options.ids is before.ids and options.own_id == before.own_id):
        return
    pattern = f"^(?:{options.ids.pattern})$"
    own = options.own_id
    made: Any = {"default_factory": options.ids} if own is None else {"default": own}
    annotations["id"] = Annotated[str, Field(pattern=pattern, alias="id", **made)]


def _bases(cls: type[Stored]) -> list[type[Stored]]:
    return [base for base in cls.__bases__ if issubclass(base, Stored)]


def _refuse_reserved(cls: type[Stored], names: Iterable[str]) -> None:
    ours = [base for base in cls.__mro__ if base.__module__.startswith(("kinto_models.", "pydantic."))]
    for name in names:
        if not name.startswith("_") and any(name in base.__dict__ for base in ours if base is not cls):
            raise DeclarationError(
                f"class {cls.__name__}: {name!r} is a name of the library's or of pydantic's, so no field can have it; "
                f"write {name}_: ... = Field(alias={name!r}) to store a field under this name"
            )


def _check_fields(cls: type[Stored]) -> None:
    options, fields = cls.__kinto__, cls.model_fields
    _refuse_reserved(cls, fields)
    wires: dict[str, str] = {}
    for name, info in fields.items():
        wire = wire_name(name, info)
        if wire in wires or (wire in SERVER_OWNED and wire != name):
            raise DeclarationError(f"class {cls.__name__}: {name!r} and another field are both stored as {wire!r}")
        wires[wire] = name
        if not _reads(cls, name, info.validation_alias, wire):
            raise DeclarationError(
                f"class {cls.__name__}: {name!r} is stored as {wire!r} but not read from there; add {wire!r} to its "
                "validation_alias, or use alias= for both"
            )
    if missing := sorted(options.readonly - fields.keys()):
        raise DeclarationError(f"class {cls.__name__}: readonly names {missing[0]!r}, which is not a field")


def _reads(cls: type[BaseModel], name: str, alias: Any, wire: str) -> bool:
    by_name = cls.model_config.get("populate_by_name") or cls.model_config.get("validate_by_name")
    if name == wire and (alias is None or by_name):
        return True
    return wire in (alias.choices if isinstance(alias, AliasChoices) else [alias])
