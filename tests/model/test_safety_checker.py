"""diffusers' safety checker with random weights: the same layers as the published one, but fewer and narrower."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessorPil

from imagegen.catalog import manifest
from imagegen.engines.torch_safety_checker import SafetyChecker
from imagegen.errors import ModerationBlocked, ModerationUnavailable
from imagegen.moderation.thresholds import Thresholds
from tests.support.fakes import PLENTY, FakeEngine, FakeEngines, MemoryStore, build_service
from tests.support.indecency_reference import positive
from tests.support.picture_checks import moderation
from tests.support.plans import plan
from tests.support.scenes import scene

VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 224,
    "patch_size": 14,
    "projection_dim": 16,
}


def network() -> Any:
    torch.manual_seed(0)
    return StableDiffusionSafetyChecker(CLIPConfig(vision_config=VISION, projection_dim=16)).eval()


def saved(built: Any, folder: Path) -> Path:
    built.save_pretrained(folder, safe_serialization=True)
    manifest.write(folder)
    return folder


def embedding(built: Any, picture: Image.Image) -> Any:
    pixels = CLIPImageProcessorPil()(picture, return_tensors="pt").pixel_values
    with torch.no_grad():
        return built.visual_projection(built.vision_model(pixels)[1])[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checker one of whose concepts is the positive picture."""
    built = network()
    built.concept_embeds.data[3] = embedding(built, positive())
    built.concept_embeds_weights.data[:] = 1.5
    built.concept_embeds_weights.data[3] = 0.998  # cosines are rounded to 0.001
    return saved(built, tmp_path / "safety_checker")


def test_what_is_close_to_a_concept_is_blocked_and_nothing_else(folder: Path) -> None:
    checker = SafetyChecker(folder, threads=1)
    assert checker.category(positive(), Thresholds()) == "sexual"
    assert checker.category(scene(), Thresholds()) is None
    assert checker.category(positive(), Thresholds(sexual=1)) is None


def test_a_generation_is_blocked_without_a_black_picture(folder: Path) -> None:
    class Draws(FakeEngine):
        def _image(self, *_: object) -> Image.Image:
            return positive()

    store = MemoryStore()
    service = build_service(FakeEngines(Draws()), store, checks=moderation(SafetyChecker(folder, threads=1)))
    with pytest.raises(ModerationBlocked):
        service.generate(plan(seed=1), tenant="alice", deadline=PLENTY)
    assert store.objects == {}


def test_its_version_is_that_of_its_files(folder: Path, tmp_path: Path) -> None:
    other = network()
    other.concept_embeds_weights.data[:] = 0.5
    versions = [SafetyChecker(each, 1).version for each in (folder, folder, saved(other, tmp_path / "other"))]
    assert versions[0] == versions[1] != versions[2]


def test_weights_that_are_not_finite_clear_nothing(tmp_path: Path) -> None:
    built = network()
    built.visual_projection.weight.data[0, 0] = torch.nan
    checker = SafetyChecker(saved(built, tmp_path / "broken"), threads=1)
    with pytest.raises(ModerationUnavailable):
        checker.category(scene(), Thresholds())


@pytest.mark.parametrize("damage", ["missing", "changed", "no manifest"])
def test_a_missing_or_changed_file_leaves_nothing_unjudged(folder: Path, damage: str) -> None:
    file = folder / (manifest.NAME if damage == "no manifest" else "model.safetensors")
    content = file.read_bytes()
    file.unlink()
    if damage == "changed":
        file.write_bytes(content[:-1] + bytes((content[-1] ^ 1,)))
    with pytest.raises(ModerationUnavailable) as caught:
        SafetyChecker(folder, threads=1).load()
    assert str(folder) in caught.value.private
