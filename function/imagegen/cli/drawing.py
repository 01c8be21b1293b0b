"""One request, from POST /generate to the files."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from imagegen.cli.client import Client
from imagegen.cli.destination import Destination
from imagegen.cli.documents import Answer, Job, Result
from imagegen.cli.output import show
from imagegen.cli.report import job_text, result_text
from imagegen.cli.session import session
from imagegen.cli.watch import Watch
from imagegen.cli.work import finished, require_success, saved, submitted


@dataclass(frozen=True)
class Drawing:
    """What to draw, and where to. Without `wait`, only a job is created."""

    request: dict[str, Any]
    place: Destination
    wait: bool
    idempotency_key: str | None = None
    """Of an earlier command; None draws a new one, under which every repetition of the request is sent."""


def draw(drawing: Drawing, profile: str | None, timeout: float | None, as_json: bool) -> None:
    """Send the request, wait for a job that it becomes, write the images and report. Raises Failure."""
    with session(profile, as_json, timeout, "Generating") as (client, watch):
        answer = _answered(client, drawing, watch, profile)
        value = answer.value
        result = value if isinstance(value, Result) else value.result
        files = saved(client, result, drawing.place, profile) if result and drawing.wait else []
    document = answer.raw | ({"files": [str(path) for path in files]} if files else {})
    show(as_json, document, lambda: result_text(value, files) if isinstance(value, Result) else job_text(value, files))
    if isinstance(value, Job) and drawing.wait:
        require_success(value)


def _answered(client: Client, drawing: Drawing, watch: Watch, profile: str | None) -> Answer[Result] | Answer[Job]:
    """Return the result, or the job: as it was created, or as it ended."""
    answer = submitted(client, drawing.request, drawing.idempotency_key or str(uuid.uuid4()), drawing.wait)
    if isinstance(answer.value, Result) or not drawing.wait:
        return answer
    watch.job(answer.value)
    return finished(client, answer.value.id, watch, profile)
