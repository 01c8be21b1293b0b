"""Fakes of the ports that need neither AWS nor a model. tests/integration checks that MemoryStore behaves as S3."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from PIL import Image

from imagegen.deadline import Deadline
from imagegen.errors import ServiceError
from imagegen.jobs import Limits
from imagegen.leader import Leader
from imagegen.ports import Backend, Engines, Generated, OnStep, Resident, SignedUrl, StoredImage
from imagegen.registry import REGISTRY, Model
from imagegen.request import Generation
from imagegen.service import ImageService, Receipts

FAR_AWAY = datetime(2100, 1, 1, tzinfo=UTC)
BACKEND = Backend("torch", "cpu", "float32", "for tests")
PLENTY = Deadline(lambda: 1000.0)


@dataclass
class MemoryStore:
    """An ImageStore in a dictionary. Every call raises `failing` while it is set."""

    objects: dict[str, tuple[bytes, StoredImage]] = field(default_factory=dict)
    failing: ServiceError | None = None

    def find(self, key: str) -> StoredImage | None:
        self._check()
        found = self.objects.get(key)
        return None if found is None else found[1]

    def put(self, key: str, body: bytes, content_type: str, *, warnings: Sequence[str], overwrite: bool) -> StoredImage:
        self._check()
        if overwrite or key not in self.objects:
            stored = StoredImage(key, len(body), hashlib.sha256(body).hexdigest(), FAR_AWAY, tuple(warnings))
            self.objects[key] = (body, stored)
        return self.objects[key][1]

    def sign(self, key: str, until: datetime) -> SignedUrl:
        self._check()
        return SignedUrl(f"memory://{key}", FAR_AWAY)

    def _check(self) -> None:
        if self.failing is not None:
            raise self.failing


@dataclass
class MemoryLeases:
    """Leases in a dictionary. They do not expire. Every call raises `failing` while it is set."""

    owners: dict[tuple[str, str], str] = field(default_factory=dict)
    failing: ServiceError | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, tenant: str, name: str, owner: str, seconds: float) -> bool:
        with self._lock:
            if self.failing is not None:
                raise self.failing
            return self.owners.setdefault((tenant, name), owner) == owner

    def release(self, tenant: str, name: str, owner: str) -> None:
        with self._lock:
            if self.owners.get((tenant, name)) == owner:
                del self.owners[(tenant, name)]


@dataclass
class FakeEngine:
    """Returns an image of one color per seed, and counts. Calls `during` before it reports each step."""

    warnings: list[str] = field(default_factory=list)
    during: Callable[[int], None] = lambda step: None
    compile_s: float = 0.0
    closed: bool = False
    generations: int = 0
    steps: int = 0

    def generate(self, generation: Generation, on_step: OnStep) -> Generated:
        self.generations += 1
        steps = generation.num_inference_steps * generation.num_images_per_prompt
        for step in range(1, steps + 1):
            self.during(step)
            self.steps += 1
            on_step(step, steps)
        size = (generation.width, generation.height)
        images = [
            Image.new("RGB", size, (generation.seed_of(index) % 256, 0, 0))
            for index in range(generation.num_images_per_prompt)
        ]
        return Generated(images, 0.01, 0.02, 0.03, self.compile_s, self.warnings)

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeEngines:
    """One engine for every model. Loading reports one second the first time, then none."""

    engine: FakeEngine
    backend: Backend = BACKEND
    loads: int = 0
    failing: ServiceError | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def backend_for(self, scheduler: str) -> Backend:
        return self.backend

    def holds(self, model: Model, backend: Backend) -> bool:
        return self.loads > 0

    def resident(self, model: Model, backend: Backend) -> Resident:
        with self._lock:
            if self.failing is not None:
                raise self.failing
            self.loads += 1
            return Resident(self.engine, load_s=1.0 if self.loads == 1 else 0.0)


def build(
    engines: Engines, store: MemoryStore, *, clock: Callable[[], float] = lambda: 0.0, embed_prompt: bool = True
) -> ImageService:
    return ImageService(
        models=REGISTRY,
        default_model_id="demo",
        engines=engines,
        store=store,
        leader=Leader(MemoryLeases(), Limits()),
        receipts=Receipts(memory_mb=1024, usd_per_gb_second=0.01),
        embed_prompt=embed_prompt,
        clock=clock,
    )
