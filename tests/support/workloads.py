"""The workload of Stable Diffusion 1.5, and plans on processors of a given number of vCPUs."""

from __future__ import annotations

from typing import Any, Literal

from imagegen.catalog.image_models import ImageModels
from imagegen.catalog.manifest import Flops
from imagegen.catalog.registry import REGISTRY
from imagegen.generation.planner import Plan, Planner
from imagegen.generation.ports import Backend
from imagegen.generation.request import GenerateRequest
from imagegen.generation.workload import Workload

SD15 = Workload(
    Flops(denoise_step=803 * 10**9, decode=40 * 10**9, text_encode=13 * 10**9, image_encode=20 * 10**9),
    weight_bytes=2 * 10**9,
)
"""With the tiny decoder, weights in float16."""


def plan_on(
    threads: int, *, precision: Literal["float32", "bfloat16", "float16"] = "float32", model: str, **body: Any
) -> Plan:
    """A plan for OpenVINO on that many vCPUs."""
    backend = Backend("openvino", "cpu", precision, "for tests", threads)
    request = GenerateRequest.parse({"prompt": "a red circle", "model": model, **body})
    return Planner(ImageModels(REGISTRY, model), backend).plan(request)
