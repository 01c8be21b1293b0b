"""How long GET /jobs/{id} takes under many callers at once: `python -m tools.local.latency`.

On a stack of its own, or the one that BASE_URL and API_KEY name. Locally all share one machine, and the
function has four environments: the figure is a bound on the code, not a forecast for Lambda.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import quantiles
from typing import Final

from tools.local.client import Client
from tools.local.endpoint import Endpoint
from tools.local.local import LOCAL, local_stack
from tools.local.process import free_port

CLIENTS: Final = 50
LOOKS: Final = 20
REQUEST: Final = {"prompt": "a red circle on a white background", "num_inference_steps": 2, "seed": 7}


def main() -> None:
    with _endpoint() as endpoint:
        client = Client(endpoint)
        job_id = client.call("POST", "/jobs", REQUEST).json()["id"]
        client.finished(job_id)
        with ThreadPoolExecutor(CLIENTS) as callers:
            found = callers.map(lambda _: _looks(endpoint, job_id), range(CLIENTS))
            seconds = [each for looks in found for each in looks]
    cuts = quantiles(seconds, n=100)
    print(f"GET /jobs/{{id}}: {CLIENTS} clients, {len(seconds)} requests, p50 {_ms(cuts[49])}, p99 {_ms(cuts[98])}")


@contextmanager
def _endpoint() -> Iterator[Endpoint]:
    if "BASE_URL" in os.environ:
        yield Endpoint(os.environ["BASE_URL"].rstrip("/"), os.environ["API_KEY"])
        return
    with local_stack(free_port(), LOCAL / "latency.log") as stack:
        yield stack.endpoint


def _looks(endpoint: Endpoint, job_id: str) -> list[float]:
    """Seconds of each of a client's looks, one after the other; the first, which connects, is left out."""
    client, seconds = Client(endpoint), []
    for _ in range(LOOKS + 1):
        started = time.perf_counter()
        client.job(job_id)
        seconds.append(time.perf_counter() - started)
    return seconds[1:]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


if __name__ == "__main__":
    main()
