"""From a request or a job to its images, and how to go on if the command ends before."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from imagegen_cli.client import Client
from imagegen_cli.destination import Destination
from imagegen_cli.documents import Answer, Job, Result
from imagegen_cli.downloads import save_images
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure, usage
from imagegen_cli.profile import Profile
from imagegen_cli.session import command, resumable
from imagegen_cli.watch import Watch

_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
_ENDS: Final = {"failed": ExitCode.JOB_FAILED, "cancelled": ExitCode.JOB_CANCELLED}


def require_id(value: str, what: str, listed: str) -> None:
    """Raises Failure (usage) for what would be another path of the API; the command `listed` has the ids."""
    if not _ID.fullmatch(value):
        raise usage(f"{value!r} is no id of a {what}: it has letters and digits. `imagegen {listed}` lists them.")


def submitted(
    client: Client, request: Mapping[str, Any], idempotency_key: str, wait: bool
) -> Answer[Result] | Answer[Job]:
    """Return the result, or the job that the request became. Raises Failure."""
    option = shlex.join(["--idempotency-key", idempotency_key])
    hint = f"To repeat the request without drawing its images twice, add: {option}"
    with resumable(hint, idempotency_key=idempotency_key):
        return client.generate(request, idempotency_key, wait)


def finished(client: Client, job_id: str, watch: Watch, profile: Profile, place: Destination | None) -> Answer[Job]:
    """Wait for the job, whose images are to be in `place`, and return it as it ended. Raises Failure."""
    out = ["--out", str(place.path)] if place else []
    with resumable(
        f"The job goes on. To wait for it: {command(profile, 'job', job_id, '--wait', *out)}",
        f"To stop it: {command(profile, 'cancel', job_id)}",
        job_id=job_id,
    ):
        return client.wait(job_id, watch.job)


def saved(client: Client, result: Result, place: Destination, profile: Profile) -> list[Path]:
    """Download the images and return their paths. Raises Failure."""
    hint = f"The images are stored. To download them: {command(profile, 'job', result.id, '--out', str(place.path))}"
    with resumable(hint, job_id=result.id):
        return save_images(client, result, place)


def require_success(job: Job) -> None:
    """Raises Failure, with the job's error, if the job failed or was cancelled."""
    if not job.has_succeeded:
        exit_code = _ENDS.get(job.status, ExitCode.SERVICE_FAILED)
        ended = "was cancelled" if job.status == "cancelled" else job.status
        detail = f"The job {ended}{f': {job.error.detail}' if job.error else ''}."
        raise Failure(exit_code, detail, (job.error.model_dump() if job.error else {}) | {"job_id": job.id})
