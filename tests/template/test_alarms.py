"""Alarms: when they exist, what they do, and what they cost."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.evaluate import Resources, Template, evaluate
from tests.support.monitoring import TOPIC, alarms, metrics_of
from tests.template.test_cost import MODELS, OPERATIONS, price_of, table, usd_per_hour
from tools.local.process import ROOT

KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
USD_PER_METRIC = 0.10
"""A month of a standard-resolution alarm on one metric (us-east-1)."""
RUNBOOKS = (ROOT / "docs" / "runbooks.md").read_text()
PARTS = ["What it means", "Look here", "Do this", "Healed when"]
IDENTIFIER = re.compile(r"\b[a-z][a-z_]*\b")


@pytest.fixture(scope="module")
def alarmed(template: Template) -> Resources:
    """A deployment with every alarm."""
    return evaluate(template, AlarmTopicArn=TOPIC, ContentCredentialsKeyArn=KEY)


def name_of(alarm: Any) -> str:
    return str(alarm["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-"))


def test_without_a_topic_there_are_no_alarms(template: Template) -> None:
    assert alarms(evaluate(template, ContentCredentialsKeyArn=KEY)) == {}


def test_what_is_turned_off_has_no_alarm(template: Template) -> None:
    every = set(alarms(evaluate(template, AlarmTopicArn=TOPIC, ContentCredentialsKeyArn=KEY)))
    unsigned = set(alarms(evaluate(template, AlarmTopicArn=TOPIC)))
    unmoderated = set(alarms(evaluate(template, AlarmTopicArn=TOPIC, ContentCredentialsKeyArn=KEY, Moderation="false")))
    assert every - unsigned == {"ProvenanceUnavailableAlarm"}
    assert every - unmoderated == {"ModerationUnavailableAlarm"}


def test_each_reports_to_the_topic_that_it_went_off_and_that_it_ended(alarmed: Resources) -> None:
    for name, alarm in alarms(alarmed).items():
        assert (alarm["AlarmActions"], alarm["OKActions"]) == ([TOPIC], [TOPIC]), name
        assert alarm.get("ActionsEnabled", True) is True, name


def test_only_the_sweepers_absence_is_an_alarm_without_data(alarmed: Resources) -> None:
    """CloudWatch's default would leave an alarm without traffic in the state "insufficient data"."""
    treatments = {name: alarm["TreatMissingData"] for name, alarm in alarms(alarmed).items()}
    assert treatments.pop("SweeperAlarm") == "breaching"
    assert set(treatments.values()) == {"notBreaching"}


def test_each_expression_reads_exactly_its_metrics(alarmed: Resources) -> None:
    for name, alarm in alarms(alarmed).items():
        queries = alarm.get("Metrics", [])
        expressions = [each for each in queries if "Expression" in each]
        read = {each["Id"] for each in queries if "MetricStat" in each}
        assert len(expressions) == bool(queries), name
        for each in expressions:
            assert each.get("ReturnData", True), name
            expression = each["Expression"]
            text = expression if isinstance(expression, str) else expression["Fn::Sub"][0]
            assert set(IDENTIFIER.findall(text)) == read, name
        assert all(each["ReturnData"] is False for each in queries if "MetricStat" in each), name


def test_metrics_of_an_alarm_have_one_period(alarmed: Resources) -> None:
    for name, alarm in alarms(alarmed).items():
        periods = {each["MetricStat"]["Period"] for each in alarm.get("Metrics", []) if "MetricStat" in each}
        assert len(periods) <= 1, name


@pytest.mark.parametrize("seconds", ["28", "120"])
def test_latency_is_compared_with_the_timeout_and_above_the_longest_wait(template: Template, seconds: str) -> None:
    alarm = alarms(evaluate(template, AlarmTopicArn=TOPIC, GatewayTimeoutSeconds=seconds))["LatencyAlarm"]
    assert alarm["Metrics"][0]["Expression"] == f"100 * latency / (1000 * {seconds})"
    assert int(seconds) * alarm["Threshold"] / 100 > 25  # `Prefer: wait=25` is no fault


def test_an_hour_at_full_capacity_sets_off_the_alarm_on_spending(template: Template) -> None:
    resources = evaluate(template, AlarmTopicArn=TOPIC)
    ceiling = sum(usd_per_hour(resources, name) for name in MODELS)
    assert 0 < float(alarms(resources)["SpendingAlarm"]["Threshold"]) < ceiling


def test_spending_has_the_price_of_the_receipts(template: Template) -> None:
    resources = evaluate(template, AlarmTopicArn=TOPIC, Architecture="arm64", GeneratorMemory="4096")
    text, variables = alarms(resources)["SpendingAlarm"]["Metrics"][0]["Expression"]["Fn::Sub"]
    assert text.endswith("/ 1000 * 4096 / 1024 * ${Price}")
    assert variables == {"Price": price_of(resources, "Worker")}


def test_the_api_is_found_by_the_name_that_sam_gives_it(alarmed: Resources) -> None:
    title = alarmed["Gateway"]["Properties"]["Body"]["info"]["title"]
    metrics = alarms(alarmed)["ServerErrorRateAlarm"]["Metrics"]
    dimensions = [each["MetricStat"]["Metric"]["Dimensions"] for each in metrics if "MetricStat" in each]
    assert dimensions == [[{"Name": "ApiName", "Value": title}, {"Name": "Stage", "Value": "v1"}]] * 2


def test_the_services_own_metrics_are_those_of_the_stack(alarmed: Resources) -> None:
    """Without it, an error of one stack would set off the alarms of all stacks of the account."""
    variables = alarmed["Generator"]["Properties"]["Environment"]["Variables"]
    stack = [{"Name": "service", "Value": variables["POWERTOOLS_SERVICE_NAME"]}]
    for name, alarm in alarms(alarmed).items():
        for each in alarm.get("Metrics", [{"MetricStat": {"Metric": alarm}}]):
            metric = each.get("MetricStat", {}).get("Metric", {})
            assert metric.get("Namespace") != "ImageGen" or metric["Dimensions"] == stack, name


def test_operations_states_the_price_of_each(alarmed: Resources) -> None:
    *rows, total = table("Alarms")
    stated = {row[0].split("]")[0].strip("[`"): (int(row[-2]), float(row[-1])) for row in rows}
    counts = {name_of(alarm): len(metrics_of(alarm)) for alarm in alarms(alarmed).values()}
    assert stated == {name: (count, round(count * USD_PER_METRIC, 2)) for name, count in counts.items()}
    assert int(total[-2].strip("*")) == sum(counts.values())
    assert float(total[-1].strip("*")) == pytest.approx(sum(counts.values()) * USD_PER_METRIC)
    assert f"{len(counts)} alarms" in OPERATIONS


def test_each_has_a_runbook_that_its_description_names(alarmed: Resources) -> None:
    sections = re.findall(r"^## ([a-z-]+)\n", RUNBOOKS, re.MULTILINE)
    assert sections == [name_of(alarm) for alarm in sorted_as_in_template(alarms(alarmed))]
    for alarm in alarms(alarmed).values():
        assert alarm["AlarmDescription"].endswith(f" docs/runbooks.md#{name_of(alarm)}")


def sorted_as_in_template(found: dict[str, Any]) -> list[Any]:
    source = (ROOT / "template.yaml").read_text()
    return [found[name] for name in sorted(found, key=lambda name: source.index(f"\n  {name}:\n"))]


def test_each_runbook_says_what_to_do() -> None:
    for section in re.split(r"^## ", RUNBOOKS, flags=re.MULTILINE)[1:-1]:
        assert re.findall(r"^\*\*([A-Z][a-z ]+?)\.?\*\*", section, re.MULTILINE) == PARTS, section.splitlines()[0]


def test_each_link_of_a_runbook_has_its_section() -> None:
    sections = re.findall(r"^## (.+)$", RUNBOOKS, re.MULTILINE)
    anchors = {each.lower().replace(" ", "-") for each in sections}
    assert set(re.findall(r"\]\(#([\w-]+)\)", RUNBOOKS.replace("\n", " "))) - anchors == set()
