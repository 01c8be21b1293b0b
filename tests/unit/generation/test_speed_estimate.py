from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from imagegen.catalog.registry import REGISTRY
from imagegen.generation.ports import Backend
from imagegen.generation.speed_estimate import Measured, SpeedEstimate, StepPace
from imagegen.generation.workload import Workload
from tests.support.plans import plan
from tests.support.workloads import SD15, plan_on

GUIDED = plan_on(threads=6, model="sd-1.5", num_inference_steps=25)
TORCH = Backend("torch", "cpu", "float32", "for tests", 6)
UNGUIDED = plan_on(threads=6, model="sd-1.5", num_inference_steps=25, guidance_scale=1)


def estimate(workload: Workload | None = SD15) -> SpeedEstimate:
    return SpeedEstimate(lambda _model, _backend: workload)


def test_speed_is_estimated_separately_with_guidance() -> None:
    measured = SpeedEstimate()
    measured.record(plan(guidance_scale=2), Measured(step_s=100.0, finish_s=10.0))
    assert measured.of(plan(guidance_scale=1)).step_s == 0
    assert measured.of(plan(guidance_scale=3)).step_s == 100


def test_the_fastest_times_are_kept_and_halved_together() -> None:
    measured, four = SpeedEstimate(), plan(num_inference_steps=4)
    for step_s, finish_s, load_s in ((4.0, 1.0, 30.0), (2.0, 3.0, 20.0), (8.0, 2.0, 40.0)):
        measured.record(four, Measured(step_s, finish_s))
        measured.record_load(REGISTRY["demo"], load_s)
    assert measured.of(four) == Measured(2.0, 1.0)
    assert (measured.needed_s(four, held_s=None), measured.needed_s(four, held_s=0)) == (29, 9)
    measured.halve(four)
    assert (measured.needed_s(four, held_s=None), measured.needed_s(four, held_s=0)) == (14.5, 4.5)


def test_a_measurement_ends_the_halving() -> None:
    """Otherwise every request after the first rejections would start, and be stopped."""
    measured, four = SpeedEstimate(), plan(num_inference_steps=4)
    measured.record(four, Measured(10.0, 1.0))
    for _ in range(3):
        measured.halve(four)
    measured.record(four, Measured(11.0, 1.0))
    assert measured.needed_s(four, held_s=0) == 41


def test_until_there_is_a_measurement_the_time_follows_from_the_manifest() -> None:
    """803 GFLOP a pass, 25 steps, two passes, at 6 x 92 GFLOP/s; 2 GB at 6 s; a second to finish."""
    expected = estimate().expected_s(GUIDED, held_s=None)
    assert expected == pytest.approx(25 * 2 * 803 / (6 * 92) + 12 + 1, abs=0.5)
    assert estimate().expected_s(UNGUIDED, held_s=None) == pytest.approx(25 * 803 / (6 * 92) + 12 + 1, abs=0.5)
    assert estimate(None).expected_s(GUIDED, held_s=None) == 1.0


def test_decoding_follows_from_the_pace_of_the_steps_until_it_was_measured() -> None:
    """A large picture decodes for seconds, so a second for everything after the last step would cut it off."""
    decoder_as_slow_as_a_step = replace(SD15.flops, decode=803 * 10**9 - SD15.flops.text_encode)
    measured = estimate(replace(SD15, flops=decoder_as_slow_as_a_step))
    assert measured.finish_s(UNGUIDED, step_s=65.0) == pytest.approx(66)
    assert measured.finish_s(UNGUIDED, step_s=None) == 1
    assert estimate(None).finish_s(UNGUIDED, step_s=65.0) == 1
    measured.record(UNGUIDED, Measured(65.0, 5.6))
    assert measured.finish_s(UNGUIDED, step_s=65.0) == 5.6


def test_time_for_enlarging_and_for_the_background_is_reserved_until_it_was_measured() -> None:
    """512 x 512 at 1.24 MFLOP a pixel, and 40 GFLOP, in float32 at 92 GFLOP/s for each of six threads."""
    asked = plan_on(6, precision="bfloat16", model="sd-1.5", upscale=4, background="transparent", guidance_scale=1)
    plain = plan_on(6, precision="bfloat16", model="sd-1.5", guidance_scale=1)
    assert estimate(None).finish_s(asked, step_s=None) == pytest.approx(1 + 0.589 + 0.072, abs=0.001)
    on_torch = replace(asked, backend=TORCH)
    assert estimate(None).finish_s(on_torch, step_s=None) == estimate(None).finish_s(asked, step_s=None)
    added_s = estimate().expected_s(asked, held_s=None) - estimate().expected_s(plain, held_s=None)
    assert added_s == pytest.approx(0.661, abs=0.001)


def test_a_measurement_replaces_the_estimate_also_where_it_is_slower() -> None:
    for step_s in (0.01, 100.0):
        measured = estimate()
        measured.record_load(REGISTRY["sd-1.5"], 2.0)
        measured.record(GUIDED, Measured(step_s, 0.5))
        assert measured.expected_s(GUIDED, held_s=10.0) == pytest.approx(25 * step_s + 0.5)
        assert measured.expected_s(GUIDED, held_s=None) == pytest.approx(25 * step_s + 2.5)


def test_one_measured_size_gives_the_pace_for_the_others() -> None:
    measured = estimate()
    measured.record_load(REGISTRY["sd-1.5"], 2.0)
    measured.record(UNGUIDED, Measured(0.1, 0.5))
    compiling = 2.5 * 2
    assert measured.expected_s(GUIDED, held_s=10.0) == pytest.approx(25 * 0.2 + 1 + compiling, abs=0.1)


def test_a_preloaded_model_has_only_the_rest_of_its_load_left() -> None:
    cold, halfway, loaded = (estimate().expected_s(GUIDED, held_s=held_s) for held_s in (0.0, 6.0, 60.0))
    assert (round(cold - halfway, 3), round(cold - loaded, 3)) == (6, 12)


@pytest.mark.parametrize(("size", "least", "most"), [(256, 0.2, 0.25), (512, 1, 1), (640, 1.57, 2.4), (768, 2.26, 5)])
def test_a_step_grows_faster_than_the_area(size: int, least: float, most: float) -> None:
    other = plan_on(threads=1, model="sd-1.5", width=size, height=size)
    growth = SD15.step(other.spec, other.model) / SD15.step(GUIDED.spec, GUIDED.model)
    assert least <= growth <= most


def test_an_old_manifest_has_nearly_the_same_workload() -> None:
    """The bytes of the weights of Stable Diffusion 1.5 and the tiny decoder, in float16 and float32."""
    sizes = {"unet": 1_720_000_000, "vae_decoder": 2_450_000, "text_encoder": 246_000_000, "tokenizer": 2_000_000}
    half = Workload.of(None, sizes, GUIDED.model, GUIDED.backend)
    full = Workload.of(None, {name: 2 * size for name, size in sizes.items()}, GUIDED.model, TORCH)
    assert half.flops == full.flops
    assert half.flops.denoise_step == pytest.approx(803e9, rel=0.01)
    expected = SpeedEstimate(lambda _model, _backend: half).expected_s(GUIDED, held_s=None)
    assert expected == pytest.approx(estimate().expected_s(GUIDED, held_s=None), rel=0.02)


# -- projection --------------------------------------------------------------------------------------------------------


def rest(intervals: Sequence[float], steps: int, known_s: float = 0.0) -> float:
    """The projected rest after steps that took these seconds."""
    now = 0.0

    def clock() -> float:
        return now

    pace = StepPace(clock, known_s)
    for step, seconds in enumerate(intervals, start=1):
        pace.reached(step - 1)  # as an engine calls during a step
        now += seconds
        pace.reached(step)
    return pace.rest_s(steps)


def test_the_first_step_is_not_projected() -> None:
    assert rest([20.0, 1.0, 1.0], 27) == 27
    assert rest([20.0], 29) == 20
    assert rest([20.0], 29, known_s=1.5) == 1.5
    assert rest([20.0, 1.0], 28) == 1


def test_one_slow_step_is_not_projected_either() -> None:
    assert rest([1.0, 9.0, 1.0], 10) == 10
    assert rest([1.0, 1.0, 9.0], 2) == 9
    assert rest([1.0, 1.0, 9.0], 0) == 0
