"""What this machine could do at best: the denoiser's operations over the measured rate of a 3 x 3 convolution.

Convolutions are where a library comes closest to the processor's peak, and most of the denoiser's operations are
theirs. Rates are those of one thread, for shapes that occur in the denoiser at 512 x 512, measured on OpenVINO, whose
own profile tells the convolution from the change of layout around it, and on torch. The bound takes the best of all.
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
from tools.bench.child import Child
from tools.bench.measured import Bound, Rate, convolution_gflop

SHAPES: Final = ((320, 320, 64), (640, 320, 64), (640, 640, 32), (1280, 1280, 16), (2560, 1280, 16))
"""Channels in, channels out, and height and width of the denoiser's convolutions at 512 x 512."""
_HINTS: Final = {"float32": "f32", "bfloat16": "bf16"}


def unet_gflop() -> float:
    with torch.device("meta"):
        unet = architecture.unet()
        inputs = torch.empty(1, 4, 64, 64), torch.empty(1), torch.empty(1, architecture.TOKENS, architecture.WIDTH)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        unet(*inputs)
    return float(counter.get_total_flops()) / 1e9


def openvino_seconds(shape: tuple[int, int, int], precision: str, repeats: int) -> float:
    """The median time of the convolution itself in a model that holds nothing else."""
    channels_in, channels_out, side = shape
    random = np.random.default_rng(0)
    image = op.parameter([1, channels_in, side, side], np.float32)
    kernel = op.constant(random.standard_normal((channels_out, channels_in, 3, 3), dtype=np.float32))
    convolution = op.convolution(image, kernel, [1, 1], [1, 1], [1, 1], [1, 1])
    properties = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": _HINTS[precision], "PERF_COUNT": True}
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
    """The better of torch's two layouts."""
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
def measure(precisions: list[str], repeats: int) -> Bound:
    torch.set_num_threads(1)
    libraries = {"OpenVINO": openvino_seconds, "torch": torch_seconds}
    rates = [
        Rate(library, precision, shape, convolution_gflop(shape) / seconds(shape, precision, repeats))
        for precision in precisions
        for shape in SHAPES
        for library, seconds in libraries.items()
    ]
    return Bound(rates, unet_gflop())


if __name__ == "__main__":
    child = Child()
    child.answer(asdict(measure(**child.task)))
