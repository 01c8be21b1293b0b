"""Drawing with a prepared folder: what fails or ends the process is refused with a reason."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from imagegen.catalog import manifest
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


def test_a_scheduler_that_ends_the_process_is_refused_and_the_others_draw(folder: Path) -> None:
    """LCM crashes OpenVINO GenAI 2026.4 for v_prediction, which the demo model predicts."""
    done = trial.run(dataclasses.replace(DEMO, schedulers=("lcm", "ddim", "dpm_multistep")), folder, "openvino")
    assert done.schedulers == ("ddim",)
    assert list(done.refused) == ["lcm"]
    assert "ended the process" in done.refused["lcm"]
    assert done.peak_mb["float32"] > 100


def test_a_scheduler_that_raises_is_refused_with_the_reason(folder: Path) -> None:
    configure(folder, use_karras_sigmas=True)
    done = trial.run(dataclasses.replace(DEMO, schedulers=("euler", "ddim")), folder, "openvino")
    assert done.schedulers == ("ddim",)
    assert "use_karras_sigmas" in done.refused["euler"]


def test_a_model_that_no_scheduler_draws_cannot_be_prepared(folder: Path) -> None:
    configure(folder, clip_sample=True)
    with pytest.raises(PrepareError, match="clip_sample"):
        trial.run(dataclasses.replace(DEMO, schedulers=("ddim",)), folder, "openvino")


def test_a_folder_that_does_not_load_cannot_be_prepared(folder: Path) -> None:
    (folder / "text_encoder" / "openvino_model.xml").write_text("<not a model>")
    manifest.write(folder)
    with pytest.raises(PrepareError, match="cannot load"):
        trial.run(DEMO, folder, "openvino")
