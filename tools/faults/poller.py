"""An SQS event source with Lambda's rules, and the liberties that SQS takes: copies, other orders, late deliveries.

The rules are those of "Using Lambda with Amazon SQS": what the function does not report as failed is deleted; an
error, a time-out, a dead process or an answer that names no record of the batch gives all of it back; what was not
deleted comes again after the queue's visibility timeout; redrive is the queue's own.
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
from tools.faults.history import Ledger
from tools.faults.kills import MOMENTS, Moment

Record = dict[str, Any]


@dataclass(frozen=True)
class EventSource:
    """A queue, the function behind it, and how roughly it is treated."""

    queue_url: str
    function: Function
    batch_size: int = 1
    window_s: float = 0.0
    concurrency: int = 2
    kills: float = 0.0
    """Share of invocations whose process is to die by SIGKILL."""
    moments: Sequence[Moment] = MOMENTS
    duplicates: float = 0.0
    """Share of messages that are delivered once more."""
    late_s: float = 1.0
    """How much later the copy comes, at most; it may overtake the first or run beside it."""
    allowed_s: tuple[float, float] | None = None
    """Least and most time that an invocation is allowed, drawn each time; none: the function's own limit."""


@dataclass(order=True)
class _Copy:
    due: float
    number: int
    record: Record = field(compare=False)


class Poller:
    """Runs an event source until it is stopped: one thread and one environment per concurrent invocation."""

    def __init__(self, source: EventSource, sqs: Any, ledger: Ledger, seed: int, name: str = "worker"):
        self._source, self._sqs, self._ledger = source, sqs, ledger
        self._random = Random(f"{seed}/{name}/poller")
        self._name = name
        self._buffer: list[Record] = []
        self._copies: list[_Copy] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._busy = 0
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []
        self.copied = 0

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
        """Nothing in hand here; the queue itself may hold more. Raises what ended a thread of ours."""
        with self._lock:
            if self._failures:
                raise RuntimeError("the poller broke") from self._failures[0]
            return not (self._buffer or self._copies or self._busy)

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
        """Up to batch_size records, waiting window_s for more once there is one."""
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
        """A copy that is due, else any record at hand: standard queues promise no order."""
        with self._lock:
            record: Record | None = None
            if self._copies and self._copies[0].due <= time.monotonic():
                record = heapq.heappop(self._copies).record | {"copy": True}
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
                self.copied += 1
                due = time.monotonic() + self._random.random() * self._source.late_s
                heapq.heappush(self._copies, _Copy(due, self.copied, record))

    def _deliver(self, environment: Environment, records: list[Record]) -> None:
        moment, after_s, allowed_s = self._fate()
        began = time.monotonic()
        event = {"Records": [{key: value for key, value in record.items() if key != "copy"} for record in records]}
        outcome = environment.invoke(event, moment, after_s, allowed_s)
        back = given_back(outcome, [record["messageId"] for record in records])
        self._delete([record for record in records if record["messageId"] not in back])
        self._ledger.add(
            "delivered",
            source=self._name,
            records=[[each["messageId"], int(each["attributes"]["ApproximateReceiveCount"])] for each in records],
            copies=sum("copy" in record for record in records),
            ended=outcome.ended,
            moment=moment if outcome.ended == "killed" else None,
            back=sorted(back),
            allowed_s=allowed_s,
            took_s=time.monotonic() - began,
            error=outcome.value if outcome.ended in ("error", "crashed") else None,
        )

    def _delete(self, records: list[Record]) -> None:
        """What is gone already, or was received again meanwhile, stays as it is."""
        entries = [{"Id": str(n), "ReceiptHandle": each["receiptHandle"]} for n, each in enumerate(records)]
        for start in range(0, len(entries), 10):
            self._sqs.delete_message_batch(QueueUrl=self._source.queue_url, Entries=entries[start : start + 10])

    def _fate(self) -> tuple[Moment | None, float, float]:
        """When the process is killed, if at all, and how long it may take."""
        with self._lock:
            timeout_s = self._source.function.timeout_s
            allowed_s = self._random.uniform(*(self._source.allowed_s or (timeout_s, timeout_s)))
            if self._random.random() >= self._source.kills:
                return None, 0.0, allowed_s
            return self._random.choice(self._source.moments), self._random.random() * 0.3, allowed_s


def given_back(outcome: Outcome, ids: Sequence[str]) -> set[str]:
    """The records of a batch that stay in the queue."""
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
    """A received message as Lambda puts it into an event."""
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
    """Invokes a function at an interval, as EventBridge does, and never twice at once."""

    def __init__(self, function: Function, every_s: float, ledger: Ledger, event: Any = None, name: str = "schedule"):
        self._environment = Environment(function, name)
        self._every_s, self._ledger, self._event, self._name = every_s, ledger, event or {}, name
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
            self._ledger.add("scheduled", source=self._name, ended=outcome.ended, value=outcome.value)
        self._environment.end()
