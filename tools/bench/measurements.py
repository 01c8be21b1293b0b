"""Results of child processes. No heavy imports: the parent parses them from JSON without loading torch or OpenVINO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Image:
    """One request."""

    seconds: float
    """The whole request."""
    calls: int
    """Number of UNet calls."""
    step_s: float
    """Median time of a UNet call."""
    decode_s: float
    compile_s: float = 0.0
    """Time to compile the networks for the requested size."""


@dataclass(frozen=True)
class Run:
    """One child process. Times in seconds count from just before its start; memory is the peak resident set."""

    import_s: float
    """The handler's module is imported."""
    ready_s: float
    """The engine accepts requests. The product then still loads in the background; `compile_s` includes that."""
    first_s: float
    """The first image is stored."""
    images: list[Image]
    first_peak_mb: float
    """Peak memory when the first image is stored."""
    peak_mb: float

    @classmethod
    def parse(cls, document: dict[str, Any]) -> Run:
        """Return the run from its JSON document (`dataclasses.asdict`)."""
        return cls(**{**document, "images": [Image(**each) for each in document["images"]]})

    @property
    def cold_image_s(self) -> float:
        """Seconds of the first image alone, without loading and compiling."""
        return self.first_s - self.compiled_s

    @property
    def compiled_s(self) -> float:
        """Seconds from the start until everything is loaded and compiled for the first image."""
        return self.ready_s + self.images[0].compile_s

    @property
    def warm_s(self) -> float | None:
        """Seconds of a warm request; None if the run generated one image only."""
        return self.images[-1].seconds if len(self.images) > 1 else None

    @property
    def step_s(self) -> float:
        """Median seconds of a UNet call in the last image."""
        return self.images[-1].step_s

    @property
    def decode_s(self) -> float:
        """Seconds of decoding in the last image."""
        return self.images[-1].decode_s

    @property
    def calls(self) -> int:
        """Number of UNet calls for the last image."""
        return self.images[-1].calls


@dataclass(frozen=True)
class Rate:
    """Measured speed of one convolution; a multiply-add counts as two operations."""

    library: str
    precision: str
    shape: tuple[int, int, int]
    """Channels in, channels out, and height and width."""
    gflops: float
    """Billions of operations per second."""


def convolution_gflop(shape: tuple[int, int, int]) -> float:
    """Return the billions of operations of a 3 x 3 convolution that keeps height and width."""
    channels_in, channels_out, side = shape
    return 2 * 9 * channels_in * channels_out * side**2 / 1e9


@dataclass(frozen=True)
class Roofline:
    """The machine's measured compute limit, and the work of a UNet call."""

    rates: list[Rate]
    unet_gflop: float
    """Billions of operations of one UNet call for one image of 512 x 512."""

    @classmethod
    def parse(cls, document: dict[str, Any]) -> Roofline:
        """Return the roofline from its JSON document (`dataclasses.asdict`)."""
        rates = [Rate(**{**each, "shape": tuple(each["shape"])}) for each in document["rates"]]
        return cls(rates, document["unet_gflop"])

    def best(self, precision: str) -> Rate | None:
        """Return the highest rate in `precision`, or None if none was measured."""
        rates = [rate for rate in self.rates if rate.precision == precision]
        return max(rates, key=lambda rate: rate.gflops, default=None)

    def seconds(self, precision: str) -> float | None:
        """Return the seconds of one UNet call on one thread if all of it ran at the best rate."""
        best = self.best(precision)
        return self.unet_gflop / best.gflops if best else None


@dataclass(frozen=True)
class Overhead:
    """Median milliseconds per warm request.

    `gateway_ms` and `direct_ms` are the handler's own time; `requests` is the number of requests for each of the two.
    """

    gateway_ms: float
    direct_ms: float
    engine_ms: float
    encode_ms: float
    s3_ms: float
    requests: int
