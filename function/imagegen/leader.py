"""Identical work at the same time is done once: a lease on its name, after Facebook's memcache (NSDI 2013).

Covered: callers in any number of processes; a leader that is killed, whose lease ends by itself. Not covered: a table
that does not answer, where everybody works for himself rather than nobody at all, and a leader that hangs beyond
LONGEST_S.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, TypeVar

from imagegen.errors import StorageUnavailable
from imagegen.heartbeat import beating
from imagegen.jobs import Limits
from imagegen.ports import Leases

T = TypeVar("T")
LONGEST_S: Final = 900
"""A function lives no longer."""
_POLL_S: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.0)


class Leader:
    def __init__(self, leases: Leases, limits: Limits, sleep: Callable[[float], None] = time.sleep):
        self._leases = leases
        self._limits = limits
        self._sleep = sleep

    def once(self, tenant: str, name: str, work: Callable[[], T], done_by_other: Callable[[], T | None]) -> T:
        """What `work` gives, or `done_by_other` as soon as another has done it; what they raise."""
        owner = secrets.token_hex(8)
        waits = 0
        while not self._leads(tenant, name, owner):
            self._sleep(_POLL_S[min(waits, len(_POLL_S) - 1)])
            waits += 1
            found = done_by_other()
            if found is not None:
                return found
        with self._leading(tenant, name, owner):
            # Whoever led before may have finished between the caller's look and our lease.
            return done_by_other() or work()

    def _leads(self, tenant: str, name: str, owner: str) -> bool:
        try:
            return self._leases.take(tenant, name, owner, self._limits.lease_s)
        except StorageUnavailable:
            return True

    @contextmanager
    def _leading(self, tenant: str, name: str, owner: str) -> Iterator[None]:
        ends = time.monotonic() + LONGEST_S

        def renew() -> None:
            if time.monotonic() < ends:
                self._leads(tenant, name, owner)

        try:
            with beating(renew, self._limits.renew_s):
                yield
        finally:
            with suppress(StorageUnavailable):
                self._leases.release(tenant, name, owner)
