"""The default checker of pictures with its real networks: what it blocks, what it allows, and that it fails closed."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from imagegen.catalog import auxiliary
from imagegen.catalog.manifest import NAME
from imagegen.engines.cpu import fastest_precision, processors
from imagegen.engines.guard import GuardedEngine
from imagegen.engines.openvino_engine import OpenVINOEngine
from imagegen.engines.picture_checker import NetworkChecker
from imagegen.errors import ModerationBlocked, ModerationUnavailable
from imagegen.generation.edit import Picture
from imagegen.generation.ports import Generated, OnStep, Resumption
from imagegen.generation.request import GenerateRequest
from imagegen.generation.spec import GenerationSpec
from imagegen.moderation.thresholds import Thresholds
from tests.conftest import MODELS, ROOT
from tests.support.fake_audit import RecordingAudit
from tests.support.fakes import PLENTY, FakeEngine, FakeEngines, MemoryStore, build_service
from tests.support.indecency_reference import positive
from tests.support.picture_checks import moderation
from tests.support.pictures import FORMATS, file
from tests.support.plans import PLANNER, plan, spec
from tests.support.scenes import RED, circle, scene

PREPARED = auxiliary.prepared(MODELS)


@pytest.fixture(scope="module", params=["float32", "the fastest"])
def checker(request: pytest.FixtureRequest) -> NetworkChecker:
    threads = processors()
    fastest = fastest_precision(threads).name == "bfloat16"
    return NetworkChecker(PREPARED, threads, bfloat16=fastest and request.param == "the fastest")


class Draws(FakeEngine):
    """Draws the picture that is blocked."""

    def generate(self, spec: GenerationSpec, on_step: OnStep, resumption: Resumption | None = None) -> Generated:
        drawn = super().generate(spec, on_step, resumption)
        return replace(drawn, images=[positive().resize(each.size) for each in drawn.images])


@pytest.mark.parametrize("options", [{}, {"quality": 90}, {"quality": 60}], ids=str)
@pytest.mark.parametrize("kind", FORMATS)
def test_the_positive_picture_is_blocked_as_an_input(checker: NetworkChecker, kind: str, options: Any) -> None:
    data = file(positive(), kind, **({} if kind == "PNG" else options))
    asked = GenerateRequest.parse({"prompt": "a red circle", "image": "of the test", "seed": 1})
    engines, store = FakeEngines(FakeEngine()), MemoryStore()
    service = build_service(engines, store, checks=moderation(checker))
    planned = PLANNER.plan(asked, (Picture.of(data, (128, 128)), None))
    with pytest.raises(ModerationBlocked) as caught:
        service.generate(planned, tenant="alice", deadline=PLENTY)
    assert caught.value.members == {"stage": "input", "category": "sexual"}
    assert (engines.loads, store.objects) == (0, {})


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("upscale", [1, 4])
def test_the_positive_picture_is_blocked_as_an_output(
    checker: NetworkChecker, output_format: str, upscale: int
) -> None:
    store = MemoryStore()
    service = build_service(FakeEngines(Draws()), store, checks=moderation(checker))
    asked = plan(seed=1, output_format=output_format, upscale=upscale)
    with pytest.raises(ModerationBlocked) as caught:
        service.generate(asked, tenant="alice", deadline=PLENTY)
    assert caught.value.members == {"stage": "output", "category": "sexual"}
    assert (store.objects, store.entries) == ({}, {})


def test_it_is_blocked_in_other_sizes(checker: NetworkChecker) -> None:
    for size in ((120, 120), (144, 120), (144, 144), (512, 512)):
        assert checker.category(positive().resize(size), Thresholds()) == "sexual"


def test_pictures_of_the_demo_model_are_allowed(checker: NetworkChecker, openvino_engine: OpenVINOEngine) -> None:
    """tools/bench/picture_check.py draws 200."""
    engine = GuardedEngine(openvino_engine)
    for seed, prompt in enumerate(("a red circle", "a large blue square on a white background", "a yellow star")):
        wanted = spec(prompt, seed=seed, num_images_per_prompt=4)
        for image in engine.generate(wanted, lambda step, of: None).images:
            assert checker.category(image, Thresholds()) is None


def test_what_the_demo_model_learned_from_is_allowed(checker: NetworkChecker) -> None:
    for picture in (scene(), circle(), Image.new("RGB", (128, 128), RED)):
        assert checker.category(picture, Thresholds()) is None


def test_the_second_network_is_loaded_only_where_the_first_is_not_sure(tmp_path: Path) -> None:
    checker = NetworkChecker(PREPARED, threads=1)
    checker.category(scene(), Thresholds())
    assert "_second_opinion" not in vars(checker)
    checker.category(positive(), Thresholds())
    assert "_second_opinion" in vars(checker)


@pytest.mark.parametrize("network", ["indecency", "second_opinion", "upscaler"])
@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_missing_or_changed_file_leaves_nothing_unjudged(tmp_path: Path, network: str, damage: str) -> None:
    """Whichever file it is: all files are verified before the first picture is judged."""
    folder = Path(shutil.copytree(PREPARED, tmp_path / "openvino"))
    weights = folder / network / "openvino_model.bin"
    content = weights.read_bytes()
    weights.unlink() if damage == "missing" else weights.write_bytes(content[:-1] + bytes((content[-1] ^ 1,)))
    records, store = RecordingAudit(), MemoryStore()
    checker = NetworkChecker(folder, threads=1)
    service = build_service(FakeEngines(FakeEngine()), store, checks=moderation(checker, records))
    with pytest.raises(ModerationUnavailable) as caught:
        service.generate(plan(seed=1), tenant="alice", deadline=PLENTY)
    assert str(weights) in caught.value.private
    assert str(weights) not in caught.value.detail
    assert records.unavailable == [("output", caught.value.private)]
    assert store.objects == {}
    weights.write_bytes(content)
    assert service.generate(plan(seed=1), tenant="alice", deadline=PLENTY).images, "a repaired file needs no restart"


def test_networks_that_were_never_prepared_leave_nothing_unjudged(tmp_path: Path) -> None:
    with pytest.raises(ModerationUnavailable) as caught:
        NetworkChecker(tmp_path, threads=1).load()
    assert caught.value.private == f"{tmp_path / NAME} is missing"


def test_an_image_without_openvino_leaves_nothing_unjudged() -> None:
    code = """
import sys
from pathlib import Path
sys.modules["openvino"] = None
from imagegen.engines.picture_checker import NetworkChecker
from imagegen.errors import ModerationUnavailable
try:
    NetworkChecker(Path(sys.argv[1]), 1).load()
except ModerationUnavailable as error:
    print(error.private)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(PREPARED)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "function")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ModuleNotFoundError" in done.stdout, done.stderr


def test_a_picture_with_hidden_colors_is_judged_by_them(checker: NetworkChecker) -> None:
    """A transparent background keeps them in the file."""
    hidden = positive().convert("RGBA")
    hidden.putalpha(Image.new("L", hidden.size, 0))
    check = moderation(checker).of(plan().model, "alice")
    assert check is not None
    with pytest.raises(ModerationBlocked):
        check.require_allowed("output", [Image.open(io.BytesIO(file(hidden, "PNG")))])
