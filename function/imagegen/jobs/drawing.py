"""Draws for a caller who waits: admitted before the cache look-up, paid for before the response.

Covered: a process that dies between any two lines; a write whose acknowledgement is lost. The sweeper releases what was
reserved for a request that got no response, and the caller pays nothing for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from imagegen.deadline import Deadline
from imagegen.errors import GenerationTimeout, RequestTooExpensive
from imagegen.generation import aws_calls
from imagegen.generation.planner import Plan
from imagegen.generation.pricing import Pricing, charge_of, within
from imagegen.generation.result import Result
from imagegen.jobs.service import JobService, Submitted
from imagegen.limits.limiter import Admission, Limiter
from imagegen.limits.quota import Amount, Reservation
from imagegen.origin import UNKNOWN, Origin

if TYPE_CHECKING:
    from imagegen.generation.service import ImageService  # imports Pillow, which the zip functions lack

T = TypeVar("T")

MARGIN_S: Final = 2.0
"""Reserved beyond the deadline, for storing and signing what was finished just in time."""


@dataclass(frozen=True)
class Drawing:
    """Requests that are generated in this process, unless they have to become jobs. Thread-safe."""

    limiter: Limiter
    images: ImageService
    jobs: JobService
    pricing: Pricing

    def admit(self, plan: Plan, *, tenant: str, deadline: Deadline, key_id: str | None = None) -> Admission:
        """Count the request, and reserve what it costs if it takes until its deadline, or what one request may cost.

        Raises RateLimited, QuotaExceeded, RequestTooExpensive or StorageUnavailable, and InvalidCredentials if the
        tenant's key `key_id` has ended.
        """
        left_s = max(0.0, deadline.left())
        usd = self.pricing.most(left_s + MARGIN_S, plan.spec, aws_calls.REQUEST)
        longest = Amount.of(plan.spec.num_images_per_prompt, usd)
        amount = self.limiter.limits_of(tenant).quota.bound(longest)
        return self.limiter.admit(tenant, amount, left_s, key_id)

    def draw(
        self,
        plan: Plan,
        admission: Admission,
        *,
        deadline: Deadline,
        job_until: Deadline,
        deliver: Callable[[Result], T],
        origin: Origin = UNKNOWN,
    ) -> T | Submitted:
        """Return the images, or the job that the request becomes because they do not fit before the deadline.

        `deliver` turns the result into what this returns. If it raises, the caller pays nothing.

        The job gets the reservation; no job is made after `job_until`. On an error, the reservation is released.
        Raises what ImageService.generate, JobService.submit and `deliver` raise, and RequestTooExpensive if the request
        would use more than it has reserved.
        """
        try:
            return self._draw(plan, admission.reservation, deadline, job_until, deliver, origin)
        except BaseException:
            # Changes nothing if the reservation has become that of a job although the reply was lost.
            self.limiter.release(admission.reservation)
            raise

    def _draw(
        self,
        plan: Plan,
        reservation: Reservation,
        deadline: Deadline,
        job_until: Deadline,
        deliver: Callable[[Result], T],
        origin: Origin,
    ) -> T | Submitted:
        paid = Deadline.after(self.pricing.seconds(reservation.amount.usd))
        try:
            result = self._generate(plan, reservation, deadline.earlier(paid))
        except GenerationTimeout as error:
            if paid.left() < deadline.left():
                raise RequestTooExpensive from error
            if job_until.left() < 0:
                raise
            return self.jobs.submit(plan, tenant=reservation.tenant, held=reservation, origin=origin)
        delivered = deliver(result)
        self.limiter.settle(reservation, charge_of(result))
        return delivered

    def _generate(self, plan: Plan, reservation: Reservation, deadline: Deadline) -> Result:
        tenant = reservation.tenant
        self.images.require_time(plan, tenant=tenant, deadline=deadline)
        result = self.images.generate(
            plan, tenant=tenant, deadline=deadline, result_id=reservation.id, calls=aws_calls.REQUEST
        )
        return result.model_copy(update={"cost": within(result.cost, reservation.amount)})
