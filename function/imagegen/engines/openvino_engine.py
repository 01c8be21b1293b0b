"""Diffusion on a CPU with OpenVINO's compiled networks, without torch, diffusers or transformers.

Covered: Stable Diffusion 1.x, 2.x and Turbo, latent consistency models and SDXL, as `python -m models.prepare` writes
them. Denoiser and decoder are compiled for fixed shapes, starting with the default shape right after the text encoder.
This makes the first image a second faster and each step faster, and decoding touches half the memory
(docs/decisions/openvino.md). A request of another shape compiles it, and its `load_ms` includes that. If the request
comes before the default denoiser has begun to compile, the default shape is left until a request asks for it.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from imagegen.catalog import manifest
from imagegen.catalog.registry import Defaults, Model
from imagegen.engines.cpu import processors
from imagegen.engines.memory import resident_mb
from imagegen.engines.openvino_denoiser import Decoder, Denoiser, Encoder
from imagegen.engines.openvino_networks import read_config
from imagegen.engines.openvino_run import Run
from imagegen.engines.openvino_text import TextStage
from imagegen.engines.schedulers.config import SchedulerConfig, UnsupportedSettingError
from imagegen.errors import ModelUnavailable
from imagegen.generation.ports import Backend, Generated, OnStep, Resumption
from imagegen.generation.spec import GenerationSpec

MAX_SHAPES: Final = 4
"""Shapes that stay compiled at the same time, if memory allows."""
_COMPILED_PER_STORED_BYTE: Final = 3
"""Memory of compiled networks for each byte of their files: float16 becomes float32, and activations need room."""
_HINTS: Final = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}


@dataclass(frozen=True)
class Shape:
    """The shape to compile for, in pixels; `batch` is 2 if guidance needs a second pass of the denoiser."""

    batch: int
    height: int
    width: int


@dataclass(frozen=True)
class Compiled:
    """Decoder and denoiser, compiled or being compiled for one shape, and the encoder once a request needed it."""

    decoder: Future[Decoder]
    denoiser: Future[Denoiser]
    encoder: Future[Encoder] | None = None

    @property
    def parts(self) -> list[Future[Any]]:
        """The compilations."""
        return [each for each in (self.decoder, self.denoiser, self.encoder) if each is not None]

    def wait(self) -> None:
        """Wait until all compilations have ended."""
        wait(self.parts)

    def cancel(self) -> bool:
        """Cancel what has not begun and return True, if the denoiser has not; else wait for all and return False."""
        cancelled = self.denoiser.cancel()
        for part in self.parts:
            if not (cancelled and part.cancel()):
                wait([part])
        return cancelled


class OpenVINOEngine:
    """A prepared model folder in memory. Nothing of a request outlives it but compiled networks."""

    def __init__(self, folder: Path, model: Model, backend: Backend, verified: Future[None], memory_mb: int):
        self._folder = folder
        self._model = model
        self._memory_mb = memory_mb
        self._scheduler_config = _scheduler_config(folder)
        self._properties = {
            "INFERENCE_PRECISION_HINT": _HINTS[backend.precision],
            "INFERENCE_NUM_THREADS": backend.threads,
            "PERFORMANCE_HINT": "LATENCY",
            # Pinning with fewer threads than CPUs would put every process on the first CPUs.
            "ENABLE_HYPER_THREADING": True,
            "ENABLE_CPU_PINNING": backend.threads >= processors(),
            # No quantized activations: with int8 weights they change the image, and without AVX-512
            # (ONEDNN_MAX_CPU_ISA=AVX2) OpenVINO 2026.4.1 has no implementation for them.
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
        }
        self._lock = threading.Lock()
        self._verified = verified
        # One compilation at a time, the shortest first. Concurrent ones finish no sooner, since each uses all threads,
        # and OpenVINO 2026.4.1 occasionally crashed the process (docs/decisions/openvino.md).
        self._background = ThreadPoolExecutor(max_workers=1, thread_name_prefix="openvino")
        self._text = self._read_text_in_background()
        self._compiled: dict[Shape, Compiled] = {}
        """The least recently used first."""
        self._compile_in_background(self._shape(model.defaults))

    @classmethod
    def load(
        cls, folder: Path, model: Model, backend: Backend, verified: Future[None], memory_mb: int = 0
    ) -> OpenVINOEngine:
        """Open a prepared folder. Loading continues in the background, and `generate` waits for what it needs.

        `verified` comes from `manifest.begin_verifying`: `generate` returns no image before every large file, which
        holds only tensors, is verified. `memory_mb` is the function's memory: several shapes stay compiled if they fit,
        one with 0. Raises ModelUnavailable for files prepared by a newer OpenVINO.
        """
        _reject_newer(folder)
        return cls(folder, model, backend, verified, memory_mb)

    def finish_loading(self) -> None:
        """Wait for the text encoders and tokenizers. Raises ModelUnavailable."""
        self._finish(self._text)

    def close(self) -> None:
        """Wait for background compilations, so that they do not overlap with another engine's."""
        wait([self._text])
        for compiled in self._compiled.values():
            compiled.wait()

    def generate(self, spec: GenerationSpec, on_step: OnStep, resumption: Resumption | None = None) -> Generated:
        """Generate the images one by one. Raises ModelUnavailable."""
        with self._lock:
            shape = self._shape(spec)
            started = time.perf_counter()
            compiled = self._compile_for(shape)
            ready = time.perf_counter()
            encoder = self._encoder_for(shape) if spec.edit else None
            run = Run(compiled.denoiser.result(), compiled.decoder.result(), encoder, spec, on_step, resumption)
            loaded = time.perf_counter()
            text = self._text.result().encode(spec, guided=shape.batch == 2, still_wanted=run.still_wanted)
            run.denoiser.condition(text, spec.guidance_scale)
            text_encoded = time.perf_counter()
            run.encode_image()
            encoded = time.perf_counter()
            latents = run.latents(self._scheduler_config)
            denoised = time.perf_counter()
            images = [run.image(each) for each in latents]
            decoded = time.perf_counter()
            self._verified.result()
            return Generated(
                images=images,
                text_encode_s=text_encoded - loaded,
                denoise_s=denoised - encoded,
                decode_s=decoded - denoised,
                compile_s=ready - started,
                encoder_load_s=loaded - ready,
                image_encode_s=encoded - text_encoded,
                warnings=spec.truncation_warnings(self._text.result().count_tokens, self._text.result().window),
            )

    def _shape(self, size: GenerationSpec | Defaults) -> Shape:
        guided = size.guidance_scale > 1 and self._model.takes_negative_prompts
        return Shape(2 if guided else 1, size.height, size.width)

    def _compile_for(self, shape: Shape) -> Compiled:
        """Return the networks of the shape, once everything is loaded. Raises ModelUnavailable."""
        if shape in self._compiled:
            self._compiled[shape] = self._compiled.pop(shape)
        else:
            self._make_room()
            self._compile_in_background(shape)
        compiled = self._compiled[shape]
        self._finish(self._text, compiled.decoder, compiled.denoiser)
        return compiled

    def _encoder_for(self, shape: Shape) -> Encoder:
        """Return the encoder of a shape, compiled for its first request with a picture. Raises ModelUnavailable."""
        compiled = self._compiled[shape]
        encoder = compiled.encoder or self._background.submit(self._compile_encoder, shape)
        self._compiled[shape] = replace(compiled, encoder=encoder)
        self._finish(encoder)
        return encoder.result()

    def _make_room(self) -> None:
        """Release compiled shapes, the least recently used first, until another one fits.

        The default shape, if it is no further, gives way: its compilation would delay the request.
        """
        # A shape's memory counts only once it is compiled.
        self._compiled = {shape: compiled for shape, compiled in self._compiled.items() if not compiled.cancel()}
        while self._compiled and not self._has_room():
            self._compiled.pop(next(iter(self._compiled))).wait()

    def _has_room(self) -> bool:
        used = resident_mb()
        fits = used is not None and used + _compiled_mb(self._folder) <= self._memory_mb
        return fits and len(self._compiled) < MAX_SHAPES

    def _finish(self, *parts: Future[Any]) -> None:
        try:
            for part in parts:
                part.result()
        except Exception:  # the next request tries again
            self.close()
            self._compiled.clear()
            if self._text.exception() is not None:
                self._text = self._read_text_in_background()
            raise

    def _read_text_in_background(self) -> Future[TextStage]:
        return self._background.submit(TextStage, self._folder, self._properties)

    def _compile_in_background(self, shape: Shape) -> None:
        decoder = self._background.submit(self._compile_decoder, shape)
        self._compiled[shape] = Compiled(decoder, denoiser=self._background.submit(self._compile_denoiser, shape))

    def _compile_decoder(self, shape: Shape) -> Decoder:
        return Decoder.compile(self._folder, self._properties, height=shape.height, width=shape.width)

    def _compile_encoder(self, shape: Shape) -> Encoder:
        return Encoder.compile(self._folder, self._properties, height=shape.height, width=shape.width)

    def _compile_denoiser(self, shape: Shape) -> Denoiser:
        window = self._text.result().window
        return Denoiser.compile(
            self._folder,
            self._properties,
            batch=shape.batch,
            height=shape.height,
            width=shape.width,
            window=window,
        )


def _scheduler_config(folder: Path) -> SchedulerConfig:
    """Read the checkpoint's scheduler configuration. Raises ModelUnavailable."""
    file = folder / "scheduler" / "scheduler_config.json"
    try:
        return SchedulerConfig.from_json(read_config(file))
    except UnsupportedSettingError as error:
        raise ModelUnavailable.because(file, f"cannot be loaded: {error}") from error


def _compiled_mb(folder: Path) -> float:
    """Return an upper estimate of the memory of one more shape."""
    networks = ("unet", "vae_encoder", "vae_decoder")
    stored = sum((folder / name / "openvino_model.bin").stat().st_size for name in networks)
    return stored * _COMPILED_PER_STORED_BYTE / 1e6


def _reject_newer(folder: Path) -> None:
    """Raise ModelUnavailable if a newer OpenVINO prepared the folder: OpenVINO reads files of older versions only."""
    written, installed = manifest.prepared_with(folder).get("openvino", ""), version("openvino")
    if _numbers(written) > _numbers(installed):
        reason = f"was prepared with OpenVINO {written}; the installed {installed} cannot read files of a newer version"
        raise ModelUnavailable.because(folder / manifest.NAME, reason)


def _numbers(release: str) -> list[int]:
    """Return (year, release) of a version such as 2026.4.1; empty if it cannot be parsed."""
    return [int(part) for part in release.split(".")[:2] if part.isdigit()]
