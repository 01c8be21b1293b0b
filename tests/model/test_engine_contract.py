"""The contract of every engine, tested with the demo model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from imagegen.engines.openvino_denoiser import Decoder, Encoder
from imagegen.engines.openvino_engine import OpenVINOEngine
from imagegen.engines.torch_engine import TorchEngine
from imagegen.generation.ports import Engine
from imagegen.generation.spec import GenerationSpec
from tests.conftest import MODELS
from tests.model.conftest import DEMO
from tests.support.plans import spec
from tests.support.scenes import scene


def generation(**fields: Any) -> GenerationSpec:
    prompt = "a red circle on a white background"
    return spec(**{"prompt": prompt, "num_inference_steps": 3, "seed": 7, **fields})


def draw(engine: Engine, **fields: Any) -> list[bytes]:
    """Return the pixels of each image."""
    return [image.tobytes() for image in engine.generate(generation(**fields), lambda step, of: None).images]


def test_the_same_seed_gives_the_same_bytes(engine: Engine) -> None:
    assert draw(engine, seed=1) == draw(engine, seed=1)
    assert draw(engine, seed=1) != draw(engine, seed=2)


def test_image_i_is_the_single_image_of_seed_plus_i(engine: Engine) -> None:
    both = draw(engine, seed=2**32 - 1, num_images_per_prompt=2)
    assert both == draw(engine, seed=2**32 - 1) + draw(engine, seed=0)


@pytest.mark.parametrize("scheduler", DEMO.schedulers)
def test_a_request_does_not_affect_the_next_one(engine: Engine, scheduler: str) -> None:
    before = draw(engine, seed=1)
    other = draw(engine, seed=1, scheduler=scheduler, guidance_scale=3, negative_prompt="a blue star")
    assert other != before
    assert draw(engine, seed=1) == before


def test_a_negative_prompt_changes_the_image(engine: Engine) -> None:
    plain = draw(engine, guidance_scale=3.0)
    assert draw(engine, guidance_scale=3.0, negative_prompt="a blue star") != plain
    assert draw(engine, guidance_scale=3.0, negative_prompt="") == plain


def test_guidance_changes_the_image_and_is_off_at_one(engine: Engine) -> None:
    assert draw(engine, guidance_scale=1.0) == draw(engine, guidance_scale=0.0)
    assert draw(engine, guidance_scale=1.0) != draw(engine, guidance_scale=3.0)


@pytest.mark.parametrize(("width", "height"), [(120, 136), (144, 128)])
def test_the_image_has_the_requested_size(engine: Engine, width: int, height: int) -> None:
    (image,) = engine.generate(generation(width=width, height=height), lambda step, of: None).images
    assert image.size == (width, height)
    assert image.mode == "RGB"


def test_another_size_in_between_does_not_change_the_image(engine: Engine) -> None:
    before = draw(engine, seed=1)
    draw(engine, seed=1, width=144)
    assert draw(engine, seed=1) == before


def test_every_step_is_reported(engine: Engine) -> None:
    """Also during long steps, with the number of the step before."""
    seen: list[tuple[int, int]] = []
    engine.generate(generation(num_images_per_prompt=2), lambda step, of: seen.append((step, of)))
    assert [step for step, _ in seen] == sorted(step for step, _ in seen)
    assert set(seen) - {(0, 6)} == {(step, 6) for step in range(1, 7)}


def test_an_exception_in_the_step_callback_stops_the_generation(engine: Engine) -> None:
    seen: list[int] = []

    def stop(step: int, of: int) -> None:
        if step > 0:
            seen.append(step)
            raise TimeoutError

    with pytest.raises(TimeoutError):
        engine.generate(generation(num_inference_steps=50, num_images_per_prompt=2), stop)
    assert seen == [1]
    assert draw(engine, seed=1)


def test_each_phase_is_timed(engine: Engine) -> None:
    generated = engine.generate(generation(), lambda step, of: None)
    assert min(generated.text_encode_s, generated.denoise_s, generated.decode_s) > 0


def test_a_prompt_that_is_too_long_gives_a_warning(
    engine: Engine, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    generated = engine.generate(generation(prompt="canary " * 60), lambda step, of: None)
    assert [warning.split(":")[0] for warning in generated.warnings] == ["prompt_truncated"]
    assert "canary" not in caplog.text + "".join(capfd.readouterr())


def test_both_engines_give_the_same_warnings_for_long_prompts(
    torch_engine: TorchEngine, openvino_engine: OpenVINOEngine
) -> None:
    long = generation(prompt="a large purple heart, and " * 20, negative_prompt="stars " * 40, guidance_scale=2.0)
    warnings = [engine.generate(long, lambda step, of: None).warnings for engine in (torch_engine, openvino_engine)]
    assert len(warnings[0]) == 2
    assert warnings[0] == warnings[1]


def test_only_a_change_of_shape_is_compiled(openvino_engine: OpenVINOEngine) -> None:
    """`load_ms` includes these times. Shapes other than the last one are not kept, so drawing one again counts too."""

    def compile_s(width: int) -> float:
        return openvino_engine.generate(generation(width=width), lambda step, of: None).compile_s

    compile_s(128)
    repeated, other, again = compile_s(128), compile_s(144), compile_s(128)
    assert repeated < min(other, again) / 10


@pytest.mark.parametrize("scheduler", DEMO.schedulers)
@pytest.mark.parametrize("steps", [9, 30])
def test_both_engines_draw_the_same_image(
    torch_engine: TorchEngine, openvino_engine: OpenVINOEngine, scheduler: str, steps: int
) -> None:
    """At step counts where OpenVINO GenAI ran one step too many. OpenVINO's weights are rounded to float16."""
    described = generation(num_inference_steps=steps, scheduler=scheduler, guidance_scale=1.5)
    images = [engine.generate(described, lambda step, of: None).images[0] for engine in (torch_engine, openvino_engine)]
    difference = np.abs(np.subtract(*(np.asarray(image, dtype=int) for image in images)))
    assert difference.max() <= 8
    assert difference.mean() <= 0.2


def test_both_engines_draw_the_colours_of_the_caption(
    torch_engine: TorchEngine, openvino_engine: OpenVINOEngine
) -> None:
    described = generation(prompt="a large red circle on a blue background", num_inference_steps=10)
    for each in (torch_engine, openvino_engine):
        (image,) = each.generate(described, lambda step, of: None).images
        pixels = np.asarray(image, dtype=float)
        assert np.abs(pixels[64, 64] - (220, 40, 40)).max() < 40
        assert np.abs(pixels[4, 4] - (50, 90, 220)).max() < 40


def test_both_engines_encode_large_pictures_alike(torch_engine: TorchEngine, openvino_engine: OpenVINOEngine) -> None:
    """In tiles: 576 x 576 pixels are more than what is encoded in one piece."""
    picture = scene((576, 576), background=(120, 200, 120))
    encoder = Encoder.compile(MODELS / "demo" / "openvino", openvino_engine._properties, height=576, width=576)
    with torch.inference_mode():
        latents = [torch_engine._encode_pixels(np.array(picture)).numpy(), encoder.encode(picture, lambda: None)]
    assert [each.shape for each in latents] == [(1, 4, 72, 72)] * 2
    assert np.abs(latents[0] - latents[1]).max() < 0.001


def test_both_engines_decode_large_latents_alike(torch_engine: TorchEngine, openvino_engine: OpenVINOEngine) -> None:
    """In tiles: 576 x 576 pixels are more than what is decoded in one piece."""
    latents = np.random.default_rng(7).standard_normal((1, 4, 72, 72), dtype=np.float32)
    decoder = Decoder.compile(MODELS / "demo" / "openvino", openvino_engine._properties, height=576, width=576)
    with torch.inference_mode():
        images = [torch_engine._decode(torch.from_numpy(latents)), decoder.decode(latents, lambda: None)]
    assert [image.size for image in images] == [(576, 576)] * 2
    difference = np.abs(np.subtract(*(np.asarray(image, dtype=int) for image in images)))
    assert difference.max() <= 8
    assert difference.mean() <= 0.2
