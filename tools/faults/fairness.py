"""R16: one tenant's thousand jobs delay another tenant's first job by at most one job's time.

MiniStack returns messages about in the order in which they were sent, and ignores their groups, as SQS may. So the
figures show what the product does by itself: they model nothing of SQS's fair queues.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Final

from tools.faults.callers import Call
from tools.faults.checker import table_rows
from tools.faults.deployment import Deployment
from tools.faults.run import NO_FAULTS, STALL_S, WORKERS, Figures, Run, call

_STEPS: Final = 5
_STEP_S: Final = "0.04"
_LEASE_S: Final = "20"
_VISIBILITY_S: Final = 120
"""A busy machine must not make messages visible again that wait in the poller."""
_LEAST_NEWCOMERS: Final = 3


def turns(run: Run) -> Figures:
    """R16: while one tenant's 1,000 jobs run, 20 others submit one job each, one after the other's has started.

    All jobs take as long, so no more than one job for each worker may start between a newcomer's response and its job.
    """
    deployment = run.deploy("R16", NO_FAULTS, STEP_S=_STEP_S, LEASE_S=_LEASE_S)
    many = [_call(n, "key-of-alice") for n in range(run.scaled(1000))]
    newcomers = [_call(len(many) + n, f"key-of-newcomer-{n}") for n in range(max(_LEAST_NEWCOMERS, run.scaled(20)))]
    run.submit(deployment, [*many, newcomers[0]])
    with deployment.running(concurrency=WORKERS, duplicates=0.2, visibility_s=_VISIBILITY_S) as poller:
        for before, each in pairwise(newcomers):
            _wait_for_start(deployment, before.n)
            run.submit(deployment, [each])
        deployment.wait_until_idle(poller, STALL_S)
    return _report(deployment, newcomers)


def _call(n: int, api_key: str) -> Call:
    return replace(call(n, num_inference_steps=_STEPS), api_key=api_key)


def _wait_for_start(deployment: Deployment, n: str) -> None:
    """Wait until the job number `n` has started, or for STALL_S."""
    end = time.monotonic() + STALL_S
    while n not in _started(deployment) and time.monotonic() < end:
        time.sleep(0.1)


def _report(deployment: Deployment, newcomers: Sequence[Call]) -> Figures:
    findings = deployment.findings()
    accepted = {each["n"]: each["at"] for each in deployment.history.entries("responded") if each["job_id"]}
    started = _started(deployment)
    names = [each.n for each in newcomers]
    overtaken = [
        sum(accepted[n] < at < started[n] for other, at in started.items() if other not in names) for n in names
    ]
    ungrouped = _ungrouped(deployment)
    succeeded = findings.states == {"succeeded": findings.jobs}
    holds = findings.holds() and succeeded and max(overtaken) <= WORKERS and not ungrouped
    return {
        "holds": holds,
        "jobs": findings.jobs,
        "newcomers": len(names),
        "workers": WORKERS,
        "most_started_before_a_newcomer": max(overtaken),
        "longest_wait_s": round(max(started[n] - accepted[n] for n in names), 3),
        "job_s": round(_STEPS * float(_STEP_S), 3),
        "messages_without_their_tenants_group": ungrouped,
        "lost": len(findings.lost),
        "stuck": len(findings.stuck),
        "examples": findings.describe(),
    }


def _ungrouped(deployment: Deployment) -> int:
    """Count delivered messages whose MessageGroupId is not their tenant."""
    deliveries = deployment.history.entries("delivered")
    pairs = [pair for each in deliveries for pair in zip(each["bodies"], each["groups"], strict=True)]
    return sum(json.loads(body)["tenant"] != group for body, group in pairs)


def _started(deployment: Deployment) -> dict[str, float]:
    """Return when each job first started, in epoch seconds, by its number."""
    rows = table_rows(deployment.aws, deployment.resources.table)
    return {
        json.loads(row["metadata"])["n"]: datetime.fromisoformat(row["started_at"]).timestamp()
        for row in rows
        if row["sk"] == "JOB" and "started_at" in row
    }
