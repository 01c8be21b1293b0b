"""Expected answer to each sample event in events/, for pytest and `sam local invoke`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

EVENTS = Path(__file__).resolve().parents[2] / "events"


@dataclass(frozen=True)
class Expectation:
    """Function that receives the event, status of its answer, and error code if the answer is an error."""

    function: Literal["Generator", "Worker", "Api", "Sweeper", "DeadLetters", "Webhooks"]
    status: int
    code: str | None = None


def _generator(status: int, code: str | None = None) -> Expectation:
    return Expectation("Generator", status, code)


def _api(status: int, code: str | None = None) -> Expectation:
    return Expectation("Api", status, code)


def _webhooks(status: int) -> Expectation:
    return Expectation("Webhooks", status)


EXPECTATIONS: Final[dict[str, Expectation]] = {
    "generate-minimal.json": _generator(200),
    "generate-seeded-base64.json": _generator(200),
    "generate-every-field.json": _generator(200),
    "generate-jpeg.json": _generator(200),
    "generate-unicode-prompt.json": _generator(200),
    "generate-scheduler.json": _generator(200),
    "verify.json": _generator(200),
    "bad-json.json": _generator(400, "malformed_json"),
    "bad-model.json": _generator(404, "model_not_found"),
    "bad-method.json": _generator(405, "method_not_allowed"),
    "bad-accept.json": _generator(406, "not_acceptable"),
    "bad-content-type.json": _generator(415, "unsupported_media_type"),
    "bad-scope.json": _generator(403, "forbidden_scope"),
    "bad-prompt.json": _generator(422, "moderation_blocked"),
    "bad-size.json": _generator(422, "size_invalid"),
    "bad-event-function-url.json": _generator(400, "unsupported_event"),
    "bad-event-load-balancer.json": _generator(400, "unsupported_event"),
    "warm-up.json": _generator(200),
    "warm-up-model.json": _generator(200),
    "warm-up-unknown-model.json": _generator(404, "model_not_found"),
    "invoke-directly.json": _generator(200),
    "invoke-directly-bad.json": _generator(422, "wrong_type"),
    "invoke-directly-idempotency-key.json": _generator(200),
    "invoke-directly-bad-idempotency-key.json": _generator(400, "idempotency_key_invalid"),
    "api-health.json": _api(200),
    "api-models.json": _api(200),
    "api-openapi.json": _api(200),
    "api-docs.json": _api(200),
    "api-preflight.json": _api(204),
    "api-unknown-route.json": _api(404, "route_not_found"),
    "generate-respond-async.json": _generator(202),
    "generate-idempotency-key.json": _generator(200),
    "api-jobs-submit.json": _api(202),
    "api-jobs-submit-wait.json": _api(202),
    "api-jobs-submit-webhook.json": _api(202),
    "api-jobs-list.json": _api(200),
    "api-job-unknown.json": _api(404, "job_not_found"),
    "api-job-delete-unknown.json": _api(404, "job_not_found"),
    "api-job-cancel-unknown.json": _api(404, "job_not_found"),
    "api-me.json": _api(200),
    "api-usage.json": _api(200),
    "api-report.json": _api(200),
    "api-uploads.json": _api(201),
    "api-keys-create.json": _api(201),
    "api-keys-unknown-tenant.json": _api(404, "tenant_not_found"),
    "api-key-rotate-unknown.json": _api(404, "key_not_found"),
    "api-key-revoke-unknown.json": _api(404, "key_not_found"),
    "worker-job-gone.json": Expectation("Worker", 200),
    "worker-malformed.json": Expectation("Worker", 200),
    "worker-unknown-version.json": Expectation("Worker", 200),
    "dead-letters.json": Expectation("DeadLetters", 200),
    "sweeper.json": Expectation("Sweeper", 200),
    "webhook-job-gone.json": _webhooks(200),
    "webhook-malformed.json": _webhooks(200),
    "webhook-unknown-version.json": _webhooks(200),
}
"""For a deployment with either engine, or both."""


def events_of(*functions: str) -> list[str]:
    """Names of the sample events for these functions."""
    return [name for name, expected in EXPECTATIONS.items() if expected.function in functions]


def load(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / name).read_text())
    return event


def outcome(answer: dict[str, Any]) -> tuple[int, str | None]:
    """Status and error code of a function's answer to an API event, a direct invocation, or a batch of messages.

    A batch with failed items is 503: handlers return a message to the queue only if a dependency is unavailable.
    """
    if "statusCode" in answer:
        document = json.loads(answer["body"]) if answer["statusCode"] >= 400 else {}
        return answer["statusCode"], document.get("code")
    if "batchItemFailures" in answer:
        return (503 if answer["batchItemFailures"] else 200), None
    if "code" in answer:
        return answer["status"], answer["code"]
    return 200, None
