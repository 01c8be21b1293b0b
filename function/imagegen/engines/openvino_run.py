"""One request on the OpenVINO engine's compiled networks."""

from __future__ import annotations

import numpy as np
from PIL import Image

from imagegen.engines import schedulers
from imagegen.engines.denoise import denoise, keep_nothing
from imagegen.engines.latent_edit import EditedRun, LatentEdit, repainted_latents
from imagegen.engines.noise import Noise
from imagegen.engines.openvino_denoiser import Decoder, Denoiser, Encoder
from imagegen.engines.openvino_text import Floats
from imagegen.engines.schedulers.config import SchedulerConfig
from imagegen.errors import GenerationInvalid
from imagegen.generation.ports import OnStep, Resumption
from imagegen.generation.snapshot import Snapshot
from imagegen.generation.spec import GenerationSpec


class Run:
    """One request on compiled networks: its progress, and the point where it can be stopped."""

    def __init__(
        self,
        denoiser: Denoiser,
        decoder: Decoder,
        encoder: Encoder | None,
        spec: GenerationSpec,
        on_step: OnStep,
        resumption: Resumption | None = None,
    ):
        """`encoder` is needed for an edit only."""
        self.denoiser = denoiser
        self._decoder = decoder
        self._encoder = encoder
        self._spec = spec
        self._on_step = on_step
        self._resumption = resumption
        self._at = resumption.snapshot if resumption is not None else Snapshot()
        self._edit: LatentEdit | None = None

    def still_wanted(self) -> None:
        """Raise what `on_step` raises. Called during long inferences, so that stopping does not wait for a step."""
        self._on_step(self._at.steps, self._spec.total_steps)

    def encode_image(self) -> None:
        """Encode the picture that the run starts from, if there is one."""
        canvas = self._spec.canvas
        if canvas is not None and self._encoder is not None:
            original = self._encoder.encode(canvas.image, self.still_wanted)
            repainted = repainted_latents(canvas.weights) if canvas.weights else None
            self._edit = LatentEdit(original, self._spec.strength, repainted)

    def latents(self, config: SchedulerConfig) -> list[Floats]:
        """Return the denoised latents of each image, (1, channels, height / 8, width / 8)."""
        self.still_wanted()
        while len(self._at.finished) < self._spec.num_images_per_prompt:
            latents = self._denoise(config, index=len(self._at.finished))
            self._at = Snapshot(self._at.steps, (*self._at.finished, latents))
        return list(self._at.finished)

    def _denoise(self, config: SchedulerConfig, index: int) -> Floats:
        spec, start = self._spec, self._at
        noise = Noise(spec.seed_of(index), self.denoiser.latents_shape)
        scheduler = schedulers.create(spec.scheduler, config, spec.num_inference_steps, noise, spec.strength)
        edited = EditedRun(self._edit, scheduler, noise()) if self._edit else None
        if start.random is not None:
            scheduler.history, noise.state = list(start.history), start.random

        def predict(sample: Floats, timestep: float) -> Floats:
            return self.denoiser.predict(sample, timestep, self.still_wanted)

        def after_call(calls: int, sample: Floats) -> None:
            steps = index * spec.steps_per_image + scheduler.steps_done(calls)
            predicted = keep(len(scheduler.timesteps), scheduler.predicted)
            history = tuple(scheduler.history)
            self._reached(Snapshot(steps, start.finished, calls, sample, history, noise.state, predicted))

        sample = edited.start() if edited and start.sample is None else start.sample
        keep = edited.keep if edited else keep_nothing
        latents: Floats = denoise(scheduler, predict, after_call, calls=start.calls, sample=sample, keep=keep)
        return latents

    def _reached(self, snapshot: Snapshot) -> None:
        self._at = snapshot
        if self._resumption is not None:
            self._resumption.reached(lambda: snapshot)
        self.still_wanted()

    def image(self, latents: Floats) -> Image.Image:
        """Decode. Raises GenerationInvalid if the latents are not finite."""
        if not np.isfinite(latents).all():
            raise GenerationInvalid
        return self._decoder.decode(latents, self.still_wanted)
