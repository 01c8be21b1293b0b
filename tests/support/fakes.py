"""Fakes for the ports, without AWS or a model. tests/integration/aws runs the same cases against MemoryStore and S3."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from PIL import Image

from imagegen.catalog.registry import Model
from imagegen.deadline import Deadline
from imagegen.errors import ServiceError
from imagegen.generation.ports import (
    Backend,
    Credentials,
    Engines,
    Generated,
    OnStep,
    PictureChecks,
    Resident,
    Resumption,
    SignedUrl,
    StoredImage,
)
from imagegen.generation.pricing import Pricing
from imagegen.generation.service import ImageService
from imagegen.generation.single_flight import SingleFlight
from imagegen.generation.snapshot import Array, Snapshot
from imagegen.generation.spec import GenerationSpec
from imagegen.generation.speed_estimate import SpeedEstimate
from imagegen.generation.workload import Workload

FAR_AWAY = datetime(2100, 1, 1, tzinfo=UTC)
PLENTY = Deadline(lambda: 1000.0)


@dataclass
class MemoryStore:
    """An ImageStore in two dictionaries. While `failing` is set, every call raises it."""

    objects: dict[str, bytes] = field(default_factory=dict)
    entries: dict[str, list[StoredImage]] = field(default_factory=dict)
    failing: ServiceError | None = None

    def put(
        self, key: str, body: bytes, content_type: str, *, pixels_sha256: str, warnings: Sequence[str]
    ) -> StoredImage:
        self._check()
        self.objects[key] = body
        digest, now = hashlib.sha256(body).hexdigest(), datetime.now(UTC)
        return StoredImage(key, len(body), digest, now, FAR_AWAY, tuple(warnings), pixels_sha256)

    def find(self, entry: str) -> list[StoredImage] | None:
        self._check()
        return self.entries.get(entry)

    def remember(self, entry: str, images: Sequence[StoredImage], *, replace: bool) -> None:
        self._check()
        if replace or entry not in self.entries:
            self.entries[entry] = list(images)

    def read(self, key: str) -> bytes:
        self._check()
        return self.objects[key]

    def require_signer(self) -> None:
        self._check()

    def sign(self, key: str, until: datetime) -> SignedUrl:
        self._check()
        return SignedUrl(f"memory://{key}", FAR_AWAY)

    def _check(self) -> None:
        if self.failing is not None:
            raise self.failing


@dataclass
class MemoryLeases:
    """Leases in a dictionary that never expire. While `failing` is set, every `take` raises it."""

    owners: dict[tuple[str, str], str] = field(default_factory=dict)
    failing: ServiceError | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, tenant: str, name: str, owner: str, seconds: float) -> bool:
        with self._lock:
            if self.failing is not None:
                raise self.failing
            return self.owners.setdefault((tenant, name), owner) == owner

    def extend(self, tenant: str, name: str, owner: str, seconds: float) -> bool:
        with self._lock:
            return self.owners.get((tenant, name)) == owner

    def release(self, tenant: str, name: str, owner: str) -> None:
        with self._lock:
            if self.owners.get((tenant, name)) == owner:
                del self.owners[(tenant, name)]


@dataclass
class MemoryCheckpoints:
    """A CheckpointStore in a dictionary. While `failing` is set, every call raises it."""

    bodies: dict[str, bytes] = field(default_factory=dict)
    writes: int = 0
    failing: ServiceError | None = None

    def read(self, key: str) -> bytes | None:
        self._check()
        return self.bodies.get(key)

    def write(self, key: str, body: bytes) -> None:
        self._check()
        self.writes += 1
        self.bodies[key] = body

    def delete(self, key: str) -> None:
        self._check()
        self.bodies.pop(key, None)

    def _check(self) -> None:
        if self.failing is not None:
            raise self.failing


def snapshot_at(step: int, predicted: Array | None = None) -> Snapshot:
    """Return a snapshot of an engine without a network."""
    return Snapshot(steps=step, predicted=predicted)


@dataclass
class FakeEngine:
    """Generates images of one color per seed and counts its calls. Calls `during` before it reports a step.

    It says that each step took `step_s` seconds, and takes none.
    """

    warnings: list[str] = field(default_factory=list)
    step_s: float = 0.005
    upscale_s: float = 0.0
    background_s: float = 0.0
    finishing: Callable[[OnStep, int], None] = lambda on_step, of: None
    """Called after the last step, with `on_step` and the number of steps."""
    during: Callable[[int], None] = lambda step: None
    compile_s: float = 0.0
    green: int = 0
    """Green of every image. Another value stands for another kind of processor: other bytes for the same request."""
    predicted: Array | None = None
    """The latents that it expects after each step."""
    asks_during_steps: bool = False
    """Whether `on_step` is also called during each step, as by the OpenVINO engine during long ones."""
    closed: bool = False
    generations: int = 0
    steps: int = 0

    def generate(self, spec: GenerationSpec, on_step: OnStep, resumption: Resumption | None = None) -> Generated:
        self.generations += 1
        steps, done = spec.total_steps, resumption.snapshot.steps if resumption else 0
        on_step(done, steps)
        for step in range(done + 1, steps + 1):
            if self.asks_during_steps:
                on_step(step - 1, steps)
            self.during(step)
            self.steps += 1
            if resumption is not None:
                resumption.reached(partial(snapshot_at, step, self.predicted))
            on_step(step, steps)
        self.finishing(on_step, steps)
        images = [self._image(spec, index) for index in range(spec.num_images_per_prompt)]
        denoise_s = (steps - done) * self.step_s
        return Generated(
            images, 0.01, denoise_s, 0.03, self.compile_s, self.upscale_s, self.background_s, self.warnings
        )

    def _image(self, spec: GenerationSpec, index: int) -> Image.Image:
        """Return what a guarded engine returns: with the pixels that a mask keeps, and in the size of the file."""
        image = Image.new("RGB", (spec.width, spec.height), (spec.seed_of(index) % 256, self.green, 0))
        image.putpixel((0, 0), (255, 255, 255))  # one color everywhere is no picture
        kept = image if spec.canvas is None else spec.canvas.keep(image)
        return kept.resize(spec.output_size, Image.Resampling.NEAREST)

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeEngines:
    """Returns the same engine for every model. The first call reports a load time of one second.

    `held` is how many seconds ago a preload began, None without one.
    """

    engine: FakeEngine
    loads: int = 0
    held: float | None = None
    failing: ServiceError | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def held_s(self, model: Model, backend: Backend) -> float | None:
        return 1.0 if self.loads > 0 else self.held

    def resident(self, model: Model, backend: Backend) -> Resident:
        with self._lock:
            if self.failing is not None:
                raise self.failing
            self.loads += 1
            return Resident(self.engine, load_s=1.0 if self.loads == 1 else 0.0)


class Unjudged:
    """PictureChecks of a deployment that judges no pictures."""

    def of(self, model: Model, tenant: str, job_id: str | None = None) -> None:
        return None


def build_service(
    engines: Engines,
    store: MemoryStore,
    *,
    clock: Callable[[], float] = lambda: 0.0,
    embed_prompt: bool = True,
    workload: Workload | None = None,
    credentials: Credentials | None = None,
    checks: PictureChecks | None = None,
) -> ImageService:
    """An ImageService on fakes."""
    return ImageService(
        engines=engines,
        store=store,
        checks=checks or Unjudged(),
        single_flight=SingleFlight(MemoryLeases(), lease_s=20, renew_s=5),
        pricing=Pricing(memory_mb=1024, usd_per_gb_second=0.01),
        embed_prompt=embed_prompt,
        estimate=SpeedEstimate(lambda _model, _backend: workload),
        credentials=credentials,
        clock=clock,
    )
