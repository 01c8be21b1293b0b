"""A job as an item of the table, and back. Pure; docs/architecture.md lists the attributes.

Attribute names are part of the stored data: they stay when a field is renamed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict
from datetime import datetime
from typing import Any, Final, get_args

from pydantic import BaseModel, TypeAdapter
from ulid import ULID

from imagegen.aws.due_shards import due_shard
from imagegen.generation.request import GenerateRequest, Webhook
from imagegen.generation.result import Outcome
from imagegen.jobs.job import STATES, Job, JobError, Progress, State, UnreadableJob
from imagegen.jobs.ports import DueKind
from imagegen.jobs.timing import Phase
from imagegen.limits.quota import Reservation
from imagegen.origin import UNKNOWN, Origin

WAITING: Final = "waiting"
"""Shard of index by_turn, with the jobs that any worker may run. Three writes for each job at most."""

ATTRIBUTES: Final = {"aws_failures": "setbacks", "deadline_requeues": "hand_ons", "listed": "turn_shard"}
"""Fields whose attribute has another name."""

_REQUIRED: Final = {
    name
    for name, each in Job.__dataclass_fields__.items()
    if each.default is MISSING and each.default_factory is MISSING
} - {"request"}
_PROGRESS: Final = TypeAdapter(Progress)
_RESERVATION: Final = TypeAdapter(Reservation)
_ORIGIN: Final = TypeAdapter(Origin)


def key(tenant: str, job_id: str) -> dict[str, str]:
    """Return the job's primary key."""
    return {"pk": f"JOB#{tenant}#{job_id}", "sk": "JOB"}


def to_item(job: Job) -> dict[str, Any]:
    """Return strings, integers and booleans, with documents as JSON (DynamoDB has no floats). None is omitted."""
    fields = {name: getattr(job, name) for name in Job.__dataclass_fields__}
    item = {
        ATTRIBUTES.get(name, name): encoded
        for name, value in fields.items()
        if value is not None and (encoded := _ENCODERS.get(name, _identity)(value)) is not None
    }
    item["due_shard"] = due_shard(_due_kind(job), job.job_id)
    return key(job.tenant, job.job_id) | item


def from_item(item: Mapping[str, Any]) -> Job:
    """Return the item's job. Attributes that this version does not know are ignored.

    Raises UnreadableJob if a newer version stored a state or an attribute that this one rejects.
    """
    fields: dict[str, Any] = {"request": None}
    for name in Job.__dataclass_fields__:
        attribute = ATTRIBUTES.get(name, name)
        if attribute in item:
            fields[name] = _decoded(name, item[attribute])
    if missing := _REQUIRED - fields.keys():
        raise UnreadableJob(min(missing))
    return Job(**fields)


def listed(item: Mapping[str, Any]) -> Job:
    """Return the item's job or, of one that this version cannot read, what a list can show: its id, age and error.

    A state that this version does not know counts as running: the caller asks again.
    """
    try:
        return from_item(item)
    except UnreadableJob as error:
        return Job(
            tenant=item["tenant"],
            job_id=item["job_id"],
            request=None,
            created_at=ULID.from_str(item["job_id"]).datetime,
            expires_at=int(item["expires_at"]),
            due_at=0,
            state=state if (state := item.get("state")) in STATES else "running",
            error=JobError.of(error.as_error()),
        )


def _due_kind(job: Job) -> DueKind:
    """Return how the sweeper must handle the job. Those that wait or are done never delay the others."""
    if job.final:
        return "done" if job.done else "open"
    if job.state == "running":
        return "running"
    return "sent" if job.sent else "open"


def _decoded(name: str, value: Any) -> Any:
    try:
        return _DECODERS.get(name, _identity)(value)
    except (ValueError, TypeError) as error:
        raise UnreadableJob(name) from error


def _identity(value: Any) -> Any:
    return value


def _json(document: Any) -> str:
    # UTF-8, because escapes to ASCII can take three times the bytes and an item is limited to 400 KB.
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def _encode_request(request: GenerateRequest) -> str:
    return _json(request.model_dump(exclude_unset=True, exclude={"webhook"}))


def _decoder(model: type[BaseModel]) -> Callable[[str], BaseModel | None]:
    """Return a decoder that returns None if a newer version stored what this one rejects.

    The job stays usable for everything that does not need the document, and `to_item` leaves its attribute alone.
    """

    def decode(text: str) -> BaseModel | None:
        try:
            return model.model_validate(json.loads(text))
        except ValueError:  # as pydantic's ValidationError is
            return None

    return decode


def _decode_webhook(text: str) -> Webhook:
    """Not validated again: it was when the job was submitted, and the URL is checked again at delivery."""
    return Webhook.model_construct(**json.loads(text))


def _encode_result(result: Outcome) -> str:
    """Without the fields that the version which stored it did not know: the row stays as it was written."""
    return _json(result.model_dump(mode="json", exclude_unset=True))


def _encode_progress(progress: Progress) -> str:
    later = ("resumed_at", "preview")  # than version 0.1.0
    return _json({name: value for name, value in asdict(progress).items() if value is not None or name not in later})


def _decode_progress(text: str) -> Progress | None:
    """None if a newer version stored another kind of progress: the job runs without it."""
    try:
        return _PROGRESS.validate_json(text)
    except ValueError:
        return None


def _decode_reserved(text: str) -> Reservation | None:
    """None if a newer version stored another kind of reservation: the sweeper releases it."""
    try:
        return _RESERVATION.validate_json(text)
    except ValueError:
        return None


def _encode_origin(origin: Origin) -> str | None:
    return _json({name: value for name, value in asdict(origin).items() if value}) if origin != UNKNOWN else None


def _decode_origin(text: str) -> Origin:
    """Unknown if a newer version stored another kind of origin."""
    try:
        return _ORIGIN.validate_json(text)
    except ValueError:
        return UNKNOWN


def _decode_metadata(text: str) -> dict[str, str]:
    """Without what a newer version stored and this one cannot show."""
    stored = json.loads(text)
    return {name: value for name, value in stored.items() if isinstance(value, str)} if isinstance(stored, dict) else {}


def _decode_state(text: str) -> State:
    if text not in STATES:
        raise ValueError("unknown state")
    return text


_ENCODERS: Final[dict[str, Callable[[Any], Any]]] = {
    "request": _encode_request,
    "result": _encode_result,
    "error": lambda error: _json(error.model_dump()),
    "webhook": lambda webhook: _json(webhook.model_dump()),
    "metadata": _json,
    "progress": _encode_progress,
    "reserved": lambda reservation: _RESERVATION.dump_json(reservation).decode(),
    "listed": lambda listed: WAITING if listed else None,
    "origin": _encode_origin,
    **dict.fromkeys(("traded", "continuations", "waits", "resends", "version"), lambda value: value or None),
    **dict.fromkeys(("created_at", "started_at", "finished_at"), datetime.isoformat),
}

_DECODERS: Final[dict[str, Callable[[Any], Any]]] = {
    "request": _decoder(GenerateRequest),
    "result": _decoder(Outcome),
    "error": _decoder(JobError),
    "webhook": _decode_webhook,
    "metadata": _decode_metadata,
    "progress": _decode_progress,
    "reserved": _decode_reserved,
    "state": _decode_state,
    "origin": _decode_origin,
    "listed": lambda shard: shard == WAITING,
    "phase": lambda phase: phase if phase in get_args(Phase) else None,
    **dict.fromkeys(("created_at", "started_at", "finished_at"), datetime.fromisoformat),
    **dict.fromkeys(
        (
            *("attempt", "aws_failures", "deadline_requeues", "continuations", "waits", "resends", "position"),
            *("lease_until", "due_at", "expires_at"),
        ),
        int,  # boto3 returns numbers as Decimal
    ),
}
