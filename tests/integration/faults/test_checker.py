"""Under faults, the checker reports no problem with the product, and finds each bug that is put into it on purpose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools.faults.breakage import Breakage, broken
from tools.faults.callers import Call, call_all
from tools.faults.deployment import Deployment
from tools.faults.jobs import JOBS
from tools.faults.ministack import LocalAws
from tools.faults.plan import FaultPlan, Mix
from tools.faults.product import Product


def run(
    aws: LocalAws,
    folder: Path,
    jobs: int,
    product: Product = JOBS,
    faults: float = 0.3,
    stall_timeout_s: float = 60.0,
    kills: float = 0.1,
    **source: Any,
) -> Deployment:
    """Request each job twice with one key, and send three poison messages, with kills and duplicates, until idle."""
    deployment = Deployment(aws, product, folder, 5, FaultPlan(Mix.evenly(faults), delay_s=0.01))
    calls = [
        Call(str(n), f"key-{n}", {"prompt": "a circle", "seed": n, "metadata": {"n": str(n)}}, copy)
        for n in range(jobs)
        for copy in range(2)
    ]
    with deployment.running(concurrency=2, kills=kills, duplicates=0.2, late_s=0.5, **source) as poller:
        call_all(deployment.function(product.api), calls, deployment.history, deployment.seed, concurrency=2)
        for n, body in enumerate(['{"version": 9}', "nonsense", json.dumps({"version": 1})]):
            deployment.history.add("poison", n=f"poison-{n}")
            aws.client("sqs").send_message(QueueUrl=deployment.resources.queue_url, MessageBody=body)
        deployment.wait_until_idle(poller, stall_timeout_s)
    return deployment


def kill_first_run(aws: LocalAws, folder: Path, product: Product = JOBS, stall_timeout_s: float = 60.0) -> Deployment:
    """The first run that generates an image is killed; random kills might all miss. Without faults, all others end."""
    deployment = run(aws, folder, 5, product, 0.0, stall_timeout_s, kills=1.0, max_kills=1, kill_points=("denoising",))
    assert len(deployment.history.entries("killed")) == 1
    return deployment


def test_product_under_faults_passes(aws: LocalAws, tmp_path: Path) -> None:
    deployment = run(aws, tmp_path, jobs=60)
    findings = deployment.findings()
    assert findings.describe() == []
    assert findings.holds()
    assert (findings.accepted, findings.jobs, findings.bills, findings.dead_letters) == (60, 60, 60, 3)
    assert deployment.tally().doubts() == []


@pytest.mark.parametrize(
    ("breakage", "problem"),
    [("job_not_written", "lost"), ("key_not_written", "duplicated"), ("bill_not_written", "misbilled")],
)
def test_missing_write_is_found(aws: LocalAws, tmp_path: Path, breakage: Breakage, problem: str) -> None:
    findings = run(aws, tmp_path, jobs=10, product=broken(JOBS, breakage)).findings()
    assert problem in findings.problems()
    assert not findings.holds()


def test_dead_workers_job_is_recovered(aws: LocalAws, tmp_path: Path) -> None:
    findings = kill_first_run(aws, tmp_path).findings()
    assert findings.describe() == []
    assert findings.repeat_generations >= 1


def test_lease_that_never_ends_is_found(aws: LocalAws, tmp_path: Path) -> None:
    findings = kill_first_run(aws, tmp_path, broken(JOBS, "lease_never_ends"), stall_timeout_s=15.0).findings()
    assert findings.stuck
    assert not findings.holds()


def test_poison_without_dead_letter_is_found(aws: LocalAws, tmp_path: Path) -> None:
    deployment = run(aws, tmp_path, jobs=3, faults=0.0)
    deployment.history.add("poison", n="swallowed")
    assert not deployment.findings().holds()


def test_deleted_image_is_a_lost_job(aws: LocalAws, tmp_path: Path) -> None:
    deployment = run(aws, tmp_path, jobs=3, faults=0.0)
    assert deployment.findings().lost == []
    s3 = aws.client("s3")
    (first, *_) = s3.list_objects_v2(Bucket=deployment.resources.bucket)["Contents"]
    s3.delete_object(Bucket=deployment.resources.bucket, Key=first["Key"])
    assert len(deployment.findings().lost) == 1
