"""What the stack can cost per hour at most, and what it costs while idle: the documents' numbers, from the template."""

from __future__ import annotations

import re
from typing import Any

import pytest

from imagegen.settings import Settings
from tests.support.evaluate import Resources, Template, evaluate
from tests.template.test_functions import FUNCTIONS
from tools.deploy.parameters import resolve
from tools.deploy.quotas import reservations
from tools.local.process import ROOT

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
README = (ROOT / "README.md").read_text()
MODELS = ("Generator", "Worker")
ENVIRONMENTS = ["dev", "staging", "prod"]


def values(environment: str) -> dict[str, str]:
    return {name: each.value for name, each in resolve(environment, []).items()}


def maximum_concurrency(resources: Resources, function: str) -> int | None:
    """Return the MaximumConcurrency of the function's only event source, or None."""
    for each in resources.values():
        if each["Type"] == "AWS::Lambda::EventSourceMapping" and each["Properties"]["FunctionName"] == {
            "Ref": f"{function}Aliaslive"
        }:
            limit = each["Properties"].get("ScalingConfig", {}).get("MaximumConcurrency")
            return int(limit) if limit is not None else None
    return None


def limit(resources: Resources, function: str) -> int:
    """Return how many executions of the function can run at once."""
    reserved = resources[function]["Properties"].get("ReservedConcurrentExecutions")
    bounds = [int(each) for each in (reserved, maximum_concurrency(resources, function)) if each is not None]
    assert bounds, f"{function} has no limit"
    return min(bounds)


def price_of(resources: Resources, function: str) -> str:
    """Return the dollars per GB-second that the function's receipts use."""
    return str(resources[function]["Properties"]["Environment"]["Variables"]["USD_PER_GB_SECOND"])


def usd_per_hour(resources: Resources, function: str) -> float:
    price = float(price_of(resources, function))
    return limit(resources, function) * int(resources[function]["Properties"]["MemorySize"]) / 1024 * price * 3600


def table(heading: str) -> list[list[str]]:
    """Return the cells of the first table after a heading of docs/operations.md, without the table's own heading."""
    section = OPERATIONS.split(f"## {heading}\n", 1)[1]
    rows = re.findall(r"^\|(.+)\|$", re.split(r"^## ", section, maxsplit=1, flags=re.MULTILINE)[0], re.MULTILINE)
    return [[cell.strip() for cell in row.split("|")] for row in rows[2:]]


@pytest.mark.parametrize(
    ("parameters", "price"),
    [
        ({}, "0.0000166667"), ({"Architecture": "x86_64"}, "0.0000166667"), ({"Architecture": "arm64"}, "0.0000133334"),
        ({"UsdPerGbSecond": "0.00002"}, "0.00002"), ({"Architecture": "arm64", "UsdPerGbSecond": "0"}, "0"),
    ],
)  # fmt: skip
def test_receipts_have_the_price_of_the_architecture_unless_the_owner_sets_one(
    template: Template, parameters: dict[str, str], price: str
) -> None:
    resources = evaluate(template, **parameters)
    assert {price_of(resources, name) for name in FUNCTIONS} == {price}


def test_the_settings_default_and_the_documents_have_the_prices_of_the_template(template: Template) -> None:
    x86, arm = (price_of(evaluate(template, Architecture=name), "Generator") for name in ("x86_64", "arm64"))
    assert Settings.model_fields["usd_per_gb_second"].default == float(x86)
    assert f"{x86} USD per GB-second (x86_64" in OPERATIONS
    assert f"{arm} (arm64" in OPERATIONS


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_has_a_limit(template: Template, environment: str, function: str) -> None:
    assert limit(evaluate(template, **values(environment)), function) > 0


@pytest.mark.parametrize("function", [*MODELS, "Api", "Sweeper", "DeadLetters", "Authorizer", "Warmer", "RolloutCheck"])
def test_generators_cannot_take_the_capacity_of_another_function(resources: Resources, function: str) -> None:
    assert int(resources[function]["Properties"]["ReservedConcurrentExecutions"]) >= 1


def test_an_account_without_spare_quota_can_deploy_without_reservations(template: Template) -> None:
    resources = evaluate(template, ReservedConcurrency="0")
    assert not [name for name in FUNCTIONS if "ReservedConcurrentExecutions" in resources[name]["Properties"]]
    assert maximum_concurrency(resources, "Worker") == 5


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_quota_check_knows_what_the_template_reserves(template: Template, environment: str) -> None:
    resources = evaluate(template, **values(environment))
    reserved = {name: resources[name]["Properties"].get("ReservedConcurrentExecutions") for name in FUNCTIONS}
    assert {name: int(each) for name, each in reserved.items() if each is not None} == reservations(values(environment))
    assert reservations({**values(environment), "ReservedConcurrency": "0"}) == {}


def test_the_parameters_are_the_limits(template: Template) -> None:
    resources = evaluate(template, ReservedConcurrency="7", WorkerConcurrency="8", ApiConcurrency="9")
    assert [limit(resources, name) for name in ("Generator", "Worker", "Api", "Authorizer")] == [7, 8, 9, 9]


@pytest.mark.parametrize(("column", "environment"), [(3, "dev"), (5, "prod")])
def test_operations_states_the_ceiling_of_each_function(template: Template, column: int, environment: str) -> None:
    resources = evaluate(template, **values(environment))
    *rows, total = table("The cost ceiling")
    stated = {row[0].strip("`"): (int(row[column - 1]), float(row[column])) for row in rows}
    costs = {name: usd_per_hour(resources, name) for name in FUNCTIONS}
    assert stated == {name: (limit(resources, name), round(cost, 2)) for name, cost in costs.items()}
    assert float(total[column].strip("*")) == round(sum(costs.values()), 2)


def test_readme_states_the_ceiling(resources: Resources) -> None:
    models = sum(usd_per_hour(resources, name) for name in MODELS)
    everything = sum(usd_per_hour(resources, name) for name in FUNCTIONS)
    assert f"at most {models:.0f} USD per hour, or {everything:.2f} with all functions" in README


def test_operations_states_how_often_idle_queues_are_polled(resources: Resources) -> None:
    """Each poller waits 20 seconds. An event source with MaximumConcurrency has five, any other at least two."""
    mappings = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::Lambda::EventSourceMapping"]
    per_month = 30 * 24 * 3600 // 20
    least = sum(5 if "ScalingConfig" in each else 2 for each in mappings) * per_month
    most = 5 * len(mappings) * per_month
    assert f"{least:,} to {most:,}" in OPERATIONS


def test_the_idle_table_adds_up() -> None:
    *rows, total = table("What an idle stack costs")
    stated: list[Any] = [float(row[-1]) for row in rows]
    assert float(total[-1].strip("*")) == pytest.approx(sum(stated), abs=0.005)
