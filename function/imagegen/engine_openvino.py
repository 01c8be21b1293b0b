"""The only door to OpenVINO GenAI: diffusion on a CPU without torch, diffusers or transformers in the process.

Covered: Stable Diffusion 1.x, 2.x and Turbo, latent consistency models and SDXL, as `models/prepare.py` writes them.
Denoiser and decoder are compiled for one shape at a time, the default one as soon as the text encoder is there: that
way the first image comes a second sooner, steps are faster, and decoding touches half the memory (docs/decisions.md).
A request of another shape compiles anew, and its receipt says so. Not covered: a generation that is stopped ends one
step late, as GenAI calls back from a thread of its own.
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

from imagegen import manifest
from imagegen.errors import ModelUnavailable
from imagegen.ports import Backend, Generated, OnStep
from imagegen.processor import processors
from imagegen.registry import SCHEDULERS, Defaults, Model
from imagegen.request import Generation

T = TypeVar("T")


def _import_genai() -> Any:
    """Without OpenVINO's tools for conversion, half of its time: it goes without where they are missing."""
    tools = "openvino.tools"
    if tools in sys.modules:
        import openvino_genai
    else:
        sys.modules[tools] = None  # type: ignore[assignment]  # Python's way to say that there is no such module
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
    """What is compiled for, in pixels; the denoiser's `batch` is 2 where guidance asks for a second pass."""

    batch: int
    height: int
    width: int


@dataclass
class Fitted:
    """What is compiled, or being compiled, and the one shape that it takes."""

    shape: Shape
    decoder: Future[Any]
    unet: Future[Any]

    def settle(self) -> None:
        """Wait until nothing works on it any more."""
        wait([self.decoder, self.unet])

    def discard(self) -> None:
        """Let go of its memory."""
        self.settle()
        self.decoder, self.unet = Future(), Future()


@dataclass(frozen=True)
class Text:
    """What reads prompts. Every encoder holds a tokenizer of its own; the one here counts tokens."""

    encoders: list[Any]
    tokenizer: Any


@dataclass(frozen=True)
class Drawn:
    """One image and the seconds that its phases took."""

    image: Image.Image
    text_encode_s: float
    denoise_s: float
    decode_s: float


class OpenVINOEngine:
    """A prepared folder in memory. Each request gets a pipeline of its own around the shared, compiled models."""

    def __init__(self, folder: Path, model: Model, backend: Backend, verified: Future[None]):
        self._folder = folder
        self._model = model
        self._properties = {
            "INFERENCE_PRECISION_HINT": _HINTS[backend.precision],
            "INFERENCE_NUM_THREADS": backend.threads,
            "PERFORMANCE_HINT": "LATENCY",
            # The number of threads is ours to choose; one that leaves processors to others must not sit on the first.
            "ENABLE_HYPER_THREADING": True,
            "ENABLE_CPU_PINNING": backend.threads >= processors(),
            # Activations stay as they are: quantised beside int8 weights they draw another picture, and without AVX-512
            # (ONEDNN_MAX_CPU_ISA=AVX2) OpenVINO 2026.4.1 finds no way to compute them.
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
        }
        self._window = int(json.loads((folder / "text_encoder" / "config.json").read_text())["max_position_embeddings"])
        self._lock = threading.Lock()
        self._verified = verified
        # One thing after the other, and what is soon done first. Side by side nothing is done sooner, as each compiles
        # in all threads, and OpenVINO 2026.4.1 ended the process now and then (docs/decisions.md).
        self._background = ThreadPoolExecutor(max_workers=1, thread_name_prefix="openvino")
        self._text = self._background.submit(self._read_text)
        self._fitted = self._fit_in_background(self._shape(model.defaults))

    @classmethod
    def load(cls, folder: Path, model: Model, backend: Backend, verified: Future[None]) -> OpenVINOEngine:
        """Open a prepared folder; reading goes on in the background, and `generate` waits for what it needs.

        `verified` is of `manifest.begin_verifying`: damage in a large file, which holds nothing but tensors, surfaces
        before a picture drawn with it leaves `generate`. Raises ModelUnavailable for files of a newer OpenVINO.
        """
        _refuse_newer(folder)
        return cls(folder, model, backend, verified)

    def finish_loading(self) -> None:
        """Wait until all is loaded that does not depend on the size asked for. Raises ModelUnavailable."""
        self._finish(self._text)

    def close(self) -> None:
        """Wait until nothing is compiled any more, beside which another engine would be opened."""
        wait([self._text])
        self._fitted.settle()

    def generate(self, generation: Generation, on_step: OnStep) -> Generated:
        """Draw the images one after the other: GenAI takes one prompt and one generator per call."""
        with self._lock:
            compile_s = self._fit(self._shape(generation))
            pipeline = self._pipeline(generation.scheduler)
            drawn = [
                self._draw(pipeline, generation, index, on_step) for index in range(generation.num_images_per_prompt)
            ]
            self._verified.result()
            return Generated(
                images=[each.image for each in drawn],
                text_encode_s=sum(each.text_encode_s for each in drawn),
                denoise_s=sum(each.denoise_s for each in drawn),
                decode_s=sum(each.decode_s for each in drawn),
                compile_s=compile_s,
                warnings=generation.truncation_warnings(self._count_tokens, self._window),
            )

    def _shape(self, asked: Generation | Defaults) -> Shape:
        guided = asked.guidance_scale > 1 and self._model.takes_negative_prompts
        return Shape(2 if guided else 1, asked.height, asked.width)

    def _fit(self, shape: Shape) -> float:
        """Have everything loaded, and compiled for the shape; return the seconds that took."""
        started = time.perf_counter()
        if self._fitted.shape != shape:
            self._fitted.discard()  # the other shape's memory goes first
            self._fitted = self._fit_in_background(shape)
        self._finish(self._text, self._fitted.decoder, self._fitted.unet)
        return time.perf_counter() - started

    def _finish(self, *parts: Future[Any]) -> None:
        try:
            for part in parts:
                part.result()
        except ModelUnavailable:
            self.close()
            raise

    def _fit_in_background(self, shape: Shape) -> Fitted:
        decoder = self._background.submit(self._compiled_decoder, shape)
        return Fitted(shape, decoder, unet=self._background.submit(self._compiled_unet, shape))

    def _compiled_decoder(self, shape: Shape) -> Any:
        decoder = self._read(genai.AutoencoderKL, "vae_decoder")
        decoder.reshape(1, shape.height, shape.width)
        return self._compiled("vae_decoder", decoder)

    def _compiled_unet(self, shape: Shape) -> Any:
        unet = self._read(genai.UNet2DConditionModel, "unet")
        unet.reshape(shape.batch, shape.height, shape.width, self._window)
        return self._compiled("unet", unet)

    def _read_text(self) -> Text:
        encoders = [
            self._compiled(name, self._read(kind, name))
            for name, kind in _TEXT_ENCODERS.items()
            if name == "text_encoder" or self._model.family == "stable-diffusion-xl"
        ]
        return Text(encoders, tokenizer=self._read(genai.Tokenizer, "tokenizer"))

    def _compiled(self, name: str, part: Any) -> Any:
        self._guard(name, lambda: part.compile("CPU", **self._properties))
        return part

    def _read(self, kind: Any, name: str) -> Any:
        return self._guard(name, lambda: kind(str(self._folder / name)))

    def _guard(self, name: str, make: Callable[[], T]) -> T:
        try:
            return make()
        except RuntimeError as error:  # the one class of error that OpenVINO raises
            raise ModelUnavailable.because(self._folder / name, f"cannot be loaded: {error}") from error

    def _pipeline(self, scheduler: str) -> Any:
        """Put together in a millisecond from what is compiled, so that no request sees another's scheduler."""
        kind = getattr(genai.Scheduler.Type, str(SCHEDULERS[scheduler].openvino))
        config = str(self._folder / "scheduler" / "scheduler_config.json")
        return _PIPELINES[self._model.family](
            self._guard("scheduler", lambda: genai.Scheduler.from_config(config, kind)),
            *self._text.result().encoders,
            self._fitted.unet.result(),
            self._fitted.decoder.result(),
        )

    def _draw(self, pipeline: Any, generation: Generation, index: int, on_step: OnStep) -> Drawn:
        failures: list[BaseException] = []

        def after_step(step: int, steps: int, _latent: object) -> bool:
            """GenAI ends the process when its callback raises; True makes it stop."""
            try:
                if not failures:
                    on_step(index * steps + step + 1, generation.num_images_per_prompt * steps)
            except BaseException as failure:
                failures.append(failure)
            return bool(failures)

        # GenAI refuses a negative prompt where nothing reads it. SDXL distinguishes none from an empty one.
        negative = {"negative_prompt": generation.negative_prompt} if generation.negative_prompt else {}
        tensor = pipeline.generate(
            generation.prompt,
            **negative,
            width=generation.width,
            height=generation.height,
            num_inference_steps=generation.num_inference_steps,
            guidance_scale=generation.guidance_scale,
            generator=genai.CppStdGenerator(generation.seed_of(index)),
            callback=after_step,
        )
        if failures:
            raise failures[0]
        metrics = pipeline.get_performance_metrics()
        text_encode = sum(metrics.get_text_encoder_infer_duration().values())
        decode = metrics.get_vae_decoder_infer_duration()
        return Drawn(
            Image.fromarray(tensor.data[0].copy()),  # the next call writes into the same memory
            text_encode_s=text_encode / 1000,
            denoise_s=(metrics.get_generate_duration() - text_encode - decode) / 1000,
            decode_s=decode / 1000,
        )

    def _count_tokens(self, text: str) -> int:
        return int(self._text.result().tokenizer.encode(text).input_ids.shape[1])


def _refuse_newer(folder: Path) -> None:
    """OpenVINO reads what older versions wrote, not what newer ones did."""
    written, installed = manifest.prepared_with(folder).get("openvino", ""), version("openvino")
    if _numbers(written) > _numbers(installed):
        reason = f"was prepared with OpenVINO {written}; {installed} is built in, and reads no newer one"
        raise ModelUnavailable.because(folder / manifest.NAME, reason)


def _numbers(release: str) -> list[int]:
    """Year and release of a version such as 2026.4.1; nothing of what is none."""
    return [int(part) for part in release.split(".")[:2] if part.isdigit()]
