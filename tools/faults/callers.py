"""Callers of POST /jobs who insist: one thread and one environment of the Api function each."""

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
from tools.faults.history import Ledger
from tools.faults.kills import Moment
from tools.lambda_event import api_event

_TRIES: Final = 60
_LONGEST_PAUSE_S: Final = 0.3
_AGAIN: Final = (409, 429)


@dataclass(frozen=True)
class Call:
    """A request to be made until it is answered; `key` is its Idempotency-Key, `copy` tells equal ones apart."""

    n: str
    key: str
    body: dict[str, Any]
    copy: int = 0


def call_all(api: Function, calls: Iterable[Call], ledger: Ledger, seed: int, at_once: int, kills: float = 0.0) -> None:
    """Make every call, `at_once` of them at a time, and write down what each was told."""
    random = Random(f"{seed}/callers")
    environments: SimpleQueue[Environment] = SimpleQueue()
    every = [Environment(api, f"api-{number}") for number in range(at_once)]
    for environment in every:
        environments.put(environment)

    def make(call: Call) -> None:
        environment = environments.get()
        try:
            _insist(environment, call, ledger, random, kills)
        finally:
            environments.put(environment)

    try:
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(make, calls))
    finally:
        for environment in every:
            environment.end()


def _insist(environment: Environment, call: Call, ledger: Ledger, random: Random, kills: float) -> None:
    ledger.add("asked", n=call.n, copy=call.copy)
    event = api_event(call.body, path="/jobs", headers={"Idempotency-Key": call.key})
    for attempt in range(_TRIES):
        moment: Moment | None = "any" if random.random() < kills else None
        outcome = environment.invoke(event, moment, random.random() * 0.1)
        status, document = 502, {}
        if outcome.ended == "returned":
            status, document = outcome.value["statusCode"], json.loads(outcome.value["body"])
        ledger.add(
            "answered",
            n=call.n,
            copy=call.copy,
            status=status,
            code=document.get("code"),
            job_id=document.get("id") if status < 300 else None,
            ended=outcome.ended,
        )
        if status < 500 and status not in _AGAIN:
            return
        time.sleep(min(0.02 * (attempt + 1), _LONGEST_PAUSE_S))
