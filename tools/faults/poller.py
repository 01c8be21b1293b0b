"""An SQS event source with Lambda's rules and SQS's at-least-once delivery: duplicates, any order, late messages.

The rules are those of "Using Lambda with Amazon SQS". Lambda deletes every message that the function does not report as
failed. After an error, a timeout, a dead process, or a response that names a record outside the batch, it deletes none.
A message that is not deleted is received again after the queue's visibility timeout. Redrive is up to the queue.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tools.faults.environment import Environment, Function, Outcome
from tools.faults.history import History
from tools.faults.kills import KILL_POINTS, KillPoint
from tools.faults.limits import Deliveries, Draw, Limits

Record = dict[str, Any]


@dataclass(frozen=True)
class EventSource:
    """A queue, its function, and the faults of their deliveries."""

    queue_url: str
    function: Function
    batch_size: int = 1
    window_s: float = 0.0
    """Batch window: how long to wait for more records after the first."""
    concurrency: int = 2
    kills: float = 0.0
    """Share of invocations that are to die by SIGKILL."""
    kill_points: Sequence[KillPoint] = KILL_POINTS
    duplicates: float = 0.0
    """Share of messages that are delivered twice."""
    late_s: float = 1.0
    """Longest delay of the duplicate. It may arrive before the original or during its run."""
    limits: Draw | None = None
    """Draws the limits of each invocation, in place of `kills` and `kill_points`. For batches of one."""


@dataclass(order=True)
class _Duplicate:
    due: float
    number: int
    record: Record = field(compare=False)


class Poller:
    """Polls until its block ends, with one thread and one environment per concurrent invocation."""

    def __init__(self, source: EventSource, sqs: Any, history: History, seed: int, name: str = "worker"):
        self._source, self._sqs, self._history = source, sqs, history
        self._random = Random(f"{seed}/{name}/poller")
        self._name = name
        self._buffer: list[Record] = []
        self._duplicates: list[_Duplicate] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._busy = 0
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []
        self._before: dict[str, Deliveries] = {}
        """By body."""
        self.duplicated = 0

    def __enter__(self) -> Poller:
        for number in range(self._source.concurrency):
            thread = threading.Thread(target=self._slot, args=(number,), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def idle(self) -> bool:
        """Return whether no record is buffered or being processed; the queue may hold more.

        Raises RuntimeError if one of its threads has failed.
        """
        with self._lock:
            if self._failures:
                raise RuntimeError("the poller failed") from self._failures[0]
            return not (self._buffer or self._duplicates or self._busy)

    def _slot(self, number: int) -> None:
        environment = Environment(self._source.function, f"{self._name}-{number}")
        try:
            while not self._stopping.is_set():
                records = self._batch()
                if records:
                    try:
                        self._deliver(environment, records)
                    finally:
                        with self._lock:
                            self._busy -= 1
        except BaseException as error:
            with self._lock:
                self._failures.append(error)
        finally:
            environment.end()

    def _batch(self) -> list[Record]:
        """Return up to batch_size records. After the first, wait up to window_s for more."""
        records: list[Record] = []
        end = time.monotonic() + self._source.window_s
        while len(records) < self._source.batch_size:
            record = self._next(first=not records)
            if record is not None:
                records.append(record)
            elif not records or time.monotonic() >= end:
                break
            else:
                time.sleep(0.005)
        if not records:
            self._stopping.wait(0.02)
        return records

    def _next(self, *, first: bool) -> Record | None:
        """Return a duplicate that is due, else a random record: standard queues do not preserve order."""
        with self._lock:
            record: Record | None = None
            if self._duplicates and self._duplicates[0].due <= time.monotonic():
                record = heapq.heappop(self._duplicates).record | {"duplicate": True}
            else:
                if not self._buffer:
                    self._receive()
                if self._buffer:
                    record = self._buffer.pop(self._random.randrange(len(self._buffer)))
            if record is not None and first:
                self._busy += 1
            return record

    def _receive(self) -> None:
        answer = self._sqs.receive_message(
            QueueUrl=self._source.queue_url,
            MaxNumberOfMessages=10,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
            WaitTimeSeconds=0,
        )
        for message in answer.get("Messages", []):
            record = as_record(message)
            self._buffer.append(record)
            if self._random.random() < self._source.duplicates:
                self.duplicated += 1
                due = time.monotonic() + self._random.random() * self._source.late_s
                heapq.heappush(self._duplicates, _Duplicate(due, self.duplicated, record))

    def _deliver(self, environment: Environment, records: list[Record]) -> None:
        limits = self._limits(records[0]["body"])
        began = time.monotonic()
        event = {"Records": [{key: value for key, value in record.items() if key != "duplicate"} for record in records]}
        outcome = environment.invoke(event, limits)
        if outcome.ended == "killed" and (before := self._before.get(records[0]["body"])):
            before.killed += 1
        failed = failed_records(outcome, [record["messageId"] for record in records])
        self._delete([record for record in records if record["messageId"] not in failed])
        self._history.add(
            "delivered",
            source=self._name,
            records=[[each["messageId"], int(each["attributes"]["ApproximateReceiveCount"])] for each in records],
            bodies=[record["body"] for record in records],
            groups=[record["attributes"].get("MessageGroupId") for record in records],
            duplicates=sum("duplicate" in record for record in records),
            ended=outcome.ended,
            point=limits.point if outcome.ended == "killed" else None,
            failed=sorted(failed),
            timeout_s=limits.timeout_s,
            took_s=time.monotonic() - began,
            error=outcome.value if outcome.ended in ("error", "crashed") else None,
        )

    def _delete(self, records: list[Record]) -> None:
        """SQS ignores messages that are already deleted or have been received again since."""
        entries = [{"Id": str(n), "ReceiptHandle": each["receiptHandle"]} for n, each in enumerate(records)]
        for start in range(0, len(entries), 10):
            self._sqs.delete_message_batch(QueueUrl=self._source.queue_url, Entries=entries[start : start + 10])

    def _limits(self, body: str) -> Limits:
        with self._lock:
            if self._source.limits is not None:
                before = self._before.setdefault(body, Deliveries(len(self._before)))
                limits = self._source.limits(self._random, before)
                before.begun += 1
                return limits
            if self._random.random() >= self._source.kills:
                return Limits()
            return Limits(self._random.choice(self._source.kill_points), self._random.random() * 0.3)


def failed_records(outcome: Outcome, ids: Sequence[str]) -> set[str]:
    """Return the IDs of a batch's messages that Lambda leaves in the queue."""
    everything = set(ids)
    if outcome.ended != "returned":
        return everything
    if outcome.value is None:
        return set()
    if not isinstance(outcome.value, Mapping):
        return everything
    failures = outcome.value.get("batchItemFailures") or []
    named = {str(each.get("itemIdentifier")) if isinstance(each, Mapping) else "" for each in failures}
    return named if named <= everything else everything


def as_record(message: Mapping[str, Any]) -> Record:
    """Return a received message as a record of Lambda's SQS event."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message["Attributes"]),
        "messageAttributes": {
            name: {"stringValue": each.get("StringValue"), "dataType": each["DataType"]}
            for name, each in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:jobs",
        "awsRegion": "us-east-1",
    }


class Schedule:
    """Invokes a function at an interval during its block, as EventBridge does. Invocations do not overlap."""

    def __init__(self, function: Function, every_s: float, history: History, event: Any = None, name: str = "schedule"):
        self._environment = Environment(function, name)
        self._every_s, self._history, self._event, self._name = every_s, history, event or {}, name
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Schedule:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            outcome = self._environment.invoke(self._event)
            self._history.add("scheduled", source=self._name, ended=outcome.ended, value=outcome.value)
        self._environment.end()
