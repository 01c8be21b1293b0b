"""Rate limits by the generic cell rate algorithm (GCRA): a token bucket whose state is one number. Pure.

The number is the theoretical arrival time (tat): when the bucket is full again. It only grows. A bucket whose tat has
passed is full. Times are epoch microseconds, so that a rate of three a second has no rounding error to speak of.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

from imagegen.errors import RateLimited

RouteClass = Literal["drawing", "submitting", "looking"]
"""Routes that share a limit: POST /generate and its dialects; POST /jobs and what else changes something; GET."""

SKEW_US: Final = 60_000_000
"""A tat that lies further ahead than the policy allows, by more than this, was written by a clock that was wrong. It
counts as none, so that one wrong clock does not lock a tenant out. Clocks must agree within this time."""
_MAX_TENANTS: Final = 10_000
_SECOND_US: Final = 1_000_000


@dataclass(frozen=True)
class RatePolicy:
    """Up to `burst` requests at once, and `per_second` of them in the long run.

    Raises ValueError unless `per_second` is above 0 and at most 1,000,000, and `burst` at least 1.
    """

    route_class: RouteClass
    per_second: float
    burst: int

    def __post_init__(self) -> None:
        if not 0 < self.per_second <= _SECOND_US or self.burst < 1:
            raise ValueError(f"{self.route_class}: expected 0 < per_second <= {_SECOND_US} and burst >= 1")

    @property
    def interval_us(self) -> int:
        """Microseconds between requests at the limit, rounded up: never faster than `per_second`."""
        return math.ceil(_SECOND_US / self.per_second)

    @property
    def capacity_us(self) -> int:
        """Microseconds until an empty bucket is full."""
        return self.burst * self.interval_us

    @property
    def last_us(self) -> int:
        """How far the tat may lie ahead for one more request to be admitted."""
        return self.capacity_us - self.interval_us

    @property
    def beyond_us(self) -> int:
        """How far a tat lies ahead that only a wrong clock can have written."""
        return self.capacity_us + SKEW_US


@dataclass(frozen=True)
class Decision:
    """Whether a request is admitted. `tat_us` is the bucket's state after it; `idle` means that the bucket was full."""

    policy: RatePolicy
    allowed: bool
    tat_us: int
    now_us: int
    idle: bool

    @property
    def remaining(self) -> int:
        """Requests that would be admitted now."""
        return max(0, self.now_us + self.policy.capacity_us - self.tat_us) // self.policy.interval_us

    @property
    def retry_after_s(self) -> int:
        """Seconds, rounded up, after which a refused request is admitted if no other one comes first. 0 if admitted."""
        if self.allowed:
            return 0
        return max(1, _seconds(self.tat_us - self.policy.last_us - self.now_us))

    @property
    def headers(self) -> dict[str, str]:
        """RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-11).

        The effective window `t` is the time until the bucket is full, which promises less than it holds, because it
        refills meanwhile. On a refusal it is Retry-After, which must not be earlier than its end.
        """
        name, policy = self.policy.route_class, self.policy
        window_s = self.retry_after_s or _seconds(self.tat_us - self.now_us)
        return {
            "RateLimit-Policy": f'"{name}";q={policy.burst};w={_seconds(policy.capacity_us)}',
            "RateLimit": f'"{name}";r={self.remaining};t={window_s}',
        }

    def require_allowed(self) -> None:
        """Raise RateLimited, with Retry-After and the RateLimit headers, if the request is refused."""
        if not self.allowed:
            raise RateLimited(
                f"Too many requests of the class {self.policy.route_class}: {self.policy.per_second:g} per second and "
                f"{self.policy.burst} at once are allowed. Retry in {self.retry_after_s} s.",
                seconds=self.retry_after_s,
                headers=self.headers,
            )


def decide(policy: RatePolicy, tat_us: int | None, now_us: int) -> Decision:
    """Decide on one request at `now_us`. `tat_us` is the bucket's state, None if it has none."""
    idle = tat_us is None or not now_us < tat_us <= now_us + policy.beyond_us
    start = now_us if tat_us is None or idle else tat_us
    if start > now_us + policy.last_us:
        return Decision(policy, allowed=False, tat_us=start, now_us=now_us, idle=False)
    return Decision(policy, allowed=True, tat_us=start + policy.interval_us, now_us=now_us, idle=idle)


class TatMemory:
    """The last tat that this process has seen of each bucket.

    Because a tat only grows, the one seen is a lower bound: a request that it refuses is refused, without a call. It
    also tells which of the two conditional writes to try first.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], int] = {}

    def decide(self, tenant: str, policy: RatePolicy, now_us: int) -> Decision:
        """Decide by what was seen. A refusal is final; an admission needs the table's consent."""
        return decide(policy, self._seen.get((tenant, policy.route_class)), now_us)

    def learn(self, tenant: str, policy: RatePolicy, tat_us: int | None) -> None:
        """Remember the bucket's state in the table; None: it has none."""
        if len(self._seen) >= _MAX_TENANTS:
            self._seen.clear()  # costs one call for each bucket
        if tat_us is None:
            self._seen.pop((tenant, policy.route_class), None)
        else:
            self._seen[tenant, policy.route_class] = tat_us


def _seconds(microseconds: int) -> int:
    return -(-microseconds // _SECOND_US)
