"""The Webhooks handler with the queues of the template, mocked by moto."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from imagegen import job_log
from imagegen.aws.sqs import SqsWebhookQueue
from imagegen.entrypoints import webhooks
from imagegen.webhooks.delivery import WebhookSender
from imagegen.webhooks.ports import SecretStore
from imagegen.webhooks.safe_http import SafeClient
from tests.support import webhook_world as support
from tests.support.expectations import events_of, load, outcome
from tests.support.webhook_world import JOB_ID, Jobs
from tools.faults.webhook_deliveries import TENANT, Secrets, final_job, received, waiting
from tools.lambda_event import Context
from tools.local.webhook_receiver import Behaviour, receiver, reset, status


class Function:
    """The handler with a test sender behind it. Passes messages from the queue to the handler."""

    def __init__(self, queues: dict[str, str], monkeypatch: pytest.MonkeyPatch):
        self.url = queues["WebhooksQueue"]
        self.dead_letters_url = queues["WebhooksDeadLetters"]
        self.queue = SqsWebhookQueue(self.url, self.dead_letters_url)
        self.secrets: SecretStore = Secrets()
        self._monkeypatch = monkeypatch
        self.use(SafeClient())

    def use(self, client: SafeClient) -> None:
        sender = WebhookSender(
            jobs=Jobs(),
            render=lambda job: {"id": JOB_ID},
            secrets=self.secrets,
            client=client,
            retries=self.queue,
            about=job_log.about,
        )
        self._monkeypatch.setattr(webhooks.container, "webhook_sender", sender, raising=False)

    def __call__(self, event: dict[str, Any]) -> dict[str, Any]:
        return dict(webhooks.handler(event, Context(60)))

    def deliver(self, behaviour: Behaviour, count: int = 1) -> list[dict[str, Any]]:
        """Queue `count` webhooks for a receiver with this behavior. Returns the handler's answers, one per message."""
        with receiver(behaviour) as running:
            self.use(running.client())
            for _ in range(count):
                self.queue.put(final_job(JOB_ID, url=running.url("/hook?key=canary-4711")))
            sqs = boto3.client("sqs")
            return [self(event) for _ in range(count) for event in received(sqs, self.url)]

    def dead_letters(self) -> list[str]:
        """Reasons of the messages in the dead-letter queue."""
        answer = boto3.client("sqs").receive_message(
            QueueUrl=self.dead_letters_url, MessageAttributeNames=["All"], MaxNumberOfMessages=10
        )
        return [each["MessageAttributes"]["reason"]["StringValue"] for each in answer.get("Messages", [])]


@pytest.fixture
def function(queues: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Function:
    return Function(queues, monkeypatch)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("webhook-job-gone.json", "job_gone"),
        ("webhook-malformed.json", "malformed_message"),
        ("webhook-unknown-version.json", "unknown_version"),
    ],
)
def test_each_sample_event_is_dead_lettered_with_its_reason(function: Function, name: str, reason: str) -> None:
    event = load(name)
    event["Records"][0]["body"] = event["Records"][0]["body"].replace(JOB_ID, JOB_ID[::-1])
    assert outcome(function(event)) == (200, None)
    assert function.dead_letters() == [reason]


def test_every_sample_event_is_tested() -> None:
    assert events_of("Webhooks") == ["webhook-job-gone.json", "webhook-malformed.json", "webhook-unknown-version.json"]


def test_a_delivered_webhook_leaves_the_queue(function: Function) -> None:
    assert function.deliver(status(200)) == [{"batchItemFailures": []}]
    assert function.dead_letters() == []


@pytest.mark.parametrize(
    ("stored", "reason"), [("whsec_" + "canary" * 6 + "x", "secret_invalid"), (None, "secret_missing")]
)
def test_a_secret_that_the_operator_must_repair_is_an_error_that_names_the_parameter(
    function: Function, printed: Callable[[], str], stored: str | None, reason: str
) -> None:
    function.secrets = support.Secrets(stored)
    (answer,) = function.deliver(status(200))
    assert len(answer["batchItemFailures"]) == 1
    (line,) = (json.loads(line) for line in printed().splitlines() if '"webhook retry"' in line)
    assert (line["level"], line["reason"], line["parameter"]) == ("ERROR", reason, f"/stack/webhooks/{TENANT}")
    assert "canary" not in str(line)
    function.secrets = Secrets()  # repaired
    assert function.deliver(status(200)) == [{"batchItemFailures": []}]


def test_a_failed_webhook_stays_hidden_until_its_next_attempt(function: Function) -> None:
    (answer,) = function.deliver(status(500))
    assert len(answer["batchItemFailures"]) == 1
    assert waiting(boto3.client("sqs"), function.url) == 1
    assert received(boto3.client("sqs"), function.url) == []


def test_failed_webhooks_do_not_fail_the_invocation(function: Function) -> None:
    answers = function.deliver(reset, count=3)
    assert [len(answer["batchItemFailures"]) for answer in answers] == [1, 1, 1]


def test_only_the_failed_records_of_a_batch_return_to_the_queue(function: Function) -> None:
    good, bad = load("webhook-malformed.json")["Records"][0], load("webhook-malformed.json")["Records"][0]
    bad |= {"messageId": "bad", "attributes": {"ApproximateReceiveCount": "not a number"}}
    assert function({"Records": [good, bad, good | {"messageId": "third"}]}) == {
        "batchItemFailures": [{"itemIdentifier": "bad"}]
    }


def test_a_message_that_cannot_be_dead_lettered_stays_in_the_queue(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function.queue, "_dead_letters_url", "https://sqs.us-east-1.amazonaws.com/123456789012/lost")
    assert outcome(function(load("webhook-malformed.json"))) == (503, None)


def test_logs_and_metrics_have_the_outcome_but_not_the_url(function: Function, printed: Callable[[], str]) -> None:
    function.deliver(status(200))
    function.deliver(status(410))
    function.deliver(reset)
    function(load("webhook-malformed.json"))
    text = printed()
    lines = [json.loads(line) for line in text.splitlines() if '"reason"' in line]
    assert [(line["message"], line["reason"]) for line in lines] == [
        ("webhook delivered", "delivered"),
        ("webhook dead", "status_410"),
        ("webhook retry", "connection_failed"),
        ("webhook dead", "malformed_message"),
    ]
    assert {line.get("job_id") for line in lines} == {JOB_ID, None}
    assert all(name in text for name in ("WebhooksDelivered", "WebhookDeadLetters", "WebhookRetries"))
    assert "canary" not in text
    assert "whsec_" not in text
    assert "example.com" not in text
