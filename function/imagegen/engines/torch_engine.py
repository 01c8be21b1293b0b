"""The only module that imports torch, diffusers and transformers. That takes seconds, so only wiring imports it.

The networks and the pipeline around them are diffusers'. Schedulers and noise are `imagegen.engines`', the same as with
OpenVINO, so that a seed gives nearly the same image on both engines.

Covered: Stable Diffusion 1.x, 2.x and Turbo, latent consistency models and SDXL, as `python -m models.prepare` writes
them: diffusers folders with safetensors weights in the compute precision, which are mapped from the file, not copied
(accelerate assigns the mapped tensors to an empty model).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TypeAlias

import diffusers
import torch
import transformers
from diffusers import ConfigMixin, DiffusionPipeline, SchedulerMixin, StableDiffusionPipeline, StableDiffusionXLPipeline
from PIL.Image import Image

from imagegen.engines import schedulers
from imagegen.engines.noise import Noise
from imagegen.engines.schedulers.config import SchedulerConfig
from imagegen.errors import GenerationInvalid, ModelUnavailable
from imagegen.generation.ports import Backend, Generated, OnStep
from imagegen.generation.spec import GenerationSpec

# Both libraries log the truncated part of a prompt as a warning.
diffusers.utils.logging.set_verbosity_error()
diffusers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

Pipeline: TypeAlias = StableDiffusionPipeline | StableDiffusionXLPipeline
Embeddings: TypeAlias = dict[str, torch.Tensor | None]


class PipelineScheduler(SchedulerMixin, ConfigMixin):  # type: ignore[misc]
    """A scheduler of this package, as a diffusers pipeline calls it, with one source of noise per image.

    It computes in float32 and returns the dtype of the network.
    """

    order = 1
    config_name = "scheduler_config.json"

    def __init__(self, name: str, config: SchedulerConfig, noise: Sequence[Noise], device: str):
        self._name = name
        self._scheduler_config = config
        self._noise = noise
        self._device = device
        self.register_to_config(steps_offset=config.steps_offset, clip_sample=config.clip_sample)

    def set_timesteps(self, num_inference_steps: int, device: object = None) -> None:  # noqa: ARG002
        """Start a run."""
        self._scheduler = schedulers.create(self._name, self._scheduler_config, num_inference_steps, self.draw_noise)
        self.init_noise_sigma = self._scheduler.init_noise_sigma
        self.timesteps = torch.tensor(self._scheduler.timesteps, dtype=torch.float32)
        self._index = 0

    def scale_model_input(self, sample: torch.Tensor, timestep: object = None) -> torch.Tensor:  # noqa: ARG002
        """Return the network's input for the current step."""
        scaled: torch.Tensor = self._scheduler.scale_model_input(sample, self._index)
        return scaled

    def step(
        self,
        model_output: torch.Tensor,
        timestep: object,  # noqa: ARG002
        sample: torch.Tensor,
        *,
        return_dict: bool,  # noqa: ARG002
    ) -> tuple[torch.Tensor]:
        """Return the latents after the current step, and go on to the next."""
        output, latents = model_output.float(), sample.float()
        stepped: torch.Tensor = self._scheduler.step(output, self._index, latents)
        self._index += 1
        return (stepped.to(model_output.dtype),)

    def draw_noise(self) -> torch.Tensor:
        """Return noise for every image, (images, channels, height / 8, width / 8), float32."""
        return torch.cat([torch.from_numpy(draw()) for draw in self._noise]).to(self._device)


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
        return cls(pipeline.to(backend.device), backend.device)

    def close(self) -> None:
        """Do nothing: this engine has no background work."""

    @torch.inference_mode()
    def generate(self, spec: GenerationSpec, on_step: OnStep) -> Generated:
        """Generate the images one by one: each equals the image that a request for its seed alone returns."""
        with self._lock:
            started = time.perf_counter()
            embeddings = self._encode_text(spec)
            encoded = time.perf_counter()
            count = spec.num_images_per_prompt
            latents = [
                self._denoise(spec, [spec.seed_of(index)], embeddings, _counting_all_images(index, count, on_step))
                for index in range(count)
            ]
            denoised = time.perf_counter()
            images = [self._decode(latent) for latent in latents]
            return Generated(
                images,
                text_encode_s=encoded - started,
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
            latents = self._denoise(specs[0], seeds, embeddings, on_step)
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

    def _pipeline_for(self, spec: GenerationSpec, seeds: Sequence[int]) -> Pipeline:
        """Return a pipeline of the shared modules and the request's own scheduler."""
        channels, factor = self._pipeline.unet.config.in_channels, self._pipeline.vae_scale_factor
        shape = (1, channels, spec.height // factor, spec.width // factor)
        noise = [Noise(seed, shape) for seed in seeds]
        scheduler = PipelineScheduler(spec.scheduler, self._scheduler_config, noise, self._device)
        pipeline = type(self._pipeline)(**{**self._pipeline.components, "scheduler": scheduler})
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def _encode_text(self, spec: GenerationSpec) -> Embeddings:
        """Return the pipeline's embedding arguments: (1, tokens, width), and for SDXL pooled ones, (1, width).

        SDXL distinguishes an absent negative prompt from an empty one.
        """
        encoded = self._pipeline.encode_prompt(
            spec.prompt,
            device=self._device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=spec.guidance_scale > 1,
            negative_prompt=spec.negative_prompt or None,
        )
        names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
        return dict(zip(names, encoded, strict=False))

    def _denoise(
        self, spec: GenerationSpec, seeds: Sequence[int], embeddings: Embeddings, on_step: OnStep
    ) -> torch.Tensor:
        """Return latents of shape (seeds, channels, height / factor, width / factor); one embedding per seed."""

        def after_step(
            running: DiffusionPipeline, step: int, _timestep: object, _tensors: dict[str, object]
        ) -> dict[str, object]:
            # PNDM runs one step more than num_inference_steps; the pipeline has the real count.
            on_step(step + 1, running.num_timesteps)
            return {}

        pipeline = self._pipeline_for(spec, seeds)
        latents: torch.Tensor = pipeline(
            **embeddings,
            width=spec.width,
            height=spec.height,
            num_inference_steps=spec.num_inference_steps,
            guidance_scale=spec.guidance_scale,
            latents=pipeline.scheduler.draw_noise().to(pipeline.unet.dtype),
            output_type="latent",
            callback_on_step_end=after_step,
        ).images
        return latents

    def _decode(self, latents: torch.Tensor) -> Image:
        """Return the image of one latent. Raises GenerationInvalid if it is not finite."""
        if not latents.isfinite().all():
            raise GenerationInvalid
        pipeline = self._pipeline
        decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
        image: Image = pipeline.image_processor.postprocess(decoded, output_type="pil")[0]
        return image

    def _count_tokens(self, text: str) -> int:
        return len(self._pipeline.tokenizer(text).input_ids)


def _counting_all_images(index: int, count: int, on_step: OnStep) -> OnStep:
    """Convert the steps of one image to steps of all images."""
    return lambda step, of: on_step(index * of + step, count * of)


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
