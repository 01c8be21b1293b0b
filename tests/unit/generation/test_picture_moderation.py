"""When a generation judges its pictures, and what is left of one that is blocked: nothing."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from imagegen.errors import ModerationBlocked, ModerationUnavailable
from imagegen.generation.edit import Picture
from imagegen.generation.request import GenerateRequest
from imagegen.generation.result import Result
from imagegen.moderation.pictures import PictureModeration
from imagegen.moderation.thresholds import Thresholds
from tests.support.fake_audit import RecordingAudit
from tests.support.fakes import PLENTY, FakeEngine, FakeEngines, MemoryStore, build_service
from tests.support.picture_checks import ColorChecker, moderation
from tests.support.pictures import file
from tests.support.plans import PLANNER, plan

FORMATS = ("png", "jpeg", "webp")
BLOCKED_SEED = 7
"""The fake engine's images have the seed as their level of red."""


class World:
    def __init__(self, checks: PictureModeration | None = None, store: MemoryStore | None = None) -> None:
        self.checker, self.records = ColorChecker(blocks=(BLOCKED_SEED, 0, 0)), RecordingAudit()
        self.engines = FakeEngines(FakeEngine())
        self.store = store or MemoryStore()
        self.service = build_service(self.engines, self.store, checks=checks or moderation(self.checker, self.records))

    def ask(self, image: Image.Image | None = None, **fields: Any) -> Result:
        body = {"prompt": "a red circle", "num_inference_steps": 4, **fields}
        if image is None:
            asked = PLANNER.plan(GenerateRequest.parse(body))
        else:
            picture = Picture.of(file(image, "PNG"), image.size)
            asked = PLANNER.plan(GenerateRequest.parse({**body, "image": "of the test"}), (picture, None))
        return self.service.generate(asked, tenant="alice", deadline=PLENTY)

    @property
    def untouched(self) -> bool:
        return not (self.store.objects or self.store.entries)


@pytest.mark.parametrize("output_format", FORMATS)
@pytest.mark.parametrize("cache", ["use", "refresh", "off"])
def test_a_blocked_result_is_neither_stored_nor_cached(output_format: str, cache: str) -> None:
    world = World()
    for _ in range(2):
        with pytest.raises(ModerationBlocked) as caught:
            world.ask(seed=BLOCKED_SEED, output_format=output_format, cache=cache)
    assert caught.value.members == {"stage": "output", "category": "sexual"}
    assert world.untouched
    assert [(each.tenant, each.stage) for each in world.records.blocked] == 2 * [("alice", "output")]
    assert world.ask(seed=8).images


@pytest.mark.parametrize("seed", [BLOCKED_SEED, BLOCKED_SEED - 2])
def test_one_blocked_image_blocks_the_request(seed: int) -> None:
    world = World()
    with pytest.raises(ModerationBlocked):
        world.ask(seed=seed, num_images_per_prompt=3)
    assert world.untouched


def test_a_blocked_picture_of_the_request_loads_and_draws_nothing() -> None:
    world = World()
    with pytest.raises(ModerationBlocked) as caught:
        world.ask(Image.new("RGB", (128, 128), (BLOCKED_SEED, 0, 0)), seed=1)
    assert caught.value.members == {"stage": "input", "category": "sexual"}
    assert (world.engines.loads, world.untouched) == (0, True)


def test_a_picture_of_the_request_is_judged_as_the_model_sees_it() -> None:
    world = World()
    wide = Image.new("RGB", (384, 128), (BLOCKED_SEED, 0, 0))
    wide.paste((0, 0, 90), (128, 0, 256, 128))
    world.ask(wide, seed=1, resize_mode="crop", width=128, height=128)
    assert world.checker.judged[0].size == (128, 128)
    with pytest.raises(ModerationBlocked):
        world.ask(wide, seed=1, resize_mode="stretch", width=128, height=128)


def test_what_judges_is_loaded_before_anything_is_drawn() -> None:
    world = World()
    world.checker.failing = True
    with pytest.raises(ModerationUnavailable):
        world.ask(seed=1)
    assert (world.engines.loads, world.untouched) == (0, True)


def test_a_result_without_a_verdict_is_not_stored() -> None:
    world = World()

    def fail(_step: int) -> None:
        world.checker.failing = True

    world.engines.engine.during = fail
    with pytest.raises(ModerationUnavailable):
        world.ask(seed=1)
    assert world.untouched
    assert world.records.unavailable == [("output", "no networks")]


def test_stored_images_were_judged_by_the_same_rule() -> None:
    """Also those that were stored while nothing was judged, and by other thresholds."""
    store = MemoryStore()
    unjudged = moderation(ColorChecker(), judges=lambda _model: False)
    first = World(unjudged, store).ask(seed=BLOCKED_SEED)
    assert not first.cached
    world = World(store=store)
    with pytest.raises(ModerationBlocked):
        world.ask(seed=BLOCKED_SEED)
    assert not world.ask(seed=8).cached
    assert world.ask(seed=8).cached
    stricter = World(moderation(ColorChecker(), thresholds=Thresholds(sexual=0.3)), store)
    assert not stricter.ask(seed=8).cached
    assert World(unjudged, store).ask(seed=BLOCKED_SEED).cached, "a deployment that judges nothing keeps its cache"


def test_a_cached_result_is_not_judged_again() -> None:
    world = World()
    world.ask(seed=8)
    judged = len(world.checker.judged)
    assert world.ask(seed=8).cached
    assert len(world.checker.judged) == judged


def test_a_warm_up_loads_what_judges() -> None:
    world = World()
    warm_up = PLANNER.warm_up(None)
    world.checker.failing = True
    with pytest.raises(ModerationUnavailable):
        world.service.warm(warm_up)
    world.checker.failing = False
    world.service.warm(warm_up)
    assert world.checker.seen == [None]


def test_judging_is_part_of_the_timings() -> None:
    ticks = iter(range(1000))
    engines = FakeEngines(FakeEngine())
    service = build_service(engines, MemoryStore(), checks=moderation(ColorChecker()), clock=lambda: next(ticks) / 10)
    asked = plan(num_inference_steps=1, seed=3)
    assert service.generate(asked, tenant="alice", deadline=PLENTY).timings.moderation_ms > 0
