"""The requests that receipts count are those that the code makes: rows written to the table, and messages.

Write units of rows and indexes are DynamoDB's and not seen here: moto does not count them as AWS does.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from imagegen.deadline import Deadline
from imagegen.generation import aws_calls
from imagegen.generation.result import Result
from imagegen.limits.quota import Quota
from imagegen.limits.rate_limit import RatePolicy
from imagegen.limits.tenant_limits import TenantLimits
from tests.support.aws_calls import default_session
from tests.support.fakes import PLENTY
from tests.support.job_world import JobWorld
from tests.support.plans import plan

PLAIN = {"PutItem", "UpdateItem", "DeleteItem"}


class Writes:
    """Counts what clients that are made after this object write and send."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.sent = 0
        events = default_session().events
        events.register("before-parameter-build.dynamodb", self._wrote)
        events.register("before-parameter-build.sqs.SendMessage", self._sent)

    def _wrote(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        if model.name == "TransactWriteItems":
            self.rows["in transactions"] += len(params["TransactItems"])
        elif model.name in PLAIN:
            self.rows["alone"] += 1

    def _sent(self, **_: Any) -> None:
        self.sent += 1

    @property
    def units(self) -> int:
        """Write units of rows of up to a kilobyte: one each, and two in a transaction."""
        return 2 * self.rows["in transactions"] + self.rows["alone"]


def test_a_request_writes_what_its_receipt_counts(world: JobWorld) -> None:
    world.limits = TenantLimits({"drawing": RatePolicy("drawing", 100, 100)}, Quota())
    writes, drawing = Writes(), world.container.drawing
    planned, soon = plan(seed=7, num_inference_steps=4), Deadline(lambda: 28.0)
    admission = drawing.admit(planned, tenant="alice", deadline=soon)
    drawn = drawing.draw(planned, admission, deadline=soon, job_until=PLENTY, deliver=lambda result: result)
    assert isinstance(drawn, Result)
    by_due = 2  # the reservation, written and deleted
    assert writes.units + by_due == aws_calls.REQUEST.writes
    assert writes.sent == aws_calls.REQUEST.messages == 0


def test_a_job_writes_what_its_receipt_counts(world: JobWorld) -> None:
    writes = Writes()
    done = world.run(world.submit(seed=7))
    assert done.state == "succeeded"
    rate = 1  # counted before the job is submitted
    larger_rows = 2 + 4 + 2  # the job: 2 KB and 3 KB in a transaction, and 2 KB twice alone
    indexes = 3 + 4 + 3 + 4  # before, after, sent, claimed
    counted = aws_calls.of_job(1)
    assert writes.units + rate + larger_rows + indexes == counted.writes
    assert counted.messages == 3 * writes.sent == 3  # sent, received, deleted
