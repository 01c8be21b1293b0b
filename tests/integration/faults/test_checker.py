"""The checker finds nothing wrong with honest code under faults, and each fault of the code that it is there for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools.faults.callers import Call, call_all
from tools.faults.deployment import Arena
from tools.faults.history import entries
from tools.faults.ministack import StandIn
from tools.faults.plan import FaultPlan, Mix
from tools.faults.sample import SAMPLE


def run(
    aws: StandIn, folder: Path, jobs: int, broken: str = "", patience_s: float = 60.0, kills: float = 0.1, **source: Any
) -> Arena:
    """Some keyed jobs in two copies each, three poison messages, kills and copies; everything comes to rest."""
    plan = FaultPlan(Mix.evenly(0.3), delay_s=0.01)
    arena = Arena(aws, SAMPLE, folder, 5, plan, {"BROKEN": broken, "LEASE_MS": "1500"})
    calls = [
        Call(str(n), f"key-{n}", {"prompt": "a circle", "metadata": {"n": str(n)}}, copy)
        for n in range(jobs)
        for copy in range(2)
    ]
    with arena.working(concurrency=2, kills=kills, duplicates=0.2, late_s=0.5, **source) as poller:
        call_all(arena.function(SAMPLE.api), calls, arena.ledger, arena.seed, at_once=2)
        for n, body in enumerate(['{"version": 9}', "nonsense", json.dumps({"version": 1})]):
            arena.ledger.add("poison", n=f"poison-{n}")
            aws.client("sqs").send_message(QueueUrl=arena.places.queue_url, MessageBody=body)
        arena.rest(poller, patience_s)
    return arena


def test_honest_code_under_faults_passes(aws: StandIn, tmp_path: Path) -> None:
    arena = run(aws, tmp_path, jobs=60)
    findings = arena.findings()
    assert findings.describe() == []
    assert findings.holds()
    assert (findings.accepted, findings.jobs, findings.bills, findings.dead_letters) == (60, 60, 60, 3)
    assert arena.tally().doubts() == []


@pytest.mark.parametrize(
    ("broken", "seen"), [("forgets", "lost"), ("repeats", "duplicated"), ("unbilled", "misbilled")]
)
def test_broken_code_is_found_out(aws: StandIn, tmp_path: Path, broken: str, seen: str) -> None:
    findings = run(aws, tmp_path, jobs=25, broken=broken).findings()
    assert seen in findings.wrong()
    assert not findings.holds()


def test_a_job_that_outlives_its_worker_unseen_is_found_out(aws: StandIn, tmp_path: Path) -> None:
    """The first run dies while it draws: random kills may spare every run that is under way."""
    one = {"most_kills": 1, "moments": ("denoising",)}
    arena = run(aws, tmp_path, jobs=5, broken="sticks", patience_s=5.0, kills=1.0, **one)
    findings = arena.findings()
    assert len(entries(arena.folder, "killed")) == 1
    assert findings.stuck
    assert not findings.holds()


def test_poison_that_leaves_no_dead_letter_is_found_out(aws: StandIn, tmp_path: Path) -> None:
    arena = run(aws, tmp_path, jobs=3)
    arena.ledger.add("poison", n="swallowed")
    assert not arena.findings().holds()


def test_an_image_that_is_gone_is_a_lost_job(aws: StandIn, tmp_path: Path) -> None:
    arena = run(aws, tmp_path, jobs=3)
    assert arena.findings().lost == []
    s3 = aws.client("s3")
    (first, *_) = s3.list_objects_v2(Bucket=arena.places.bucket)["Contents"]
    s3.delete_object(Bucket=arena.places.bucket, Key=first["Key"])
    assert len(arena.findings().lost) == 1
