"""How long a generation takes in this environment: as measured here, and until then as computed from the model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from imagegen.catalog.registry import Model
from imagegen.generation.planner import Plan
from imagegen.generation.ports import Backend
from imagegen.generation.spec import GenerationSpec
from imagegen.generation.workload import Workload, assumed_pace, postprocessing_s

FINISHING_SECONDS: Final = 1.0
"""Reserved for decoding, storing and responding until a generation of the same size has been measured, beside the time
that the decoder computes, as far as that can be computed."""

STORING_SECONDS: Final = 0.3
"""Reserved for encoding, storing and signing one image; mostly the latency of S3."""

FASTEST: Final = 4.0
"""How many times as fast as assumed_pace a processor may be. An assumption: on a faster one, an affordable job of a
size that was never measured could be refused."""


@dataclass(frozen=True)
class Measured:
    """Seconds of one denoising step, and of decoding and storing one image; infinite if that was not measured."""

    step_s: float
    finish_s: float = math.inf


class SpeedEstimate:
    """The fastest times seen here per version of a model and size, so that only what cannot fit is rejected.

    Each environment has its own: Lambda's CPUs differ, so another environment's times could reject what fits here.
    """

    def __init__(self, workload_of: Callable[[Model, Backend], Workload | None] = lambda _model, _backend: None):
        self._workload_of = workload_of
        self._measured: dict[tuple[object, ...], Measured] = {}
        self._loads: dict[str, float] = {}
        self._paces: dict[str, float] = {}
        self._trust: dict[tuple[object, ...], float] = {}

    def of(self, plan: Plan) -> Measured:
        """Return the fastest times for the plan's model and size; a default if not measured yet."""
        known = self._measured.get(_key(plan), Measured(0.0))
        return known if known.finish_s < math.inf else Measured(known.step_s, FINISHING_SECONDS)

    def finish_s(self, plan: Plan, step_s: float | None) -> float:
        """Return the seconds that one image takes after its last step: measured, or at the pace of a step of `step_s`.

        At 1024 x 1024 and 65 s a step, SDXL's tiny decoder and storing took 5.6 s (docs/decisions/openvino.md).
        """
        known = self._measured.get(_key(plan))
        if known is not None and known.finish_s < math.inf:
            return known.finish_s
        reserved_s = FINISHING_SECONDS + postprocessing_s(plan.spec, plan.backend)
        workload = self._workload_of(plan.model, plan.backend)
        if workload is None or not step_s:
            return reserved_s
        around, step = workload.around(plan.spec, plan.model), workload.step(plan.spec, plan.model)
        return reserved_s + step_s * around / step

    def record(self, plan: Plan, measured: Measured) -> None:
        """Keep each of the two times if none was faster."""
        known = self._measured.get(_key(plan), measured)
        fastest = Measured(min(known.step_s, measured.step_s), min(known.finish_s, measured.finish_s))
        self._measured[_key(plan)] = fastest
        self._trust.pop(_key(plan), None)
        workload = self._workload_of(plan.model, plan.backend)
        if workload is not None and measured.step_s > 0:
            pace = workload.step(plan.spec, plan.model) / measured.step_s
            self._paces[plan.model.version] = max(pace, self._paces.get(plan.model.version, 0.0))

    def record_load(self, model: Model, seconds: float) -> None:
        """Keep `seconds`, the time that loading and compiling took, if no load of this version was faster."""
        self._loads[model.version] = min(self._loads.get(model.version, seconds), seconds)

    def halve(self, plan: Plan) -> None:
        """Halve the estimate until the next measurement. Done on each rejection, or one slow minute would last."""
        self._trust[_key(plan)] = self._trust.get(_key(plan), 1.0) / 2

    def needed_s(self, plan: Plan, held_s: float | None) -> float:
        """Return the seconds that the plan takes as far as they are measured.

        `held_s` is how long ago the model's load began; None if it is not in memory.
        """
        return self._trusted(plan, self._load_s(plan, held_s), self.of(plan))

    def first_step_s(self, plan: Plan, held_s: float | None) -> float:
        """Return the seconds until the plan's first step is done, as far as they are measured."""
        return (self._load_s(plan, held_s) + self.of(plan).step_s) * self._trust.get(_key(plan), 1.0)

    def _load_s(self, plan: Plan, held_s: float | None) -> float:
        return self._loads.get(plan.model.version, 0.0) if held_s is None else 0.0

    def expected_s(self, plan: Plan, held_s: float | None) -> float:
        """Return the seconds that the plan should take. What is not measured is computed from the model's manifest."""
        workload = self._workload_of(plan.model, plan.backend)
        if workload is None:
            return self.needed_s(plan, held_s)
        times = self.of(plan) if _key(plan) in self._measured else self._computed(plan, workload)
        return self._trusted(plan, self._expected_load_s(plan, workload, held_s), times)

    def least_s(self, plan: Plan) -> float:
        """Return the seconds of compute that the plan takes at least, with the model in memory. 0 if nothing is known.

        What is not measured is computed from the model's manifest, for a processor that is FASTEST times as fast.
        """
        workload, known = self._workload_of(plan.model, plan.backend), self._measured.get(_key(plan))
        if known is not None:
            finish_s = known.finish_s if known.finish_s < math.inf else 0.0
            return self._trusted(plan, 0.0, Measured(known.step_s, finish_s))
        return self._trusted(plan, 0.0, self._computed(plan, workload)) / FASTEST if workload is not None else 0.0

    def _trusted(self, plan: Plan, load_s: float, times: Measured) -> float:
        spec = plan.spec
        seconds = load_s + spec.total_steps * times.step_s + spec.num_images_per_prompt * times.finish_s
        return seconds * self._trust.get(_key(plan), 1.0)

    def _computed(self, plan: Plan, workload: Workload) -> Measured:
        """Return times at the pace of another size of the model, if one was measured."""
        pace = self._paces.get(plan.model.version) or assumed_pace(plan.backend)
        step, around = workload.step(plan.spec, plan.model), workload.around(plan.spec, plan.model)
        finish_s = FINISHING_SECONDS + postprocessing_s(plan.spec, plan.backend) + around / pace
        return Measured(step / pace, finish_s)

    def _expected_load_s(self, plan: Plan, workload: Workload, held_s: float | None) -> float:
        known_s = self._loads.get(plan.model.version)
        if held_s is None:
            return workload.load_s if known_s is None else known_s
        if _key(plan) in self._measured:
            return 0.0
        return max(0.0, workload.load_s - held_s) if known_s is None else workload.compile_s


class StepPace:
    """The steps of one run: how long the rest takes at least.

    The first step is left out, because it alone includes compiling and encoding the prompt.
    """

    ENOUGH: Final = 2
    """Measured steps after which the rest is projected from the fastest of them."""

    def __init__(self, clock: Callable[[], float], known_s: float, done: int = 0):
        """`known_s` is the fastest step so far of other runs, `done` the steps of earlier runs of the same job."""
        self._clock = clock
        self._known_s = known_s
        self._last = clock()
        self._latest_s = 0.0
        self._steps: list[float] = []
        self._start = self._done = done

    @property
    def fastest_s(self) -> float | None:
        """The fastest measured step, in seconds; None before ENOUGH steps."""
        return min(self._steps) if len(self._steps) >= self.ENOUGH else None

    def reached(self, step: int) -> bool:
        """Record that `step` steps have ended. Returns False during a step, when engines repeat the last number."""
        if step <= self._done:
            return False
        now = self._clock()
        self._latest_s, self._last = now - self._last, now
        if self._done > self._start:
            self._steps.append(self._latest_s)
        elif self._known_s:
            self._latest_s = min(self._latest_s, self._known_s)
        self._done = step
        return True

    @property
    def since_s(self) -> float:
        """The seconds since the last step ended."""
        return self._clock() - self._last

    @property
    def latest_s(self) -> float:
        """The seconds of the last step; of a first one, at most `known_s`. 0 before a step has ended."""
        return self._latest_s

    def rest_s(self, steps: int) -> float:
        """Return the seconds that `steps` more steps take at least; those of one step until enough are measured."""
        return max(min(1, steps) * self._latest_s, steps * (self.fastest_s or 0.0))


def _key(plan: Plan) -> tuple[object, ...]:
    spec: GenerationSpec = plan.spec
    guided = spec.guidance_scale > 1
    return spec.model_id, spec.revision, spec.width, spec.height, guided, spec.upscale, spec.background
