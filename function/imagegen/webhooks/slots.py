"""How many of a tenant's webhooks are delivered at once, over all processes.

Covered: however slow a tenant's receivers are and however many webhooks it has, it occupies SLOTS of the function's
concurrent executions; a process that dies with a slot loses it for HELD_S. Not covered: as many tenants with slow
receivers as the concurrency has multiples of SLOTS. If the table does not respond, nobody is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from imagegen.errors import StorageUnavailable
from imagegen.jobs.ports import Clock
from imagegen.webhooks.ports import SlotStore

SLOTS: Final = 10
"""A fifth of the function's concurrency: 0.5 deliveries per second to a receiver that never responds, 50 to one that
responds within 0.2 s."""
HELD_S: Final = 60.0
"""The function's timeout."""
BUSY_MS: Final = 500
"""After a refusal, a process refuses for this long without asking the table, whose row takes 1,000 writes a second."""
_MAX_TENANTS: Final = 10_000


class Slots:
    """The deliveries that a tenant may make at once."""

    def __init__(self, store: SlotStore, clock: Clock):
        self._store = store
        self._clock = clock
        self._busy_until: dict[str, int] = {}

    @contextmanager
    def held(self, tenant: str) -> Iterator[bool]:
        """Hold one of the tenant's slots during the block; False if none is free."""
        release = self._take(tenant)
        try:
            yield release is not None
        finally:
            if release is not None:
                with suppress(StorageUnavailable):  # the lease ends by itself
                    release()

    def _take(self, tenant: str) -> Callable[[], None] | None:
        now = self._clock()
        if 0 < self._busy_until.get(tenant, 0) - now <= BUSY_MS:  # more: the clock was set back
            return None
        try:
            token = self._store.take(tenant, SLOTS, HELD_S)
        except StorageUnavailable:
            return _nothing
        if token is not None:
            return lambda: self._store.release(tenant, token)
        if len(self._busy_until) >= _MAX_TENANTS:
            self._busy_until.clear()
        self._busy_until[tenant] = now + BUSY_MS
        return None


def _nothing() -> None:
    """Release no slot."""
