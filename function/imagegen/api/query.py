"""Query parameters: a route takes the ones that it names, each once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imagegen.errors import DuplicateKey, InvalidRequest
from imagegen.problem_details import MAX_FIELD, FieldError


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


def _lines(event: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return all values of each parameter. API Gateway keeps only the last one in `queryStringParameters`."""
    lines = {name: [value] for name, value in (event.get("queryStringParameters") or {}).items()}
    lines |= {name: values for name, values in (event.get("multiValueQueryStringParameters") or {}).items() if values}
    return lines


def _unknown(name: str, known: tuple[str, ...]) -> FieldError:
    parameters = f"the parameters are {', '.join(known)}" if known else "it has none"
    return FieldError(name[:MAX_FIELD], "unknown_field", f"is not a query parameter of this route; {parameters}")
