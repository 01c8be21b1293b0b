from __future__ import annotations

from pathlib import Path
from typing import Literal

from imagegen.engines.cpu import Precision
from imagegen.engines.selection import choose_backend
from imagegen.generation.ports import Backend

BFLOAT16 = Precision("bfloat16", "the CPU supports it")


def test_the_backend_is_chosen_with_a_reason(tmp_path: Path) -> None:
    driver = tmp_path / "version"

    def first(device: Literal["auto", "cpu", "cuda"], *engines: str) -> Backend:
        return choose_backend(device, engines, BFLOAT16, threads=2, driver=driver)

    assert first("auto", "openvino", "torch") == first("auto", "torch", "openvino")
    assert first("auto", "openvino", "torch").engine == "openvino"
    assert first("auto", "openvino", "torch").precision == "bfloat16"
    assert BFLOAT16.reason in first("auto", "openvino", "torch").reason
    assert (first("auto", "torch").device, first("auto", "torch").precision) == ("cpu", "float32")
    driver.touch()
    gpu = first("auto", "openvino", "torch")
    assert (gpu.engine, gpu.device, gpu.precision) == ("torch", "cuda", "float16")
    assert str(driver) in gpu.reason
    assert first("auto", "openvino").device == "cpu"
    assert first("cpu", "openvino", "torch").device == "cpu"
    assert first("cuda", "openvino", "torch").device == "cuda"
