"""Log lines about jobs, and requests whose ids they must have."""

from __future__ import annotations

import json
from typing import Any

from tests.support.job_handlers import PROMPT, JobHandlers, body
from tools.lambda_event import authorizer

Line = dict[str, Any]


def request_id(number: int) -> str:
    return f"request-{number}"


def trace(number: int) -> str:
    return f"1-6a1b2c3d-{number:024x}"


def sent(number: int, **headers: str | list[str]) -> dict[str, Any]:
    """What changes in the event of a request with this number."""
    context = {"requestId": request_id(number), "stage": "v1", "path": "/v1/jobs", "authorizer": authorizer()}
    return {"requestContext": context, "headers": {"X-Amzn-Trace-Id": f"Root={trace(number)};Sampled=1"} | headers}


def ids(line: Line) -> tuple[str | None, str | None, str | None]:
    return line.get("job_id"), line.get("request_id"), line.get("trace_id")


def lines(text: str, *messages: str) -> list[Line]:
    """Return the log lines, or those with one of the messages; metrics are none."""
    found = [json.loads(line) for line in text.splitlines() if line.startswith('{"level"')]
    return [line for line in found if not messages or line["message"] in messages]


def submitted(handlers: JobHandlers, number: int, changes: dict[str, Any] | None = None) -> tuple[str, str, str]:
    """Submit a job by the request with this number. Returns the ids that its lines must have."""
    answer = handlers.call("POST", "/jobs", PROMPT | {"seed": number} | (changes or {}), **sent(number))
    return body(answer)["id"], request_id(number), trace(number)
