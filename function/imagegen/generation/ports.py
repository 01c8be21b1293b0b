"""What a generation needs from engines, the image store and the lease table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol

from imagegen.catalog.registry import Model
from imagegen.errors.moderation import Stage
from imagegen.generation.spec import GenerationSpec

if TYPE_CHECKING:
    from PIL.Image import Image

    from imagegen.generation.result import ColdStartCause
    from imagegen.generation.snapshot import Snapshot  # imports NumPy, which the zip functions lack
    from imagegen.provenance.manifest import MediaType, Origin  # not in the stages of the image that prepare models

OnStep = Callable[[int, int], None]
"""Called before the first denoising step, after each one, and during long ones, with (steps done, steps in total).

The total is `GenerationSpec.total_steps`. Raising from it stops the generation.
"""


@dataclass(frozen=True)
class Backend:
    """Engine, device and precision, with the reason for the choice. Engine and precision are in the cache key."""

    engine: Literal["openvino", "torch"]
    device: Literal["cpu", "cuda"]
    precision: Literal["float32", "bfloat16", "float16"]
    reason: str
    threads: int = 1


@dataclass(frozen=True)
class Generated:
    """Images in the order of their seeds, and the seconds of each phase.

    What the mask of an edit keeps is the picture's own.

    `compile_s` is the time to compile, if the size, with or without guidance, was not compiled, and to load what
    enlarges images and finds their subject; a result's `load_ms` includes it. `encoder_load_s` is the time to load what
    encodes the picture of an edit, if this size has not had one.
    """

    images: list[Image]
    text_encode_s: float
    denoise_s: float
    decode_s: float
    compile_s: float = 0.0
    upscale_s: float = 0.0
    background_s: float = 0.0
    warnings: list[str] = field(default_factory=list)
    shared_by: int = 1
    """Generations in the same batch. Each is billed its share of the time."""
    encoder_load_s: float = 0.0
    image_encode_s: float = 0.0

    @property
    def finish_s(self) -> float:
        """Seconds after the last denoising step."""
        return self.decode_s + self.upscale_s + self.background_s


class Resumption(Protocol):
    """Where a generation begins, and who keeps where it has got to."""

    @property
    def snapshot(self) -> Snapshot:
        """Where to begin; empty for a new generation."""

    def reached(self, take: Callable[[], Snapshot]) -> None:
        """Called after each network call, before `on_step`. `take` returns the state at this call, also later."""


class Engine(Protocol):
    """A model in memory. A generation never changes what the next one sees."""

    def generate(self, spec: GenerationSpec, on_step: OnStep, resumption: Resumption | None = None) -> Generated:
        """Generate the images of `spec`. Raises ModelUnavailable, GenerationFailed and what `on_step` raises."""

    def close(self) -> None:
        """Wait for background work to end. The engine is not used afterwards."""


@dataclass(frozen=True)
class Resident:
    """A loaded engine; `load_s` is 0 if it was loaded before. `cause` is why it was loaded."""

    engine: Engine
    load_s: float
    cause: ColdStartCause = "new_environment"


class Engines(Protocol):
    """Provides engines."""

    def held_s(self, model: Model, backend: Backend) -> float | None:
        """Return how many seconds ago the model in memory began to load on this backend; None if it is another one."""

    def resident(self, model: Model, backend: Backend) -> Resident:
        """Return the model's engine, loaded at most once. Raises ModelUnavailable."""


@dataclass(frozen=True)
class StoredImage:
    """An object in the image store, with the generation's warnings, so that a cached response repeats them.

    Times are in UTC. The store may delete it from `kept_until` on.
    """

    key: str
    bytes: int
    sha256: str
    stored_at: datetime
    kept_until: datetime
    warnings: tuple[str, ...] = ()
    pixels_sha256: str | None = None
    """None for an image that version 0.1.0 stored."""


@dataclass(frozen=True)
class SignedUrl:
    """A signed URL and when it expires (UTC)."""

    url: str
    expires_at: datetime


class ImageStore(Protocol):
    """Images and cache entries by key. Every call raises StorageUnavailable if the store does not respond."""

    def put(
        self, key: str, body: bytes, content_type: str, *, pixels_sha256: str, warnings: Sequence[str]
    ) -> StoredImage:
        """Store an image. The key depends on the file, so an existing object has the same bytes."""

    def find(self, entry: str) -> list[StoredImage] | None:
        """Return the entry's images, or None if it is missing or one may be deleted before a URL signed now expires."""

    def remember(self, entry: str, images: Sequence[StoredImage], *, replace: bool) -> None:
        """Write a cache entry. Without `replace` an entry that `find` returns stays as it is."""

    def read(self, key: str) -> bytes:
        """Return the image that was stored."""

    def require_signer(self) -> None:
        """Raise DeliveryUnavailable if no URL could be signed, so that nothing is drawn that cannot be handed over."""

    def sign(self, key: str, until: datetime) -> SignedUrl:
        """Return a signed URL that expires at `until` or earlier. Raises DeliveryUnavailable, never signs nothing."""


class Credentials(Protocol):
    """Content credentials of pictures. Both calls raise ProvenanceUnavailable, also before anything is drawn."""

    @property
    def identity(self) -> str:
        """Names the signer's certificate. Pictures that another one signed are not served in place of new ones."""

    def sign(self, body: bytes, media_type: MediaType, origin: Origin) -> bytes:
        """Return the file with credentials, each time another one: signatures are random."""


class PictureCheck(Protocol):
    """Judges the pictures of one request. Every call but `rule` raises ModerationUnavailable if it cannot."""

    @property
    def rule(self) -> str:
        """What allows a picture. It is part of the cache key: what another rule allowed is judged again."""

    def load(self) -> None:
        """Load what judges, unless done."""

    def require_allowed(self, stage: Stage, pictures: Sequence[Image]) -> None:
        """Raise ModerationBlocked if one of the pictures is blocked."""

    def may_show(self, preview: Image) -> bool:
        """Return whether a preview may be shown."""


class PictureChecks(Protocol):
    """Judges the pictures of all requests."""

    def of(self, model: Model, tenant: str, job_id: str | None = None) -> PictureCheck | None:
        """Return the check of a request's pictures, or None if those of the model are not judged."""


class CheckpointStore(Protocol):
    """Checkpoints of jobs by key. Every call raises StorageUnavailable if the store does not respond."""

    def read(self, key: str) -> bytes | None:
        """Return the checkpoint, or None if there is none."""

    def write(self, key: str, body: bytes) -> None:
        """Store the checkpoint, in place of an earlier one."""

    def delete(self, key: str) -> None:
        """Delete the checkpoint, if there is one."""


class Leases(Protocol):
    """Named leases: at most one owner at a time. Every call raises StorageUnavailable."""

    def take(self, tenant: str, name: str, owner: str, seconds: float) -> bool:
        """Take the lease for `seconds` from now. Returns False if another owner holds it."""

    def extend(self, tenant: str, name: str, owner: str, seconds: float) -> bool:
        """Extend the lease to `seconds` from now if `owner` holds it; return whether it does. Takes no free lease."""

    def release(self, tenant: str, name: str, owner: str) -> None:
        """Release the lease if `owner` holds it."""
