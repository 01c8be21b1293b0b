"""R6: how soon the job of a dead worker runs again, with the real times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import quantiles
from typing import Final

from tools.faults.history import Entry, History
from tools.faults.kills import KillPoint
from tools.faults.run import NO_FAULTS, WORKERS, Figures, Run, call

_TEMPLATE_VISIBILITY_S: Final = 960
_RESTART_STALL_S: Final = 500.0
"""Longer than six times the 20 + 60 s after which a dead worker's job restarts: the last job's workers may all die."""


def restarts(run: Run) -> Figures:
    """R6: a dead worker's job runs again within 90 s (p99), with the real times of lease, sweeper and queue.

    Also if several of its workers die, and if one dies with the message in hand before it claims the job.
    """
    deployment = run.deploy("R6", NO_FAULTS, REAL_TIMES="1")
    calls = [call(n) for n in range(60)]
    # After a later kill point the image is stored, and the next run does not generate it again.
    points: Sequence[KillPoint] = ("before_claim", "denoising")
    with deployment.running(
        concurrency=WORKERS, kills=0.3, kill_points=points, sweep_every_s=60.0, visibility_s=_TEMPLATE_VISIBILITY_S
    ) as poller:
        run.submit(deployment, calls)
        deployment.wait_until_idle(poller, stall_timeout_s=_RESTART_STALL_S, in_flight=False)
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
