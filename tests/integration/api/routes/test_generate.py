"""POST /generate where it creates a job: idempotency keys, `Prefer: respond-async`, webhooks, and timeouts."""

from __future__ import annotations

import pytest

from imagegen.entrypoints import generator
from imagegen.jobs.message import VERSION, JobMessage
from tests.support.expectations import outcome
from tests.support.job_handlers import HOOK, PROMPT, JobHandlers, body, header, queued_webhooks
from tools.lambda_event import Context, api_event


def test_an_idempotency_key_makes_generate_repeatable(handlers: JobHandlers) -> None:
    first, again = (handlers.call("POST", "/generate", PROMPT, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert (first["statusCode"], again["statusCode"]) == (200, 200)
    assert body(first)["id"] == body(again)["id"]
    assert header(again, "Idempotency-Replayed") == "true"
    assert handlers.world.engine.generations == 1


@pytest.mark.parametrize(
    ("seconds", "waited", "headers"),
    [(0, 0, {}), (0.5, 0, {}), (900, 28.2, {}), (900, 0, {"Prefer": "respond-async"})],
)
def test_generate_accepts_a_job_if_time_is_short_or_the_caller_prefers_it(
    handlers: JobHandlers, seconds: float, waited: float, headers: dict[str, str]
) -> None:
    event = api_event(PROMPT, headers=headers)
    event["requestContext"]["requestTimeEpoch"] -= int(waited * 1000)
    answer = generator.handler(event, Context(seconds))
    assert (answer["statusCode"], body(answer)["status"]) == (202, "queued")
    assert handlers.world.engine.generations == 0
    handlers.run_queued_jobs()
    assert {each["status"] for each in body(handlers.call("GET", "/jobs"))["jobs"]} == {"succeeded"}


def test_generate_creates_no_job_after_the_gateway_has_timed_out(handlers: JobHandlers) -> None:
    event = api_event(PROMPT)
    event["requestContext"]["requestTimeEpoch"] -= 40_000
    assert generator.handler(event, Context(900))["statusCode"] == 504
    assert body(handlers.call("GET", "/jobs"))["jobs"] == []


def test_a_failed_keyed_generate_returns_the_same_error_when_repeated(handlers: JobHandlers) -> None:
    def crash(step: int) -> None:
        raise ValueError("canary")

    handlers.world.engine.during = crash
    first = handlers.call("POST", "/generate", PROMPT, headers={"Idempotency-Key": "k"})
    assert (first["statusCode"], body(first)["status"]) == (202, "queued")
    for _ in range(6):
        handlers.work(
            JobMessage(
                version=VERSION, tenant=handlers.world.items("JOB#")[0]["tenant"], job_id=body(first)["id"]
            ).body()
        )
    again = handlers.call("POST", "/generate", PROMPT, headers={"Idempotency-Key": "k"})
    assert outcome(again) == (500, "internal_error")


@pytest.mark.parametrize("headers", [{}, {"Prefer": "respond-async"}])
def test_a_cancelled_keyed_generate_returns_the_same_error_when_repeated(
    handlers: JobHandlers, headers: dict[str, str]
) -> None:
    def cancel(step: int) -> None:
        (job,) = handlers.world.items("JOB#")
        handlers.world.jobs.cancel(job["tenant"], job["job_id"])

    handlers.world.engine.during = cancel
    key = {"Idempotency-Key": "k"}
    first = handlers.call("POST", "/generate", PROMPT, headers=key)
    again = handlers.call("POST", "/generate", PROMPT, headers=key | headers)
    assert outcome(first) == outcome(again) == (409, "job_already_final")
    assert "cancelled" in body(first)["detail"]
    assert (header(again, "Idempotency-Replayed"), header(again, "Retry-After")) == ("true", None)


def test_generate_with_a_webhook_runs_a_job_immediately(handlers: JobHandlers) -> None:
    answer = handlers.call("POST", "/generate", PROMPT | HOOK)
    assert (answer["statusCode"], body(answer)["status"]) == (200, "succeeded")
    assert queued_webhooks(handlers) == [(HOOK["webhook"]["url"], "job.succeeded", "succeeded")]
    assert body(handlers.call("GET", f"/jobs/{body(answer)['id']}"))["status"] == "succeeded"


def test_a_direct_invocation_rejects_a_webhook(handlers: JobHandlers) -> None:
    assert outcome(generator.handler(PROMPT | HOOK, Context())) == (422, "unknown_field")
