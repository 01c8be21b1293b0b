"""The metrics that alarms and the dashboard of the translated template name."""

from __future__ import annotations

import json
import re
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


def dashboard(resources: Resources) -> Any:
    """Return the dashboard's document as CloudWatch gets it, with the names of resources as values."""
    (resource,) = [each for each in resources.values() if each["Type"] == "AWS::CloudWatch::Dashboard"]
    text, variables = resource["Properties"]["DashboardBody"]["Fn::Sub"]
    return json.loads(re.sub(r"\$\{([\w.:]+)\}", lambda match: variables.get(match[1], match[1]), text))


def widget_metrics(document: Any) -> list[Metric]:
    """Return the metrics of all widgets, in their order, without expressions."""
    rows = [row for widget in document["widgets"] for row in widget["properties"].get("metrics", [])]
    return [_metric(row) for row in rows if isinstance(row[0], str)]


def _metric(row: list[Any]) -> Metric:
    namespace, name, *dimensions = [each for each in row if isinstance(each, str)]
    return Metric(namespace, name, frozenset(dimensions[::2]))


def _of_aws(namespace: str, dimensions: set[str], names: str) -> set[Metric]:
    return {Metric(namespace, name, frozenset(dimensions)) for name in names.split()}


AWS_METRICS: Final = (
    _of_aws("AWS/ApiGateway", {"ApiName", "Stage"}, "Count 4XXError 5XXError Latency")
    | _of_aws(
        "AWS/Lambda",
        {"FunctionName"},
        "Invocations Errors Throttles Duration ConcurrentExecutions RecursiveInvocationsDropped",
    )
    | _of_aws(
        "AWS/SQS",
        {"QueueName"},
        "ApproximateAgeOfOldestMessage ApproximateNumberOfMessagesVisible ApproximateNumberOfMessagesNotVisible",
    )
)
"""AWS's own metrics, free of charge, as its developer guides list them (read on 2026-11-27).

API Gateway: "Amazon API Gateway dimensions and metrics". Lambda: "Types of metrics for Lambda functions". SQS:
"Available CloudWatch metrics for Amazon SQS".
"""
