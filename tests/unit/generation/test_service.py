from __future__ import annotations

import hashlib
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

from imagegen.catalog.registry import REGISTRY
from imagegen.deadline import Deadline
from imagegen.errors import GenerationTimeout, ModelUnavailable, ServiceError, StorageUnavailable
from imagegen.generation.checkpoint import Checkpoint
from imagegen.generation.ports import Backend, OnStep
from imagegen.generation.pricing import Pricing
from imagegen.generation.result import ModelLoad, Outcome, ResponseModel, Result, WarmUp
from imagegen.generation.speed_estimate import Measured, SpeedEstimate
from imagegen.generation.workload import Workload
from tests.support.fakes import (
    PLENTY,
    FakeEngine,
    FakeEngines,
    MemoryCheckpoints,
    MemoryLeases,
    MemoryStore,
    build_service,
)
from tests.support.plans import PLANNER, plan
from tests.support.workloads import SD15, plan_on


class Clock:
    """Seconds that only the test advances."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class World:
    """A service and its fakes."""

    def __init__(self, **engine: Any) -> None:
        self.clock = Clock()
        self.engine = FakeEngine(**engine)
        self.engines = FakeEngines(self.engine)
        self.store = MemoryStore()
        self.service = build_service(self.engines, self.store, clock=self.clock, workload=SD15)

    def ask(self, deadline: Deadline = PLENTY, tenant: str = "alice", **fields: Any) -> Result:
        asked = plan(**{"num_inference_steps": 4, **fields})
        return self.service.generate(asked, tenant=tenant, deadline=deadline)

    def file_of(self, result: Result, index: int = 0) -> bytes:
        """Return the file that the image's URL leads to."""
        return self.store.objects[result.images[index].url.removeprefix("memory://")]


def test_the_result_describes_the_stored_objects() -> None:
    world = World()
    result = world.ask(seed=7, num_images_per_prompt=2, metadata={"order": "A-17"})
    (first_key, body), (second_key, _) = world.store.objects.items()
    assert result.image_url == result.images[0].url == f"memory://{first_key}"
    assert (result.images[0].bytes, result.images[0].sha256) == (len(body), hashlib.sha256(body).hexdigest())
    assert [image.seed for image in result.images] == [7, 8]
    assert first_key.startswith("images/alice/")
    assert [key.rpartition("/")[2] for key in (first_key, second_key)] == ["demo-7.png", "demo-8.png"]
    assert (result.cached, result.cold_start, result.timings.load_ms) == (False, True, 1000)
    assert result.metadata == {"order": "A-17"}


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"seed": 7}, ["demo-7.png"]),
        ({"seed": 2**32 - 1, "num_images_per_prompt": 2}, ["demo-4294967295.png", "demo-0.png"]),
        ({"seed": 0, "output_format": "webp", "cache": "off"}, ["demo-0.webp"]),
        ({"seed": 7, "output_format": "jpeg", "cache": "refresh"}, ["demo-7.jpeg"]),
    ],
)
def test_a_saved_url_is_named_after_model_and_seed(fields: dict[str, Any], names: list[str]) -> None:
    assert [image.url.rpartition("/")[2] for image in World().ask(**fields).images] == names


def test_a_drawn_seed_names_the_file() -> None:
    (image,) = World().ask().images
    assert image.url.endswith(f"/demo-{image.seed}.png")


def test_a_generated_seed_is_returned_and_reproduces_the_image() -> None:
    world = World()
    first = world.ask()
    again = world.ask(seed=first.images[0].seed)
    assert again.cached
    assert again.images[0].sha256 == first.images[0].sha256


def test_a_repeated_request_with_a_seed_is_answered_from_the_cache() -> None:
    world = World()
    first, second = world.ask(seed=7), world.ask(seed=7)
    assert (first.cached, second.cached) == (False, True)
    assert (world.engine.generations, world.engines.loads) == (1, 1)
    assert second.timings.denoise_ms == second.timings.load_ms == 0
    assert second.id != first.id


def test_a_request_without_a_seed_never_hits_the_cache() -> None:
    world = World()
    assert not world.ask().cached
    assert not world.ask().cached


@pytest.mark.parametrize("cache", ["off", "refresh"])
def test_the_cache_can_be_bypassed(cache: str) -> None:
    world = World()
    world.ask(seed=7)
    assert not world.ask(seed=7, cache=cache).cached
    assert world.engine.generations == 2


def test_off_returns_what_was_drawn_now_and_leaves_the_cache_as_it_is() -> None:
    world = World()
    first = world.ask(seed=7)
    world.engine.green = 1
    off = world.ask(seed=7, cache="off")
    assert (off.cached, off.images[0].sha256) == (False, hashlib.sha256(world.file_of(off)).hexdigest())
    assert off.images[0].sha256 != first.images[0].sha256
    assert world.ask(seed=7).images == first.images


@pytest.mark.parametrize("fields", [{"seed": 7}, {}])
def test_a_later_request_does_not_find_what_was_drawn_with_the_cache_off(fields: dict[str, Any]) -> None:
    world = World()
    first = world.ask(**fields, cache="off")
    assert not world.ask(seed=first.images[0].seed).cached


def test_refresh_returns_what_was_drawn_now_and_answers_later_requests() -> None:
    world = World()
    world.ask(seed=7)
    world.engine.green = 1
    refreshed = world.ask(seed=7, cache="refresh")
    again = world.ask(seed=7)
    assert (refreshed.cached, again.cached) == (False, True)
    assert again.images == refreshed.images


@pytest.mark.parametrize("cache", ["refresh", "off"])
@pytest.mark.parametrize("green", [0, 1])
def test_the_file_of_an_earlier_result_never_changes(cache: str, green: int) -> None:
    """Another kind of processor, here another green, may draw other bytes for the same request."""
    world = World()
    first = world.ask(seed=7, num_images_per_prompt=2)
    files = [world.file_of(first, index) for index in range(2)]
    world.engine.green = green
    world.ask(seed=7, num_images_per_prompt=2, cache=cache)
    assert [world.file_of(first, index) for index in range(2)] == files
    for image, file in zip(first.images, files, strict=True):
        assert (image.sha256, image.bytes) == (hashlib.sha256(file).hexdigest(), len(file))


def test_an_expired_entry_is_replaced_without_changing_its_files() -> None:
    world = World()
    first = world.ask(seed=7)
    file = world.file_of(first)
    world.store.entries.clear()
    world.engine.green = 1
    assert world.ask(seed=7).images[0].sha256 != first.images[0].sha256
    assert world.file_of(first) == file


def test_a_result_that_is_not_in_an_entry_is_a_cache_miss() -> None:
    """Its process may have died between the images and their entry."""
    world = World()
    world.ask(seed=7, num_images_per_prompt=2)
    (images,) = world.store.entries.values()
    images.pop()
    assert not world.ask(seed=7, num_images_per_prompt=2).cached
    world.store.entries.clear()
    assert not world.ask(seed=7, num_images_per_prompt=2).cached


def test_tenants_do_not_share_the_cache() -> None:
    world = World()
    world.ask(seed=7, tenant="alice")
    assert not world.ask(seed=7, tenant="bob").cached


def test_cached_results_keep_their_warnings() -> None:
    world = World(warnings=["prompt_truncated: the model reads 32 tokens, the prompt has 40"])
    first, second = world.ask(seed=7), world.ask(seed=7)
    assert second.cached
    assert first.warnings == second.warnings != []


def test_a_negative_prompt_without_guidance_gets_a_warning() -> None:
    world = World()
    assert [warning.split(":")[0] for warning in world.ask(negative_prompt="x", guidance_scale=1).warnings] == [
        "negative_prompt_ignored"
    ]
    assert world.ask(negative_prompt="x", guidance_scale=2).warnings == []


@pytest.mark.parametrize("cache", ["use", "off"])
def test_syntax_that_is_not_honored_gets_a_warning_also_from_the_cache(cache: str) -> None:
    world = World()
    results = [world.ask(prompt="a (red:9) circle <lora:x:1>", seed=7, cache=cache) for _ in range(2)]
    codes = [[warning.split(":")[0] for warning in result.warnings] for result in results]
    assert codes == [["prompt_tag_literal", "prompt_weight_ignored"]] * 2


def test_a_quality_for_a_lossless_format_gets_a_warning() -> None:
    world = World()
    assert world.ask(output_quality=50).warnings == ["output_quality_ignored: png is lossless"]
    assert world.ask(output_quality=50, output_format="webp").warnings == []


def test_the_cost_is_memory_times_time() -> None:
    world = World()
    world.engine.during = lambda _: setattr(world.clock, "now", world.clock.now + 0.5)
    cost = world.ask(seed=7).cost
    compute = next(line for line in cost.lines if line.item == "compute")
    assert (cost.billed_ms, cost.memory_mb, compute.usd) == (2000, 1024, "0.02")


def test_a_receipt_has_what_was_stored_and_a_cached_result_none() -> None:
    world = World()
    drawn, again = (world.ask(seed=7, num_images_per_prompt=3).cost for _ in range(2))
    assert {line.item: line.quantity for line in drawn.lines if line.item.startswith("s3")}.keys() == {
        "s3_writes",
        "s3_storage",
    }
    assert next(line.quantity for line in drawn.lines if line.item == "s3_writes") == "4"
    assert (again.usd, again.billed_ms, again.lines) == (0, 0, [])


def test_without_a_cache_entry_there_is_a_write_less() -> None:
    lines = World().ask(seed=7, cache="off").cost.lines
    assert next(line.quantity for line in lines if line.item == "s3_writes") == "1"


def test_images_that_two_precisions_have_drawn_get_no_cache_entry_and_do_not_pay_for_one() -> None:
    class OfTwoPrecisions(Checkpoint):
        reproducible = False

    world = World()
    checkpoint = OfTwoPrecisions(
        MemoryCheckpoints(), "key", may_exist=False, until_deadline=False, save_every_s=30, clock=world.clock
    )
    planned = plan(seed=7, num_inference_steps=4)
    drawn = world.service.produce(planned, tenant="alice", deadline=PLENTY, checkpoint=checkpoint)
    assert next(line.quantity for line in drawn.cost.lines if line.item == "s3_writes") == "1"
    assert not world.ask(seed=7).cached


@pytest.mark.parametrize("left", [0.0, -5.0, 0.9])
def test_nothing_is_loaded_without_time_to_generate(left: float) -> None:
    world = World()
    with pytest.raises(GenerationTimeout):
        world.ask(Deadline(lambda: left))
    assert (world.engines.loads, world.store.objects) == (0, {})


def test_a_run_stops_before_a_step_that_would_miss_the_deadline() -> None:
    world = World()
    world.engine.during = lambda _: setattr(world.clock, "now", world.clock.now + 1.0)
    # 4.9 s do not allow four steps of 1 s and 1 s to finish, so the run stops after the third step.
    with pytest.raises(GenerationTimeout):
        world.ask(Deadline(lambda: 4.9 - world.clock.now))
    assert world.engine.steps == 3
    assert world.store.objects == {}


def test_a_run_stops_before_a_decoding_that_would_miss_the_deadline() -> None:
    world = World()
    slow_decoder = replace(SD15, flops=replace(SD15.flops, decode=5 * SD15.flops.denoise_step))
    world.service = build_service(world.engines, world.store, clock=world.clock, workload=slow_decoder)
    world.engine.during = lambda _: setattr(world.clock, "now", world.clock.now + 1.0)
    # Four steps of 1 s, a second to finish, and decoding at the pace of the steps: 5 s.
    with pytest.raises(GenerationTimeout):
        world.ask(Deadline(lambda: 9.0 - world.clock.now), guidance_scale=1)
    assert world.engine.steps == 3
    world.clock.now = 0.0
    world.ask(Deadline(lambda: 10.5 - world.clock.now), guidance_scale=1)


class Finishing:
    """An engine that enlarges `tiles` tiles, a second each, and asks after each whether that is still wanted."""

    def __init__(self, world: World, tiles: int):
        self.world, self.left = world, tiles
        world.engine.upscale_s = float(tiles)
        world.engine.finishing = self

    def __call__(self, on_step: OnStep, of: int) -> None:
        while self.left:
            self.world.clock.now += 1.0
            self.left -= 1
            on_step(of, of)


def test_what_is_reserved_for_finishing_shrinks_while_it_runs() -> None:
    """Otherwise a run that fits would be stopped at its first tile, with the time for all of them still reserved."""
    world = World()
    Finishing(world, tiles=8)
    world.ask(upscale=4, seed=1)  # measures 8.3 s to finish
    started = world.clock.now
    Finishing(world, tiles=8)
    assert world.ask(Deadline(lambda: 9.0 - (world.clock.now - started)), upscale=4, seed=2)


def test_a_run_that_would_miss_the_deadline_does_not_begin_to_finish() -> None:
    world = World()
    Finishing(world, tiles=8)
    world.ask(upscale=4, seed=1)
    started, again = world.clock.now, Finishing(world, tiles=8)
    with pytest.raises(GenerationTimeout):
        world.ask(Deadline(lambda: 7.0 - (world.clock.now - started)), upscale=4, seed=2)
    assert again.left == 8


def test_enlarging_is_measured_apart_from_requests_without_it() -> None:
    world = World()
    Finishing(world, tiles=8)
    world.ask(upscale=4, seed=1)
    started = world.clock.now
    assert world.ask(Deadline(lambda: 3.0 - (world.clock.now - started)), seed=2)


def test_the_result_has_the_size_of_the_file_and_the_time_of_each_phase() -> None:
    world = World(upscale_s=0.25, background_s=0.125)
    result = world.ask(width=144, upscale=2, background="transparent")
    assert (result.images[0].width, result.images[0].height) == (288, 256)
    assert (result.timings.upscale_ms, result.timings.background_ms) == (250, 125)


def test_a_request_known_to_be_too_slow_is_rejected_before_the_first_step() -> None:
    world = World()
    world.ask(seed=1)  # the engine reports 0.02 s for four steps
    steps = world.engine.steps
    with pytest.raises(GenerationTimeout):
        world.ask(Deadline(lambda: 1.1), num_inference_steps=100, num_images_per_prompt=8)
    assert world.engine.steps == steps


def test_one_slow_measurement_does_not_reject_requests_forever() -> None:
    world = World()
    world.ask(seed=1)
    world.service._timed._estimate = SpeedEstimate()
    world.service._timed._estimate.record(plan(num_inference_steps=4), Measured(step_s=100.0, finish_s=10.0))
    refused = 0
    while refused < 20:
        try:
            world.ask(Deadline(lambda: 28.0))
            break
        except GenerationTimeout:
            refused += 1
    assert 0 < refused < 6


def test_a_known_load_time_counts_if_the_engine_must_be_loaded() -> None:
    world = World()
    world.ask(seed=1)  # the fake reports a load time of one second
    steps = world.engine.steps
    world.ask(Deadline(lambda: 1.8), seed=2)
    world.engines.loads = 0  # another model has replaced it
    with pytest.raises(GenerationTimeout):
        world.ask(Deadline(lambda: 1.2), seed=3)
    assert world.engine.steps == 2 * steps
    world.ask(Deadline(lambda: 1.2), seed=3)


# -- deadlines that a job keeps better ---------------------------------------------------------------------------------

GATEWAY_S = 28.0


@pytest.mark.parametrize("held", [None, 0.0])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_cold_environment_hands_a_real_model_over_before_it_loads(precision: Any, held: float | None) -> None:
    world = World()
    world.engines.held = held
    asked = plan_on(threads=6, precision=precision, model="sd-1.5", num_inference_steps=25)
    with pytest.raises(GenerationTimeout):
        world.service.require_time(asked, tenant="alice", deadline=Deadline(lambda: GATEWAY_S))
    assert (world.engines.loads, world.engine.steps) == (0, 0)


@pytest.mark.parametrize(
    ("model", "threads", "body"),
    [
        ("sd-turbo", 6, {}),
        ("lcm-dreamshaper-7", 6, {}),
        ("sd-1.5", 6, {"num_inference_steps": 8, "guidance_scale": 1}),
    ],
)
def test_a_cold_environment_tries_what_should_fit(model: str, threads: int, body: dict[str, Any]) -> None:
    asked = plan_on(threads, model=model, **body)
    World().service.require_time(asked, tenant="alice", deadline=Deadline(lambda: GATEWAY_S))


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_the_demo_model_is_always_generated_inline(engine: Any) -> None:
    """Cold, on one vCPU, at its defaults: a tenth of the time would do."""
    backend = Backend(engine, "cpu", "float32", "for tests", threads=1)
    stored = {"openvino": 1, "torch": 2}[engine]
    sizes = {"unet": 10_900_000 * stored, "vae_decoder": 1_250_000 * stored, "text_encoder": 1_490_000 * stored}
    world = World()
    world.service = build_service(
        world.engines, world.store, workload=Workload.of(None, sizes, REGISTRY["demo"], backend)
    )
    asked = replace(plan(), backend=backend)
    world.service.require_time(asked, tenant="alice", deadline=Deadline(lambda: GATEWAY_S / 10))


def test_stored_images_need_no_time() -> None:
    world = World()
    world.ask(seed=7)
    asked = plan(num_inference_steps=4, seed=7)
    world.service.require_time(asked, tenant="alice", deadline=Deadline(lambda: 0.1))
    for other in (plan(num_inference_steps=4, seed=8), plan(num_inference_steps=4, seed=7, cache="refresh")):
        with pytest.raises(GenerationTimeout):
            world.service.require_time(other, tenant="alice", deadline=Deadline(lambda: 0.1))


def test_a_measurement_replaces_the_estimate() -> None:
    """A processor that is much faster than assumed, and one that is much slower."""
    for step_s, fits in ((0.1, True), (5.0, False)):
        world = World()
        asked = plan_on(threads=6, model="sd-1.5", num_inference_steps=25, seed=1)
        world.engine.step_s = step_s
        world.service.produce(asked, tenant="alice", deadline=PLENTY)
        again = plan_on(threads=6, model="sd-1.5", num_inference_steps=25, seed=2)
        with nullcontext() if fits else pytest.raises(GenerationTimeout):
            world.service.require_time(again, tenant="alice", deadline=Deadline(lambda: GATEWAY_S))


def test_a_warm_up_measures() -> None:
    world = World()
    world.engine.step_s = 0.1
    world.service.warm(PLANNER.warm_up("sd-1.5"))
    asked = plan(model="sd-1.5", num_inference_steps=25)
    world.service.require_time(asked, tenant="alice", deadline=Deadline(lambda: GATEWAY_S))


@pytest.mark.parametrize("asks_during_steps", [False, True])
def test_a_run_that_will_not_fit_is_stopped_after_three_steps(asks_during_steps: bool) -> None:
    """Not at its deadline: 30 steps of 1.7 s. The next request of that size does not start."""
    world = World()
    world.engine.asks_during_steps = asks_during_steps
    world.engine.during = lambda _: setattr(world.clock, "now", world.clock.now + 1.7)
    with pytest.raises(GenerationTimeout):
        world.ask(Deadline(lambda: GATEWAY_S - world.clock.now), num_inference_steps=30)
    assert (world.engine.steps, world.store.objects) == (3, {})
    with pytest.raises(GenerationTimeout):
        world.ask(Deadline(lambda: GATEWAY_S), num_inference_steps=30)
    assert world.engine.steps == 3


@pytest.mark.parametrize("asks_during_steps", [False, True])
def test_a_slow_start_does_not_stop_a_run_that_fits(asks_during_steps: bool) -> None:
    world = World()
    world.engine.asks_during_steps = asks_during_steps
    slow = {1: 12.0, 2: 3.0}
    world.engine.during = lambda step: setattr(world.clock, "now", world.clock.now + slow.get(step, 0.4))
    world.ask(Deadline(lambda: GATEWAY_S - world.clock.now), num_inference_steps=25)
    assert world.engine.steps == 25


def test_a_run_that_becomes_too_slow_stops_when_that_is_certain() -> None:
    world = World()
    world.engine.during = lambda step: setattr(world.clock, "now", world.clock.now + (0.5 if step < 10 else 4.0))
    with pytest.raises(GenerationTimeout):
        world.ask(Deadline(lambda: GATEWAY_S - world.clock.now), num_inference_steps=40)
    assert 10 < world.engine.steps < 15


@pytest.mark.parametrize("error", [ModelUnavailable("gone"), StorageUnavailable("down")])
def test_failures_are_raised_unchanged(error: ServiceError) -> None:
    world = World()
    world.engines.failing = error if isinstance(error, ModelUnavailable) else None
    world.store.failing = error if isinstance(error, StorageUnavailable) else None
    with pytest.raises(type(error)):
        world.ask(seed=7)


def test_cached_results_do_not_need_the_model() -> None:
    world = World()
    world.ask(seed=7)
    world.engines.failing = ModelUnavailable("gone")
    assert world.ask(seed=7).cached


def test_warm_up_loads_once_and_runs_one_step() -> None:
    world = World()
    first, second = (world.service.warm(PLANNER.warm_up(model_id)) for model_id in (None, "demo"))
    assert (first.cold_start, second.cold_start) == (True, False)
    assert first.load_ms >= 1000
    assert second.load_ms == 0
    assert (world.engine.generations, world.engine.steps) == (1, 1)
    assert first.reason == "for tests"


def test_compiling_for_a_size_counts_as_loading() -> None:
    world = World()
    world.engine.compile_s = 2.0
    assert world.ask(seed=7).timings.load_ms == 3000
    assert world.ask(seed=8).timings.load_ms == 2000
    assert world.ask(seed=8).timings.load_ms == 0


def test_a_cold_start_has_a_cause_a_duration_and_a_price_beside_the_receipt() -> None:
    """Here the clock stands still: a load that were billed once more would be on the receipt."""
    world = World(compile_s=2.0)
    first, warm, cached = (world.ask(seed=seed) for seed in (7, 8, 8))
    assert first.model_load == ModelLoad(cause="new_environment", waited_ms=3000, usd=0.03)
    assert first.cost.billed_ms == 0
    assert (warm.timings.load_ms, warm.model_load, cached.model_load) == (2000, None, None)


def test_the_price_of_a_load_is_divided_among_a_batch_as_the_receipt_is() -> None:
    load = Pricing(memory_mb=1024, usd_per_gb_second=0.01).model_load("another_model", 3.0, shared_by=3)
    assert load == ModelLoad(cause="another_model", waited_ms=3000, usd=0.01)


def test_a_warm_up_that_loads_has_the_cause() -> None:
    world = World()
    first, second = (world.service.warm(PLANNER.warm_up(None)) for _ in range(2))
    assert first.model_load == ModelLoad(cause="new_environment", waited_ms=1000, usd=0.01)
    assert second.model_load is None


@pytest.mark.parametrize("model", [Result, Outcome, WarmUp])
def test_callers_do_not_see_why_a_model_was_loaded(model: type[ResponseModel]) -> None:
    """Nor does a job store it."""
    load = ModelLoad(cause="failed_load", waited_ms=1, usd=1)
    assert "model_load" not in model.model_construct(model_load=load).model_dump_json()
    assert "model_load" not in str(model.model_json_schema())


def test_a_latent_consistency_model_warns_of_an_ignored_negative_prompt() -> None:
    warnings = World().ask(model="lcm-dreamshaper-7", negative_prompt="b").warnings
    assert [warning.split(":")[0] for warning in warnings] == ["negative_prompt_ignored"]


@pytest.mark.parametrize("cache", ["use", "refresh", "off"])
def test_a_request_without_a_seed_makes_no_look_up_and_takes_no_lease(
    monkeypatch: pytest.MonkeyPatch, cache: str
) -> None:
    finds, leases = recorded(monkeypatch, MemoryStore, "find"), recorded(monkeypatch, MemoryLeases, "take")
    World().ask(cache=cache, num_images_per_prompt=2)
    assert (finds, leases) == ([], [])


def test_a_request_with_a_seed_is_looked_up_before_and_after_it_takes_its_lease(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []
    recorded(monkeypatch, MemoryStore, "find", calls)
    recorded(monkeypatch, MemoryLeases, "take", calls)
    World().ask(seed=7, cache="use")
    assert calls == ["find", "take", "find"]


def recorded(monkeypatch: pytest.MonkeyPatch, fake: type, method: str, calls: list[str] | None = None) -> list[str]:
    """Record each call of the fake's method under the method's name."""
    found: list[str] = [] if calls is None else calls
    original = getattr(fake, method)

    def call(*arguments: Any, **named: Any) -> Any:
        found.append(method)
        return original(*arguments, **named)

    monkeypatch.setattr(fake, method, call)
    return found
