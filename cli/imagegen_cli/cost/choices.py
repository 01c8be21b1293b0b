"""The ways to draw a month's images, each as a list of what is paid for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from imagegen_cli.cost.drawing_time import CpuTime, GpuTime
from imagegen_cli.cost.idle import IDLE
from imagegen_cli.cost.tariff import HOSTED, Line, Tariff
from imagegen_cli.cost.workload import HOURS, Workload

DISK_GB: Final = 100
"""gp3 disk of a GPU server: system, drivers and weights."""
IMAGE_DAYS: Final = 7
"""How long images are kept: the template's default."""


@dataclass(frozen=True)
class Situation:
    """What does not depend on the number of images."""

    cpu: CpuTime
    gpu: GpuTime
    tariff: Tariff
    memory_gb: float
    image_bytes: int
    provisioned: int


@dataclass(frozen=True)
class Choice:
    """A way to draw images. `missing` says why it has no price, and is empty otherwise."""

    id: str
    name: str
    lines: Callable[[Workload, Situation], tuple[Line, ...]]
    missing: Callable[[Situation], str] = lambda _: ""


def _on_demand(month: Workload, situation: Situation) -> tuple[Line, ...]:
    seconds = month.images * (situation.cpu.image_s + month.cold_share() * situation.cpu.cold_s)
    return (
        Line("Lambda, drawing", "lambda_gb_second", seconds * situation.memory_gb),
        *_requests(month),
        *_storage(month, situation),
        *IDLE,
    )


def _provisioned(month: Workload, situation: Situation) -> tuple[Line, ...]:
    """AWS grants a function with provisioned concurrency nothing of Lambda's free tier."""
    cpu, gb = situation.cpu, situation.memory_gb
    kept = situation.provisioned * month.active_hours * 3600 * gb
    share = min(1.0, situation.provisioned / month.concurrency(cpu.image_s))
    beyond = month.images * (1 - share)
    spill = beyond * (cpu.image_s + month.cold_share(1 - share) * cpu.cold_s)
    inside = month.images * share * cpu.image_s
    return (
        Line(f"Lambda, environments kept ({situation.provisioned})", "lambda_provisioned_gb_second", kept),
        Line("Lambda, drawing in them", "lambda_provisioned_duration_gb_second", inside * gb),
        Line("Lambda, drawing beyond them", "lambda_gb_second", spill * gb, has_free_tier=False),
        *_requests(month, has_free_tier=False),
        *_storage(month, situation),
        *IDLE,
    )


def _managed_gpu(month: Workload, situation: Situation) -> tuple[Line, ...]:
    instance = situation.gpu.instance
    servers = month.servers(situation.gpu.seconds or 0)
    hours, meter = servers * month.active_hours, situation.tariff.hours_of(instance)
    fee = situation.tariff.source.managed_instances_fee
    return (
        Line(f"{servers} x {instance}, {month.active_hours:g} h", meter, hours),
        Line(f"management fee, {fee:.0%} of it", meter, hours * fee),
        *_requests(month),
        *_storage(month, situation),
        *IDLE,
    )


def _server(month: Workload, situation: Situation) -> tuple[Line, ...]:
    instance = situation.gpu.instance
    servers = month.servers(situation.gpu.seconds or 0)
    return (
        Line(f"{servers} x {instance}, {HOURS} h", situation.tariff.hours_of(instance), servers * HOURS),
        Line(f"disks of {DISK_GB} GB", "ebs_gb_month", servers * DISK_GB),
        Line("S3, image", "s3_thousand_puts", month.images / 1e3),
        *_storage(month, situation),
    )


def _hosted(month: Workload, _: Situation) -> tuple[Line, ...]:
    return (Line("hosted API", HOSTED, month.images),)


def _requests(month: Workload, has_free_tier: bool = True) -> tuple[Line, ...]:
    """POST /generate with one image: gateway, authorizer and Generator, quota, image and cache entry, one trace.

    Rate, quota, usage and bill take 18 write units, as in a receipt (docs/decisions/cost.md).
    """
    millions = month.images / 1e6
    return (
        Line("API Gateway", "api_gateway_million_requests", millions),
        Line("Lambda, requests of Authorizer and Generator", "lambda_million_requests", 2 * millions, has_free_tier),
        Line("DynamoDB, quota and usage", "dynamodb_million_writes", 18 * millions),
        Line("S3, image and cache entry", "s3_thousand_puts", 2 * month.images / 1e3),
        Line("X-Ray, a trace per image", "xray_million_traces", millions),
    )


def _storage(month: Workload, situation: Situation) -> tuple[Line, ...]:
    gigabytes = month.images * situation.image_bytes / 1e9
    return (
        Line(f"S3, images for {IMAGE_DAYS} days", "s3_gb_month", gigabytes * IMAGE_DAYS * 24 / HOURS),
        Line("S3, download of each", "s3_thousand_gets", month.images / 1e3),
        Line("transfer to the internet", "transfer_gb", gigabytes),
    )


def _no_gpu(situation: Situation) -> str:
    return situation.gpu.note if situation.gpu.seconds is None else ""


def _no_hosted(situation: Situation) -> str:
    known = situation.tariff.usd_per_hosted_image is not None
    return "" if known else "the price list has nothing alike; pass --hosted-usd-per-image"


CHOICES: Final = (
    Choice("lambda", "Lambda, CPU, on demand", _on_demand),
    Choice("lambda-provisioned", "Lambda, CPU, provisioned concurrency", _provisioned),
    Choice("lambda-gpu", "Lambda Managed Instances, GPU", _managed_gpu, _no_gpu),
    Choice("gpu-server", "EC2 GPU server, always on", _server, _no_gpu),
    Choice("hosted-api", "hosted API, priced per image", _hosted, _no_hosted),
)
