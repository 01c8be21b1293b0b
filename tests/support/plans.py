"""Plans of requests, made by the product's planner."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from imagegen.catalog.image_models import ImageModels
from imagegen.catalog.registry import REGISTRY
from imagegen.generation.planner import Plan, Planner
from imagegen.generation.ports import Backend
from imagegen.generation.request import GenerateRequest
from imagegen.generation.spec import GenerationSpec

BACKEND = Backend("torch", "cpu", "float32", "for tests")
PLANNER = Planner(ImageModels(REGISTRY, "demo"), BACKEND)
"""Knows every scheduler."""


def plan(prompt: str = "a red circle", **body: Any) -> Plan:
    return PLANNER.plan(GenerateRequest.parse({"prompt": prompt, **body}))


def sized(width: int, height: int, **body: Any) -> GenerationSpec:
    """Return the specification of a size that the demo model does not have."""
    return replace(spec(**body), width=width, height=height)


def spec(prompt: str = "a red circle", **body: Any) -> GenerationSpec:
    return plan(prompt, **body).spec
