"""What each sample event in events/ must be answered with, whoever runs it: pytest or `sam local invoke`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

EVENTS = Path(__file__).resolve().parents[2] / "events"


@dataclass(frozen=True)
class Expectation:
    """The function that gets the event, the status of its answer, and the error's code if it is one."""

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
    "generate-scheduler-of-torch.json": _generator(200),
    "bad-json.json": _generator(400, "malformed_json"),
    "bad-empty-body.json": _generator(400, "malformed_json"),
    "bad-nan.json": _generator(400, "malformed_json"),
    "bad-not-utf8.json": _generator(400, "malformed_json"),
    "bad-not-an-object.json": _generator(400, "body_not_object"),
    "bad-duplicate-key.json": _generator(400, "duplicate_key"),
    "bad-number.json": _generator(400, "number_out_of_range"),
    "bad-depth.json": _generator(400, "json_too_deep"),
    "bad-model.json": _generator(404, "model_not_found"),
    "bad-method.json": _generator(405, "method_not_allowed"),
    "bad-accept.json": _generator(406, "not_acceptable"),
    "bad-content-type.json": _generator(415, "unsupported_media_type"),
    "bad-charset.json": _generator(415, "unsupported_media_type"),
    "bad-content-encoding.json": _generator(415, "unsupported_media_type"),
    "bad-missing-prompt.json": _generator(422, "missing_field"),
    "bad-wrong-type.json": _generator(422, "wrong_type"),
    "bad-unknown-field.json": _generator(422, "unknown_field"),
    "bad-warm-up-through-the-api.json": _generator(422, "missing_field"),
    "bad-size.json": _generator(422, "size_invalid"),
    "bad-size-for-the-model.json": _generator(422, "size_invalid"),
    "bad-steps.json": _generator(422, "out_of_range"),
    "bad-scheduler.json": _generator(422, "unknown_scheduler"),
    "bad-control-character.json": _generator(422, "invalid_text"),
    "bad-blank-prompt.json": _generator(422, "prompt_empty"),
    "bad-long-prompt.json": _generator(422, "prompt_too_long"),
    "warm-up.json": _generator(200),
    "warm-up-model.json": _generator(200),
    "warm-up-unknown-model.json": _generator(404, "model_not_found"),
    "invoke-directly.json": _generator(200),
    "invoke-directly-bad.json": _generator(422, "wrong_type"),
    "api-health.json": _api(200),
    "api-health-bad-method.json": _api(405, "method_not_allowed"),
    "api-models.json": _api(200),
    "api-openapi.json": _api(200),
    "api-docs.json": _api(200),
    "api-preflight.json": _api(204),
    "api-unknown-route.json": _api(404, "route_not_found"),
    "generate-respond-async.json": _generator(202),
    "generate-idempotency-key.json": _generator(200),
    "api-jobs-submit.json": _api(202),
    "api-jobs-submit-bad.json": _api(422, "size_invalid"),
    "api-jobs-submit-unknown-model.json": _api(404, "model_not_found"),
    "api-jobs-submit-bad-key.json": _api(400, "idempotency_key_invalid"),
    "api-jobs-submit-wait.json": _api(202),
    "api-jobs-submit-webhook.json": _api(202),
    "api-jobs-submit-bad-webhook.json": _api(422, "url_not_allowed"),
    "api-jobs-list.json": _api(200),
    "api-jobs-list-bad-limit.json": _api(422, "out_of_range"),
    "api-jobs-list-bad-cursor.json": _api(400, "invalid_cursor"),
    "api-jobs-bad-method.json": _api(405, "method_not_allowed"),
    "api-job-unknown.json": _api(404, "job_not_found"),
    "api-job-malformed.json": _api(404, "job_not_found"),
    "api-job-delete-unknown.json": _api(404, "job_not_found"),
    "api-job-cancel-unknown.json": _api(404, "job_not_found"),
    "worker-job-gone.json": Expectation("Worker", 200),
    "worker-malformed.json": Expectation("Worker", 200),
    "worker-unknown-version.json": Expectation("Worker", 200),
    "dead-letters.json": Expectation("DeadLetters", 200),
    "sweeper.json": Expectation("Sweeper", 200),
    "webhook-job-gone.json": _webhooks(200),
    "webhook-malformed.json": _webhooks(200),
    "webhook-unknown-version.json": _webhooks(200),
}
"""Of a deployment that has both engines."""

_WITHOUT_TORCH: Final = {"generate-scheduler-of-torch.json": _generator(422, "unknown_scheduler")}


def expectations(engines: str) -> dict[str, Expectation]:
    """What a deployment with these engines, as in ENGINES, must answer."""
    return EXPECTATIONS if "torch" in engines.split(",") else EXPECTATIONS | _WITHOUT_TORCH


def events_of(*functions: str) -> list[str]:
    """Sample events of these functions."""
    return [name for name, expected in EXPECTATIONS.items() if expected.function in functions]


def load(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / name).read_text())
    return event


def outcome(answer: dict[str, Any]) -> tuple[int, str | None]:
    """Status and error code of a function's answer to an API event or a direct invocation.

    Of a batch's answer: 503 where a message comes back, which is a failure only of what lies behind the function.
    """
    if "statusCode" in answer:
        document = json.loads(answer["body"]) if answer["statusCode"] >= 400 else {}
        return answer["statusCode"], document.get("code")
    if "batchItemFailures" in answer:
        return (503 if answer["batchItemFailures"] else 200), None
    if "code" in answer:
        return answer["status"], answer["code"]
    return 200, None
