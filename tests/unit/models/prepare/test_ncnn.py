"""Networks in ncnn's format, checked against the arithmetic of their layers."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import openvino
import pytest
from numpy.typing import NDArray

from models.prepare import ncnn
from models.prepare.errors import PrepareError

FLOAT16, FLOAT32 = struct.pack("<I", 0x01306B47), struct.pack("<I", 0)
PIXEL_SHUFFLE = """Input    in   0 1 image
Split    two  1 2 image left right
Convolution conv 1 1 left wide 0=12 1=1 4=0 5=1 6=36
PReLU    relu 1 1 wide bent 0=12
PixelShuffle shuffle 1 1 bent large 0=2
Interp   nearest 1 1 right enlarged 0=1 1=2.000000e+00 2=2.000000e+00
BinaryOp add  2 1 large enlarged output
"""
KERNEL = np.linspace(-1, 1, 36, dtype=np.float32).reshape(12, 3)
BIAS, SLOPE = np.linspace(-0.5, 0.5, 12, dtype=np.float32), np.linspace(0, 1, 12, dtype=np.float32)


def read(folder: Path, layers: str, weights: bytes, magic: str = ncnn.MAGIC) -> openvino.Model:
    param, binary = folder / "network.param", folder / "network.bin"
    param.write_text(f"{magic}\n{layers.count(chr(10))} 8\n{layers}")
    binary.write_bytes(weights)
    return ncnn.read(param, binary)


def expected(image: NDArray[np.float32], kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convolution, slope, then channel 4c + 2y + x to row y and column x of channel c, plus the enlarged image."""
    wide = np.einsum("oc,chw->ohw", kernel, image[0]) + BIAS[:, None, None]
    bent = np.where(wide > 0, wide, SLOPE[:, None, None] * wide)
    shuffled = bent.reshape(3, 2, 2, *image.shape[2:]).transpose(0, 3, 1, 4, 2)
    large: NDArray[np.float32] = shuffled.reshape(3, 2 * image.shape[2], 2 * image.shape[3])
    added: NDArray[np.float32] = large + image[0].repeat(2, axis=1).repeat(2, axis=2)
    return added


@pytest.mark.parametrize("tag", [FLOAT16, FLOAT32], ids=["float16", "float32"])
def test_every_layer_computes_what_ncnn_documents(tmp_path: Path, tag: bytes) -> None:
    kernel = KERNEL.astype(np.float16 if tag == FLOAT16 else np.float32)
    network = read(tmp_path, PIXEL_SHUFFLE, tag + kernel.tobytes() + BIAS.tobytes() + SLOPE.tobytes())
    image = np.random.default_rng(7).random((1, 3, 5, 4), dtype=np.float32)
    compiled = openvino.Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert np.abs(compiled([image])[0][0] - expected(image, kernel.astype(np.float32))).max() < 1e-5


@pytest.mark.parametrize(
    ("layers", "weights", "reason"),
    [
        (PIXEL_SHUFFLE, FLOAT16 + bytes(71), "ends too early"),
        (PIXEL_SHUFFLE, FLOAT16 + bytes(72 + 48 + 48 + 4), "4 bytes more"),
        (PIXEL_SHUFFLE, struct.pack("<I", 0x000D4B38) + bytes(500), "tag 0xd4b38"),
        ("Input in 0 1 image\nSoftmax soft 1 1 image output\n", b"", "kind Softmax"),
        ("Input in 0 1 image\nInterp cubic 1 1 image output 0=3 1=2.0 2=2.0\n", b"", "nearest-neighbor"),
        ("Input in 0 1 image\nBinaryOp product 2 1 image image output 0=2\n", b"", "addition"),
    ],
)
def test_what_is_not_covered_is_refused(tmp_path: Path, layers: str, weights: bytes, reason: str) -> None:
    with pytest.raises(PrepareError, match=reason):
        read(tmp_path, layers, weights)


def test_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PrepareError, match="not in ncnn's text format"):
        read(tmp_path, PIXEL_SHUFFLE, b"", magic="7767518")
