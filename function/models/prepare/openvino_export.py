"""A torch module as OpenVINO's files: traced on small examples, its shapes left open, its weights in half the bytes."""

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

SIDE: Final = 9
"""Of the latents that tracing runs on. Odd, so that the traced network scales up to the size of what it had scaled
down, and draws sizes that halve unevenly; traced on an even side, it would only double."""

ORIGINAL_FORWARD: Final = "_original_forward"


@dataclass(frozen=True)
class Port:
    """What goes in: -1 for lengths that a request decides."""

    shape: tuple[int, ...]
    dtype: torch.dtype = torch.float32

    def example(self) -> Tensor:
        batch = 1 if len(self.shape) == 1 else 2  # one timestep serves all
        return torch.ones((batch, *(SIDE if length == -1 else length for length in self.shape[1:])), dtype=self.dtype)


def save(module: nn.Module, folder: Path, inputs: Mapping[str, Port], outputs: Sequence[str], *, int8: bool) -> None:
    """Trace the module, name what goes in and out, and write it with float16 or int8 weights."""
    print(f"  {folder.name}", flush=True)
    network = _traced(module.eval(), list(inputs.values()))
    for port, name in [*zip(network.inputs, inputs, strict=True), *zip(network.outputs, outputs, strict=True)]:
        port.get_tensor().set_names({name})
    if int8:
        network = _compressed(network)
    folder.mkdir(parents=True)
    openvino.save_model(network, folder / "openvino_model.xml", compress_to_fp16=True)
    del network
    gc.collect()


def _traced(module: nn.Module, inputs: Sequence[Port]) -> openvino.Model:
    """The network, its weights still those of the module: matrices of 16 bits stay so, mapped from the checkpoint,
    which keeps SDXL's 2.6 billion weights within 3 GB of memory of our own."""
    patch_model.__make_16bit_traceable(module, ORIGINAL_FORWARD)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            # Sizes become constants where that is meant; the tests draw others.
            warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
            warnings.simplefilter("ignore", FutureWarning)
            network: openvino.Model = convert_model(
                module,
                example_input=tuple(port.example() for port in inputs),
                input=[openvino.PartialShape(list(port.shape)) for port in inputs],
            )
    finally:
        patch_model.unpatch_model(module, ORIGINAL_FORWARD)  # torch's own functions, too, were patched
    return network


def _compressed(network: openvino.Model) -> openvino.Model:
    import nncf  # takes seconds, and most models need none of it

    nncf.set_log_level(logging.ERROR)
    compressed: openvino.Model = nncf.compress_weights(network, mode=nncf.CompressWeightsMode.INT8_SYM)
    return compressed
