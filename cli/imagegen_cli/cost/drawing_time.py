"""How long an image takes: on the CPU from what was measured, on a GPU from what others have published."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from imagegen_cli.cost.models import Model
from imagegen_cli.failure import usage

MB_PER_VCPU: Final = 1769
"""Lambda allocates one vCPU per 1,769 MB (AWS Lambda developer guide, memory)."""
INSTRUCTION_SETS: Final = ("avx2", "avx512", "bfloat16")
MOST_MEMORY_MB: Final = 10240
"""The largest function that Lambda has."""
_ANY_GPU: Final = "g6.xlarge"


@dataclass(frozen=True)
class Request:
    """What is drawn, and by a function of which size. `cpu` is one of INSTRUCTION_SETS, or None for any."""

    model: Model
    width: int
    height: int
    steps: int
    memory_mb: int
    cpu: str | None = None
    step_seconds: float | None = None

    @property
    def pixels(self) -> int:
        return self.width * self.height


@dataclass(frozen=True)
class Measured:
    """An entry of step_times.json. An image takes `fixed_s` and a step's `step_s` for each call of the network."""

    architecture: str
    instruction_set: str
    width: int
    height: int
    step_s: float
    fixed_s: float
    cold_s: float
    vcpus: int
    date: str
    machine: str
    source: str

    @property
    def pixels(self) -> int:
        return self.width * self.height


@dataclass(frozen=True)
class CpuTime:
    """Billed seconds of an image. A cold start adds `cold_s`. `notes` say where the figures come from."""

    image_s: float
    cold_s: float
    notes: tuple[str, ...]


@dataclass(frozen=True)
class GpuTime:
    """Seconds of an image on a GPU, or why they are not known."""

    seconds: float | None
    instance: str
    note: str


def cpu_time(request: Request) -> CpuTime:
    """Return the time of an image on Lambda. Raises Failure if nothing was measured that it could be taken from."""
    found = _nearest(request)
    _require_memory(request, found)
    if request.step_seconds is not None:
        return _of_own_steps(request, found, request.step_seconds)
    if found is None:
        raise usage(f"--model: no step time was measured for {request.model.id}; pass --step-seconds.")
    processors = max(1.0, found.vcpus * MB_PER_VCPU / request.memory_mb)
    pixels = request.pixels / found.pixels
    seconds = found.fixed_s + request.steps * request.model.calls * found.step_s
    return CpuTime(seconds * pixels * processors, found.cold_s * processors, _notes(request, found, pixels, processors))


def _of_own_steps(request: Request, found: Measured | None, step_seconds: float) -> CpuTime:
    fixed, cold = (found.fixed_s, found.cold_s) if found else (0.0, 0.0)
    note = f"CPU: {step_seconds:g} s per step, as given; plus {fixed:g} s per image, and {cold:g} s per cold start."
    return CpuTime(fixed + request.steps * step_seconds, cold, (note,))


def _notes(request: Request, found: Measured, pixels: float, processors: float) -> tuple[str, ...]:
    notes = [
        f"CPU: measured {found.date} with {found.instruction_set} on {found.machine}: {found.step_s:g} s per call of "
        f"the network, {request.model.calls} per step, plus {found.fixed_s:g} s per image ({found.source})."
    ]
    if pixels != 1:
        notes.append(f"CPU: scaled from {found.width} x {found.height} by pixels, x {pixels:g}; not measured.")
    vcpus = request.memory_mb / MB_PER_VCPU
    if processors > 1:
        notes.append(f"CPU: scaled from {found.vcpus} vCPU to {request.memory_mb:,} MB, x {processors:.3g}.")
    elif vcpus >= found.vcpus + 1:
        notes.append(
            f"CPU: a function of {request.memory_mb:,} MB has {vcpus:.1f} vCPU; nothing was measured there, and no "
            "gain is assumed. Measure yours: --step-seconds."
        )
    return tuple(notes)


def _nearest(request: Request) -> Measured | None:
    """Return the measurement whose size is nearest; of several, the first: AVX2 is all that Lambda guarantees."""
    of_model = [Measured(**row) for row in _rows("step_times.json", request.model)]
    chosen = [each for each in of_model if request.cpu in (None, each.instruction_set)]
    if of_model and not chosen:
        measured = ", ".join(dict.fromkeys(each.instruction_set for each in of_model))
        raise usage(f"--cpu: {request.model.id} was not measured with {request.cpu}, but with {measured}.")
    return min(chosen, key=lambda each: abs(each.pixels - request.pixels), default=None)


def _require_memory(request: Request, found: Measured | None) -> None:
    is_half = found is not None and found.instruction_set == "bfloat16"
    needed = request.model.half_memory_mb if is_half else request.model.memory_mb
    if not needed <= request.memory_mb <= MOST_MEMORY_MB:
        raise usage(f"--memory: {request.model.id} needs {needed:,} to {MOST_MEMORY_MB:,} MB.")


def gpu_time(request: Request, instance: str | None, seconds: float | None) -> GpuTime:
    """Return the time of an image on the instance type, or on the first that is named for the model."""
    published = next(iter(_rows("gpu_times.json", request.model)), None)
    chosen = instance or (published["instances"][0] if published else _ANY_GPU)
    if seconds is not None:
        return GpuTime(seconds, chosen, f"GPU: {seconds:g} s per image on {chosen}, as given.")
    if published is None or chosen not in published["instances"]:
        return GpuTime(None, chosen, f"no time of {request.model.id} on {chosen} is known; pass --gpu-seconds")
    time: float = published["seconds_per_image"]
    note = f"GPU: {time:g} s per image for any size and steps, published, not measured here: {published['source']}."
    return GpuTime(time, chosen, note)


def _rows(name: str, model: Model) -> list[dict[str, Any]]:
    times = json.loads(Path(__file__).with_name(name).read_text())["times"]
    return [each for each in times if each["architecture"] == model.architecture]
