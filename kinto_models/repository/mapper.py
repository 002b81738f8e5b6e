"""The translation between models and Kinto's JSON, both ways."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeVar
from urllib.parse import unquote

from pydantic import BaseModel

from kinto_models.errors import (
    ConflictError,
    InvalidAnswerError,
    InvalidRequestError,
    ReadOnlyFieldError,
)
from kinto_models.models.locating import located
from kinto_models.models.merging import merge_instances
from kinto_models.models.numbers import may_be_rounded, refuse_rounded
from kinto_models.models.outcomes import SaveResult
from kinto_models.models.permissions import Grants, Held, aces_of
from kinto_models.models.schemas import check_schema
from kinto_models.models.state import Snapshot
from kinto_models.models.stored import Stored, as_told, attach, state_of
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
from kinto_models.protocol.attachments import FIELD
from kinto_models.protocol.bodies import encode, envelope, has_nul
from kinto_models.protocol.etags import format_etag
from kinto_models.protocol.messages import Conversation, Operation, Request, send
from kinto_models.protocol.operations import Answer
from kinto_models.protocol.paths import Plural
from kinto_models.protocol.rehearsal import Rehearsal
from kinto_models.protocol.retry import Pacing
from kinto_models.repository.events import Subscribers
from kinto_models.repository.facts import Facts
from kinto_models.repository.loading import load_one
from kinto_models.types import Data

__all__ = ["Draft", "Mapper", "Shared"]

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
R = TypeVar("R", bound=Stored)


_DEFAULT_BUCKET: Final = "/buckets/default"
"""Kinto answers with the bucket that it stands for."""


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
        filed: whether the data tell of the file that is there today, and not what the instance has of it.
    """

    obj: R
    dumped: bytes
    told: R
    data: Data
    permissions: dict[str, list[str]] = field(default_factory=dict)
    pending: dict[str, Grants] = field(default_factory=dict)
    held: Held | None = None
    names: frozenset[str] = frozenset()
    filed: bool = False

    @property
    def body(self) -> bytes:
        """The data as the JSON that is sent.

        Raises:
            ValueError: NaN or an infinity, which JSON has no form for.
        """
        if self.filed:
            return encode(self.data)
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

    def keep_file(self, today: Data) -> None:
        """Makes it tell of the file what the object tells today, letter by letter: the class may see less of that.

        Raises:
            pydantic.ValidationError: there is none, and the class requires one.
        """
        data = {name: value for name, value in self.data.items() if name != FIELD}
        self.data = {**data, FIELD: today[FIELD]} if FIELD in today else data
        self.told = parse(type(self.obj), {**self.data, "id": self.obj.id} if self.obj.id else self.data)
        self.filed = True


class Shared(Protocol):
    """What all mappers of a client have of it.

    Attributes:
        facts: of the server.
        subscribers: of the client.
        light: whether answers are to leave out what the client knows.
        pacing: of its tries.
        rehearsal: carries out its writes in a dry run, or None where they are sent.
    """

    facts: Facts
    subscribers: Subscribers
    light: bool
    pacing: Pacing
    rehearsal: Rehearsal | None


class Mapper(Generic[R]):
    """Translates for one class in one place.

    Attributes:
        model: the class.
        place: its plural endpoint.
        objects: the repository, of either kind, that what is loaded is tied to.
        facts, subscribers, light, pacing: see ``Shared``.
        dry: carries out writes where nothing is written, or None.
    """

    def __init__(self, model: type[R], place: Plural, objects: Any, client: Shared) -> None:
        self.model = model
        self.place = place
        self.objects = objects
        self.facts: Facts = client.facts
        self.subscribers: Subscribers = client.subscribers
        self.light: bool = client.light
        self.pacing: Pacing = client.pacing
        self.dry: Rehearsal | None = client.rehearsal

    @property
    def aces(self) -> tuple[str, ...]:
        """Kinto's names for the permissions of these objects."""
        return aces_of(self.model.__kinto__.kind)

    def knows(self, obj: R) -> bool:
        """Whether the instance, under its id, was read from or saved to this very place: what is known of it elsewhere
        says nothing here. An unpickled one is taken to belong where it is used.
        """
        self._wake(obj)
        bound = state_of(obj).objects
        return obj.saved and (bound is None or bound.url == self.objects.url)

    def belongs(self, obj: R) -> bool:
        """Whether what the instance tells is of an object of this very place, be it known any more or not: also what
        the history has of it.
        """
        bound = state_of(obj).objects
        return obj.saved if bound is None else bool(bound.url == self.objects.url)

    def send(self, operation: Operation[T]) -> Conversation[T]:
        """An operation that writes; what the server refuses in it is told in the class's words.

        Raises:
            ValueError: a text holds U+0000, which PostgreSQL cannot store: Kinto would answer with a 503, as if it were
                for now (https://www.postgresql.org/docs/current/datatype-json.html). Nothing is sent.
        """
        if operation.request.body:
            self.refuse_nul(operation.request.body)
        try:
            return (yield from send(operation))
        except InvalidRequestError as error:
            error.errors = tuple(
                {**entry, "loc": located(self.model, entry["loc"][0], entry["msg"])} for entry in error.errors
            )
            raise

    def refuse_nul(self, body: bytes) -> None:
        """Raises ValueError if a text in this JSON holds U+0000."""
        if has_nul(body):
            raise ValueError(
                f"{self.model.__name__}: a text holds U+0000, which Kinto on PostgreSQL cannot store: take it out"
            )

    # From the server

    def load(self, answer: Answer) -> R:
        """The object of an answer.

        Raises:
            InvalidRecordError: it does not fit the class.
            InvalidAnswerError: the answer is not Kinto's, or is one about another object.
        """
        obj = load_one(self.model, answer)
        self.refuse_other(answer, obj.id)
        made_up = self.dry is not None and self.dry.holds(answer.request)
        attach(obj, Snapshot(answer.body, self.objects, answer.cache_control, self.dry if made_up else None))
        return obj

    def refuse_other(self, answer: Answer, object_id: str) -> None:
        """Raises InvalidAnswerError if this is not the object that was asked for: what a proxy mixed up must not be
        written back.
        """
        asked = answer.request.target[len(self.place.path) + 1 :]  # nothing where it was the list
        if asked and asked != object_id and unquote(asked) != object_id and answer.request.target != _DEFAULT_BUCKET:
            raise InvalidAnswerError(f"{answer.request.line}: the server answered with another object, {object_id!r}")

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

    def adopt(self, obj: R, saved: R, before: bytes, held: Held | None) -> None:
        """Makes the instance what a copy of it was saved as, but for what was changed since it was ``before``, and its
        permissions ``held``, or all of them where that is None: none were saved.
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
        known = base is None and self.knows(obj)
        if known:
            base = state_of(obj).data
        error.mine, error.base = obj, as_told(obj) if known else None if base is None else self._of_list(base)
        if isinstance(existing, dict):
            with suppress(InvalidAnswerError):  # the conflict is the news, not that theirs does not fit
                error.theirs = self._of_list(existing)
                error.overlapping = names_of(self.model, merge_instances(obj, error.theirs, base).overlapping)
        return error

    def _of_list(self, data: Data) -> R:
        """An object of which no permissions were shown."""
        return self.load(Answer(envelope(data), None, created=False, request=Request("GET", self.place.path)))

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
        if may_be_rounded(dumped):
            refuse_rounded(self.model.__name__, draft.data, partial(parse, self.model))
        if state_of(obj).permissions is not None:  # or else nobody asked for them yet
            draft.permissions, draft.pending = obj.permissions.changes(), obj.permissions.pending()
            draft.held = obj.permissions.held
        return draft

    def refuse_stranger(self, obj: R) -> None:
        """Raises TypeError if the instance is not of the class."""
        if not isinstance(obj, self.model):
            raise TypeError(f"this repository is of {self.model.__name__}, not of {type(obj).__name__}")
        self._wake(obj)

    def _wake(self, obj: R) -> None:
        """What another dry run made up is not taken for what is there."""
        state = state_of(obj)
        if state.rehearsal is not None and state.rehearsal is not self.dry:
            state.wake()
            vars(obj)["last_modified"] = state.timestamp

    def forget(self, obj: R) -> None:
        """The object is not there any more."""
        state_of(obj).forget(self.dry)
        vars(obj)["last_modified"] = None

    def _refuse_mask(self, obj: R, told: R) -> None:
        data = dump(obj)
        for name, wire in wire_names(self.model).items():
            if masked(data.get(wire)) and getattr(told, name) != getattr(obj, name):
                raise lost_secret(f"{self.model.__name__}.{name}")

    def refuse_unusable(self, data: Data) -> None:
        """Raises InvalidSchemaError if the server would take what is to be written, and then fail on it; and what the
        class's own checks raise.
        """
        for wire, check in self.model.__kinto_checks__.items():
            if wire in data:
                check(data[wire])
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
