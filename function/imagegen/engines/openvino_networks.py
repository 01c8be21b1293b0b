"""The only module that imports OpenVINO: a prepared folder's networks, compiled and run one at a time."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

from numpy.typing import NDArray

from imagegen.errors import ModelUnavailable

Array: TypeAlias = NDArray[Any]

POLL_MS: Final = 250
"""How often a running inference asks whether it is still wanted."""


def _import_openvino() -> Any:
    """Import OpenVINO without its optional conversion tools, which take half of the import time."""
    tools = "openvino.tools"
    if tools in sys.modules:
        import openvino
    else:
        sys.modules[tools] = None  # type: ignore[assignment]  # tells Python that the module does not exist
        try:
            import openvino
        finally:
            del sys.modules[tools]
    return openvino


ov: Final = _import_openvino()


class Network:
    """One compiled network with its single inference request. Not thread-safe."""

    def __init__(self, compiled: Any):
        self._request = compiled.create_infer_request()
        self._bound: dict[str, Array] = {}

    def bind(self, inputs: Mapping[str, Array]) -> None:
        """Let the network read these arrays, without a copy, in all following runs. Their content may change."""
        self._bound |= inputs  # OpenVINO does not keep the arrays alive
        for name, array in inputs.items():
            self._request.set_tensor(name, ov.Tensor(array, shared_memory=True))

    def run(self, still_wanted: Callable[[], None]) -> list[Array]:
        """Run on the bound inputs and return the outputs, which the next run overwrites.

        `still_wanted` is called every POLL_MS. If it raises, the run is cancelled.
        """
        self._request.start_async()
        try:
            while not self._request.wait_for(POLL_MS):
                still_wanted()
        except BaseException:
            self._request.cancel()
            with suppress(RuntimeError):  # reports the cancellation
                self._request.wait()
            raise
        return [tensor.data for tensor in self._request.output_tensors]


def compile_network(folder: Path, properties: Mapping[str, Any], shapes: Mapping[str, list[int]]) -> Network:
    """Compile `folder`/openvino_model.xml for fixed shapes of the inputs named. Raises ModelUnavailable."""
    try:
        core = ov.Core()
        network = core.read_model(folder / "openvino_model.xml")
        if shapes:
            network.reshape({name: ov.PartialShape(shape) for name, shape in shapes.items()})
        return Network(core.compile_model(network, "CPU", dict(properties)))
    except (RuntimeError, MemoryError) as error:  # the only classes that OpenVINO raises
        raise ModelUnavailable.because(folder, f"cannot be loaded: {error}") from error


def read_config(file: Path) -> dict[str, Any]:
    """Return a JSON object. Raises ModelUnavailable."""
    try:
        config: dict[str, Any] = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise ModelUnavailable.because(file, f"cannot be loaded: {error}") from error
    return config
