"""The dashboard: its questions in order, a valid document, and no more than is free."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.evaluate import Resources, Template, evaluate
from tests.support.monitoring import dashboard, widget_metrics

QUESTIONS = ["Is it up?", "Is it fast?", "Is it busy?", "What does it cost?", "What was refused?"]
FREE_METRICS = 50
"""Of a dashboard that is free of charge, the first three of an account."""
MOST_OWN_METRICS = 30


@pytest.fixture(scope="module")
def widgets(resources: Resources) -> list[Any]:
    found: list[Any] = dashboard(resources)["widgets"]
    return found


def test_it_answers_the_operators_questions_from_top_to_bottom(widgets: list[Any]) -> None:
    headings = sorted((each for each in widgets if each["type"] == "text"), key=lambda each: each["y"])
    assert [each["properties"]["markdown"] for each in headings] == [f"## {question}" for question in QUESTIONS]
    for heading, below in zip(headings, [*headings[1:], None], strict=True):
        end = below["y"] if below else float("inf")
        assert [each for each in widgets if each["type"] == "metric" and heading["y"] < each["y"] < end], heading


def test_widgets_fit_the_grid_and_do_not_overlap(widgets: list[Any]) -> None:
    cells = [
        (x, y)
        for each in widgets
        for x in range(each["x"], each["x"] + each["width"])
        for y in range(each["y"], each["y"] + each["height"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_it_costs_nothing_within_the_free_dashboards(resources: Resources) -> None:
    metrics = widget_metrics(dashboard(resources))
    assert len(metrics) <= FREE_METRICS
    assert len({each for each in metrics if each.namespace == "ImageGen"}) <= MOST_OWN_METRICS


def test_everything_in_it_exists(resources: Resources) -> None:
    (body,) = [each for each in resources.values() if each["Type"] == "AWS::CloudWatch::Dashboard"]
    text, variables = body["Properties"]["DashboardBody"]["Fn::Sub"]
    assert set(re.findall(r"\$\{(\w+)", text)) - resources.keys() == {"AWS", *variables}


@pytest.mark.parametrize(("parameters", "price"), [({}, "0.0000166667"), ({"Architecture": "arm64"}, "0.0000133334")])
def test_the_cost_has_the_price_of_the_receipts(template: Template, parameters: dict[str, str], price: str) -> None:
    found = dashboard(evaluate(template, **parameters))["widgets"]
    rows = [row for each in found for row in each["properties"].get("metrics", [])]
    (expression,) = [row[0]["expression"] for row in rows if isinstance(row[0], dict)]
    assert expression.endswith(f"* {price}")


def test_it_can_be_left_out(template: Template) -> None:
    types = {each["Type"] for each in evaluate(template, CreateDashboard="false").values()}
    assert "AWS::CloudWatch::Dashboard" not in types
