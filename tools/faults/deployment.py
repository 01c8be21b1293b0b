"""One deployment of a product under faults: its functions, its poller and sweeper, and when everything is at rest."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from tools.faults.checker import Findings, check, unfinished
from tools.faults.counts import Tally
from tools.faults.environment import Function
from tools.faults.history import Ledger
from tools.faults.ministack import StandIn
from tools.faults.plan import FaultPlan
from tools.faults.poller import EventSource, Poller, Schedule
from tools.faults.product import Build, Places, Product

SWEEP_EVERY_S: Final = 1.0
"""A minute on AWS."""


@dataclass(frozen=True)
class Arena:
    """`folder` holds what the processes of this run write down; one run per folder."""

    aws: StandIn
    product: Product
    folder: Path
    seed: int
    plan: FaultPlan
    variables: dict[str, str] = field(default_factory=dict)
    """Set beside the product's own."""
    places: Places = field(init=False)
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "places", self.product.deploy(self.aws))
        object.__setattr__(self, "ledger", Ledger(self.folder))

    def function(self, build: Build, timeout_s: float = 30.0) -> Function:
        variables = self.aws.variables | self.product.variables(self.places) | self.variables
        return Function(build, self.folder, self.plan, self.seed, timeout_s, variables)

    @contextmanager
    def working(
        self,
        *,
        worker_timeout_s: float = 30.0,
        sweep_every_s: float = SWEEP_EVERY_S,
        most_kills: int | None = None,
        visibility_s: int | None = None,
        **source: Any,
    ) -> Iterator[Poller]:
        """Worker and sweeper run meanwhile; `source` is the rest of EventSource."""
        if visibility_s is not None:
            attributes = {"VisibilityTimeout": str(visibility_s)}
            self.aws.client("sqs").set_queue_attributes(QueueUrl=self.places.queue_url, Attributes=attributes)
        worker = replace(self.function(self.product.worker, worker_timeout_s), most_kills=most_kills)
        described = EventSource(self.places.queue_url, worker, **source)
        with ExitStack() as running:
            running.enter_context(Schedule(self.function(self.product.sweeper), sweep_every_s, self.ledger))
            yield running.enter_context(Poller(described, self.aws.client("sqs"), self.ledger, self.seed))

    def rest(self, poller: Poller, patience_s: float) -> None:
        """Wait until no message is left and every job is final, or nothing has come to an end for `patience_s`."""
        least_messages, least_jobs, since = 10**9, 10**9, time.monotonic()
        while (now := time.monotonic()) - since < patience_s:
            messages, jobs = self.messages(), unfinished(self.aws, self.places.table)
            if not messages and not jobs and poller.idle():
                return
            if messages < least_messages or jobs < least_jobs:  # the sweeper may send more than are worked off
                since = time.monotonic()
            least_messages, least_jobs = min(messages, least_messages), min(jobs, least_jobs)
            time.sleep(0.2 + 4 * (time.monotonic() - now))  # a look at a large table holds up the workers

    def messages(self) -> int:
        """In the queue: visible, hidden or delayed."""
        kinds = ["", "NotVisible", "Delayed"]
        names = [f"ApproximateNumberOfMessages{kind}" for kind in kinds]
        attributes = self.aws.client("sqs").get_queue_attributes(QueueUrl=self.places.queue_url, AttributeNames=names)[
            "Attributes"
        ]
        return sum(int(attributes[name]) for name in names)

    def max_receives(self) -> int:
        """After that many deliveries a message is a dead letter."""
        attributes = self.aws.client("sqs").get_queue_attributes(
            QueueUrl=self.places.queue_url, AttributeNames=["RedrivePolicy"]
        )["Attributes"]
        return int(json.loads(attributes["RedrivePolicy"])["maxReceiveCount"])

    def findings(self) -> Findings:
        return check(self.aws, self.places, self.folder)

    def tally(self) -> Tally:
        return Tally.of(self.folder, self.plan)
