"""A job as a table's item, and back. Pure; docs/architecture.md lists the attributes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from imagegen.jobs import Job, Progress

OPEN: Final = "open"
"""Shard of by_due with what is not done. It takes 1,000 writes a second: 250 jobs that run at the same moment."""
DONE: Final = "done"
"""Shard with what is only kept until it expires: however much that is, nobody who waits is behind it."""

_DOCUMENTS: Final = ("request", "result", "error", "webhook", "metadata", "progress")
_MOMENTS: Final = ("created_at", "started_at", "finished_at")
_NUMBERS: Final = ("attempt", "setbacks", "hand_ons", "lease_until", "due_at", "expires_at")


def key(tenant: str, job_id: str) -> dict[str, str]:
    return {"pk": f"JOB#{tenant}#{job_id}", "sk": "JOB"}


def to_item(job: Job) -> dict[str, Any]:
    """Strings, integers and booleans; documents as JSON, for the table knows no floats. What is None is left out."""
    item: dict[str, Any] = {name: getattr(job, name) for name in Job.__dataclass_fields__}
    item["progress"] = asdict(job.progress) if job.progress else None
    for name in _DOCUMENTS:
        if item[name] is not None:
            # Not as ASCII: three times the bytes, and an item may have 400 KB.
            item[name] = json.dumps(item[name], separators=(",", ":"), ensure_ascii=False)
    for name in _MOMENTS:
        if item[name] is not None:
            item[name] = item[name].isoformat()
    item["due_shard"] = DONE if job.done_with else OPEN
    return key(job.tenant, job.job_id) | {name: value for name, value in item.items() if value is not None}


def from_item(item: Mapping[str, Any]) -> Job:
    """Attributes that this version does not know are left alone."""
    known = {name: item[name] for name in Job.__dataclass_fields__ if name in item}
    for name in _DOCUMENTS:
        if name in known:
            known[name] = json.loads(known[name])
    for name in _MOMENTS:
        if name in known:
            known[name] = datetime.fromisoformat(known[name])
    for name in _NUMBERS:
        if name in known:
            known[name] = int(known[name])
    if "progress" in known:
        found = known["progress"]
        known["progress"] = Progress(**{name: found[name] for name in Progress.__dataclass_fields__ if name in found})
    return Job(**known)
