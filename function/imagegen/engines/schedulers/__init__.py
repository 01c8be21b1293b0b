"""Diffusion schedulers in plain arithmetic: one small class per method, with diffusers' names and settings.

Coefficients are Python floats, so that `step` works on NumPy arrays and on torch tensors alike. Nothing here imports
either engine. `make parity` compares every scheduler with diffusers, `tests/model/test_schedulers.py` a part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from imagegen.engines.schedulers.base import Array, Scheduler
from imagegen.engines.schedulers.config import SchedulerConfig, UnsupportedSettingError
from imagegen.engines.schedulers.ddim import DDIM
from imagegen.engines.schedulers.dpm_multistep import DPMMultistep
from imagegen.engines.schedulers.euler import Euler
from imagegen.engines.schedulers.euler_ancestral import EulerAncestral
from imagegen.engines.schedulers.lcm import LCM
from imagegen.engines.schedulers.pndm import PNDM

_CLASSES: Final[Mapping[str, Callable[..., Scheduler]]] = {
    "ddim": DDIM,
    "dpm_multistep": DPMMultistep,
    "euler": Euler,
    "euler_ancestral": EulerAncestral,
    "lcm": LCM,
    "pndm": PNDM,
}


def create(
    scheduler: str,
    config: SchedulerConfig,
    num_inference_steps: int,
    draw_noise: Callable[[], Array],
    strength: float = 1.0,
) -> Scheduler:
    """Return the scheduler of a registry id (`ddim`, `euler`, ...) for one run of `num_inference_steps` >= 1.

    `draw_noise` returns standard normal noise of the latents' shape, on the engine's device. With a `strength` below 1,
    the run starts from `add_noise` of a picture's latents and makes int(num_inference_steps * strength) steps, the last
    ones; LCM makes all its steps, closer to each other.

    Raises UnsupportedSettingError if no step is left, or if the method cannot make that many: LCM makes at most
    `original_inference_steps`, and none more than `num_train_timesteps`.
    """
    if not 0 < strength <= 1:
        raise UnsupportedSettingError(f"strength is {strength}; supported: greater than 0, at most 1")
    return _CLASSES[scheduler](config, num_inference_steps, draw_noise, strength)
