"""Call every function of `telemetry` and print what it writes to a Lambda function's log: `python -m` this module."""

from __future__ import annotations

import inspect
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final

from imagegen import telemetry
from imagegen.errors import InternalError, ProvenanceUnavailable, TenantNotFound
from imagegen.moderation.ports import Blocked
from imagegen.webhooks.delivery import Attempt

_CALLER: Final = SimpleNamespace(tenant="acme", principal="key:1")
_RESULT: Final = SimpleNamespace(
    id="job", model="demo", images=(1, 2), cached=True, cold_start=True, cost=SimpleNamespace(usd=0.1),
    timings=SimpleNamespace(total_ms=900, model_dump=dict),
)  # fmt: skip
_JOB: Final = SimpleNamespace(job_id="job", state="failed", runs=1, error=SimpleNamespace(code="generation_failed"))
_CHAIN: Final = SimpleNamespace(expires_at=datetime.now(UTC) + timedelta(days=400), fingerprint="ab")

CALLS: Final[dict[str, list[tuple[Any, ...]]]] = {
    "requested": [("request",)],
    "authenticated": [(_CALLER,)],
    "called": [(_CALLER,)],
    "key_changed": [("created", "acme", "1")],
    "generated": [(_RESULT,)],
    "warmed": [(SimpleNamespace(model="demo", load_ms=1, reason="cpu"),)],
    "webhook_attempted": [(Attempt(verdict, "timeout"), 1) for verdict in ("delivered", "retry", "dead")],
    "ran": [("job", _JOB), ("job", None)],
    "moderation_blocked": [(Blocked("acme", "demo", "prompt", "sexual", "1"),)],
    "moderation_unavailable": [("prompt", "cause")],
    "became_job": [()],
    "unreadable": [("malformed_message",)],
    "dead_letter": [("not_processed", "job")],
    "swept": [(0, [], 0), (2, ["job"], 1)],
    "signs_with": [(_CHAIN,)],
    "signs_nothing": [()],
    "provenance_unavailable": [(ProvenanceUnavailable("cause"),)],
    "verified": [("valid",)],
    "failed": [(InternalError(),), (TenantNotFound(),)],
    "crashed": [(ValueError("prompt"),)],
}  # fmt: skip
"""Arguments that reach every branch of each function that counts."""


def public_functions() -> set[str]:
    """Return the names of the functions that the rest of the service may call."""
    functions = inspect.getmembers(telemetry, inspect.isfunction)
    return {name for name, each in functions if each.__module__ == telemetry.__name__ and not name.startswith("_")}


if __name__ == "__main__":
    for name, calls in CALLS.items():
        for arguments in calls:
            getattr(telemetry, name)(*arguments)
    print(json.dumps(telemetry.metrics.serialize_metric_set()))
