"""Write the autoencoder of Stable Diffusion 1.5 for OpenVINO, with random weights. The argument is the new folder.

A separate process, because the export needs more memory than what is measured afterwards.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from models.prepare.openvino_export import InputSpec, export
from models.prepare.openvino_modules import LatentsDecoder, PixelsEncoder
from tools.bench import architecture

SCALING_FACTOR = 0.18215


def main() -> None:
    folder = Path(sys.argv[1])
    with torch.device("meta"):
        network = architecture.autoencoder()
    autoencoder = architecture.filled(network).float()
    config = json.dumps({"latent_channels": architecture.LATENTS, "scaling_factor": SCALING_FACTOR})
    image = {"image": InputSpec((-1, -1, -1, 3), torch.uint8)}
    latents = {"latent_sample": InputSpec((-1, architecture.LATENTS, -1, -1))}
    encoder = PixelsEncoder(autoencoder, SCALING_FACTOR)
    export(encoder, folder / "vae_encoder", inputs=image, outputs=["latents"], int8=False)
    export(LatentsDecoder(autoencoder), folder / "vae_decoder", inputs=latents, outputs=["image"], int8=False)
    for name in ("vae_encoder", "vae_decoder"):
        (folder / name / "config.json").write_text(config)


if __name__ == "__main__":
    main()
