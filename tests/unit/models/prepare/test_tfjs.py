"""Networks in TensorFlow.js' format, checked against the arithmetic of their layers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest

from models.prepare import tfjs
from models.prepare.errors import PrepareError

SIDE, CHANNELS = 4, 2
KERNEL = np.arange(18, dtype=np.uint8)
DENSE = np.linspace(-1, 1, 24, dtype=np.float32)
BIAS = np.array([0.5, -0.5, 0.25], dtype=np.float32)
SCALE, OFFSET = 0.1, -0.5


def layer(kind: str, name: str, *inputs: str, **config: Any) -> dict[str, Any]:
    nodes = [[[each, 0, 0, {}] for each in inputs]] if inputs else []
    return {"class_name": kind, "config": {"name": name, **config}, "inbound_nodes": nodes}


def layers(last: str = "softmax") -> list[dict[str, Any]]:
    """Pad, a depthwise convolution of stride 2, twice the result, and a dense layer on all of it."""
    return [
        layer("InputLayer", "in", batch_input_shape=[None, SIDE, SIDE, CHANNELS]),
        layer("ZeroPadding2D", "pad", "in", padding=[[0, 1], [0, 1]]),
        layer("DepthwiseConv2D", "deep", "pad", strides=[2, 2], padding="valid", use_bias=False),
        layer("ReLU", "clip", "deep", max_value=6),
        layer("Add", "twice", "clip", "clip"),
        layer("Flatten", "flat", "twice"),
        layer("Dropout", "drop", "flat"),
        layer("Dense", "out", "drop", activation=last, use_bias=True),
    ]


WEIGHTS = [
    {
        "name": "deep/depthwise_kernel",
        "shape": [3, 3, CHANNELS, 1],
        "dtype": "float32",
        "quantization": {"min": OFFSET, "scale": SCALE, "dtype": "uint8"},
    },
    {"name": "out/kernel", "shape": [8, 3], "dtype": "float32"},
    {"name": "out/bias", "shape": [3], "dtype": "float32"},
]
BYTES = KERNEL.tobytes() + DENSE.tobytes() + BIAS.tobytes()


def read(folder: Path, described: list[dict[str, Any]], data: bytes = BYTES) -> openvino.Model:
    topology, binary = folder / "network.json", folder / "network.bin"
    config = {"config": {"layers": described}}
    topology.write_text(
        json.dumps({"modelTopology": {"model_config": config}, "weightsManifest": [{"weights": WEIGHTS}]})
    )
    binary.write_bytes(data)
    return tfjs.read(topology, binary)


def expected(image: Any) -> Any:
    kernel = (KERNEL.astype(np.float32) * SCALE + OFFSET).reshape(3, 3, CHANNELS)
    padded = np.pad(image, ((0, 1), (0, 1), (0, 0)))
    deep = [
        [(padded[2 * y : 2 * y + 3, 2 * x : 2 * x + 3] * kernel).sum(axis=(0, 1)) for x in range(2)] for y in range(2)
    ]
    logits = 2 * np.clip(np.array(deep), 0, 6).reshape(-1) @ DENSE.reshape(8, 3) + BIAS
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def test_layers_compute_what_keras_defines(tmp_path: Path) -> None:
    image = np.random.default_rng(3).random((SIDE, SIDE, CHANNELS), dtype=np.float32)
    compiled = openvino.Core().compile_model(read(tmp_path, layers()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert np.allclose(compiled(image[None])[0], expected(image), atol=1e-5)


@pytest.mark.parametrize(
    ("described", "data", "message"),
    [
        ([*layers()[:1], layer("LSTM", "memory", "in")], BYTES, "the layer LSTM is not covered"),
        (layers(last="selu"), BYTES, "the activation selu is not covered"),
        (layers(), BYTES[:-1], "ends within out/bias"),
        (layers(), BYTES + b"\0", "has 1 bytes more"),
    ],
)
def test_what_is_not_covered_is_refused(
    tmp_path: Path, described: list[dict[str, Any]], data: bytes, message: str
) -> None:
    with pytest.raises(PrepareError, match=message):
        read(tmp_path, described, data)
