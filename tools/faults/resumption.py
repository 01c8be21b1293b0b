"""R5, and R6's kills at every step: jobs whose runs end at any step go on where the last one got to.

The same jobs without any interruption have the same images, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Final

from tools.faults.callers import Call
from tools.faults.checker import Findings, object_keys, table_rows
from tools.faults.deployment import Deployment
from tools.faults.kills import KillPoint
from tools.faults.limits import Deliveries, Limits
from tools.faults.run import NO_FAULTS, STALL_S, WORKERS, Figures, Run, call
from tools.faults.steps import StepFindings, check_steps

STEPS: Final = 20
"""Denoising steps of each job, in one, two or four images."""
_EVERY_STEP: Final = set(range(1, STEPS + 1))
_IMAGES: Final = (1, 2, 4)
_SHORT_INVOCATIONS: Final = 3
"""Of one job, which fails after four runs without progress. On a slow machine all of these have none."""
_LONG_LEASE_S: Final = "20"
_SAFE_LEASE_S: Final = "6"
"""A busy machine may not let a worker run for SHORT's two seconds: another one then repeats its steps."""
_MAX_KILLS: Final = 3
"""Of one job: half as many as it may have runs that crash."""


def hand_ons(run: Run, least: int = STEPS) -> Figures:
    """R5: run jobs and requests in invocations whose time ends at any step, one of them at each.

    Some invocations of a job have a few seconds, or not even enough to begin. `least` is the smallest number of jobs;
    fewer than STEPS do not cover every step.
    """
    deployment = run.deploy("R5", NO_FAULTS, STEP_S="0.1", LEASE_S=_LONG_LEASE_S)
    jobs = _calls(max(least, run.scaled(400)))
    requests = [
        replace(each, path="/generate", last_step=_step(index))
        for index, each in enumerate(_calls(max(least // 5, run.scaled(100)), first=len(jobs)))
    ]
    run.submit(deployment, jobs)
    with deployment.running(concurrency=WORKERS, limits=_little_time) as poller:
        deployment.wait_until_idle(poller, STALL_S)
        run.generate(deployment, requests)
        deployment.wait_until_idle(poller, STALL_S)
    figures = _report(run, deployment, [*jobs, *requests])
    deliveries = deployment.history.entries("delivered")
    timeouts = sum(each["ended"] == "timeout" for each in deliveries)
    rows = [row for row in table_rows(deployment.aws, deployment.resources.table) if row["sk"] == "JOB"]
    figures |= {
        "deliveries": len(deliveries),
        "timeouts": timeouts,
        "requests": len(requests),
        "continuations": sum(int(row.get("continuations", 0)) for row in rows),
        "deadline_requeues": sum(int(row["hand_ons"]) for row in rows),
    }
    covered = set(figures["hand_on_steps"]) >= _EVERY_STEP
    figures["holds"] = figures["holds"] and covered and not (timeouts or figures["repeated"] or figures["kills"])
    return figures


def kills_at_every_step(run: Run, least: int = STEPS) -> Figures:
    """R6: kill a worker of every job, one at each step, and of some jobs more than one; `least` as in `hand_ons`."""
    deployment = run.deploy("R6-steps", NO_FAULTS, STEP_S="0.05", LEASE_S=_SAFE_LEASE_S)
    jobs = _calls(max(least, run.scaled(400)))
    run.submit(deployment, jobs)
    with deployment.running(concurrency=WORKERS, limits=_kill) as poller:
        deployment.wait_until_idle(poller, STALL_S)
    figures = _report(run, deployment, jobs)
    covered = set(figures["kill_steps"]) >= _EVERY_STEP
    figures |= {"covered": covered, "save_every_s": run.product.save_every_s}
    figures["holds"] = figures["holds"] and covered and figures["resumed"] > 0
    return figures


def _calls(count: int, first: int = 0) -> list[Call]:
    """Return calls for jobs of STEPS steps in all."""
    images = [_IMAGES[n % len(_IMAGES)] for n in range(first, first + count)]
    return [
        call(first + index, num_images_per_prompt=each, num_inference_steps=STEPS // each)
        for index, each in enumerate(images)
    ]


def _step(number: int) -> int:
    """Return each step once for STEPS consecutive numbers: 1, 8, 15, 2 ..."""
    return 1 + 7 * number % STEPS


def _little_time(random: Random, before: Deliveries) -> Limits:
    """Let the time end at the message's step, whichever run gets there; three invocations may be too short for it."""
    first = before.number % 2
    if not first <= before.begun < first + _SHORT_INVOCATIONS:
        return Limits(last_step=_step(before.number))
    shortest_s, longest_s = (0.5, 4.9) if random.random() < 0.15 else (5.2, 7.5)
    return Limits(timeout_s=random.uniform(shortest_s, longest_s), last_step=_step(before.number))


def _kill(random: Random, before: Deliveries) -> Limits:
    if before.killed == 0:
        return Limits(_step(before.number))
    points: Sequence[KillPoint] = ("after_claim", "after_checkpoint", random.randint(1, STEPS))
    return Limits(random.choice(points) if before.killed < _MAX_KILLS and random.random() < 0.5 else None)


def _report(run: Run, deployment: Deployment, calls: Sequence[Call]) -> Figures:
    findings, steps = deployment.findings(), check_steps(deployment.history, STEPS, run.product.save_every_s)
    left = list(object_keys(deployment.aws, deployment.resources.bucket, "checkpoints/"))
    problems = _problems(findings, steps) | ({"left_checkpoints": left} if left else {})
    expected = _uninterrupted(run, deployment.folder.name, calls)
    images = _images(deployment)
    changed = sorted(n for n, each in images.items() if each != expected.get(n))
    problems |= {"changed_images": changed} if changed else {}
    return {
        "holds": not problems and len(images) == len(expected) == len(calls),
        "jobs": findings.jobs,
        "states": findings.states,
        "lost": len(findings.lost),
        "stuck": len(findings.stuck),
        **steps.figures(),
        "left_checkpoints": len(left),
        "changed_images": len(changed),
        "images": sum(map(len, images.values())),
        "sha256": {n: images[n][0] for n in sorted(images, key=int)[:3]},
        "problems": {name: each[:5] for name, each in problems.items()},
    }


def _problems(findings: Findings, steps: StepFindings) -> dict[str, list[str]]:
    unanswered = {"unanswered": findings.unanswered} if findings.unanswered else {}
    return findings.problems() | unanswered | steps.problems()


def _uninterrupted(run: Run, name: str, calls: Sequence[Call]) -> dict[str, list[str]]:
    """Return the hashes of the same jobs' images after one run each."""
    deployment = run.deploy(f"{name}-uninterrupted", NO_FAULTS, STEP_S="0", LEASE_S=_LONG_LEASE_S)
    run.submit(deployment, [replace(each, path="/jobs", last_step=None) for each in calls])
    with deployment.running(concurrency=WORKERS, worker_timeout_s=120.0) as poller:
        deployment.wait_until_idle(poller, STALL_S)
    assert check_steps(deployment.history, STEPS, run.product.save_every_s).resumed == 0
    return _images(deployment)


def _images(deployment: Deployment) -> dict[str, list[str]]:
    """Return the SHA-256 of each image of the jobs that succeeded, by job number."""
    rows = [row for row in table_rows(deployment.aws, deployment.resources.table) if row["sk"] == "JOB"]
    return {
        json.loads(row["metadata"])["n"]: [each["sha256"] for each in json.loads(row["result"])["images"]]
        for row in rows
        if row["state"] == "succeeded"
    }
