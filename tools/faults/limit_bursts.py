"""R13: bursts of 50 times a tenant's limits, on 64 threads: nothing is exceeded by one, and nothing is 5xx.

`python -m tools.faults.limit_bursts 20 7` lets 20 of 1,000 requests through; the environment says where the table is.
Eight containers stand for eight processes: each has the services of the product and its own memory of the buckets, and
serves eight of the threads. Real: the services, the table's transactions and the bucket. Added: the conflicts of
transactions (conflicts.py). Replaced: the engine, and the clock. It stands still, so that a rate admits exactly its
burst, except while requests arrive for a minute. AWS clients wait a minute for a response: 64 threads share the
machine's processors with the emulator, whose speed is not what is tested.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from itertools import count
from random import Random
from typing import Any, Final

from botocore.httpsession import URLLib3Session

from imagegen.deadline import Deadline
from imagegen.errors import ServiceError
from imagegen.generation.planner import Plan
from imagegen.generation.request import GenerateRequest
from imagegen.limits.quota import Amount, Quota, month_of
from imagegen.limits.rate_limit import RatePolicy
from imagegen.limits.tenant_limits import UNLIMITED, TenantLimits
from imagegen.limits.usage import total
from imagegen.wiring import Container
from tools.faults.conflicts import Conflicts
from tools.faults.jobs import BACKEND
from tools.faults.sleeping_engine import SleepingEngines

THREADS: Final = 64
PROCESSES: Final = 8
TIMES: Final = 50
"""Requests for each one that the limit allows."""
NOW_MS: Final = 1_795_694_400_000
"""2026-11-26T12:00:00Z."""
SUSTAINED_S: Final = 60
FULL: Final = 100
"""The limit of the whole volume, in which requests arrive for SUSTAINED_S seconds."""
RATE: Final = RatePolicy("drawing", per_second=5, burst=10)
SOON: Final = Deadline(lambda: 28.0)
_STEP_S: Final = 0.0005
_PATIENCE_S: Final = 60.0

Figures = dict[str, Any]
Work = Callable[[Container, str, Plan], None]


class Bursts:
    """Eight processes, their clock, and the limits that they have at the moment."""

    def __init__(self, seed: int):
        self.now_ms, self.limits, self._random = NOW_MS, UNLIMITED, Random(seed)
        self.clock: Callable[[], int] = lambda: self.now_ms
        self.processes = [self._container() for _ in range(PROCESSES)]
        self.ledger = self.processes[0]

    def burst(self, tenant: str, requests: int, work: Work) -> Counter[str]:
        """Do the work for each request, 64 at a time. Returns how often each code, or `admitted`, was the answer."""
        plans = [self._plan(number) for number in range(requests)]
        workers, numbers = [self.processes[each % PROCESSES] for each in range(THREADS)], count()

        def one_thread(container: Container) -> Counter[str]:
            codes: Counter[str] = Counter()
            while (number := next(numbers)) < requests:
                codes[_code_of(lambda: work(container, tenant, plans[number]))] += 1
            return codes

        with ThreadPoolExecutor(THREADS) as pool:
            return sum(pool.map(one_thread, workers), Counter())

    def rate(self, allowed: int) -> Figures:
        """A burst of POST /generate, and another one when a fifth of the bucket has been refilled."""
        self.limits = TenantLimits({"drawing": RatePolicy("drawing", per_second=5, burst=allowed)})
        codes = self.burst("rate", TIMES * allowed, _draw)
        self.now_ms += 200 * (refilled := max(1, allowed // 5))
        codes += self.burst("rate", TIMES * refilled, _draw)
        return _figures(codes, allowed + refilled, "rate_limited") | self._ended("rate")

    def sustained(self, allowed: int) -> Figures:
        """POST /generate and, on the same bucket, requests that become jobs, at 50 times the rate for a minute."""
        self.limits = TenantLimits({"drawing": RATE})
        began, seconds = time.monotonic(), SUSTAINED_S * allowed / FULL
        self.clock = lambda: NOW_MS + round(1000 * (time.monotonic() - began))
        with ThreadPoolExecutor(THREADS) as pool:
            codes: Counter[str] = sum(
                pool.map(lambda each: self._arrivals(each, began, seconds), range(THREADS)), Counter()
            )
        most = RATE.burst + math.floor((time.monotonic() - began) * RATE.per_second)
        self.clock = lambda: self.now_ms
        exact = 0 < codes["admitted"] <= most and codes.keys() <= {"admitted", "rate_limited"}
        figures = {"seconds": seconds, "requests": codes.total(), "most": most, "codes": dict(codes), "exact": exact}
        return figures | self._ended("sustained")

    def _arrivals(self, thread: int, began: float, seconds: float) -> Counter[str]:
        """Make one thread's requests, each when its time has come, until `seconds` have passed."""
        container, codes = self.processes[thread % PROCESSES], Counter[str]()
        work, interval = (_draw, _count)[thread % 2], THREADS / (TIMES * RATE.per_second)
        for number in count():
            at = began + interval * (number + thread / THREADS)
            if at >= began + seconds or time.monotonic() >= began + seconds:
                return codes
            time.sleep(max(0.0, at - time.monotonic()))
            codes[_code_of(partial(work, container, "sustained", self._plan(number)))] += 1
        return codes

    def images(self, allowed: int) -> Figures:
        """Half are drawn at once, half are jobs, which a worker then runs."""
        self.limits = TenantLimits(quota=Quota(images=allowed))
        codes = self.burst("images", TIMES * allowed, _draw_or_submit)
        return _figures(codes, allowed, "quota_exceeded") | self._ended("images")

    def dollars(self, allowed: int) -> Figures:
        """Jobs that reserve a cent each. They run when all have been submitted, so none has given back its rest."""
        cent = Decimal("0.01")
        self.limits = TenantLimits(quota=Quota(usd=allowed * cent, request_usd=cent))
        codes = self.burst("dollars", TIMES * allowed, _submit)
        return _figures(codes, allowed, "quota_exceeded") | self._ended("dollars")

    def unfinished(self, allowed: int) -> Figures:
        """Jobs that are not finished."""
        self.limits = TenantLimits(quota=Quota(open_jobs=allowed))
        codes = self.burst("unfinished", TIMES * allowed, _submit)
        return _figures(codes, allowed, "queue_full") | self._ended("unfinished")

    def _ended(self, tenant: str) -> Figures:
        """Run the tenant's jobs. Returns whether the quota is charged what usage says, and no more than it allows."""
        self._run_jobs(tenant)
        month, quota = month_of(NOW_MS), self.limits.quota
        charged, used = (
            self.ledger.quotas.committed(tenant, month),
            total(self.ledger.usage.usage(tenant, month, month)),
        )
        within = charged == charged.at_most(Amount(quota.images or charged.images, quota.usd or charged.usd))
        return {"settled": within and charged == used, "images": used.images, "usd": f"{used.usd:f}"}

    def _run_jobs(self, tenant: str) -> None:
        after: str | None = None
        while True:
            page = self.ledger.jobs.page(tenant, limit=100, after=after)
            for job in page.jobs:
                self.ledger.job_runner.run(tenant, job.job_id, Deadline.after(60))
            if (after := page.last) is None:
                return

    def _plan(self, number: int) -> Plan:
        fields = {"prompt": "a circle", "seed": 2 * self._random.randrange(2**30) + number % 2, "cache": "off"}
        return self.ledger.planner.plan(GenerateRequest.parse(fields | {"num_inference_steps": 1}))

    def _container(self) -> Container:
        container = Container.from_environment()
        container.clock, container.limits_of = lambda: self.clock(), lambda _tenant: self.limits
        container.backend, container.engines = BACKEND, SleepingEngines(_STEP_S)
        _ = container.drawing, container.job_runner, container.usage  # before threads use them
        return container


def _wait_for_responses() -> None:
    """Let every AWS client of this process wait a minute, instead of the few seconds that it waits for AWS."""
    original = URLLib3Session.__init__

    def patient(session: URLLib3Session, **options: Any) -> None:
        original(session, **options | {"timeout": _PATIENCE_S})

    setattr(URLLib3Session, "__init__", patient)  # noqa: B010  # mypy rejects the assignment


def _draw(container: Container, tenant: str, plan: Plan) -> None:
    admission = container.drawing.admit(plan, tenant=tenant, deadline=SOON)
    container.drawing.draw(plan, admission, deadline=SOON, job_until=SOON, deliver=lambda result: result)


def _count(container: Container, tenant: str, plan: Plan) -> None:
    container.limiter.take(tenant, "drawing")
    container.jobs.submit(plan, tenant=tenant)


def _submit(container: Container, tenant: str, plan: Plan) -> None:
    container.jobs.submit(plan, tenant=tenant)


def _draw_or_submit(container: Container, tenant: str, plan: Plan) -> None:
    (_draw if plan.spec.seed % 2 else _submit)(container, tenant, plan)


def _figures(codes: Counter[str], allowed: int, refused: str) -> Figures:
    """Return how often each code was the answer, and whether exactly `allowed` were admitted and all others refused.

    `rate_limited` is also the answer to a request that has met conflicts for too long.
    """
    exact = codes["admitted"] == allowed and codes.keys() <= {"admitted", refused, "rate_limited"}
    return {"allowed": allowed, "codes": dict(codes), "exact": exact}


def _code_of(work: Callable[[], None]) -> str:
    try:
        work()
    except ServiceError as error:
        return error.code
    return "admitted"


def main() -> int:
    """Return 0 if every limit admitted exactly what it allows and no request failed otherwise, else 1."""
    _wait_for_responses()
    allowed, seed = map(int, sys.argv[1:3])
    bursts, conflicts = Bursts(seed), Conflicts()
    kinds = (bursts.rate, bursts.sustained, bursts.images, bursts.dollars, bursts.unfinished)
    with conflicts.installed():
        found = {each.__name__: each(allowed) for each in kinds}
    holds = all(each["exact"] and each["settled"] for each in found.values()) and conflicts.refused > 0
    report = {"holds": holds, "threads": THREADS, "times": TIMES, "conflicts": conflicts.refused}
    print(json.dumps(report | found))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
