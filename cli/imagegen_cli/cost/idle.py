"""What an idle stack is billed in 30 days, with the template's defaults. docs/operations.md has the same table."""

from __future__ import annotations

from typing import Final

from imagegen_cli.cost.tariff import Line

_MINUTES: Final = 30 * 24 * 60
_POLLS: Final = 15 * 30 * 24 * 180
"""Three queues, five pollers each at most, every 20 seconds."""

IDLE: Final = (
    Line("idle: SQS polls", "sqs_million_requests", _POLLS / 1e6),
    Line("idle: X-Ray traces of Sweeper", "xray_million_traces", _MINUTES / 1e6),
    Line("idle: Sweeper, 0.1 s of 1.73 GB a minute", "lambda_gb_second", _MINUTES * 0.1 * 1769 / 1024),
    Line("idle: Sweeper's requests", "lambda_million_requests", _MINUTES / 1e6),
    Line("idle: Sweeper's schedule", "scheduler_million_invocations", _MINUTES / 1e6),
    Line("idle: Sweeper's 24 queries", "dynamodb_million_reads", 24 * 0.5 * _MINUTES / 1e6),
    Line("idle: Sweeper's log", "logs_gb", 0.017),
    Line("idle: container image (demo model)", "ecr_gb_month", 0.52),
    Line("idle: custom metrics (an idle stack writes none)", "cloudwatch_metrics", 0),
    Line("idle: metrics that alarms read (Alarms=essential)", "cloudwatch_alarms", 10),
    Line("idle: dashboard", "cloudwatch_dashboards", 1),
)
