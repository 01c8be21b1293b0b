"""Strict JSON parsing: rejects what `json.loads` accepts (NaN, 1e999, duplicate keys)."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NoReturn

from imagegen.errors import BodyNotObject, DuplicateKey, JsonTooDeep, MalformedJson, NumberOutOfRange

MAX_DEPTH: Final = 16
"""Levels of arrays and objects; the deepest valid request has 3 (`webhook.events`)."""
MAX_DIGITS: Final = 20
"""Digits of an integer; no field needs more than 10. Beyond 4,300 CPython's own parser raises."""

# Strings, also unterminated ones, and brackets. Possessive and unable to fail, so its run time is linear.
_STRUCTURE: Final = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)


def parse_object(raw: bytes) -> dict[str, Any]:
    """Return UTF-8 bytes parsed as one JSON object.

    Raises MalformedJson, BodyNotObject, JsonTooDeep, DuplicateKey or NumberOutOfRange.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedJson(f"The body is not UTF-8 (byte {error.start}).") from None
    _check_depth(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_reject_constant,
            parse_float=_finite,
            parse_int=_short,
        )
    except json.JSONDecodeError as error:
        raise MalformedJson(f"The body is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).") from None
    if not isinstance(value, dict):
        raise BodyNotObject("The body must be a JSON object.")
    return value


def _check_depth(text: str) -> None:
    depth = 0
    for match in _STRUCTURE.finditer(text):
        depth += (match[0] in "[{") - (match[0] in "]}")
        if depth > MAX_DEPTH:
            raise JsonTooDeep(f"The body must have at most {MAX_DEPTH} levels of arrays and objects.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise DuplicateKey("An object has the same key twice. Each key must be unique.")
    return value


def _reject_constant(name: str) -> NoReturn:
    raise MalformedJson(f"{name} is not a JSON number. Use a finite number.")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise NumberOutOfRange("A number is too large for a 64-bit float.")
    return value


def _short(text: str) -> int:
    if len(text.lstrip("-")) > MAX_DIGITS:
        raise NumberOutOfRange(f"An integer must have at most {MAX_DIGITS} digits.")
    return int(text)
