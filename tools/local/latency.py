"""Latency of GET /jobs/{id} with 50 concurrent clients: `make latency`.

Starts its own local stack, or uses the deployment at BASE_URL with API_KEY. Locally, clients and stack share one
machine and the function has four execution environments: the result is an upper bound for the code, not a forecast
for Lambda.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import quantiles
from typing import Final

from tools.local.client import Client
from tools.local.endpoint import Endpoint, deployed_endpoint
from tools.local.process import Output, free_port
from tools.local.stack import LOCAL, local_stack

CLIENTS: Final = 50
POLLS: Final = 20
REQUEST: Final = {"prompt": "a red circle on a white background", "num_inference_steps": 2, "seed": 7}


def main() -> None:
    with _endpoint() as endpoint:
        client = Client(endpoint)
        job_id = client.call("POST", "/jobs", REQUEST).json()["id"]
        client.wait_for_job(job_id)
        with ThreadPoolExecutor(CLIENTS) as callers:
            polls = callers.map(lambda _: _timed_polls(endpoint, job_id), range(CLIENTS))
            seconds = [each for timed in polls for each in timed]
    cuts = quantiles(seconds, n=100)
    print(f"GET /jobs/{{id}}: {CLIENTS} clients, {len(seconds)} requests, p50 {_ms(cuts[49])}, p99 {_ms(cuts[98])}")


@contextmanager
def _endpoint() -> Iterator[Endpoint]:
    if deployed := deployed_endpoint():
        yield deployed
        return
    with local_stack(free_port(), Output(LOCAL / "latency.log")) as stack:
        yield stack.endpoint


def _timed_polls(endpoint: Endpoint, job_id: str) -> list[float]:
    """Return the seconds of each of one client's sequential polls, without the first, which opens the connection."""
    client, seconds = Client(endpoint), []
    for _ in range(POLLS + 1):
        started = time.perf_counter()
        client.job(job_id)
        seconds.append(time.perf_counter() - started)
    return seconds[1:]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


if __name__ == "__main__":
    main()
