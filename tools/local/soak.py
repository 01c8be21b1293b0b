"""Mixed load of 50 clients on a local stack: `make soak`.

Most clients look, some submit jobs and poll them, some draw. Each waits for half a second between two requests, and as
long as Retry-After says. Prints latencies by route, statuses, and the memory of the functions' processes in the second
and in the last fifth of the time. Ends with 1 if a request failed, other than with 429, or if the memory grew by more
than 2 %. Clients and stack share one machine: latencies are an upper bound for the code.
"""

from __future__ import annotations

import argparse
import re
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from statistics import mean, quantiles
from typing import Any, Final

import psutil
import requests

from tools.local.endpoint import Endpoint
from tools.local.process import Output, free_port
from tools.local.stack import LOCAL, local_stack

CLIENTS: Final = 50
SUBMITTING: Final = 6
DRAWING: Final = 4
"""Clients that submit jobs, and that draw. The others look."""
GROWTH: Final = 0.02
_PAUSE_S: Final = 0.5
_SAMPLE_S: Final = 5.0
_FIFTHS: Final = 5
_REQUEST: Final = {"prompt": "a red circle on a white background", "num_inference_steps": 2, "cache": "off"}
_FUNCTION: Final = re.compile(r"ministack-lambda-imagegen-local-([A-Za-z]+)-")
_TIMEOUT_S: Final = (5, 60)

Memory = dict[str, float]
"""By function: the mean resident memory of a process, in bytes."""


class Log:
    """What all clients saw. Thread-safe."""

    def __init__(self) -> None:
        self.seconds: Final[dict[str, list[float]]] = defaultdict(list)
        self.statuses: Final[dict[str, Counter[str]]] = defaultdict(Counter)
        self._lock = threading.Lock()

    def add(self, route: str, status: str, seconds: float) -> None:
        """Add a response, or a request that got none."""
        with self._lock:
            self.seconds[route].append(seconds)
            self.statuses[route][status] += 1

    def failed(self) -> int:
        """Return the number of requests that failed: all but 2xx, 304 and 429."""
        counted = sum(self.statuses.values(), Counter[str]())
        return sum(number for status, number in counted.items() if not re.fullmatch(r"2\d\d|304|429", status))


class SoakClient:
    """One client, which calls until the time is over."""

    def __init__(self, endpoint: Endpoint, log: Log, running: Callable[[], bool]):
        self._base_url = endpoint.base_url
        self._log = log
        self._running = running
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["x-api-key"] = endpoint.api_key

    def look(self) -> None:
        """Ask for everything that is cheap, a job with its ETag included."""
        etag = ""
        for turn in count():
            if not self._running():
                return
            for path in ("/health", "/me", "/models", "/jobs?limit=20"):
                listed = self._call("GET", path)
            jobs = listed.json()["jobs"] if listed is not None and listed.ok else []
            if jobs:
                headers = {"if-none-match": etag} if etag and turn % 2 else {}
                job = self._call("GET", f"/jobs/{jobs[0]['id']}", headers=headers)
                etag = "" if job is None else job.headers.get("etag", "")

    def submit(self) -> None:
        """Submit jobs, and poll each until it is final."""
        while self._running():
            submitted = self._call("POST", "/jobs", json=_REQUEST)
            job = submitted.json() if submitted is not None and submitted.ok else {"status": "none"}
            while job["status"] in ("queued", "running") and self._running():
                polled = self._call("GET", f"/jobs/{job['id']}")
                job = polled.json() if polled is not None and polled.ok else job

    def draw(self) -> None:
        """Ask for pictures."""
        while self._running():
            self._call("POST", "/generate", json=_REQUEST)

    def _call(self, method: str, path: str, **options: Any) -> requests.Response | None:
        route = f"{method} {re.sub(r'/jobs/.*', '/jobs/{id}', path).partition('?')[0]}"
        started = time.perf_counter()
        try:
            response = self._session.request(method, self._base_url + path, timeout=_TIMEOUT_S, **options)
        except requests.RequestException as error:
            self._log.add(route, type(error).__name__, time.perf_counter() - started)
            return None
        self._log.add(route, str(response.status_code), time.perf_counter() - started)
        time.sleep(max(_PAUSE_S, float(response.headers.get("Retry-After", 0))))
        return response


def growth(samples: Sequence[Memory]) -> dict[str, tuple[float, float]]:
    """Return by function its mean in the second and in the last fifth of the samples, in bytes.

    The first fifth does not count: models are loaded and compiled in it.
    """
    size = max(1, len(samples) // _FIFTHS)
    parts = samples[size : 2 * size], samples[-size:]
    functions = sorted(set[str]().union(*samples))
    means = {name: [[each[name] for each in part if name in each] for part in parts] for name in functions}
    return {name: (mean(first), mean(last)) for name, (first, last) in means.items() if first and last}


def has_grown(memory: Mapping[str, tuple[float, float]]) -> bool:
    """Return whether a process of any function has more than GROWTH more memory at the end."""
    return any(last > first * (1 + GROWTH) for first, last in memory.values())


def report(log: Log, memory: Mapping[str, tuple[float, float]]) -> str:
    """Return both tables, in Markdown."""
    lines = ["| route | requests | p50 ms | p99 ms | statuses |", "| --- | --- | --- | --- | --- |"]
    for route, seconds in sorted(log.seconds.items()):
        cuts = quantiles(seconds, n=100) if len(seconds) > 1 else seconds * 99
        statuses = ", ".join(f"{number} x {status}" for status, number in sorted(log.statuses[route].items()))
        lines.append(f"| {route} | {len(seconds)} | {cuts[49] * 1000:.0f} | {cuts[98] * 1000:.0f} | {statuses} |")
    lines += ["", "| function | MB at first | MB at the end | growth |", "| --- | --- | --- | --- |"]
    for name, (first, last) in memory.items():
        lines.append(f"| {name} | {first / 2**20:.0f} | {last / 2**20:.0f} | {last / first - 1:+.1%} |")
    return "\n".join([*lines, "", f"{log.failed()} of {sum(map(len, log.seconds.values()))} requests failed"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    minutes = parser.parse_args().minutes
    if not 0 < minutes <= 24 * 60:
        parser.error("MINUTES is a number above 0, 1,440 at most")
    log, samples = Log(), list[Memory]()
    with local_stack(free_port(), Output(LOCAL / "soak.log")) as stack, ThreadPoolExecutor(CLIENTS) as threads:
        end = time.monotonic() + minutes * 60
        clients = [SoakClient(stack.endpoint, log, lambda: time.monotonic() < end) for _ in range(CLIENTS)]
        done = [threads.submit(each) for each in _parts(clients)]
        while time.monotonic() < end:
            time.sleep(_SAMPLE_S)
            samples.append(_memory(stack.process.pid))
        for each in done:
            each.result()
    memory = growth(samples)
    print(report(log, memory))
    return int(bool(log.failed()) or has_grown(memory))


def _parts(clients: Sequence[SoakClient]) -> Iterator[Callable[[], None]]:
    for index, client in enumerate(clients):
        yield client.submit if index < SUBMITTING else client.draw if index < SUBMITTING + DRAWING else client.look


def _memory(pid: int) -> Memory:
    found: dict[str, list[int]] = defaultdict(list)
    for process in psutil.Process(pid).children(recursive=True):
        try:
            name = _FUNCTION.search(" ".join(process.cmdline()))
            if name:
                found[name[1]].append(process.memory_info().rss)
        except psutil.NoSuchProcess:
            continue  # it has just ended
    return {name: mean(sizes) for name, sizes in found.items()}


if __name__ == "__main__":
    sys.exit(main())
