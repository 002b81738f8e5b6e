"""Class keywords: where the objects of a class live, and the rules for them.

``class Task(Record, bucket="todo", collection="tasks")``. A subclass inherits what it does not say anew.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

from pydantic import ConfigDict
from typing_extensions import Self

from kinto_models.errors import DeclarationError, InvalidIdError
from kinto_models.models.ids import IdGenerator, UUID4Ids
from kinto_models.protocol.paths import check_id, custom

__all__ = ["EXTRA", "Kind", "Options", "Unknown"]

Kind: TypeAlias = Literal["bucket", "collection", "group", "record"]
Unknown: TypeAlias = Literal["preserve", "ignore", "forbid"]

EXTRA: Final[dict[str, Literal["allow", "ignore", "forbid"]]] = {
    "preserve": "allow",
    "ignore": "ignore",
    "forbid": "forbid",
}
"""pydantic's words for ``unknown``."""

_PLACES: Final[dict[Kind, tuple[str, ...]]] = {
    "bucket": ("bucket",),
    "collection": ("bucket", "collection"),
    "group": ("bucket", "group"),
    "record": ("bucket", "collection"),
}


_RANDOM: Final = UUID4Ids()


@dataclass(frozen=True, slots=True)
class Options:
    """What a class says about its objects.

    Attributes:
        kind: which of Kinto's four kinds of objects they are.
        bucket: id of the bucket that they are in, or that they are.
        collection: id of the collection that they are in, or that they are.
        group: id of the group that they are.
        readonly: names of fields that are fixed after creation.
        ids: makes the ids of new objects, and says which ids there can be.
        path: the plural endpoint, where it is not one of Kinto's own four.
    """

    kind: Kind
    bucket: str | None = None
    collection: str | None = None
    group: str | None = None
    readonly: frozenset[str] = frozenset()
    ids: IdGenerator = _RANDOM
    path: str | None = None

    @property
    def own_id(self) -> str | None:
        """The id that the class itself stands for: a declared bucket, collection or group."""
        return {"bucket": self.bucket, "collection": self.collection, "group": self.group}.get(self.kind)

    @classmethod
    def inherited(cls, bases: Sequence[Options]) -> Options:
        """What a class has from its bases: the first that says something of a matter is heard, and what any of them
        makes readonly stays so.
        """
        merged, *others = bases
        for other in others:
            said = {name: getattr(other, name) for name in ("bucket", "collection", "group", "path")}
            ours = {name: getattr(merged, name) or value for name, value in said.items()}
            ids = other.ids if merged.ids is _RANDOM else merged.ids
            merged = replace(merged, **ours, ids=ids, readonly=merged.readonly | other.readonly)
        return merged

    def updated(self, name: str, keywords: dict[str, Any]) -> Self:
        """These options with the keywords of the subclass ``name``.

        Raises:
            DeclarationError: a keyword that does not exist, or a value that it does not take.
        """
        known = {*_PLACES[self.kind], "readonly", "ids", "path", "unknown"}
        for keyword in keywords:
            if keyword not in known:
                raise DeclarationError(f"class {name}: {_misspelt(keyword, known, self.kind)}")
        try:
            changed = _checked(keywords)
            changed["readonly"] = self.readonly | changed.get("readonly", frozenset())
            return replace(self, **changed)
        except (InvalidIdError, DeclarationError, TypeError) as exc:
            raise DeclarationError(f"class {name}: {exc}") from exc


def _misspelt(keyword: str, known: set[str], kind: Kind) -> str:
    near = difflib.get_close_matches(keyword, [*known, *ConfigDict.__annotations__], 1)
    hint = f"did you mean {near[0]!r}?" if near else f"a {kind} takes {', '.join(sorted(known))} and pydantic's config"
    return f"there is no keyword {keyword!r}; {hint}"


def _checked(keywords: dict[str, Any]) -> dict[str, Any]:
    if "path" in keywords and not keywords.keys().isdisjoint(("bucket", "collection", "group")):
        raise DeclarationError("path takes the place of bucket, collection and group: say one or the other")
    checked: dict[str, Any] = {}
    # The bucket last: one that is given wins over that of a declared collection.
    for keyword, value in sorted(keywords.items(), key=lambda item: item[0] == "bucket"):
        checked |= _CHECKS[keyword](value) if keyword in _CHECKS else _place(keyword, value)
    return checked


def _place(keyword: str, value: Any) -> dict[str, Any]:
    """The part of the options that a place says: an id, or a declared class, which also says what it is in."""
    declared = getattr(value, "__kinto__", None)
    if not isinstance(declared, Options):
        return {keyword: check_id(value, keyword)}
    if declared.kind != keyword or declared.own_id is None:
        raise DeclarationError(f"{keyword}={value.__name__}: not a class that declares the id of a {keyword}")
    return {part: getattr(declared, part) for part in _PLACES[declared.kind]}


def _readonly(value: Collection[str]) -> dict[str, Any]:
    names = frozenset([value] if isinstance(value, str) else value)
    if isinstance(value, str) or not all(isinstance(name, str) for name in names):
        raise DeclarationError("readonly takes the names of fields, such as readonly=('author',)")
    return {"readonly": names}


def _ids(value: IdGenerator | type[IdGenerator]) -> dict[str, Any]:
    generator = value() if isinstance(value, type) else value
    if not isinstance(generator, IdGenerator):
        raise DeclarationError("ids takes a callable with a 'pattern' that makes ids, such as UUID4Ids()")
    try:
        re.compile(generator.pattern)
    except (re.error, TypeError) as exc:
        raise DeclarationError(f"ids: the pattern {generator.pattern!r} is no regular expression") from exc
    return {"ids": generator}


def _path(value: str) -> dict[str, Any]:
    if not isinstance(value, str):
        raise DeclarationError(f"path takes a plural endpoint such as '/articles', not {value!r}")
    return {"path": custom(value).path}


def _unknown(value: Unknown) -> dict[str, Any]:
    if value not in EXTRA:
        raise DeclarationError(f"unknown is one of {', '.join(EXTRA)}, not {value!r}")
    return {}  # pydantic's config holds it


_CHECKS: Final[dict[str, Callable[[Any], dict[str, Any]]]] = {
    "readonly": _readonly,
    "ids": _ids,
    "path": _path,
    "unknown": _unknown,
}
