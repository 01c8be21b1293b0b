"""Draws with a prepared folder, in a separate process, to find the schedulers that work and to measure memory.

A scheduler works if it draws and can make every step count that the model's limits allow.

Run as `python -m models.prepare.trial FOLDER ENGINE PRECISION MODEL SCHEDULER ...`, it prints one JSON line for each
scheduler. The first one draws an image of the default size, the others the smallest size, one step each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from pydantic import TypeAdapter

from imagegen.catalog.manifest import Trial
from imagegen.catalog.registry import Model
from imagegen.engines import schedulers
from imagegen.engines.cpu import fastest_precision, processors
from imagegen.engines.schedulers.config import SchedulerConfig, UnsupportedSettingError
from imagegen.errors import ModelUnavailable
from imagegen.generation.ports import Backend, Engine
from imagegen.generation.spec import GenerationSpec
from models.prepare.errors import PrepareError
from models.prepare.peak_memory import peak_mb

MODEL: Final = TypeAdapter(Model)
_THREADS: Final = min(2, processors())
"""Memory is measured, not speed; with one thread, OpenVINO does not compile for AMX (`cpu.compilable`)."""


@dataclass
class _Outcome:
    """What one child process reported."""

    drawn: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    peak_mb: int = 0
    """Of loading the model and drawing an image of the default size."""
    error: str = ""


def run(model: Model, folder: Path, engine: str) -> Trial:
    """Draw with every scheduler of the model.

    Raises PrepareError if the engine cannot load the folder, or if no scheduler can draw.
    """
    default_first = sorted(model.schedulers, key=lambda name: name != model.defaults.scheduler)
    outcome = _child(model, folder, engine, "float32", default_first)
    if not outcome.drawn:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in outcome.refused.items())
        raise PrepareError(f"no scheduler can draw with {engine}: {reasons}")
    return Trial(tuple(outcome.drawn), outcome.refused, _peaks(model, folder, engine, outcome))


def _peaks(model: Model, folder: Path, engine: str, outcome: _Outcome) -> dict[str, int]:
    """Return the peak memory by precision: float32, and the 16-bit type if this CPU and the engine compute in one."""
    peaks = {"float32": outcome.peak_mb}
    half = fastest_precision(_THREADS, os.environ.get("ONEDNN_MAX_CPU_ISA", "")).name
    if engine == "openvino" and half != "float32":
        peaks[half] = _child(model, folder, engine, half, outcome.drawn[:1]).peak_mb
    return {precision: peak for precision, peak in peaks.items() if peak > 0}


def _child(model: Model, folder: Path, engine: str, precision: str, schedulers: list[str]) -> _Outcome:
    """Run one process. Raises PrepareError if it cannot load the folder, or if the process fails."""
    arguments = [str(folder), engine, precision, MODEL.dump_json(model).decode(), *schedulers]
    done = subprocess.run(
        [sys.executable, "-m", "models.prepare.trial", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=False,
    )
    outcome = _Outcome()
    for line in (line for line in done.stdout.splitlines() if line.startswith('{"')):
        _add(outcome, json.loads(line))
    if outcome.error:
        raise PrepareError(f"{engine} cannot load what was prepared: {outcome.error}")
    if done.returncode != 0:
        cause = _last_line(done.stderr)
        raise PrepareError(f"drawing with {engine} ended with exit status {done.returncode}: {cause}")
    return outcome


def _add(outcome: _Outcome, line: dict[str, Any]) -> None:
    if "error" in line:
        outcome.error = line["error"]
    elif "refused" in line:
        outcome.refused[line["scheduler"]] = line["refused"]
    elif "scheduler" in line:
        outcome.drawn.append(line["scheduler"])
        outcome.peak_mb = max(outcome.peak_mb, line["peak_mb"])


def _load(folder: Path, engine: str, precision: str, model: Model) -> Engine:
    """Load without verification: the folder was just written."""
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    verified: Future[None] = Future()
    verified.set_result(None)
    backend = Backend(cast("Any", engine), "cpu", cast("Any", precision), "trial", _THREADS)
    if engine == "openvino":
        from imagegen.engines.openvino_engine import OpenVINOEngine

        loaded = OpenVINOEngine.load(folder, model, backend, verified)
        loaded.finish_loading()
        return loaded
    from imagegen.engines.torch_engine import TorchEngine

    return TorchEngine.load(folder, backend, verified)


def _spec(model: Model, scheduler: str, width: int, height: int) -> GenerationSpec:
    return GenerationSpec(
        model_id=model.id,
        revision=model.revision,
        prompt="a photograph of a house",
        negative_prompt="",
        width=width,
        height=height,
        num_inference_steps=1,
        guidance_scale=model.defaults.guidance_scale,
        num_images_per_prompt=1,
        seed=0,
        scheduler=scheduler,
        output_format="png",
    )


def _draw(engine: Engine, spec: GenerationSpec) -> dict[str, Any]:
    """Return the line to print."""
    try:
        (image,) = engine.generate(spec, lambda _step, _of: None).images
    except Exception as error:  # whatever the libraries raise is the reason to report
        reason = error.private if isinstance(error, ModelUnavailable) else f"{type(error).__name__}: {error}"
        return {"scheduler": spec.scheduler, "refused": _last_line(reason)}
    if len(image.getcolors(maxcolors=spec.width * spec.height) or ()) == 1:
        return {"scheduler": spec.scheduler, "refused": "the image has one color only"}
    return {"scheduler": spec.scheduler, "peak_mb": round(peak_mb())}


def _impossible_steps(folder: Path, model: Model, scheduler: str) -> str | None:
    """Return why the scheduler cannot make one of the model's step counts; None if it can."""
    file = folder / "scheduler" / "scheduler_config.json"
    config = SchedulerConfig.from_json(json.loads(file.read_text()))
    try:
        for steps in range(1, model.limits.max_steps + 1):
            schedulers.create(scheduler, config, steps, draw_noise=lambda: None)
    except UnsupportedSettingError as error:
        return f"{error}; requests may have up to {model.limits.max_steps} steps (max_steps)"
    return None


def _last_line(text: str) -> str:
    """Return the line that has the cause: OpenVINO's messages begin with places in its source."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"


def _main(folder: str, engine: str, precision: str, model_json: str, *names: str) -> None:
    model = MODEL.validate_json(model_json)
    try:
        loaded = _load(Path(folder), engine, precision, model)
    except ModelUnavailable as error:
        print(json.dumps({"error": _last_line(error.private)}))
        return
    size = (model.defaults.width, model.defaults.height)
    for name in names:
        impossible = _impossible_steps(Path(folder), model, name)
        line = {"scheduler": name, "refused": impossible} if impossible else _draw(loaded, _spec(model, name, *size))
        print(json.dumps(line), flush=True)
        if "refused" not in line:
            size = (model.limits.min_size, model.limits.min_size)
    loaded.close()


if __name__ == "__main__":
    _main(*sys.argv[1:])
