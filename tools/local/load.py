"""Call the API without a pause, and count the requests that fail.

A failed request is one without a response, or with an unexpected status. 429 is a refusal that a caller can expect, and
is counted apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

import requests

from tools.local.endpoint import Endpoint

DRAWING: Final = {"prompt": "a red circle on a white background", "num_inference_steps": 2, "cache": "off"}
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
