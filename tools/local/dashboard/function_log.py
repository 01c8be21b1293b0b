"""What the functions wrote: metrics (EMF, CloudWatch's embedded metric format) and log lines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Failure = tuple[str, str, int]
"""Route, code and status."""


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
    """The metrics of a log, and how often each failure is in it."""

    samples: list[Sample] = field(default_factory=list)
    failures: Counter[Failure] = field(default_factory=Counter)

    @classmethod
    def of(cls, lines: Iterable[str]) -> FunctionLog:
        """Read the lines. Those that are no JSON objects are of other programs, or cut off, and are skipped."""
        log = cls()
        for each in _objects(lines):
            if "_aws" in each:
                log.samples += _samples(each)
            elif each.get("message") == "failed":
                log.failures[each.get("route", "-"), each["code"], each["status"]] += 1
        return log


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
