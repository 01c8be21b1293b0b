"""Runs identical work once: a lease on its name, as in Facebook's memcache leases (NSDI 2013).

Covered: callers in any number of processes; a leader that is killed, since its lease expires. Not covered: a leader
that hangs for longer than LONGEST_S. If leases are unavailable, every caller generates its own.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, TypeVar

from imagegen.errors import StorageUnavailable
from imagegen.generation.ports import Leases
from imagegen.heartbeat import heartbeat

T = TypeVar("T")
LONGEST_S: Final = 900
"""Lambda's longest timeout: no leader runs longer."""
_POLL_S: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.0)
"""Pauses between polls of a caller that waits for the leader; the last one repeats."""


class SingleFlight:
    """Elects one leader per name; the other callers wait for its result."""

    def __init__(self, leases: Leases, *, lease_s: float, renew_s: float, sleep: Callable[[float], None] = time.sleep):
        self._leases = leases
        self._lease_s = lease_s
        self._renew_s = renew_s
        self._sleep = sleep

    def run(
        self,
        tenant: str,
        name: str,
        work: Callable[[], T],
        find: Callable[[], T | None],
        waiting: Callable[[bool], None] = lambda _: None,
    ) -> T:
        """Return what `work` returns, or what `find` finds once another caller has done it. Raises what they raise.

        `waiting` is called with True before each pause, and with False once this caller is the leader.
        """
        owner = secrets.token_hex(8)
        waits = 0
        while not self._take(tenant, name, owner):
            waiting(True)
            self._sleep(_POLL_S[min(waits, len(_POLL_S) - 1)])
            waits += 1
            found = find()
            if found is not None:
                return found
        with self._holding(tenant, name, owner):
            waiting(False)
            # The previous leader may have finished between the caller's look-up and this lease.
            return find() or work()

    def _take(self, tenant: str, name: str, owner: str) -> bool:
        try:
            return self._leases.take(tenant, name, owner, self._lease_s)
        except StorageUnavailable:
            return True

    @contextmanager
    def _holding(self, tenant: str, name: str, owner: str) -> Iterator[None]:
        ends = time.monotonic() + LONGEST_S

        def renew() -> None:
            # Not `take`: a renewal that is still under way when the block ends would take the released lease again.
            if time.monotonic() < ends:
                with suppress(StorageUnavailable):
                    self._leases.extend(tenant, name, owner, self._lease_s)

        try:
            with heartbeat(renew, self._renew_s):
                yield
        finally:
            with suppress(StorageUnavailable):
                self._leases.release(tenant, name, owner)
