"""Metrics that AWS documents, with the dimensions of each: those that alarms and the dashboard use.

Read on 2026-11-27. Not here: other metrics of these namespaces.
"""

from __future__ import annotations

from typing import Final

Dimensions = frozenset[frozenset[str]]

_FUNCTION: Final[Dimensions] = frozenset({frozenset({"FunctionName"})})
_QUEUE: Final[Dimensions] = frozenset({frozenset({"QueueName"})})
_API: Final[Dimensions] = frozenset({frozenset({"ApiName"}), frozenset({"ApiName", "Stage"})})
"""SAM makes the stack's name the API's. The dimensions Method and Resource need detailed metrics, which are billed."""

DOCUMENTED: Final[dict[str, dict[str, Dimensions]]] = {
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    "AWS/Lambda": {
        "Errors": _FUNCTION | {frozenset({"FunctionName", "Resource", "ExecutedVersion"})},
        **dict.fromkeys(
            ("Invocations", "Throttles", "Duration", "ConcurrentExecutions", "RecursiveInvocationsDropped"), _FUNCTION
        ),
    },
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    "AWS/SQS": dict.fromkeys(
        (
            "ApproximateAgeOfOldestMessage",
            "ApproximateNumberOfMessagesVisible",
            "ApproximateNumberOfMessagesNotVisible",
            "NumberOfMessagesReceived",
        ),
        _QUEUE,
    ),
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
    "AWS/ApiGateway": dict.fromkeys(("Count", "5XXError", "Latency"), _API),
}
