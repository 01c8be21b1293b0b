"""Invocations that show that a version starts, with its settings and its packages, and change nothing. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from imagegen.rollout.ports import Answer


@dataclass(frozen=True)
class Probe:
    """An event, and whether an answer is that of a function that works."""

    event: dict[str, Any]
    passes: Callable[[Answer], bool]


def _has_status(status: int) -> Callable[[Answer], bool]:
    return lambda answer: isinstance(answer.payload, dict) and answer.payload.get("statusCode") == status


_FOREIGN: Final = Probe({"rollout_check": True}, _has_status(400))
"""No message of a queue: the function must refuse it, which it does after it has started."""
_HEALTH: Final = {
    "resource": "/health",
    "path": "/health",
    "httpMethod": "GET",
    "headers": {"Accept": "application/json"},
    "multiValueHeaders": {"Accept": ["application/json"]},
    "queryStringParameters": None,
    "multiValueQueryStringParameters": None,
    "pathParameters": None,
    "stageVariables": None,
    "requestContext": {"resourcePath": "/health", "httpMethod": "GET", "path": "/health", "requestId": "rollout-check"},
    "body": None,
    "isBase64Encoded": False,
}
_ANONYMOUS: Final = {
    "type": "REQUEST",
    "methodArn": "arn:aws:execute-api:rollout:check:api/stage/GET/health",
    "resource": "/health",
    "httpMethod": "GET",
    "headers": {},
    "multiValueHeaders": {},
    "requestContext": {"requestId": "rollout-check"},
}
PROBES: Final[Mapping[str, Probe]] = {
    "Worker": _FOREIGN,
    "DeadLetters": _FOREIGN,
    "Webhooks": _FOREIGN,
    "Api": Probe(_HEALTH, _has_status(200)),
    "Authorizer": Probe(_ANONYMOUS, lambda answer: answer.raised == "Unauthorized"),
    # One sweep more: it takes what is due, as that of the next minute would.
    "Sweeper": Probe({}, lambda answer: isinstance(answer.payload, dict) and "swept" in answer.payload),
}
"""By the function's logical id. Not here: Generator, which draws."""
FED_BY_QUEUES: Final = frozenset({"Worker", "DeadLetters", "Webhooks"})
"""A backlog takes every environment that they may have. It must not keep a repair from being deployed."""
