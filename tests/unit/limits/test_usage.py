from __future__ import annotations

from decimal import Decimal

from imagegen.limits.quota import Amount
from imagegen.limits.usage import Charge, Usage, total


def test_a_result_is_charged_as_its_bill_says() -> None:
    charge = Charge.of("demo", images=2, billed_ms=1500, usd=0.00025, cached=False)
    assert charge == Charge("demo", 2, 1500, Decimal("0.00025"))
    assert charge.amount == Amount(2, Decimal("0.00025"))
    assert not charge.nothing


def test_images_from_the_cache_cost_nothing() -> None:
    assert Charge.of("demo", images=2, billed_ms=15, usd=0.0000025, cached=True).nothing


def test_the_total_adds_decimals_without_rounding() -> None:
    months = [Usage(f"2026-{month:02}", "demo", 1, 10, Decimal("0.1")) for month in range(1, 11)]
    assert total(months) == Amount(10, Decimal(1))
    assert total([]) == Amount()
