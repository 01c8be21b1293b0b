"""Query parameters: a route takes the ones that it names, each once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from imagegen.errors import DuplicateKey, InvalidRequest
from imagegen.problem_details import MAX_FIELD, FieldError

MAX_LIMIT: Final = 100
"""Entries of a page."""
_MONTH: Final = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


def query_parameters(event: Mapping[str, Any], *names: str) -> dict[str, str]:
    """Return the values of the query parameters.

    Raises InvalidRequest for parameters that are not in `names`, and DuplicateKey for one that occurs twice: like an
    unknown field, a misspelled parameter must not change the result silently.
    """
    lines = _lines(event)
    unknown = [name for name in lines if name not in names]
    if unknown:
        raise InvalidRequest([_unknown(name, names) for name in unknown])
    for name, values in lines.items():
        if len(values) > 1:
            detail = f"The query parameter {name} occurs {len(values)} times. Send it once."
            raise DuplicateKey(detail, errors=[FieldError(name, DuplicateKey.code, "must occur once")])
    return {name: str(values[0]) for name, values in lines.items()}


def month_parameter(name: str, text: str | None, default: str) -> str:
    """Return the month of the parameter `name`, such as 2026-11. Raises InvalidRequest."""
    if text is not None and not _MONTH.fullmatch(text):
        raise InvalidRequest([FieldError(name, "out_of_range", "must be a month such as 2026-11")])
    return default if text is None else text


def limit_parameter(text: str | None, default: int) -> int:
    """Return the size of a page. Raises InvalidRequest."""
    if text is None:
        return default
    limit = int(text) if text.isascii() and text.isdecimal() and len(text) <= 3 else 0
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidRequest([FieldError("limit", "out_of_range", f"must be an integer from 1 to {MAX_LIMIT}")])
    return limit


def _lines(event: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return all values of each parameter. API Gateway keeps only the last one in `queryStringParameters`."""
    lines = {name: [value] for name, value in (event.get("queryStringParameters") or {}).items()}
    lines |= {name: values for name, values in (event.get("multiValueQueryStringParameters") or {}).items() if values}
    return lines


def _unknown(name: str, known: tuple[str, ...]) -> FieldError:
    parameters = f"the parameters are {', '.join(known)}" if known else "it has none"
    return FieldError(name[:MAX_FIELD], "unknown_field", f"is not a query parameter of this route; {parameters}")
