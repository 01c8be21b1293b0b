"""The comparisons that others have published, against the calculator: the figures of docs/decisions/cost.md."""

from __future__ import annotations

import pytest

from tests.unit.cli.cost.conftest import Cost, between, monthly

KUBERNETES = 189.50
"""Fixed USD a month of the guidance for asynchronous Stable Diffusion on EKS; 240 USD more for a million images."""


def drawing(cost: Cost, seconds: float) -> float:
    """Return Lambda's compute for an image of that length at 10,240 MB."""
    document = cost("--images", "1000000", "--model", "bk-sdm-small", "--steps", "1", "--step-seconds", str(seconds))
    (bill,) = [each["lines"] for each in document["choices"] if each["id"] == "lambda"]
    return float(next(line["usd"] for line in bill if line["what"] == "Lambda, drawing")) / 1_000_000


@pytest.mark.parametrize(("seconds", "usd"), [(6, 0.001), (30, 0.005), (120, 0.02)])
def test_the_price_of_an_image_on_lambda_is_right(cost: Cost, seconds: float, usd: float) -> None:
    assert drawing(cost, seconds) == pytest.approx(usd, rel=0.01)


@pytest.mark.parametrize(("seconds", "claimed", "with_requests"), [(30, 40_000, 38_000), (6, 250_000, 214_000)])
def test_its_break_even_leaves_out_what_an_image_costs_besides(
    cost: Cost, seconds: float, claimed: int, with_requests: int
) -> None:
    variable = 240 / 1_000_000
    assert KUBERNETES / (drawing(cost, seconds) - variable) == pytest.approx(claimed, rel=0.01)
    document = cost("--model", "bk-sdm-small", "--steps", "1", "--step-seconds", str(seconds), "--images", "1000000")
    idle = cost("--idle")["list_usd"]
    an_image = (monthly(document, "lambda") - idle) / 1_000_000
    assert (KUBERNETES - idle) / (an_image - variable) == pytest.approx(with_requests, rel=0.01)


def test_serverless_saves_half_of_a_server_and_not_92_percent(cost: Cost) -> None:
    """The article leaves Lambda's compute out, and prices a g4dn.xlarge at 500 USD; 0.526 x 730 = 383.98."""
    turbo = cost("--images", "100000", "--gpu", "g4dn.xlarge", "--gpu-seconds", "5")
    (bill,) = [each["lines"] for each in turbo["choices"] if each["id"] == "gpu-server"]
    assert bill[0]["usd"] == pytest.approx(383.98, rel=0.001)
    saved = 1 - monthly(turbo, "lambda") / monthly(turbo, "gpu-server")
    assert saved == pytest.approx(0.55, abs=0.005)
    classic = cost("--images", "100000", "--model", "sd-1.5", "--gpu", "g4dn.xlarge", "--gpu-seconds", "5")
    assert monthly(classic, "lambda") == pytest.approx(2925, rel=0.01)


def test_a_million_images_on_spot_are_half_of_what_the_calculator_says_for_on_demand(cost: Cost) -> None:
    document = cost("--images", "1000000", "--gpu", "g6.xlarge", "--gpu-seconds", "1.5")
    assert monthly(document, "gpu-server") == pytest.approx(676, rel=0.01)
    assert monthly(document, "lambda") == pytest.approx(1760, rel=0.01)


def test_office_hours_of_a_g5_2xlarge(cost: Cost) -> None:
    document = cost(
        *("--model", "sdxl-turbo", "--images", "10000", "--active-hours", "160"),
        *("--gpu", "g5.2xlarge", "--gpu-seconds", "7"),
    )
    (bill,) = [each["lines"] for each in document["choices"] if each["id"] == "lambda-gpu"]
    assert bill[0]["usd"] == pytest.approx(193.92, rel=0.001)
    assert bill[0]["usd"] + bill[1]["usd"] == pytest.approx(223.01, rel=0.001)


def test_sdxl_at_1024_pixels_is_no_work_for_a_cpu(cost: Cost) -> None:
    document = cost(
        *("--model", "sdxl-turbo", "--width", "1024", "--height", "1024", "--steps", "30"),
        *("--cpu", "avx2", "--images", "100000"),
    )
    (on_cpu,) = [each["usd_per_image"] for each in document["choices"] if each["id"] == "lambda"]
    assert on_cpu == pytest.approx(0.34, rel=0.01)


def test_what_practitioners_claim_to_save(cost: Cost) -> None:
    document = cost("--images", "100000")
    (bill,) = [each for each in document["choices"] if each["id"] == "lambda"]
    part = {line["what"]: line["usd"] / bill["monthly_usd"] for line in bill["lines"]}
    assert part["transfer to the internet"] == pytest.approx(0.039, abs=0.001)
    assert part["Lambda, drawing"] == pytest.approx(0.913, abs=0.001)
    always, office = cost("--images", "10000"), cost("--images", "10000", "--active-hours", "160")
    gpu = [monthly(each, "lambda-gpu") for each in (always, office)]
    assert 1 - gpu[1] / gpu[0] == pytest.approx(0.78, abs=0.01)
    assert monthly(office, "lambda") == pytest.approx(monthly(always, "lambda"), rel=0.1)


def test_a_server_pays_from_a_third_of_a_million_images_on(cost: Cost) -> None:
    assert 300_000 < between(cost(), "lambda", "gpu-server") < 400_000
