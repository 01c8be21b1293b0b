"""Callers of POST /jobs that repeat a request until it is answered: one thread and one Api environment each."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from random import Random
from typing import Any, Final

from tools.faults.environment import Environment, Function
from tools.faults.history import History
from tools.faults.kills import KillPoint
from tools.faults.limits import Limits
from tools.lambda_event import api_event, authorizer

_MAX_ATTEMPTS: Final = 60
_MAX_PAUSE_S: Final = 0.3
_RETRYABLE: Final = (409, 429)
"""And every 5xx."""


@dataclass(frozen=True)
class Call:
    """A request of the caller's job number `n`. `key` is its Idempotency-Key; `copy` numbers repeated requests.

    `last_step` is that of Limits.
    """

    n: str
    key: str
    body: dict[str, Any]
    copy: int = 0
    path: str = "/jobs"
    last_step: int | None = None
    api_key: str = "key-of-alice"
    """Determines its tenant."""


def call_all(
    api: Function, calls: Iterable[Call], history: History, seed: int, concurrency: int, kills: float = 0.0
) -> None:
    """Make every call and record its responses. `kills` is the share of invocations that die by SIGKILL."""
    random = Random(f"{seed}/callers")
    idle: SimpleQueue[Environment] = SimpleQueue()
    environments = [Environment(api, f"api-{number}") for number in range(concurrency)]
    for environment in environments:
        idle.put(environment)

    def make(call: Call) -> None:
        environment = idle.get()
        try:
            _call_until_answered(environment, call, history, random, kills)
        finally:
            idle.put(environment)

    try:
        with ThreadPoolExecutor(concurrency) as pool:
            list(pool.map(make, calls))
    finally:
        for environment in environments:
            environment.end()


def _call_until_answered(environment: Environment, call: Call, history: History, random: Random, kills: float) -> None:
    history.add("requested", n=call.n, copy=call.copy)
    event = api_event(call.body, path=call.path, headers={"Idempotency-Key": call.key})
    event["requestContext"]["authorizer"] = authorizer(call.api_key)
    for attempt in range(_MAX_ATTEMPTS):
        point: KillPoint | None = "any" if random.random() < kills else None
        outcome = environment.invoke(event, Limits(point, random.random() * 0.1, last_step=call.last_step))
        status, document = 502, {}
        if outcome.ended == "returned":
            status, document = outcome.value["statusCode"], json.loads(outcome.value["body"])
        history.add(
            "responded",
            n=call.n,
            copy=call.copy,
            status=status,
            code=document.get("code"),
            job_id=document.get("id") if status < 300 else None,
            ended=outcome.ended,
        )
        if status < 500 and status not in _RETRYABLE:
            return
        time.sleep(min(0.02 * (attempt + 1), _MAX_PAUSE_S))
