"""Results and jobs as text for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from imagegen.cli.documents import Job, Result
from imagegen.cli.output import table
from imagegen.cli.watch import describe


def result_text(result: Result, files: Sequence[Path]) -> str:
    """Return a line per image, what it took and cost, and the warnings."""
    origin = "from the cache" if result.cached else "cold start" if result.cold_start else "warm"
    places = [str(file) for file in files] or [image.url for image in result.images]
    lines = [
        f"{place}  seed {image.seed}, {image.width} x {image.height}, {image.bytes:,} bytes"
        for place, image in zip(places, result.images, strict=True)
    ]
    lines.append(f"job {result.id}, model {result.model}, {result.timings.total_ms:,.0f} ms, {origin}")
    lines.append(f"${result.cost.usd:.8f} on Lambda ({result.cost.billed_ms:,} ms)")
    return "\n".join([*lines, *(f"warning: {warning}" for warning in result.warnings)])


def job_text(job: Job, files: Sequence[Path]) -> str:
    """Return the job's state, times, and its result or error."""
    lines = [describe(job), f"created {job.created_at}"]
    lines += [f"{name} {when}" for name, when in (("started", job.started_at), ("ended", job.finished_at)) if when]
    lines += [f"{job.attempt} attempts"] if job.attempt > 1 else []
    lines += [f"{job.error.status} {job.error.code}: {job.error.detail}"] if job.error else []
    lines += [result_text(job.result, files)] if job.result else []
    return "\n".join(lines)


def jobs_table(jobs: Sequence[Job]) -> str:
    """Return a row per job."""
    rows = ((job.id, job.status, job.created_at, _seconds(job), _what(job)) for job in jobs)
    return table(("JOB", "STATUS", "CREATED", "TOOK", "RESULT"), rows)


def _seconds(job: Job) -> str:
    if not job.started_at or not job.finished_at:
        return ""
    took = datetime.fromisoformat(job.finished_at) - datetime.fromisoformat(job.started_at)
    return f"{took.total_seconds():.1f} s"


def _what(job: Job) -> str:
    if job.error:
        return job.error.code
    if job.result is None:
        return describe(job).partition(f"{job.status}, ")[2]
    count = len(job.result.images)
    return f"{job.result.model}, {count} image{'s' if count > 1 else ''}, seed {job.result.images[0].seed}"
