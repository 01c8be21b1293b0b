"""Lambda's rules for SQS, tested with functions that behave as the message says."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.faults.environment import Environment, Function, Handler, Hooks, Outcome
from tools.faults.history import History
from tools.faults.kills import KILL_POINTS, KillPoint
from tools.faults.limits import InvocationClock, Limits
from tools.faults.ministack import LocalAws
from tools.faults.plan import FaultPlan, Mix
from tools.faults.poller import EventSource, Poller, failed_records
from tools.lambda_event import Context

NO_FAULTS = FaultPlan(Mix())
VISIBILITY_S = 3600
"""Longer than a test: a busy machine must not make a message visible again that is still being handled."""
LIMIT_S = 300
"""Ends a test that hangs."""


def scripted(hooks: Hooks) -> Handler:
    """Build a function that behaves as each message body says, and records the message."""
    calls = 0

    def handle(event: Any, context: Context) -> Any:
        nonlocal calls
        calls += 1
        failed = []
        for record in event["Records"]:
            body = json.loads(record["body"])
            count = int(record["attributes"]["ApproximateReceiveCount"])
            hooks.history.add("seen", n=body["n"], count=count, pid=os.getpid(), call=calls)
            time.sleep(body.get("takes_s", 0))
            if count <= body.get("fails", 0):
                failed.append({"itemIdentifier": record["messageId"]})
            if count <= body.get("raises", 0):
                raise ValueError(body["n"])
            if count <= body.get("dies", 0):
                os._exit(3)
            if count <= body.get("hangs", 0):
                time.sleep(LIMIT_S)
        return {"batchItemFailures": failed}

    return handle


def worker_calls(hooks: Hooks) -> Handler:
    """Build a function that makes a worker's AWS calls in order: claim, one step, checkpoint, image, end."""
    import boto3

    dynamodb, s3 = boto3.client("dynamodb"), boto3.client("s3")
    bucket, table = os.environ["BUCKET"], os.environ["TABLE"]

    def handle(event: Any, context: Context) -> Any:
        key = {"pk": {"S": event["job"]}}
        dynamodb.update_item(TableName=table, Key=key)
        hooks.kills.reached("denoising")
        hooks.kills.reached(1)
        s3.put_object(Bucket=bucket, Key=f"checkpoints/{event['job']}", Body=b"x")
        s3.put_object(Bucket=bucket, Key=event["job"], Body=b"x")
        put = {"TableName": table, "Item": {"pk": {"S": f"BILL#{event['job']}"}}}
        dynamodb.transact_write_items(TransactItems=[{"Put": put}])
        time.sleep(LIMIT_S if event["job"] == "any" else 0)  # killed long before that

    return handle


def function(
    build: Callable[[Hooks], Handler],
    folder: Path,
    timeout_s: float = LIMIT_S,
    variables: dict[str, str] | None = None,
) -> Function:
    return Function(build, folder, NO_FAULTS, seed=1, timeout_s=timeout_s, variables=variables or {})


class Queue:
    """A new queue, which is its poller's SQS client, and the history of what the poller delivered.

    The visibility timeout of a failed message ends as soon as the failure is in the history.
    """

    def __init__(self, aws: LocalAws, folder: Path):
        self.sqs, self.folder, self.history = aws.client("sqs"), folder, History(folder)
        self.delete_message_batch = self.sqs.delete_message_batch
        self._receipts: dict[str, str] = {}
        self._shown: set[tuple[str, int]] = set()
        self.url = self.sqs.create_queue(
            QueueName=uuid.uuid4().hex, Attributes={"VisibilityTimeout": str(VISIBILITY_S)}
        )["QueueUrl"]

    def send(self, **body: Any) -> None:
        self.sqs.send_message(QueueUrl=self.url, MessageBody=json.dumps(body))

    def left(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(int(attributes[name]) for name in names)

    def receive_message(self, **request: Any) -> Any:
        answer = self.sqs.receive_message(**request)
        self._receipts |= {each["MessageId"]: each["ReceiptHandle"] for each in answer.get("Messages", [])}
        return answer

    def drain(self, *, timeout_s: float = LIMIT_S, seed: int = 1, **source: Any) -> Poller:
        event_source = EventSource(self.url, function(scripted, self.folder, timeout_s=timeout_s), **source)
        end = time.monotonic() + LIMIT_S
        with Poller(event_source, self, self.history, seed) as poller:
            while not poller.idle() or self.left():
                assert time.monotonic() < end, f"the queue was not drained within {LIMIT_S} s"
                self._show_failed()
                time.sleep(0.05)
        return poller

    def _show_failed(self) -> None:
        deliveries = self.history.entries("delivered")
        failed = {(name, count) for each in deliveries for name, count in each["records"] if name in each["failed"]}
        for name, _ in failed - self._shown:
            receipt = self._receipts[name]
            self.sqs.change_message_visibility(QueueUrl=self.url, ReceiptHandle=receipt, VisibilityTimeout=0)
        self._shown |= failed

    def seen(self) -> Counter[int]:
        return Counter(entry["n"] for entry in self.history.entries("seen"))


@pytest.fixture
def queue(aws: LocalAws, tmp_path: Path) -> Queue:
    return Queue(aws, tmp_path)


def test_every_message_is_delivered_and_deleted(queue: Queue) -> None:
    for n in range(30):
        queue.send(n=n)
    queue.drain()
    assert queue.seen() == dict.fromkeys(range(30), 1)


def test_only_reported_records_are_redelivered(queue: Queue) -> None:
    for n in range(20):
        queue.send(n=n, fails=n % 3)
    queue.drain(batch_size=7, window_s=0.1)
    assert queue.seen() == {n: 1 + n % 3 for n in range(20)}


@pytest.mark.parametrize("how", ["raises", "dies", "hangs"])
def test_failed_invocation_redelivers_the_whole_batch(queue: Queue, how: str) -> None:
    for n in range(3):
        queue.send(n=n, **({how: 1} if n == 2 else {}))
    queue.drain(batch_size=3, window_s=0.5, concurrency=1, timeout_s=3.0)
    assert queue.seen()[2] == 2
    ends = Counter(entry["ended"] for entry in queue.history.entries("delivered"))
    assert ends[{"raises": "error", "dies": "crashed", "hangs": "timeout"}[how]] == 1


def test_environment_is_reused_until_its_process_dies(queue: Queue) -> None:
    for n in range(10):
        queue.send(n=n, dies=1 if n == 5 else 0)
    queue.drain(concurrency=1)
    assert len({entry["pid"] for entry in queue.history.entries("seen")}) == 2


def test_duplicates_are_delivered_and_counted(queue: Queue) -> None:
    for n in range(60):
        queue.send(n=n)
    poller = queue.drain(duplicates=0.5, late_s=0.2)
    assert 10 < poller.duplicated < 50
    assert sum(queue.seen().values()) == 60 + poller.duplicated


def test_order_is_not_preserved(queue: Queue) -> None:
    for n in range(30):
        queue.send(n=n)
    queue.drain(concurrency=1)
    order = [entry["n"] for entry in queue.history.entries("seen")]
    assert order != sorted(order)


def test_concurrency_is_limited(queue: Queue) -> None:
    for n in range(9):
        queue.send(n=n, takes_s=0.05)
    queue.drain(concurrency=3)
    assert len({entry["pid"] for entry in queue.history.entries("seen")}) <= 3


def test_environment_is_stopped_between_invocations(tmp_path: Path) -> None:
    environment = Environment(function(scripted, tmp_path), "frozen")
    environment.invoke({"Records": []})
    stat, end = Path(f"/proc/{environment._process.pid}/stat"), time.monotonic() + LIMIT_S
    while (state := stat.read_text().rpartition(") ")[2][0]) != "T" and time.monotonic() < end:
        time.sleep(0.01)  # SIGSTOP may take a moment on a busy machine
    environment.end()
    assert state == "T"


@pytest.mark.parametrize("point", [*KILL_POINTS, "after_checkpoint", 1])
def test_process_dies_at_its_kill_point_and_not_before(aws: LocalAws, tmp_path: Path, point: KillPoint) -> None:
    name = f"kill-{uuid.uuid4().hex[:8]}"
    aws.client("s3").create_bucket(Bucket=name)
    dynamodb = aws.client("dynamodb")
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    environment = Environment(
        function(worker_calls, tmp_path, variables=aws.variables | {"BUCKET": name, "TABLE": name}), "killed"
    )
    outcome = environment.invoke({"job": str(point)}, Limits(point, kill_after_s=0.2))
    environment.end()
    rows = {item["pk"]["S"] for item in dynamodb.scan(TableName=name)["Items"]}
    keys = {each["Key"] for each in aws.client("s3").list_objects_v2(Bucket=name).get("Contents", [])}
    claimed, saved, stored, finished = (
        str(point) in rows,
        f"checkpoints/{point}" in keys,
        str(point) in keys,
        f"BILL#{point}" in rows,
    )
    assert outcome.ended == "killed"
    expected: dict[KillPoint, tuple[bool, bool, bool, bool]] = {
        "before_claim": (False, False, False, False),
        "after_claim": (True, False, False, False),
        "denoising": (True, False, False, False),
        1: (True, False, False, False),
        "after_checkpoint": (True, True, False, False),
        "after_store": (True, True, True, False),
        "after_finish": (True, True, True, True),
        "before_answer": (True, True, True, True),
    }
    if point != "any":
        assert (claimed, saved, stored, finished) == expected[point]


def test_the_remaining_time_falls_with_the_last_step() -> None:
    clock = InvocationClock()
    clock.begin(Context(900.0), last_step=3)
    clock.reached(2, ending_s=5.0)
    assert clock.left_s() > 800
    clock.reached(3, ending_s=5.0)
    assert clock.left_s() <= 5
    clock.begin(Context(900.0), last_step=None)
    assert clock.left_s() > 800


@pytest.mark.parametrize(
    ("value", "failed"),
    [
        (None, set()),
        ({}, set()),
        ({"batchItemFailures": None}, set()),
        ({"batchItemFailures": []}, set()),
        ({"batchItemFailures": [{"itemIdentifier": "a"}]}, {"a"}),
        ({"batchItemFailures": [{"itemIdentifier": "z"}]}, {"a", "b"}),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, {"a", "b"}),
        ({"batchItemFailures": [{"itemIdentifier": None}]}, {"a", "b"}),
        ({"batchItemFailures": [{"ItemIdentifier": "a"}]}, {"a", "b"}),
        ("nonsense", {"a", "b"}),
    ],
)
def test_response_is_interpreted_as_lambda_does(value: Any, failed: set[str]) -> None:
    assert failed_records(Outcome("returned", value), ["a", "b"]) == failed
