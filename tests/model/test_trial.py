"""Drawing with a prepared folder: what fails or ends the process is refused with a reason."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from imagegen.catalog import manifest
from imagegen.catalog.registry import SCHEDULERS
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


def test_every_scheduler_draws_and_memory_is_measured(folder: Path) -> None:
    """Also those of other classes than the checkpoint's, and LCM for v_prediction, which the demo model predicts."""
    every = tuple(SCHEDULERS)
    done = trial.run(dataclasses.replace(DEMO, schedulers=every), folder, "openvino")
    assert sorted(done.schedulers) == sorted(every)
    assert done.refused == {}
    assert done.peak_mb["float32"] > 100


def test_a_scheduler_that_cannot_draw_is_refused_with_the_reason_and_the_others_draw(folder: Path) -> None:
    configure(folder, original_inference_steps=0)
    done = trial.run(dataclasses.replace(DEMO, schedulers=("lcm", "ddim")), folder, "openvino")
    assert done.schedulers == ("ddim",)
    assert "original_inference_steps" in done.refused["lcm"]


def test_a_model_that_no_scheduler_draws_cannot_be_prepared(folder: Path) -> None:
    configure(folder, original_inference_steps=0)
    with pytest.raises(PrepareError, match="original_inference_steps"):
        trial.run(dataclasses.replace(DEMO, schedulers=("lcm",)), folder, "openvino")


def test_a_folder_that_does_not_load_cannot_be_prepared(folder: Path) -> None:
    (folder / "text_encoder" / "openvino_model.xml").write_text("<not a model>")
    manifest.write(folder)
    with pytest.raises(PrepareError, match="cannot load"):
        trial.run(DEMO, folder, "openvino")
