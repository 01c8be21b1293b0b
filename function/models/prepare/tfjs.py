"""Reads a Keras network in the format of TensorFlow.js as an OpenVINO model.

The format is a `.json` file of layers and weights, and a `.bin` file of the weights' bytes. Covered: the layers of
MobileNet v2 and of a classifier on it, at batch 1. Not covered: every other layer, which is refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset15 as op

from models.prepare.errors import PrepareError

Floats: TypeAlias = NDArray[np.float32]
Layer: TypeAlias = Mapping[str, Any]
"""A layer's configuration in Keras, which includes its name."""
Weights: TypeAlias = Mapping[str, Floats]
"""By the layer's name, a slash and the weight's."""

_TO_NCHW: Final = (0, 3, 1, 2)
_TO_NHWC: Final = (0, 2, 3, 1)


def read(topology: Path, binary: Path) -> openvino.Model:
    """Return the network: levels, NHWC, to what its last layer returns. Raises PrepareError.

    The weights' bytes must be exactly those that `topology` lists.
    """
    document = json.loads(topology.read_text())
    weights = _weights(document["weightsManifest"][0]["weights"], binary.read_bytes())
    values: dict[str, Any] = {}
    parameter = value = None
    for layer in document["modelTopology"]["model_config"]["config"]["layers"]:
        config = layer["config"]
        if layer["class_name"] == "InputLayer":
            parameter = op.parameter([1, *config["batch_input_shape"][1:]], np.float32, name="image")
            value = _transposed(parameter, _TO_NCHW)
        else:
            inputs = [values[each[0]] for each in layer["inbound_nodes"][0]]
            value = _converter(layer["class_name"])(inputs, config, weights)
        values[config["name"]] = value
    return openvino.Model([value], [parameter], topology.stem)


def _weights(entries: list[Mapping[str, Any]], data: bytes) -> Weights:
    """Return the weights in float32. They are stored one after the other, most as bytes with a scale and an offset."""
    weights, position = {}, 0
    for entry in entries:
        stored = entry.get("quantization", {"dtype": "float32", "scale": 1.0, "min": 0.0})
        count, kind = math.prod(entry["shape"]), np.dtype(stored["dtype"])
        if position + count * kind.itemsize > len(data):
            raise PrepareError(f"the file of weights ends within {entry['name']}")
        numbers = np.frombuffer(data, kind, count, position).astype(np.float32)
        weights[entry["name"]] = (numbers * stored["scale"] + stored["min"]).reshape(entry["shape"])
        position += count * kind.itemsize
    if position != len(data):
        raise PrepareError(f"the file of weights has {len(data) - position} bytes more than its layers need")
    return weights


def _padded(inputs: list[Any], layer: Layer, _weights: Weights) -> Any:
    (top, bottom), (left, right) = layer["padding"]
    begins, ends = np.array([0, 0, top, left]), np.array([0, 0, bottom, right])
    return op.pad(inputs[0], op.constant(begins), op.constant(ends), "constant")  # with zeros


def _convolution(inputs: list[Any], layer: Layer, weights: Weights) -> Any:
    kernel = weights[f"{layer['name']}/kernel"].transpose(3, 2, 0, 1)
    convolved = op.convolution(
        inputs[0], _constant(kernel), layer["strides"], [0, 0], [0, 0], layer["dilation_rate"], auto_pad=_padding(layer)
    )
    return _with_bias(convolved, layer, weights, (1, -1, 1, 1))


def _depthwise(inputs: list[Any], layer: Layer, weights: Weights) -> Any:
    kernel = weights[f"{layer['name']}/depthwise_kernel"].transpose(2, 3, 0, 1)[:, :, None]
    convolved = op.group_convolution(
        inputs[0], _constant(kernel), layer["strides"], [0, 0], [0, 0], [1, 1], auto_pad=_padding(layer)
    )
    return _with_bias(convolved, layer, weights, (1, -1, 1, 1))


def _normalization(inputs: list[Any], layer: Layer, weights: Weights) -> Any:
    gamma, beta, mean, variance = (
        weights[f"{layer['name']}/{each}"] for each in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    scale = gamma / np.sqrt(variance + layer["epsilon"])
    scaled = op.multiply(inputs[0], _constant(scale.reshape(1, -1, 1, 1)))
    return op.add(scaled, _constant((beta - mean * scale).reshape(1, -1, 1, 1)))


def _clipped(inputs: list[Any], layer: Layer, _weights: Weights) -> Any:
    return op.clamp(inputs[0], 0.0, float(layer["max_value"])) if layer.get("max_value") else op.relu(inputs[0])


def _sum(inputs: list[Any], _layer: Layer, _weights: Weights) -> Any:
    return op.add(*inputs)


def _pooled(inputs: list[Any], layer: Layer, _weights: Weights) -> Any:
    return op.avg_pool(inputs[0], layer["strides"], [0, 0], [0, 0], layer["pool_size"], True)


def _flat(inputs: list[Any], _layer: Layer, _weights: Weights) -> Any:
    """In Keras' order, which is that of the dense layer's weights."""
    return op.reshape(_transposed(inputs[0], _TO_NHWC), op.constant(np.array([1, -1])), False)


def _dense(inputs: list[Any], layer: Layer, weights: Weights) -> Any:
    product = op.matmul(inputs[0], _constant(weights[f"{layer['name']}/kernel"]), False, False)
    summed = _with_bias(product, layer, weights, (1, -1))
    match layer["activation"]:
        case "relu":
            return op.relu(summed)
        case "softmax":
            return op.softmax(summed, 1)
        case "linear":
            return summed
    raise PrepareError(f"the activation {layer['activation']} is not covered")


def _unchanged(inputs: list[Any], _layer: Layer, _weights: Weights) -> Any:
    return inputs[0]


Converter: TypeAlias = Callable[[list[Any], Layer, Weights], Any]
_CONVERTERS: Final[Mapping[str, Converter]] = {
    "ZeroPadding2D": _padded,
    "Conv2D": _convolution,
    "DepthwiseConv2D": _depthwise,
    "BatchNormalization": _normalization,
    "ReLU": _clipped,
    "Add": _sum,
    "AveragePooling2D": _pooled,
    "Flatten": _flat,
    "Dense": _dense,
    "Dropout": _unchanged,
}


def _converter(kind: str) -> Converter:
    if kind not in _CONVERTERS:
        raise PrepareError(f"the layer {kind} is not covered")
    return _CONVERTERS[kind]


def _with_bias(value: Any, layer: Layer, weights: Weights, shape: tuple[int, ...]) -> Any:
    if not layer["use_bias"]:
        return value
    return op.add(value, _constant(weights[f"{layer['name']}/bias"].reshape(shape)))


def _padding(layer: Layer) -> str:
    return "same_upper" if layer["padding"] == "same" else "explicit"


def _transposed(value: Any, order: tuple[int, ...]) -> Any:
    return op.transpose(value, op.constant(np.array(order)))


def _constant(values: Any) -> Any:
    return op.constant(np.ascontiguousarray(values, dtype=np.float32))
