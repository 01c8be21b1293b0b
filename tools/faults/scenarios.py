"""R1 to R8 as test runs of the product. Each returns its figures and whether the promise holds.

R3 and R8 run as separate processes on moto, without the faults of this harness and always with the product itself.

Volumes are those of the issue times `scale`. A run whose faults differ from the plan does not hold.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

from tools.faults.callers import Call, call_all
from tools.faults.counts import bounds
from tools.faults.deployment import Deployment
from tools.faults.history import Entry, History
from tools.faults.kills import KillPoint
from tools.faults.ministack import LocalAws
from tools.faults.plan import FaultPlan, Mix
from tools.faults.poller import Poller
from tools.faults.product import Product
from tools.local.process import ROOT

Figures = dict[str, Any]

NO_FAULTS: Final = FaultPlan(Mix())
_CALLERS: Final = 4
_WORKERS: Final = 6
_FAULT_SHARE: Final = 0.3
_MIN_KILLED: Final = 0.05
_ARMED: Final = 0.12
"""Share of R1's deliveries that are to be killed. More than half end before they reach their kill point, mostly
duplicates of finished jobs."""
_STALL_S: Final = 60.0
_TEMPLATE_VISIBILITY_S: Final = 960
_RESTART_STALL_S: Final = 150.0
"""Longer than the 20 + 60 s after which a dead worker's job restarts."""
_RESEND_STALL_S: Final = 400.0
"""Longer than the 360 s after which the sweeper sends a queued job's message again."""


@dataclass(frozen=True)
class Run:
    """Where a scenario runs, and in which volume."""

    aws: LocalAws
    product: Product
    folder: Path
    seed: int
    scale: float

    def deploy(self, name: str, plan: FaultPlan, **variables: str) -> Deployment:
        """Create a deployment with its own resources and folder. `variables` override the product's."""
        return Deployment(self.aws, self.product, self.folder / name, self.seed, plan, variables)

    def submit(self, deployment: Deployment, calls: Sequence[Call], kills: float = 0.0) -> None:
        """Make the calls, four at a time. `kills` is the share of Api invocations that die by SIGKILL."""
        call_all(deployment.function(self.product.api), calls, deployment.history, self.seed, _CALLERS, kills)

    def scaled(self, volume: int) -> int:
        """Return `volume` times `scale`, at least 1."""
        return max(1, round(volume * self.scale))


def r1(run: Run) -> Figures:
    """An accepted job is never lost."""
    deployment = run.deploy("R1", FaultPlan(Mix.evenly(_FAULT_SHARE)))
    jobs = run.scaled(10_000)
    poison = {n for n in range(jobs) if n % 500 == 499}
    calls = [_call(n, prompt="poison" if n in poison else "a circle") for n in range(jobs)]
    with deployment.running(concurrency=_WORKERS, kills=_ARMED, duplicates=0.2) as poller:
        for n in poison:
            deployment.history.add("poison", n=str(n))
        _send_poison(deployment, max(3, jobs // 200))
        run.submit(deployment, calls, kills=0.01)
        deployment.wait_until_idle(poller, _RESEND_STALL_S)
    return _report(deployment, poller, min_killed=_MIN_KILLED)


def r2(run: Run) -> Figures:
    """Nothing is generated or billed twice. Each Idempotency-Key is sent in three concurrent requests."""
    deployment = run.deploy("R2", FaultPlan(Mix.lost_replies(_FAULT_SHARE)))
    keys = run.scaled(10_000)
    calls = [_call(n, copy) for n in range(keys) for copy in range(3)]
    with deployment.running(concurrency=_WORKERS) as poller:
        run.submit(deployment, calls)
        deployment.wait_until_idle(poller, _RESEND_STALL_S)
    refused = [each for each in deployment.history.entries("responded") if 400 <= each["status"] < 500]
    false = sum(each["status"] != 409 for each in refused)
    figures = _report(deployment, poller) | {"false_conflicts": false, "in_progress": len(refused) - false}
    figures["holds"] = figures["holds"] and not false and figures["bills"] == figures["jobs"] == keys
    return figures


def r4(run: Run) -> Figures:
    """Only the failed records of a batch are delivered again. At twice R1's share of faults, enough records fail."""
    deployment = run.deploy("R4", FaultPlan(Mix.evenly(2 * _FAULT_SHARE)))
    batches = run.scaled(1000)
    calls = [_call(n) for n in range(5 * batches)]
    with deployment.running(
        concurrency=_WORKERS, batch_size=5, window_s=0.1, worker_timeout_s=120.0, visibility_s=20
    ) as poller:
        run.submit(deployment, calls)
        deployment.wait_until_idle(poller, _RESEND_STALL_S)
    deliveries = deployment.history.entries("delivered")
    unexpected = unexpected_redeliveries(deliveries)
    reported = sum(len(each["failed"]) for each in deliveries)
    figures = _report(deployment, poller) | {
        "batches": len(deliveries),
        "reported": reported,
        "unexpected_redeliveries": unexpected,
    }
    figures["holds"] = figures["holds"] and not unexpected and reported > 0 and len(deliveries) >= batches
    return figures


def r5(run: Run) -> Figures:
    """Deadlines leave no job stuck, and no run reaches its timeout: it stops at the last step that fits."""
    deployment = run.deploy("R5", NO_FAULTS, STEP_S="0.2")
    run.submit(deployment, [_call(n) for n in range(run.scaled(500))])
    with deployment.running(concurrency=2 * _WORKERS, allowed_s=(0.5, 12.0)) as poller:
        deployment.wait_until_idle(poller, _STALL_S)
    findings, deliveries = deployment.findings(), deployment.history.entries("delivered")
    timeouts = sum(each["ended"] == "timeout" for each in deliveries)
    return {
        "holds": not (findings.lost or findings.stuck or findings.unanswered or timeouts),
        "runs": len(deliveries),
        "jobs": findings.jobs,
        "states": findings.states,
        "stuck": len(findings.stuck),
        "lost": len(findings.lost),
        "timeouts": timeouts,
    }


def r6(run: Run) -> Figures:
    """A dead worker's job runs again within 90 s (p99), with the real times of lease, sweeper and queue.

    Also if several of its workers die, and if one dies with the message in hand before it claims the job.
    """
    deployment = run.deploy("R6", NO_FAULTS, REAL_TIMES="1")
    calls = [_call(n) for n in range(60)]
    # After a later kill point the image is stored, and the next run does not generate it again.
    points: Sequence[KillPoint] = ("before_claim", "denoising")
    with deployment.running(
        concurrency=_WORKERS, kills=0.3, kill_points=points, sweep_every_s=60.0, visibility_s=_TEMPLATE_VISIBILITY_S
    ) as poller:
        run.submit(deployment, calls)
        # The messages that dead processes took stay in flight: what ends the wait is that nothing changes any more.
        deployment.wait_until_idle(poller, stall_timeout_s=_RESTART_STALL_S)
    findings, delays = deployment.findings(), restart_delays(deployment.history)
    repeated = repeated_kills(deployment.history)
    p99 = quantiles(delays, n=100, method="inclusive")[98] if len(delays) > 1 else float("inf")
    return {
        "holds": p99 <= 90 and not findings.problems() and len(delays) >= 10 and repeated > 0,
        "kills": len(delays),
        "repeated_kills": repeated,
        "p50_s": round(quantiles(delays, n=2, method="inclusive")[0], 1) if len(delays) > 1 else None,
        "p99_s": round(p99, 1),
        "stuck": len(findings.stuck),
    }


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
        run.submit(deployment, [_call(n, seed=7) for n in range(200)])
        with deployment.running(
            concurrency=2 * _WORKERS, kills=kills, max_kills=1, kill_points=("denoising",)
        ) as poller:
            deployment.wait_until_idle(poller, _STALL_S)
        findings = deployment.findings()
        results[name] = {"generations": findings.generations, "succeeded": findings.states.get("succeeded", 0)}
    holds = results["no_kill"]["generations"] == 1 and results["one_kill"]["generations"] == 2
    return {"holds": holds and all(each["succeeded"] == 200 for each in results.values()), "requests": 200, **results}


SCENARIOS: Final[dict[str, Callable[[Run], Figures]]] = {
    "R1": r1,
    "R2": r2,
    "R3": r3,
    "R4": r4,
    "R5": r5,
    "R6": r6,
    "R7": r7,
    "R8": r8,
}


def _run_module(module: str, volume: int, seed: int) -> Figures:
    """Run a module and return the JSON object in its last line. Without one, the promise does not hold."""
    command = [sys.executable, "-m", module, str(volume), str(seed)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    if not lines or not lines[-1].startswith("{"):
        return {"holds": False, "error": done.stderr[-500:]}
    figures: Figures = json.loads(lines[-1])
    return figures


def unexpected_redeliveries(deliveries: Sequence[Entry]) -> int:
    """Count messages that were redelivered without having failed, or failed without being redelivered."""
    delivered: dict[str, int] = defaultdict(int)
    failed: dict[str, int] = defaultdict(int)
    for each in deliveries:
        for message_id, _ in each["records"]:
            delivered[message_id] += 1
            failed[message_id] += message_id in each["failed"]
    return sum(delivered[each] != failed[each] + 1 for each in delivered)


def restart_delays(history: History) -> list[float]:
    """Return the seconds from each killed delivery to the start of the next delivery of the same job.

    A job without a next delivery is found as stuck.
    """
    deliveries, delays = history.entries("delivered"), []
    for kill in _kills(history):
        starts = [each["at"] - each["took_s"] for each in deliveries if each["bodies"] == kill["bodies"]]
        later = [start for start in starts if start >= kill["at"]]
        if later:
            delays.append(min(later) - kill["at"])
    return delays


def repeated_kills(history: History) -> int:
    """Return how many deliveries were killed of jobs of which a delivery had been killed before."""
    victims = Counter(str(kill["bodies"]) for kill in _kills(history))
    return sum(count - 1 for count in victims.values())


def _kills(history: History) -> list[Entry]:
    return [each for each in history.entries("delivered") if each["ended"] == "killed"]


def _call(n: int, copy: int = 0, prompt: str = "a circle", seed: int | None = None) -> Call:
    body = {"prompt": prompt, "seed": n if seed is None else seed, "metadata": {"n": str(n)}}
    return Call(str(n), f"key-{n}", body, copy)


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


def _report(deployment: Deployment, poller: Poller, min_killed: float = 0.0) -> Figures:
    """Return the figures of a run. It proves nothing if the share of killed deliveries is below `min_killed`."""
    findings, tally = deployment.findings(), deployment.tally()
    deliveries = deployment.history.entries("delivered")
    killed = sum(each["ended"] == "killed" for each in deliveries)
    doubts = tally.doubts()
    if killed < max(bounds(min_killed * len(deliveries))[0], 1 if min_killed else 0):
        doubts.append(f"kills: {killed} of {len(deliveries)} runs, {min_killed:.0%} expected")
    return {
        "holds": findings.holds() and not doubts and not findings.unanswered,
        **findings.figures(),
        "deliveries": len(deliveries),
        "duplicate_deliveries": poller.duplicated,
        "killed": killed,
        "faults": tally.figures(),
        "false_failure_odds": false_failure_odds(
            unrecorded=findings.unrecorded_runs / max(1, findings.runs),
            max_attempts=deployment.product.max_attempts,
            aws_failures=findings.aws_failure_runs / max(1, findings.runs),
            max_aws_failures=deployment.product.max_aws_failures,
            failed_deliveries=sum(len(each["failed"]) for each in deliveries)
            / max(1, sum(len(each["records"]) for each in deliveries)),
            max_receives=deployment.max_receives(),
        ),
        "doubts": doubts,
        "examples": findings.describe(),
    }


def false_failure_odds(
    *,
    unrecorded: float,
    max_attempts: int,
    aws_failures: float,
    max_aws_failures: int,
    failed_deliveries: float,
    max_receives: int,
) -> Figures:
    """Return the measured shares of runs and deliveries, and how many of a million valid jobs would fail.

    A valid job fails after `max_attempts` runs whose end is not recorded, after one more than `max_aws_failures` runs
    that an AWS failure ends, or after `max_receives` failed deliveries. Runs are taken as independent. The estimate is
    somewhat high, since failed deliveries include those of poison jobs.
    """
    return {
        "unrecorded_runs": round(unrecorded, 4),
        "max_attempts": max_attempts,
        "aws_failure_runs": round(aws_failures, 4),
        "max_aws_failures": max_aws_failures,
        "failed_deliveries": round(failed_deliveries, 4),
        "max_receives": max_receives,
        "false_dead_letters_per_million": 1e6
        * (unrecorded**max_attempts + aws_failures ** (max_aws_failures + 1) + failed_deliveries**max_receives),
    }
