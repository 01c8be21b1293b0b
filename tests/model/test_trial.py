"""Drawing with a prepared folder: what fails or ends the process is refused with a reason."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from imagegen.catalog import manifest
from imagegen.catalog.registry import SCHEDULERS, Model
from models.prepare import trial
from models.prepare.errors import PrepareError
from tests.conftest import MODELS
from tests.model.conftest import DEMO


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MODELS / "demo" / "openvino", tmp_path / "openvino"))


def configure(folder: Path, **settings: object) -> None:
    file = folder / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))
    manifest.write(folder)


def demo(max_steps: int, *schedulers: str) -> Model:
    return replace(DEMO, schedulers=schedulers, limits=replace(DEMO.limits, max_steps=max_steps))


def test_every_scheduler_draws_and_memory_is_measured(folder: Path) -> None:
    """Also those of other classes than the checkpoint's, and LCM for v_prediction, which the demo model predicts."""
    done = trial.run(demo(50, *SCHEDULERS), folder, "openvino")
    assert sorted(done.schedulers) == sorted(SCHEDULERS)
    assert done.refused == {}
    assert done.peak_mb["float32"] > 100


def test_a_scheduler_that_cannot_make_every_step_count_is_refused_and_the_others_draw(folder: Path) -> None:
    """A request must not fail after it was accepted."""
    done = trial.run(demo(51, "lcm", "ddim"), folder, "openvino")
    assert done.schedulers == ("ddim",)
    assert "num_inference_steps is 51" in done.refused["lcm"]
    assert "original_inference_steps" in done.refused["lcm"]
    assert "up to 51 steps (max_steps)" in done.refused["lcm"]
    assert done.peak_mb["float32"] > 100


@pytest.mark.parametrize(
    ("settings", "max_steps", "names"),
    [
        ({"original_inference_steps": 3}, 8, ["lcm", "num_inference_steps is 4"]),
        ({"num_train_timesteps": 40, "original_inference_steps": 40}, 41, ["num_inference_steps is 41"]),
        ({"num_train_timesteps": 40}, 8, ["original_inference_steps is 50", "num_train_timesteps, 40"]),
    ],
)
def test_a_model_that_no_scheduler_draws_cannot_be_prepared(
    folder: Path, settings: dict[str, int], max_steps: int, names: list[str]
) -> None:
    configure(folder, **settings)
    with pytest.raises(PrepareError) as caught:
        trial.run(demo(max_steps, "lcm"), folder, "openvino")
    assert [name for name in names if name not in str(caught.value)] == []


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_a_configuration_that_no_scheduler_has_is_named(tmp_path: Path, engine: str) -> None:
    """Preparation refuses it before it converts; a folder of an earlier version may have it."""
    folder = Path(shutil.copytree(MODELS / "demo" / engine, tmp_path / engine))
    configure(folder, timestep_type="continuous")
    with pytest.raises(PrepareError, match="timestep_type is 'continuous'"):
        trial.run(DEMO, folder, engine)


def test_a_folder_that_does_not_load_cannot_be_prepared(folder: Path) -> None:
    (folder / "text_encoder" / "openvino_model.xml").write_text("<not a model>")
    manifest.write(folder)
    with pytest.raises(PrepareError, match="cannot load"):
        trial.run(DEMO, folder, "openvino")
