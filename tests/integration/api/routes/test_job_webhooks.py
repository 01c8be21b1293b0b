"""The `webhook` field of a submitted job."""

from __future__ import annotations

import json

import pytest

from imagegen import job_log
from imagegen.errors import ModelUnavailable, StorageUnavailable
from imagegen.webhooks.delivery import WebhookSender
from imagegen.webhooks.ports import ReceivedMessage
from tests.support.expectations import outcome
from tests.support.job_faults import unavailable
from tests.support.job_handlers import HOOK, PROMPT, JobHandlers, body, queued_webhooks
from tests.support.openapi_contract import contract
from tests.support.webhook_world import Jobs, Retries, Secrets, StubClient, WebhookWorld
from tools.lambda_event import authorizer


def test_a_webhook_is_queued_for_each_requested_final_state(handlers: JobHandlers) -> None:
    done, cancelled = (body(handlers.submit(PROMPT | HOOK)) for _ in range(2))
    assert queued_webhooks(handlers) == []
    handlers.call("POST", f"/jobs/{cancelled['id']}/cancel")
    handlers.run_queued_jobs()
    assert queued_webhooks(handlers) == [
        (HOOK["webhook"]["url"], f"job.{end}", end) for end in ("cancelled", "succeeded")
    ]
    handlers.world.engines.failing = ModelUnavailable("The model cannot be loaded.")
    failed = body(handlers.submit(PROMPT | HOOK | {"seed": 1}))
    handlers.run_queued_jobs()
    assert body(handlers.call("GET", f"/jobs/{failed['id']}"))["status"] == "failed"
    assert len(queued_webhooks(handlers)) == 2
    assert "webhook" not in json.dumps(body(handlers.call("GET", f"/jobs/{done['id']}")))


@pytest.mark.parametrize("cancel", [False, True])
def test_the_webhook_of_a_job_deleted_between_two_attempts_is_delivered(handlers: JobHandlers, cancel: bool) -> None:
    job = body(handlers.submit(PROMPT | HOOK | {"prompt": "canary", "metadata": {"order": "A-17"}}))
    if cancel:
        handlers.call("POST", f"/jobs/{job['id']}/cancel")
    handlers.run_queued_jobs()
    (message,) = handlers.world.webhooks.bodies
    hooks = WebhookWorld(jobs=Jobs(None), client=StubClient(500))
    assert hooks.deliver(message) == ("retry", "status_500")
    assert handlers.call("DELETE", f"/jobs/{job['id']}")["statusCode"] == 204
    assert outcome(handlers.call("GET", f"/jobs/{job['id']}")) == (404, "job_not_found")
    assert body(handlers.call("GET", "/jobs"))["jobs"] == []
    assert "canary" not in str(handlers.world.items("")) + message
    hooks.client.answer = 200
    assert hooks.deliver(message, attempt=2) == ("delivered", "delivered")


def test_a_job_whose_webhook_is_not_queued_yet_is_deleted_once_it_is(handlers: JobHandlers) -> None:
    job = body(handlers.submit(PROMPT | HOOK))
    handlers.world.webhooks.failing = StorageUnavailable("SQS is unavailable.")
    handlers.run_queued_jobs()
    assert outcome(handlers.call("DELETE", f"/jobs/{job['id']}")) == (503, "storage_unavailable")
    assert handlers.call("GET", f"/jobs/{job['id']}")["statusCode"] == 200
    handlers.world.webhooks.failing = None
    assert handlers.call("DELETE", f"/jobs/{job['id']}")["statusCode"] == 204
    assert queued_webhooks(handlers) == [(HOOK["webhook"]["url"], "job.succeeded", "succeeded")]


@pytest.mark.parametrize(
    ("webhook", "field", "code"),
    [
        ({"url": "http://example.com/hook"}, "webhook.url", "url_not_allowed"),
        ({"url": "https://169.254.169.254/latest"}, "webhook.url", "url_not_allowed"),
        ({"url": "https://127.1/"}, "webhook.url", "url_not_allowed"),
        ({"url": 7}, "webhook.url", "wrong_type"),
        ({}, "webhook.url", "missing_field"),
        ({"url": "https://example.com", "secret": "x"}, "webhook.secret", "unknown_field"),
        ({"url": "https://example.com", "events": ["job.running"]}, "webhook.events.0", "out_of_range"),
        ({"url": "https://example.com", "events": []}, "webhook.events", "out_of_range"),
        ("https://example.com", "webhook", "wrong_type"),
        (None, "webhook", "wrong_type"),
    ],
)
def test_an_invalid_webhook_is_rejected_at_submission(
    handlers: JobHandlers, webhook: object, field: str, code: str
) -> None:
    answer = handlers.submit(PROMPT | {"webhook": webhook})
    assert outcome(answer) == (422, code)
    assert [each["field"] for each in body(answer)["errors"]] == [field]
    assert handlers.world.items("JOB#") == []


@pytest.mark.parametrize("headers", [{}, {"Prefer": "respond-async"}, {"Idempotency-Key": "k"}])
@pytest.mark.parametrize("route", ["/jobs", "/generate"])
def test_a_webhook_that_cannot_be_signed_is_rejected(
    handlers: JobHandlers, route: str, headers: dict[str, str]
) -> None:
    bob = {"requestContext": {"path": f"/v1{route}", "authorizer": authorizer("key-of-bob")}}
    answer = handlers.call("POST", route, PROMPT | HOOK, headers=headers, **bob)
    assert outcome(answer) == (422, "webhook_secret_missing")
    assert [error["field"] for error in body(answer)["errors"]] == ["webhook"]
    assert "make webhook-secret" in body(answer)["detail"]
    assert handlers.world.items("JOB#") + handlers.world.items("IDEMPOTENCY#") == []
    handlers.make_webhook_secret("key-of-bob")
    assert handlers.call("POST", route, PROMPT | HOOK, headers=headers, **bob)["statusCode"] in (200, 202)


def test_a_secret_is_looked_for_until_it_is_found_and_a_request_without_a_webhook_needs_none(
    handlers: JobHandlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    store = handlers.world.container._ssm_secrets
    real = store.exists

    def exists(tenant: str) -> bool:
        asked.append(tenant)
        return real(tenant)

    monkeypatch.setattr(store, "exists", exists)
    for given in (PROMPT, PROMPT | HOOK, PROMPT | HOOK):
        assert handlers.submit(given)["statusCode"] == 202
    assert len(asked) == 1


def test_a_webhook_is_accepted_while_ssm_does_not_respond(
    handlers: JobHandlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers.world.container._ssm_secrets, "exists", unavailable)
    assert handlers.submit(PROMPT | HOOK)["statusCode"] == 202


def test_the_webhook_of_each_final_state_is_as_the_openapi_document_says(handlers: JobHandlers) -> None:
    wanted = PROMPT | {"webhook": {"url": HOOK["webhook"]["url"]}, "metadata": {"order": "A-17"}}
    handlers.submit(wanted)
    handlers.call("POST", f"/jobs/{body(handlers.submit(wanted))['id']}/cancel")
    handlers.run_queued_jobs()
    handlers.world.engines.failing = ModelUnavailable("The model cannot be loaded.")
    handlers.submit(wanted | {"seed": 1})
    handlers.run_queued_jobs()
    client = StubClient()
    container = handlers.world.container
    sender = WebhookSender(
        jobs=container.job_store,
        render=lambda job: container.job_renderer.render_listed(job).model_dump(mode="json"),
        secrets=Secrets(),
        client=client,
        retries=Retries(),
        slots=container.webhook_slots,
        about=job_log.about,
    )
    for message in handlers.world.webhooks.bodies:
        assert sender.deliver(ReceivedMessage("m", message, 1)).verdict == "delivered"
    events = [(headers, json.loads(sent)) for _, headers, sent in client.posts]
    assert {event["type"] for _, event in events} == {"job.succeeded", "job.failed", "job.cancelled"}
    for headers, event in events:
        contract().check_webhook(headers, event)
