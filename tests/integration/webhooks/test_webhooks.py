"""Webhooks through SQS and SSM, mocked by moto, with the queues of template.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import boto3
import pytest
from moto import mock_aws

from imagegen.aws.sqs import SqsWebhookQueue
from imagegen.aws.ssm import SsmSecretStore
from imagegen.errors import StorageUnavailable
from imagegen.webhooks.delivery import DELAYS, JITTER
from imagegen.webhooks.message import WebhookMessage
from imagegen.webhooks.ports import ReceivedMessage
from imagegen.webhooks.retries import MAX_DELAY_S
from imagegen.webhooks.signature import SigningSecrets
from tools.faults import webhook_deliveries
from tools.local.template import Template

JOB_ID = "01KAJ9X2S4QZ8W3V5N7M6K1H0G"
JOB = webhook_deliveries.final_job(JOB_ID, "failed")


@pytest.fixture
def queue(queues: dict[str, str]) -> SqsWebhookQueue:
    return SqsWebhookQueue(queues["WebhooksQueue"], queues["WebhooksDeadLetters"])


@pytest.fixture
def secrets() -> Iterator[SsmSecretStore]:
    with mock_aws():
        yield SsmSecretStore("/stack/webhooks")


def receive(url: str) -> ReceivedMessage | None:
    messages = boto3.client("sqs").receive_message(QueueUrl=url, AttributeNames=["All"]).get("Messages", [])
    for message in messages:
        count = int(message["Attributes"]["ApproximateReceiveCount"])
        return ReceivedMessage(message["MessageId"], message["Body"], count)
    return None


# -- queue -------------------------------------------------------------------------------------------------------------


def test_a_queued_webhook_is_received(queue: SqsWebhookQueue, queues: dict[str, str]) -> None:
    queue.put(JOB)
    received = receive(queues["WebhooksQueue"])
    assert received is not None
    message = WebhookMessage.model_validate_json(received.body)
    assert (message.tenant, message.job_id, message.url) == (JOB.tenant, JOB_ID, "https://hooks.example.com/done")
    assert (message.event_type, message.final_state) == ("job.failed", "failed")
    assert received.receives == 1


def test_the_largest_job_fits_into_a_message_that_sqs_accepts(queue: SqsWebhookQueue, queues: dict[str, str]) -> None:
    """SQS accepts at most 256 KiB in some regions, and neither U+FFFE nor U+FFFF."""
    face = "\U0001f600"
    metadata = {chr(ord(face) + i) * 512: face * 511 + "\uffff" for i in range(16)}
    queue.put(replace(JOB, metadata=metadata))
    received = receive(queues["WebhooksQueue"])
    assert received is not None
    assert received.body.isascii()
    assert len(received.body) < 256 * 1024
    job = WebhookMessage.parse(received.body).job()
    assert job is not None
    assert job.metadata == metadata


def test_a_message_of_the_largest_delay_is_accepted(queue: SqsWebhookQueue) -> None:
    queue.send(WebhookMessage.of(JOB), MAX_DELAY_S)
    with pytest.raises(StorageUnavailable):
        queue.send(WebhookMessage.of(JOB), MAX_DELAY_S + 1)


def test_a_dead_lettered_message_has_its_reason(queue: SqsWebhookQueue, queues: dict[str, str]) -> None:
    queue.dead_letter(ReceivedMessage("m", "the body", 3), "status_410")
    (dead,) = boto3.client("sqs").receive_message(
        QueueUrl=queues["WebhooksDeadLetters"], MessageAttributeNames=["All"]
    )["Messages"]
    assert (dead["Body"], dead["MessageAttributes"]["reason"]["StringValue"]) == ("the body", "status_410")


@pytest.mark.usefixtures("queues")
def test_an_error_does_not_name_the_queue() -> None:
    lost = SqsWebhookQueue("https://sqs.us-east-1.amazonaws.com/123456789012/lost", "lost")
    with pytest.raises(StorageUnavailable) as caught:
        lost.put(JOB)
    assert "lost" not in str(caught.value.problem(request_id="")) + caught.value.private
    with pytest.raises(StorageUnavailable):
        lost.dead_letter(ReceivedMessage("m", "b", 1), "x")


def test_the_redrive_policy_of_the_queue_exceeds_our_attempts(translated: Template) -> None:
    properties = translated["Resources"]["WebhooksQueue"]["Properties"]
    assert properties["RedrivePolicy"]["maxReceiveCount"] > len(DELAYS) + 1, "of messages of earlier versions"
    assert properties["MessageRetentionPeriod"] > sum(DELAYS) * (1 + JITTER) + 3600


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_the_existence_of_a_secret_is_known_without_reading_it(secrets: SsmSecretStore) -> None:
    assert not secrets.exists("alice")
    boto3.client("ssm").put_parameter(Name="/stack/webhooks/alice", Value="x", Type="SecureString")
    operations: list[str] = []
    secrets._client.meta.events.register("before-call.ssm", lambda model, **_: operations.append(model.name))
    assert secrets.exists("alice")
    assert operations == ["ListTagsForResource"]


def test_a_secret_is_read_from_the_parameter_of_its_tenant(secrets: SsmSecretStore) -> None:
    signing = SigningSecrets.new().rotated()
    boto3.client("ssm").put_parameter(Name="/stack/webhooks/alice", Value=str(signing), Type="SecureString")
    text = secrets.get("alice")
    assert text is not None
    assert SigningSecrets.parse(text) == signing
    assert secrets.get("bob") is None


def test_a_missing_secret_is_not_cached(secrets: SsmSecretStore) -> None:
    assert secrets.get("alice") is None
    boto3.client("ssm").put_parameter(Name="/stack/webhooks/alice", Value="x", Type="SecureString")
    assert secrets.get("alice") == "x"


def test_an_unavailable_parameter_store_is_reported(secrets: SsmSecretStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", "http://127.0.0.1:9")
    with pytest.raises(StorageUnavailable) as caught:
        secrets.get("no such tenant ☃")
    assert caught.value.private.startswith("SSM: ")


# -- volume ------------------------------------------------------------------------------------------------------------


def test_every_webhook_is_delivered_or_dead_lettered(queues: dict[str, str]) -> None:
    report = webhook_deliveries.run(queues, count=40, seed=1)
    assert report.holds, report
    assert report.delivered > 20
    assert report.dead_letters
    assert set(report.failures) == set(webhook_deliveries.FAILURES)


def test_the_report_detects_a_sender_that_loses_webhooks(
    queues: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SqsWebhookQueue, "dead_letter", lambda *_: None)
    report = webhook_deliveries.run(queues, count=20, seed=1)
    assert report.lost
    assert not report.holds
