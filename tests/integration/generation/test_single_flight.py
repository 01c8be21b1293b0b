"""Concurrent identical requests against the lease table of the template."""

from __future__ import annotations

import threading

from tests.support.fakes import PLENTY
from tests.support.job_world import JobWorld
from tests.support.plans import plan


def test_concurrent_identical_requests_generate_once(world: JobWorld) -> None:
    entered, go = threading.Event(), threading.Event()

    def wait(step: int) -> None:
        entered.set()
        assert go.wait(60)

    world.engine.during = wait
    seeded = plan(seed=7, num_inference_steps=4)
    cached = []

    def ask() -> None:
        cached.append(world.container.images.produce(seeded, tenant="alice", deadline=PLENTY).cached)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert entered.wait(60)
    go.set()
    for thread in threads:
        thread.join()
    assert sorted(cached) == [False] + [True] * 7
    assert world.engine.generations == 1
    assert world.items("LEASE#") == []
