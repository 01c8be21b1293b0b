"""Results and jobs as text for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from imagegen_cli.documents import Cost, Image, Job, Result
from imagegen_cli.output import table
from imagegen_cli.watch import describe

OPTIONAL_PHASES: Final = ("encoder_load_ms", "image_encode_ms", "background_ms", "upscale_ms")
"""Only some requests have them."""


def result_text(result: Result, files: Sequence[Path]) -> str:
    """Return a block per image, under its file if there is one, and a block on what they took and cost."""
    images = [
        line for number, image in enumerate(result.images) for line in _image_lines(image, files[number : number + 1])
    ]
    return "\n".join([*images, *_work_lines(result)])


def _image_lines(image: Image, file: Sequence[Path]) -> list[str]:
    return [
        *map(str, file),
        f"  url      {image.url}",
        f"  seed     {image.seed}",
        f"  image    {image.width} x {image.height}, {image.bytes:,} bytes",
    ]


def _work_lines(result: Result) -> list[str]:
    timings, cost = result.timings, result.cost
    phases = ", ".join(
        f"{name.removesuffix('_ms')} {ms:.0f}"
        for name, ms in timings.model_dump(exclude={"total_ms"}).items()
        if ms or name not in OPTIONAL_PHASES
    )
    origin = "from the cache" if result.cached else "cold start" if result.cold_start else "warm"
    return [
        f"job {result.id}, model {result.model}",
        f"  timings  {timings.total_ms:,.0f} ms total ({phases}), {origin}",
        f"  cost     ${cost.usd:.8f} on AWS ({cost.billed_ms:,} ms at {cost.memory_mb:,} MB)",
        *_receipt(cost),
        *(f"  warning  {warning}" for warning in result.warnings),
    ]


def _receipt(cost: Cost) -> list[str]:
    items = ", ".join(f"{line.item.replace('_', ' ')} {line.usd}" for line in cost.lines)
    return [f"  receipt  {items}"] if items else []


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
