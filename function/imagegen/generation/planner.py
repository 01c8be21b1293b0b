"""Turns a request into a plan: the model, the complete specification and the backend that will run it. Pure."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeVar, get_args

from imagegen.catalog.features import FEATURES, Feature, not_available
from imagegen.catalog.ports import Models
from imagegen.catalog.registry import Model
from imagegen.errors import InvalidRequest
from imagegen.generation.edit import Edit, Picture, least_steps, least_strength, leaves_a_step
from imagegen.generation.ports import Backend
from imagegen.generation.request import (
    DEFAULT_QUALITY,
    DEFAULT_STRENGTH,
    MAX_SEED,
    GenerateRequest,
    OutputFormat,
    UpscaleFactor,
)
from imagegen.generation.sizes import Size, size_for
from imagegen.generation.spec import GenerationSpec
from imagegen.problem_details import FieldError

T = TypeVar("T")

MAX_OUTPUT_SIZE: Final = 4096
"""Pixels on a side of an enlarged image. It needs 50 MB for each image, and again as much in float32 while its tiles
are put together."""
FORMATS_WITH_ALPHA: Final[tuple[OutputFormat, ...]] = ("png", "webp")


@dataclass(frozen=True)
class Plan:
    """A request that this deployment can serve. `request` includes the seed, given or drawn."""

    request: GenerateRequest
    model: Model
    spec: GenerationSpec
    backend: Backend
    since: datetime | None = None
    """With `cache: refresh`, images stored since then may be used: an earlier run of the same job stored them."""

    def again(self, submitted_at: datetime) -> Plan:
        """Return the plan of a later run of a job, which may use what an earlier run has stored for later requests."""
        return replace(self, since=submitted_at) if self.request.cache == "refresh" else self


class Planner:
    """Resolves requests against the models and the backend of this deployment."""

    def __init__(
        self,
        models: Models,
        backend: Backend,
        features: Sequence[Feature] = FEATURES,
    ):
        """`features` are those of the deployment."""
        self._features = features
        self._models = models
        self._backend = backend

    def plan(
        self,
        request: GenerateRequest,
        pictures: tuple[Picture, Picture | None] | None = None,
        model: Model | None = None,
    ) -> Plan:
        """Return the request's plan. `pictures` are its image and its mask, if it has an image.

        It is for `model`, if given: that of a job. Raises what `model` raises, or InvalidRequest with one entry per
        field beyond the model's limits.
        """
        model = self.model(request.model) if model is None else model
        seed = secrets.randbelow(MAX_SEED + 1) if request.seed is None else request.seed
        spec = _resolve(request, model, seed, pictures)
        errors = [*_limit_errors(spec, model), *_output_errors(spec), *_feature_errors(spec, self._features)]
        if errors:
            raise InvalidRequest(errors)
        return Plan(_with_seed(request, seed), model, spec, self._backend)

    def warm_up(self, name: str | None) -> Plan:
        """Return a plan for one step at the model's default size. Raises what `model` raises."""
        model = self.model(name)
        return self.plan(GenerateRequest(prompt="warm-up", num_inference_steps=1, seed=0), model=model)

    def model(self, name: str | None) -> Model:
        """Return the model that a request names, or the default for None. Raises what Models.model raises."""
        return self._models.model(name)

    def model_of_job(self, version: str, name: str | None) -> Model:
        """Return the version that a job keeps. Raises what Models.of_job raises."""
        return self._models.of_job(version, name)


def _with_seed(request: GenerateRequest, drawn: int) -> GenerateRequest:
    """Return the request with its seed. No stored image has a drawn seed, so there is nothing to look up."""
    if request.seed is not None:
        return request
    return request.model_copy(update={"seed": drawn, "cache": "off" if request.cache == "off" else "refresh"})


def _resolve(
    request: GenerateRequest, model: Model, seed: int, pictures: tuple[Picture, Picture | None] | None
) -> GenerationSpec:
    """Fill in the model's defaults. Raises InvalidRequest for fields that need an image."""
    defaults = model.defaults
    scheduler = _default(request.scheduler, defaults.scheduler)
    edit = _edit(request, pictures)
    width, height = _size(request, model, edit)
    guidance = _default(request.guidance_scale, defaults.guidance_scale)
    return GenerationSpec(
        model_id=model.id,
        revision=model.revision,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt if guidance > 1 and model.takes_negative_prompts else "",
        width=width,
        height=height,
        num_inference_steps=_default(request.num_inference_steps, _default_steps(model, edit, scheduler)),
        guidance_scale=float(guidance),
        num_images_per_prompt=request.num_images_per_prompt,
        seed=seed,
        scheduler=scheduler,
        output_format=request.output_format,
        output_quality=None if request.output_format == "png" else _default(request.output_quality, DEFAULT_QUALITY),
        upscale=request.upscale,
        background=request.background,
        edit=edit,
    )


def _limit_errors(spec: GenerationSpec, model: Model) -> list[FieldError]:
    limits = model.limits
    bounds = {
        "width": ("size_invalid", "a multiple of 8 from", limits.min_size, limits.max_size),
        "height": ("size_invalid", "a multiple of 8 from", limits.min_size, limits.max_size),
        "num_inference_steps": ("out_of_range", "from", 1, limits.max_steps),
        "num_images_per_prompt": ("out_of_range", "from", 1, limits.max_images),
    }
    errors = [
        FieldError(field, code, f"must be {allowed} {low} to {high} for the model {model.id}")
        for field, (code, allowed, low, high) in bounds.items()
        if not low <= getattr(spec, field) <= high
    ]
    if spec.scheduler not in model.schedulers:
        message = f"must be one of {', '.join(model.schedulers)} for the model {model.id}"
        errors.append(FieldError("scheduler", "unknown_scheduler", message))
    return errors or _strength_errors(spec)


def _strength_errors(spec: GenerationSpec) -> list[FieldError]:
    steps, scheduler = spec.num_inference_steps, spec.scheduler
    if spec.edit is None or leaves_a_step(steps, spec.strength, scheduler):
        return []
    least = f"must be at least {least_strength(steps, scheduler):g} with {steps} num_inference_steps"
    return [FieldError("strength", "out_of_range", f"{least}, so that a step is left")]


def _edit(request: GenerateRequest, pictures: tuple[Picture, Picture | None] | None) -> Edit | None:
    """Return what the request starts from, if it has an image. Raises InvalidRequest if only an edit has its fields."""
    if request.image is None:
        _reject_fields_of_edits(request)
        return None
    if pictures is None:
        raise TypeError("a request with an image is planned with its pictures")
    image, mask = pictures
    strength = _default(request.strength, DEFAULT_STRENGTH)
    return Edit(image, float(strength), _default(request.resize_mode, "crop"), mask)


def _reject_fields_of_edits(request: GenerateRequest) -> None:
    given = [name for name in ("mask_image", "strength", "resize_mode") if getattr(request, name) is not None]
    if given:
        way_out = f"leave {'it' if len(given) == 1 else 'them'} out for a picture from text alone"
        message = f"is required with {' and '.join(given)}; {way_out}"
        raise InvalidRequest([FieldError("image", "missing_field", message)])


def _size(request: GenerateRequest, model: Model, edit: Edit | None) -> Size:
    if edit is not None:
        return size_for(edit.image.size, request.width, request.height, model.limits)
    return _default(request.width, model.defaults.width), _default(request.height, model.defaults.height)


def _default_steps(model: Model, edit: Edit | None, scheduler: str) -> int:
    """Return enough steps for the strength to leave one: some models' default is a single step.

    If they exceed the model's limit, return the limit: then the strength is too low, as its error says.
    """
    steps, most = model.defaults.num_inference_steps, model.limits.max_steps
    if edit is None or scheduler == "lcm" or leaves_a_step(steps, edit.strength, scheduler):
        return steps
    return least_steps(edit.strength) if leaves_a_step(most, edit.strength, scheduler) else most


def _output_errors(spec: GenerationSpec) -> list[FieldError]:
    """Check what must fit together in the file, whatever the model."""
    errors = []
    if max(spec.output_size) > MAX_OUTPUT_SIZE:
        most = max(
            factor for factor in get_args(UpscaleFactor) if max(spec.width, spec.height) * factor <= MAX_OUTPUT_SIZE
        )
        message = f"must be at most {most} for {spec.width} x {spec.height}, so that no side exceeds {MAX_OUTPUT_SIZE}"
        errors.append(FieldError("upscale", "out_of_range", message))
    if spec.background == "transparent" and spec.output_format not in FORMATS_WITH_ALPHA:
        message = f"must be opaque with output_format {spec.output_format}; png and webp have transparency"
        errors.append(FieldError("background", "out_of_range", message))
    return errors


def _feature_errors(spec: GenerationSpec, offered: Sequence[Feature]) -> list[FieldError]:
    asked: dict[Feature, tuple[str, bool]] = {
        "upscale": ("upscale", spec.upscale > 1),
        "transparent_background": ("background", spec.background == "transparent"),
    }
    return [
        FieldError(field, "feature_not_available", not_available(feature))
        for feature, (field, is_asked) in asked.items()
        if is_asked and feature not in offered
    ]


def _default(value: T | None, default: T) -> T:
    return default if value is None else value
