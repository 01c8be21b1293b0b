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
_FOLDER: Final = Path(__file__).parent


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
    row = _row(request)
    _require_memory(request, row)
    if request.step_seconds is not None:
        return _of_own_steps(request, row, request.step_seconds)
    if row is None:
        raise usage(f"--model: no step time was measured for {request.model.id}; pass --step-seconds.")
    pixels = request.pixels / (row["width"] * row["height"])
    processors = max(1.0, row["vcpus"] * MB_PER_VCPU / request.memory_mb)
    seconds = row["fixed_s"] + request.steps * request.model.calls * row["step_s"]
    notes = [
        f"CPU: measured {row['date']} with {row['instruction_set']} on {row['machine']}: {row['step_s']:g} s a call of "
        f"the network, {request.model.calls} a step, {row['fixed_s']:g} s besides ({row['source']})."
    ]
    if pixels != 1:
        notes.append(f"CPU: scaled from {row['width']} x {row['height']} by pixels, x {pixels:g}; not measured.")
    if processors > 1:
        notes.append(f"CPU: scaled from {row['vcpus']} vCPU to {request.memory_mb:,} MB, x {processors:.3g}.")
    elif request.memory_mb / MB_PER_VCPU > row["vcpus"] * 1.5:
        notes.append(
            f"CPU: a function of {request.memory_mb:,} MB has {request.memory_mb / MB_PER_VCPU:.1f} vCPU; nothing was "
            "measured there, and no gain is assumed. Measure yours: --step-seconds."
        )
    return CpuTime(seconds * pixels * processors, row["cold_s"] * processors, tuple(notes))


def _of_own_steps(request: Request, row: dict[str, Any] | None, step_seconds: float) -> CpuTime:
    fixed, cold = (row["fixed_s"], row["cold_s"]) if row else (0.0, 0.0)
    note = f"CPU: {step_seconds:g} s a step, as you say; {fixed:g} s besides, {cold:g} s for a cold start."
    return CpuTime(fixed + request.steps * step_seconds, cold, (note,))


def _row(request: Request) -> dict[str, Any] | None:
    """Return the measurement whose size is nearest; of several, the first: AVX2 is all that Lambda promises."""
    rows = [row for row in _read("step_times.json") if row["architecture"] == request.model.architecture]
    chosen = [row for row in rows if request.cpu in (None, row["instruction_set"])]
    if rows and not chosen:
        measured = dict.fromkeys(row["instruction_set"] for row in rows)
        raise usage(f"--cpu: {request.model.id} was not measured with {request.cpu}, but with {', '.join(measured)}.")
    return min(chosen, key=lambda row: abs(row["width"] * row["height"] - request.pixels), default=None)


def _require_memory(request: Request, row: dict[str, Any] | None) -> None:
    half = bool(row) and row is not None and row["instruction_set"] == "bfloat16"
    needed = request.model.half_memory_mb if half else request.model.memory_mb
    if not needed <= request.memory_mb <= 10240:
        raise usage(f"--memory: {request.model.id} needs {needed:,} to 10,240 MB.")


def gpu_time(request: Request, instance: str | None, seconds: float | None) -> GpuTime:
    """Return the time of an image on the instance type, or on the first that is named for the model."""
    entry = next((each for each in _read("gpu_times.json") if each["architecture"] == request.model.architecture), None)
    chosen = instance or (entry["instances"][0] if entry else "g6.xlarge")
    if seconds is not None:
        return GpuTime(seconds, chosen, f"GPU: {seconds:g} s an image on {chosen}, as you say.")
    if entry is None or chosen not in entry["instances"]:
        return GpuTime(None, chosen, f"no time of {request.model.id} on {chosen} is known; pass --gpu-seconds")
    time: float = entry["seconds_per_image"]
    return GpuTime(time, chosen, f"GPU: {time:g} s an image, published, not measured here: {entry['source']}.")


def _read(name: str) -> list[dict[str, Any]]:
    times: list[dict[str, Any]] = json.loads((_FOLDER / name).read_text())["times"]
    return times
