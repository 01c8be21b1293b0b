"""How long a generation takes on a processor that has measured nothing yet, from what the model computes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from imagegen.catalog.manifest import Flops
from imagegen.catalog.registry import Model
from imagegen.generation.ports import Backend
from imagegen.generation.spec import GenerationSpec

GFLOPS_PER_THREAD: Final = {
    "openvino": {"float32": 92.0, "bfloat16": 324.0, "float16": 184.0},
    "torch": {"float32": 39.0, "bfloat16": 115.0, "float16": 78.0},
}
"""Measured on two vCPUs, 2026-11-22 (docs/performance.md): 803 GFLOP in 4.34 s in OpenVINO and 10.3 s in torch, without
AVX-512, which Lambda does not guarantee; in bfloat16 1.24 and 3.5 s. Not measured: Arm's float16, taken as twice
float32."""
ATTENTION_SHARE: Final = 0.15
"""Of Stable Diffusion 1.5's step at 512 x 512, 122 of 803 GFLOP multiply pixels with pixels, so they grow with the
square of the area; the rest grows with the area."""
COMPILE_S_PER_GB: Final = 2.5
"""Seconds for each GB of weights on two vCPUs: 2.7 to 4.3 s for 2.0 GB (docs/performance.md)."""
READ_S_PER_GB: Final = 3.5
"""With compiling 6 s, half as much again as SDXL took from a warm page cache (14 s for 3.5 GB). A cold disk is not
measured."""
DOWNLOAD_S_PER_GB: Final = 14.0
"""At 600 Mbit/s. An assumption: Lambda documents no bandwidth, and none was measured."""
FLOP_PER_WEIGHT: Final = {"denoise_step": 0.228, "decode": 16.0, "text_encode": 0.038, "image_encode": 8.0}
"""For each weight and each latent pixel, of Stable Diffusion 1.5 at 512 x 512: for manifests without counts."""
UPSCALE_FLOP_PER_PIXEL: Final = 1.24e6
"""For each pixel of the upscaler's input: 621,424 weights, a multiplication and an addition each."""
BACKGROUND_FLOP: Final = 40e9
"""Of finding the subject of one image: what a network of large convolutions computes in the same time."""
_NETWORKS: Final = {
    "denoise_step": ("unet",),
    "decode": ("vae_decoder", "vae"),
    "text_encode": ("text_encoder", "text_encoder_2"),
    "image_encode": ("vae_encoder", "vae"),
}
_LATENT_AREA: Final = 64
"""Pixels of the image for each pixel of the latent."""


@dataclass(frozen=True)
class Workload:
    """Floating-point operations at the model's default size, and the bytes of its weights."""

    flops: Flops
    weight_bytes: int
    download_bytes: int = 0
    """What is not on this disk yet."""

    @classmethod
    def of(
        cls,
        flops: Flops | None,
        network_bytes: Mapping[str, int],
        model: Model,
        backend: Backend,
        download_bytes: int = 0,
    ) -> Workload:
        """Return the workload; without `flops`, they follow from the bytes of each network's weights."""
        weight_bytes = sum(network_bytes.values())
        if flops is None:
            stored = 4 if backend.engine == "torch" else 1 if model.weights == "int8" else 2
            latent_pixels = model.defaults.width * model.defaults.height / _LATENT_AREA
            weights = {
                part: sum(network_bytes.get(name, 0) for name in names) / stored for part, names in _NETWORKS.items()
            }
            flops = Flops(**{part: round(FLOP_PER_WEIGHT[part] * weights[part] * latent_pixels) for part in weights})
        return cls(flops, weight_bytes, download_bytes)

    @property
    def compile_s(self) -> float:
        """Seconds to compile for another size."""
        return COMPILE_S_PER_GB * self.weight_bytes / 1e9

    @property
    def load_s(self) -> float:
        """Seconds to download what is missing, to read the weights and to compile."""
        read_s = READ_S_PER_GB * self.weight_bytes / 1e9
        return DOWNLOAD_S_PER_GB * self.download_bytes / 1e9 + read_s + self.compile_s

    def step(self, spec: GenerationSpec, model: Model) -> float:
        """Return the operations of one denoising step of one image. Guidance doubles them."""
        return self.flops.denoise_step * _growth(spec, model) * _passes(spec, model)

    def around(self, spec: GenerationSpec, model: Model) -> float:
        """Return the operations of one image outside its steps: encoding text and picture, and decoding."""
        area = _area(spec, model)
        encoded = self.flops.image_encode if spec.edit else 0
        return self.flops.text_encode * _passes(spec, model) + (self.flops.decode + encoded) * area


def postprocessing_s(spec: GenerationSpec, backend: Backend) -> float:
    """Return the seconds of enlarging one image and finding its subject: in OpenVINO and float32 on every backend."""
    flop = UPSCALE_FLOP_PER_PIXEL * spec.width * spec.height if spec.upscale > 1 else 0.0
    flop += BACKGROUND_FLOP if spec.background == "transparent" else 0.0
    return flop / (1e9 * GFLOPS_PER_THREAD["openvino"]["float32"] * backend.threads)


def assumed_pace(backend: Backend) -> float:
    """Return the operations per second to expect of a CPU backend until one of its steps has been measured."""
    return 1e9 * GFLOPS_PER_THREAD[backend.engine][backend.precision] * backend.threads


def _passes(spec: GenerationSpec, model: Model) -> int:
    return 2 if spec.guidance_scale > 1 and model.takes_negative_prompts else 1


def _growth(spec: GenerationSpec, model: Model) -> float:
    area = _area(spec, model)
    return (1 - ATTENTION_SHARE) * area + ATTENTION_SHARE * area**2


def _area(spec: GenerationSpec, model: Model) -> float:
    """Return the area as a multiple of the default size's."""
    return spec.width * spec.height / (model.defaults.width * model.defaults.height)
