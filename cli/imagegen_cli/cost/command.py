"""`imagegen cost`, from its options to what is shown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imagegen_cli.cost.choices import Situation
from imagegen_cli.cost.comparison import MOST_IMAGES, Comparison
from imagegen_cli.cost.drawing_time import INSTRUCTION_SETS, Request, cpu_time, gpu_time
from imagegen_cli.cost.idle import IDLE
from imagegen_cli.cost.models import model_named
from imagegen_cli.cost.report import comparison_document, comparison_text, idle_document, idle_text
from imagegen_cli.cost.tariff import PriceList, read_prices
from imagegen_cli.cost.workload import HOURS, Workload
from imagegen_cli.failure import usage
from imagegen_cli.home import expanded
from imagegen_cli.output import show

_MOST_PIXELS: Final = 2048
_MOST_STEPS: Final = 1000


@dataclass(frozen=True)
class Asked:
    """The options, as they were typed; None where the model or the machine decides."""

    images: int
    model: str
    width: int | None
    height: int | None
    steps: int | None
    memory_mb: int
    cpu: str | None
    step_seconds: float | None
    active_hours: float
    peak: float
    cold_start_share: float | None
    provisioned: int
    gpu: str | None
    gpu_seconds: float | None
    hosted_usd: float | None
    region: str
    free_tier: bool


def run_cost(asked: Asked, prices: Path | None, chart: Path | None, as_json: bool) -> None:
    """Show what the month costs, and draw the chart. Raises Failure."""
    _check(asked)
    comparison = _comparison(asked, read_prices(prices and expanded(prices)))
    request = _request(asked)
    notes = (
        *cpu_time(request).notes,
        *([] if comparison.situation.gpu.seconds is None else [comparison.situation.gpu.note]),
    )
    if chart is not None:
        from imagegen_cli.cost.chart import draw

        draw(comparison, request, expanded(chart))
    document = comparison_document(comparison, request, notes)
    show(as_json, document, lambda: comparison_text(comparison, request, notes))


def run_idle(prices: Path | None, region: str, as_json: bool) -> None:
    """Show what the idle stack costs, at list prices and after the free tier. Raises Failure."""
    tariff = read_prices(prices and expanded(prices)).tariff(region)
    charges = tariff.bill(IDLE, free_tier=True)
    show(as_json, idle_document(tariff, charges), lambda: idle_text(tariff, charges))


def _comparison(asked: Asked, prices: PriceList) -> Comparison:
    request, tariff = _request(asked), prices.tariff(asked.region)
    model = request.model
    hosted = asked.hosted_usd
    if hosted is None and model.hosted is not None:
        hosted = prices.hosted.usd_of(model.hosted, request.pixels, model.hosted_steps or request.steps)
    if asked.gpu is not None:
        tariff.hours_of(asked.gpu)
    situation = Situation(
        cpu=cpu_time(request),
        gpu=gpu_time(request, asked.gpu, asked.gpu_seconds),
        tariff=tariff.with_hosted(hosted),
        memory_gb=asked.memory_mb / 1024,
        image_bytes=3 * request.pixels,
        provisioned=asked.provisioned,
    )
    month = Workload(asked.images, asked.active_hours, asked.peak, asked.cold_start_share)
    return Comparison(month, situation, asked.free_tier)


def _request(asked: Asked) -> Request:
    model = model_named(asked.model)
    return Request(
        model=model,
        width=model.width if asked.width is None else asked.width,
        height=model.height if asked.height is None else asked.height,
        steps=model.steps if asked.steps is None else asked.steps,
        memory_mb=asked.memory_mb,
        cpu=asked.cpu,
        step_seconds=asked.step_seconds,
    )


def _check(asked: Asked) -> None:
    """Raises Failure for the first value that is out of range. NaN is in no range."""
    _require("--images", asked.images, 1, MOST_IMAGES)
    for option, pixels in (("--width", asked.width), ("--height", asked.height)):
        _require(option, pixels, 64, _MOST_PIXELS)
        if pixels is not None and pixels % 8:
            raise usage(f"{option}: {pixels} is not a multiple of 8.")
    _require("--steps", asked.steps, 1, _MOST_STEPS)
    _require("--active-hours", asked.active_hours, 1, HOURS)
    _require("--peak", asked.peak, 1, 1000)
    _require("--cold-start-share", asked.cold_start_share, 0, 1)
    _require("--provisioned", asked.provisioned, 1, 1000)
    for option, seconds in (("--step-seconds", asked.step_seconds), ("--gpu-seconds", asked.gpu_seconds)):
        _require(option, seconds, 0.0001, 86400)
    _require("--hosted-usd-per-image", asked.hosted_usd, 0, 1000)
    if asked.cpu not in (None, *INSTRUCTION_SETS):
        raise usage(f"--cpu: {asked.cpu!r} is none of {', '.join(INSTRUCTION_SETS)}.")


def _require(option: str, value: float | None, least: float, most: float) -> None:
    if value is not None and not (math.isfinite(value) and least <= value <= most):
        raise usage(f"{option}: {value:g} is not in {least:,g} to {most:,}.")
