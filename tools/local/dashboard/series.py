"""Points of a line of a chart, from the samples of a log."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from tools.local.dashboard.function_log import Sample
from tools.local.dashboard.widgets import Line

Points = list[tuple[float, float]]
"""Epoch seconds at which a period begins, and the value of the period."""


def points(line: Line, samples: Iterable[Sample], period_s: float) -> Points:
    """Return the line's value in each period that has samples."""
    periods: defaultdict[float, list[float]] = defaultdict(list)
    for each in samples:
        if (each.namespace, each.name, each.dimensions) == (line.namespace, line.name, line.dimensions):
            periods[each.at // period_s * period_s].append(each.value)
    return [(begin, statistic(line.stat, values)) for begin, values in sorted(periods.items())]


def statistic(name: str, values: Sequence[float]) -> float:
    """Return CloudWatch's statistic `name` of the values; percentiles by the nearest rank. Raises ValueError."""
    match name:
        case "Sum":
            return sum(values)
        case "Average":
            return sum(values) / len(values)
        case "Maximum":
            return max(values)
        case "SampleCount":
            return len(values)
    if not name.startswith("p"):
        raise ValueError(f"unknown statistic {name}")
    return sorted(values)[max(0, math.ceil(float(name[1:]) / 100 * len(values)) - 1)]
