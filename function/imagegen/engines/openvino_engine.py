"""The only module that imports OpenVINO GenAI: diffusion on a CPU, without torch, diffusers or transformers.

Covered: Stable Diffusion 1.x, 2.x and Turbo, latent consistency models and SDXL, as `python -m models.prepare` writes
them. Denoiser and decoder are compiled for one shape at a time, starting with the default shape right after the text
encoder. This makes the first image a second faster and each step faster, and decoding touches half the memory
(docs/decisions/openvino.md). A request of another shape recompiles, and its `load_ms` includes that. Not covered: a
generation that is stopped ends one step late, because GenAI calls back from its own thread.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, TypeVar

from PIL import Image

from imagegen.catalog import manifest
from imagegen.catalog.registry import SCHEDULERS, Defaults, Model
from imagegen.engines.cpu import processors
from imagegen.errors import ModelUnavailable
from imagegen.generation.ports import Backend, Generated, OnStep
from imagegen.generation.spec import GenerationSpec

T = TypeVar("T")


def _import_genai() -> Any:
    """Import OpenVINO GenAI without OpenVINO's optional conversion tools, which take half of the import time."""
    tools = "openvino.tools"
    if tools in sys.modules:
        import openvino_genai
    else:
        sys.modules[tools] = None  # type: ignore[assignment]  # tells Python that the module does not exist
        try:
            import openvino_genai
        finally:
            del sys.modules[tools]
    return openvino_genai


genai: Final = _import_genai()

_HINTS: Final = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
_PIPELINES: Final = {
    "stable-diffusion": genai.Text2ImagePipeline.stable_diffusion,
    "latent-consistency": genai.Text2ImagePipeline.latent_consistency_model,
    "stable-diffusion-xl": genai.Text2ImagePipeline.stable_diffusion_xl,
}
_TEXT_ENCODERS: Final = {
    "text_encoder": genai.CLIPTextModel,
    "text_encoder_2": genai.CLIPTextModelWithProjection,
}


@dataclass(frozen=True)
class Shape:
    """The shape to compile for, in pixels; `batch` is 2 if guidance needs a second pass of the denoiser."""

    batch: int
    height: int
    width: int


@dataclass
class Compiled:
    """Decoder and denoiser, compiled or being compiled for one shape."""

    shape: Shape
    decoder: Future[Any]
    unet: Future[Any]

    def wait(self) -> None:
        """Wait until both compilations have ended."""
        wait([self.decoder, self.unet])

    def discard(self) -> None:
        """Wait until both compilations have ended, then release their memory."""
        self.wait()
        self.decoder, self.unet = Future(), Future()


@dataclass(frozen=True)
class TextStage:
    """The text encoders, each with its own tokenizer, and one more tokenizer that counts tokens."""

    encoders: list[Any]
    tokenizer: Any


@dataclass(frozen=True)
class TimedImage:
    """One image and the seconds of its phases."""

    image: Image.Image
    text_encode_s: float
    denoise_s: float
    decode_s: float


class OpenVINOEngine:
    """A prepared model folder in memory. Each request gets its own pipeline around the shared compiled networks."""

    def __init__(self, folder: Path, model: Model, backend: Backend, verified: Future[None]):
        self._folder = folder
        self._model = model
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
        self._window = int(json.loads((folder / "text_encoder" / "config.json").read_text())["max_position_embeddings"])
        self._lock = threading.Lock()
        self._verified = verified
        # One compilation at a time, the shortest first. Concurrent ones finish no sooner, since each uses all threads,
        # and OpenVINO 2026.4.1 occasionally crashed the process (docs/decisions/openvino.md).
        self._background = ThreadPoolExecutor(max_workers=1, thread_name_prefix="openvino")
        self._text = self._background.submit(self._read_text)
        self._networks = self._compile_in_background(self._shape(model.defaults))

    @classmethod
    def load(cls, folder: Path, model: Model, backend: Backend, verified: Future[None]) -> OpenVINOEngine:
        """Open a prepared folder. Loading continues in the background, and `generate` waits for what it needs.

        `verified` comes from `manifest.begin_verifying`: `generate` returns no image before every large file, which
        holds only tensors, is verified. Raises ModelUnavailable for files prepared by a newer OpenVINO.
        """
        _reject_newer(folder)
        return cls(folder, model, backend, verified)

    def finish_loading(self) -> None:
        """Wait for the text encoders and tokenizers. Raises ModelUnavailable."""
        self._finish(self._text)

    def close(self) -> None:
        """Wait for background compilations, so that they do not overlap with another engine's."""
        wait([self._text])
        self._networks.wait()

    def generate(self, spec: GenerationSpec, on_step: OnStep) -> Generated:
        """Generate the images one by one: GenAI takes one generator per call. Raises ModelUnavailable."""
        with self._lock:
            compile_s = self._compile_for(self._shape(spec))
            pipeline = self._pipeline(spec.scheduler)
            timed = [self._generate_one(pipeline, spec, index, on_step) for index in range(spec.num_images_per_prompt)]
            self._verified.result()
            return Generated(
                images=[each.image for each in timed],
                text_encode_s=sum(each.text_encode_s for each in timed),
                denoise_s=sum(each.denoise_s for each in timed),
                decode_s=sum(each.decode_s for each in timed),
                compile_s=compile_s,
                warnings=spec.truncation_warnings(self._count_tokens, self._window),
            )

    def _shape(self, size: GenerationSpec | Defaults) -> Shape:
        guided = size.guidance_scale > 1 and self._model.takes_negative_prompts
        return Shape(2 if guided else 1, size.height, size.width)

    def _compile_for(self, shape: Shape) -> float:
        """Wait until everything is loaded and compiled for the shape; return the seconds waited."""
        started = time.perf_counter()
        if self._networks.shape != shape:
            self._networks.discard()  # release the other shape's memory first
            self._networks = self._compile_in_background(shape)
        self._finish(self._text, self._networks.decoder, self._networks.unet)
        return time.perf_counter() - started

    def _finish(self, *parts: Future[Any]) -> None:
        try:
            for part in parts:
                part.result()
        except ModelUnavailable:
            self.close()
            raise

    def _compile_in_background(self, shape: Shape) -> Compiled:
        decoder = self._background.submit(self._compile_decoder, shape)
        return Compiled(shape, decoder, unet=self._background.submit(self._compile_unet, shape))

    def _compile_decoder(self, shape: Shape) -> Any:
        decoder = self._read(genai.AutoencoderKL, "vae_decoder")
        decoder.reshape(1, shape.height, shape.width)
        return self._compile("vae_decoder", decoder)

    def _compile_unet(self, shape: Shape) -> Any:
        unet = self._read(genai.UNet2DConditionModel, "unet")
        unet.reshape(shape.batch, shape.height, shape.width, self._window)
        return self._compile("unet", unet)

    def _read_text(self) -> TextStage:
        encoders = [
            self._compile(name, self._read(kind, name))
            for name, kind in _TEXT_ENCODERS.items()
            if name == "text_encoder" or self._model.family == "stable-diffusion-xl"
        ]
        return TextStage(encoders, tokenizer=self._read(genai.Tokenizer, "tokenizer"))

    def _compile(self, name: str, part: Any) -> Any:
        self._translated(name, lambda: part.compile("CPU", **self._properties))
        return part

    def _read(self, kind: Any, name: str) -> Any:
        return self._translated(name, lambda: kind(str(self._folder / name)))

    def _translated(self, name: str, make: Callable[[], T]) -> T:
        """Return what `make` returns. Raises OpenVINO's errors as ModelUnavailable."""
        try:
            return make()
        except RuntimeError as error:  # the only exception class that OpenVINO raises
            raise ModelUnavailable.because(self._folder / name, f"cannot be loaded: {error}") from error

    def _pipeline(self, scheduler: str) -> Any:
        """Assemble a pipeline from the compiled networks (1 ms), so that no request sees another's scheduler."""
        kind = getattr(genai.Scheduler.Type, str(SCHEDULERS[scheduler].openvino))
        config = str(self._folder / "scheduler" / "scheduler_config.json")
        return _PIPELINES[self._model.family](
            self._translated("scheduler", lambda: genai.Scheduler.from_config(config, kind)),
            *self._text.result().encoders,
            self._networks.unet.result(),
            self._networks.decoder.result(),
        )

    def _generate_one(self, pipeline: Any, spec: GenerationSpec, index: int, on_step: OnStep) -> TimedImage:
        failures: list[BaseException] = []

        def after_step(step: int, steps: int, _latent: object) -> bool:
            """Return True to stop. GenAI terminates the process if its callback raises."""
            try:
                if not failures:
                    on_step(index * steps + step + 1, spec.num_images_per_prompt * steps)
            except BaseException as failure:
                failures.append(failure)
            return bool(failures)

        # GenAI rejects a negative prompt that is not used. SDXL distinguishes an absent one from an empty one.
        negative = {"negative_prompt": spec.negative_prompt} if spec.negative_prompt else {}
        tensor = pipeline.generate(
            spec.prompt,
            **negative,
            width=spec.width,
            height=spec.height,
            num_inference_steps=spec.num_inference_steps,
            guidance_scale=spec.guidance_scale,
            generator=genai.CppStdGenerator(spec.seed_of(index)),
            callback=after_step,
        )
        if failures:
            raise failures[0]
        metrics = pipeline.get_performance_metrics()
        text_encode = sum(metrics.get_text_encoder_infer_duration().values())
        decode = metrics.get_vae_decoder_infer_duration()
        return TimedImage(
            Image.fromarray(tensor.data[0].copy()),  # the next call overwrites this memory
            text_encode_s=text_encode / 1000,
            denoise_s=(metrics.get_generate_duration() - text_encode - decode) / 1000,
            decode_s=decode / 1000,
        )

    def _count_tokens(self, text: str) -> int:
        return int(self._text.result().tokenizer.encode(text).input_ids.shape[1])


def _reject_newer(folder: Path) -> None:
    """Raise ModelUnavailable if a newer OpenVINO prepared the folder: OpenVINO reads files of older versions only."""
    written, installed = manifest.prepared_with(folder).get("openvino", ""), version("openvino")
    if _numbers(written) > _numbers(installed):
        reason = f"was prepared with OpenVINO {written}; the installed {installed} cannot read files of a newer version"
        raise ModelUnavailable.because(folder / manifest.NAME, reason)


def _numbers(release: str) -> list[int]:
    """Return (year, release) of a version such as 2026.4.1; empty if it cannot be parsed."""
    return [int(part) for part in release.split(".")[:2] if part.isdigit()]
