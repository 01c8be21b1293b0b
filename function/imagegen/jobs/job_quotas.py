"""What a new job reserves of its tenant's quota, and what its runs may use of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from imagegen.deadline import Deadline
from imagegen.generation import aws_calls
from imagegen.generation.planner import Plan
from imagegen.generation.pricing import Pricing
from imagegen.jobs.job import Job
from imagegen.jobs.timing import JobTiming
from imagegen.limits.quota import Amount, Quota
from imagegen.limits.tenant_limits import LimitsOf


@dataclass(frozen=True)
class JobQuotas:
    """Quotas of jobs. `pricing` is that of the function that runs them.

    `all_open_jobs` is how many jobs of all tenants may be unfinished; None for any number.
    """

    limits_of: LimitsOf
    pricing: Pricing
    timing: JobTiming
    all_open_jobs: int | None = None

    def quota(self, tenant: str) -> Quota:
        """Return the tenant's quota for a job that runs here."""
        return self.limits_of(tenant).quota

    def queueing_quota(self, tenant: str) -> Quota:
        """Return the tenant's quota for a job that is sent to the queue."""
        return replace(self.quota(tenant), all_open_jobs=self.all_open_jobs)

    def amount(self, plan: Plan, tenant: str) -> Amount:
        """Return what a job reserves: the cost of the longest one, but at most what one request may cost."""
        calls = aws_calls.of_job(self.timing.max_continuations + 1)
        usd = self.pricing.most(self.timing.longest_s, plan.spec, calls)
        return self.quota(tenant).bound(Amount.of(plan.spec.num_images_per_prompt, usd))

    def paid(self, job: Job, spent_s: Callable[[], float]) -> Deadline:
        """Return when a run that begins now has used what the job reserved, of which earlier runs used `spent_s`."""
        if job.reserved is None:
            return Deadline(lambda: math.inf)
        all_runs = Deadline.after(self.pricing.seconds(job.reserved.amount.usd))
        return Deadline(lambda: all_runs.left() - spent_s())
