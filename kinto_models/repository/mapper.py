"""The translation between models and Kinto's JSON, both ways."""

from __future__ import annotations

import gc
import json
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Generic, Protocol, TypeVar, cast

from pydantic import BaseModel, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from kinto_models.errors import (
    ConflictError,
    InvalidAnswerError,
    InvalidRecordError,
    InvalidRequestError,
    ReadOnlyFieldError,
)
from kinto_models.models.interface import Page
from kinto_models.models.merging import merge_instances
from kinto_models.models.outcomes import SaveResult
from kinto_models.models.permissions import Grants, Held
from kinto_models.models.schemas import check_schema, located
from kinto_models.models.stamps import drop_stamps, without_stamps
from kinto_models.models.state import Snapshot
from kinto_models.models.stored import Stored, attach, attach_all, state_of
from kinto_models.models.tracking import (
    MASK,
    Changes,
    absorb,
    diff,
    dump,
    dump_json,
    lost_secret,
    masked,
    names_of,
    parse,
    wire_names,
)
from kinto_models.protocol.bodies import encode, envelope
from kinto_models.protocol.caching import max_age_of
from kinto_models.protocol.etags import format_etag
from kinto_models.protocol.messages import Conversation, Operation, Request, send
from kinto_models.protocol.operations import Answer, Listing
from kinto_models.protocol.paths import Plural
from kinto_models.repository.events import Subscribers
from kinto_models.repository.facts import Facts
from kinto_models.types import Data

__all__ = ["Draft", "Mapper", "Shared", "load_one", "load_page"]

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
R = TypeVar("R", bound=Stored)


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


@dataclass(slots=True)
class Draft(Generic[R]):
    """What is about to be written of an instance.

    Attributes:
        obj: the instance.
        dumped: its data as JSON, as it is.
        told: the same, read back, and so validated.
        data: the data of that.
        permissions: the ACEs that are known and changed, whole.
        pending: the changes of those that are not known.
        held: the changes of all ACEs as they were then, or None where none are sent.
        names: names of the fields that are sent.
    """

    obj: R
    dumped: bytes
    told: R
    data: Data
    permissions: dict[str, list[str]] = field(default_factory=dict)
    pending: dict[str, Grants] = field(default_factory=dict)
    held: Held | None = None
    names: frozenset[str] = frozenset()

    @property
    def body(self) -> bytes:
        """The data as the JSON that is sent.

        Raises:
            ValueError: NaN or an infinity, which JSON has no form for.
        """
        text = dump_json(self.told)
        return encode(self.data) if b"NaN" in text or b"Infinity" in text else text

    def all(self) -> Draft[R]:
        """With every field in it."""
        self.names = names_of(type(self.obj), self.data)
        return self

    def by_principal(self) -> Draft[R]:
        """With all changes of permissions told principal by principal, and not as whole lists."""
        self.permissions, self.pending = {}, self.obj.permissions.grants()
        return self

    def changes(self, told: Data | None) -> Changes:
        """What of it the object, as the server told it, has not; nothing where nothing was told."""
        changes = Changes() if told is None else diff(self.obj, told, self.data)
        self.names = changes.names
        return changes


class Shared(Protocol):
    """What all mappers of a client have of it.

    Attributes:
        facts: of the server.
        subscribers: of the client.
        light: whether answers are to leave out what the client knows.
    """

    facts: Facts
    subscribers: Subscribers
    light: bool


class Mapper(Generic[R]):
    """Translates for one class in one place.

    Attributes:
        model: the class.
        place: its plural endpoint.
        objects: the repository, of either kind, that what is loaded is tied to.
        facts, subscribers, light: see ``Shared``.
    """

    def __init__(self, model: type[R], place: Plural, objects: Any, client: Shared) -> None:
        self.model = model
        self.place = place
        self.objects = objects
        self.facts: Facts = client.facts
        self.subscribers: Subscribers = client.subscribers
        self.light: bool = client.light

    def knows(self, obj: R) -> bool:
        """Whether the instance, under its id, was read from or saved to this very place: what is known of it elsewhere
        says nothing here. An unpickled one is taken to belong where it is used.
        """
        bound = state_of(obj).objects
        return obj.saved and (bound is None or bound.url == self.objects.url)

    def send(self, operation: Operation[T]) -> Conversation[T]:
        """An operation that writes; what the server refuses in it is told in the class's words."""
        try:
            return (yield from send(operation))
        except InvalidRequestError as error:
            error.errors = tuple(
                {**entry, "loc": located(self.model, entry["loc"][0], entry["msg"])} for entry in error.errors
            )
            raise

    # From the server

    def load(self, answer: Answer) -> R:
        """The object of an answer.

        Raises:
            InvalidRecordError: it does not fit the class.
            InvalidAnswerError: the answer is not Kinto's.
        """
        obj = load_one(self.model, answer)
        attach(obj, Snapshot(answer.body, self.objects, answer.cache_control))
        return obj

    def acknowledge(self, draft: Draft[R], answer: Answer, keep: frozenset[str] = frozenset()) -> SaveResult:
        """Takes what the server answered to a write into the instance, but for the fields in ``keep`` and for what was
        changed while the answer was on its way.
        """
        obj, told, unsaved = draft.obj, self.load(answer), state_of(draft.obj).permissions
        absorb(obj, told, keep, draft.dumped)
        self.tie(obj, told)
        if unsaved is not None and (unsaved.changed if draft.held is None else unsaved.held != draft.held):
            state_of(obj).permissions = unsaved.moved(type(unsaved)(state_of(obj).shown), draft.held)
        granted = draft.held is not None and any(draft.held.values())
        sent = draft.names | {"permissions"} if granted else draft.names
        stamp = told.last_modified  # and not obj.etag, which would parse the answer once more
        return SaveResult(answer.created, sent, format_etag(stamp) if stamp and stamp > 0 else None)

    def take(self, obj: R, told: R) -> None:
        """Makes the instance what the server told, and ties it to that answer."""
        absorb(obj, told)
        self.tie(obj, told)

    def adopt(self, obj: R, saved: R, before: bytes, held: Held) -> None:
        """Makes the instance what a copy of it was saved as, but for what was changed since it was ``before``, and its
        permissions ``held``.
        """
        unsaved = obj.permissions
        absorb(obj, saved, (), before)
        self.tie(obj, saved)
        state_of(obj).permissions = unsaved.moved(type(unsaved)(state_of(obj).shown), held)

    def tie(self, obj: R, told: R) -> None:
        """Ties the instance to an answer that tells the same."""
        vars(obj)["last_modified"] = told.last_modified
        state_of(obj).take(state_of(told))
        state_of(obj).objects = self.objects

    def conflict(self, error: ConflictError, obj: R, base: Data | None = None) -> ConflictError:
        """Fills in the sides of a conflict, as instances; ``base`` where it is not what the instance was read as."""
        existing = error.details.get("existing") if isinstance(error.details, dict) else None
        if base is None and self.knows(obj):
            base = state_of(obj).data
        error.mine, error.base = obj, None if base is None else parse(self.model, base)
        if isinstance(existing, dict):
            with suppress(InvalidAnswerError):  # the conflict is the news, not that theirs does not fit
                listed = Request("GET", self.place.path)
                error.theirs = self.load(Answer(envelope(existing), None, created=False, request=listed))
                error.overlapping = names_of(self.model, merge_instances(obj, error.theirs, base).overlapping)
        return error

    # To the server

    def draft(self, obj: R) -> Draft[R]:
        """The instance as it can be stored: validated, and sure to be read back as it is, because changes made in
        place are not validated when they are made.
        """
        self.refuse_stranger(obj)
        dumped = dump_json(obj)
        told = self.model.model_validate_json(_identified(dumped, obj.id))
        if MASK in dumped:
            self._refuse_mask(obj, told)
        draft = Draft(obj, dumped, told, dump(told))
        if state_of(obj).permissions is not None:  # or else nobody asked for them yet
            draft.permissions, draft.pending = obj.permissions.changes(), obj.permissions.pending()
            draft.held = obj.permissions.held
        return draft

    def refuse_stranger(self, obj: R) -> None:
        """Raises TypeError if the instance is not of the class."""
        if not isinstance(obj, self.model):
            raise TypeError(f"this repository is of {self.model.__name__}, not of {type(obj).__name__}")

    def _refuse_mask(self, obj: R, told: R) -> None:
        data = dump(obj)
        for name, wire in wire_names(self.model).items():
            if masked(data.get(wire)) and getattr(told, name) != getattr(obj, name):
                raise lost_secret(f"{self.model.__name__}.{name}")

    def refuse_unusable(self, data: Data) -> None:
        """Raises InvalidSchemaError if the server would take what is to be written, and then fail on it."""
        for wire in self.model.__kinto_schemas__ & data.keys():
            if isinstance(data[wire], dict):
                check_schema(data[wire])

    def refuse(self, changes: Changes) -> None:
        """Raises what ``refuse_unusable()`` does, and ReadOnlyFieldError if a field that is fixed after creation is
        among the changes.
        """
        self.refuse_unusable(changes.written)
        fixed = sorted(self.model.__kinto__.readonly & changes.names)
        if fixed:
            raise ReadOnlyFieldError(
                f"{self.model.__name__}.{fixed[0]} is readonly: it is fixed when the object is created; "
                "refresh() brings its value back"
            )


def _identified(body: bytes, object_id: str) -> bytes:
    """With its id, or else reading it back would make a new one for nothing."""
    if not object_id:
        return body
    return b'{"id":%b%b%b' % (encode(object_id), b"" if body == b"{}" else b",", body[1:])


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
