"""What `imagegen cost` shows: a table for people, a document for programs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from imagegen_cli.cost.comparison import BreakEven, Comparison, Estimate
from imagegen_cli.cost.drawing_time import Request
from imagegen_cli.cost.tariff import Charge, Tariff
from imagegen_cli.cost.workload import HOURS, KEPT_WARM_S


def comparison_document(comparison: Comparison, request: Request, notes: Sequence[str]) -> dict[str, Any]:
    """Return everything that the table shows, with the lines of each bill."""
    month, situation = comparison.month, comparison.situation
    return {
        "request": {
            "images": month.images,
            "model": request.model.id,
            "width": request.width,
            "height": request.height,
            "steps": request.steps,
            "memory_mb": request.memory_mb,
            "active_hours": month.active_hours,
            "peak": month.peak,
            "provisioned": situation.provisioned,
        },
        "prices": _prices(situation.tariff) | {"free_tier": comparison.free_tier},
        "seconds_per_image": {"cpu": situation.cpu.image_s, "gpu": situation.gpu.seconds},
        "cold_start_share": month.cold_share(),
        "choices": [_choice(each, month.images) for each in comparison.estimates()],
        "break_even": [
            {"images": each.images, "below": each.below.id, "above": each.above.id} for each in comparison.break_evens()
        ],
        "assumptions": [*notes, *_assumptions(comparison)],
    }


def comparison_text(comparison: Comparison, request: Request, notes: Sequence[str]) -> str:
    """Return the table, the break-evens and the assumptions."""
    from imagegen_cli.output import table

    images = comparison.month.images
    estimates = comparison.estimates()
    heading = (
        f"{images:,} images a month: {request.model.id}, {request.width} x {request.height}, {request.steps} steps, "
        f"{comparison.situation.tariff.region}, {'after the free tier' if comparison.free_tier else 'list prices'}"
    )
    rows = [(each.choice.name, *_cells(each, images)) for each in estimates]
    crossings = [_crossing(each) for each in comparison.break_evens()]
    return "\n".join(
        [
            heading,
            "",
            table(("CHOICE", "USD A MONTH", "USD AN IMAGE", "LARGEST ITEM"), rows),
            "",
            *(
                ["Break-even: from this many images a month, the second choice is cheaper:", *crossings, ""]
                if crossings
                else []
            ),
            "Assumptions:",
            *(f"- {each}" for each in (*notes, *_assumptions(comparison))),
        ]
    )


def idle_document(tariff: Tariff, charges: Sequence[Charge]) -> dict[str, Any]:
    """Return the idle stack's bill."""
    return {
        "prices": _prices(tariff),
        "list_usd": math.fsum(each.list_usd for each in charges),
        "usd_after_free_tier": math.fsum(each.usd for each in charges),
        "lines": [_line(each) for each in charges],
    }


def idle_text(tariff: Tariff, charges: Sequence[Charge]) -> str:
    """Return the idle stack's bill as a table."""
    from imagegen_cli.output import table

    rows = [
        (each.what.removeprefix("idle: "), f"{each.quantity:,.4g} {each.unit}", f"{each.usd_per_unit:.10g}",
         f"{each.list_usd:.4f}", f"{each.usd:.4f}")
        for each in charges
    ]  # fmt: skip
    total = [f"{math.fsum(values):.4f}" for values in ((e.list_usd for e in charges), (e.usd for e in charges))]
    columns = ("WHAT", "QUANTITY", "USD A UNIT", "LIST PRICE", "AFTER THE FREE TIER")
    return "\n".join(
        [
            f"An idle stack, 30 days, {tariff.region}, prices noted {tariff.source.noted}",
            "",
            table(columns, [*rows, ("total", "", "", *total)]),
            "",
            "The free tier is the one that does not end, in an account that uses it for nothing else.",
        ]
    )


def _prices(tariff: Tariff) -> dict[str, Any]:
    return {"region": tariff.region, "noted": tariff.source.noted, "currency": tariff.source.currency}


def _choice(estimate: Estimate, images: int) -> dict[str, Any]:
    known = {"id": estimate.choice.id, "name": estimate.choice.name}
    if estimate.missing:
        return known | {"monthly_usd": None, "usd_per_image": None, "missing": estimate.missing}
    return known | {
        "monthly_usd": estimate.usd,
        "usd_per_image": estimate.usd / images,
        "lines": [_line(charge) for charge in estimate.charges],
    }


def _line(charge: Charge) -> dict[str, Any]:
    return {
        "what": charge.what,
        "quantity": charge.quantity,
        "unit": charge.unit,
        "usd_per_unit": charge.usd_per_unit,
        "list_usd": charge.list_usd,
        "usd": charge.usd,
    }


def _cells(estimate: Estimate, images: int) -> tuple[str, str, str]:
    if estimate.missing:
        return "-", "-", estimate.missing
    largest = max(estimate.charges, key=lambda each: each.usd)
    return f"{estimate.usd:,.2f}", f"{estimate.usd / images:.6f}", f"{largest.what} {largest.usd:,.2f}"


def _crossing(found: BreakEven) -> str:
    return f"  {found.images:>11,}  {found.below.name} -> {found.above.name}"


def _assumptions(comparison: Comparison) -> tuple[str, ...]:
    month, situation = comparison.month, comparison.situation
    tariff = situation.tariff
    hosted = tariff.source.hosted
    share = month.cold_share()
    return (
        f"Traffic: random arrivals over {month.active_hours:g} of {HOURS} hours, {month.peak:g} times the mean in the "
        f"busiest hour. {month.concurrency(situation.cpu.image_s):.2f} images at once on the CPU.",
        f"Cold starts: {share:.1%} of the images, "
        + (
            "as given."
            if month.cold_start_share is not None
            else f"if an idle environment is kept for {KEPT_WARM_S} s."
        ),
        "One image per request, answered in place; each is downloaded once and counted with three bytes per pixel.",
        f"Prices of {tariff.region}, {tariff.source.currency}, noted {tariff.source.noted}. The three Lambda "
        "choices include the idle cost of the stack.",
        "A GPU draws one image at a time and can be fully busy. Labor is not included.",
        f"Hosted API: {hosted.provider}, {hosted.page}, noted {hosted.noted}; for a distilled model, the price of "
        f"{hosted.steps} steps of an ordinary one. --hosted-usd-per-image replaces it.",
    )
