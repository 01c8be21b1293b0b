"""What children measured. Pure: the parent reads it from JSON without importing what they import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Image:
    """One request. `compile_s` is what preparing for its size took, `step_s` the median between two UNet calls."""

    seconds: float
    calls: int
    step_s: float
    decode_s: float
    compile_s: float = 0.0


@dataclass(frozen=True)
class Run:
    """One child. `import_s`, `ready_s` and `first_s` count from before its start; memory is the peak resident set.

    Ready means that the engine takes work; ours then loads on in the background, and `compile_s` waits for that.
    """

    import_s: float
    ready_s: float
    first_s: float
    images: list[Image]
    first_peak_mb: float
    peak_mb: float

    @classmethod
    def parse(cls, document: dict[str, Any]) -> Run:
        return cls(**{**document, "images": [Image(**each) for each in document["images"]]})

    @property
    def cold_image_s(self) -> float:
        """The first image's own work."""
        return self.first_s - self.compiled_s

    @property
    def compiled_s(self) -> float:
        """From the start until nothing but the image's own work is left."""
        return self.ready_s + self.images[0].compile_s

    @property
    def warm_s(self) -> float | None:
        return self.images[-1].seconds if len(self.images) > 1 else None

    @property
    def step_s(self) -> float:
        return self.images[-1].step_s

    @property
    def decode_s(self) -> float:
        return self.images[-1].decode_s

    @property
    def calls(self) -> int:
        return self.images[-1].calls


@dataclass(frozen=True)
class Rate:
    """Billions of operations a second, a multiplication and an addition counted as two."""

    library: str
    precision: str
    shape: tuple[int, int, int]
    gflops: float


def convolution_gflop(shape: tuple[int, int, int]) -> float:
    """Of a 3 x 3 convolution that keeps the size."""
    channels_in, channels_out, side = shape
    return 2 * 9 * channels_in * channels_out * side**2 / 1e9


@dataclass(frozen=True)
class Bound:
    """`unet_gflop`: of one call for one image of 512 x 512."""

    rates: list[Rate]
    unet_gflop: float

    @classmethod
    def parse(cls, document: dict[str, Any]) -> Bound:
        rates = [Rate(**{**each, "shape": tuple(each["shape"])}) for each in document["rates"]]
        return cls(rates, document["unet_gflop"])

    def best(self, precision: str) -> Rate | None:
        rates = [rate for rate in self.rates if rate.precision == precision]
        return max(rates, key=lambda rate: rate.gflops, default=None)

    def seconds(self, precision: str) -> float | None:
        """One UNet call on one thread at the best rate throughout."""
        best = self.best(precision)
        return self.unet_gflop / best.gflops if best else None


@dataclass(frozen=True)
class Overhead:
    """Medians in milliseconds, and of how many requests each way."""

    gateway_ms: float
    direct_ms: float
    engine_ms: float
    encode_ms: float
    s3_ms: float
    requests: int
