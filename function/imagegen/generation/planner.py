"""Turns a request into a plan: the model, the complete specification and the backend that will run it. Pure."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from imagegen.catalog.registry import Model
from imagegen.errors import InvalidRequest, ModelNotFound
from imagegen.generation.ports import Backend
from imagegen.generation.request import DEFAULT_QUALITY, MAX_SEED, GenerateRequest
from imagegen.generation.spec import GenerationSpec
from imagegen.problem_details import FieldError

T = TypeVar("T")


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

    def __init__(self, models: Mapping[str, Model], default_model_id: str, backend: Backend):
        self._models = models
        self._default_model_id = default_model_id
        self._backend = backend

    def plan(self, request: GenerateRequest) -> Plan:
        """Return the request's plan.

        Raises ModelNotFound, or InvalidRequest with one entry per field beyond the model's limits.
        """
        model = self._model(request.model)
        seed = secrets.randbelow(MAX_SEED + 1) if request.seed is None else request.seed
        spec = _resolve(request, model, seed)
        return Plan(_with_seed(request, seed), model, spec, self._backend)

    def warm_up(self, model_id: str | None) -> Plan:
        """Return a plan for one step at the model's default size. Raises ModelNotFound."""
        return self.plan(
            GenerateRequest(prompt="warm-up", model=self._model(model_id).id, num_inference_steps=1, seed=0)
        )

    def _model(self, model_id: str | None) -> Model:
        model = self._models.get(self._default_model_id if model_id is None else model_id)
        if model is None:
            raise ModelNotFound(f"model must be one of {', '.join(self._models)}.")
        return model


def _with_seed(request: GenerateRequest, drawn: int) -> GenerateRequest:
    """Return the request with its seed. No stored image has a drawn seed, so there is nothing to look up."""
    if request.seed is not None:
        return request
    return request.model_copy(update={"seed": drawn, "cache": "off" if request.cache == "off" else "refresh"})


def _resolve(request: GenerateRequest, model: Model, seed: int) -> GenerationSpec:
    """Fill in the model's defaults and check its limits. Raises InvalidRequest."""
    defaults = model.defaults
    guidance = _default(request.guidance_scale, defaults.guidance_scale)
    spec = GenerationSpec(
        model_id=model.id,
        revision=model.revision,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt if guidance > 1 and model.takes_negative_prompts else "",
        width=_default(request.width, defaults.width),
        height=_default(request.height, defaults.height),
        num_inference_steps=_default(request.num_inference_steps, defaults.num_inference_steps),
        guidance_scale=float(guidance),
        num_images_per_prompt=request.num_images_per_prompt,
        seed=seed,
        scheduler=_default(request.scheduler, defaults.scheduler),
        output_format=request.output_format,
        output_quality=None if request.output_format == "png" else _default(request.output_quality, DEFAULT_QUALITY),
    )
    errors = _limit_errors(spec, model)
    if errors:
        raise InvalidRequest(errors)
    return spec


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
    return errors


def _default(value: T | None, default: T) -> T:
    return default if value is None else value
