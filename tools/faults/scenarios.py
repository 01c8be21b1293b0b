"""R1 to R8 as runs against a product; each gives its figures and whether it holds.

R3 and R8 are processes of their own around moto, and always against the product itself.

Volumes are those of the issue times `scale`. A run whose faults did not happen as asked for does not hold.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

from tools.faults.callers import Call, call_all
from tools.faults.counts import bounds
from tools.faults.deployment import Arena
from tools.faults.history import Entry, entries
from tools.faults.kills import Moment
from tools.faults.ministack import StandIn
from tools.faults.plan import FaultPlan, Mix
from tools.faults.poller import Poller
from tools.faults.product import Product
from tools.local.process import ROOT

Figures = dict[str, Any]

NO_FAULTS: Final = FaultPlan(Mix())
_CALLERS: Final = 4
_WORKERS: Final = 6
_SHARE: Final = 0.3
_KILLS: Final = 0.05
_ARMED: Final = 0.12
"""Runs that are to be killed: a good half end before their moment comes, copies of what is done above all."""
_PATIENCE_S: Final = 60.0
_RESENT_S: Final = 400.0
"""A job whose message was used up is sent again before that."""


@dataclass(frozen=True)
class Ring:
    """Where scenarios run; each gets a deployment and a folder of its own."""

    aws: StandIn
    product: Product
    folder: Path
    seed: int
    scale: float

    def arena(self, name: str, plan: FaultPlan, **variables: str) -> Arena:
        return Arena(self.aws, self.product, self.folder / name, self.seed, plan, variables)

    def scaled(self, volume: int) -> int:
        return max(1, round(volume * self.scale))


def r1(ring: Ring) -> Figures:
    """An accepted job is never lost."""
    arena = ring.arena("R1", FaultPlan(Mix.evenly(_SHARE)))
    jobs = ring.scaled(10_000)
    poison = {n for n in range(jobs) if n % 500 == 499}
    calls = [_call(n, prompt="poison" if n in poison else "a circle") for n in range(jobs)]
    with arena.working(concurrency=_WORKERS, kills=_ARMED, duplicates=0.2) as poller:
        for n in poison:
            arena.ledger.add("poison", n=str(n))
        _poison_messages(arena, max(3, jobs // 200))
        call_all(arena.function(ring.product.api), calls, arena.ledger, ring.seed, _CALLERS, kills=0.01)
        arena.rest(poller, _RESENT_S)
    return _judged(arena, poller, kills=_KILLS)


def r2(ring: Ring) -> Figures:
    """Nothing is billed or made twice: each key in three copies, side by side."""
    arena = ring.arena("R2", FaultPlan(Mix.lost_replies(_SHARE)))
    keys = ring.scaled(10_000)
    calls = [_call(n, copy) for n in range(keys) for copy in range(3)]
    with arena.working(concurrency=_WORKERS) as poller:
        call_all(arena.function(ring.product.api), calls, arena.ledger, ring.seed, _CALLERS)
        arena.rest(poller, _RESENT_S)
    conflicts = [each for each in entries(arena.folder, "answered") if 400 <= each["status"] < 500]
    false = sum(each["status"] != 409 for each in conflicts)
    figures = _judged(arena, poller) | {"false_conflicts": false, "waited": len(conflicts) - false}
    figures["holds"] = figures["holds"] and not false and figures["bills"] == figures["jobs"] == keys
    return figures


def r4(ring: Ring) -> Figures:
    """Only the failed record of a batch comes back. Twice as many faults, or hardly any record would fail."""
    arena = ring.arena("R4", FaultPlan(Mix.evenly(2 * _SHARE)))
    batches = ring.scaled(1000)
    calls = [_call(n) for n in range(5 * batches)]
    with arena.working(
        concurrency=_WORKERS, batch_size=5, window_s=0.1, worker_timeout_s=120.0, visibility_s=20
    ) as poller:
        call_all(arena.function(ring.product.api), calls, arena.ledger, ring.seed, _CALLERS)
        arena.rest(poller, _RESENT_S)
    deliveries = entries(arena.folder, "delivered")
    wrong = redelivered_otherwise(deliveries)
    reported = sum(len(each["back"]) for each in deliveries)
    figures = _judged(arena, poller) | {
        "batches": len(deliveries),
        "reported": reported,
        "redelivered_otherwise": wrong,
    }
    figures["holds"] = figures["holds"] and not wrong and reported > 0 and len(deliveries) >= batches
    return figures


def r5(ring: Ring) -> Figures:
    """A deadline leaves nothing stuck, and no run is ended by it: each stops at a step before."""
    arena = ring.arena("R5", NO_FAULTS, STEP_S="0.2")
    calls = [_call(n) for n in range(ring.scaled(500))]
    call_all(arena.function(ring.product.api), calls, arena.ledger, ring.seed, _CALLERS)
    with arena.working(concurrency=2 * _WORKERS, allowed_s=(0.5, 12.0)) as poller:
        arena.rest(poller, _PATIENCE_S)
    findings, deliveries = arena.findings(), entries(arena.folder, "delivered")
    overrun = sum(each["ended"] == "timeout" for each in deliveries)
    return {
        "holds": not (findings.lost or findings.stuck or findings.unanswered or overrun),
        "runs": len(deliveries),
        "jobs": findings.jobs,
        "states": findings.states,
        "stuck": len(findings.stuck),
        "lost": len(findings.lost),
        "killed_at_the_deadline": overrun,
    }


def r6(ring: Ring) -> Figures:
    """A dead worker's job runs again soon: real lease, real interval of the sweeper."""
    arena = ring.arena("R6", NO_FAULTS, REAL_TIMES="1")
    calls = [_call(n) for n in range(60)]
    moments: Sequence[Moment] = ("denoising",)  # later ones find the image stored, and draw nothing again
    with arena.working(concurrency=_WORKERS, kills=0.3, moments=moments, sweep_every_s=60.0) as poller:
        call_all(arena.function(ring.product.api), calls, arena.ledger, ring.seed, _CALLERS)
        arena.rest(poller, patience_s=180.0)
    findings, waits = arena.findings(), restarts(arena.folder)
    p99 = quantiles(waits, n=100, method="inclusive")[98] if len(waits) > 1 else float("inf")
    return {
        "holds": p99 <= 90 and not findings.wrong() and len(waits) >= 10,
        "kills": len(waits),
        "p50_s": round(quantiles(waits, n=2, method="inclusive")[0], 1) if len(waits) > 1 else None,
        "p99_s": round(p99, 1),
        "stuck": len(findings.stuck),
    }


def r3(ring: Ring) -> Figures:
    """States are legal and final ones stay: 2,000 random lives of 50 steps."""
    return _figures("tools.faults.lifecycle_runs", ring.scaled(2000), ring.seed)


def r8(ring: Ring) -> Figures:
    """A thousand webhooks to a receiver that fails at 40 % of the attempts: delivered or buried, all verified."""
    return _figures("tools.faults.webhook_deliveries", ring.scaled(1000), ring.seed)


def r7(ring: Ring) -> Figures:
    """Two hundred identical requests at once are drawn once; twice where the first worker is killed."""
    drawn = {}
    for name, kills in (("alive", 0.0), ("killed", 1.0)):
        arena = ring.arena(f"R7-{name}", NO_FAULTS, STEP_S="0.1")
        calls = [_call(n, seed=7) for n in range(200)]
        call_all(arena.function(ring.product.api), calls, arena.ledger, ring.seed, _CALLERS)
        with arena.working(concurrency=2 * _WORKERS, kills=kills, most_kills=1, moments=("denoising",)) as poller:
            arena.rest(poller, _PATIENCE_S)
        findings = arena.findings()
        drawn[name] = {"generations": findings.generations, "succeeded": findings.states.get("succeeded", 0)}
    holds = drawn["alive"]["generations"] == 1 and drawn["killed"]["generations"] == 2
    return {"holds": holds and all(each["succeeded"] == 200 for each in drawn.values()), "requests": 200, **drawn}


SCENARIOS: Final[dict[str, Callable[[Ring], Figures]]] = {
    "R1": r1,
    "R2": r2,
    "R3": r3,
    "R4": r4,
    "R5": r5,
    "R6": r6,
    "R7": r7,
    "R8": r8,
}


def _figures(module: str, volume: int, seed: int) -> Figures:
    """What a module's last line says in JSON; a run that ends without one does not hold."""
    command = [sys.executable, "-m", module, str(volume), str(seed)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    if not lines or not lines[-1].startswith("{"):
        return {"holds": False, "how": done.stderr[-500:]}
    figures: Figures = json.loads(lines[-1])
    return figures


def redelivered_otherwise(deliveries: Sequence[Entry]) -> int:
    """Messages that came again though they were not given back, or were given back and did not come again."""
    times: dict[str, int] = defaultdict(int)
    given_back: dict[str, int] = defaultdict(int)
    for each in deliveries:
        for message_id, _ in each["records"]:
            times[message_id] += 1
            given_back[message_id] += message_id in each["back"]
    return sum(times[each] != given_back[each] + 1 for each in times)


def restarts(folder: Path) -> list[float]:
    """Seconds from each kill to the next generation of the same job."""
    generating, waits = entries(folder, "generating"), []
    for kill in entries(folder, "killed"):
        victim = [each for each in generating if each["pid"] == kill["pid"] and each["at"] <= kill["at"]][-1:]
        later = [
            each["at"] for each in generating if victim and each["n"] == victim[0]["n"] and each["at"] > kill["at"]
        ]
        if later:
            waits.append(later[0] - kill["at"])
    return waits


def _call(n: int, copy: int = 0, prompt: str = "a circle", seed: int | None = None) -> Call:
    body = {"prompt": prompt, "seed": n if seed is None else seed, "metadata": {"n": str(n)}}
    return Call(str(n), f"key-{n}", body, copy)


def _poison_messages(arena: Arena, count: int) -> None:
    """Each another one, so that dead letters can be counted."""
    shapes: Sequence[Callable[[int], str]] = (
        lambda n: f"not JSON {n}",
        lambda n: json.dumps({"version": 9, "n": n}),
        lambda n: json.dumps({"version": 1, "n": n}),
        lambda n: json.dumps([n]),
    )
    sqs = arena.aws.client("sqs")
    for n in range(count):
        arena.ledger.add("poison", n=f"message-{n}")
        sqs.send_message(QueueUrl=arena.places.queue_url, MessageBody=shapes[n % len(shapes)](n))


def _judged(arena: Arena, poller: Poller, kills: float = 0.0) -> Figures:
    findings, tally, deliveries = arena.findings(), arena.tally(), entries(arena.folder, "delivered")
    killed = sum(each["ended"] == "killed" for each in deliveries)
    doubts = tally.doubts()
    if killed < max(bounds(kills * len(deliveries))[0], 1 if kills else 0):
        doubts.append(f"kills: {killed} of {len(deliveries)} runs, {kills:.0%} expected")
    return {
        "holds": findings.holds() and not doubts and not findings.unanswered,
        **findings.figures(),
        "deliveries": len(deliveries),
        "copies": poller.copied,
        "killed": killed,
        "faults": tally.figures(),
        "arithmetic": arithmetic(
            silent=findings.silent_runs / max(1, findings.runs),
            max_attempts=arena.product.max_attempts,
            set_back=findings.setback_runs / max(1, findings.runs),
            max_setbacks=arena.product.max_setbacks,
            given_back=sum(len(each["back"]) for each in deliveries)
            / max(1, sum(len(each["records"]) for each in deliveries)),
            max_receives=arena.max_receives(),
        ),
        "doubts": doubts,
        "examples": findings.describe(),
    }


def arithmetic(
    *, silent: float, max_attempts: int, set_back: float, max_setbacks: int, given_back: float, max_receives: int
) -> Figures:
    """How unlikely it is that a job without fault fails, from the shares that a run has measured.

    It takes `max_attempts` runs that all end without a word, one more than `max_setbacks` that a failure of AWS ends,
    or `max_receives` deliveries that all give the message back; each is drawn anew. The third counts deliveries that
    died of poison, too, so it is rather too high.
    """
    return {
        "silent_runs": round(silent, 4),
        "max_attempts": max_attempts,
        "set_back": round(set_back, 4),
        "max_setbacks": max_setbacks,
        "deliveries_given_back": round(given_back, 4),
        "max_receives": max_receives,
        "false_dead_letters_per_million": 1e6
        * (silent**max_attempts + set_back ** (max_setbacks + 1) + given_back**max_receives),
    }
