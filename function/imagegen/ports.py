"""What the service needs from the outside, and nothing about how it is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol

from imagegen.idempotency import KeyedBody
from imagegen.jobs import Job, State
from imagegen.registry import SCHEDULERS, Model
from imagegen.request import Generation

if TYPE_CHECKING:
    from PIL.Image import Image

OnStep = Callable[[int, int], None]
"""Called after each denoising step with (steps done, steps in all); what it raises ends the generation."""


@dataclass(frozen=True)
class Backend:
    """What computes, in which type, on how many threads, and why; engine and precision are part of the cache key."""

    engine: Literal["openvino", "torch"]
    device: Literal["cpu", "cuda"]
    precision: Literal["float32", "bfloat16", "float16"]
    reason: str
    threads: int = 1

    def knows(self, scheduler: str) -> bool:
        return getattr(SCHEDULERS[scheduler], self.engine) is not None


@dataclass(frozen=True)
class Generated:
    """Pictures of the asked size, in the order of their seeds, and the seconds each phase took.

    `compile_s` is what preparing for a size never asked before took; it counts as loading.
    """

    images: list[Image]
    text_encode_s: float
    denoise_s: float
    decode_s: float
    compile_s: float = 0.0
    warnings: list[str] = field(default_factory=list)
    shared_by: int = 1
    """Generations that one call drew: each has cost its share of the time."""


class Engine(Protocol):
    """A model in memory. Generating never changes what the next request sees."""

    def generate(self, generation: Generation, on_step: OnStep) -> Generated: ...

    def close(self) -> None:
        """Wait until nothing works in the background any more; the engine is given up after that."""


class BatchEngine(Engine, Protocol):
    """An engine on a processor that draws several pictures quicker together."""

    def generate_together(self, generations: Sequence[Generation], on_step: OnStep) -> list[Generated]:
        """One call for generations of one shape; the steps reported are those of one picture."""


@dataclass(frozen=True)
class Resident:
    """An engine ready to generate; `load_s` is 0 where it was ready before."""

    engine: Engine
    load_s: float


class Engines(Protocol):
    """Where engines come from."""

    def backend_for(self, scheduler: str) -> Backend:
        """What computes with this scheduler here. Raises InvalidRequest where nothing does."""

    def holds(self, model: Model, backend: Backend) -> bool:
        """Whether the model's engine needs no loading."""

    def resident(self, model: Model, backend: Backend) -> Resident:
        """The model's engine, loaded once. Raises ModelUnavailable."""


@dataclass(frozen=True)
class StoredImage:
    """An object in the store, with the warnings its generation gave, so that a cached answer repeats them.

    It may be deleted from `kept_until` on, UTC.
    """

    key: str
    bytes: int
    sha256: str
    kept_until: datetime
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class SignedUrl:
    url: str
    expires_at: datetime


class ImageStore(Protocol):
    """Content-addressed objects. Every call raises StorageUnavailable when the store does not answer."""

    def find(self, key: str) -> StoredImage | None:
        """None also for an object that may be deleted before a URL signed now has ended."""

    def put(self, key: str, body: bytes, content_type: str, *, warnings: Sequence[str], overwrite: bool) -> StoredImage:
        """Write once: without `overwrite` an object already there stays, and is what comes back."""

    def sign(self, key: str, until: datetime) -> SignedUrl:
        """A URL that ends by then, or sooner."""


Clock = Callable[[], int]
"""Epoch milliseconds."""


@dataclass(frozen=True)
class Page:
    """Jobs, newest first; `last` is where the next page begins, absent on the last one."""

    jobs: list[Job]
    last: str | None


class JobStore(Protocol):
    """Jobs with their bills and idempotency keys. Every call raises StorageUnavailable when the store is silent.

    The write may then have happened all the same: repeating the call is safe, for each recognises its own trace.
    """

    def add(self, job: Job, keyed: KeyedBody | None = None) -> Job:
        """Write a new job; the one that now stands for the key, which may be an earlier one.

        Raises IdempotencyKeyReuse where the key came with another body, ResultExpired where its job is gone.
        """

    def get(self, tenant: str, job_id: str) -> Job | None: ...

    def change(self, job: Job, transition: Callable[[Job], Job]) -> Job:
        """Write what the transition makes of the job, or of what it has become meanwhile.

        A job that succeeds gets its bill in the same transaction. Raises JobNotFound and what the transition raises.
        """

    def remove(self, job: Job) -> None:
        """Raises JobNotFinal."""

    def page(self, tenant: str, *, limit: int, after: str | None, state: State | None) -> Page:
        """The tenant's jobs, older than the job `after`."""

    def due(self, limit: int) -> list[tuple[str, str]]:
        """Tenant and id of jobs whose `due_at` has come, the longest waiting first; behind them those to forget."""

    def forget(self, tenant: str, job_id: str) -> None:
        """Delete it if it has expired."""


class JobQueue(Protocol):
    """Where jobs wait for a worker. Every call may raise StorageUnavailable, with the message there all the same."""

    def put(self, tenant: str, job_id: str, delay_s: int = 0) -> None: ...

    def postpone(self, receipt: str, seconds: int) -> None:
        """Let a message that was received come again after so long."""

    def bury(self, body: str, reason: str) -> None:
        """Put a message that nobody can read among the dead letters."""


class WebhookQueue(Protocol):
    """Where a final job's webhook waits for its delivery."""

    def put(self, tenant: str, job_id: str, url: str, event_type: str, final_state: str) -> None:
        """Raises StorageUnavailable; the message may then be there all the same. Two are told as one webhook-id."""


@dataclass(frozen=True)
class ReceivedMessage:
    """A message of a queue; `attempt` counts from 1, `receipt` is what this one receipt of it is addressed by."""

    message_id: str
    receipt: str
    body: str
    attempt: int


class WebhookRetries(Protocol):
    """What becomes of a webhook that was not delivered. Every call raises StorageUnavailable."""

    def postpone(self, received: ReceivedMessage, seconds: float) -> None:
        """Hide the message for so long."""

    def bury(self, received: ReceivedMessage, reason: str) -> None:
        """Copy the message, with the reason, to the dead-letter queue."""


class JobReader(Protocol):
    """As much of a JobStore as a webhook needs."""

    def get(self, tenant: str, job_id: str) -> Job | None: ...


class SecretStore(Protocol):
    """Webhook secrets by tenant, as webhooks.SigningSecrets writes them."""

    def get(self, tenant: str) -> str | None:
        """Raises StorageUnavailable. What was changed may take a minute to be seen."""


class Leases(Protocol):
    """Who may do what only one should do at a time. Every call raises StorageUnavailable."""

    def take(self, tenant: str, name: str, owner: str, seconds: float) -> bool:
        """Hold it for so long from now, or longer than before; False where another owner has it."""

    def release(self, tenant: str, name: str, owner: str) -> None: ...
