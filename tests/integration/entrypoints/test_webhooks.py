"""The Webhooks handler with the queues of the template, mocked by moto."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from imagegen import job_log, telemetry
from imagegen.aws.sqs import SqsWebhookQueue
from imagegen.aws.webhooks import DynamoHeldWebhooks, DynamoSlots
from imagegen.deadline import Deadline
from imagegen.entrypoints import webhooks
from imagegen.jobs.ports import Listed
from imagegen.webhooks.delivery import WebhookSender
from imagegen.webhooks.message import WebhookMessage
from imagegen.webhooks.ports import SecretStore
from imagegen.webhooks.retries import Resent, WaitingWebhooks
from imagegen.webhooks.safe_http import SafeClient
from imagegen.webhooks.slots import HELD_S, SLOTS, Slots
from tests.support import webhook_world as support
from tests.support.expectations import events_of, load, outcome
from tests.support.fakes import PLENTY
from tests.support.job_faults import unavailable
from tests.support.webhook_world import JOB_ID, Jobs
from tools.faults.job_backend import MovableClock
from tools.faults.webhook_deliveries import TENANT, Secrets, final_job, received, settle, waiting
from tools.lambda_event import Context
from tools.local.webhook_receiver import Behaviour, receiver, reset, status


class Function:
    """The handler with a test sender behind it. Passes messages from the queue to the handler."""

    def __init__(self, resources: dict[str, str], monkeypatch: pytest.MonkeyPatch):
        self.url = resources["WebhooksQueue"]
        self.dead_letters_url = resources["WebhooksDeadLetters"]
        self.queue = SqsWebhookQueue(self.url, self.dead_letters_url)
        self.clock = MovableClock()
        self.held = DynamoHeldWebhooks(resources["Table"], self.clock)
        self.waiting = WaitingWebhooks(self.queue, self.held, self.clock, job_log, telemetry.crashed, threads=1)
        self.slots = DynamoSlots(resources["Table"], self.clock)
        self.secrets: SecretStore = Secrets()
        self._monkeypatch = monkeypatch
        self.use(SafeClient())

    def use(self, client: SafeClient) -> None:
        sender = WebhookSender(
            jobs=Jobs(),
            render=lambda job: {"id": JOB_ID},
            secrets=self.secrets,
            client=client,
            retries=self.waiting,
            slots=Slots(self.slots, self.clock),
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
            answers = []
            for event in [event for _ in range(count) for event in received(sqs, self.url)]:
                answers.append(self(event))
                settle(sqs, self.url, event, answers[-1])
            return answers

    def dead_letters(self) -> list[str]:
        """Reasons of the messages in the dead-letter queue."""
        answer = boto3.client("sqs").receive_message(
            QueueUrl=self.dead_letters_url, MessageAttributeNames=["All"], MaxNumberOfMessages=10
        )
        return [each["MessageAttributes"]["reason"]["StringValue"] for each in answer.get("Messages", [])]


@pytest.fixture
def function(resources: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Function:
    return Function(resources, monkeypatch)


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
    assert function.deliver(status(200)) == [{"batchItemFailures": []}]
    (line,) = (json.loads(line) for line in printed().splitlines() if '"webhook retry"' in line)
    assert (line["level"], line["reason"], line["parameter"]) == ("ERROR", reason, f"/stack/webhooks/{TENANT}")
    assert "canary" not in str(line)
    function.secrets = Secrets()  # repaired
    assert function.deliver(status(200)) == [{"batchItemFailures": []}]


def sent(monkeypatch: pytest.MonkeyPatch, function: Function) -> list[dict[str, Any]]:
    """Returns the list of what will be sent to the queues."""
    calls: list[dict[str, Any]] = []
    events = function.queue._client.meta.events
    events.register("provide-client-params.sqs.SendMessage", lambda params, **_: calls.append(dict(params)))
    return calls


def test_a_failed_webhook_is_replaced_by_one_that_waits_and_is_not_in_flight(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQS lets 120,000 messages be in flight; delayed ones do not count."""
    calls = sent(monkeypatch, function)
    assert function.deliver(status(500)) == [{"batchItemFailures": []}]
    first, again = calls
    assert first["DelaySeconds"] == 0
    assert 5 <= again["DelaySeconds"] <= 6
    assert again["MessageGroupId"] == TENANT
    assert json.loads(again["MessageBody"]) == json.loads(first["MessageBody"]) | {"failed": 1}


def attempt(function: Function, failed: int, receives: int = 1) -> WebhookMessage:
    """Deliver a message that has `failed` before to a receiver that fails. Returns the message."""
    event = load("webhook-job-gone.json")
    with receiver(status(500)) as running:
        function.use(running.client())
        message = WebhookMessage.of(final_job(JOB_ID, url=running.url("/hook"))).waiting(failed=failed)
        event["Records"][0]["body"] = message.body()
        event["Records"][0]["attributes"]["ApproximateReceiveCount"] = str(receives)
        assert function(event) == {"batchItemFailures": []}
    return message


def test_a_webhook_that_waits_for_half_an_hour_or_more_is_in_the_table_until_the_sweeper_sends_it(
    function: Function,
) -> None:
    message = attempt(function, failed=2)
    assert waiting(boto3.client("sqs"), function.url) == 0
    function.clock.pass_s(1799)
    assert function.waiting.send_due(PLENTY).count == 0
    function.clock.pass_s(200)
    assert function.waiting.send_due(Deadline(lambda: 2.0)).count == 0, "a sweep that is about to end"
    assert function.waiting.send_due(PLENTY) == Resent(count=1)
    assert function.waiting.send_due(PLENTY) == Resent()
    (event,) = received(boto3.client("sqs"), function.url)
    assert WebhookMessage.parse(event["Records"][0]["body"]) == message.waiting(failed=3)


def test_an_earlier_versions_message_goes_on_with_its_schedule(function: Function) -> None:
    """It was hidden, so its attempts are its receive count; that of this version says how many there were."""
    attempt(function, failed=0, receives=4)
    (listed,) = held(function)
    body, _ = function.held.get(*listed) or ("", 0)
    assert WebhookMessage.parse(body).failed == 4


def test_a_held_webhook_that_was_replaced_is_not_removed(function: Function) -> None:
    message = attempt(function, failed=3)
    _, due_at = function.held.get(TENANT, JOB_ID) or ("", 0)
    function.held.hold(message, due_at + 1)
    function.held.remove(TENANT, JOB_ID, due_at)
    assert function.held.get(TENANT, JOB_ID) == (message.body(), due_at + 1)


def test_a_held_webhook_that_cannot_be_sent_stays(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt(function, failed=3)
    assert len(held(function)) == 1
    monkeypatch.setattr(function.queue, "send", unavailable)
    resent = function.waiting.send_due(PLENTY)
    assert (resent.count, len(resent.failures)) == (0, 1)
    assert len(held(function)) == 1
    monkeypatch.setattr(function.held, "due", unavailable)
    assert len(function.waiting.send_due(PLENTY).failures) == 1


def held(function: Function) -> list[Listed]:
    function.clock.pass_s(3 * 86_400)
    return function.held.due(10)


def test_a_tenant_has_ten_deliveries_at_once_and_its_other_webhooks_wait_in_the_queue(
    function: Function, printed: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = sent(monkeypatch, function)
    tokens = [function.slots.take(TENANT, SLOTS, HELD_S) for _ in range(SLOTS)]
    assert None not in tokens
    assert len(set(tokens)) == SLOTS
    assert function.slots.take(TENANT, SLOTS, HELD_S) is None
    assert function.slots.take("another", SLOTS, HELD_S) is not None
    assert function.deliver(status(200)) == [{"batchItemFailures": []}]
    assert '"webhook busy"' in printed()
    assert [(call["DelaySeconds"], json.loads(call["MessageBody"]).get("busy")) for call in calls] == [
        (0, None),
        (2, 1),
    ]
    function.slots.release(TENANT, str(tokens[3]))
    function.clock.pass_s(1)
    assert function.slots.take(TENANT, SLOTS, HELD_S) is not None
    function.slots.release(TENANT, str(tokens[3]))
    assert function.slots.take(TENANT, SLOTS, HELD_S) is None, "that lease was released before"
    function.clock.pass_s(HELD_S + 1)
    assert function.slots.take(TENANT, SLOTS, HELD_S) is not None, "a dead process loses its slot"


def test_a_slot_is_free_after_every_delivery(function: Function) -> None:
    for _ in range(SLOTS + 1):
        assert function.deliver(status(200)) == [{"batchItemFailures": []}]
    assert waiting(boto3.client("sqs"), function.url) == 0


def test_webhooks_are_delivered_while_the_table_does_not_respond(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function.slots, "take", unavailable)
    assert function.deliver(status(200)) == [{"batchItemFailures": []}]
    assert waiting(boto3.client("sqs"), function.url) == 0


def test_a_webhook_that_cannot_be_sent_again_stays_in_the_queue(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function.waiting.queue, "send", unavailable)
    event = load("webhook-job-gone.json")
    with receiver(status(500)) as running:
        function.use(running.client())
        event["Records"][0]["body"] = WebhookMessage.of(final_job(JOB_ID, url=running.url("/hook"))).body()
        assert [failed["itemIdentifier"] for failed in function(event)["batchItemFailures"]] == [
            event["Records"][0]["messageId"]
        ]


def test_failed_webhooks_do_not_fail_the_invocation(function: Function) -> None:
    assert function.deliver(reset, count=3) == [{"batchItemFailures": []}] * 3


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
