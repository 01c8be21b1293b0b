"""The least time a UNet call can take on this machine: its operations over the best measured convolution rate.

Convolutions come closest to the processor's peak, and they make up most of the UNet's operations. Rates are for one
thread and for 3 x 3 convolutions that occur in the UNet at 512 x 512. They are measured on torch and on OpenVINO, whose
profile separates a convolution from the layout changes around it. The roofline uses the best rate of all.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from statistics import median
from typing import Final

import numpy as np
import openvino as ov
import torch
from openvino import opset13 as op
from torch.utils.flop_counter import FlopCounterMode

from tools.bench import architecture
from tools.bench.case import OPENVINO_PRECISION
from tools.bench.child import Child
from tools.bench.measurements import Rate, Roofline, convolution_gflop

SHAPES: Final = ((320, 320, 64), (640, 320, 64), (640, 640, 32), (1280, 1280, 16), (2560, 1280, 16))
"""Channels in, channels out, and height and width of UNet convolutions at 512 x 512."""


def unet_gflop() -> float:
    """Return the billions of operations of one UNet call for one image of 512 x 512."""
    with torch.device("meta"):
        unet = architecture.unet()
        inputs = torch.empty(1, 4, 64, 64), torch.empty(1), torch.empty(1, architecture.TOKENS, architecture.WIDTH)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        unet(*inputs)
    return float(counter.get_total_flops()) / 1e9


def openvino_seconds(shape: tuple[int, int, int], precision: str, repeats: int) -> float:
    """Return the median seconds of the convolution alone, from OpenVINO's profile of a model that has no other layer.

    The first two of `repeats` runs are discarded.
    """
    channels_in, channels_out, side = shape
    random = np.random.default_rng(0)
    image = op.parameter([1, channels_in, side, side], np.float32)
    kernel = op.constant(random.standard_normal((channels_out, channels_in, 3, 3), dtype=np.float32))
    convolution = op.convolution(image, kernel, [1, 1], [1, 1], [1, 1], [1, 1])
    properties = {
        "INFERENCE_NUM_THREADS": 1,
        "INFERENCE_PRECISION_HINT": OPENVINO_PRECISION[precision],
        "PERF_COUNT": True,
    }
    compiled = ov.Core().compile_model(ov.Model([convolution], [image]), "CPU", properties)
    request = compiled.create_infer_request()
    request.set_input_tensor(ov.Tensor(random.standard_normal((1, channels_in, side, side), dtype=np.float32)))
    seconds: list[float] = []
    for _ in range(repeats):
        request.infer()
        nodes = [node for node in request.profiling_info if node.node_type == "Convolution"]
        seconds.append(sum(node.real_time.total_seconds() for node in nodes))
    return median(seconds[2:])


def torch_seconds(shape: tuple[int, int, int], precision: str, repeats: int) -> float:
    """Return the median seconds of the convolution in the faster of torch's two memory layouts.

    The first two of `repeats` runs are discarded.
    """
    channels_in, channels_out, side = shape
    medians = []
    for layout in (torch.contiguous_format, torch.channels_last):
        dtype = getattr(torch, precision)
        kernel = torch.randn(channels_out, channels_in, 3, 3, dtype=dtype).contiguous(memory_format=layout)
        image = torch.randn(1, channels_in, side, side, dtype=dtype).contiguous(memory_format=layout)
        seconds = []
        for _ in range(repeats):
            started = time.perf_counter()
            torch.conv2d(image, kernel, padding=1)
            seconds.append(time.perf_counter() - started)
        medians.append(median(seconds[2:]))
    return min(medians)


@torch.inference_mode()
def measure(precisions: list[str], repeats: int) -> Roofline:
    """Measure every shape in every precision with both libraries, on one thread."""
    torch.set_num_threads(1)
    libraries = {"OpenVINO": openvino_seconds, "torch": torch_seconds}
    rates = [
        Rate(library, precision, shape, convolution_gflop(shape) / seconds(shape, precision, repeats))
        for precision in precisions
        for shape in SHAPES
        for library, seconds in libraries.items()
    ]
    return Roofline(rates, unet_gflop())


if __name__ == "__main__":
    child = Child()
    child.write_result(asdict(measure(**child.task)))
