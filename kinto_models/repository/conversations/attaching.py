"""Files beside records, as conversations: attached, detached and downloaded.

kinto-attachment heeds no condition. What is known of an instance is compared with what is there before anything is
sent; between the two somebody else may write.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import dataclass
from dataclasses import replace as replaced
from functools import partial
from io import BytesIO, TextIOBase
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, Final, TypeVar, cast
from uuid import uuid4

from pydantic import ValidationError

from kinto_models.errors import (
    AlreadyExistsError,
    AttachmentError,
    ConflictError,
    DeclarationError,
    MissingCapabilityError,
    NoAttachmentError,
    NotFoundError,
    NotSavedError,
    WrongHashError,
)
from kinto_models.models.attachments import Attachment, FileProgress
from kinto_models.models.outcomes import SaveResult
from kinto_models.models.permissions import Permissions
from kinto_models.models.principals import Principal
from kinto_models.models.stored import Stored, as_told, changes_of, state_of
from kinto_models.models.tracking import Changes, dump, dump_json, names_of, wire_names
from kinto_models.protocol import attachments, operations
from kinto_models.protocol.attachments import CAPABILITY, FIELD, Form, check_mimetype, check_name
from kinto_models.protocol.bodies import encode
from kinto_models.protocol.messages import Conversation, Operation, Request, call, send, work
from kinto_models.protocol.operations import Answer
from kinto_models.repository.conversations import files
from kinto_models.repository.conversations.files import Arriving, Content, Part
from kinto_models.repository.conversations.hooks import saving, tell
from kinto_models.repository.conversations.patching import valued
from kinto_models.repository.conversations.reads import NO_OBJECT, get_or_none
from kinto_models.repository.conversations.sending import called, unchanged
from kinto_models.repository.conversations.writes import _drafted, _is_made_here
from kinto_models.repository.mapper import Draft, Mapper

__all__ = ["attach", "detach", "download"]

R = TypeVar("R", bound=Stored)
T = TypeVar("T")

_NO_PLUGIN: Final = (
    "the server has not the capability 'attachments': its operator installs kinto-attachment, adds kinto_attachment to "
    "kinto.includes, and says by kinto.attachment.base_path and kinto.attachment.base_url where the files are"
)
_IN_MEMORY: Final = 1 << 20
"""Bytes that are kept in memory until they are checked; beyond, they are in a temporary file."""


# Attach


@dataclass(slots=True)
class _Upload:
    """What is sent.

    Attributes:
        content: of the file.
        name: of the file.
        mimetype: of the file.
        changes: of the record, that are written with it.
        granted: its permissions that are written with it, whole.
        told: what the server told of it, once it was sent.
    """

    content: Content
    name: str
    mimetype: str
    changes: Changes
    granted: dict[str, list[str]]
    told: Attachment | None = None

    def send(self, mapper: Mapper[Any], object_id: str, parts: Mapping[str, Any]) -> Conversation[Answer]:
        """Sends it, and compares what the server says that it got.

        Raises:
            WrongHashError: it got other bytes.
        """
        told = {name: encode(value) for name, value in parts.items() if value}
        for text in told.values():
            mapper.refuse_nul(text)
        form = Form(told, self.name, self.mimetype, self.content, uuid4().hex)
        operation = attachments.attach(mapper.place, object_id, form)
        answer = yield from _answered(mapper, replaced(operation, pretend=partial(self._pretended, operation.request)))
        self.told = _read(answer.body, object_id)
        kept = self.told.original or {"hash": self.told.hash}  # which one that is kept compressed is not
        if kept.get("hash") != self.content.hash:
            raise WrongHashError(f"{answer.request.line}: the server got other bytes than were sent: attach it again")
        return answer

    def _pretended(self, request: Request) -> Answer:
        """What is answered in a dry run: a file that is nowhere."""
        size = sum(map(len, self.content))
        told = Attachment(filename=self.name, location="", hash=self.content.hash, size=size, mimetype=self.mimetype)
        return Answer(told.model_dump_json().encode(), None, created=False, request=request)


def attach(  # noqa: PLR0913  # what is sent, and how it is called
    mapper: Mapper[R],
    target: R | str,
    source: Any,
    *,
    filename: str | None,
    mimetype: str | None,
    data: Mapping[str, Any] | None,
    permissions: Mapping[str, Iterable[Principal]] | None,
    progress: FileProgress | None,
) -> Conversation[Attachment]:
    """Sends a file beside the object of an instance, or beside the one with this id."""
    _refuse_blind(mapper.model)
    if not isinstance(target, str):
        mapper.refuse_stranger(target)
        if not target.id:
            raise NotSavedError(f"the server makes the ids of {called(target)}: save() it before a file is attached")
    name = filename if filename is not None else files.file_of(source)
    if name is None:
        raise ValueError("attach() needs filename=..., because what is to be sent has no name by itself")
    kind = check_mimetype(mimetype if mimetype is not None else files.guessed(check_name(name)))
    changes = valued(mapper, data or {})
    if FIELD in changes.written:
        raise TypeError(f"{FIELD!r} is what the server tells of the file: it is not among the data")
    mapper.refuse(changes)
    granted = yield from _granted(mapper, permissions or {})
    if isinstance(source, AsyncIterable):
        content: Content = yield from call(files.collected, source, progress)
    else:
        content = yield from work(files.opened, source, progress)
    upload = _Upload(content, check_name(name), kind, changes, granted)
    try:
        yield from _by_id(mapper, target, upload) if isinstance(target, str) else _to_instance(mapper, target, upload)
    finally:
        content.close()
    return cast("Attachment", upload.told)


def _by_id(mapper: Mapper[R], object_id: str, upload: _Upload) -> Conversation[None]:
    answer = yield from upload.send(mapper, object_id, {"data": upload.changes.written, "permissions": upload.granted})
    if mapper.subscribers and not mapper.dry:
        obj = mapper.load((yield from send(operations.get(mapper.place, object_id))))
        yield from tell(mapper, "created" if answer.created else "updated", object_id, obj, None)


def _to_instance(mapper: Mapper[R], obj: R, upload: _Upload) -> Conversation[None]:
    if not mapper.knows(obj):
        yield from saving(mapper, obj, _create(mapper, obj, upload))
    else:
        yield from _compare(mapper, obj)
        names = names_of(mapper.model, {*upload.changes.written, FIELD})
        draft, unsaved = _untouched(obj), changes_of(obj).names
        old = as_told(obj) if mapper.subscribers else None
        yield from upload.send(mapper, obj.id, {"data": upload.changes.written, "permissions": upload.granted})
        yield from _catch_up(mapper, draft, unsaved - names)
        yield from tell(mapper, "updated", obj.id, obj, old)


def _create(mapper: Mapper[R], obj: R, upload: _Upload) -> Conversation[SaveResult]:
    """Makes the object with its file, in one request."""
    draft = (yield from _drafted(mapper, obj)).all()
    data = {name: value for name, value in {**draft.data, **upload.changes.written}.items() if name != FIELD}
    mapper.refuse_unusable(data)
    theirs = None if _is_made_here(obj) else (yield from get_or_none(mapper, obj.id))
    if theirs is not None:
        error = AlreadyExistsError(f"{called(obj)} exists: refresh() it, or attach to its id")
        error.mine, error.theirs = obj, theirs
        raise error
    granted = {ace: sorted(grants.granted) for ace, grants in draft.pending.items() if grants.granted}
    aces = {**(draft.permissions or granted), **upload.granted}
    yield from upload.send(mapper, obj.id, {"data": data, "permissions": aces})
    if mapper.dry:
        return SaveResult(created=True, changed=draft.names, etag=None)
    answer = yield from send(operations.get(mapper.place, obj.id))
    return mapper.acknowledge(draft, replaced(answer, created=True))


def _refuse_blind(model: type[Stored]) -> None:
    """Raises DeclarationError if no record with a file fits the class."""
    if model.model_config.get("extra") == "forbid" and FIELD not in wire_names(model).values():
        raise DeclarationError(
            f"{model.__name__} forbids fields that it does not declare, and could not read a record with a file: "
            "declare attachment: Attachment | None = None"
        )


def _granted(mapper: Mapper[R], permissions: Mapping[str, Iterable[Principal]]) -> Conversation[dict[str, list[str]]]:
    """Principals by ACE, as they are stored."""
    aces = Permissions({})
    for name, principals in permissions.items():
        if name not in mapper.aces:
            raise TypeError(f"there is no permission {name!r} of records, but {', '.join(mapper.aces)}")
        getattr(aces, name).replace(principals)
    if aces._is_open:
        aces._close((yield from mapper.facts.find_default_bucket()), mapper.facts)
    return {name: aces.all().get(name, []) for name in permissions}


# Detach


def detach(mapper: Mapper[R], target: R | str, *, missing_ok: bool) -> Conversation[bool]:
    """Takes the file of an object away; False where there was none and that is no error."""
    if not isinstance(target, str):
        mapper.refuse_stranger(target)
        yield from _compare(mapper, target)
        obj, old = target, as_told(target)
    else:
        found = yield from get_or_none(mapper, target)  # because the plugin would make one with a null
        if found is None:
            if missing_ok:
                return False
            raise NoAttachmentError(f"{mapper.model.__name__} {target!r} does not exist")
        obj, old = found, None
    if not (state_of(obj).data or {}).get(FIELD):
        if missing_ok:
            return False
        raise NoAttachmentError(f"{called(obj)} has no attachment")
    draft, unsaved = _untouched(obj), changes_of(obj).names
    operation = attachments.detach(mapper.place, obj.id)
    yield from _answered(mapper, replaced(operation, pretend=lambda: None))
    if not isinstance(target, str) or mapper.subscribers:
        yield from _catch_up(mapper, draft, unsaved - names_of(mapper.model, {FIELD}))
        yield from tell(mapper, "updated", obj.id, obj, old)
    return True


# Download


def download(
    mapper: Mapper[R], target: R | str | Attachment, to: Any, *, progress: FileProgress | None
) -> Conversation[Any]:
    """Reads a file: into bytes, a path or a file, once it is checked."""
    if not (to is None or isinstance(to, (str, os.PathLike)) or callable(getattr(to, "write", None))):
        raise TypeError(
            f"download() writes to a path or to a file that is open in binary mode, not to {type(to).__name__}"
        )
    if isinstance(to, TextIOBase):
        raise TypeError("download() writes bytes: open the file in binary mode, open(path, 'wb')")
    if not isinstance(target, (str, Attachment)):
        mapper.refuse_stranger(target)
    if isinstance(target, str):
        target = mapper.load((yield from send(operations.get(mapper.place, target))))
    attachment = target if isinstance(target, Attachment) else _of(target)
    if to is None:
        whole = BytesIO()
        yield from _fetch(mapper, attachment, Arriving(whole, attachment, progress, "memory", bounded=True))
        return whole.getvalue()
    if isinstance(to, (str, os.PathLike)):
        return (yield from _to_path(mapper, attachment, to, progress))
    with SpooledTemporaryFile(_IN_MEMORY) as checked:
        yield from _fetch(mapper, attachment, Arriving(checked, attachment, progress, "a temporary file"))
        return (yield from work(files.pour, checked, to))


def _to_path(
    mapper: Mapper[Any], attachment: Attachment, to: str | os.PathLike[str], progress: FileProgress | None
) -> Conversation[Path]:
    path, written = yield from work(files.target_of, to, attachment)
    if (yield from work(files.holds, path, attachment)):
        if progress is not None:
            progress(attachment.size, attachment.size)
        return path
    part = Part(written)
    try:
        yield from _fetch(mapper, attachment, Arriving(part.file, attachment, progress, path))
        yield from work(part.take_name)
    finally:
        part.drop()
    return path


def _fetch(mapper: Mapper[Any], attachment: Attachment, arriving: Arriving) -> Conversation[None]:
    root: str = mapper.objects.url.removesuffix(mapper.place.path)
    info = yield from mapper.facts.info(refresh=False)
    capability = info.capabilities.get(CAPABILITY)
    if capability is None:
        raise MissingCapabilityError(_NO_PLUGIN)
    base_url = (capability.model_extra or {}).get("base_url")
    if not isinstance(base_url, str) or not base_url:
        raise AttachmentError(
            "the server does not say where its files are: its operator sets kinto.attachment.base_url"
        )
    address = attachments.locate(root, base_url, attachment.location)
    yield from send(attachments.fetch(root, address, arriving))
    arriving.check()


# What they share


def _answered(mapper: Mapper[Any], operation: Operation[T]) -> Conversation[T]:
    """The result of a request to the plugin.

    Raises:
        MissingCapabilityError: the server has it not.
    """
    if mapper.dry and not (yield from mapper.facts.has(CAPABILITY)):  # which no refusal would tell
        raise MissingCapabilityError(_NO_PLUGIN)
    try:
        return (yield from mapper.send(operation))
    except NotFoundError as error:
        if error.errno != NO_OBJECT and not (yield from mapper.facts.has(CAPABILITY)):
            raise MissingCapabilityError(_NO_PLUGIN) from None
        raise


def _compare(mapper: Mapper[R], obj: R) -> Conversation[None]:
    """Raises ConflictError if the object changed since the instance was read, and NotFoundError if it is gone: the
    plugin would make it anew.
    """
    if not mapper.knows(obj):
        raise NotSavedError(f"{called(obj)} was never read or saved here: refresh() it, or name it by its id")
    answer = yield from send(operations.get_if_changed(mapper.place, obj.id, since=unchanged(obj, force=False) or 0))
    if answer is not None:
        error: ConflictError[R] = ConflictError(
            f"{called(obj)} changed on the server since it was read: refresh() or rebase() it, or name it by its id"
        )
        error.details = {"existing": state_of(mapper.load(answer)).data}
        raise mapper.conflict(error, obj)


def _untouched(obj: R) -> Draft[R]:
    """An instance of which nothing is written."""
    return Draft(obj, dump_json(obj), obj, {}, names=names_of(type(obj), {FIELD}))


def _catch_up(mapper: Mapper[R], draft: Draft[R], unsaved: frozenset[str]) -> Conversation[None]:
    """Reads what the plugin wrote, if it did, and leaves what is not saved alone."""
    if not mapper.dry:
        answer = yield from send(operations.get(mapper.place, draft.obj.id))
        mapper.acknowledge(draft, answer, keep=unsaved)


def _of(obj: Stored) -> Attachment:
    """What an instance tells of its file."""
    told = dump(obj).get(FIELD) or (state_of(obj).data or {}).get(FIELD)
    if not told:
        raise NoAttachmentError(f"{called(obj)} has no attachment")
    return _read(encode(told), obj.id)


def _read(told: bytes, object_id: str) -> Attachment:
    try:
        return Attachment.model_validate_json(told)
    except ValidationError:
        raise AttachmentError(f"what is told of the file of {object_id!r} is not what kinto-attachment tells") from None
