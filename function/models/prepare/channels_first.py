"""Removes changes of layout between the convolutions of a network that was converted from TensorFlow.

OpenVINO convolves channels first (NCHW). Such a network has channels last (NHWC), so that each convolution stands
between two transpositions. They keep OpenVINO from computing a batch norm, an activation or a sum with the convolution.

Covered: sums, differences, products and ReLU of such tensors and of constants for each channel, at float32. Everything
else stays as it is, between transpositions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import openvino
from openvino import opset15 as op

_TO_CHANNELS_FIRST: Final = [0, 3, 1, 2]
_TO_CHANNELS_LAST: Final = [0, 2, 3, 1]
_OF_EACH_VALUE: Final[Mapping[str, Callable[..., Any]]] = {
    "Add": op.add,
    "Subtract": op.subtract,
    "Multiply": op.multiply,
    "Relu": op.relu,
}


def rewrite(network: openvino.Model) -> None:
    """Compute in NCHW whatever can be. The results are the same, up to rounding; inputs and outputs keep their layout.

    One pass, from the inputs to the outputs, moves each transposition behind all operations that it can pass.
    """
    for node in network.get_ordered_ops():
        if node.get_type_name() in _OF_EACH_VALUE:
            _move_behind(node)
        elif _order(node) == _TO_CHANNELS_FIRST and (first := _channels_first(node.input_value(0))) is not None:
            node.output(0).replace(first)
    network.validate_nodes_and_infer_types()


def _move_behind(node: Any) -> None:
    """Replace an operation on transposed inputs by the transposition of the operation on the inputs themselves."""
    tensors = [_channels_first(value) for value in node.input_values()]
    if all(each is None for each in tensors):
        return
    inputs = [first or _constant(value) for first, value in zip(tensors, node.input_values(), strict=True)]
    if None not in inputs:
        computed = _OF_EACH_VALUE[node.get_type_name()](*inputs)
        node.output(0).replace(op.transpose(computed, op.constant(np.array(_TO_CHANNELS_LAST))).output(0))


def _channels_first(value: Any) -> Any:
    """Return the tensor of which the value is the transposition to channels last; None if it is not one."""
    node = _converted(value)
    return node.input_value(0) if _order(node) == _TO_CHANNELS_LAST else None


def _constant(value: Any) -> Any:
    """Return a constant for each channel, or for all, as one with channels first; None if the value is not one."""
    node = _converted(value)
    if node.get_type_name() != "Constant" or any(length != 1 for length in node.shape[:-1]):
        return None
    return op.constant(np.float32(node.data).reshape(1, -1, 1, 1)).output(0)


def _order(node: Any) -> list[int] | None:
    """Return the order of the axes that the node makes; None if it makes none."""
    if node.get_type_name() != "Transpose":
        return None
    axes = node.input_value(1).get_node()
    return axes.data.tolist() if axes.get_type_name() == "Constant" else None


def _converted(value: Any) -> Any:
    """Return the node of a value, before conversions from a type to itself, of which ONNX files have many."""
    node = value.get_node()
    while node.get_type_name() == "Convert" and node.get_input_element_type(0) == node.get_output_element_type(0):
        node = node.input_value(0).get_node()
    return node
