"""A checkpoint's scheduler_config.json, reduced to what the schedulers here need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

Beta = Annotated[float, Field(gt=0, lt=1)]


class UnsupportedSettingError(ValueError):
    """A setting that cannot be honored. The message names it, its value, and what is supported."""


class SchedulerConfig(BaseModel):
    """What the networks were trained with, and how their checkpoint spaces its steps. Names are diffusers'.

    The defaults are those of Stable Diffusion's own training, not of a diffusers class: a setting that the
    checkpoint's class does not have must not change with the scheduler that a request names.

    Settings with a single value are here to be refused: another value changes what is drawn, and no scheduler here
    implements it. Thresholding is for pixels, not latents.
    """

    model_config = ConfigDict(strict=True, frozen=True)

    num_train_timesteps: PositiveInt = 1000
    beta_start: Beta = 0.00085
    beta_end: Beta = 0.012
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] = "scaled_linear"
    trained_betas: list[Beta] | None = None
    """One for each of `num_train_timesteps`, in place of the three settings above."""
    rescale_betas_zero_snr: bool = False
    prediction_type: Literal["epsilon", "v_prediction", "sample"] = "epsilon"
    timestep_spacing: Literal["leading", "trailing", "linspace"] = "leading"
    steps_offset: NonNegativeInt = 1
    set_alpha_to_one: bool = False
    clip_sample: bool = False
    clip_sample_range: PositiveFloat = 1.0
    use_karras_sigmas: bool = False
    sigma_min: PositiveFloat | None = None
    sigma_max: PositiveFloat | None = None
    final_sigmas_type: Literal["zero", "sigma_min"] = "zero"
    lower_order_final: bool = True
    euler_at_final: bool = False
    original_inference_steps: PositiveInt = 50
    timestep_scaling: PositiveFloat = 10.0

    thresholding: Literal[False] = False
    timestep_type: Literal["discrete"] = "discrete"
    variance_type: Literal["fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log"] | None = None
    """Samplers here need no variance; networks that predict one have outputs of another shape."""
    use_exponential_sigmas: Literal[False] = False
    use_beta_sigmas: Literal[False] = False
    use_lu_lambdas: Literal[False] = False
    use_flow_sigmas: Literal[False] = False
    interpolation_type: Literal["linear"] = "linear"

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        if self.trained_betas is not None and len(self.trained_betas) != self.num_train_timesteps:
            raise ValueError(
                f"trained_betas has {len(self.trained_betas)} values, and num_train_timesteps is "
                f"{self.num_train_timesteps}: they must be equal"
            )
        if (self.sigma_min or 0) >= (self.sigma_max or float("inf")):
            raise ValueError(f"sigma_min is {self.sigma_min}, which must be less than sigma_max, {self.sigma_max}")
        return self

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> SchedulerConfig:
        """Read a scheduler_config.json. null means absent; settings of other methods are ignored.

        Raises UnsupportedSettingError for the first setting that is invalid, or that would change the picture and is
        not supported.
        """
        try:
            return cls.model_validate({name: value for name, value in document.items() if value is not None})
        except ValidationError as error:
            raise UnsupportedSettingError(_message(error)) from error


def _message(error: ValidationError) -> str:
    first = error.errors()[0]
    if not first["loc"]:
        return first["msg"].removeprefix("Value error, ")
    name = ".".join(str(part) for part in first["loc"])
    return f"{name} is {first['input']!r}; {first['msg'][0].lower()}{first['msg'][1:]}"
