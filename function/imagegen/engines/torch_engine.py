"""Diffusion with torch, diffusers and transformers. Their import takes seconds, so only wiring imports this module.

The networks and the pipeline around them are diffusers'. Schedulers and noise are `imagegen.engines`', the same as with
OpenVINO, so that a seed gives nearly the same image on both engines.

Covered: Stable Diffusion 1.x, 2.x and Turbo, latent consistency models and SDXL, as `python -m models.prepare` writes
them: diffusers folders with safetensors weights in the compute precision, which are mapped from the file, not copied
(accelerate assigns the mapped tensors to an empty model).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeAlias

import diffusers
import numpy as np
import torch
import transformers
from diffusers import DiffusionPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline
from numpy.typing import NDArray
from PIL.Image import Image, fromarray

from imagegen.engines.clip_tokenizer import weights_of
from imagegen.engines.latent_edit import PIXELS_PER_LATENT, LatentEdit, in_pixels, repainted_latents
from imagegen.engines.noise import Noise
from imagegen.engines.schedulers.config import SchedulerConfig, UnsupportedSettingError
from imagegen.engines.tiling import Floats, Pixels, tiling_of_latents
from imagegen.engines.torch_scheduler import PipelineScheduler
from imagegen.errors import GenerationInvalid, ModelUnavailable
from imagegen.generation.ports import Backend, Generated, OnStep, Resumption
from imagegen.generation.prompt_syntax import Prompt, parse
from imagegen.generation.snapshot import Snapshot
from imagegen.generation.spec import GenerationSpec

# Both libraries log the truncated part of a prompt as a warning.
diffusers.utils.logging.set_verbosity_error()
diffusers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

Pipeline: TypeAlias = StableDiffusionPipeline | StableDiffusionXLPipeline
Embeddings: TypeAlias = dict[str, torch.Tensor | None]


class TorchEngine:
    """One diffusers pipeline in memory. It is shared and read-only: each request gets its own scheduler."""

    def __init__(self, pipeline: Pipeline, device: str):
        self._pipeline = pipeline
        self._device = device
        self._scheduler_config = SchedulerConfig.from_json(pipeline.scheduler.config)
        self._lock = threading.Lock()

    @classmethod
    def load(cls, folder: Path, backend: Backend, verified: Future[None]) -> TorchEngine:
        """Load a diffusers folder once its files are verified: no network, no pickles, no remote code.

        Raises ModelUnavailable if a file is missing, damaged or not a Stable Diffusion pipeline.
        """
        verified.result()
        torch.set_num_threads(backend.threads)
        try:
            pipeline = DiffusionPipeline.from_pretrained(
                folder,
                dtype=getattr(torch, backend.precision),
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
            )
        except Exception as error:  # three libraries read these files and raise different exceptions
            raise ModelUnavailable.because(folder, f"cannot be loaded: {type(error).__name__}: {error}") from error
        if not isinstance(pipeline, (StableDiffusionPipeline, StableDiffusionXLPipeline)):
            raise ModelUnavailable.because(
                folder, f"is a {type(pipeline).__name__}, which this engine does not support"
            )
        try:
            return cls(pipeline.to(backend.device), backend.device)
        except UnsupportedSettingError as error:
            raise ModelUnavailable.because(folder, f"cannot be loaded: {error}") from error

    def close(self) -> None:
        """Do nothing: this engine has no background work."""

    @torch.inference_mode()
    def generate(self, spec: GenerationSpec, on_step: OnStep, resumption: Resumption | None = None) -> Generated:
        """Generate the images one by one: each equals the image that a request for its seed alone returns."""
        with self._lock:
            started = time.perf_counter()
            embeddings = self._encode_text(spec)
            text_encoded = time.perf_counter()
            edit = self._encode_image(spec)
            encoded = time.perf_counter()
            latents = self._denoise_one_by_one(spec, embeddings, edit, on_step, resumption)
            denoised = time.perf_counter()
            images = [self._decode(latent) for latent in latents]
            return Generated(
                images,
                text_encode_s=text_encoded - started,
                image_encode_s=encoded - text_encoded,
                denoise_s=denoised - encoded,
                decode_s=time.perf_counter() - denoised,
                warnings=spec.truncation_warnings(self._count_tokens, self._pipeline.tokenizer.model_max_length),
            )

    @torch.inference_mode()
    def generate_batch(self, specs: Sequence[GenerationSpec], on_step: OnStep) -> list[Generated]:
        """Generate specs of one shape in one call. `on_step` counts the steps of a single image."""
        with self._lock:
            started = time.perf_counter()
            counts = [each.num_images_per_prompt for each in specs]
            embeddings = _stacked([self._encode_text(each) for each in specs], counts)
            encoded = time.perf_counter()
            seeds = [each.seed_of(index) for each in specs for index in range(each.num_images_per_prompt)]
            latents = self._denoise(
                specs[0],
                seeds,
                embeddings,
                lambda scheduler, _latents: on_step(scheduler.steps_done(), specs[0].num_inference_steps),
            )
            denoised = time.perf_counter()
            images = iter([self._decode(latent[None]) for latent in latents])
            decoded = time.perf_counter()
            window = self._pipeline.tokenizer.model_max_length
            return [
                Generated(
                    [next(images) for _ in range(count)],
                    text_encode_s=encoded - started,
                    denoise_s=denoised - encoded,
                    decode_s=decoded - denoised,
                    warnings=each.truncation_warnings(self._count_tokens, window),
                    shared_by=len(specs),
                )
                for each, count in zip(specs, counts, strict=True)
            ]

    def _pipeline_for(
        self, spec: GenerationSpec, seeds: Sequence[int], start: Snapshot, edit: LatentEdit | None
    ) -> Pipeline:
        """Return a pipeline of the shared modules and the request's own scheduler."""
        channels, factor = self._pipeline.unet.config.in_channels, self._pipeline.vae_scale_factor
        shape = (1, channels, spec.height // factor, spec.width // factor)
        noise = [Noise(seed, shape) for seed in seeds]
        scheduler = PipelineScheduler(spec.scheduler, self._scheduler_config, noise, self._device, start, edit)
        pipeline = type(self._pipeline)(**{**self._pipeline.components, "scheduler": scheduler})
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def _encode_text(self, spec: GenerationSpec) -> Embeddings:
        """Return the pipeline's embedding arguments: (1, tokens, width), and for SDXL pooled ones, (1, width).

        SDXL distinguishes an absent negative prompt from an empty one.
        """
        prompt, negative = parse(spec.prompt), parse(spec.negative_prompt)
        encoded = self._pipeline.encode_prompt(
            prompt.text,
            device=self._device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=spec.guidance_scale > 1,
            negative_prompt=negative.text or None,
        )
        names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
        embeddings = dict(zip(names, encoded, strict=False))
        for name, each in zip(names, (prompt, negative), strict=False):
            if each.weighted and embeddings[name] is not None:
                embeddings[name] = embeddings[name] * self._token_weights(each)
        return embeddings

    def _token_weights(self, prompt: Prompt) -> torch.Tensor:
        """Return what the embeddings of the prompt are multiplied by, (1, tokens, 1). Pooled ones have no tokens."""
        tokenizer = self._pipeline.tokenizer
        offsets = tokenizer(prompt.text, return_offsets_mapping=True).offset_mapping
        weights = weights_of(prompt, offsets, tokenizer.model_max_length)
        return torch.from_numpy(weights).to(self._device, self._pipeline.text_encoder.dtype)

    def _encode_image(self, spec: GenerationSpec) -> LatentEdit | None:
        """Return the picture that the run starts from, if there is one, as latents."""
        canvas = spec.canvas
        if canvas is None:
            return None
        weights = canvas.weights
        repainted = torch.from_numpy(repainted_latents(weights)).to(self._device) if weights else None
        return LatentEdit(self._encode_pixels(np.array(canvas.image)), spec.strength, repainted)

    def _encode_pixels(self, image: Pixels) -> torch.Tensor:
        """Return the latents of an image, in tiles if it is large, (1, channels, height / factor, width / factor)."""
        config = self._pipeline.vae.config
        height, width = (side // PIXELS_PER_LATENT for side in image.shape[:2])

        def compute(rows: slice, columns: slice) -> Floats:
            latents = self._encode_tile(image[in_pixels(rows), in_pixels(columns)])
            return np.asarray(latents[0].permute(1, 2, 0).float().cpu())

        joined = tiling_of_latents(height, width).join((height, width, config.latent_channels), compute)
        latents = torch.from_numpy(joined).to(self._device).permute(2, 0, 1)[None]
        return latents * float(config.scaling_factor)

    def _encode_tile(self, image: Pixels) -> torch.Tensor:
        levels = torch.from_numpy(image).to(self._device).permute(2, 0, 1)[None].float() / 127.5 - 1
        encoded = self._pipeline.vae.encode(levels.to(self._pipeline.vae.dtype), return_dict=False)[0]
        latents: torch.Tensor = encoded if isinstance(encoded, torch.Tensor) else encoded.mode()
        return latents  # AutoencoderTiny has no deviation, so no mode

    def _denoise_one_by_one(
        self,
        spec: GenerationSpec,
        embeddings: Embeddings,
        edit: LatentEdit | None,
        on_step: OnStep,
        resumption: Resumption | None,
    ) -> list[torch.Tensor]:
        """Return the latents of each image, (1, channels, height / factor, width / factor)."""

        def after_call(scheduler: PipelineScheduler, latents: torch.Tensor) -> None:
            if resumption is not None:
                resumption.reached(scheduler.snapshot(latents))
            on_step(len(at.finished) * spec.steps_per_image + scheduler.steps_done(), spec.total_steps)

        at = resumption.snapshot if resumption is not None else Snapshot()
        on_step(at.steps, spec.total_steps)
        while len(at.finished) < spec.num_images_per_prompt:
            latents = self._denoise(spec, [spec.seed_of(len(at.finished))], embeddings, after_call, at, edit)
            finished = (*at.finished, latents.float().cpu().numpy())
            at = Snapshot(len(finished) * spec.steps_per_image, finished)
        return [self._to_latents(each) for each in at.finished]

    def _denoise(
        self,
        spec: GenerationSpec,
        seeds: Sequence[int],
        embeddings: Embeddings,
        after_call: Callable[[PipelineScheduler, torch.Tensor], None],
        start: Snapshot | None = None,
        edit: LatentEdit | None = None,
    ) -> torch.Tensor:
        """Return latents of shape (seeds, channels, height / factor, width / factor); one embedding per seed."""
        pipeline = self._pipeline_for(spec, seeds, start or Snapshot(), edit)
        scheduler = pipeline.scheduler

        def after_step(_pipeline: DiffusionPipeline, _step: int, _t: object, tensors: dict[str, torch.Tensor]) -> Any:
            after_call(scheduler, tensors["latents"])
            return {}

        complete = scheduler.is_complete(spec.num_inference_steps)
        latents = self._to_latents(start.sample) if start and start.sample is not None else scheduler.initial_latents()
        if complete:  # the pipeline fails without a step
            return latents
        denoised: torch.Tensor = pipeline(
            **embeddings,
            width=spec.width,
            height=spec.height,
            num_inference_steps=spec.num_inference_steps,
            guidance_scale=spec.guidance_scale,
            latents=latents.to(pipeline.unet.dtype),
            output_type="latent",
            callback_on_step_end=after_step,
        ).images
        return denoised

    def _to_latents(self, array: NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(array).to(self._device, self._pipeline.unet.dtype)

    def _decode(self, latents: torch.Tensor) -> Image:
        """Return the image of one latent, in tiles if it is large. Raises GenerationInvalid if it is not finite."""
        if not latents.isfinite().all():
            raise GenerationInvalid
        height, width = latents.shape[2:]
        tiling = tiling_of_latents(height, width)

        def draw(rows: slice, columns: slice) -> Pixels:
            return self._decode_tile(latents[:, :, rows, columns])

        return fromarray(tiling.compose(height, width, self._pipeline.vae_scale_factor, draw))

    def _decode_tile(self, latents: torch.Tensor) -> Pixels:
        pipeline = self._pipeline
        decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
        return np.asarray(pipeline.image_processor.postprocess(decoded, output_type="pil")[0])

    def _count_tokens(self, text: str) -> int:
        return len(self._pipeline.tokenizer(text).input_ids)


def _stacked(each: Sequence[Embeddings], counts: Sequence[int]) -> Embeddings:
    """Concatenate the embeddings of several prompts along axis 0, each repeated once per image."""
    stacked: Embeddings = {}
    for name in each[0]:
        tensors = [embeddings[name] for embeddings in each]
        repeated = [
            tensor.repeat_interleave(count, dim=0)
            for tensor, count in zip(tensors, counts, strict=True)
            if tensor is not None
        ]
        stacked[name] = torch.cat(repeated) if repeated else None
    return stacked
