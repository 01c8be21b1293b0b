"""Medians, ratios and costs from what was measured. Pure arithmetic; None where nothing was."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from statistics import median
from typing import Any, Final

from tools.bench import cases
from tools.bench.measured import Bound, Overhead, Run
from tools.bench.plan import Results

USD_PER_GB_SECOND: Final = 0.0000166667
"""Lambda on x86 in most regions (AWS Lambda pricing page)."""
GB: Final = 10.0
"""10,240 MB, the most a function can have."""

Reading = Callable[[Run], float | None]
IMPORTED: Final[Reading] = attrgetter("import_s")
READY: Final[Reading] = attrgetter("ready_s")
COMPILED: Final[Reading] = attrgetter("compiled_s")
FIRST: Final[Reading] = attrgetter("first_s")
COLD: Final[Reading] = attrgetter("cold_image_s")
WARM: Final[Reading] = attrgetter("warm_s")
STEP: Final[Reading] = attrgetter("step_s")
DECODE: Final[Reading] = attrgetter("decode_s")
CALLS: Final[Reading] = attrgetter("calls")
PEAK: Final[Reading] = attrgetter("peak_mb")
LOADERS: Final = {
    *(case.id for case in (cases.NAIVE, cases.NAIVE_AVX2, cases.DEMO_NAIVE)),
    *cases.READY_OF.values(),
}
"""Cases whose `ready_s` says that everything is loaded."""


@dataclass(frozen=True)
class Spread:
    median: float
    least: float
    most: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        return cls(median(values), min(values), max(values), len(values)) if values else None


@dataclass(frozen=True)
class Figures:
    """Everything the report says, from the runs of one benchmark."""

    machine: dict[str, Any]
    results: Results
    overhead: Overhead | None
    import_s: dict[str, float]

    def spread(self, case_id: str, reading: Reading) -> Spread | None:
        values = (reading(run) for run in self.results.runs.get(case_id, []))
        return Spread.of([value for value in values if value is not None and not math.isnan(value)])

    def median(self, case_id: str, reading: Reading) -> float | None:
        return _median(self.spread(case_id, reading))

    def ready(self, case_id: str) -> Spread | None:
        """From the start until all is loaded, nothing generated; None for what has no such measurement."""
        case_id = cases.READY_OF.get(case_id, case_id)
        return self.spread(case_id, READY) if case_id in LOADERS else None

    def speedup(self, slow: str, fast: str, reading: Reading) -> float | None:
        return ratio(self.median(slow, reading), self.median(fast, reading))

    def equal_work(self) -> float | None:
        """The smaller of two speed-ups: of the first image once loaded, and of a warm one."""
        cold = self.speedup(cases.NAIVE.id, cases.EQUAL.id, COLD)
        warm = self.speedup(cases.NAIVE.id, cases.EQUAL.id, WARM)
        return None if cold is None or warm is None else min(cold, warm)

    def bound_s(self, precision: str) -> Spread | None:
        values = (bound.seconds(precision) for bound in self.results.bounds)
        return Spread.of([value for value in values if value is not None])

    def best_bound(self, precision: str) -> Bound | None:
        """The measurement that found the median bound, or the one next to it."""
        known = [(seconds, bound) for bound in self.results.bounds if (seconds := bound.seconds(precision))]
        return sorted(known, key=lambda pair: pair[0])[len(known) // 2][1] if known else None

    def step_over_bound(self, case_id: str, precision: str) -> float | None:
        return ratio(self.median(case_id, STEP), _median(self.bound_s(precision)))

    def ratios(self) -> dict[str, float | None]:
        return {
            "first_image_f32": self.speedup(cases.NAIVE.id, cases.F32.id, FIRST),
            "first_image_bf16": self.speedup(cases.NAIVE.id, cases.BF16.id, FIRST),
            "ready": ratio(_median(self.ready(cases.NAIVE.id)), _median(self.ready(cases.F32.id))),
            "equal_work": self.equal_work(),
            "step_over_bound": self.step_over_bound(cases.ONE_THREAD.id, "float32"),
        }

    def usd_per_image(self) -> dict[str, dict[str, float | None]]:
        rows = {cases.NAIVE.id: "naive", cases.F32.id: "f32", cases.BF16.id: "bf16"}
        return {
            name: {"first": usd(self.median(case_id, FIRST)), "warm": usd(self.median(case_id, WARM))}
            for case_id, name in rows.items()
        }

    def document(self) -> dict[str, Any]:
        """What `.local/bench.json` holds."""
        overhead = self.overhead
        return {
            "machine": self.machine,
            "ratios": {name: _rounded(value) for name, value in self.ratios().items()},
            "handler_overhead_ms": _rounded(max(overhead.gateway_ms, overhead.direct_ms)) if overhead else None,
            "import_s": {name: _rounded(self.import_s.get(name)) for name in ("generator", "api")},
            "usd_per_image": self.usd_per_image(),
        }


def _median(spread: Spread | None) -> float | None:
    return spread.median if spread else None


def ratio(dividend: float | None, divisor: float | None) -> float | None:
    return None if dividend is None or not divisor else dividend / divisor


def gb_seconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * GB


def usd(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * GB * USD_PER_GB_SECOND, 7)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
