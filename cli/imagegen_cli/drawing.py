"""One request, from POST /generate to the files."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

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
from imagegen_cli.picture_file import FIELDS, Picture, find_pictures
from imagegen_cli.profile import Profile
from imagegen_cli.report import job_text, result_text
from imagegen_cli.session import chosen_profile, session
from imagegen_cli.uploads import Uploads
from imagegen_cli.watch import Watch
from imagegen_cli.work import finished, require_success, saved, submitted

_OF_THE_COMMAND: Final = {
    *FIELDS, "out", "metadata", "webhook_url", "webhook_event", "no_wait", "idempotency_key", "profile", "timeout",
    "as_json",
}  # fmt: skip
"""Options that are no fields of the request, or not under this name or in this form."""


@dataclass(frozen=True)
class Drawing:
    """What to draw, and where to. Without `wait`, only a job is created."""

    request: dict[str, Any]
    place: Destination
    wait: bool
    idempotency_key: str | None = None
    """Of an earlier command; None draws a new one, under which every repetition of the request is sent."""
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    """Fields of the request that may be files of this machine."""


def make_drawing(options: Mapping[str, Any]) -> Drawing:
    """Return what the options of a command say; None is one that was not given. Raises Failure (usage)."""
    no_wait, out, idempotency_key = options.get("no_wait", False), options["out"], options["idempotency_key"]
    require_no_out(no_wait, out)
    require_idempotency_key(idempotency_key)
    place = destination(out)
    fields = {name: value for name, value in options.items() if name not in _OF_THE_COMMAND}
    fields["output_format"] = chosen_format(place.format, fields["output_format"])
    webhook = {"url": options.get("webhook_url"), "events": options.get("webhook_event")}
    request = make_request(fields, options.get("metadata") or [], webhook)
    request["prompt"] = read_prompt(request["prompt"])
    pictures = find_pictures({name: options.get(name) for name in FIELDS}, Path())
    return Drawing(request, place, not no_wait, idempotency_key, pictures)


def draw_options(options: Mapping[str, Any]) -> None:
    """Draw what the options of a command say, for the deployment that they name. Raises Failure."""
    drawing = make_drawing(options)
    draw(drawing, chosen_profile(options["profile"]), options["timeout"], options["as_json"])


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
    request = drawing.request | Uploads(client).sendable(drawing.pictures)
    answer = submitted(client, request, drawing.idempotency_key or str(uuid.uuid4()), drawing.wait)
    if isinstance(answer.value, Result) or not drawing.wait:
        return answer
    watch.job(answer.value)
    return finished(client, answer.value.id, watch, profile, drawing.place)
