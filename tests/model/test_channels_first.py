"""Networks without changes of layout: the same results, with as many transpositions as must be."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset15 as op

from models.prepare import channels_first

SHAPE = (1, 5, 7, 4)
"""Batch, height, width, channels."""
LEVELS = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)


def constant(*shape: int) -> Any:
    return op.constant(np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32))


def axes(*order: int) -> Any:
    return op.constant(np.array(order))


def convolved(value: Any) -> Any:
    """Convolve channels last, as converters write it."""
    first = op.convert(op.transpose(value, axes(0, 3, 1, 2)), "f32")
    done = op.convolution(first, constant(4, 4, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1])
    return op.convert(op.transpose(done, axes(0, 2, 3, 1)), "f32")


def normalized(value: Any) -> Any:
    """Add a bias and normalize: constants for all channels, for each, and before the tensor."""
    scaled = op.multiply(op.subtract(op.add(value, constant(4)), constant(1, 1, 1, 4)), constant(1, 4))
    return op.subtract(constant(1, 1, 1, 1), op.relu(op.add(scaled, constant())))


def residual(value: Any) -> Any:
    shortcut = normalized(convolved(value))
    return op.relu(op.add(convolved(op.relu(normalized(convolved(shortcut)))), shortcut))


def by_height(value: Any) -> Any:
    """A constant that is not one for each channel."""
    return convolved(op.add(convolved(value), constant(1, 5, 1, 1)))


def with_its_input(value: Any) -> Any:
    """A sum with a tensor whose channels are last."""
    return convolved(op.add(convolved(value), value))


def squashed(value: Any) -> Any:
    """An operation that the rewriting does not know."""
    return convolved(op.tanh(convolved(value)))


@pytest.mark.parametrize(
    ("build", "transpositions"), [(residual, 2), (by_height, 4), (with_its_input, 4), (squashed, 4)]
)
def test_a_rewritten_network_computes_the_same(build: Any, transpositions: int) -> None:
    image = op.parameter(SHAPE, np.float32)
    network = openvino.Model([build(image)], [image])
    before = result_of(network)
    channels_first.rewrite(network)
    assert result_of(network) == pytest.approx(before, abs=1e-4)
    assert [each.get_type_name() for each in network.get_ops()].count("Transpose") == transpositions


def result_of(network: openvino.Model) -> Any:
    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    return openvino.Core().compile_model(network, "CPU", settings)([LEVELS])[0].copy()
