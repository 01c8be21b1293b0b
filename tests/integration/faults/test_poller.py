"""Lambda's rules, one by one, with functions that do as the message tells them."""

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

from tools.faults.environment import Environment, Function, Handler, Outcome, Surroundings
from tools.faults.history import Ledger, entries
from tools.faults.kills import MOMENTS, Moment
from tools.faults.ministack import StandIn
from tools.faults.plan import FaultPlan, Mix
from tools.faults.poller import EventSource, Poller, given_back
from tools.lambda_event import Context

NO_FAULTS = FaultPlan(Mix())
VISIBILITY_S = 3


def obedient(surroundings: Surroundings) -> Handler:
    """Does what each body says, and writes down that it was asked to."""
    calls = 0

    def handle(event: Any, context: Context) -> Any:
        nonlocal calls
        calls += 1
        failed = []
        for record in event["Records"]:
            body = json.loads(record["body"])
            count = int(record["attributes"]["ApproximateReceiveCount"])
            surroundings.ledger.add("seen", n=body["n"], count=count, pid=os.getpid(), call=calls)
            time.sleep(body.get("takes_s", 0))
            if count <= body.get("fails", 0):
                failed.append({"itemIdentifier": record["messageId"]})
            if count <= body.get("raises", 0):
                raise ValueError(body["n"])
            if count <= body.get("dies", 0):
                os._exit(3)
            if count <= body.get("hangs", 0):
                time.sleep(60)
        return {"batchItemFailures": failed}

    return handle


def writing(surroundings: Surroundings) -> Handler:
    """The calls of a worker, in its order: claim, one step, image, end."""
    import boto3

    dynamodb, s3 = boto3.client("dynamodb"), boto3.client("s3")
    bucket, table = os.environ["BUCKET"], os.environ["TABLE"]

    def handle(event: Any, context: Context) -> Any:
        key = {"pk": {"S": event["job"]}}
        dynamodb.update_item(TableName=table, Key=key)
        surroundings.kills.reached("denoising")
        s3.put_object(Bucket=bucket, Key=event["job"], Body=b"x")
        put = {"TableName": table, "Item": {"pk": {"S": f"BILL#{event['job']}"}}}
        dynamodb.transact_write_items(TransactItems=[{"Put": put}])
        time.sleep(5 if event["job"] == "any" else 0)  # killed long before

    return handle


def function(
    build: Callable[[Surroundings], Handler],
    folder: Path,
    timeout_s: float = 5.0,
    variables: dict[str, str] | None = None,
) -> Function:
    return Function(build, folder, NO_FAULTS, seed=1, timeout_s=timeout_s, variables=variables or {})


class Queue:
    """A queue of its own for each test, and what its poller delivered."""

    def __init__(self, aws: StandIn, folder: Path):
        self.sqs, self.folder = aws.client("sqs"), folder
        self.url = self.sqs.create_queue(
            QueueName=uuid.uuid4().hex, Attributes={"VisibilityTimeout": str(VISIBILITY_S)}
        )["QueueUrl"]

    def send(self, **body: Any) -> None:
        self.sqs.send_message(QueueUrl=self.url, MessageBody=json.dumps(body))

    def left(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(int(attributes[name]) for name in names)

    def drain(self, *, timeout_s: float = 5.0, seed: int = 1, **source: Any) -> Poller:
        described = EventSource(self.url, function(obedient, self.folder, timeout_s=timeout_s), **source)
        end = time.monotonic() + 30
        with Poller(described, self.sqs, Ledger(self.folder), seed) as poller:
            while not poller.idle() or self.left():
                assert time.monotonic() < end, "the queue does not drain"
                time.sleep(0.05)
        return poller

    def seen(self) -> Counter[int]:
        return Counter(entry["n"] for entry in entries(self.folder, "seen"))


@pytest.fixture
def queue(aws: StandIn, tmp_path: Path) -> Queue:
    return Queue(aws, tmp_path)


def test_every_message_is_delivered_and_deleted(queue: Queue) -> None:
    for n in range(30):
        queue.send(n=n)
    queue.drain()
    assert queue.seen() == dict.fromkeys(range(30), 1)


def test_only_what_is_reported_comes_again(queue: Queue) -> None:
    for n in range(20):
        queue.send(n=n, fails=n % 3)
    queue.drain(batch_size=7, window_s=0.1)
    assert queue.seen() == {n: 1 + n % 3 for n in range(20)}


@pytest.mark.parametrize("how", ["raises", "dies", "hangs"])
def test_a_batch_whose_function_fails_comes_again_whole(queue: Queue, how: str) -> None:
    for n in range(3):
        queue.send(n=n, **({how: 1} if n == 2 else {}))
    queue.drain(batch_size=3, window_s=0.5, concurrency=1, timeout_s=1.0)
    assert queue.seen()[2] == 2
    ends = Counter(entry["ended"] for entry in entries(queue.folder, "delivered"))
    assert ends[{"raises": "error", "dies": "crashed", "hangs": "timeout"}[how]] == 1


def test_a_killed_environment_is_replaced_and_a_healthy_one_kept(queue: Queue) -> None:
    for n in range(10):
        queue.send(n=n, dies=1 if n == 5 else 0)
    queue.drain(concurrency=1)
    assert len({entry["pid"] for entry in entries(queue.folder, "seen")}) == 2


def test_copies_are_delivered_and_counted(queue: Queue) -> None:
    for n in range(60):
        queue.send(n=n)
    poller = queue.drain(duplicates=0.5, late_s=0.2)
    assert 10 < poller.copied < 50
    assert sum(queue.seen().values()) == 60 + poller.copied


def test_the_order_changes(queue: Queue) -> None:
    for n in range(30):
        queue.send(n=n)
    queue.drain(concurrency=1)
    order = [entry["n"] for entry in entries(queue.folder, "seen")]
    assert order != sorted(order)


def test_no_more_at_once_than_the_cap(queue: Queue) -> None:
    for n in range(9):
        queue.send(n=n, takes_s=0.05)
    queue.drain(concurrency=3)
    assert len({entry["pid"] for entry in entries(queue.folder, "seen")}) <= 3


def test_a_frozen_environment_does_not_run(tmp_path: Path) -> None:
    environment = Environment(function(obedient, tmp_path), "frozen")
    environment.invoke({"Records": []})
    stat, end = Path(f"/proc/{environment._process.pid}/stat"), time.monotonic() + 10
    while (state := stat.read_text().rpartition(") ")[2][0]) != "T" and time.monotonic() < end:
        time.sleep(0.01)  # a busy machine stops it later
    environment.end()
    assert state == "T"


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_process_dies_at_each_moment_and_not_before(aws: StandIn, tmp_path: Path, moment: Moment) -> None:
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
        function(writing, tmp_path, variables=aws.variables | {"BUCKET": name, "TABLE": name}), "killed"
    )
    outcome = environment.invoke({"job": moment}, moment, kill_after_s=0.2)
    environment.end()
    rows = {item["pk"]["S"] for item in dynamodb.scan(TableName=name)["Items"]}
    images = aws.client("s3").list_objects_v2(Bucket=name)["KeyCount"]
    claimed, stored, finished = moment in rows, images == 1, f"BILL#{moment}" in rows
    assert outcome.ended == "killed"
    expected = {
        "before_claim": (False, False, False),
        "after_claim": (True, False, False),
        "denoising": (True, False, False),
        "after_store": (True, True, False),
        "after_finish": (True, True, True),
        "before_answer": (True, True, True),
    }
    if moment != "any":
        assert (claimed, stored, finished) == expected[moment]


@pytest.mark.parametrize(
    ("value", "back"),
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
def test_answers_are_read_as_lambda_reads_them(value: Any, back: set[str]) -> None:
    assert given_back(Outcome("returned", value), ["a", "b"]) == back
