"""Medians, ratios and costs of the measurements. Pure arithmetic; None means not measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from statistics import median
from typing import Any, Final

from tools.bench import cases
from tools.bench.measurements import Overhead, Roofline, Run
from tools.bench.plan import Results

USD_PER_GB_SECOND: Final = 0.0000166667
"""Price of Lambda on x86 in most regions (AWS Lambda pricing page)."""
GB: Final = 10.0
"""10,240 MB, the maximum for a Lambda function."""

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
"""Cases whose `ready_s` means that everything is loaded."""


@dataclass(frozen=True)
class Spread:
    """Median and range of repeated measurements."""

    median: float
    least: float
    most: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """Return the spread of `values`, or None if there are none."""
        return cls(median(values), min(values), max(values), len(values)) if values else None


@dataclass(frozen=True)
class Figures:
    """All numbers of the report, computed from one benchmark's results."""

    machine: dict[str, Any]
    results: Results
    overhead: Overhead | None
    import_s: dict[str, float]

    def spread(self, case_id: str, reading: Reading) -> Spread | None:
        """Return the spread of `reading` over the case's runs, or None if there are no values."""
        values = (reading(run) for run in self.results.runs.get(case_id, []))
        return Spread.of([value for value in values if value is not None and not math.isnan(value)])

    def median(self, case_id: str, reading: Reading) -> float | None:
        """Return the median of `reading` over the case's runs."""
        return _median(self.spread(case_id, reading))

    def ready(self, case_id: str) -> Spread | None:
        """Return seconds from process start until everything is loaded, before any image is generated.

        None if the case has no such measurement.
        """
        case_id = cases.READY_OF.get(case_id, case_id)
        return self.spread(case_id, READY) if case_id in LOADERS else None

    def speedup(self, slow: str, fast: str, reading: Reading) -> float | None:
        """Return the ratio of the two cases' medians."""
        return ratio(self.median(slow, reading), self.median(fast, reading))

    def equal_work(self) -> float | None:
        """Return the smaller of two speedups for equal work: the first image once loaded, and a warm image."""
        cold = self.speedup(cases.NAIVE.id, cases.EQUAL.id, COLD)
        warm = self.speedup(cases.NAIVE.id, cases.EQUAL.id, WARM)
        return None if cold is None or warm is None else min(cold, warm)

    def roofline_s(self, precision: str) -> Spread | None:
        """Return the least seconds that a UNet call can take on one thread."""
        values = (roofline.seconds(precision) for roofline in self.results.rooflines)
        return Spread.of([value for value in values if value is not None])

    def median_roofline(self, precision: str) -> Roofline | None:
        """Return the measurement with the median time; of an even number, the slower of the middle two."""
        known = [(seconds, roofline) for roofline in self.results.rooflines if (seconds := roofline.seconds(precision))]
        return sorted(known, key=lambda pair: pair[0])[len(known) // 2][1] if known else None

    def step_over_roofline(self, case_id: str, precision: str) -> float | None:
        """Return how many times longer a UNet call takes than the roofline."""
        return ratio(self.median(case_id, STEP), _median(self.roofline_s(precision)))

    def ratios(self) -> dict[str, float | None]:
        """Return the ratios that have targets in the report."""
        return {
            "first_image_f32": self.speedup(cases.NAIVE.id, cases.F32.id, FIRST),
            "first_image_bf16": self.speedup(cases.NAIVE.id, cases.BF16.id, FIRST),
            "ready": ratio(_median(self.ready(cases.NAIVE.id)), _median(self.ready(cases.F32.id))),
            "equal_work": self.equal_work(),
            "step_over_roofline": self.step_over_roofline(cases.ONE_THREAD.id, "float32"),
        }

    def usd_per_image(self) -> dict[str, dict[str, float | None]]:
        """Return the Lambda cost in dollars of a first and a warm image."""
        rows = {cases.NAIVE.id: "naive", cases.F32.id: "f32", cases.BF16.id: "bf16"}
        return {
            name: {"first": usd(self.median(case_id, FIRST)), "warm": usd(self.median(case_id, WARM))}
            for case_id, name in rows.items()
        }

    def document(self) -> dict[str, Any]:
        """Return the content of `.local/bench.json`."""
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
    """Return the quotient, or None if a value is missing or the divisor is zero."""
    return None if dividend is None or not divisor else dividend / divisor


def gb_seconds(seconds: float | None) -> float | None:
    """Return the GB-seconds that Lambda bills for `seconds` at 10,240 MB."""
    return None if seconds is None else seconds * GB


def usd(seconds: float | None) -> float | None:
    """Return the Lambda cost in dollars of `seconds` at 10,240 MB."""
    return None if seconds is None else round(seconds * GB * USD_PER_GB_SECOND, 7)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
