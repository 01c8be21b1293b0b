"""Made-up benchmark results, for tests of the benchmark's arithmetic and report."""

from __future__ import annotations

from math import nan
from typing import Any

from tools.bench import cases
from tools.bench.figures import Figures
from tools.bench.measurements import Image, Overhead, Rate, Roofline, Run
from tools.bench.plan import Results

MACHINE: dict[str, Any] = {
    "cpu": "a processor",
    "cpu_family_model": "26/2",
    "vcpus": 2,
    "memory_gb": 23.5,
    "instruction_sets": ["avx2", "avx512_bf16"],
    "load_average_at_start": 0.1,
    "kernel": "6.1",
    "python": "3.11.7",
    "versions": {"openvino": "2026.4.1"},
}
ROOFLINE = Roofline(
    [
        Rate("OpenVINO", "float32", (320, 320, 64), 200.0),
        Rate("torch", "float32", (320, 320, 64), 100.0),
        Rate("OpenVINO", "bfloat16", (320, 320, 64), 400.0),
    ],
    unet_gflop=800.0,
)
OVERHEAD = Overhead(gateway_ms=2.0, direct_ms=1.0, engine_ms=90.0, encode_ms=1.0, s3_ms=4.0, requests=200)


def run(
    first_s: float, *, ready_s: float = 1.0, compile_s: float = 0.0, warm_s: float = 1.0, step_s: float = 1.0
) -> Run:
    """Return a run with a cold and a warm image."""
    images = [Image(first_s, 4, step_s, 0.5, compile_s), Image(warm_s, 4, step_s, 0.5)]
    return Run(0.5, ready_s, first_s, images, first_peak_mb=5000, peak_mb=6000)


RESULTS = Results(
    runs={
        cases.NAIVE.id: [run(seconds, ready_s=6.0, warm_s=40.0) for seconds in (56.0, 54.0, 58.0)],
        cases.F32.id: [run(10.0, warm_s=8.0)],
        cases.BF16.id: [run(7.0, warm_s=5.0)],
        cases.READY.id: [Run(0.5, 1.2, nan, [], 900, 900)],
        cases.EQUAL.id: [run(27.0, ready_s=1.0, compile_s=2.0, warm_s=22.0)],
        cases.ONE_THREAD.id: [run(20.0, step_s=4.2)],
    },
    rooflines=[ROOFLINE],
)


def figures(results: Results = RESULTS, overhead: Overhead | None = OVERHEAD) -> Figures:
    """Return the figures of `results`."""
    return Figures(MACHINE, results, overhead, {"generator": 0.3, "api": 0.25})
