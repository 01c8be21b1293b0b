"""One deployment of the product under faults: its functions, the queue poller and the sweeper's schedule."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from tools.faults.checker import Findings, check, count_unfinished
from tools.faults.counts import Tally
from tools.faults.environment import Function
from tools.faults.history import History
from tools.faults.ministack import LocalAws
from tools.faults.plan import FaultPlan
from tools.faults.poller import EventSource, Poller, Schedule
from tools.faults.product import Build, Product, Resources

SWEEP_EVERY_S: Final = 1.0
"""A minute on AWS."""
_PAUSE_S: Final = 5.0
"""Most that one look counts of a stall: a machine that is paused does not look like a job that is stuck."""


@dataclass(frozen=True)
class Deployment:
    """Deploys the product's resources on creation. `folder` is for this deployment's logs and history only."""

    aws: LocalAws
    product: Product
    folder: Path
    seed: int
    plan: FaultPlan
    variables: dict[str, str] = field(default_factory=dict)
    """Environment variables that override the product's own."""
    resources: Resources = field(init=False)
    history: History = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "resources", self.product.deploy(self.aws))
        object.__setattr__(self, "history", History(self.folder))

    def function(self, build: Build, timeout_s: float = 30.0) -> Function:
        """Return one of the product's functions, configured for this deployment."""
        variables = self.aws.variables | self.product.variables(self.resources) | self.variables
        return Function(build, self.folder, self.plan, self.seed, timeout_s, variables)

    @contextmanager
    def running(
        self,
        *,
        worker_timeout_s: float = 30.0,
        sweep_every_s: float = SWEEP_EVERY_S,
        max_kills: int | None = None,
        visibility_s: int | None = None,
        **source: Any,
    ) -> Iterator[Poller]:
        """Run worker and sweeper during the block. `source` holds further fields of EventSource."""
        if visibility_s is not None:
            attributes = {"VisibilityTimeout": str(visibility_s)}
            self.aws.client("sqs").set_queue_attributes(QueueUrl=self.resources.queue_url, Attributes=attributes)
        worker = replace(self.function(self.product.worker, worker_timeout_s), max_kills=max_kills)
        event_source = EventSource(self.resources.queue_url, worker, **source)
        with ExitStack() as running:
            running.enter_context(Schedule(self.function(self.product.sweeper), sweep_every_s, self.history))
            yield running.enter_context(Poller(event_source, self.aws.client("sqs"), self.history, self.seed))

    def wait_until_idle(self, poller: Poller, stall_timeout_s: float, *, in_flight: bool = True) -> None:
        """Return when the queue is empty and every job is final, or after `stall_timeout_s` without progress.

        Without `in_flight`, the messages that dead processes took do not count: they stay hidden for long.
        """
        least_messages, least_jobs, stalled_s, before = 10**9, 10**9, 0.0, time.monotonic()
        while stalled_s < stall_timeout_s:
            now = time.monotonic()
            stalled_s += min(now - before, _PAUSE_S)
            before = now
            messages, jobs = self.count_messages(in_flight=in_flight), count_unfinished(self.aws, self.resources.table)
            if not messages and not jobs and poller.idle():
                return
            if messages < least_messages or jobs < least_jobs:  # the sweeper may send faster than workers finish
                stalled_s = 0.0
            least_messages, least_jobs = min(messages, least_messages), min(jobs, least_jobs)
            time.sleep(0.2 + 4 * (time.monotonic() - now))  # scanning a large table slows down the workers

    def count_messages(self, *, in_flight: bool = True) -> int:
        """Count messages in the jobs' queue: visible, delayed and, with `in_flight`, taken by a process."""
        kinds = ["", "Delayed", *(["NotVisible"] if in_flight else [])]
        names = [f"ApproximateNumberOfMessages{kind}" for kind in kinds]
        attributes = self._queue_attributes(*names)
        return sum(int(attributes[name]) for name in names)

    def max_receives(self) -> int:
        """Return the number of deliveries after which the queue dead-letters a message."""
        return int(json.loads(self._queue_attributes("RedrivePolicy")["RedrivePolicy"])["maxReceiveCount"])

    def findings(self) -> Findings:
        """Check the deployment. Call this when it is idle."""
        return check(self.aws, self.resources, self.history)

    def tally(self) -> Tally:
        """Return the AWS calls made so far, by fault."""
        return Tally.of(self.folder, self.plan)

    def _queue_attributes(self, *names: str) -> dict[str, str]:
        sqs = self.aws.client("sqs")
        answer = sqs.get_queue_attributes(QueueUrl=self.resources.queue_url, AttributeNames=list(names))
        attributes: dict[str, str] = answer["Attributes"]
        return attributes
