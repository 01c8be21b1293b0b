"""What the functions wrote: metrics (EMF, CloudWatch's embedded metric format) and log lines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Failure = tuple[str, str, int]
"""Route, code and status."""
ColdStart = tuple[str, str]
"""The line of what waited (`generated`, `ran` or `warmed`), and the cause."""
Table = list[tuple[str, ...]]
"""Rows of cells, the headings first."""


@dataclass(frozen=True)
class Sample:
    """One value of a metric, at a time in epoch seconds."""

    at: float
    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]
    value: float


@dataclass
class FunctionLog:
    """The metrics of a log, how often each failure is in it, and the milliseconds and USD of each cold start."""

    samples: list[Sample] = field(default_factory=list)
    failures: Counter[Failure] = field(default_factory=Counter)
    cold_starts: dict[ColdStart, list[tuple[int, float]]] = field(default_factory=dict)

    @classmethod
    def of(cls, lines: Iterable[str]) -> FunctionLog:
        """Read the lines. Those that are no JSON objects are of other programs, or cut off, and are skipped."""
        log = cls()
        for each in _objects(lines):
            if "_aws" in each:
                log.samples += _samples(each)
            elif each.get("message") == "failed":
                log.failures[each.get("route", "-"), each["code"], each["status"]] += 1
            elif "cold_start_cause" in each:
                found = log.cold_starts.setdefault((each["message"], each["cold_start_cause"]), [])
                found.append((each["cold_start_ms"], each["cold_start_usd"]))
        return log

    def tables(self) -> dict[str, Table]:
        """Return what the queries of the dashboard's tables would find, by title, the most frequent first."""
        failed = [
            (route, code, str(status), str(times)) for (route, code, status), times in self.failures.most_common()
        ]
        waits = sorted(self.cold_starts.items(), key=lambda each: -len(each[1]))
        return {
            "Failures by route and code": [("route", "code", "status", "times"), *failed],
            "Cold starts by cause": [
                ("message", "cause", "times", "seconds", "USD"),
                *((*cold_start, str(len(found)), *_sums(found)) for cold_start, found in waits),
            ],
        }


def _sums(found: list[tuple[int, float]]) -> tuple[str, str]:
    milliseconds, usd = zip(*found, strict=True)
    return f"{sum(milliseconds) / 1000:.1f}", f"{sum(usd):.5f}"


def _objects(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found


def _samples(document: dict[str, Any]) -> Iterator[Sample]:
    about = document["_aws"]
    for directive in about["CloudWatchMetrics"]:
        for names in directive["Dimensions"]:
            dimensions = frozenset((name, str(document[name])) for name in names)
            for metric in directive["Metrics"]:
                for value in _values(document[metric["Name"]]):
                    yield Sample(about["Timestamp"] / 1000, directive["Namespace"], metric["Name"], dimensions, value)


def _values(given: Any) -> list[float]:
    return given if isinstance(given, list) else [given]
