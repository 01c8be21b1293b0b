"""Phrases of pydantic's and Python's own messages, which no caller should ever read."""

from __future__ import annotations

import re
from typing import Final, get_args

from pydantic_core import PydanticKnownError, core_schema

_BY_HAND: Final = (
    # Python's JSON decoder, from 3.11 to 3.14
    "Expecting", "Extra data", "Unterminated", "Invalid control character", "Invalid \\escape", "Invalid \\u",
    "delimiter", "property name", "trailing comma", "utf-8-sig", "codec", "surrogates not allowed",
    # pydantic's templates with parameters
    "Input should", "should have at", "should be", "List should", "Value error", "validation error",
    # Python
    "NoneType", "KeyError", "ValueError", "TypeError", "Traceback", "object has no attribute", "dictionary", "tuple",
)  # fmt: skip


def _template(kind: str) -> str | None:
    """Return the message of a pydantic error type; None for a type whose message has parameters."""
    try:
        return str(PydanticKnownError(kind, None).message())  # type: ignore[arg-type]
    except (TypeError, ValueError, KeyError):
        return None


PHRASES: Final = (*_BY_HAND, *filter(None, map(_template, get_args(core_schema.ErrorType))))


def foreign_phrases(text: str) -> list[str]:
    """Return the library phrases in `text`."""
    return [phrase for phrase in PHRASES if re.search(re.escape(phrase), text, re.IGNORECASE)]
