"""One request, from POST /generate to the files."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagegen_cli.client import Client
from imagegen_cli.destination import Destination, destination
from imagegen_cli.documents import Answer, Job, Result
from imagegen_cli.generation_request import (
    chosen_format,
    make_request,
    read_prompt,
    require_idempotency_key,
    require_no_out,
)
from imagegen_cli.output import show
from imagegen_cli.profile import Profile
from imagegen_cli.report import job_text, result_text
from imagegen_cli.session import session
from imagegen_cli.watch import Watch
from imagegen_cli.work import finished, require_success, saved, submitted


@dataclass(frozen=True)
class Drawing:
    """What to draw, and where to. Without `wait`, only a job is created."""

    request: dict[str, Any]
    place: Destination
    wait: bool
    idempotency_key: str | None = None
    """Of an earlier command; None draws a new one, under which every repetition of the request is sent."""


def make_drawing(
    fields: Mapping[str, Any],
    metadata: Sequence[str],
    webhook: Mapping[str, Any],
    out: Path | None,
    no_wait: bool,
    idempotency_key: str | None,
) -> Drawing:
    """Return what the options say; None is an option that was not given. Raises Failure (usage)."""
    require_no_out(no_wait, out)
    require_idempotency_key(idempotency_key)
    place = destination(out)
    chosen = {"output_format": chosen_format(place.format, fields["output_format"])}
    request = make_request({**fields, **chosen}, metadata, webhook)
    return Drawing(request | {"prompt": read_prompt(request["prompt"])}, place, not no_wait, idempotency_key)


def draw(drawing: Drawing, profile: Profile, timeout: float | None, as_json: bool) -> None:
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


def _answered(client: Client, drawing: Drawing, watch: Watch, profile: Profile) -> Answer[Result] | Answer[Job]:
    """Return the result, or the job: as it was created, or as it ended."""
    answer = submitted(client, drawing.request, drawing.idempotency_key or str(uuid.uuid4()), drawing.wait)
    if isinstance(answer.value, Result) or not drawing.wait:
        return answer
    watch.job(answer.value)
    return finished(client, answer.value.id, watch, profile, drawing.place)
