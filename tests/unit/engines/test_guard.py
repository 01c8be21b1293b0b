from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from PIL import Image

from imagegen.engines.guard import GuardedEngine
from imagegen.engines.schedulers.config import UnsupportedSettingError
from imagegen.errors import GenerationFailed, GenerationInvalid, GenerationTimeout, InvalidRequest, ModelUnavailable
from imagegen.generation.edit import Edit
from imagegen.generation.ports import Generated, OnStep, Resumption
from imagegen.generation.spec import GenerationSpec
from tests.support.fakes import FakeEngine
from tests.support.plans import spec
from tests.support.scenes import RED, WHITE, circle, mask, picture, scene


def raising(error: BaseException) -> Callable[[int], None]:
    def during(step: int) -> None:
        raise error

    return during


def test_images_and_steps_pass_unchanged() -> None:
    seen: list[tuple[int, int]] = []
    one = spec(num_inference_steps=2)
    generated = GuardedEngine(FakeEngine()).generate(one, lambda step, of: seen.append((step, of)))
    assert [image.size for image in generated.images] == [(one.width, one.height)]
    assert seen == [(0, 2), (1, 2), (2, 2)]


@pytest.mark.parametrize(
    "error", [RuntimeError("Parameter 'clip_sample' is not supported"), MemoryError(), KeyError(1)]
)
def test_a_library_error_becomes_an_error_of_the_service(error: Exception) -> None:
    engine = GuardedEngine(FakeEngine(during=raising(error)))
    with pytest.raises(GenerationFailed) as caught:
        engine.generate(spec(scheduler="euler"), lambda step, of: None)
    failed = caught.value
    assert (failed.code, failed.status, failed.retryable) == ("generation_failed", 500, False)
    assert f"{type(error).__name__} at " in failed.private
    assert "demo, euler, 128x128, 10 steps" in failed.private
    assert "clip_sample" not in failed.detail


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("a canary sings", "cannot encode 'a canary si'"),
        ("Lighthouse", "unknown token lighthouse"),
        ("a cat", "cannot encode 'a cat'"),
        ("\u8d64\u3044\u5186", "cannot encode '\u8d64\u3044\u5186'"),
    ],
)
def test_the_cause_never_quotes_a_prompt(prompt: str, message: str) -> None:
    """A library's message may have the prompt in any form, so it is left out."""
    engine = GuardedEngine(FakeEngine(during=raising(ValueError(message))))
    with pytest.raises(GenerationFailed) as caught:
        engine.generate(dataclasses.replace(spec(), prompt=prompt), lambda step, of: None)
    assert message not in caught.value.private + caught.value.detail
    assert "ValueError" in caught.value.private


@pytest.mark.parametrize("error", [ModelUnavailable("gone"), KeyboardInterrupt()])
def test_errors_of_the_service_and_signals_pass_unchanged(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        GuardedEngine(FakeEngine(during=raising(error))).generate(spec(), lambda step, of: None)
    assert caught.value is error


@pytest.mark.parametrize("error", [GenerationTimeout(), ValueError("cancelled")])
def test_what_the_caller_raises_to_stop_passes_unchanged(error: Exception) -> None:
    def stop(step: int, of: int) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        GuardedEngine(FakeEngine()).generate(spec(), stop)
    assert caught.value is error


class OneColor(FakeEngine):
    """Draws images of one color, as networks that overflow do."""

    def generate(self, spec: GenerationSpec, on_step: OnStep, resumption: Resumption | None = None) -> Generated:
        return Generated([Image.new("RGB", (spec.width, spec.height))], 0.0, 0.0, 0.0)


def test_the_images_are_finished_for_the_specification() -> None:
    def finish(generated: Generated, spec: GenerationSpec, still_wanted: Callable[[], None]) -> Generated:
        return dataclasses.replace(generated, images=[image.resize(spec.output_size) for image in generated.images])

    generated = GuardedEngine(FakeEngine(), finish).generate(spec(upscale=2), lambda step, of: None)
    assert [image.size for image in generated.images] == [(256, 256)]


def test_only_pictures_are_finished() -> None:
    """An enlarged image of one color may have several, and a transparent one may show a single one."""
    engine = GuardedEngine(OneColor(), lambda *arguments: pytest.fail("finished what is no picture"))
    with pytest.raises(GenerationInvalid):
        engine.generate(spec(upscale=2), lambda step, of: None)


def test_a_library_error_while_finishing_becomes_an_error_of_the_service() -> None:
    def finish(generated: Generated, spec: GenerationSpec, still_wanted: Callable[[], None]) -> Generated:
        raise RuntimeError

    with pytest.raises(GenerationFailed) as caught:
        GuardedEngine(FakeEngine(), finish).generate(spec(), lambda step, of: None)
    assert "RuntimeError at " in caught.value.private


def test_finishing_stops_when_it_is_no_longer_wanted() -> None:
    """`on_step` gets all steps as done."""
    asked = spec(num_inference_steps=2, num_images_per_prompt=2)
    seen: list[tuple[int, int]] = []

    def finish(generated: Generated, spec: GenerationSpec, still_wanted: Callable[[], None]) -> Generated:
        seen.clear()
        still_wanted()
        pytest.fail("went on")

    def stop(step: int, of: int) -> None:
        seen.append((step, of))
        if seen == [(4, 4)]:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        GuardedEngine(FakeEngine(), finish).generate(asked, stop)


def test_closing_closes_the_engine() -> None:
    engine = FakeEngine()
    GuardedEngine(engine).close()
    assert engine.closed


def edited(image: Image.Image, masked: Image.Image | None = None) -> GenerationSpec:
    return dataclasses.replace(spec(), edit=Edit(picture(image), 0.5, "crop", picture(masked) if masked else None))


def test_only_a_picture_of_one_color_may_become_one() -> None:
    guarded = GuardedEngine(OneColor())
    guarded.generate(edited(Image.new("RGB", (128, 128), WHITE)), lambda step, of: None)
    for each in (spec(), edited(circle())):
        with pytest.raises(GenerationInvalid):
            guarded.generate(each, lambda step, of: None)


class Red(FakeEngine):
    """Draws red, with a white pixel."""

    def generate(self, spec: GenerationSpec, on_step: OnStep, resumption: Resumption | None = None) -> Generated:
        image = Image.new("RGB", (spec.width, spec.height), RED)
        image.putpixel((0, 0), WHITE)
        return Generated([image], 0.0, 0.0, 0.0)


def test_what_a_mask_keeps_is_restored_before_the_images_are_finished() -> None:
    """The upscaler then enlarges the picture's own pixels, and the subject is found among them."""
    seen: list[Image.Image] = []

    def finish(generated: Generated, spec: GenerationSpec, still_wanted: Callable[[], None]) -> Generated:
        seen.extend(generated.images)
        return generated

    asked = edited(scene(), mask((0, 0, 128, 64)))
    GuardedEngine(Red(), finish).generate(asked, lambda step, of: None)
    (image,) = seen
    assert image.crop((0, 64, 128, 128)).tobytes() == scene().crop((0, 64, 128, 128)).tobytes()
    assert image.crop((8, 8, 128, 56)).getcolors() == [(120 * 48, RED)]


def test_a_strength_that_only_the_engine_knows_to_be_impossible_is_the_requests() -> None:
    """A checkpoint of LCM may have another number of steps than the planner assumes."""
    engine = GuardedEngine(FakeEngine(during=raising(UnsupportedSettingError("num_inference_steps is 4"))))
    with pytest.raises(InvalidRequest) as caught:
        engine.generate(edited(circle()), lambda step, of: None)
    (error,) = caught.value.errors
    assert (error.field, error.code) == ("strength", "out_of_range")
    with pytest.raises(GenerationFailed):
        engine.generate(spec(), lambda step, of: None)
