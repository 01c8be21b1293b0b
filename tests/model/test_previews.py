"""Previews of the demo model: they show what the image becomes, and change nothing about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from imagegen.catalog import manifest
from imagegen.generation.checkpoint import Checkpoint
from imagegen.generation.edit import Edit
from imagegen.generation.ports import Engine
from imagegen.generation.preview import Preview
from imagegen.generation.snapshot import Snapshot
from imagegen.generation.spec import GenerationSpec
from tests.conftest import MODELS
from tests.support.fakes import MemoryCheckpoints
from tests.support.pictures import of_data_url
from tests.support.plans import spec
from tests.support.scenes import BLUE, circle, mask, picture

COLORS = manifest.latent_colors(MODELS / "demo" / "openvino")
STEPS = 10


def watched(engine: Engine, wanted: GenerationSpec, colors: manifest.LatentColors | None) -> tuple[list[str], bytes]:
    """Return the previews after each step, and the pixels of the image."""
    run = Checkpoint(MemoryCheckpoints(), "key", may_exist=False, until_deadline=True, save_every_s=1e9)
    preview, urls = Preview(run, colors), []

    def on_step(_step: int, _of: int) -> None:
        if (url := preview.draw()) is not None:
            urls.append(url)

    (image,) = engine.generate(wanted, on_step, run).images
    return urls, image.tobytes()


def likeness(url: str, pixels: bytes) -> float:
    """Return the correlation of a preview with the image, over all levels."""
    shown = of_data_url(url)
    image = Image.frombytes("RGB", (128, 128), pixels).resize(shown.size, Image.Resampling.BOX)
    return float(np.corrcoef(np.asarray(shown).ravel(), np.asarray(image).ravel())[0, 1])


def asked(prompt: str = "a red circle on a white background", scheduler: str = "ddim") -> GenerationSpec:
    wanted = spec(prompt, num_inference_steps=STEPS, guidance_scale=1.5, seed=7)
    return replace(wanted, scheduler=scheduler)


@pytest.mark.parametrize("scheduler", ["ddim", "dpm_multistep", "euler", "euler_ancestral", "lcm", "pndm"])
def test_a_preview_shows_what_the_image_becomes(engine: Engine, scheduler: str) -> None:
    """Also long before the noise is gone, in which the latents themselves show nothing."""
    urls, pixels = watched(engine, asked(scheduler=scheduler), COLORS)
    assert len(urls) == STEPS + (scheduler == "pndm")
    assert likeness(urls[-1], pixels) > 0.85
    assert likeness(urls[STEPS // 2], pixels) > 0.7


@pytest.mark.parametrize(
    "prompt", ["a blue star on a black background", "a green square on a yellow background", "a large purple ring"]
)
def test_other_colors_are_shown_too(torch_engine: Engine, prompt: str) -> None:
    urls, pixels = watched(torch_engine, asked(prompt), COLORS)
    assert likeness(urls[-1], pixels) > 0.6


def test_an_image_is_the_same_with_and_without_previews(engine: Engine) -> None:
    with_previews, without = (watched(engine, asked(), each) for each in (COLORS, None))
    assert len(with_previews[0]) == STEPS
    assert without[0] == []
    assert with_previews[1] == without[1]


def test_a_preview_of_an_edit_shows_what_its_mask_keeps(engine: Engine) -> None:
    """The repainted half is noise at first, the other half is the picture from the first step on."""
    edit = Edit(picture(circle(BLUE)), 1.0, "crop", picture(mask((64, 0, 128, 128))))
    taken: list[Callable[[], Snapshot]] = []
    run = Checkpoint(MemoryCheckpoints(), "key", may_exist=False, until_deadline=True, save_every_s=1e9)

    def on_step(_step: int, _of: int) -> None:
        if run.latest is not None:
            taken.append(run.latest)

    engine.generate(replace(asked(), edit=edit), on_step, run)
    first, last = taken[0]().predicted, taken[-1]().predicted
    assert first is not None
    assert last is not None
    np.testing.assert_array_equal(first[..., :8], last[..., :8])
    assert np.abs(first[..., 8:] - last[..., 8:]).mean() > 0.05


def test_both_engines_have_the_colors_of_one_autoencoder() -> None:
    assert COLORS is not None
    assert len(COLORS.weights) == 4
    assert manifest.latent_colors(MODELS / "demo" / "torch") == COLORS
