"""PLMS, pseudo linear multistep (Liu et al., 2022): PNDM without its Runge-Kutta warm-up, as in Stable Diffusion."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from imagegen.engines.schedulers.alphas import DiscreteScheduler
from imagegen.engines.schedulers.base import Array
from imagegen.engines.schedulers.config import SchedulerConfig
from imagegen.engines.schedulers.noise_schedule import first_step, spaced_timesteps
from imagegen.engines.schedulers.prediction import predicted_noise, predicted_original


class PNDM(DiscreteScheduler):
    """The second timestep is evaluated twice, which makes up for the missing history.

    `history` holds up to four outputs, oldest first, and between the first two calls also the initial latents.
    """

    def __init__(
        self, config: SchedulerConfig, num_inference_steps: int, draw_noise: Callable[[], Array], strength: float
    ):
        super().__init__(config, draw_noise)
        # The repetition comes after the cut. diffusers cuts the repeated list, so that levels and timesteps of a run
        # with strength no longer match (docs/decisions/openvino.md).
        spaced = spaced_timesteps(config, num_inference_steps)
        timesteps = spaced[first_step(num_inference_steps, strength) :].tolist()
        self.timesteps = [*timesteps[:2], *timesteps[1:]]
        self._stride = config.num_train_timesteps // num_inference_steps

    def steps_done(self, calls: int) -> int:
        """The second call completes the first step, unless there is only one."""
        return calls if len(self.timesteps) == 1 else max(0, calls - 1)

    def step(self, model_output: Array, index: int, sample: Array) -> Array:
        """Combine this output with the ones before it (Adams-Bashforth), then make DDIM's step along the result."""
        timestep = self.timesteps[index]
        if index == 0:
            self.history = [model_output, sample]
            return self._transfer(model_output, timestep, timestep - self._stride, sample)
        if index == 1:
            first_output, initial = self.history
            self.history = [first_output]
            return self._transfer((model_output + first_output) / 2, timestep + self._stride, timestep, initial)
        self.history = [*self.history[-3:], model_output]
        return self._transfer(_adams_bashforth(self.history), timestep, timestep - self._stride, sample)

    def _transfer(self, model_output: Array, timestep: float, previous: float, sample: Array) -> Array:
        """Equation 9, in DDIM's form: it is the same, and does not cancel where almost no signal is left."""
        alpha, sigma = self._levels(timestep)
        previous_alpha, previous_sigma = self._levels(previous)
        kind = self._config.prediction_type
        original = predicted_original(kind, model_output, sample, alpha, sigma)
        noise = predicted_noise(kind, model_output, sample, alpha, sigma)
        self.predicted = original
        return previous_alpha * original + previous_sigma * noise


def _adams_bashforth(outputs: Sequence[Array]) -> Array:
    """Extrapolate two to four outputs, oldest first; equation 12 and its lower orders."""
    if len(outputs) == 2:
        return (3 * outputs[-1] - outputs[-2]) / 2
    if len(outputs) == 3:
        return (23 * outputs[-1] - 16 * outputs[-2] + 5 * outputs[-3]) / 12
    return (55 * outputs[-1] - 59 * outputs[-2] + 37 * outputs[-3] - 9 * outputs[-4]) / 24
