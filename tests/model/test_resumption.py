"""A generation that is interrupted after any network call goes on elsewhere to the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from imagegen.generation.ports import Engine
from imagegen.generation.snapshot import Snapshot, pack, unpack
from imagegen.generation.spec import GenerationSpec
from tests.support.plans import spec

STEPS = 5
SCHEDULERS = ["ddim", "dpm_multistep", "euler", "euler_ancestral", "lcm", "pndm"]


class Interrupted(Exception):
    """Stops a generation."""


@dataclass
class Recorder:
    """A Resumption that keeps every snapshot, and stops after `calls` network calls."""

    snapshot: Snapshot = field(default_factory=Snapshot)
    calls: int = 1_000_000
    taken: list[Callable[[], Snapshot]] = field(default_factory=list)

    def reached(self, take: Callable[[], Snapshot]) -> None:
        self.taken.append(take)
        if len(self.taken) == self.calls:
            raise Interrupted

    @property
    def files(self) -> list[bytes]:
        """The snapshots as files, made later, as at a deadline."""
        return [pack(take().encode()) for take in self.taken]


def generation(scheduler: str = "ddim", images: int = 1) -> GenerationSpec:
    prompt = "a red circle on a white background"
    size = {"width": 120, "height": 120, "num_images_per_prompt": images}
    # The demo model does not offer every scheduler.
    return replace(spec(prompt, num_inference_steps=STEPS, guidance_scale=3.0, seed=7, **size), scheduler=scheduler)


def draw(engine: Engine, wanted: GenerationSpec, recorder: Recorder) -> tuple[list[bytes], list[tuple[int, int]]]:
    """Return the pixels, and the progress without repetitions."""
    seen: dict[tuple[int, int], None] = {}
    generated = engine.generate(wanted, lambda step, of: seen.update({(step, of): None}), recorder)
    return [image.tobytes() for image in generated.images], list(seen)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_run_goes_on_from_every_call_to_the_same_bytes(engine: Engine, scheduler: str) -> None:
    whole = Recorder()
    expected, progress = draw(engine, generation(scheduler), whole)
    assert progress == [(step, STEPS) for step in range(STEPS + 1)]
    files = whole.files
    calls = len(files)
    assert calls == STEPS + (scheduler == "pndm")
    for done, file in enumerate(files, start=1):
        rest = Recorder(Snapshot.decode(unpack(file)))
        pixels, progress = draw(engine, generation(scheduler), rest)
        assert pixels == expected, done
        assert len(rest.files) == calls - done  # no step is repeated
        assert progress[-1] == (STEPS, STEPS)
        assert progress[0][0] == rest.snapshot.steps


def test_a_run_of_several_images_goes_on_within_each(engine: Engine) -> None:
    wanted = generation("euler_ancestral", images=3)
    whole = Recorder()
    expected, progress = draw(engine, wanted, whole)
    assert progress == [(step, 3 * STEPS) for step in range(3 * STEPS + 1)]
    for done in (1, STEPS, STEPS + 1, 2 * STEPS, 3 * STEPS - 1, 3 * STEPS):
        rest = Recorder(Snapshot.decode(unpack(whole.files[done - 1])))
        assert rest.snapshot.steps == done
        assert draw(engine, wanted, rest)[0] == expected, done
        assert len(rest.files) == 3 * STEPS - done


def test_one_run_after_another_each_a_single_step(engine: Engine) -> None:
    wanted = generation("dpm_multistep")
    expected, _ = draw(engine, wanted, Recorder())
    snapshot, calls = Snapshot(), 0
    while True:
        recorder = Recorder(snapshot, calls=1)
        try:
            pixels, _ = draw(engine, wanted, recorder)
        except Interrupted:
            snapshot = Snapshot.decode(unpack(recorder.files[0]))
            calls += 1
        else:
            break
    assert pixels == expected
    assert calls == STEPS


def test_a_run_goes_on_with_the_other_engine(openvino_engine: Engine, torch_engine: Engine) -> None:
    wanted = generation("euler")
    expected, _ = draw(torch_engine, wanted, Recorder())
    stopped = Recorder(calls=2)
    with pytest.raises(Interrupted):
        draw(openvino_engine, wanted, stopped)
    (pixels,), _ = draw(torch_engine, wanted, Recorder(Snapshot.decode(unpack(stopped.files[-1]))))
    assert max(abs(one - other) for one, other in zip(pixels, expected[0], strict=True)) <= 8


def test_a_snapshot_takes_a_few_times_the_size_of_the_latents(engine: Engine) -> None:
    recorder = Recorder()
    draw(engine, generation("pndm"), recorder)
    latents = 4 * (96 // 8) ** 2 * 4
    assert max(map(len, recorder.files)) < 10_000 + 6 * latents  # PNDM keeps four outputs
