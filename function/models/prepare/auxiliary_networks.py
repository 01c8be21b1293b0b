"""The auxiliary networks as OpenVINO models, from bytes of pixels to bytes of pixels or to scores.

Scaling and layout are part of each model, so that the function only copies pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import openvino
from openvino import Layout, Type
from openvino import opset15 as op
from openvino.preprocess import PrePostProcessor

from imagegen.catalog.auxiliary import BACKGROUND, INDECENCY, SECOND_OPINION, UPSCALER, AuxiliaryNetwork
from models.prepare import channels_first, ncnn, tfjs

SALIENCY_SIDE: Final = 320
"""Side, in pixels, of U-2-Net's input."""
_MEAN: Final = (0.485, 0.456, 0.406)
_DEVIATION: Final = (0.229, 0.224, 0.225)
"""Of ImageNet's red, green and blue, as in U-2-Net's training."""
_CAFFE_MEAN: Final = (104.0, 117.0, 123.0)
"""Levels of blue, green and red that Yahoo's preprocessing subtracts."""
_SMALLEST: Final = 1e-6
"""Stands for zero where U-2-Net's scaling divides: a black input, or a result of one value."""


def save(network: openvino.Model, folder: Path) -> None:
    """Write openvino_model.xml and .bin with float16 weights."""
    openvino.save_model(network, folder / "openvino_model.xml", compress_to_fp16=True)


def upscaler(weights: Path) -> openvino.Model:
    """Return the network from (1, height, width, 3) to (1, 4 height, 4 width, 3). Raises PrepareError."""
    network = ncnn.read(weights.with_suffix(".param"), weights)
    return _on_bytes(network, before=None, after=lambda levels: op.clamp(levels, 0.0, 1.0))


def background(weights: Path) -> openvino.Model:
    """Return the network from an image, (1, 320, 320, 3), to the saliency of each pixel, (1, 320, 320, 1)."""
    network = openvino.Core().read_model(weights)
    network.reshape([1, 3, SALIENCY_SIDE, SALIENCY_SIDE])
    fused = network.outputs[0].get_node().input_value(0)  # the other outputs are for training
    network = openvino.Model([fused], network.get_parameters(), BACKGROUND.name)
    return _on_bytes(network, before=_normalized, after=_stretched)


def indecency(weights: Path) -> openvino.Model:
    """Return nsfwjs' network from an image, (1, 224, 224, 3), to five probabilities, (1, 5). Raises PrepareError."""
    steps = PrePostProcessor(tfjs.read(weights.with_suffix(".json"), weights))
    steps.input().tensor().set_element_type(Type.u8)
    steps.input().preprocess().convert_element_type(Type.f32).scale(255.0)
    return _named(steps.build(), "scores")


def second_opinion(weights: Path) -> openvino.Model:
    """Return Yahoo's network from an image, (1, 224, 224, 3), to the probabilities of decent and indecent, (1, 2)."""
    network = openvino.Core().read_model(weights)
    network.reshape([1, 224, 224, 3])
    channels_first.rewrite(network)
    steps = PrePostProcessor(network)
    steps.input().tensor().set_element_type(Type.u8).set_layout(Layout("NHWC"))
    steps.input().model().set_layout(Layout("NHWC"))
    levels = steps.input().preprocess().convert_element_type(Type.f32)
    levels.reverse_channels().mean(list(_CAFFE_MEAN))
    return _named(steps.build(), "scores")


def _on_bytes(
    network: openvino.Model, before: Callable[[Any], Any] | None, after: Callable[[Any], Any]
) -> openvino.Model:
    """Return the network with an input `image` and an output `pixels`, both NHWC bytes.

    `before` gets levels from 0 to 1, NCHW, and returns the network's input; `after` gets the network's output and
    returns levels from 0 to 1.
    """
    steps = PrePostProcessor(network)
    steps.input().tensor().set_element_type(Type.u8).set_layout(Layout("NHWC"))
    steps.input().model().set_layout(Layout("NCHW"))
    levels = steps.input().preprocess().convert_element_type(Type.f32).scale(255.0).convert_layout(Layout("NCHW"))
    if before is not None:
        levels.custom(lambda value: before(value).output(0))
    steps.output().model().set_layout(Layout("NCHW"))
    steps.output().postprocess().custom(lambda value: _rounded(after(value)).output(0)).convert_element_type(Type.u8)
    steps.output().tensor().set_layout(Layout("NHWC"))
    return _named(steps.build(), "pixels")


def _named(built: openvino.Model, output: str) -> openvino.Model:
    built.input().set_names({"image"})
    built.output().set_names({output})
    return built


def _rounded(levels: Any) -> Any:
    return op.round(op.multiply(levels, _constant(255.0)), "half_to_even")


def _normalized(levels: Any) -> Any:
    peak = op.maximum(op.reduce_max(levels, _all_axes(), keep_dims=True), _constant(_SMALLEST))
    return op.divide(op.subtract(op.divide(levels, peak), _channels(_MEAN)), _channels(_DEVIATION))


def _stretched(saliency: Any) -> Any:
    """Scale the values to 0 to 1, as U-2-Net's authors do."""
    lowest = op.reduce_min(saliency, _all_axes(), keep_dims=True)
    span = op.subtract(op.reduce_max(saliency, _all_axes(), keep_dims=True), lowest)
    return op.divide(op.subtract(saliency, lowest), op.maximum(span, _constant(_SMALLEST)))


def _constant(value: float) -> Any:
    return op.constant(np.float32(value))


def _channels(values: tuple[float, ...]) -> Any:
    return op.constant(np.array(values, dtype=np.float32).reshape(1, -1, 1, 1))


def _all_axes() -> Any:
    return op.constant(np.array([1, 2, 3]))


CONVERTERS: Final[Mapping[AuxiliaryNetwork, Callable[[Path], openvino.Model]]] = {
    UPSCALER: upscaler,
    BACKGROUND: background,
    INDECENCY: indecency,
    SECOND_OPINION: second_opinion,
}
