"""The commands of docs/runbooks name resources of the template, and search the logs for what the functions write."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from imagegen import telemetry
from imagegen.generation.result import ColdStartCause
from tests.support.evaluate import Resources, Template, evaluate
from tests.unit.test_telemetry import everything_happens
from tools.local import log_pattern
from tools.local.log_pattern import comparison, matches
from tools.local.runbook_commands import blocks_by_alarm, functions, sections

SCRIPT = "\n".join([functions(), *(block for blocks in blocks_by_alarm().values() for block in blocks)])
CALLED = {"Generator", "Worker", "Sweeper"}
"""Functions that the commands look at or change."""
WORK = {"generated", "ran", "warmed"}
"""Lines that are no failures."""
RUNBOOK_OF_COLD_STARTS = sections()["docs/runbooks/requests.md#cold-starts"]


@pytest.fixture(scope="module")
def everything(template: Template) -> Resources:
    return evaluate(template, Alarms="all")


def log_groups() -> set[str]:
    direct = re.findall(r"\b(?:lines|failures) (\w+)", SCRIPT)
    loops = [name for names in re.findall(r"\bfor group in (.*?); do", SCRIPT) for name in names.split()]
    return {*direct, *loops}


def patterns(group: str = r"\S+") -> set[str]:
    """Return the patterns of the commands that search the group, a regular expression."""
    return set(re.findall(rf"\blines {group} '(.*?)'", SCRIPT))


def test_logical_ids_are_those_of_the_template(everything: Resources) -> None:
    kinds = {name: everything[name]["Type"] for name in re.findall(r"\bphysical_id (\w+)", SCRIPT)}
    assert kinds.keys() == {*CALLED, "SweeperMinute", "WebhooksDeadLetters"}
    assert {name for name, kind in kinds.items() if kind == "AWS::Lambda::Function"} == CALLED
    assert kinds["SweeperMinute"] == "AWS::Scheduler::Schedule"
    assert kinds["WebhooksDeadLetters"] == "AWS::SQS::Queue"


def test_logs_are_searched_in_log_groups(everything: Resources) -> None:
    assert len(log_groups()) == 8  # of seven functions and the gateway
    assert {everything[name]["Type"] for name in log_groups()} == {"AWS::Logs::LogGroup"}


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What the functions log if everything happens that can."""
    handler = telemetry.logger.registered_handler
    written = io.StringIO()
    handler.setStream(written)  # type: ignore[attr-defined]
    everything_happens()
    telemetry.crashed(ValueError())
    yield written.getvalue().splitlines()
    handler.setStream(sys.stdout)  # type: ignore[attr-defined]
    telemetry.metrics.clear_metrics()


def test_patterns_match_what_the_functions_log(logged: list[str]) -> None:
    searched = patterns() - patterns("GatewayLogs")
    assert len(searched) == 7
    for pattern in searched:
        found = [json.loads(line) for line in logged if matches(pattern, line)]
        assert found, pattern
        assert {each["level"] for each in found} == {"INFO" if found[0]["message"] in WORK else "ERROR"}


def test_cold_starts_are_counted_by_what_waited_and_by_cause(logged: list[str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("\n".join([*logged, '{"level":"INFO","message":"generated"}', "START RequestId", ""]))
    lines = f'lines() {{ "{sys.executable}" "{log_pattern.__file__}" --filter-pattern "$2" < "{log}"; }}\n'
    (block,) = blocks_by_alarm()["cold-starts"]
    run = subprocess.run(["bash", "-euo", "pipefail", "-c", lines + block], capture_output=True, text=True, check=True)
    counted = [tuple(line.split()) for line in run.stdout.splitlines()]
    assert counted == [("1", message, "new_environment") for message in ("generated", "ran", "warmed")]


def test_each_cause_of_a_cold_start_has_a_way_out() -> None:
    rows = re.findall(r"^\| `(?:generated |ran )?(\w+)` \| .+ \| .+ \|$", RUNBOOK_OF_COLD_STARTS, re.MULTILINE)
    assert set(rows) == set(get_args(ColdStartCause))


def test_the_dashboard_queries_fields_that_the_functions_log(everything: Resources, logged: list[str]) -> None:
    body = everything["MonitoringDashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    queries = [each["properties"]["query"] for each in json.loads(body)["widgets"] if each["type"] == "log"]
    fields = {name for line in logged for name in json.loads(line)} | {"route"}  # which `requested` appends
    for query in queries:
        asked = re.findall(r"(?:ispresent|sum)\((\w+)", query) + re.findall(r" by ([\w, ]+) \|", query)[0].split(", ")
        assert set(asked) <= fields, query
    assert len(queries) == 2


def test_failures_are_errors_and_no_refusals(logged: list[str]) -> None:
    (pattern,) = patterns(r'"\$1"')
    found = [json.loads(line) for line in logged if matches(pattern, line)]
    assert {"failed", "crashed", "given up", "dead letter", "webhook dead"} <= {each["message"] for each in found}
    assert all(each["status"] >= 500 for each in found if each["message"] == "failed")


def test_patterns_match_what_the_gateway_logs(everything: Resources) -> None:
    (stage,) = [each["Properties"] for each in everything.values() if each["Type"] == "AWS::ApiGateway::Stage"]
    values = {"$context.status": "503", "$context.resourcePath": "/generate"}
    written = stage["AccessLogSetting"]["Format"]
    for variable, value in values.items():
        written = written.replace(f'"{variable}"', f'"{value}"')
    assert len(patterns("GatewayLogs")) == 3
    assert all(matches(pattern, written) for pattern in patterns("GatewayLogs"))
    assert not any(matches(pattern, written.replace('"503"', '"200"').replace("/gen", "/")) for pattern in patterns())


@pytest.mark.parametrize(
    "pattern",
    ["", "ERROR", '{ $.level = "*" }', "{ $.status = 503 }", '{ $.a = "b" && $.c = "d" }', '{ .level = "a" }'],
)
def test_other_patterns_are_refused_instead_of_guessed(pattern: str) -> None:
    with pytest.raises(ValueError, match="comparison"):
        comparison(pattern)


@pytest.mark.parametrize(
    "line", ["", "START RequestId", "[]", "1", '{"level": "INFO"}', '{"level": 5}', '{"x": "ERROR"}']
)
def test_lines_that_do_not_match(line: str) -> None:
    assert not matches('{ $.level = "ERROR" }', line)
