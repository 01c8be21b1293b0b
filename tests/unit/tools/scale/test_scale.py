"""The simulation of docs/scale.md, in small: it is repeatable, and it sees what it must see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest

from imagegen.jobs.sweep import LIMITS
from tools.scale import restarts as restarts_module
from tools.scale.clock import VirtualClock
from tools.scale.load import load
from tools.scale.restarts import Kind, restarts
from tools.scale.table import KEY_WRITES_S, Costs, SimulatedTable
from tools.scale.webhooks import Noise, deliveries

SLOW = Noise(takes_s=20.0, pending=300, per_minute=300)


@pytest.fixture(autouse=True)
def few_phases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restarts_module, "PHASES", 3)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_dead_workers_jobs_restart_within_the_promise_whatever_else_is_due(kind: Kind) -> None:
    found = restarts(20, 200, kind)
    assert found == restarts(20, 200, kind)
    assert 15 < found.p50_s < found.p99_s <= found.longest_s <= 90
    assert found.messages_a_job == 1


def test_the_simulation_sees_restarts_that_wait_for_other_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """As before: one shard, whose oldest jobs are handled first, and few of them in a sweep."""
    monkeypatch.setattr("imagegen.aws.due_shards.SHARDS", 1)
    monkeypatch.setattr("imagegen.aws.job_item._due_kind", lambda job: "open")
    monkeypatch.setattr("imagegen.jobs.sweep.LIMITS", LIMITS | {"open": 50})
    assert restarts(20, 200, "waiting").p99_s > 200


def test_a_key_takes_a_thousand_writes_a_second_beyond_those_of_the_first() -> None:
    clock = VirtualClock()
    table = SimulatedTable(clock, Costs(call_s=0, page_s=0))
    for _ in range(2 * KEY_WRITES_S):
        table._write("key")
    assert clock.now == pytest.approx(1.0, abs=0.01)
    table._write("another key")
    assert clock.now == pytest.approx(1.0, abs=0.01)


def test_ten_times_the_load_makes_ten_times_the_writes() -> None:
    few, many = load(12), load(120)
    assert many.table_wcu_s == pytest.approx(10 * few.table_wcu_s, rel=0.1)
    assert many.by_key["running"] < 4 * 12, "progress does not write to the index each second"
    assert many.by_key.keys() == {"open", "sent", "running", "done", "waiting"}


def test_a_slow_receiver_delays_no_other_tenant_beyond_the_promise() -> None:
    found = deliveries(SLOW, minutes=2)
    assert found == deliveries(SLOW, minutes=2)
    assert found.quiet_longest_s <= 30
    assert found.noisy_attempts >= 10
    assert found.noisy_busy > 0
    assert found.most_in_flight <= 50


def test_the_simulation_sees_a_slow_receiver_that_delays_others() -> None:
    assert deliveries(SLOW, minutes=2, limited=False).quiet_longest_s > 60


def test_retries_wait_in_the_table_until_the_sweeper_sends_them() -> None:
    quick = Noise(takes_s=0.05, pending=50, per_minute=0, reason="connection_failed")
    assert deliveries(quick, minutes=5).held == 50
    later = deliveries(replace(quick, pending=50), minutes=40)
    assert later.noisy_attempts == 100, "one at first, one half an hour later"
    assert later.quiet_longest_s <= 30


@pytest.mark.parametrize("request_", [{"ConditionExpression": "something new"}])
def test_the_simulated_table_refuses_what_it_does_not_understand(request_: Any) -> None:
    table = SimulatedTable(VirtualClock())
    with pytest.raises(NotImplementedError):
        table.delete_item(Key={"pk": {"S": "JOB"}}, **request_)
