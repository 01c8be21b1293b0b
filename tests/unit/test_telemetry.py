"""What the service counts, read from the log as CloudWatch reads it, and what its dashboard and alarms read."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from imagegen import telemetry
from tests.conftest import ROOT
from tests.support.emitted_metrics import CALLS, public_functions
from tests.support.evaluate import evaluate
from tests.support.monitoring import AWS_METRICS, TOPIC, Metric, alarms, dashboard, metrics_of, widget_metrics
from tests.template.conftest import translated

STACK = "imagegen-dev"
KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.fixture(scope="module")
def documents() -> list[dict[str, Any]]:
    """The documents in CloudWatch's embedded metric format of a process of the stack, one per line of its log."""
    command = [sys.executable, "-m", "tests.support.emitted_metrics"]
    environment = os.environ | {
        "POWERTOOLS_SERVICE_NAME": STACK,
        "PYTHONPATH": os.pathsep.join(["function", "cli", "."]),
    }
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return [document for line in done.stdout.splitlines() if "_aws" in (document := json.loads(line))]


@pytest.fixture(scope="module")
def emitted(documents: list[dict[str, Any]]) -> set[Metric]:
    return {
        Metric(each["Namespace"], metric["Name"], frozenset(dimensions))
        for document in documents
        for each in document["_aws"]["CloudWatchMetrics"]
        for metric in each["Metrics"]
        for dimensions in each["Dimensions"]
    }


@pytest.fixture(scope="module")
def named() -> set[Metric]:
    """Every metric that an alarm or a widget reads."""
    resources = evaluate(translated(), AlarmTopicArn=TOPIC, ContentCredentialsKeyArn=KEY)
    in_alarms = [metric for alarm in alarms(resources).values() for metric in metrics_of(alarm)]
    return {*in_alarms, *widget_metrics(dashboard(resources))}


def test_every_function_that_may_count_is_called() -> None:
    assert CALLS.keys() == public_functions()


def test_nothing_else_counts() -> None:
    modules = [file for file in (ROOT / "function" / "imagegen").rglob("*.py") if "_metric(" in file.read_text()]
    assert [str(file) for file in modules] == [telemetry.__file__]


def test_each_metric_is_the_stacks_own(documents: list[dict[str, Any]]) -> None:
    assert {document["service"] for document in documents} == {STACK}
    for document in documents:
        for each in document["_aws"]["CloudWatchMetrics"]:
            assert each["Namespace"] == telemetry.NAMESPACE
            assert all("service" in dimensions for dimensions in each["Dimensions"])


def test_alarms_and_widgets_name_only_what_is_emitted(named: set[Metric], emitted: set[Metric]) -> None:
    """A wrong name or dimension is no error in CloudWatch: the alarm just never goes off."""
    assert {metric for metric in named if metric.namespace == telemetry.NAMESPACE} - emitted == set()


def test_everything_that_is_emitted_is_shown(named: set[Metric], emitted: set[Metric]) -> None:
    """Except by code, stage or category: an unknown number of metrics would make the dashboard cost money."""
    assert {metric for metric in emitted if metric.dimensions == {"service"}} - named == set()


def test_metrics_of_aws_are_documented_ones(named: set[Metric]) -> None:
    foreign = {metric for metric in named if metric.namespace != telemetry.NAMESPACE}
    assert foreign - AWS_METRICS == set()
    assert foreign == AWS_METRICS  # none is listed that nothing uses


def test_operations_lists_what_is_emitted(emitted: set[Metric]) -> None:
    document = (ROOT / "docs" / "operations.md").read_text()
    paragraph = document.split("Metrics (namespace `ImageGen`): ")[1].split("\n\n")[0]
    listed = set(re.findall(r"`([A-Z][A-Za-z]+)`", paragraph)) - {"Invocations"}  # Lambda's own
    assert listed == {metric.name for metric in emitted}
