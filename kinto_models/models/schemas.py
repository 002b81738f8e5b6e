"""JSON Schema as Kinto takes it: made of a class, and checked before it is sent.

Kinto checks a schema as one of Draft 7, and then applies it as the draft that its ``$schema`` names, or the newest
where there is none (kinto.schema_validation). What passes the one and fails in the other is a 500 for every record.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

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
_NEWEST: Final = "https://json-schema.org/draft/2020-12/schema"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NEWER: Final = _words(
    "prefixItems unevaluatedItems unevaluatedProperties dependentRequired dependentSchemas minContains maxContains"
)
_OLDER: Final = _words("additionalItems dependencies")
_BY_NAME: Final = _words("$anchor $dynamicAnchor $dynamicRef $recursiveAnchor $recursiveRef")
_UNTOLD: Final = _words("const dependencies dependentRequired maxProperties minProperties not propertyNames")
"""What Kinto fails to tell of where a record as a whole breaks it (kinto.schema_validation.validate_schema)."""
_IN_PLACE: Final = _words("allOf anyOf oneOf not if then else")
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
    if "$ref" in made:  # of a class that holds itself
        made = {**made["$defs"][made["$ref"].removeprefix(_DEFINITIONS)], "$defs": made["$defs"]}
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
        if schema["type"].startswith("function-") and "return_schema" not in schema:
            return {}  # a serialiser that does not say what it makes may make anything
        return super().ser_schema(schema)

    def json_schema(self, schema: Any) -> JsonSchemaValue:  # noqa: ARG002  # whatever is in the text
        return {"type": "string", "contentMediaType": "application/json"}

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
    dialect = schema.get("$schema", _NEWEST)
    if dialect not in (_DRAFT_7, _DRAFT_7[:-1], _NEWEST):
        raise InvalidSchemaError(
            f"Kinto checks a schema as one of Draft 7 and applies it as one of the draft that it names, {dialect!r}: "
            f'name "{_DRAFT_7}" or "{_NEWEST}"'
        )
    if untold := sorted(_UNTOLD & schema.keys()):
        raise InvalidSchemaError(
            f"Kinto answers with a 500 where a whole record breaks {untold[0]!r}: say it of a field, or check it in "
            "the class"
        )
    for part in _parts(schema):
        _refuse_other_drafts(part, old=dialect != _NEWEST)
        _refuse_patterns(part)
        _refuse_names(part, schema)
        _refuse_loops(part, schema, ())


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


def _refuse_names(part: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    named = sorted(_BY_NAME & part.keys()) or (["$id"] if "$id" in part and part is not schema else [])
    if named:
        raise InvalidSchemaError(
            f"{named[0]!r} is not followed here: refer to a schema by its place, '#/definitions/name'"
        )
    if "$ref" in part and not isinstance(_referred(part["$ref"], schema), (Mapping, bool)):
        raise InvalidSchemaError(
            f"the $ref {part['$ref']!r} leads to no schema in the schema, and Kinto fetches none from elsewhere: "
            "put what it means under 'definitions'"
        )


def _refuse_loops(part: Any, schema: Mapping[str, Any], seen: tuple[int, ...]) -> None:
    """Refuses a schema that asks itself about the same value, for ever."""
    if not isinstance(part, Mapping):
        return
    if id(part) in seen:
        raise InvalidSchemaError(
            "a $ref leads back to where it stands, so Kinto would never come to an end with a record"
        )
    inner: list[Any] = [_referred(part["$ref"], schema)] if "$ref" in part else []
    for keyword in _IN_PLACE & part.keys():
        _mapped(keyword, part[keyword], inner.append)
    for each in inner:
        _refuse_loops(each, schema, (*seen, id(part)))


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


def _referred(reference: Any, schema: Mapping[str, Any]) -> Any:
    """What a reference leads to, or None."""
    own = schema.get("$id")
    if isinstance(reference, str) and isinstance(own, str) and reference.startswith(f"{own.rstrip('#')}#"):
        reference = reference[len(own.rstrip("#")) :]
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        return None
    found: Any = schema
    for step in unquote(reference).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list):
            found = found[int(name)] if name.isdigit() and int(name) < len(found) else None
        else:
            found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _parts(schema: Any) -> Iterator[Mapping[str, Any]]:
    """The schema, and every schema in it."""
    if isinstance(schema, Mapping):
        yield schema
        inner: list[Any] = []
        for keyword, value in schema.items():
            _mapped(keyword, value, inner.append)
        for each in inner:
            yield from _parts(each)
