"""The files behind the arithmetic agree with what they were taken from."""

from __future__ import annotations

import json
import re

import pytest

from imagegen.catalog.registry import REGISTRY
from imagegen_cli.cost.choices import IMAGE_DAYS
from imagegen_cli.cost.idle import IDLE
from imagegen_cli.cost.models import MODELS
from imagegen_cli.cost.tariff import OWN_FILE, read_prices
from tests.support.alarms import alarms
from tests.support.evaluate import Template, evaluate
from tests.template.conftest import translated
from tests.template.test_cost import table
from tests.template.test_monitoring import metrics_of
from tools import step_times
from tools.local.process import ROOT


@pytest.fixture(scope="module")
def template() -> Template:
    return translated()


def test_the_step_times_are_those_of_the_performance_page() -> None:
    expected = step_times.document(step_times.PAGE.read_text())
    assert json.loads(step_times.TARGET.read_text()) == expected, "run make step-times"


def test_a_page_without_the_measurements_is_refused() -> None:
    page = step_times.PAGE.read_text()
    with pytest.raises(ValueError, match="bfloat16"):
        step_times.document(page.replace("| ours, bfloat16 |", "| another, bfloat16 |"))


@pytest.mark.parametrize("model_id", REGISTRY)
def test_the_models_are_those_of_the_registry(model_id: str) -> None:
    model, registered = MODELS[model_id], REGISTRY[model_id]
    defaults, memory = registered.defaults, registered.memory_mb
    assert (model.width, model.height, model.steps) == (defaults.width, defaults.height, defaults.num_inference_steps)
    assert (model.memory_mb, model.half_memory_mb) == (memory.float32, memory.half)


def test_there_is_no_other_model() -> None:
    assert set(MODELS) == set(REGISTRY)


def test_a_second_call_is_counted_where_the_default_guidance_needs_one() -> None:
    """The demo model's step was measured with guidance."""
    guided = {
        name for name, each in REGISTRY.items() if each.takes_negative_prompts and each.defaults.guidance_scale > 1
    }
    assert {name for name, each in MODELS.items() if each.calls == 2} == guided - {"demo"}


def test_the_idle_bill_is_that_of_the_operations_page() -> None:
    *_, total = table("What an idle stack costs")
    charges = read_prices(None).tariff("us-east-1").bill(IDLE, free_tier=False)
    assert sum(each.usd for each in charges) == pytest.approx(float(total[-1].strip("*")), abs=0.005)


def test_the_idle_bill_has_the_template_s_alarms_and_dashboard(template: Template) -> None:
    resources = evaluate(template)
    read = sum(len(metrics_of(alarm)) for alarm in alarms(resources).values())
    dashboards = sum(each["Type"] == "AWS::CloudWatch::Dashboard" for each in resources.values())
    billed = {line.meter: line.quantity for line in IDLE}
    assert (billed["cloudwatch_alarms"], billed["cloudwatch_dashboards"]) == (read, dashboards)


def test_images_are_kept_as_long_as_the_template_says(template: Template) -> None:
    assert template["Parameters"]["ImageDays"]["Default"] == IMAGE_DAYS


def test_prices_are_those_of_the_service_and_the_operations_page(template: Template) -> None:
    prices = read_prices(None)
    assert f"{prices.regions['us-east-1']['lambda_gb_second']:.10f}" == "0.0000166667"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", prices.noted)
    assert {meter.page for meter in prices.meters.values()} <= set(prices.pages)
    assert all(url.startswith("https://aws.amazon.com/") for url in prices.pages.values())
    text = (ROOT / "docs" / "operations.md").read_text()
    for usd in ("0.40 per million", "5.00 per million", "0.125 per million", "0.50 per GB", "0.10 per GB"):
        assert usd in text


def test_the_chart_s_library_has_the_version_that_draws_the_report() -> None:
    extra = re.search(r'chart = \["(.+)"\]', (ROOT / "pyproject.toml").read_text())
    assert extra is not None
    assert extra[1] in (ROOT / "tools" / "requirements.in").read_text().splitlines()


def test_a_free_amount_is_used_once() -> None:
    tariff = read_prices(OWN_FILE).tariff("us-east-1")
    (first, *_), twice = tariff.bill(IDLE, True), tariff.bill((IDLE[0], IDLE[0]), True)
    assert sum(each.usd for each in twice) == pytest.approx(first.usd + 1.944 * 0.40)
