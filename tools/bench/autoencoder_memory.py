"""Measure the peak memory of encoding and of decoding, in tiles and in one piece: one process for each row.

`python -m tools.bench.autoencoder_memory` compares the demo model's autoencoder, and with `--sd15` that of Stable
Diffusion 1.5 with random weights, which needs 6 GB for 1024 x 1024 pixels in one piece.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from imagegen.engines.cpu import vcpus
from imagegen.engines.openvino_denoiser import Decoder, Encoder
from imagegen.engines.tiling import LATENTS, Tiling, tiling_of_latents
from models.prepare.peak_memory import peak_mb
from tools.accuracy.table import print_header, print_row
from tools.bench.models import HOME, ROOT

SIDES: Final = (512, 768, 1024)
DEMO: Final = ROOT / ".local" / "models" / "demo" / "openvino"
SD15: Final = HOME / "autoencoder"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.autoencoder_memory", description=__doc__)
    parser.add_argument("--sd15", action="store_true")
    parser.add_argument("--sides", nargs="+", type=int, default=SIDES, help="in pixels")
    parser.add_argument("--one", nargs=4, metavar=("FOLDER", "NETWORK", "SIDE", "TILED"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        folder, network, side, tiled = arguments.one
        _measure(Path(folder), network, int(side), tiled=tiled == "tiles")
        return
    if arguments.sd15 and not SD15.is_dir():
        subprocess.run([sys.executable, "-m", "tools.bench.autoencoder_weights", SD15], check=True)
    _print_table(SD15 if arguments.sd15 else DEMO, arguments.sides)


def _print_table(folder: Path, sides: Sequence[int]) -> None:
    print_header(["network", "pixels", "how", "compiled, MB", "peak, MB"])
    for network in ("encode", "decode"):
        for side in sides:
            for how in ("tiles", "one piece") if tiling_of_latents(side // 8, side // 8) == LATENTS else ("one piece",):
                command = [sys.executable, "-m", __spec__.name, "--one", str(folder), network, str(side), how]
                run = subprocess.run(command, check=True, capture_output=True, text=True)
                print_row([network, f"{side} x {side}", how, *run.stdout.split()])


def _measure(folder: Path, network: str, side: int, *, tiled: bool) -> None:
    """Print the peak memory of this process, in MB, with the network compiled, and after one picture."""
    properties = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": vcpus(memory_mb=10240)}
    tiling = None if tiled else Tiling(most=side // 8, overlap=0)
    if network == "encode":
        encoder = Encoder.compile(folder, properties, height=side, width=side, tiling=tiling)
        compiled = peak_mb()
        encoder.encode(Image.new("RGB", (side, side)), lambda: None)
    else:
        decoder = Decoder.compile(folder, properties, height=side, width=side, tiling=tiling)
        compiled = peak_mb()
        decoder.decode(np.zeros((1, 4, side // 8, side // 8), dtype=np.float32), lambda: None)
    print(f"{compiled:.0f} {peak_mb():.0f}")


if __name__ == "__main__":
    main()
