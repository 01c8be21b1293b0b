"""R1 to R8, R12, R13 and R16 as test runs of the product. Each returns its figures and whether the promise holds.

R5 and R6's kills at every step are in resumption.py, the rest of R6 in restarts.py, R16 in fairness.py. R3 and R8 run
as separate processes on moto, without the faults of this harness and always with the product itself.

Volumes are those of the issue times `scale`. A run whose faults differ from the plan does not hold.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tools.faults.deployment import Deployment
from tools.faults.fairness import turns
from tools.faults.plan import FaultPlan, Mix
from tools.faults.report import report, unexpected_redeliveries
from tools.faults.restarts import restarts
from tools.faults.resumption import hand_ons, kills_at_every_step
from tools.faults.run import NO_FAULTS, STALL_S, WORKERS, Figures, Run, call
from tools.local.process import ROOT

_FAULT_SHARE: Final = 0.3
_MIN_KILLED: Final = 0.05
_ARMED: Final = 0.12
"""Share of R1's deliveries that are to be killed. More than half end before they reach their kill point, mostly
duplicates of finished jobs."""
_RESEND_STALL_S: Final = 400.0
"""Longer than the 360 s after which the sweeper sends a queued job's message again."""


def r1(run: Run) -> Figures:
    """An accepted job is never lost."""
    deployment = run.deploy("R1", FaultPlan(Mix.evenly(_FAULT_SHARE)))
    jobs = run.scaled(10_000)
    poison = {n for n in range(jobs) if n % 500 == 499}
    calls = [call(n, prompt="poison" if n in poison else "a circle") for n in range(jobs)]
    with deployment.running(concurrency=WORKERS, kills=_ARMED, duplicates=0.2) as poller:
        for n in poison:
            deployment.history.add("poison", n=str(n))
        _send_poison(deployment, max(3, jobs // 200))
        run.submit(deployment, calls, kills=0.01)
        deployment.wait_until_idle(poller, _RESEND_STALL_S)
    return report(deployment, poller, min_killed=_MIN_KILLED)


def r2(run: Run) -> Figures:
    """Nothing is generated or billed twice. Each Idempotency-Key is sent in three concurrent requests."""
    deployment = run.deploy("R2", FaultPlan(Mix.lost_replies(_FAULT_SHARE)))
    keys = run.scaled(10_000)
    calls = [call(n, copy) for n in range(keys) for copy in range(3)]
    with deployment.running(concurrency=WORKERS) as poller:
        run.submit(deployment, calls)
        deployment.wait_until_idle(poller, _RESEND_STALL_S)
    refused = [each for each in deployment.history.entries("responded") if 400 <= each["status"] < 500]
    false = sum(each["status"] != 409 for each in refused)
    figures = report(deployment, poller) | {"false_conflicts": false, "in_progress": len(refused) - false}
    figures["holds"] = figures["holds"] and not false and figures["bills"] == figures["jobs"] == keys
    return figures


def r4(run: Run) -> Figures:
    """Only the failed records of a batch are delivered again. At twice R1's share of faults, enough records fail."""
    deployment = run.deploy("R4", FaultPlan(Mix.evenly(2 * _FAULT_SHARE)))
    batches = run.scaled(1000)
    calls = [call(n) for n in range(5 * batches)]
    with deployment.running(
        concurrency=WORKERS, batch_size=5, window_s=0.1, worker_timeout_s=120.0, visibility_s=20
    ) as poller:
        run.submit(deployment, calls)
        deployment.wait_until_idle(poller, _RESEND_STALL_S)
    deliveries = deployment.history.entries("delivered")
    unexpected = unexpected_redeliveries(deliveries)
    reported = sum(len(each["failed"]) for each in deliveries)
    figures = report(deployment, poller) | {
        "batches": len(deliveries),
        "reported": reported,
        "unexpected_redeliveries": unexpected,
    }
    figures["holds"] = figures["holds"] and not unexpected and reported > 0 and len(deliveries) >= batches
    return figures


def r6(run: Run) -> Figures:
    """A dead worker's job runs again soon, and repeats no more than the work since its last checkpoint."""
    figures = restarts(run) | {"steps": kills_at_every_step(run)}
    figures["holds"] = figures["holds"] and figures["steps"]["holds"]
    return figures


def r3(run: Run) -> Figures:
    """State transitions are legal, and final states are final: 2,000 random lifecycles of 50 steps."""
    return _run_module("tools.faults.lifecycle_runs", run.scaled(2000), run.seed)


def r8(run: Run) -> Figures:
    """1,000 webhooks to a receiver that fails 40 % of the attempts: delivered or dead-lettered, all signed."""
    return _run_module("tools.faults.webhook_deliveries", run.scaled(1000), run.seed)


def r7(run: Run) -> Figures:
    """200 identical requests cause one generation, or two if the first worker is killed."""
    results = {}
    for name, kills in (("no_kill", 0.0), ("one_kill", 1.0)):
        deployment = run.deploy(f"R7-{name}", NO_FAULTS, STEP_S="0.1")
        run.submit(deployment, [call(n, seed=7) for n in range(200)])
        with deployment.running(
            concurrency=2 * WORKERS, kills=kills, max_kills=1, kill_points=("denoising",)
        ) as poller:
            deployment.wait_until_idle(poller, STALL_S)
        findings = deployment.findings()
        results[name] = {"generations": findings.generations, "succeeded": findings.states.get("succeeded", 0)}
    holds = results["no_kill"]["generations"] == 1 and results["one_kill"]["generations"] == 2
    return {"holds": holds and all(each["succeeded"] == 200 for each in results.values()), "requests": 200, **results}


def r12(run: Run) -> Figures:
    """For one tenant, another's jobs and keys do not exist."""
    variables = run.aws.variables | run.product.variables(run.deploy("R12", NO_FAULTS).resources)
    return _run_module("tools.faults.crossings", run.scaled(100), run.seed, variables)


def r13(run: Run) -> Figures:
    """Bursts of 50 times a tenant's limits exceed nothing by one, and cause no 5xx."""
    deployment = run.deploy("R13", NO_FAULTS)
    variables = run.aws.variables | run.product.variables(deployment.resources)
    return _run_module("tools.faults.limit_bursts", run.scaled(100), run.seed, variables)


SCENARIOS: Final[dict[str, Callable[[Run], Figures]]] = {
    "R1": r1,
    "R2": r2,
    "R3": r3,
    "R4": r4,
    "R5": hand_ons,
    "R6": r6,
    "R7": r7,
    "R8": r8,
    "R12": r12,
    "R13": r13,
    "R16": turns,
}


def _run_module(module: str, volume: int, seed: int, variables: Mapping[str, str] | None = None) -> Figures:
    """Run a module and return the JSON object in its last line. Without one, the promise does not hold."""
    command = [sys.executable, "-m", module, str(volume), str(seed)]
    environment = os.environ | (variables or {})
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    if not lines or not lines[-1].startswith("{"):
        return {"holds": False, "error": done.stderr[-500:]}
    figures: Figures = json.loads(lines[-1])
    return figures


def _send_poison(deployment: Deployment, count: int) -> None:
    """Send messages that no worker can parse. All bodies differ, since dead letters are counted by body."""
    bodies: Sequence[Callable[[int], str]] = (
        lambda n: f"not JSON {n}",
        lambda n: json.dumps({"version": 9, "n": n}),
        lambda n: json.dumps({"version": 1, "n": n}),
        lambda n: json.dumps([n]),
    )
    sqs = deployment.aws.client("sqs")
    for n in range(count):
        deployment.history.add("poison", n=f"message-{n}")
        sqs.send_message(QueueUrl=deployment.resources.queue_url, MessageBody=bodies[n % len(bodies)](n))
