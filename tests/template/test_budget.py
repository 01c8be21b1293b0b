"""The budget and the monitor of cost anomalies: off by default, and whom they notify."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.evaluate import Resources, Template, broken_rules, evaluate
from tools.deploy.parameters import accepts

TOPIC = "arn:aws:sns:us-east-1:111122223333:on-call"
EMAIL = "owner@example.com"
BUDGET, ANOMALIES = {"MonthlyBudgetUsd": "50"}, {"AnomalyUsd": "10"}
OWN_TOPIC = {"Fn::Select": [0, [{"Ref": "AlarmTopic"}, {"Ref": "AlarmTopicPolicy"}]]}
"""The stack's topic, after its policy: AWS refuses a topic that it may not notify."""
STACK_TAG = {"Fn::Sub": "aws:cloudformation:stack-name$${AWS::StackName}"}


def of_type(resources: Resources, kind: str) -> list[Any]:
    return [each["Properties"] for each in resources.values() if each["Type"] == kind]


def notified(resources: Resources) -> list[tuple[str, int, list[tuple[str, Any]]]]:
    """Return the kind, the threshold and the subscribers of each notification of the budget."""
    (budget,) = of_type(resources, "AWS::Budgets::Budget")
    return [
        (
            each["Notification"]["NotificationType"],
            each["Notification"]["Threshold"],
            [(who["SubscriptionType"], who["Address"]) for who in each["Subscribers"]],
        )
        for each in budget["NotificationsWithSubscribers"]
    ]


def anomalies_to(resources: Resources) -> list[tuple[str, str, Any]]:
    return sorted(
        (each["Frequency"], who["Type"], who["Address"])
        for each in of_type(resources, "AWS::CE::AnomalySubscription")
        for who in each["Subscribers"]
    )


def allowed_publishers(resources: Resources) -> list[str]:
    statements = resources["AlarmTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    return [each["Principal"]["Service"] for each in statements if each["Effect"] == "Allow"]


def test_there_is_none_by_default(resources: Resources) -> None:
    assert not [each for each in resources.values() if each["Type"].startswith(("AWS::Budgets::", "AWS::CE::"))]
    assert allowed_publishers(resources) == ["cloudwatch.amazonaws.com"]


def test_a_budget_is_that_of_the_stack_and_tells_the_topic_and_the_address(template: Template) -> None:
    resources = evaluate(template, **BUDGET, BudgetEmail=EMAIL)
    (budget,) = of_type(resources, "AWS::Budgets::Budget")
    assert budget["Budget"]["BudgetLimit"] == {"Amount": "50", "Unit": "USD"}
    assert (budget["Budget"]["BudgetType"], budget["Budget"]["TimeUnit"]) == ("COST", "MONTHLY")
    assert budget["Budget"]["CostFilters"] == {"TagKeyValue": [STACK_TAG]}
    both = [("SNS", OWN_TOPIC), ("EMAIL", EMAIL)]
    assert notified(resources) == [("ACTUAL", 80, both), ("ACTUAL", 100, both), ("FORECASTED", 100, both)]
    assert allowed_publishers(resources) == ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"]


@pytest.mark.parametrize(
    ("parameters", "subscribers"),
    [
        ({}, [("SNS", OWN_TOPIC)]),
        ({"AlarmTopicArn": TOPIC}, [("SNS", TOPIC)]),
        ({"AlarmTopicArn": TOPIC, "Alarms": "off"}, [("SNS", TOPIC)]),
        ({"Alarms": "off", "BudgetEmail": EMAIL}, [("EMAIL", EMAIL)]),
    ],
)
def test_a_budget_tells_whoever_there_is(
    template: Template, parameters: dict[str, str], subscribers: list[tuple[str, Any]]
) -> None:
    assert not broken_rules(template, **BUDGET, **parameters)
    assert {str(who) for _, _, who in notified(evaluate(template, **BUDGET, **parameters))} == {str(subscribers)}


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, [("IMMEDIATE", "SNS", OWN_TOPIC)]),
        ({"BudgetEmail": EMAIL}, [("DAILY", "EMAIL", EMAIL), ("IMMEDIATE", "SNS", OWN_TOPIC)]),
        ({"AlarmTopicArn": TOPIC}, [("IMMEDIATE", "SNS", TOPIC)]),
        ({"Alarms": "off", "BudgetEmail": EMAIL}, [("DAILY", "EMAIL", EMAIL)]),
    ],
)
def test_a_topic_hears_of_an_anomaly_at_once_and_an_address_daily(
    template: Template, parameters: dict[str, str], expected: list[tuple[str, str, Any]]
) -> None:
    assert not broken_rules(template, **ANOMALIES, **parameters)
    assert anomalies_to(evaluate(template, **ANOMALIES, **parameters)) == expected


def test_anomalies_are_those_of_the_stack_beyond_the_threshold(template: Template) -> None:
    resources = evaluate(template, **ANOMALIES, BudgetEmail=EMAIL)
    (monitor,) = of_type(resources, "AWS::CE::AnomalyMonitor")
    assert monitor["MonitorType"] == "CUSTOM"
    assert json.loads(monitor["MonitorSpecification"]["Fn::Sub"]) == {
        "Tags": {"Key": "aws:cloudformation:stack-name", "Values": ["${AWS::StackName}"]}
    }
    for each in of_type(resources, "AWS::CE::AnomalySubscription"):
        assert each["MonitorArnList"] == [{"Ref": "AnomalyMonitor"}]
        assert json.loads(each["ThresholdExpression"]) == {
            "Dimensions": {
                "Key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE",
                "MatchOptions": ["GREATER_THAN_OR_EQUAL"],
                "Values": ["10"],
            }
        }
    assert allowed_publishers(resources) == ["cloudwatch.amazonaws.com", "costalerts.amazonaws.com"]


@pytest.mark.parametrize("principal", ["budgets.amazonaws.com", "costalerts.amazonaws.com"])
def test_only_this_accounts_budgets_may_publish(template: Template, principal: str) -> None:
    resources = evaluate(template, **BUDGET, **ANOMALIES)
    statements = resources["AlarmTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    (found,) = [each for each in statements if each["Principal"] == {"Service": principal}]
    assert (found["Action"], found["Resource"]) == ("sns:Publish", {"Ref": "AlarmTopic"})
    assert found["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}


@pytest.mark.parametrize("watched", [BUDGET, ANOMALIES, BUDGET | ANOMALIES])
def test_a_budget_that_would_tell_nobody_is_refused(template: Template, watched: dict[str, str]) -> None:
    assert len(broken_rules(template, **watched, Alarms="off")) == 1
    assert not broken_rules(template, **watched)


def test_an_address_without_a_budget_is_refused(template: Template) -> None:
    assert len(broken_rules(template, BudgetEmail=EMAIL)) == 1


@pytest.mark.parametrize("name", ["MonthlyBudgetUsd", "AnomalyUsd"])
@pytest.mark.parametrize(
    ("value", "valid"),
    [
        ("0", True), ("0.01", True), ("0.5", True), ("50", True), ("1234567.89", True),
        ("", False), ("0.0", False), ("0.00", False), ("-1", False), ("1e3", False), ("050", False), ("50.123", False),
        ("50 USD", False), ("NaN", False), ("12345678", False),
    ],
)  # fmt: skip
def test_dollars(template: Template, name: str, value: str, valid: bool) -> None:
    assert accepts(template["Parameters"][name], value) is valid


@pytest.mark.parametrize(("value", "valid"), [(EMAIL, True), ("", True), ("owner", False), ("a b@c", False)])
def test_address(template: Template, value: str, valid: bool) -> None:
    assert accepts(template["Parameters"]["BudgetEmail"], value) is valid
