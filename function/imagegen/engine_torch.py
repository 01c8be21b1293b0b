"""The only door to torch, diffusers and transformers. Importing it takes seconds: only wiring does, when asked to load.

Covered: Stable Diffusion 1.x, 2.x and Turbo, latent consistency models and SDXL, as `models/prepare.py` writes them:
diffusers folders with safetensors weights in the computing type, which are mapped from the file, not copied (accelerate
assigns the mapped tensors to an empty model).
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
from diffusers import DiffusionPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline
from PIL.Image import Image

from imagegen.errors import ModelUnavailable
from imagegen.ports import Backend, Generated, OnStep
from imagegen.registry import SCHEDULERS
from imagegen.request import Generation

# Both libraries quote the prompt's cut-off words in a warning.
diffusers.utils.logging.set_verbosity_error()
diffusers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

Pipeline: TypeAlias = StableDiffusionPipeline | StableDiffusionXLPipeline
Embeddings: TypeAlias = dict[str, torch.Tensor | None]


class TorchEngine:
    """One diffusers pipeline in memory. The shared pipeline is read-only: each request gets its own scheduler."""

    def __init__(self, pipeline: Pipeline, device: str):
        self._pipeline = pipeline
        self._device = device
        self._lock = threading.Lock()

    @classmethod
    def load(cls, folder: Path, backend: Backend, verified: Future[None]) -> TorchEngine:
        """Load a diffusers folder from disk, once its files are verified: no network, no pickles, no remote code.

        Raises ModelUnavailable where a file is missing, damaged or not a Stable Diffusion pipeline.
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
        except Exception as error:  # three libraries read these files, each with errors of its own
            raise ModelUnavailable.because(folder, f"cannot be loaded: {type(error).__name__}: {error}") from error
        if not isinstance(pipeline, (StableDiffusionPipeline, StableDiffusionXLPipeline)):
            raise ModelUnavailable.because(folder, f"holds a {type(pipeline).__name__}, which this engine does not run")
        return cls(pipeline.to(backend.device), backend.device)

    def close(self) -> None:
        """Nothing works in the background."""

    @torch.inference_mode()
    def generate(self, generation: Generation, on_step: OnStep) -> Generated:
        """Draw the images one after the other, so that each equals the single image of its own seed."""
        with self._lock:
            pipeline = self._pipeline_for(generation)
            started = time.perf_counter()
            embeddings = self._encode_text(pipeline, generation)
            encoded = time.perf_counter()
            count = generation.num_images_per_prompt
            latents = [
                self._denoise(
                    pipeline,
                    generation,
                    [generation.seed_of(index)],
                    embeddings,
                    _of_image(index, count, on_step),
                )
                for index in range(count)
            ]
            denoised = time.perf_counter()
            images = [self._decode(pipeline, latent) for latent in latents]
            return Generated(
                images,
                text_encode_s=encoded - started,
                denoise_s=denoised - encoded,
                decode_s=time.perf_counter() - denoised,
                warnings=generation.truncation_warnings(self._count_tokens, self._pipeline.tokenizer.model_max_length),
            )

    @torch.inference_mode()
    def generate_together(self, generations: Sequence[Generation], on_step: OnStep) -> list[Generated]:
        with self._lock:
            pipeline = self._pipeline_for(generations[0])
            started = time.perf_counter()
            counts = [each.num_images_per_prompt for each in generations]
            embeddings = _stacked([self._encode_text(pipeline, each) for each in generations], counts)
            encoded = time.perf_counter()
            seeds = [each.seed_of(index) for each in generations for index in range(each.num_images_per_prompt)]
            latents = self._denoise(pipeline, generations[0], seeds, embeddings, on_step)
            denoised = time.perf_counter()
            images = iter([self._decode(pipeline, latent[None]) for latent in latents])
            decoded = time.perf_counter()
            window = self._pipeline.tokenizer.model_max_length
            return [
                Generated(
                    [next(images) for _ in range(count)],
                    text_encode_s=encoded - started,
                    denoise_s=denoised - encoded,
                    decode_s=decoded - denoised,
                    warnings=each.truncation_warnings(self._count_tokens, window),
                    shared_by=len(generations),
                )
                for each, count in zip(generations, counts, strict=True)
            ]

    def _pipeline_for(self, generation: Generation) -> Pipeline:
        """The same modules around a scheduler of the request's own."""
        scheduler_class = getattr(diffusers, SCHEDULERS[generation.scheduler].torch)
        components = {
            **self._pipeline.components,
            "scheduler": scheduler_class.from_config(self._pipeline.scheduler.config),
        }
        pipeline = type(self._pipeline)(**components)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def _encode_text(self, pipeline: Pipeline, generation: Generation) -> Embeddings:
        """The pipeline's arguments for prompt and negative prompt: embeddings of shape (1, tokens, width), and for
        SDXL pooled ones of shape (1, width). SDXL distinguishes no negative prompt from an empty one."""
        encoded = pipeline.encode_prompt(
            generation.prompt,
            device=self._device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=generation.guidance_scale > 1,
            negative_prompt=generation.negative_prompt or None,
        )
        names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
        return dict(zip(names, encoded, strict=False))

    def _denoise(
        self,
        pipeline: Pipeline,
        generation: Generation,
        seeds: Sequence[int],
        embeddings: Embeddings,
        on_step: OnStep,
    ) -> torch.Tensor:
        """Latents of shape (seeds, channels, height / factor, width / factor), for as many embeddings as seeds."""

        def after_step(
            running: DiffusionPipeline, step: int, _timestep: object, _tensors: dict[str, object]
        ) -> dict[str, object]:
            # Some schedulers make more calls than num_inference_steps (PNDM five for four): the pipeline knows.
            on_step(step + 1, running.num_timesteps)
            return {}

        # The generators live on the CPU whatever the device, so that a seed means the same everywhere.
        latents: torch.Tensor = pipeline(
            **embeddings,
            width=generation.width,
            height=generation.height,
            num_inference_steps=generation.num_inference_steps,
            guidance_scale=generation.guidance_scale,
            generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
            output_type="latent",
            callback_on_step_end=after_step,
        ).images
        return latents

    def _decode(self, pipeline: Pipeline, latents: torch.Tensor) -> Image:
        decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
        image: Image = pipeline.image_processor.postprocess(decoded, output_type="pil")[0]
        return image

    def _count_tokens(self, text: str) -> int:
        return len(self._pipeline.tokenizer(text).input_ids)


def _of_image(index: int, count: int, on_step: OnStep) -> OnStep:
    """Steps of one image as steps of all of them."""
    return lambda step, of: on_step(index * of + step, count * of)


def _stacked(each: Sequence[Embeddings], counts: Sequence[int]) -> Embeddings:
    """Embeddings of several prompts along the first axis, each as often as it has pictures."""
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
