"""The cases to compare: schedulers with combinations of settings, step counts and strengths."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from imagegen.catalog.registry import SCHEDULERS

Settings = dict[str, Any]

SPACINGS: Final = ("leading", "trailing", "linspace")
PREDICTIONS: Final = ("epsilon", "v_prediction", "sample")
STRENGTHS: Final = (0.01, 0.1, 0.3, 0.5, 0.75, 0.999, 1.0)
ALL_STEPS: Final = range(1, 151)
"""The step counts that a request may have."""
SAMPLED_STEPS: Final = (1, 2, 3, 4, 9, 16, 30, 49)
STEPS_WITH_STRENGTH: Final = (1, 2, 3, 4, 7, 10, 20, 50, 100)

BASE: Final[Settings] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "set_alpha_to_one": False,
    "clip_sample": False,
    "skip_prk_steps": True,
}
"""Stable Diffusion's."""
OTHER: Final[dict[str, Settings]] = {
    "linear betas": {"beta_schedule": "linear", "beta_start": 0.0001, "beta_end": 0.02},
    "cosine betas": {"beta_schedule": "squaredcos_cap_v2"},
    "`trained_betas`": {"trained_betas": [0.0001 + 0.00001 * index for index in range(1000)]},
    "500 training timesteps": {"num_train_timesteps": 500},
    "`steps_offset` 0": {"steps_offset": 0},
    "`set_alpha_to_one`": {"set_alpha_to_one": True},
    "`clip_sample`": {"clip_sample": True, "clip_sample_range": 1.5},
    "`final_sigmas_type` sigma_min": {"final_sigmas_type": "sigma_min"},
    "the same, not `lower_order_final`": {"final_sigmas_type": "sigma_min", "lower_order_final": False},
    "the same, `euler_at_final`": {"final_sigmas_type": "sigma_min", "euler_at_final": True},
    "Karras, cosine betas": {"use_karras_sigmas": True, "beta_schedule": "squaredcos_cap_v2"},
    "Karras, `sigma_min` and `sigma_max`": {"use_karras_sigmas": True, "sigma_min": 0.05, "sigma_max": 12.0},
    "LCM of 150 steps": {"original_inference_steps": 150, "timestep_scaling": 5.0},
}
KARRAS: Final = ("euler", "dpm_multistep")
"""Schedulers whose class in diffusers has Karras' noise levels."""


@dataclass(frozen=True)
class Case:
    """One comparison. `strength` is None for runs from noise; `other` is a key of `OTHER`."""

    scheduler: str
    spacing: str
    prediction: str
    zero_snr: bool = False
    karras: bool = False
    other: str = ""
    strength: float | None = None

    @property
    def settings(self) -> Settings:
        """Stable Diffusion's settings with those of this case."""
        return {
            **BASE,
            "timestep_spacing": self.spacing,
            "prediction_type": self.prediction,
            "rescale_betas_zero_snr": self.zero_snr,
            "use_karras_sigmas": self.karras,
            **OTHER.get(self.other, {}),
        }

    @property
    def counts(self) -> Sequence[int]:
        """The step counts to compare."""
        if self.strength is not None:
            return STEPS_WITH_STRENGTH
        return SAMPLED_STEPS if self.other else ALL_STEPS

    @property
    def accepted(self) -> bool:
        """Whether diffusers' class implements the combination. Otherwise it raises, or ignores a setting."""
        if self.settings["use_karras_sigmas"] and self.scheduler not in KARRAS:
            return False
        if self.scheduler == "pndm":
            return self.prediction != "sample" and not self.zero_snr
        return not (self.scheduler == "euler_ancestral" and self.prediction == "sample")


def combinations() -> list[Case]:
    """Return every scheduler x spacing x prediction type x zero terminal SNR x Karras' noise levels."""
    return [Case(*each) for each in itertools.product(SCHEDULERS, SPACINGS, PREDICTIONS, (False, True), (False, True))]


def variations() -> list[Case]:
    """Return every scheduler with each of the other settings."""
    return [
        Case(scheduler, spacing, prediction, other=other)
        for scheduler, spacing, prediction, other in itertools.product(SCHEDULERS, SPACINGS, PREDICTIONS, OTHER)
    ]


def from_pictures() -> Iterator[Case]:
    """Yield every combination with each strength."""
    for case, strength in itertools.product(combinations(), STRENGTHS):
        yield Case(case.scheduler, case.spacing, case.prediction, case.zero_snr, case.karras, strength=strength)
