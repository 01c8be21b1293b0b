from __future__ import annotations

import threading
from dataclasses import dataclass, field

from imagegen.generation.single_flight import SingleFlight
from tests.support.fakes import MemoryLeases


@dataclass
class SlowRenewals(MemoryLeases):
    """The first renewal reaches the table only after the lease was released."""

    renewing: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    renewed: list[bool] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def extend(self, tenant: str, name: str, owner: str, seconds: float) -> bool:
        self.renewing.set()
        assert self.released.wait(60)
        self.renewed.append(super().extend(tenant, name, owner, seconds))
        self.done.set()
        return self.renewed[-1]

    def release(self, tenant: str, name: str, owner: str) -> None:
        super().release(tenant, name, owner)
        self.released.set()


def test_a_caller_learns_whether_it_waits_or_leads() -> None:
    leases, told = MemoryLeases(), list[bool]()
    leases.take("alice", "work", "the leader", 20)

    def sleep(_: float) -> None:
        if len(told) == 2:
            leases.release("alice", "work", "the leader")

    flight = SingleFlight(leases, lease_s=20, renew_s=60, sleep=sleep)
    assert flight.run("alice", "work", lambda: tuple(told), lambda: None, told.append) == (True, True, False)
    assert flight.run("alice", "other", lambda: tuple(told[3:]), lambda: None, told.append) == (False,)


def test_a_renewal_under_way_at_the_release_does_not_take_the_lease_again() -> None:
    leases = SlowRenewals()
    flight = SingleFlight(leases, lease_s=20, renew_s=0.001)
    assert flight.run("alice", "work", work=lambda: leases.renewing.wait(60), find=lambda: None)
    assert leases.done.wait(60)
    assert leases.renewed == [False]
    assert leases.owners == {}
    assert flight.run("alice", "work", work=lambda: "at once", find=lambda: None) == "at once"
