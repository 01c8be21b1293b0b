"""Exports a torch module to OpenVINO IR: dynamic shapes, weights compressed to float16 or int8."""

from __future__ import annotations

import gc
import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import openvino
import torch
from openvino.frontend.pytorch import patch_model
from openvino.tools.ovc import convert_model
from torch import Tensor, nn

EXAMPLE_SIDE: Final = 9
"""Side of the example latents. It must be odd: the traced unet then upsamples to the size that it stored before it
downsampled, which also works for sizes that do not halve evenly. Traced on an even side, it would always double."""

ORIGINAL_FORWARD: Final = "_original_forward"


@dataclass(frozen=True)
class InputSpec:
    """Shape and dtype of a network's input. -1 marks a dynamic dimension."""

    shape: tuple[int, ...]
    dtype: torch.dtype = torch.float32

    def example(self) -> Tensor:
        batch = 1 if len(self.shape) == 1 else 2  # the timestep has one value for the whole batch
        sides = (EXAMPLE_SIDE if length == -1 else length for length in self.shape[1:])
        return torch.ones((batch, *sides), dtype=self.dtype)


def export(
    module: nn.Module, folder: Path, inputs: Mapping[str, InputSpec], outputs: Sequence[str], *, int8: bool
) -> None:
    """Trace the module and write openvino_model.xml and .bin to the new `folder`, with int8 or float16 weights.

    `inputs` are in the order of the module's arguments; `outputs` name its results.
    """
    print(f"  {folder.name}", flush=True)
    network = _trace(module.eval(), list(inputs.values()))
    for port, name in [*zip(network.inputs, inputs, strict=True), *zip(network.outputs, outputs, strict=True)]:
        port.get_tensor().set_names({name})
    if int8:
        network = _compress_to_int8(network)
    folder.mkdir(parents=True)
    openvino.save_model(network, folder / "openvino_model.xml", compress_to_fp16=True)
    del network
    gc.collect()


def _trace(module: nn.Module, inputs: Sequence[InputSpec]) -> openvino.Model:
    """Trace without copying the weights. 16-bit matrices keep their dtype and stay memory-mapped from the checkpoint,
    so SDXL's 2.6 billion weights need less than 3 GB of process memory."""
    patch_model.__make_16bit_traceable(module, ORIGINAL_FORWARD)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            # The warnings concern sizes that become constants, as intended. The tests generate at other sizes.
            warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
            warnings.simplefilter("ignore", FutureWarning)
            network: openvino.Model = convert_model(
                module,
                example_input=tuple(spec.example() for spec in inputs),
                input=[openvino.PartialShape(list(spec.shape)) for spec in inputs],
            )
    finally:
        patch_model.unpatch_model(module, ORIGINAL_FORWARD)  # the patch also affects functions of torch
    return network


def _compress_to_int8(network: openvino.Model) -> openvino.Model:
    import nncf  # the import takes seconds, and most models do not need it

    nncf.set_log_level(logging.ERROR)
    compressed: openvino.Model = nncf.compress_weights(network, mode=nncf.CompressWeightsMode.INT8_SYM)
    return compressed
