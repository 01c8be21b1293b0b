"""Error codes and messages of request fields. Pure.

A message says what is allowed and what a caller gets by leaving the field out. It is derived from the model's JSON
schema, so that a new field or bound has one, and not from pydantic's text, which is about Python. It repeats no value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from pydantic import BaseModel

from imagegen.problem_details import MAX_FIELD, FieldError

Schema = Mapping[str, Any]
Location = Sequence[str | int]

_CODES: Final = {
    "missing": "missing_field",
    "extra_forbidden": "unknown_field",
    "string_unicode": "invalid_text",
    "greater_than": "out_of_range",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
    "literal_error": "out_of_range",
    "too_long": "out_of_range",
    "too_short": "out_of_range",
    "string_too_long": "out_of_range",
    "finite_number": "out_of_range",
    "multiple_of": "size_invalid",
}
"""The error code for each pydantic error type. Every other type means that the JSON type is wrong: `wrong_type`."""
_OWN_CODES: Final = frozenset(
    {"wrong_type", "out_of_range", "prompt_empty", "prompt_too_long", "invalid_text", "url_not_allowed"}
)
"""Types of our own validators' errors, which have our own messages."""
FIELD_CODES: Final = frozenset({*_CODES.values(), *_OWN_CODES, "unknown_scheduler", "feature_not_available"})
"""Every code of an invalid field, all of status 422; planner.py adds the last two."""


@dataclass(frozen=True)
class Omitted:
    """Metadata of an optional field: what a caller gets by leaving it out."""

    text: str


def field_error(model: type[BaseModel], error: Mapping[str, Any]) -> FieldError:
    """Return pydantic's error about an instance of `model` as a field's error."""
    location: Location = error["loc"]
    is_key = len(location) > 2 and location[-1] == "[key]"
    if is_key:
        location = location[:-1]
    field = ".".join(map(str, location))[:MAX_FIELD]
    code = _code(error["type"], location)
    message = _message(model, location, code, own=str(error["msg"]) if error["type"] in _OWN_CODES else "")
    return FieldError(field, code, f"the key {message}" if is_key else message)


def _code(kind: str, location: Location) -> str:
    code = kind if kind in _OWN_CODES else _CODES.get(kind, "wrong_type")
    is_size = len(location) == 1 and location[0] in ("width", "height")
    return "size_invalid" if code == "out_of_range" and is_size else code


def _message(model: type[BaseModel], location: Location, code: str, own: str) -> str:
    if own:
        return own
    if code == "unknown_field":
        fields = ", ".join(_schema_at(model, location[:-1])["properties"])
        return f"is not a field of this {'object' if len(location) > 1 else 'request'}; the fields are {fields}"
    if code == "invalid_text":
        return "contains a lone surrogate, which is not a character"
    allowed = _description(_schema_at(model, location))
    if code == "missing_field":
        return f"is required and must be {allowed}"
    return f"must be {allowed}{_way_out(model, location)}"


def null_message(model: type[BaseModel], field: str) -> str:
    """Return the message for a field of `model` that is null."""
    return f"must not be null; it must be {_description(_schema_at(model, [field]))}{_way_out(model, [field])}"


def _way_out(model: type[BaseModel], location: Location) -> str:
    """Return what a caller gets by leaving an optional field out."""
    info = model.model_fields.get(str(location[0])) if len(location) == 1 else None
    omitted = next((each.text for each in info.metadata if isinstance(each, Omitted)), "") if info is not None else ""
    return f"; leave {location[0]} out for {omitted}" if omitted else ""


@cache
def _schema(model: type[BaseModel]) -> Schema:
    return model.model_json_schema()


def _schema_at(model: type[BaseModel], location: Location) -> Schema:
    """Return the schema of the value at `location`."""
    root = schema = _schema(model)
    for part in location:
        if isinstance(part, int):
            schema = schema["items"]
        else:
            schema = schema.get("properties", {}).get(part) or schema["additionalProperties"]
        if "$ref" in schema:
            schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema


def _description(schema: Schema) -> str:
    """Return the allowed values in words, such as `an integer from 8 to 4096, a multiple of 8`."""
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if "const" in schema:
        return str(schema["const"]).lower()
    return _DESCRIPTIONS[schema["type"]](schema)


def _integer(schema: Schema) -> str:
    multiple = f", a multiple of {schema['multipleOf']}" if "multipleOf" in schema else ""
    return f"an integer from {schema['minimum']} to {schema['maximum']}{multiple}"


def _number(schema: Schema) -> str:
    if "exclusiveMinimum" in schema:
        return f"a number above {schema['exclusiveMinimum']}, at most {schema['maximum']}"
    return f"a number from {schema['minimum']} to {schema['maximum']}"


def _string(schema: Schema) -> str:
    least = f"{schema['minLength']} to " if "minLength" in schema else "at most "
    length = f" of {least}{schema['maxLength']} characters" if "maxLength" in schema else ""
    return f"a string{length}{_first_sentence(schema.get('description', ''))}"


def _first_sentence(description: str) -> str:
    text = description.partition(". ")[0].removesuffix(".")
    return f": {text[0].lower()}{text[1:]}" if text else ""


def _array(schema: Schema) -> str:
    return f"a list of {schema['minItems']} to {schema['maxItems']}, each {_description(schema['items'])}"


def _object(schema: Schema) -> str:
    if "properties" in schema:
        return f"an object with the fields {', '.join(schema['properties'])}"
    return (
        f"an object with at most {schema['maxProperties']} members, each {_description(schema['additionalProperties'])}"
    )


_DESCRIPTIONS: Final = {
    "integer": _integer,
    "number": _number,
    "boolean": lambda _schema: "true or false",
    "string": _string,
    "array": _array,
    "object": _object,
}
