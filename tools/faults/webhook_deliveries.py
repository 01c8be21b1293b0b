"""R8: delivers many webhooks to a receiver that often fails, and checks deliveries, dead letters and signatures.

`python -m tools.faults.webhook_deliveries 1000 7` delivers 1,000 webhooks with seed 7. Real: the sender, its HTTPS and
its timeouts, the receiver's failures, and the template's queues on moto's SQS. Scaled: a failed attempt is retried at
once instead of after minutes or hours, and the response timeout is 0.5 s instead of 20 s.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

import boto3
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError
from ulid import ULID

from imagegen import job_log, telemetry
from imagegen.aws.sqs import SqsWebhookQueue
from imagegen.errors import InternalError
from imagegen.generation.request import GenerateRequest, Webhook
from imagegen.generation.result import Cost, Outcome, Timings
from imagegen.jobs.job import Job, JobError, State
from imagegen.jobs.ports import Listed
from imagegen.webhooks.delivery import DELAYS, WebhookSender
from imagegen.webhooks.message import WebhookMessage
from imagegen.webhooks.ports import ReceivedMessage, WebhookRetries
from imagegen.webhooks.retries import WaitingWebhooks
from imagegen.webhooks.signature import SigningSecrets
from imagegen.webhooks.slots import Slots
from imagegen.wiring import epoch_ms
from tools.faults.poller import as_record
from tools.faults.template_resources import QUEUE, moto_resources, set_moto_environment, translated_template
from tools.local import webhook_receiver as receiver
from tools.local.webhook_receiver import Behaviour, Receiver, Request

TENANT = "0123456789abcdef"
CHUNK = 100
"""Webhooks in the queue at once: each receive copies the whole queue in moto."""
ULID_BYTES = 16
FAILURES: dict[str, Behaviour] = {
    "500": receiver.status(500),
    "silence": receiver.silence,
    "reset": receiver.reset,
    "302 to loopback": receiver.status(302, location="https://127.0.0.1:9001/2018-06-01/runtime/invocation/next"),
    "slow drip": receiver.drip,
    "410": receiver.status(410),
}
RESULT = Outcome(
    model="demo",
    images=[],
    cached=False,
    cold_start=False,
    timings=Timings(total_ms=7),
    cost=Cost(billed_ms=7, memory_mb=10240, usd=0.25),
    warnings=[],
)
"""Of every job that succeeded here: its webhook is what counts."""
_MOTO = threading.Lock()
"""moto's queues are not thread-safe."""


@dataclass(frozen=True)
class _LockedRetries:
    """WebhookRetries that take the lock on moto."""

    retries: WebhookRetries

    def postpone(self, message: WebhookMessage, seconds: float) -> None:
        with _MOTO:
            self.retries.postpone(message, seconds)

    def dead_letter(self, received: ReceivedMessage, reason: str) -> None:
        with _MOTO:
            self.retries.dead_letter(received, reason)


class FreeSlots:
    """A SlotStore that refuses nobody."""

    def take(self, tenant: str, slots: int, seconds: float) -> str:
        return "slot0=0"

    def release(self, tenant: str, token: str) -> None: ...


class NoneHeld:
    """HeldWebhooks for a sender whose delays are all short."""

    def hold(self, message: WebhookMessage, due_at: int) -> None:
        raise NotImplementedError

    def due(self, limit: int) -> list[Listed]:
        return []

    def get(self, tenant: str, job_id: str) -> tuple[str, int] | None:
        return None

    def remove(self, tenant: str, job_id: str, due_at: int) -> None: ...


def final_job(job_id: str, state: State = "succeeded", url: str = "https://hooks.example.com/done") -> Job:
    """Return a job of TENANT that ended in November 2026 and has a webhook with this URL, public or not."""
    ended = datetime(2026, 11, 21, 14, 0, 0, 250_000, UTC)
    return Job(
        tenant=TENANT,
        job_id=job_id,
        request=GenerateRequest(prompt="a red circle"),
        created_at=ended,
        expires_at=int(ended.timestamp()) + 86_400,
        due_at=0,
        state=state,
        finished_at=ended,
        result=RESULT if state == "succeeded" else None,
        error=JobError.of(InternalError()) if state == "failed" else None,
        webhook=Webhook.model_construct(url=url, events=["job.succeeded", "job.failed", "job.cancelled"]),
    )


class Jobs:
    """A JobReader in which every job has succeeded, for messages of version 0.1.0."""

    def get(self, tenant: str, job_id: str) -> Job:
        return final_job(job_id)


@dataclass(frozen=True)
class Secrets:
    """A SecretStore with the same signing secret for every tenant."""

    signing: SigningSecrets = field(default_factory=SigningSecrets.new)

    def get(self, tenant: str) -> str:
        return str(self.signing)

    def name(self, tenant: str) -> str:
        return f"/stack/webhooks/{tenant}"


@dataclass
class UnreliableReceiver:
    """Fails the given share of requests, and every request of some webhooks."""

    seed: int
    share: float
    secret: str
    hopeless: float = 0.05
    """Share of webhooks whose every attempt is answered with 500."""
    failed: Counter[str] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)
    accepted: list[Request] = field(default_factory=list)
    unverified: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, handler: Any, request: Request) -> None:
        webhook_id = request.headers["webhook-id"]
        verified = self._is_signed(request)
        with self._lock:
            self.unverified += not verified
            self.attempts[webhook_id] += 1
            failure = self._failure(webhook_id, self.attempts[webhook_id])
            if failure is None:
                self.accepted.append(request)
            else:
                self.failed[failure] += 1
        (receiver.status(204) if failure is None else FAILURES[failure])(handler, request)

    def _is_signed(self, request: Request) -> bool:
        try:
            Verifier(self.secret).verify(request.body, request.headers)
        except WebhookVerificationError:
            return False
        return True

    def _failure(self, webhook_id: str, attempt: int) -> str | None:
        """Return the same failure for the same seed, webhook and attempt, regardless of the order of threads."""
        if Random(f"{self.seed}.{webhook_id}").random() < self.hopeless:
            return "500"
        chance = Random(f"{self.seed}.{webhook_id}.{attempt}")
        return chance.choice(list(FAILURES)) if chance.random() < self.share else None


@dataclass(frozen=True)
class Report:
    """Totals of a run."""

    webhooks: int
    delivered: int
    dead_letters: dict[str, int]
    """Webhooks by the reason of their dead letter."""
    lost: int
    """Neither delivered nor dead-lettered."""
    unverified: int
    """Requests whose signature the reference library rejects."""
    requests: int
    failures: dict[str, int]
    """Requests that the receiver failed, by kind of failure."""
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether every webhook was delivered or dead-lettered, and every request signed."""
        return self.lost == self.unverified == 0 and self.delivered + sum(self.dead_letters.values()) >= self.webhooks


def run(queues: dict[str, str], count: int, seed: int, *, share: float = 0.4, workers: int = 8) -> Report:
    """Deliver `count` webhooks through the queues while `share` of the attempts fail."""
    started = time.monotonic()
    queue = SqsWebhookQueue(queues["WebhooksQueue"], queues["WebhooksDeadLetters"])
    secrets = Secrets()
    unreliable = UnreliableReceiver(seed, share, secrets.signing.values[0])
    with receiver.receiver(unreliable) as running:
        ids = [str(ULID(Random(f"{seed}.{number}").randbytes(ULID_BYTES))) for number in range(count)]
        for first in range(0, count, CHUNK):
            for job_id in ids[first : first + CHUNK]:
                queue.put(final_job(job_id, url=running.url()))
            _deliver(running, queue, secrets, queues["WebhooksQueue"], workers)
    dead = _dead_letters(queues["WebhooksDeadLetters"])
    arrived = {request.headers["webhook-id"] for request in unreliable.accepted}
    return Report(
        webhooks=count,
        delivered=len(arrived),
        dead_letters=dict(Counter(dead.values())),
        lost=len({f"msg_{job_id}" for job_id in ids} - arrived - {f"msg_{job_id}" for job_id in dead}),
        unverified=unreliable.unverified,
        requests=len(running.requests),
        failures=dict(unreliable.failed),
        seconds=round(time.monotonic() - started, 1),
    )


def _deliver(running: Receiver, queue: SqsWebhookQueue, secrets: Secrets, url: str, workers: int) -> None:
    """Poll until the queue is empty. As on Lambda, a message is deleted unless the function reports it as failed."""
    sender = WebhookSender(
        jobs=Jobs(),
        render=lambda job: {"id": "the job", "status": job.state},
        secrets=secrets,
        client=running.client(receiver.IMPATIENT),
        retries=_LockedRetries(WaitingWebhooks(queue, NoneHeld(), epoch_ms, job_log, telemetry.crashed)),
        slots=Slots(FreeSlots(), epoch_ms),
        about=job_log.about,
        delays=[0] * len(DELAYS),
    )

    def deliver(record: SQSRecord) -> None:
        receives = int(record.attributes.approximate_receive_count)
        sender.deliver(ReceivedMessage(record.message_id, record.body, receives))

    def poll() -> None:
        sqs = boto3.client("sqs")
        while True:
            with _MOTO:
                if not waiting(sqs, url):
                    return
                events = received(sqs, url)
            for event in events:
                processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
                response = process_partial_response(event, deliver, processor)
                with _MOTO:
                    settle(sqs, url, event, response)

    with ThreadPoolExecutor(workers) as pool:
        for each in [pool.submit(poll) for _ in range(workers)]:
            each.result()


def waiting(sqs: Any, url: str) -> int:
    """Count the queue's messages, visible or in flight."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(attributes[name]) for name in names)


def received(sqs: Any, url: str) -> list[dict[str, Any]]:
    """Receive at most one message, as a list of Lambda events with one record each."""
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1, AttributeNames=["All"], WaitTimeSeconds=0)
    return [{"Records": [as_record(message)]} for message in answer.get("Messages", [])]


def settle(sqs: Any, url: str, event: dict[str, Any], response: Any) -> None:
    """Delete the event's messages that the response does not report as failed."""
    reported = {item["itemIdentifier"] for item in response["batchItemFailures"]}
    for record in event["Records"]:
        if record["messageId"] not in reported:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=record["receiptHandle"])


def _dead_letters(url: str) -> dict[str, str]:
    """Return the reason of each dead letter by job ID."""
    sqs, found = boto3.client("sqs"), {}
    while messages := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=600
    ).get("Messages"):
        for message in messages:
            found[json.loads(message["Body"])["job_id"]] = message["MessageAttributes"]["reason"]["StringValue"]
    return found


if __name__ == "__main__":
    set_moto_environment()
    with moto_resources(translated_template(), QUEUE) as urls:
        report = run(urls, int(sys.argv[1]), int(sys.argv[2]))
    print(json.dumps({"holds": report.holds, **asdict(report)}))
    sys.exit(not report.holds)
