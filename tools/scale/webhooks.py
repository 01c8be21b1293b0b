"""How long one tenant's slow receiver and its pending retries delay another tenant's webhooks.

The worst is assumed of SQS: messages are received strictly in their order, whichever group they have.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Final
from urllib.parse import urlsplit

from imagegen.deadline import Deadline
from imagegen.jobs.ports import Listed
from imagegen.webhooks.delivery import WebhookSender
from imagegen.webhooks.message import WebhookMessage
from imagegen.webhooks.ports import ReceivedMessage, SlotStore
from imagegen.webhooks.retries import MAX_DELAY_S, WaitingWebhooks
from imagegen.webhooks.safe_http import SafeClient, Unreachable
from imagegen.webhooks.slots import Slots
from tools.faults.webhook_deliveries import FreeSlots, Jobs, Secrets, final_job
from tools.scale.clock import VirtualClock
from tools.scale.no_log import NoLog

CONCURRENCY: Final = 50
"""MaximumConcurrency of the queue in the template."""
FIRST_POLLERS: Final = 5
RAMP_PER_S: Final = 1.0
"""Lambda begins with five concurrent executions of a queue. AWS says that it adds up to 300 a minute; 60 are assumed,
as before 2023."""
OVERHEAD_S: Final = 0.025
"""Of an invocation: parse, take and release a slot, send or hold the message."""
SWEEP_S: Final = 60.0
TIMEOUT_S: Final = 20.0
"""Of an attempt (Timeouts in safe_http.py)."""
QUIET: Final = ("quiet-1", "quiet-2", "quiet-3")
QUIET_EVERY_S: Final = 7.0
QUIET_TAKES_S: Final = 0.2


@dataclass(frozen=True)
class Noise:
    """The webhooks of the other tenant, and its receiver."""

    takes_s: float
    """Until it has failed."""
    pending: int
    """Retries that all become visible at second 0."""
    per_minute: int
    """New ones."""
    reason: str = "timeout"


@dataclass(frozen=True)
class Delivered:
    """What the quiet tenants' webhooks waited from the queue to their first attempt, and what the other one left."""

    quiet: int
    quiet_longest_s: float
    quiet_mean_s: float
    most_in_flight: int
    """SQS allows 120,000."""
    noisy_attempts: int
    noisy_busy: int
    """Times that a message of the other tenant found its slots taken."""
    held: int
    """Webhooks in the table at the end."""


def deliveries(noise: Noise, minutes: float, *, limited: bool = True) -> Delivered:
    """Deliver for some minutes. Not `limited`: as before, without slots."""
    return _Simulation(noise, 60 * minutes, limited).run()


@dataclass
class _Message:
    body: str
    put_at: float
    receives: int = 0


@dataclass
class _Slots:
    """A SlotStore in which a slot becomes free when the attempt that holds it ends."""

    simulation: _Simulation
    taken: Counter[str] = field(default_factory=Counter)

    def take(self, tenant: str, slots: int, seconds: float) -> str | None:
        if self.taken[tenant] >= slots:
            return None
        self.taken[tenant] += 1
        return "slot"

    def release(self, tenant: str, token: str) -> None:
        self.simulation.at(self.simulation.local.now, lambda: self.taken.subtract([tenant]))


class _Receivers(SafeClient):
    """Lets the time pass that the tenant's receiver takes, and remembers when the quiet ones' attempts began."""

    def __init__(self, simulation: _Simulation):
        super().__init__()
        self._simulation = simulation

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        simulation = self._simulation
        if urlsplit(url).hostname != "noisy.example.com":
            simulation.waited.append(simulation.local.now - simulation.put_at)
            simulation.local.spend(QUIET_TAKES_S)
            return 204
        simulation.noisy_attempts += 1
        simulation.local.spend(simulation.noise.takes_s)
        raise Unreachable(simulation.noise.reason)


def _fail(error: BaseException) -> None:
    raise error


class _Simulation:
    """Implements webhooks.ports.MessageQueue and HeldWebhooks, and the poller of the queue."""

    def __init__(self, noise: Noise, lasts_s: float, limited: bool):
        self.noise = noise
        self.local = VirtualClock()
        """The time inside the invocation that is being computed."""
        self.put_at = 0.0
        self.waited: list[float] = []
        self.noisy_attempts = self._busy = self._most = self._running = 0
        self._now, self._lasts_s = 0.0, lasts_s
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._order = count()
        self._visible: deque[_Message] = deque()
        self._held: dict[Listed, tuple[str, int]] = {}
        self._waiting = WaitingWebhooks(self, self, self.local, NoLog(), _fail, threads=1)
        slots: SlotStore = _Slots(self) if limited else FreeSlots()
        client, secrets = _Receivers(self), Secrets()
        self._idle = [
            WebhookSender(
                jobs=Jobs(),
                render=lambda job: {"id": job.job_id},
                secrets=secrets,
                client=client,
                retries=self._waiting,
                slots=Slots(slots, self.local),
                about=NoLog().about,
            )
            for _ in range(CONCURRENCY)
        ]

    def run(self) -> Delivered:
        """Run until the end, and return what happened."""
        for number in range(self.noise.pending):
            self._put("noisy", number, 0.0, failed=2)
        for number in range(round(self.noise.per_minute * self._lasts_s / 60)):
            self._put("noisy", self.noise.pending + number, 60 * number / max(self.noise.per_minute, 1))
        for place, tenant in enumerate(QUIET):
            for number in range(int(self._lasts_s / QUIET_EVERY_S)):
                self._put(tenant, number, number * QUIET_EVERY_S + place)
        for minute in range(int(self._lasts_s / SWEEP_S)):
            self.at(minute * SWEEP_S, self._sweep)
        for second in range(CONCURRENCY):
            self.at(second / RAMP_PER_S, lambda: None)  # another execution may begin
        while self._events and self._events[0][0] <= self._lasts_s:
            self._now, _, action = heapq.heappop(self._events)
            action()
            self._dispatch()
        unseen = [self._now - each.put_at for each in self._visible if '"quiet' in each.body]
        waited = [*self.waited, *unseen]
        return Delivered(
            len(waited), round(max(waited), 1), round(sum(waited) / len(waited), 2), self._most,
            self.noisy_attempts, self._busy, len(self._held),
        )  # fmt: skip

    def at(self, when: float, action: Callable[[], object]) -> None:
        """Do something later."""
        heapq.heappush(self._events, (when, next(self._order), action))

    def send(self, message: WebhookMessage, delay_s: int) -> None:
        if delay_s > MAX_DELAY_S:
            raise ValueError("SQS refuses such a delay")
        visible_at = self.local.now + delay_s
        self.at(visible_at, lambda: self._visible.append(_Message(message.body(), visible_at)))

    def dead_letter(self, received: ReceivedMessage, reason: str) -> None: ...

    def hold(self, message: WebhookMessage, due_at: int) -> None:
        self._held[Listed(message.tenant, message.job_id)] = (message.body(), due_at)

    def due(self, limit: int) -> list[Listed]:
        due = [(due_at, listed) for listed, (_, due_at) in self._held.items() if due_at <= self.local()]
        return [listed for _, listed in sorted(due)[:limit]]

    def get(self, tenant: str, job_id: str) -> tuple[str, int] | None:
        self.local.spend(3 * 0.003)  # this read, the message and the deletion
        return self._held.get(Listed(tenant, job_id))

    def remove(self, tenant: str, job_id: str, due_at: int) -> None:
        self._held.pop(Listed(tenant, job_id), None)

    def _put(self, tenant: str, number: int, when: float, failed: int = 0) -> None:
        job = final_job(f"{number:026d}", url=f"https://{tenant}.example.com/hook")
        message = WebhookMessage.of(job).model_copy(update={"tenant": tenant}).waiting(failed=failed)
        self.at(when, lambda: self._visible.append(_Message(message.body(), when)))

    def _sweep(self) -> None:
        self.local.now = self._now
        self._waiting.send_due(Deadline(lambda: self._now + 45 - self.local.now))

    def _dispatch(self) -> None:
        """Begin the invocations that the concurrency allows."""
        allowed = min(CONCURRENCY, FIRST_POLLERS + int(RAMP_PER_S * self._now))
        while self._visible and self._running < allowed:
            message, sender = self._visible.popleft(), self._idle.pop(0)
            self._running += 1
            self._most = max(self._most, self._running)
            self.local.now, self.put_at = self._now + OVERHEAD_S, message.put_at
            attempt = sender.deliver(ReceivedMessage(str(next(self._order)), message.body, message.receives + 1))
            self._busy += attempt.verdict == "busy"
            self.at(self.local.now, lambda sender=sender: self._end(sender))  # type: ignore[misc]

    def _end(self, sender: WebhookSender) -> None:
        self._running -= 1
        self._idle.append(sender)
