"""The figures of a run under AWS faults, and whether they prove anything."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from tools.faults.counts import bounds
from tools.faults.deployment import Deployment
from tools.faults.history import Entry
from tools.faults.poller import Poller
from tools.faults.run import Figures


def report(deployment: Deployment, poller: Poller, min_killed: float = 0.0) -> Figures:
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


def unexpected_redeliveries(deliveries: Sequence[Entry]) -> int:
    """Count messages that were redelivered without having failed, or failed without being redelivered."""
    delivered: dict[str, int] = defaultdict(int)
    failed: dict[str, int] = defaultdict(int)
    for each in deliveries:
        for message_id, _ in each["records"]:
            delivered[message_id] += 1
            failed[message_id] += message_id in each["failed"]
    return sum(delivered[each] != failed[each] + 1 for each in delivered)
