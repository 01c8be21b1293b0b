"""The group of every message: SQS's fair queues tell tenants apart by it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from imagegen.aws.sqs import SqsJobQueue, SqsWebhookQueue, message_group
from imagegen.webhooks.ports import ReceivedMessage
from tests.support.fakes import PLENTY
from tests.support.job_world import HOOK, JobWorld
from tools.faults import webhook_deliveries

JOB_ID = "01KAJ9X2S4QZ8W3V5N7M6K1H0G"
JOB = webhook_deliveries.final_job(JOB_ID, "failed")


def receive(url: str) -> list[dict[str, Any]]:
    answer = boto3.client("sqs").receive_message(QueueUrl=url, AttributeNames=["All"], MaxNumberOfMessages=10)
    return [dict(each) for each in answer.get("Messages", [])]


def groups(url: str) -> list[str | None]:
    return [each["Attributes"].get("MessageGroupId") for each in receive(url)]


@pytest.mark.parametrize(
    "tenant", ["local", "0123456789abcdef", "a-B_9", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "x" * 128]
)
def test_the_group_is_the_tenant(tenant: str) -> None:
    assert message_group(tenant) == tenant


@pytest.mark.parametrize("tenant", ["", "two words", "\u00e4", "line\n", "x" * 129, "\x7f"])
def test_a_tenant_that_sqs_would_reject_has_a_group_of_its_own(tenant: str) -> None:
    assert re.fullmatch("[0-9a-f]{64}", message_group(tenant))
    assert message_group(tenant) != message_group(f"{tenant}.")


def test_webhooks_keep_their_tenants_group_in_the_dead_letter_queue(queues: dict[str, str]) -> None:
    queue = SqsWebhookQueue(queues["WebhooksQueue"], queues["WebhooksDeadLetters"])
    queue.put(JOB)
    (message,) = receive(queues["WebhooksQueue"])
    assert message["Attributes"]["MessageGroupId"] == JOB.tenant
    received = ReceivedMessage(message["MessageId"], message["Body"], 1, JOB.tenant)
    queue.dead_letter(received, "status_410")
    assert groups(queues["WebhooksDeadLetters"]) == [JOB.tenant]


def test_a_webhook_that_an_earlier_version_sent_is_dead_lettered_without_a_group(queues: dict[str, str]) -> None:
    queue = SqsWebhookQueue(queues["WebhooksQueue"], queues["WebhooksDeadLetters"])
    queue.dead_letter(ReceivedMessage("m", "b", 1), "status_410")
    assert groups(queues["WebhooksDeadLetters"]) == [None]


def test_the_group_survives_the_redrive_policy(queues: dict[str, str]) -> None:
    sqs, url, dead = boto3.client("sqs"), queues["JobsQueue"], queues["JobsDeadLetters"]
    SqsJobQueue(url, dead).put("bob", JOB_ID)
    for _ in range(11):
        for message in receive(url):
            sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    assert groups(dead) == ["bob"]


def submit(world: JobWorld) -> None:
    world.submit(tenant="bob")


def resend(world: JobWorld) -> None:
    """The sweeper sends what the outbox could not send."""
    put = world.queue.put
    world.queue.put = lambda *_: None  # type: ignore[method-assign]
    world.submit(tenant="bob")
    world.queue.put = put  # type: ignore[method-assign]
    world.clock.pass_s(world.timing.resend_s + 1)
    world.sweep.all(PLENTY)


def requeue(world: JobWorld) -> None:
    """A run that crashes sends its job again."""

    def crash(step: int) -> None:
        raise ValueError("it crashes")

    job = world.submit(tenant="bob")
    receive(world.resources["JobsQueue"])
    world.engine.during = crash
    world.run(job)


@pytest.mark.parametrize("send", [submit, resend, requeue])
def test_every_message_of_a_job_has_its_tenants_group(world: JobWorld, send: Callable[[JobWorld], None]) -> None:
    send(world)
    assert groups(world.resources["JobsQueue"]) == ["bob"]


def test_a_delayed_message_has_its_group(queues: dict[str, str]) -> None:
    calls: list[dict[str, Any]] = []
    queue = SqsJobQueue(queues["JobsQueue"], queues["JobsDeadLetters"])
    queue._client.meta.events.register(
        "provide-client-params.sqs.SendMessage", lambda params, **_: calls.append(dict(params))
    )
    queue.put("bob", JOB_ID, 60)
    assert [(each["MessageGroupId"], each["DelaySeconds"]) for each in calls] == [("bob", 60)]


def test_the_webhook_of_a_job_has_its_tenants_group(world: JobWorld) -> None:
    world.container.outbox._webhooks = SqsWebhookQueue(world.resources["WebhooksQueue"], "unused")
    job = world.submit(tenant="bob", webhook=HOOK)
    world.jobs.cancel("bob", job.job_id)
    assert groups(world.resources["WebhooksQueue"]) == ["bob"]


def test_messages_carry_the_trace_of_the_invocation_that_sends_them(
    queues: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """botocore sends the header on Lambda, and SQS makes it the message's AWSTraceHeader, which Lambda links to."""
    trace = "Root=1-6a1b2c3d-000000000000000000000001;Parent=53995c3f42cd8ad8;Sampled=1"
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "Api")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", trace)
    queue = SqsJobQueue(queues["JobsQueue"], queues["JobsDeadLetters"])
    sent: list[str] = []
    queue._client.meta.events.register(
        "before-send.sqs.SendMessage", lambda request, **_: sent.append(request.headers["X-Amzn-Trace-Id"])
    )
    queue.put("alice", JOB_ID)
    assert [bytes(each, "ascii") if isinstance(each, str) else each for each in sent] == [trace.encode()]
