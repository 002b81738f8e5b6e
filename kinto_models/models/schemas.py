"""JSON Schema as Kinto takes it: made of a class, and checked before it is sent.

Kinto checks a schema as one of Draft 7, and then applies it as the draft that its ``$schema`` names, or the newest
where there is none (kinto.schema_validation). What passes the one and fails in the other is a 500 for every record.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from kinto_models.errors import DeclarationError, InvalidSchemaError
from kinto_models.models.expressions import wire_name
from kinto_models.models.tracking import SERVER_OWNED

if TYPE_CHECKING:
    from kinto_models.models.stored import Stored

__all__ = ["NONE_IS_ABSENCE", "check_schema", "schema_of"]

_DRAFT_7: Final = "http://json-schema.org/draft-07/schema#"
_DEFINITIONS: Final = "#/definitions/"
_OLD: Final = re.compile(r"https?://json-schema\.org/draft-0[3467]/schema#?")
"""Dialects in which a list of ``items`` is what the newer ones call ``prefixItems``."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NEWER: Final = _words(
    "prefixItems unevaluatedItems unevaluatedProperties dependentRequired dependentSchemas minContains maxContains "
    "$anchor $dynamicAnchor $dynamicRef"
)
_OLDER: Final = _words("additionalItems dependencies")
_OF_ONE: Final = _words(
    "additionalItems additionalProperties contains else if items not propertyNames then unevaluatedItems "
    "unevaluatedProperties"
)
_OF_MANY: Final = _words("allOf anyOf oneOf prefixItems items")
_OF_NAMES: Final = _words("$defs definitions dependencies dependentSchemas patternProperties properties")

NONE_IS_ABSENCE: Final = "__kinto_none_is_absence__"
"""Marks a model's serialiser that leaves out what is None, and otherwise writes the fields as they are."""


def schema_of(model: type[Stored]) -> dict[str, Any]:
    """The JSON Schema of a class's objects: see ``Resource.kinto_schema``."""
    if any(wire_name(name, info) == "schema" for name, info in model.model_fields.items()) and _is_record(model):
        raise DeclarationError(
            f"{model.__name__} has a field that is stored as 'schema', where Kinto writes a timestamp once the "
            "collection has a JSON Schema: store it under another name"
        )
    try:
        made = model.model_json_schema(
            ref_template=_DEFINITIONS + "{model}", schema_generator=_Generator, mode="serialization"
        )
    except PydanticInvalidForJsonSchema as error:
        raise DeclarationError(f"{model.__name__} has no JSON Schema: {error.message}") from None
    made["properties"] = {wire: value for wire, value in made["properties"].items() if wire not in SERVER_OWNED}
    made["required"] = [wire for wire in made.get("required", ()) if wire not in SERVER_OWNED]
    made["definitions"] = made.pop("$defs", {})
    if model.__module__.startswith("kinto_models."):
        made.pop("description", None)  # this library's docstring
    schema = {
        "$schema": _DRAFT_7,
        **_as_draft_7({name: value for name, value in made.items() if value not in ({}, [])}),
    }
    check_schema(schema)
    return schema


def _is_record(model: type[Stored]) -> bool:
    return model.__kinto__.kind == "record"


class _Generator(GenerateJsonSchema):
    """Describes what is stored: what is computed is not."""

    schema_dialect = _DRAFT_7
    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}

    def ser_schema(self, schema: Any) -> JsonSchemaValue | None:
        if hasattr(schema.get("function"), NONE_IS_ABSENCE):
            return None
        return super().ser_schema(schema)

    def model_fields_schema(self, schema: Any) -> JsonSchemaValue:
        return super().model_fields_schema(_uncomputed(schema))

    def dataclass_args_schema(self, schema: Any) -> JsonSchemaValue:
        return super().dataclass_args_schema(_uncomputed(schema))

    def typed_dict_schema(self, schema: Any) -> JsonSchemaValue:
        return super().typed_dict_schema(_uncomputed(schema))


def _uncomputed(schema: Any) -> Any:
    return {**schema, "computed_fields": []}


def _as_draft_7(schema: Any) -> Any:
    """Pydantic's newest draft in the words of Draft 7, meaning the same."""
    if not isinstance(schema, dict):
        return schema
    made = {name: _mapped(name, value, _as_draft_7) for name, value in schema.items()}
    if "prefixItems" in made:
        made["items"] = made.pop("prefixItems")
    if "$ref" in made and len(made) > 1:  # Draft 7 looks at nothing beside a $ref
        made["allOf"] = [{"$ref": made.pop("$ref")}, *made.get("allOf", [])]
    return made


def _mapped(keyword: str, value: Any, function: Callable[[Any], Any]) -> Any:
    """The value of a keyword with ``function`` done to each schema in it."""
    if keyword in _OF_NAMES and isinstance(value, dict):
        return {name: function(each) for name, each in value.items()}
    if keyword in _OF_MANY and isinstance(value, list):
        return [function(each) for each in value]
    return function(value) if keyword in _OF_ONE else value


def check_schema(schema: Mapping[str, Any]) -> None:
    """Refuses a schema that Kinto takes, and then fails on at every record, or does not apply as it is written.

    Raises:
        InvalidSchemaError: it is one.
    """
    dialect = schema.get("$schema")
    old = isinstance(dialect, str) and _OLD.fullmatch(dialect) is not None
    for part in _parts(schema):
        _refuse_other_drafts(part, old=old)
        _refuse_patterns(part)
        if "$ref" in part:
            _refuse_unresolved(part["$ref"], schema)


def _refuse_other_drafts(part: Mapping[str, Any], *, old: bool) -> None:
    foreign = sorted((_NEWER if old else _OLDER) & part.keys())
    if not old and isinstance(part.get("items"), list):
        raise InvalidSchemaError(
            "a list of 'items' is Draft 7's, and without its '$schema' Kinto applies a newer draft, which fails on it "
            f'at every record: add "$schema": "{_DRAFT_7}"'
        )
    if foreign and old:
        raise InvalidSchemaError(
            f"{foreign[0]!r} is unknown to the draft that '$schema' names, which would not apply it: use that draft's "
            "own words, or leave '$schema' out"
        )
    if foreign:
        raise InvalidSchemaError(
            f"{foreign[0]!r} is unknown to the newest draft, which Kinto applies without a '$schema', so it would not "
            f'be applied: add "$schema": "{_DRAFT_7}"'
        )


def _refuse_patterns(part: Mapping[str, Any]) -> None:
    named = part.get("patternProperties")
    for pattern in (part.get("pattern"), *(named if isinstance(named, dict) else ())):
        if isinstance(pattern, str):
            try:
                re.compile(pattern)
            except re.error as error:
                raise InvalidSchemaError(
                    f"the pattern {pattern!r} is none of Python's, with which Kinto would fail at every record: {error}"
                ) from None


def _refuse_unresolved(reference: Any, schema: Mapping[str, Any]) -> None:
    names = {f"#{part['$anchor']}" for part in _parts(schema) if "$anchor" in part}
    names |= {part["$id"] for part in _parts(schema) if isinstance(part.get("$id"), str)}
    if reference in names or (isinstance(reference, str) and _points_into(reference, schema)):
        return
    raise InvalidSchemaError(
        f"the $ref {reference!r} leads to nothing in the schema, and Kinto fetches none from elsewhere: "
        "put what it means under 'definitions'"
    )


def _points_into(reference: str, schema: Any) -> bool:
    if reference == "#":
        return True
    if not reference.startswith("#/"):
        return False
    found = schema
    for step in reference[2:].split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and name.isdigit() and int(name) < len(found):
            found = found[int(name)]
        elif isinstance(found, Mapping) and name in found:
            found = found[name]
        else:
            return False
    return True


def _parts(schema: Any) -> Iterator[Mapping[str, Any]]:
    """The schema, and every schema in it."""
    if isinstance(schema, Mapping):
        yield schema
        inner: list[Any] = []
        for keyword, value in schema.items():
            _mapped(keyword, value, inner.append)
        for each in inner:
            yield from _parts(each)
