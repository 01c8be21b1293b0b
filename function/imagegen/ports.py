"""What the service needs from the outside, and nothing about how it is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol

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


class Engine(Protocol):
    """A model in memory. Generating never changes what the next request sees."""

    def generate(self, generation: Generation, on_step: OnStep) -> Generated: ...

    def close(self) -> None:
        """Wait until nothing works in the background any more; the engine is given up after that."""


@dataclass(frozen=True)
class Resident:
    """An engine ready to generate; `load_s` is 0 where it was ready before."""

    engine: Engine
    load_s: float


class Engines(Protocol):
    """Where engines come from."""

    def backend_for(self, scheduler: str) -> Backend:
        """What computes with this scheduler here. Raises InvalidRequest where nothing does."""

    def resident(self, model: Model, backend: Backend) -> Resident:
        """The model's engine, loaded once. Raises ModelUnavailable."""


@dataclass(frozen=True)
class StoredImage:
    """An object in the store, with the warnings its generation gave, so that a cached answer repeats them."""

    key: str
    bytes: int
    sha256: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class SignedUrl:
    url: str
    expires_at: datetime


class ImageStore(Protocol):
    """Content-addressed objects. Every call raises StorageUnavailable when the store does not answer."""

    def find(self, key: str) -> StoredImage | None: ...

    def put(self, key: str, body: bytes, content_type: str, *, warnings: Sequence[str], overwrite: bool) -> StoredImage:
        """Write once: without `overwrite` an object already there stays, and is what comes back."""

    def sign(self, key: str) -> SignedUrl: ...
