"""Reads a network in ncnn's format, a `.param` file of layers and a `.bin` file of weights, as an OpenVINO model.

Covered: the layers of Real-ESRGAN's compact networks, at batch 1. Not covered: every other layer, which is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset15 as op

from models.prepare.errors import PrepareError

Floats: TypeAlias = NDArray[np.float32]
Parameters: TypeAlias = Mapping[int, float]

MAGIC: Final = "7767517"
_FLOAT16: Final = 0x01306B47
"""Tag before weights in float16; 0 is before weights in float32. Biases and slopes have no tag and are in float32."""


@dataclass(frozen=True)
class Layer:
    """One line of a `.param` file. Parameters are numbered; their meaning depends on the kind."""

    kind: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    parameters: Parameters


class Weights:
    """The `.bin` file, which has the weights of each layer in the order of the layers."""

    def __init__(self, data: bytes):
        self._data = data
        self._position = 0

    def tagged(self, count: int) -> Floats:
        """Return the next `count` weights, after the tag that names their type. Raises PrepareError."""
        tag = int(self._take(np.dtype("<u4"), 1)[0])
        if tag not in (0, _FLOAT16):
            raise PrepareError(f"the weights have the tag {tag:#x}; only float16 and float32 are supported")
        values = self._take(np.dtype("<f2") if tag else np.dtype("<f4"), count)
        self._position += -self._position % 4
        return values.astype(np.float32)

    def plain(self, count: int) -> Floats:
        """Return the next `count` weights in float32. Raises PrepareError."""
        return self._take(np.dtype("<f4"), count).astype(np.float32)

    @property
    def left(self) -> int:
        """Bytes after the last weights read."""
        return len(self._data) - self._position

    def _take(self, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
        if self.left < count * dtype.itemsize:
            raise PrepareError("the file of weights ends too early")
        values = np.frombuffer(self._data, dtype, count, self._position)
        self._position += count * dtype.itemsize
        return values


def read(param: Path, weights: Path) -> openvino.Model:
    """Return the network: one input (1, 3, height, width), one output.

    Raises PrepareError for a layer that is not covered, or weights that do not match.
    """
    stored = Weights(weights.read_bytes())
    image = op.parameter([1, 3, -1, -1], np.float32, name="image")
    blobs: dict[str, Any] = {}
    output = image
    for layer in _layers(param.read_text()):
        output = image if layer.kind == "Input" else _build(layer, [blobs[name] for name in layer.inputs], stored)
        blobs |= dict.fromkeys(layer.outputs, output)
    if stored.left:
        raise PrepareError(f"{weights.name} has {stored.left} bytes more than its layers need")
    return openvino.Model([output], [image], param.stem)


def _layers(text: str) -> list[Layer]:
    magic, _counts, *lines = text.splitlines()
    if magic != MAGIC:
        raise PrepareError("the file of layers is not in ncnn's text format")
    return [_layer(line.split()) for line in lines if line.strip()]


def _layer(words: Sequence[str]) -> Layer:
    """kind, name, number of inputs and of outputs, then their names, then number=value."""
    kind, _name, inputs, outputs, *rest = words
    names, settings = rest[: int(inputs) + int(outputs)], rest[int(inputs) + int(outputs) :]
    pairs = (setting.split("=") for setting in settings)
    return Layer(
        kind, names[: int(inputs)], names[int(inputs) :], {int(number): float(value) for number, value in pairs}
    )


def _build(layer: Layer, inputs: Sequence[Any], weights: Weights) -> Any:
    if layer.kind not in _BUILDERS:
        raise PrepareError(f"layers of the kind {layer.kind} are not supported")
    return _BUILDERS[layer.kind](inputs, layer.parameters, weights)


def _convolution(inputs: Sequence[Any], parameters: Parameters, weights: Weights) -> Any:
    """0: outputs, 1: side of the kernel, 3: stride, 4: padding, 5: has a bias, 6: weights."""
    channels, side = int(parameters[0]), int(parameters[1])
    stride, padding = int(parameters.get(3, 1)), int(parameters.get(4, 0))
    kernel = weights.tagged(int(parameters[6])).reshape(channels, -1, side, side)
    result = op.convolution(inputs[0], op.constant(kernel), [stride] * 2, [padding] * 2, [padding] * 2, [1, 1])
    if not parameters.get(5):
        return result
    return op.add(result, op.constant(weights.plain(channels).reshape(1, channels, 1, 1)))


def _interpolation(inputs: Sequence[Any], parameters: Parameters, _weights: Weights) -> Any:
    """0: 1 for nearest, 1 and 2: factors of height and width."""
    if parameters[0] != 1:
        raise PrepareError("only nearest-neighbor interpolation is supported")
    factors = np.array([parameters[1], parameters[2]], dtype=np.float32)
    return op.interpolate(
        inputs[0],
        op.constant(factors),
        "nearest",
        "scales",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
        axes=op.constant(np.array([2, 3])),
    )


def _sum(inputs: Sequence[Any], parameters: Parameters, _weights: Weights) -> Any:
    """0: the operation, 0 for addition."""
    if parameters.get(0, 0) != 0 or len(inputs) != 2:
        raise PrepareError("of binary operations, only the addition of two inputs is supported")
    return op.add(*inputs)


_BUILDERS: Final[Mapping[str, Callable[[Sequence[Any], Parameters, Weights], Any]]] = {
    "Split": lambda inputs, _parameters, _weights: inputs[0],
    "Convolution": _convolution,
    "PReLU": lambda inputs, parameters, weights: op.prelu(inputs[0], op.constant(weights.plain(int(parameters[0])))),
    "PixelShuffle": lambda inputs, parameters, _weights: op.depth_to_space(
        inputs[0], "depth_first", int(parameters[0])
    ),
    "Interp": _interpolation,
    "BinaryOp": _sum,
}
