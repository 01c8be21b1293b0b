"""Call a deployment without a pause, and count the requests that fail (`make load`, during a rollout or a rollback).

A failed request is one without a response, or with an unexpected status. 429 is a refusal that a caller can expect, and
is counted apart.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import requests

from tools.deployed.endpoint import NoEndpoint, endpoint_of
from tools.local.endpoint import Endpoint

DRAWING: Final = {"prompt": "a red circle on a white background", "num_inference_steps": 2, "cache": "off"}
MOST_CALLERS: Final = 100
MOST_MINUTES: Final = 240
Outcomes = Counter[str]


def rounds(endpoint: Endpoint, running: Callable[[], bool]) -> Outcomes:
    """Return how often each outcome happened: health, caller, a picture and a job, while `running`, at least once."""
    outcomes: Outcomes = Counter()
    session = requests.Session()
    while True:
        outcomes[_outcome(session, endpoint, "GET", "/health", {200})] += 1
        outcomes[_outcome(session, endpoint, "GET", "/me", {200})] += 1
        outcomes[_outcome(session, endpoint, "POST", "/generate", {200, 202})] += 1
        outcomes[_outcome(session, endpoint, "POST", "/jobs", {202})] += 1
        if not running():
            return outcomes


def failed(outcomes: Outcomes) -> int:
    """Return the number of requests that failed."""
    return sum(count for outcome, count in outcomes.items() if outcome.startswith("FAILED"))


def _outcome(session: requests.Session, endpoint: Endpoint, method: str, path: str, expected: set[int]) -> str:
    try:
        response = session.request(
            method,
            endpoint.base_url + path,
            headers={"x-api-key": endpoint.api_key},
            json=DRAWING if method == "POST" else None,
            timeout=60,
        )
    except requests.RequestException as error:
        return f"FAILED {method} {path} {type(error).__name__}"
    status = response.status_code
    verdict = "ok" if status in expected else "refused" if status == 429 else "FAILED"
    return f"{verdict} {method} {path} {status}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack_name")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--callers", type=int, default=2)
    parsed = parser.parse_args()
    if not 1 <= parsed.callers <= MOST_CALLERS or not 0 < parsed.minutes <= MOST_MINUTES:
        parser.error(f"CALLERS is a number from 1 to {MOST_CALLERS}, MINUTES one above 0, {MOST_MINUTES} at most")
    try:
        endpoint = endpoint_of(parsed.stack_name)
    except NoEndpoint as error:
        sys.exit(f"{parsed.stack_name}: {error}")
    end = time.monotonic() + parsed.minutes * 60
    with ThreadPoolExecutor(parsed.callers) as callers:
        each = callers.map(lambda _: rounds(endpoint, lambda: time.monotonic() < end), range(parsed.callers))
        outcomes = sum(each, Counter[str]())
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:7}  {outcome}")
    print(f"{sum(outcomes.values())} requests, {failed(outcomes)} failed")
    sys.exit(failed(outcomes) > 0)


if __name__ == "__main__":
    main()
