"""Strict JSON parsing: rejects what `json.loads` accepts (NaN, 1e999, duplicate keys)."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

from imagegen.errors import BodyNotObject, DuplicateKey, JsonTooDeep, MalformedJson, NumberOutOfRange, ServiceError
from imagegen.problem_details import MAX_FIELD, FieldError

MAX_DEPTH: Final = 16
"""Levels of arrays and objects; the deepest valid request has 3 (`webhook.events`)."""
MAX_DIGITS: Final = 20
"""Digits of an integer; no field needs more than 10. Beyond 4,300 CPython's own parser raises."""

# Strings, also unterminated ones, and brackets. Possessive and unable to fail, so its run time is linear.
_STRUCTURE: Final = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)

_BYTE_ORDER_MARK: Final = "\ufeff"
"""Ignored, as RFC 8259, 8.1 allows: editors and PowerShell write one."""
_HINTS: Final = {
    "'": "keys and strings need double quotes",
    '"': "a comma or a colon is missing before the quote, or the string does not end",
    ",": "a member is missing beside the comma",
    "}": "a member or a value is missing before the brace",
    "]": "a value is missing before the bracket",
    "\\": r"invalid escape; write a backslash as \\",
    "{": "a comma is missing, or there is more after the object",
    "[": "a comma is missing, or there is more after the object",
}
"""The likely mistake by the character at which parsing stopped."""


def parse_object(raw: bytes) -> dict[str, Any]:
    """Return UTF-8 bytes parsed as one JSON object.

    Raises MalformedJson, BodyNotObject, JsonTooDeep, DuplicateKey or NumberOutOfRange.
    """
    try:
        text = raw.decode("utf-8").removeprefix(_BYTE_ORDER_MARK)
    except UnicodeDecodeError as error:
        raise MalformedJson(f"The body is not UTF-8 (byte {error.start}).") from None
    if not text.strip():
        raise MalformedJson("The body is empty. Send a JSON object.")
    _check_depth(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_members,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_integer,
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise MalformedJson(f"The body is not JSON: {_hint(text, error.pos)} ({place}).") from None
    if (fault := _first_fault(value)) is not None:
        raise fault
    if not isinstance(value, dict):
        raise BodyNotObject
    return value


def _hint(text: str, position: int) -> str:
    """Return the likely mistake at `position`, in words that are the same on every version of Python."""
    if position >= len(text.rstrip()):
        return "it ends too early"
    character = text[position]
    if character < " ":
        return r"control characters in strings must be escaped; write \n for a line break"
    if character.isalpha():
        return "text needs double quotes; true, false and null are in lower case"
    return _HINTS.get(character, "unexpected character")


def _check_depth(text: str) -> None:
    depth = 0
    for match in _STRUCTURE.finditer(text):
        depth += (match[0] in "[{") - (match[0] in "]}")
        if depth > MAX_DEPTH:
            raise JsonTooDeep(f"The body must have at most {MAX_DEPTH} levels of arrays and objects.")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object. Raises DuplicateKey, or the first invalid number's error, with the member's name."""
    value: dict[str, Any] = {}
    for name, each in pairs:
        if name in value:
            raise _named(name, DuplicateKey("An object has the same key twice. Each key must be unique."))
        fault = _first_fault(each)
        if fault is not None:
            raise _named(name, fault)
        value[name] = each
    return value


def _named(name: str, fault: ServiceError) -> ServiceError:
    return type(fault)(fault.detail, errors=[FieldError(name[:MAX_FIELD], fault.code, fault.detail)])


def _first_fault(value: object) -> ServiceError | None:
    if isinstance(value, ServiceError):
        return value
    return next(filter(None, map(_first_fault, value)), None) if isinstance(value, list) else None


# An invalid number becomes its error, which _members raises: only there is the number's name known.


def _constant(name: str) -> ServiceError:
    return MalformedJson(f"{name} is not a JSON number. Use a finite number.")


def _float(text: str) -> float | ServiceError:
    value = float(text)
    return value if math.isfinite(value) else NumberOutOfRange("A number is too large for a 64-bit float.")


def _integer(text: str) -> int | ServiceError:
    if len(text.lstrip("-")) > MAX_DIGITS:
        return NumberOutOfRange(f"An integer must have at most {MAX_DIGITS} digits.")
    return int(text)
