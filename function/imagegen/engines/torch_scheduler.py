"""This package's schedulers and noise in a diffusers pipeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from diffusers import ConfigMixin, SchedulerMixin

from imagegen.engines import schedulers
from imagegen.engines.latent_edit import EditedRun, LatentEdit
from imagegen.engines.noise import Noise
from imagegen.engines.schedulers.config import SchedulerConfig
from imagegen.generation.snapshot import Snapshot


class PipelineScheduler(SchedulerMixin, ConfigMixin):  # type: ignore[misc]
    """A scheduler of this package, as a diffusers pipeline calls it, with one source of noise per image.

    It computes in float32 and returns the dtype of the network.
    """

    order = 1
    config_name = "scheduler_config.json"

    def __init__(
        self,
        name: str,
        config: SchedulerConfig,
        noise: Sequence[Noise],
        device: str,
        start: Snapshot,
        edit: LatentEdit | None = None,
    ):
        """With one source of noise, the run goes on from `start`, and may be an `edit`."""
        self._start = start
        self._edit = edit
        self._name = name
        self._scheduler_config = config
        self._noise = noise
        self._device = device
        self._edit_noise = self.draw_noise() if edit else None
        if start.random is not None:
            noise[0].state = start.random
        self.register_to_config(steps_offset=config.steps_offset, clip_sample=config.clip_sample)

    def set_timesteps(self, num_inference_steps: int, device: object = None) -> None:  # noqa: ARG002
        """Start a run, or go on with one."""
        strength = self._edit.strength if self._edit else 1.0
        self._scheduler = schedulers.create(
            self._name, self._scheduler_config, num_inference_steps, self.draw_noise, strength
        )
        self._edited = EditedRun(self._edit, self._scheduler, self._edit_noise) if self._edit else None
        self._scheduler.history = [torch.from_numpy(each).to(self._device) for each in self._start.history]
        self._index = self._start.calls
        begun = self._index > 0 or self._edit is not None
        self.init_noise_sigma = 1.0 if begun else self._scheduler.init_noise_sigma
        self.timesteps = torch.tensor(self._scheduler.timesteps[self._index :], dtype=torch.float32)

    def scale_model_input(self, sample: torch.Tensor, timestep: object = None) -> torch.Tensor:  # noqa: ARG002
        """Return the network's input for the current step."""
        scaled: torch.Tensor = self._scheduler.scale_model_input(sample, self._index)
        return scaled

    def step(
        self,
        model_output: torch.Tensor,
        timestep: object,  # noqa: ARG002
        sample: torch.Tensor,
        *,
        return_dict: bool,  # noqa: ARG002
    ) -> tuple[torch.Tensor]:
        """Return the latents after the current step, and go on to the next."""
        output, latents = model_output.float(), sample.float()
        stepped: torch.Tensor = self._scheduler.step(output, self._index, latents)
        self._index += 1
        if self._edited is not None:
            stepped = self._edited.keep(self._index, stepped)
        return (stepped.to(model_output.dtype),)

    def initial_latents(self) -> torch.Tensor:
        """Return the latents before the first network call, which the pipeline multiplies by `init_noise_sigma`."""
        return self._edited.start() if self._edited is not None else self.draw_noise()

    def is_complete(self, num_inference_steps: int) -> bool:
        """Return whether `start` has all network calls of such a run."""
        self.set_timesteps(num_inference_steps)
        return len(self.timesteps) == 0

    def steps_done(self) -> int:
        """Return how many of `num_inference_steps` are complete."""
        return self._scheduler.steps_done(self._index)

    def snapshot(self, latents: torch.Tensor) -> Callable[[], Snapshot]:
        """Return what makes the snapshot of the current state, later too: copying from a GPU would wait for it."""
        calls, history, state = self._index, tuple(self._scheduler.history), self._noise[0].state
        steps = self._start.steps + self._scheduler.steps_done(calls) - self._scheduler.steps_done(self._start.calls)

        predicted = self._scheduler.predicted
        if self._edited is not None:
            predicted = self._edited.keep(len(self._scheduler.timesteps), predicted)

        def take() -> Snapshot:
            arrays = [each.float().cpu().numpy() for each in (latents, predicted, *history)]
            return Snapshot(steps, self._start.finished, calls, arrays[0], tuple(arrays[2:]), state, arrays[1])

        return take

    def draw_noise(self) -> torch.Tensor:
        """Return noise for every image, (images, channels, height / 8, width / 8), float32."""
        return torch.cat([torch.from_numpy(draw()) for draw in self._noise]).to(self._device)
