"""Warm-ups of several environments at once, with the proof that they were different ones."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from imagegen.errors import ServiceError
from imagegen.rollout.ports import Functions

HOLD_MS: Final = 500
"""How long a ping keeps its environment, so that Lambda gives the others of the same moment to other environments.
Much more than sending fifty pings takes; at 10,240 MB, 0.00008 USD."""


@dataclass(frozen=True)
class Ping:
    """What one ping found: an environment and whether its model had to be loaded, or why there is none."""

    environment: str = ""
    cold: bool = False
    failure: str = ""


@dataclass(frozen=True)
class Warmed:
    """What was wanted, and what answered."""

    wanted: int
    environments: int
    """Distinct ones."""
    cold: int
    """Pings that waited for the model to load."""
    failures: dict[str, int]
    """How often each kind of failure happened."""


def warm(functions: Functions, function: str, wanted: int) -> Warmed:
    """Ping the function `wanted` times at once, at least once. Failures are counted, not raised."""
    with ThreadPoolExecutor(wanted) as pool:
        pings = list(pool.map(lambda _: _ping(functions, function), range(wanted)))
    return Warmed(
        wanted=wanted,
        environments=len({each.environment for each in pings if each.environment}),
        cold=sum(each.cold for each in pings),
        failures=dict(Counter(each.failure for each in pings if each.failure)),
    )


def _ping(functions: Functions, function: str) -> Ping:
    try:
        answer = functions.invoke(function, {"warmup": True, "hold_ms": HOLD_MS})
    except ServiceError as error:
        return Ping(failure=error.private or error.public_code)
    payload = answer.payload if isinstance(answer.payload, dict) else {}
    if answer.raised or payload.get("status") != "warm":
        return Ping(failure=answer.raised or str(payload.get("code", "no answer")))
    return Ping(str(payload["environment"]), bool(payload["cold_start"]))
