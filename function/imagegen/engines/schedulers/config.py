"""A checkpoint's scheduler_config.json, reduced to what the schedulers here need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

PREDICTION_TYPES: Final = ("epsilon", "v_prediction", "sample")
TIMESTEP_SPACINGS: Final = ("leading", "trailing", "linspace")
BETA_SCHEDULES: Final = ("linear", "scaled_linear", "squaredcos_cap_v2")
FINAL_SIGMAS_TYPES: Final = ("zero", "sigma_min")

_UNSUPPORTED: Final = ("thresholding", "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas", "use_flow_sigmas")
"""Settings that change what is drawn and that no scheduler here implements. Thresholding is for pixels, not latents."""


class UnsupportedSettingError(ValueError):
    """A setting that cannot be honored. The message names it, its value, and what is supported."""


@dataclass(frozen=True)
class SchedulerConfig:
    """What the networks were trained with, and how their checkpoint spaces its steps. Names are diffusers'.

    The defaults are those of Stable Diffusion's own training, not of a diffusers class: a setting that the
    checkpoint's class does not have must not change with the scheduler that a request names.
    """

    num_train_timesteps: int = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012
    beta_schedule: str = "scaled_linear"
    trained_betas: tuple[float, ...] | None = None
    prediction_type: str = "epsilon"
    timestep_spacing: str = "leading"
    steps_offset: int = 1
    rescale_betas_zero_snr: bool = False
    set_alpha_to_one: bool = False
    clip_sample: bool = False
    clip_sample_range: float = 1.0
    use_karras_sigmas: bool = False
    sigma_min: float | None = None
    sigma_max: float | None = None
    final_sigmas_type: str = "zero"
    lower_order_final: bool = True
    euler_at_final: bool = False
    original_inference_steps: int = 50
    timestep_scaling: float = 10.0

    def __post_init__(self) -> None:
        for name, allowed in (
            ("prediction_type", PREDICTION_TYPES),
            ("timestep_spacing", TIMESTEP_SPACINGS),
            ("beta_schedule", BETA_SCHEDULES),
            ("final_sigmas_type", FINAL_SIGMAS_TYPES),
        ):
            value = getattr(self, name)
            if value not in allowed:
                raise UnsupportedSettingError(f"{name} is {value!r}; supported: {', '.join(allowed)}")

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> SchedulerConfig:
        """Read a scheduler_config.json. null means absent; settings of other methods are ignored.

        Raises UnsupportedSettingError for a setting that would change the picture and is not supported.
        """
        for name in _UNSUPPORTED:
            if document.get(name):
                raise UnsupportedSettingError(f"{name} is {document[name]!r}; supported: false")
        known = {field.name for field in fields(cls)}
        given = {name: value for name, value in document.items() if name in known and value is not None}
        if "trained_betas" in given:
            given["trained_betas"] = tuple(given["trained_betas"])
        return cls(**given)
