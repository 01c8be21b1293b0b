"""Image to image and inpainting with the demo model, the same for both engines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from imagegen.catalog import auxiliary
from imagegen.engines.guard import GuardedEngine
from imagegen.engines.openvino_engine import OpenVINOEngine
from imagegen.engines.postprocessing import Postprocessor
from imagegen.engines.torch_engine import TorchEngine
from imagegen.generation.edit import Edit
from imagegen.generation.ports import Engine, Generated
from imagegen.generation.snapshot import Snapshot, pack, unpack
from imagegen.generation.spec import GenerationSpec
from tests.conftest import MODELS
from tests.support.plans import spec
from tests.support.scenes import BLUE, RED, WHITE, circle, mask, picture, scene

PROMPT = "a large red circle on a white background"
Pixels = NDArray[np.int_]


def edit(
    image: Image.Image,
    strength: float = 0.5,
    *,
    masked: Image.Image | None = None,
    prompt: str = PROMPT,
    scheduler: str = "ddim",
    **fields: Any,
) -> GenerationSpec:
    plain = spec(prompt, **{"num_inference_steps": 10, "seed": 7, "width": 128, "height": 128, **fields})
    changed = Edit(picture(image), strength, "crop", picture(masked) if masked else None)
    return replace(plain, edit=changed, scheduler=scheduler)


def run(engine: Engine, wanted: GenerationSpec) -> Generated:
    return GuardedEngine(engine).generate(wanted, lambda step, of: None)


def draw(engine: Engine, wanted: GenerationSpec) -> Pixels:
    """Return the pixels of the result, (height, width, 3)."""
    (image,) = run(engine, wanted).images
    return np.asarray(image, dtype=int)


def pixels(image: Image.Image) -> Pixels:
    return np.asarray(image, dtype=int)


def test_a_little_strength_brings_the_picture_back(engine: Engine) -> None:
    """The autoencoder's own loss is what is left."""
    drawn = draw(engine, edit(circle(), 0.1))
    assert np.abs(drawn - pixels(circle())).mean() < 4


def test_more_strength_changes_more_and_all_of_it_is_the_picture_from_text(engine: Engine) -> None:
    image = scene(background=(120, 200, 120))
    changed = [np.abs(draw(engine, edit(image, strength)) - pixels(image)).mean() for strength in (0.2, 0.5, 0.8, 1.0)]
    assert changed == sorted(changed)
    text = replace(edit(image), edit=None)
    (from_text,) = run(engine, text).images
    assert np.array_equal(draw(engine, edit(image, 1.0)), pixels(from_text))


def test_the_prompt_decides_what_becomes_of_the_picture(engine: Engine) -> None:
    """Enough strength turns a blue circle red, and its place is still the picture's."""
    drawn = draw(engine, edit(circle(BLUE), 0.8))
    assert np.abs(drawn[64, 64] - RED).max() < 60
    assert np.abs(drawn[4, 4] - WHITE).max() < 30


@pytest.mark.parametrize("scheduler", ["ddim", "dpm_multistep", "euler", "euler_ancestral", "lcm", "pndm"])
@pytest.mark.parametrize("masked", [None, mask((64, 0, 128, 128))], ids=["image", "mask"])
def test_both_engines_draw_the_same_edit(
    torch_engine: TorchEngine, openvino_engine: OpenVINOEngine, scheduler: str, masked: Image.Image | None
) -> None:
    wanted = edit(circle(BLUE), 0.6, masked=masked, scheduler=scheduler)
    drawn = [draw(engine, wanted) for engine in (torch_engine, openvino_engine)]
    difference = np.abs(drawn[0] - drawn[1])
    assert difference.max() <= 12
    assert difference.mean() <= 0.5


def test_what_the_mask_keeps_is_exactly_the_pictures(engine: Engine) -> None:
    image, repainted = scene(background=(120, 200, 120)), (0, 0, 128, 40)
    drawn = draw(engine, edit(image, 1.0, masked=mask(repainted)))
    assert np.array_equal(drawn[40:], pixels(image)[40:])
    assert np.abs(drawn[:38] - pixels(image)[:38]).mean() > 10


def test_what_the_mask_keeps_is_enlarged_with_the_rest(engine: Engine) -> None:
    """Beyond the 18 pixels that the upscaler sees, it is what the enlarged picture has there."""
    postprocessor = Postprocessor(auxiliary.prepared(MODELS), threads=1)
    sent = scene(background=(120, 200, 120))
    wanted = replace(edit(sent, 1.0, masked=mask((0, 0, 128, 32))), upscale=2, background="transparent")
    (image,) = GuardedEngine(engine, postprocessor.apply).generate(wanted, lambda step, of: None).images
    alone = postprocessor.apply(Generated([sent], 0.0, 0.0, 0.0), wanted, lambda: None)
    difference = np.abs(pixels(image.convert("RGB")) - pixels(alone.images[0].convert("RGB")))
    assert (image.mode, image.size) == ("RGBA", (256, 256))
    assert difference[2 * (32 + 18) :].max() <= 1
    assert difference[: 2 * 28].mean() > 4


def test_nothing_of_what_was_under_the_mask_is_left_at_full_strength(engine: Engine) -> None:
    drawn = draw(engine, edit(scene(), 1.0, masked=mask((24, 24, 104, 104)), prompt="a large yellow star"))
    blue = np.abs(drawn - BLUE).max(axis=2) < 60
    assert blue.sum() == 0


def test_a_mask_of_everything_is_image_to_image(engine: Engine) -> None:
    whole = mask((0, 0, 128, 128))
    assert np.array_equal(draw(engine, edit(circle(BLUE), masked=whole)), draw(engine, edit(circle(BLUE))))


def test_the_same_edit_gives_the_same_bytes_and_changes_no_later_request(engine: Engine) -> None:
    text = replace(edit(circle()), edit=None)
    before = run(engine, text).images[0].tobytes()
    wanted = edit(circle(BLUE), masked=mask((0, 0, 64, 128)))
    first = draw(engine, wanted)
    assert np.array_equal(draw(engine, replace(wanted)), first)
    assert run(engine, text).images[0].tobytes() == before


def test_image_i_is_the_single_edit_of_seed_plus_i(engine: Engine) -> None:
    both = run(engine, edit(circle(BLUE), num_images_per_prompt=2)).images
    singles = [run(engine, edit(circle(BLUE), seed=seed)).images[0] for seed in (7, 8)]
    assert [image.tobytes() for image in both] == [image.tobytes() for image in singles]


def test_an_edit_reports_the_steps_that_it_makes(engine: Engine) -> None:
    seen: dict[tuple[int, int], None] = {}
    wanted = edit(circle(), 0.5, num_images_per_prompt=2)
    engine.generate(wanted, lambda step, of: seen.update({(step, of): None}))
    assert list(seen) == [(step, 10) for step in range(11)]


def test_a_picture_of_one_color_may_stay_one(engine: Engine) -> None:
    run(engine, edit(Image.new("RGB", (128, 128), WHITE), 0.01, num_inference_steps=100))


def test_the_encoder_is_loaded_for_the_first_edit_of_a_size(openvino_engine: OpenVINOEngine) -> None:
    sizes: dict[str, Any] = {"width": 136, "height": 120}
    text = run(openvino_engine, replace(edit(circle(), **sizes), edit=None))
    first, second = (run(openvino_engine, edit(circle(), seed=seed, **sizes)) for seed in (1, 2))
    assert max(text.encoder_load_s, text.image_encode_s) < second.image_encode_s
    assert second.encoder_load_s < first.encoder_load_s / 10
    assert min(first.image_encode_s, second.image_encode_s) > 0


class Recorder:
    """A Resumption that keeps every snapshot as a file."""

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self.snapshot = snapshot or Snapshot()
        self.files: list[bytes] = []

    def reached(self, take: Any) -> None:
        self.files.append(pack(take().encode()))


@pytest.mark.parametrize("scheduler", ["ddim", "dpm_multistep", "euler_ancestral", "lcm", "pndm"])
def test_an_edit_goes_on_from_every_call_to_the_same_bytes(engine: Engine, scheduler: str) -> None:
    wanted = edit(circle(BLUE), 0.6, masked=mask((0, 0, 70, 128)), scheduler=scheduler, num_inference_steps=5)
    whole = Recorder()
    expected = engine.generate(wanted, lambda step, of: None, whole).images[0].tobytes()
    for done, file in enumerate(whole.files, start=1):
        rest = Recorder(Snapshot.decode(unpack(file)))
        assert engine.generate(wanted, lambda step, of: None, rest).images[0].tobytes() == expected, done
        assert len(rest.files) == len(whole.files) - done
