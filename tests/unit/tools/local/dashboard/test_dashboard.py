"""The local picture shows the widgets of the template with the values of the functions' log."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from imagegen import telemetry
from tests.template.conftest import translated
from tools.local.dashboard.function_log import FunctionLog
from tools.local.dashboard.plot import draw
from tools.local.dashboard.series import points, statistic
from tools.local.dashboard.widgets import Line, Widget, widgets_of_template

STACK = "imagegen-local"


@pytest.fixture(scope="module")
def board() -> list[Widget]:
    return widgets_of_template(translated(), {"AWS::StackName": STACK, "Model": "sd-turbo"})


def document(at_ms: int, **values: float | list[float]) -> str:
    metrics = [{"Name": name, "Unit": "Count"} for name in values]
    directive = {"Namespace": telemetry.NAMESPACE, "Dimensions": [["service"]], "Metrics": metrics}
    return json.dumps({"_aws": {"Timestamp": at_ms, "CloudWatchMetrics": [directive]}, "service": STACK, **values})


def cold_start(message: str, waited_ms: int) -> str:
    cold = {"cold_start_cause": "new_environment", "cold_start_ms": waited_ms, "cold_start_usd": 0.0005}
    return json.dumps({"message": message, **cold})


FAILED = json.dumps({"message": "failed", "route": "POST /generate", "code": "out_of_range", "status": 422})
LINES = [
    document(1_000, Requests=[1.0], Duration=[100.0]),
    "12:00:01 POST   /v1/generate 200 36 ms request a",
    document(2_000, Requests=[1.0, 1.0], Duration=300.0),
    '{"message": "ran"}', "[1]", "", '{"_aws": {"Timest',
    document(61_000, Requests=[1.0], Duration=[500.0]),
    FAILED, FAILED,
    json.dumps({"message": "failed", "code": "storage_unavailable", "status": 503}),
    cold_start("warmed", 900), cold_start("generated", 1200), cold_start("generated", 2400),
]  # fmt: skip


def requests(stat: str, name: str = "Requests") -> Line:
    return Line(telemetry.NAMESPACE, name, frozenset({("service", STACK)}), stat, "")


def test_a_log_has_metrics_failures_and_lines_of_others() -> None:
    log = FunctionLog.of(LINES)
    assert sum(each.value for each in log.samples if each.name == "Requests") == 4
    assert log.failures == Counter({("POST /generate", "out_of_range", 422): 2, ("-", "storage_unavailable", 503): 1})


def test_tables_are_those_of_the_dashboard_with_the_most_frequent_rows_first(board: list[Widget]) -> None:
    tables = FunctionLog.of(LINES).tables()
    assert tables.keys() == {each.title for each in board if each.kind == "log"}
    assert tables["Failures by route and code"][1:] == [
        ("POST /generate", "out_of_range", "422", "2"),
        ("-", "storage_unavailable", "503", "1"),
    ]
    assert tables["Cold starts by cause"][1:] == [
        ("generated", "new_environment", "2", "3.6", "0.00100"),
        ("warmed", "new_environment", "1", "0.9", "0.00050"),
    ]


def test_values_of_a_period_are_one_point() -> None:
    samples = FunctionLog.of(LINES).samples
    assert points(requests("Sum"), samples, 60) == [(0, 3), (60, 1)]
    assert points(requests("Average", "Duration"), samples, 60) == [(0, 200), (60, 500)]
    assert points(requests("Sum", "Images"), samples, 60) == []


def test_another_stacks_values_are_not_shown() -> None:
    other = Line(telemetry.NAMESPACE, "Requests", frozenset({("service", "other")}), "Sum", "")
    assert points(other, FunctionLog.of(LINES).samples, 60) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Sum", 55), ("Average", 5.5), ("Maximum", 10), ("SampleCount", 10), ("p50", 5), ("p95", 10), ("p99", 10)],
)
def test_statistics(name: str, expected: float) -> None:
    assert statistic(name, [float(each) for each in range(1, 11)]) == expected


def test_an_unknown_statistic_is_an_error() -> None:
    with pytest.raises(ValueError, match="Median"):
        statistic("Median", [1.0])


def test_every_widget_and_statistic_of_the_template_is_known(board: list[Widget]) -> None:
    assert Counter(each.kind for each in board) == {"text": 5, "metric": 19, "log": 2}
    for line in (line for each in board for line in each.lines):
        statistic(line.stat, [1.0])
    ours = {line.name: line.dimensions for each in board for line in each.lines if line.namespace == "ImageGen"}
    assert ours.keys() == telemetry.UNITS.keys()
    assert ours["Errors"] == {("service", STACK)}
    assert ours["Usd"] == {("service", STACK), ("model", "sd-turbo")}


@pytest.mark.parametrize("lines", [LINES, []], ids=["a run", "nothing"])
def test_the_picture_is_drawn(board: list[Widget], lines: list[str], tmp_path: Path) -> None:
    log, path = FunctionLog.of(lines), tmp_path / "new" / "dashboard.png"
    found = {line: points(line, log.samples, 60) for each in board for line in each.lines}
    draw(board, found, log.tables(), 0, path, "a test")
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.width > picture.height > 1000
