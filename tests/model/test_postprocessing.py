"""Enlarging and transparent backgrounds with the real networks, on pictures whose content can be checked."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from imagegen.catalog import auxiliary, manifest
from imagegen.engines import auxiliary_networks, openvino_networks
from imagegen.engines.auxiliary_networks import SubjectFinder, Upscaler, properties
from imagegen.engines.guard import GuardedEngine
from imagegen.engines.openvino_engine import OpenVINOEngine
from imagegen.engines.postprocessing import Postprocessor
from imagegen.engines.tiling import Tiling
from imagegen.engines.torch_engine import TorchEngine
from imagegen.errors import ModelUnavailable
from imagegen.generation.ports import Engine, Generated, OnStep, Resumption
from imagegen.generation.spec import GenerationSpec
from tests.conftest import MODELS, ROOT
from tests.model.test_engine_contract import generation
from tests.support.damage import assert_damage_is_found

PREPARED = auxiliary.prepared(MODELS)
SIDE = 128


def still_wanted() -> None:
    """Never raises."""


def scene(side: int) -> Image.Image:
    """Draw sharp shapes on white, supersampled."""
    large = Image.new("RGB", (4 * side, 4 * side), "white")
    draw, unit = ImageDraw.Draw(large), 4 * side / 100
    draw.rectangle((10 * unit, 10 * unit, 45 * unit, 40 * unit), fill=(220, 40, 40))
    draw.ellipse((50 * unit, 45 * unit, 93 * unit, 90 * unit), fill=(40, 60, 220))
    draw.polygon([(20 * unit, 90 * unit), (35 * unit, 55 * unit), (45 * unit, 85 * unit)], fill=(250, 200, 40))
    draw.line((0, 50 * unit, 100 * unit, 47 * unit), fill="black", width=round(2 * unit))
    return large.reduce(4)


def levels(image: Image.Image) -> Any:
    return np.asarray(image).astype(int)


def psnr(image: Image.Image, reference: Image.Image) -> float:
    return float(10 * np.log10(255**2 / np.mean((levels(image) - levels(reference)) ** 2)))


@pytest.fixture(scope="module")
def upscaler() -> Upscaler:
    return Upscaler(PREPARED, properties(threads=1))


@pytest.fixture(scope="module")
def finder() -> SubjectFinder:
    return SubjectFinder(PREPARED, properties(threads=1))


def processed(image: Image.Image, folder: Path = PREPARED, **fields: Any) -> Generated:
    """Return what a generation of `image` returns for these fields."""
    generated = Generated([image], 0.0, 0.0, 0.0)
    return Postprocessor(folder, threads=1).apply(generated, generation(**fields), still_wanted)


@pytest.mark.parametrize("factor", [2, 4])
def test_an_enlarged_drawing_is_closer_to_the_original_than_any_filter(upscaler: Upscaler, factor: int) -> None:
    """2.9 and 3.9 dB over Lanczos, the best of Pillow's filters."""
    original = scene(SIDE * factor)
    small = original.reduce(factor)
    enlarged = upscaler.upscale(small, factor, still_wanted)
    assert (enlarged.size, enlarged.mode) == (original.size, "RGB")
    assert psnr(enlarged, original) > psnr(small.resize(original.size, Image.Resampling.LANCZOS), original) + 2.5


def test_colors_and_places_stay(upscaler: Upscaler) -> None:
    small = scene(SIDE)
    assert np.abs(levels(upscaler.upscale(small, 4, still_wanted).reduce(4)) - levels(small)).mean() < 2


@pytest.mark.parametrize(("width", "height"), [(128, 128), (136, 120), (96, 136)])
def test_tiles_leave_no_seam(upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch, width: int, height: int) -> None:
    """The overlap covers what the network sees, so the image is that of one piece, up to rounding and fading."""
    noisy = levels(scene(136)) + np.random.default_rng(7).integers(-20, 21, (136, 136, 3))
    image = Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).crop((0, 0, width, height))
    whole = upscaler.upscale(image, 4, still_wanted)
    monkeypatch.setattr(auxiliary_networks, "TILING", Tiling(most=96, overlap=auxiliary_networks.TILING.overlap))
    assert np.abs(levels(upscaler.upscale(image, 4, still_wanted)) - levels(whole)).max() <= 3


def test_every_size_gets_its_own_result(upscaler: Upscaler) -> None:
    """The network is compiled for one size at a time."""
    first = upscaler.upscale(scene(64), 4, still_wanted)
    upscaler.upscale(scene(72), 4, still_wanted)
    assert upscaler.upscale(scene(64), 4, still_wanted).tobytes() == first.tobytes()


def test_it_stops_when_it_is_no_longer_wanted(upscaler: Upscaler) -> None:
    def stop() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):  # asked within an inference, which takes seconds at this size
        upscaler.upscale(scene(512), 4, stop)
    assert upscaler.upscale(scene(64), 2, still_wanted).size == (128, 128)


def subject(color: tuple[int, int, int], background: str) -> Image.Image:
    image = Image.new("RGB", (4 * SIDE, 4 * SIDE), background)
    ImageDraw.Draw(image).ellipse((120, 120, 392, 392), fill=color)
    return image.reduce(4)


@pytest.mark.parametrize(
    ("color", "background"),
    [((220, 40, 40), "white"), ((40, 60, 220), "white"), ((250, 200, 40), "black"), ((30, 140, 60), "lightgray")],
)
def test_the_subject_stays_and_its_background_becomes_transparent(color: tuple[int, int, int], background: str) -> None:
    image = subject(color, background)
    (cut,) = processed(image, background="transparent").images
    assert (cut.size, cut.mode) == (image.size, "RGBA")
    alpha = levels(cut.getchannel("A"))
    assert alpha[44:84, 44:84].min() > 250
    assert max(alpha[:16].max(), alpha[-16:].max(), alpha[:, :16].max(), alpha[:, -16:].max()) < 5
    assert cut.convert("RGB").tobytes() == image.tobytes()


@pytest.mark.parametrize("color", ["white", "black"])
def test_an_image_of_one_color_has_no_subject(finder: SubjectFinder, color: str) -> None:
    """It gives a result at all: the network's scaling would divide by zero."""
    assert finder.alpha(Image.new("RGB", (SIDE, SIDE), color), still_wanted).size == (320, 320)


def test_both_together_enlarge_the_cut_out() -> None:
    generated = processed(subject((220, 40, 40), "white"), background="transparent", upscale=4)
    (image,) = generated.images
    assert (image.size, image.mode) == ((512, 512), "RGBA")
    assert levels(image.getchannel("A"))[176:336, 176:336].min() > 250
    assert levels(image)[:32].max(axis=(0, 1))[3] < 5
    assert min(generated.upscale_s, generated.background_s, generated.compile_s) > 0


def test_only_the_first_request_loads() -> None:
    postprocessor = Postprocessor(PREPARED, threads=1)
    asked = generation(background="transparent", upscale=2)
    drawn = Generated([scene(SIDE)], 0.0, 0.0, 0.0, compile_s=1.0)
    first, second = (postprocessor.apply(drawn, asked, still_wanted).compile_s - 1.0 for _ in range(2))
    assert second < first / 10
    assert drawn.images[0].mode == "RGB", "the engine's image was changed"


def test_nothing_is_loaded_and_nothing_changes_without_a_request_for_it(tmp_path: Path) -> None:
    """Also if the networks are missing."""
    drawn = Generated([scene(SIDE)], 0.0, 0.0, 0.0)
    assert Postprocessor(tmp_path, threads=1).apply(drawn, generation(), still_wanted) is drawn


@pytest.mark.parametrize("update_manifest", [True, False], ids=["manifest matches", "manifest differs"])
@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("upscaler/openvino_model.xml", b"<not a model>"),
        ("background/openvino_model.bin", None),
    ],
)
def test_the_error_names_the_damaged_file(
    tmp_path: Path, file: str, content: bytes | None, update_manifest: bool
) -> None:
    folder = Path(shutil.copytree(PREPARED, tmp_path / "openvino"))

    def process(damaged: Path) -> None:
        processed(scene(SIDE), damaged, upscale=2, background="transparent")

    assert_damage_is_found(process, folder, file, content, update_manifest=update_manifest)


def test_networks_that_were_not_prepared_are_unavailable_and_the_next_request_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "openvino"
    postprocessor = Postprocessor(folder, threads=1)
    drawn, asked = Generated([scene(SIDE)], 0.0, 0.0, 0.0), generation(upscale=2)
    with pytest.raises(ModelUnavailable) as caught:
        postprocessor.apply(drawn, asked, still_wanted)
    assert caught.value.private == f"{folder / manifest.NAME} is missing"
    shutil.copytree(PREPARED, folder)
    assert postprocessor.apply(drawn, asked, still_wanted).images[0].size == (256, 256)


# -- on both engines -------------------------------------------------------------------------------------------------


def finished(engine: Engine) -> Engine:
    return GuardedEngine(engine, Postprocessor(PREPARED, threads=1).apply)


def test_a_generation_is_enlarged_and_cut_out(engine: Engine) -> None:
    asked = generation(num_inference_steps=10, num_images_per_prompt=2)
    plain = engine.generate(asked, lambda step, of: None).images
    processed_images = (
        finished(engine)
        .generate(dataclasses.replace(asked, upscale=2, background="transparent"), lambda step, of: None)
        .images
    )
    for image, drawn in zip(processed_images, plain, strict=True):
        assert (image.size, image.mode) == ((256, 256), "RGBA")
        pixels = levels(image)
        # The upscaler also removes noise, of which the demo model's images have some: 3.5 levels.
        assert np.abs(levels(image.convert("RGB").reduce(2)) - levels(drawn)).mean() < 5
        red = (pixels[..., 0] > 180) & (pixels[..., 1] < 90) & (pixels[..., 2] < 90)
        assert pixels[..., 3][red].mean() > 230
        assert pixels[:8, :8, 3].max() < 25


def test_both_engines_give_the_same_picture(torch_engine: TorchEngine, openvino_engine: OpenVINOEngine) -> None:
    """As far as what they draw is the same."""
    asked = generation(num_inference_steps=10, upscale=4)
    images = [
        finished(each).generate(asked, lambda step, of: None).images[0] for each in (torch_engine, openvino_engine)
    ]
    assert np.abs(levels(images[0]) - levels(images[1])).mean() <= 0.5


class Drawn:
    """An engine that remembers that it has drawn."""

    def __init__(self, engine: Engine):
        self.engine, self.done = engine, False

    def close(self) -> None:
        self.engine.close()

    def generate(self, spec: GenerationSpec, on_step: OnStep, resumption: Resumption | None = None) -> Generated:
        generated = self.engine.generate(spec, on_step, resumption)
        self.done = True
        return generated


def test_a_generation_can_be_stopped_while_it_is_enlarged(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """`on_step` then gets all steps as done, a second time."""
    drawn = Drawn(engine)

    def stop(step: int, of: int) -> None:
        if drawn.done:
            assert (step, of) == (6, 6)
            raise TimeoutError

    monkeypatch.setattr(openvino_networks, "POLL_MS", 1)  # a fast processor enlarges in less than the 250
    with pytest.raises(TimeoutError):
        finished(drawn).generate(generation(num_images_per_prompt=2, width=144, upscale=4), stop)
    assert drawn.done


def test_drawing_with_torch_imports_openvino_only_when_it_is_needed() -> None:
    code = """
import sys
from pathlib import Path
from imagegen.catalog.image_models import ImageModels
from imagegen.catalog.model_folders import ModelFolders
from imagegen.catalog.registry import REGISTRY
from imagegen.engines.batching import Batcher
from imagegen.engines.loader import EngineLoader
from imagegen.generation.planner import Planner
from imagegen.generation.ports import Backend
from imagegen.generation.request import GenerateRequest
backend = Backend("torch", "cpu", "float32", "", 1)
models = Path(sys.argv[1])
folders = ModelFolders(models, lambda: None)
engine = EngineLoader(folders, models, 10240, Batcher()).load(REGISTRY["demo"], backend)
for upscale in (1, 2):
    request = GenerateRequest(prompt="a red circle", num_inference_steps=1, upscale=upscale)
    plan = Planner(ImageModels(REGISTRY, "demo"), backend).plan(request)
    images = engine.generate(plan.spec, lambda step, of: None).images
    print(images[0].size[0], "openvino" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(MODELS)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "function")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split("\n")[:2] == ["128 False", "256 True"], done.stderr
