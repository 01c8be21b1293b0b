"""The metrics that alarms and the dashboard of the translated template name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from tests.support.evaluate import Resources

TOPIC: Final = "arn:aws:sns:us-east-1:111122223333:alarms"


@dataclass(frozen=True)
class Metric:
    """A metric that an alarm or a widget names."""

    namespace: str
    name: str
    dimensions: frozenset[str]
    """Names of the dimensions."""


def alarms(resources: Resources) -> dict[str, Any]:
    """Return the properties of the alarms by logical id."""
    return {name: each["Properties"] for name, each in resources.items() if each["Type"] == "AWS::CloudWatch::Alarm"}


def metrics_of(alarm: Any) -> list[Metric]:
    """Return the metrics of an alarm, which CloudWatch bills: one, or those of its expression."""
    named = [each["MetricStat"]["Metric"] for each in alarm.get("Metrics", []) if "MetricStat" in each] or [alarm]
    return [
        Metric(each["Namespace"], each["MetricName"], frozenset(dimension["Name"] for dimension in each["Dimensions"]))
        for each in named
    ]
