"""Alarms and the dashboard: what they read exists, what exists is shown, and they cost what the documents say."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest

from imagegen import telemetry
from tests.support.alarms import alarms
from tests.support.aws_metrics import DOCUMENTED
from tests.support.evaluate import Resources, Template, broken_rules, evaluate
from tests.template.test_cost import OPERATIONS
from tools.deploy.parameters import accepts
from tools.local.runbook_commands import sections

KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TOPIC = "arn:aws:sns:eu-central-1:111122223333:on-call"
GRADUAL = {"Rollout": "Canary10Percent5Minutes"}
ALL = {"Alarms": "all", "ContentCredentialsKeyArn": KEY, **GRADUAL}
ESSENTIAL = {
    "server-error-rate", "errors", "sweeper", "oldest-job", "job-dead-letters", "webhook-dead-letters", "spending",
    "moderation-unavailable",
}  # fmt: skip
SPEED = {"job-duration", "latency", "throttles", "recursion", "cold-starts"}
EVERY = ESSENTIAL | SPEED | {"provenance-unavailable", "rollout"}
QUESTIONS = ["Is it up?", "Is it fast?", "Is it busy?", "What does it cost?", "What was refused?"]
OWN_DIMENSIONS = {"Usd": {"model"}, "ModerationBlocked": {"category"}}
FREE_ALARM_METRICS, FREE_METRICS_OF_A_DASHBOARD = 10, 50
PARTS = ("What it means", "Diagnose", "Mitigate", "Resolved when")


@dataclass(frozen=True)
class Metric:
    namespace: str
    name: str
    dimensions: frozenset[str]


def metrics_of(alarm: Any) -> list[Metric]:
    """Return what CloudWatch bills of an alarm: each metric that it reads."""
    read = [each["MetricStat"]["Metric"] for each in alarm.get("Metrics", []) if "MetricStat" in each]
    return [
        Metric(each["Namespace"], each["MetricName"], frozenset(name["Name"] for name in each["Dimensions"]))
        for each in (read or [alarm])
    ]


def dashboard(resources: Resources) -> list[Any]:
    body = resources["MonitoringDashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    widgets: list[Any] = json.loads(body)["widgets"]
    return widgets


def drawn(widgets: list[Any]) -> list[list[Any]]:
    """Return the metrics of the widgets, without expressions and without options."""
    entries = [entry for widget in widgets for entry in widget["properties"].get("metrics", [])]
    return [[part for part in entry if isinstance(part, str)] for entry in entries if isinstance(entry[0], str)]


def shown(widgets: list[Any]) -> set[Metric]:
    return {Metric(entry[0], entry[1], frozenset(entry[2::2])) for entry in drawn(widgets)}


def named(resources: Resources) -> set[Metric]:
    return shown(dashboard(resources)) | {each for alarm in alarms(resources).values() for each in metrics_of(alarm)}


@pytest.fixture(scope="module")
def everything(template: Template) -> Resources:
    return evaluate(template, **ALL)


def test_every_metric_that_is_named_is_one_that_aws_documents_or_the_code_emits(everything: Resources) -> None:
    for each in named(everything):
        if each.namespace == telemetry.NAMESPACE:
            assert each.name in telemetry.UNITS, each
            assert each.dimensions - {"service"} == OWN_DIMENSIONS.get(each.name, set()), each
        else:
            assert each.dimensions in DOCUMENTED[each.namespace][each.name], each


def test_every_metric_that_the_code_emits_is_on_the_dashboard(everything: Resources) -> None:
    ours = {each.name for each in shown(dashboard(everything)) if each.namespace == telemetry.NAMESPACE}
    assert ours == telemetry.UNITS.keys()


def test_the_list_of_documented_metrics_has_no_unused_one(everything: Resources) -> None:
    used = {(each.namespace, each.name) for each in named(everything)}
    listed = {(namespace, name) for namespace, names in DOCUMENTED.items() for name in names}
    assert listed - used == set()


def test_metrics_have_the_stack_as_their_service(everything: Resources) -> None:
    service = everything["Worker"]["Properties"]["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
    assert service == {"Ref": "AWS::StackName"}
    for entry in drawn(dashboard(everything)):
        if entry[0] == telemetry.NAMESPACE:
            assert dict(zip(entry[2::2], entry[3::2], strict=True))["service"] == "${AWS::StackName}"


def test_blocks_of_every_category_are_shown(everything: Resources) -> None:
    blocks = [entry for entry in drawn(dashboard(everything)) if entry[1] == "ModerationBlocked"]
    assert [entry[-1] for entry in blocks] == list(telemetry.CATEGORIES)


def test_receipts_are_those_of_the_one_model_of_the_stack(template: Template) -> None:
    resources = evaluate(template, Model="sd-turbo")
    (usd,) = [entry for entry in drawn(dashboard(resources)) if entry[1] == "Usd"]
    assert usd[-2:] == ["model", "sd-turbo"]
    assert resources["Worker"]["Properties"]["Environment"]["Variables"]["MODEL_IDS"] == "sd-turbo"


@pytest.mark.parametrize(
    ("parameters", "names", "billed"),
    [
        ({}, ESSENTIAL, 10),
        ({"ContentCredentialsKeyArn": KEY}, ESSENTIAL | {"provenance-unavailable"}, 11),
        (GRADUAL, ESSENTIAL | {"rollout"}, 16),
        ({"Alarms": "all"}, ESSENTIAL | SPEED, 18),
        (ALL, EVERY, 25),
        ({"Alarms": "off", "ContentCredentialsKeyArn": KEY}, set(), 0),
    ],
)
def test_alarms_of_each_choice_and_what_is_billed(
    template: Template, parameters: dict[str, str], names: set[str], billed: int
) -> None:
    found = alarms(evaluate(template, **parameters))
    assert found.keys() == names
    assert sum(len(metrics_of(alarm)) for alarm in found.values()) == billed


def test_what_alarms_cost_is_stated(template: Template) -> None:
    billed = {
        choice: sum(len(metrics_of(alarm)) for alarm in alarms(evaluate(template, Alarms=choice)).values())
        for choice in ("essential", "all")
    }
    assert billed["essential"] <= FREE_ALARM_METRICS
    description = template["Parameters"]["Alarms"]["Description"]
    assert "They use ten alarm metrics" in description
    assert f"{billed['all']} alarm metrics, {billed['all'] / 10:.2f} USD" in description
    for choice, number in billed.items():
        assert f"| `{choice}` | {number} | {number / 10:.2f} |" in OPERATIONS


def test_each_alarm_notifies_when_it_goes_off_and_when_it_recovers(template: Template) -> None:
    own = evaluate(template, **ALL)
    assert own["AlarmTopic"]["Type"] == "AWS::SNS::Topic"
    for alarm in alarms(own).values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlarmTopic"}]
    given = evaluate(template, **ALL, AlarmTopicArn=TOPIC)
    assert not [name for name, each in given.items() if each["Type"].startswith("AWS::SNS::")]
    for alarm in alarms(given).values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [TOPIC]
    assert not [each for each in evaluate(template, Alarms="off").values() if each["Type"].startswith("AWS::SNS::")]


def test_only_alarms_of_this_stack_may_publish(everything: Resources) -> None:
    allow, deny = everything["AlarmTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (allow["Effect"], allow["Principal"]) == ("Allow", {"Service": "cloudwatch.amazonaws.com"})
    assert allow["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    assert allow["Condition"]["ArnLike"]["aws:SourceArn"]["Fn::Sub"].endswith(":alarm:${AWS::StackName}-*")
    assert deny["Effect"] == "Deny"


def test_an_address_subscribes_to_the_stacks_own_topic(template: Template) -> None:
    subscribed = evaluate(template, AlarmEmail="ops@example.com")["AlarmSubscription"]["Properties"]
    assert (subscribed["Protocol"], subscribed["Endpoint"]) == ("email", "ops@example.com")
    assert "AlarmSubscription" not in evaluate(template)
    assert not broken_rules(template, AlarmEmail="ops@example.com")
    assert len(broken_rules(template, AlarmEmail="ops@example.com", AlarmTopicArn=TOPIC)) == 1
    assert len(broken_rules(template, AlarmEmail="ops@example.com", Alarms="off")) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Alarms", "on"), ("Alarms", ""), ("Dashboard", "yes"), ("AlarmTopicArn", "on-call"),
        ("AlarmTopicArn", f"{TOPIC}.fifo"), ("AlarmTopicArn", KEY), ("AlarmEmail", "ops"), ("AlarmEmail", "a b@c"),
        ("AlarmEmail", "a@b@c"), ("AlarmUsdPerHour", "0"), ("AlarmUsdPerHour", "0.00"), ("AlarmUsdPerHour", "-1"),
        ("AlarmUsdPerHour", "05"), ("AlarmUsdPerHour", "1e3"), ("AlarmUsdPerHour", ""), ("AlarmUsdPerHour", "3 USD"),
    ],
)  # fmt: skip
def test_bad_values_are_rejected(template: Template, name: str, value: str) -> None:
    assert not accepts(template["Parameters"][name], value)


@pytest.mark.parametrize("value", ["0.5", "3", "12.75", "0.00000001"])
def test_amounts_are_numbers_of_the_dashboard(template: Template, value: str) -> None:
    assert accepts(template["Parameters"]["AlarmUsdPerHour"], value)
    assert dashboard(evaluate(template, AlarmUsdPerHour=value))


def test_only_the_sweeper_must_report(everything: Resources) -> None:
    """No other part of an idle stack does."""
    missing = {name: alarm["TreatMissingData"] for name, alarm in alarms(everything).items()}
    assert missing == {name: "breaching" if name == "sweeper" else "notBreaching" for name in EVERY}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("errors", ("Sum", 300, 2, 10)),
        ("job-duration", ("Average", 300, 2, 5 * 60 * 1000)),
        ("oldest-job", ("Maximum", 300, 1, 2 * 900)),
        ("server-error-rate", ("Average", 300, 3, 0.05)),
    ],
)
def test_thresholds(everything: Resources, name: str, expected: tuple[str, int, int, float]) -> None:
    alarm = alarms(everything)[name]
    found = (alarm["Statistic"], alarm["Period"], alarm["EvaluationPeriods"], alarm["Threshold"])
    assert found == expected
    assert alarm["ComparisonOperator"] == "GreaterThanThreshold"


def test_speed_and_spending_are_compared_with_the_parameters(template: Template) -> None:
    found = alarms(
        evaluate(template, Alarms="all", GatewayTimeoutSeconds="120", GeneratorMemory="4096", AlarmUsdPerHour="0.5")
    )
    assert found["latency"]["Metrics"][0]["Expression"] == "100 * p95 / (120 * 1000)"
    spending = found["spending"]["Metrics"][0]["Expression"]
    assert spending == "(FILL(generator, 0) + FILL(worker, 0)) / 1000 * 4096 / 1024 * 0.0000166667"
    assert found["spending"]["Threshold"] == "0.5"


def test_the_dashboard_asks_five_questions_from_top_to_bottom(everything: Resources) -> None:
    widgets = dashboard(everything)
    headings = [each for each in widgets if each["type"] == "text"]
    assert [each["properties"]["markdown"].removeprefix("## ") for each in headings] == QUESTIONS
    assert [each["y"] for each in headings] == sorted(each["y"] for each in headings)
    cells = [
        (x, y)
        for each in widgets
        for x in range(each["x"], each["x"] + each["width"])
        for y in range(each["y"], each["y"] + each["height"])
    ]
    assert len(set(cells)) == len(cells), "widgets overlap"
    assert max(x for x, _ in cells) < 24


def test_the_dashboard_is_within_the_free_tier_and_can_be_switched_off(
    template: Template, everything: Resources
) -> None:
    distinct = {tuple(entry) for entry in drawn(dashboard(everything))}
    assert len(distinct) <= FREE_METRICS_OF_A_DASHBOARD
    assert "MonitoringDashboard" not in evaluate(template, Dashboard="false")


def test_the_dashboards_spending_is_the_alarms(everything: Resources) -> None:
    (line,) = [
        entry[0]["expression"]
        for widget in dashboard(everything)
        for entry in widget["properties"].get("metrics", [])
        if isinstance(entry[0], dict)
    ]
    assert line == alarms(everything)["spending"]["Metrics"][0]["Expression"]


def test_every_alarm_has_a_runbook_and_every_runbook_an_alarm(everything: Resources) -> None:
    links = {name: alarm["AlarmDescription"].rpartition(" Runbook ")[2] for name, alarm in alarms(everything).items()}
    assert sorted(links.values()) == sorted(sections())
    assert {name: link.rpartition("#")[2] for name, link in links.items()} == {name: name for name in EVERY}


@pytest.mark.parametrize("link", sorted(sections()))
def test_a_runbook_says_what_it_means_where_to_look_what_to_do_and_when_it_is_healed(link: str) -> None:
    found = re.findall(r"^\*\*(.+?)\.\*\*", sections()[link], re.MULTILINE)
    assert tuple(found) == PARTS
