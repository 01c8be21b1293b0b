"""A JSON body read strictly: what `json.loads` lets through (NaN, 1e999, duplicate keys) is refused."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NoReturn

from imagegen.errors import BodyNotObject, DuplicateKey, JsonTooDeep, MalformedJson, NumberOutOfRange

MAX_DEPTH: Final = 16
"""Nesting of arrays and objects; the deepest legal request needs 2."""
MAX_DIGITS: Final = 20
"""Digits of an integer; no field needs more than 10. Beyond 4,300 CPython's parser itself raises."""

# Strings, open ones included, and brackets. Possessive and without a way to fail, so that its time is linear.
_STRUCTURE = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)


def parse_object(raw: bytes) -> dict[str, Any]:
    """Parse UTF-8 bytes as one JSON object.

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
            parse_constant=_refuse_constant,
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
            raise JsonTooDeep(f"The body nests deeper than {MAX_DEPTH} levels.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise DuplicateKey("A key occurs twice in the same object.")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedJson(f"{name} is not JSON.")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise NumberOutOfRange("A number is too large.")
    return value


def _short(text: str) -> int:
    if len(text.lstrip("-")) > MAX_DIGITS:
        raise NumberOutOfRange(f"An integer has more than {MAX_DIGITS} digits.")
    return int(text)
