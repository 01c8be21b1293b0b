"""R13: bursts of 50 times a tenant's limits, on 64 threads: nothing is exceeded by one, and nothing is 5xx.

`python -m tools.faults.limit_bursts 20 7` lets 20 of 1,000 requests through; the environment says where the table is.
Eight containers stand for eight processes: each has the services of the product and its own memory of the buckets, and
serves eight of the threads. Real: the services, the table's transactions and the bucket. Replaced: the engine, and the
clock, which stands still, so that a rate admits exactly its burst.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import count
from random import Random
from typing import Any, Final

from imagegen.deadline import Deadline
from imagegen.errors import ServiceError
from imagegen.generation.planner import Plan
from imagegen.generation.request import GenerateRequest
from imagegen.limits.quota import Amount, Quota, month_of
from imagegen.limits.rate_limit import RatePolicy
from imagegen.limits.tenant_limits import UNLIMITED, TenantLimits
from imagegen.limits.usage import total
from imagegen.wiring import Container
from tools.faults.jobs import BACKEND
from tools.faults.sleeping_engine import SleepingEngines

THREADS: Final = 64
PROCESSES: Final = 8
TIMES: Final = 50
"""Requests for each one that the limit allows."""
NOW_MS: Final = 1_795_694_400_000
"""2026-11-26T12:00:00Z."""
SOON: Final = Deadline(lambda: 28.0)
_STEP_S: Final = 0.0005

Figures = dict[str, Any]
Work = Callable[[Container, str, Plan], None]


class Bursts:
    """Eight processes, their clock, and the limits that they have at the moment."""

    def __init__(self, seed: int):
        self.now_ms, self.limits, self._random = NOW_MS, UNLIMITED, Random(seed)
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
        first = self.burst("rate", TIMES * allowed, _draw)
        self.now_ms += 200 * (refilled := max(1, allowed // 5))
        second = self.burst("rate", TIMES * refilled, _draw)
        return self._figures("rate", {"first": first, "second": second}, allowed + refilled, "rate_limited")

    def images(self, allowed: int) -> Figures:
        """Half are drawn at once, half are jobs, which a worker then runs."""
        self.limits = TenantLimits(quota=Quota(images=allowed))
        codes = self.burst("images", TIMES * allowed, self._draw_or_submit)
        self._run_jobs("images")
        return self._figures("images", {"first": codes}, allowed, "quota_exceeded")

    def dollars(self, allowed: int) -> Figures:
        """As for images. Each request reserves a cent; what it does not use is another one's."""
        cent = Decimal("0.01")
        self.limits = TenantLimits(quota=Quota(usd=allowed * cent, request_usd=cent))
        codes = self.burst("dollars", TIMES * allowed, lambda container, tenant, plan: _submit(container, tenant, plan))
        figures = self._figures("dollars", {"first": codes}, allowed, "quota_exceeded", settled=False)
        self._run_jobs("dollars")
        return figures | {"usd": str(self._usage("dollars").usd), "settled": self._is_settled("dollars")}

    def unfinished(self, allowed: int) -> Figures:
        """Jobs that are not finished."""
        self.limits = TenantLimits(quota=Quota(open_jobs=allowed))
        codes = self.burst("unfinished", TIMES * allowed, _submit)
        self._run_jobs("unfinished")
        return self._figures("unfinished", {"first": codes}, allowed, "queue_full")

    def _figures(
        self, tenant: str, bursts: dict[str, Counter[str]], allowed: int, code: str, *, settled: bool = True
    ) -> Figures:
        codes = sum(bursts.values(), Counter())
        busy = codes["rate_limited"] if code != "rate_limited" else 0  # a row that was busy for seconds
        exact = codes["admitted"] <= allowed and (bool(busy) or codes["admitted"] == allowed)
        others = {each: codes[each] for each in codes if each not in ("admitted", "rate_limited", code)}
        found = {"allowed": allowed, "codes": dict(codes), "others": others}
        found["settled"] = self._is_settled(tenant) if settled else None
        return found | {"exact": exact}

    def _is_settled(self, tenant: str) -> bool:
        """Return whether the quota is charged what usage and bills say, and not more than it allows."""
        committed = self.ledger.quotas.committed(tenant, month_of(NOW_MS))
        quota = self.limits.quota
        within = (quota.images is None or committed.images <= quota.images) and (
            quota.usd is None or committed.usd <= quota.usd
        )
        return within and committed == self._usage(tenant)

    def _usage(self, tenant: str) -> Amount:
        month = month_of(NOW_MS)
        return total(self.ledger.usage.usage(tenant, month, month))

    def _run_jobs(self, tenant: str) -> None:
        after: str | None = None
        while True:
            page = self.ledger.jobs.page(tenant, limit=100, after=after)
            for job in page.jobs:
                self.ledger.job_runner.run(tenant, job.job_id, Deadline.after(60))
            if (after := page.last) is None:
                return

    def _draw_or_submit(self, container: Container, tenant: str, plan: Plan) -> None:
        (_draw if plan.spec.seed % 2 else _submit)(container, tenant, plan)

    def _plan(self, number: int) -> Plan:
        fields = {"prompt": "a circle", "seed": 2 * self._random.randrange(2**30) + number % 2, "cache": "off"}
        return self.ledger.planner.plan(GenerateRequest.parse(fields | {"num_inference_steps": 1}))

    def _container(self) -> Container:
        container = Container.from_environment()
        container.clock, container.limits_of = lambda: self.now_ms, lambda _tenant: self.limits
        container.backend, container.engines = BACKEND, SleepingEngines(_STEP_S)
        _ = container.drawing, container.job_runner, container.usage  # before threads use them
        return container


def _draw(container: Container, tenant: str, plan: Plan) -> None:
    admission = container.drawing.admit(plan, tenant=tenant, deadline=SOON)
    container.drawing.draw(plan, admission, deadline=SOON, job_until=SOON)


def _submit(container: Container, tenant: str, plan: Plan) -> None:
    container.jobs.submit(plan, tenant=tenant)


def _code_of(work: Callable[[], None]) -> str:
    try:
        work()
    except ServiceError as error:
        return error.code
    return "admitted"


def main() -> int:
    """Return 0 if every limit admitted exactly what it allows and no request failed otherwise, else 1."""
    allowed, seed = map(int, sys.argv[1:3])
    bursts = Bursts(seed)
    found = {each.__name__: each(allowed) for each in (bursts.rate, bursts.images, bursts.dollars, bursts.unfinished)}
    holds = all(each["exact"] and each["settled"] and not each["others"] for each in found.values())
    print(json.dumps({"holds": holds, "threads": THREADS, "times": TIMES, **found}))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
