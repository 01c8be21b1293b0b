"""The OpenVINO engine only: folders that it refuses to load, bfloat16 if the CPU supports it, no import of torch."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imagegen.catalog import manifest
from imagegen.engines import openvino_engine
from imagegen.engines.cpu import fastest_precision, processors
from imagegen.engines.openvino_denoiser import Decoder, Denoiser, Encoder
from imagegen.engines.openvino_engine import OpenVINOEngine, Shape
from imagegen.engines.openvino_text import TextStage
from imagegen.engines.tiling import Tiling
from imagegen.errors import ModelUnavailable
from imagegen.generation.ports import Backend
from imagegen.generation.snapshot import Snapshot
from tests.conftest import MODELS, ROOT
from tests.model.conftest import DEMO, OPENVINO
from tests.model.test_engine_contract import generation
from tests.support.damage import assert_damage_is_found
from tests.support.scenes import BLUE, RED, Color, circle
from tools.accuracy.measure import measure

PREPARED = MODELS / "demo" / "openvino"


def load_and_generate(folder: Path, backend: Backend = OPENVINO) -> None:
    """Damage in large files may be found only when generating: they are verified in the background."""
    OpenVINOEngine.load(folder, DEMO, backend, manifest.begin_verifying(folder)).generate(
        generation(), lambda step, of: None
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PREPARED, tmp_path / "openvino"))


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("unet/openvino_model.bin", None),
        ("unet/openvino_model.bin", b"too short"),
        ("unet/openvino_model.xml", b"<not a model>"),
        ("text_encoder/openvino_model.xml", b"<not a model>"),
        ("vae_decoder/config.json", b"{"),
        ("scheduler/scheduler_config.json", b"{"),
        ("tokenizer/tokenizer.json", b"<not a model>"),
    ],
)
@pytest.mark.parametrize("update_manifest", [True, False], ids=["manifest matches", "manifest differs"])
def test_the_error_names_the_damaged_file(
    folder: Path, file: str, content: bytes | None, update_manifest: bool
) -> None:
    assert_damage_is_found(load_and_generate, folder, file, content, update_manifest=update_manifest)


def test_one_changed_byte_in_the_weights_is_detected(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in a large file, which is verified in the background."""
    weights = folder / "unet" / "openvino_model.bin"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    for large in (manifest.LARGE_BYTES, 1):
        monkeypatch.setattr(manifest, "LARGE_BYTES", large)
        with pytest.raises(ModelUnavailable) as caught:
            load_and_generate(folder)
        assert caught.value.private == f"{weights} does not have the SHA-256 that the manifest lists"


def test_a_folder_with_a_pickle_is_refused(folder: Path) -> None:
    (folder / "unet" / "weights.ckpt").write_bytes(b"")
    with pytest.raises(ModelUnavailable) as caught:
        load_and_generate(folder)
    assert "weights.ckpt may be a pickle" in caught.value.private


@pytest.mark.parametrize("version", ["2027.1.0", "2026.9.0"])
def test_a_folder_from_a_newer_openvino_is_refused(folder: Path, version: str) -> None:
    manifest.write(folder, {"openvino": version})
    with pytest.raises(ModelUnavailable) as caught:
        load_and_generate(folder)
    assert f"was prepared with OpenVINO {version}" in caught.value.private


def test_a_folder_in_a_newer_format_is_refused(folder: Path) -> None:
    path = folder / manifest.NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": manifest.FORMAT + 1}))
    with pytest.raises(ModelUnavailable) as caught:
        load_and_generate(folder)
    assert "newer version" in caught.value.private


def test_a_folder_in_an_older_layout_is_refused_with_the_way_out(folder: Path) -> None:
    (folder / "tokenizer" / "tokenizer.json").unlink()
    (folder / "tokenizer" / "openvino_tokenizer.bin").touch()
    path = folder / manifest.NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 1}))
    with pytest.raises(ModelUnavailable) as caught:
        load_and_generate(folder)
    assert "written by an older version" in caught.value.private
    assert "Prepare the model again" in caught.value.private


def test_a_failed_load_waits_for_running_compilations(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Releasing OpenVINO objects during a compilation sometimes crashes the process."""
    compiled, compile_decoder = [], OpenVINOEngine._compile_decoder

    def slow(engine: OpenVINOEngine, shape: Shape) -> Decoder:
        decoder = compile_decoder(engine, shape)
        time.sleep(0.5)
        compiled.append(shape)
        return decoder

    monkeypatch.setattr(OpenVINOEngine, "_compile_decoder", slow)
    (folder / "text_encoder" / "openvino_model.xml").write_bytes(b"<not a model>")
    manifest.write(folder)
    engine = OpenVINOEngine.load(folder, DEMO, OPENVINO, manifest.begin_verifying(folder))

    with pytest.raises(ModelUnavailable):
        engine.finish_loading()

    assert len(compiled) == 1


def test_the_fastest_precision_of_this_cpu_follows_the_captions() -> None:
    threads = min(2, processors())  # AMX needs two
    precision = fastest_precision(threads, os.environ.get("ONEDNN_MAX_CPU_ISA", ""))
    if precision.name == "float32":
        pytest.skip(precision.reason)
    backend = Backend("openvino", "cpu", precision.name, "for tests", threads)
    engine = OpenVINOEngine.load(PREPARED, DEMO, backend, manifest.begin_verifying(PREPARED))
    tally = measure(engine, two=False, count=20)
    assert tally.right >= 0.9, tally.wrong


def test_generating_does_not_import_torch() -> None:
    code = """
import sys
from pathlib import Path
from imagegen.catalog import manifest
from imagegen.catalog.image_models import ImageModels
from imagegen.catalog.registry import REGISTRY
from imagegen.engines.openvino_engine import OpenVINOEngine
from imagegen.generation.planner import Planner
from imagegen.generation.ports import Backend
from imagegen.generation.request import GenerateRequest
folder, backend = Path(sys.argv[1]), Backend("openvino", "cpu", "float32", "", 1)
engine = OpenVINOEngine.load(folder, REGISTRY["demo"], backend, manifest.begin_verifying(folder))
request = GenerateRequest(prompt="a red circle", num_inference_steps=1)
engine.generate(Planner(ImageModels(REGISTRY, "demo"), backend).plan(request).spec, lambda step, of: None)
heavy = ("torch", "diffusers", "transformers", "openvino", "openvino.tools", "scipy")
print(*sorted(name for name in heavy if name in sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(PREPARED)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "function")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["openvino"]


def test_a_scheduler_setting_that_is_not_supported_is_named_when_the_model_loads(folder: Path) -> None:
    config = folder / "scheduler" / "scheduler_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"prediction_type": "flow_prediction"}))
    manifest.write(folder)
    with pytest.raises(ModelUnavailable) as caught:
        load_and_generate(folder)
    assert "prediction_type is 'flow_prediction'" in caught.value.private


def compilations(memory_mb: int, *requests: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> list[Shape]:
    """Return the shapes that an engine compiles for these requests, in order, the default shape before them."""
    compiled, compile_denoiser = [], OpenVINOEngine._compile_denoiser

    def counting(engine: OpenVINOEngine, shape: Shape) -> Denoiser:
        compiled.append(shape)
        return compile_denoiser(engine, shape)

    monkeypatch.setattr(OpenVINOEngine, "_compile_denoiser", counting)
    engine = OpenVINOEngine.load(PREPARED, DEMO, OPENVINO, manifest.begin_verifying(PREPARED), memory_mb)
    engine.close()
    for fields in requests:
        engine.generate(generation(num_inference_steps=1, **fields), lambda step, of: None)
    engine.close()
    return compiled


def test_an_earlier_size_and_other_guidance_do_not_compile_again(monkeypatch: pytest.MonkeyPatch) -> None:
    default, narrow, unguided = {"width": 128}, {"width": 120}, {"guidance_scale": 1.0}
    requests: list[dict[str, Any]] = [default, narrow, unguided, default, narrow, unguided]
    assert len(compilations(10_240, *requests, monkeypatch=monkeypatch)) == 3


def test_without_memory_for_more_only_one_shape_stays_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    default, narrow = {"width": 128}, {"width": 120}
    assert len(compilations(0, default, narrow, narrow, default, monkeypatch=monkeypatch)) == 3


def test_the_memory_of_a_shape_that_is_still_compiling_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, compile_denoiser = threading.Event(), OpenVINOEngine._compile_denoiser

    def begin(engine: OpenVINOEngine, shape: Shape) -> Denoiser:
        begun.set()
        return compile_denoiser(engine, shape)

    monkeypatch.setattr(OpenVINOEngine, "_compile_denoiser", begin)
    engine = OpenVINOEngine.load(PREPARED, DEMO, OPENVINO, manifest.begin_verifying(PREPARED), 10_240)
    assert begun.wait(60)
    compiling: list[bool] = []

    def resident_mb() -> float:
        compiling.extend(not shape.denoiser.done() for shape in engine._compiled.values())
        return 0.0

    monkeypatch.setattr(openvino_engine, "resident_mb", resident_mb)
    engine.generate(generation(num_inference_steps=1, width=120), lambda step, of: None)
    engine.close()
    assert compiling == [False]


def test_a_first_request_of_another_shape_does_not_wait_for_the_default_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes while the text encoder loads, as in a cold start. The default shape is compiled once it is asked for."""
    compiled: list[Shape] = []
    asked, begin, compile_denoiser = (
        threading.Event(),
        OpenVINOEngine._compile_in_background,
        OpenVINOEngine._compile_denoiser,
    )

    def slow_text(*arguments: Any) -> TextStage:
        assert asked.wait(60)
        return TextStage(*arguments)

    def beginning(engine: OpenVINOEngine, shape: Shape) -> None:
        begin(engine, shape)
        if shape.width == 120:
            asked.set()

    def counting(engine: OpenVINOEngine, shape: Shape) -> Denoiser:
        compiled.append(shape)
        return compile_denoiser(engine, shape)

    monkeypatch.setattr(openvino_engine, "TextStage", slow_text)
    monkeypatch.setattr(OpenVINOEngine, "_compile_in_background", beginning)
    monkeypatch.setattr(OpenVINOEngine, "_compile_denoiser", counting)
    engine = OpenVINOEngine.load(PREPARED, DEMO, OPENVINO, manifest.begin_verifying(PREPARED), 10_240)
    for width in (120, 128, 120):
        engine.generate(generation(num_inference_steps=1, width=width), lambda step, of: None)
    engine.close()
    assert [shape.width for shape in compiled] == [120, 128]


def test_the_least_recently_used_shape_is_released_first(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third, fourth = ({"width": width} for width in (120, 136, 144, 128))
    fifth = {"height": 120}
    requests: list[dict[str, Any]] = [first, second, third, fourth, fifth, fourth, first]
    compiled = compilations(10_240, *requests, monkeypatch=monkeypatch)
    sizes = [(shape.width, shape.height) for shape in compiled]
    assert sizes == [(128, 128), (120, 128), (136, 128), (144, 128), (128, 120), (120, 128)]


def test_an_inference_stops_when_it_is_no_longer_wanted() -> None:
    """Within a step: the first step of a large image takes longer than the time between two questions."""
    engine = OpenVINOEngine.load(PREPARED, DEMO, OPENVINO, manifest.begin_verifying(PREPARED))
    large = dataclasses.replace(generation(num_inference_steps=2), width=1536, height=1536)

    def stop(step: int, of: int) -> None:
        if step == 0:
            raise TimeoutError
        pytest.fail("the step ran to its end")

    with pytest.raises(TimeoutError):
        engine.generate(large, stop)
    assert engine.generate(generation(), lambda step, of: None).images
    engine.close()


class LatestSnapshot:
    """A Resumption that begins a generation and keeps its latest snapshot."""

    def __init__(self) -> None:
        self.snapshot = Snapshot()
        self.latest = Snapshot()

    def reached(self, take: Callable[[], Snapshot]) -> None:
        self.latest = take()


@pytest.mark.parametrize("prompt", ["a red circle on a white background", "a large blue star on a yellow background"])
def test_an_image_decoded_in_tiles_has_no_seam(openvino_engine: OpenVINOEngine, prompt: str) -> None:
    """Two by two tiles of 11 of 18 latents. The decoder normalizes each tile by itself, so tiles differ from the image
    decoded in one piece. A seam would be a step in the difference where a tile begins or ends."""
    asked, run = generation(prompt=prompt, num_inference_steps=10, width=144, height=144), LatestSnapshot()
    (image,) = openvino_engine.generate(asked, lambda step, of: None, run).images
    tiling = Tiling(most=12, overlap=4)
    decoder = Decoder.compile(PREPARED, openvino_engine._properties, height=144, width=144, tiling=tiling)
    assert run.latest.sample is not None
    difference = np.asarray(decoder.decode(run.latest.sample, lambda: None), dtype=int) - np.asarray(image, dtype=int)
    assert np.abs(difference).mean() < 4
    for axis in (0, 1):
        steps = np.abs(np.diff(difference, axis=axis)).mean(axis=(1 - axis, 2))
        assert max(steps[8 * edge - 1] for edge in (7, 11)) < 2


@pytest.mark.parametrize("color", [RED, BLUE])
def test_a_picture_encoded_in_tiles_decodes_to_the_same_picture(color: Color) -> None:
    """Two by two tiles of 11 of 18 latents. The encoder normalizes each tile by itself, so latents differ a little."""
    sizes: dict[str, Any] = {"height": 144, "width": 144}
    image = circle(color, size=(144, 144))
    tilings = [None, Tiling(most=12, overlap=4)]
    encoders = [Encoder.compile(PREPARED, {}, **sizes, tiling=tiling) for tiling in tilings]
    whole, tiled = (encoder.encode(image, lambda: None) for encoder in encoders)
    decoder = Decoder.compile(PREPARED, {}, **sizes)
    decoded, again = (np.asarray(decoder.decode(each, lambda: None), dtype=int) for each in (whole, tiled))
    assert np.abs(tiled - whole).mean() < 0.1 * whole.std()
    assert np.abs(decoded - again).mean() < 1.5
