"""Concurrent identical requests against the lease table of the template."""

from __future__ import annotations

import threading

from tests.support.fakes import PLENTY
from tests.support.job_requests import REQUEST
from tests.support.job_world import JobWorld


def test_concurrent_identical_requests_generate_once(world: JobWorld) -> None:
    entered, go = threading.Event(), threading.Event()

    def wait(step: int) -> None:
        entered.set()
        go.wait(10)

    world.engine.during = wait
    request = REQUEST.model_copy(update={"seed": 7})
    cached = []

    def ask() -> None:
        cached.append(world.service.produce(request, tenant="alice", deadline=PLENTY).cached)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert entered.wait(10)
    go.set()
    for thread in threads:
        thread.join(20)
    assert sorted(cached) == [False] + [True] * 7
    assert world.engine.generations == 1
    assert world.items("LEASE#") == []
