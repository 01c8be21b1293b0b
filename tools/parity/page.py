"""Renders docs/schedulers.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from itertools import product
from typing import Final, TypeAlias

from imagegen.catalog.registry import SCHEDULERS
from tools.parity.compare import NOT_FINITE, ONE_TOO_MANY, RAISES, TIMESTEP_TOLERANCE, Agreement
from tools.parity.settings import (
    ALL_STEPS,
    OTHER,
    PREDICTIONS,
    SAMPLED_STEPS,
    SPACINGS,
    STEPS_WITH_STRENGTH,
    STRENGTHS,
    Case,
)

Results: TypeAlias = Mapping[Case, Agreement]

OURS_ONLY: Final = "ours only"
"""diffusers' class raises, or ignores the setting."""
WHY: Final = {
    ONE_TOO_MANY: "`numpy.arange(train, 0, -train / steps)` returns one value too many where the rounding of its step "
    "adds up. The run makes one step more, and Euler's lowest Karras level is another",
    NOT_FINITE: "It divides by an alpha of zero in the first step. Here the alpha is 2^-24, as in its Euler",
    RAISES: "Rounded timesteps repeat at high noise levels. It looks up the first step by its timestep, takes the "
    "second match, and runs past the end",
}


def render(results: Results) -> str:
    """Return the page."""
    return f"""# Schedulers: agreement with diffusers

Written by `make parity`: change that, not this page. Reference: diffusers {version("diffusers")}, computed in
float64; ours computes in float32, as in the engines. Both run the same synthetic network on the same noise. In every
cell the number of network calls is right (one per step, PNDM one more) and timesteps are equal, fractional ones
within {TIMESTEP_TOLERANCE}. Numbers are the largest difference of a latent, relative to the largest latent.

*{OURS_ONLY}*: diffusers' class raises for this combination, or ignores the setting. A dash: it has no right
result at any step count (see the end), or no step is left.

## Every step count from {ALL_STEPS[0]} to {ALL_STEPS[-1]}

LCM: to 50, the steps of its distillation. Counts at which diffusers has no right result are listed at the end.

{_table(("scheduler", "spacing", "prediction", "neither", "Karras", "zero SNR", "both"), _combinations(results))}

## Strength: from a picture

`add_noise` and the last `int(steps * strength)` steps, as in diffusers' image-to-image pipelines; LCM makes all its
steps within the last part of its distillation, as in its own pipeline. Steps: {_joined(STEPS_WITH_STRENGTH)}, unless
none is left; the worst of all predictions, with and without zero SNR and Karras' levels. PNDM repeats the second of the
steps that are left. diffusers cuts its list after the repetition, which leaves noise in the picture
([decisions/openvino.md](decisions/openvino.md)): its own `step` is run here with the right list.

{_table(("scheduler", "spacing", *(f"{each:g}" for each in STRENGTHS)), _strengths(results))}

## Other settings

Steps: {_joined(SAMPLED_STEPS)}; the worst of all spacings and predictions.

{_table(("setting", *SCHEDULERS), _others(results))}

## Where diffusers has no right result

The schedulers here run these step counts, with the right number of calls and finite latents.

{_table(("diffusers", "scheduler", "settings", "steps", "why"), _wrong(results))}
"""


def _combinations(results: Results) -> Iterable[Sequence[str]]:
    for scheduler, spacing, prediction in product(SCHEDULERS, SPACINGS, PREDICTIONS):
        flags = ((False, False), (False, True), (True, False), (True, True))
        cases = [Case(scheduler, spacing, prediction, zero_snr, karras) for zero_snr, karras in flags]
        yield scheduler, spacing, prediction, *(_cell([results[case]] if case in results else []) for case in cases)


def _strengths(results: Results) -> Iterable[Sequence[str]]:
    for scheduler, spacing in product(SCHEDULERS, SPACINGS):
        cells = [
            _cell(
                result
                for case, result in results.items()
                if (case.scheduler, case.spacing, case.strength) == (scheduler, spacing, strength)
            )
            for strength in STRENGTHS
        ]
        yield scheduler, spacing, *cells


def _others(results: Results) -> Iterable[Sequence[str]]:
    for other in OTHER:
        cells = [
            _cell(result for case, result in results.items() if (case.scheduler, case.other) == (scheduler, other))
            for scheduler in SCHEDULERS
        ]
        yield other, *cells


def _wrong(results: Results) -> Iterable[Sequence[str]]:
    """Of the runs from noise with Stable Diffusion's betas."""
    rows: dict[tuple[str, str, str, str], list[str]] = {}
    for case, result in results.items():
        if case.strength is None and not case.other:
            for reason, counts in result.wrong.items():
                flags = ["zero SNR"] * case.zero_snr + ["Karras"] * case.karras
                key = (reason, case.scheduler, ", ".join([case.spacing, *flags]), _ranges(counts))
                rows.setdefault(key, []).append(case.prediction)
    for (reason, scheduler, settings, steps), predictions in sorted(rows.items()):
        of = "" if len(predictions) > 1 else f", {predictions[0]}"
        yield reason, scheduler, settings + of, steps, WHY[reason]


def _cell(results: Iterable[Agreement]) -> str:
    each = list(results)
    if not each:
        return OURS_ONLY
    if not any(result.agree for result in each):
        return "-"
    return f"{max(result.latents for result in each):.0e}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows))


def _joined(counts: Iterable[int]) -> str:
    return ", ".join(map(str, counts))


def _ranges(counts: Sequence[int]) -> str:
    """Return counts in ascending order as text, such as 1 to 3, 61."""
    starts = [count for count in counts if count - 1 not in counts]
    ends = [count for count in counts if count + 1 not in counts]
    return ", ".join(f"{low}" if low == high else f"{low} to {high}" for low, high in zip(starts, ends, strict=True))
