"""Train the demo model from scratch and save it in diffusers layout (`make demo-model`).

Stages: autoencoder, decoder only, text encoder, denoiser. Each stage resumes from its checkpoint. All stages take about
two hours on two idle cores with bfloat16 instructions.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline

from imagegen.catalog import manifest
from models.training import denoiser, text
from models.training import vae as autoencoder
from models.training.checkpoint import Checkpoint

HERE = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m models.training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=HERE.parent / "demo", help="output folder (default: %(default)s)")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path(".local/demo-training"),
        help="folder of the checkpoints (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of all stages (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=8_500, help="denoiser steps (default: %(default)s)")
    arguments = parser.parse_args()
    torch.use_deterministic_algorithms(True)
    checkpoint = Checkpoint.in_folder(arguments.work)
    tokenizer = text.write_tokenizer(arguments.work / "tokenizer")
    vae = autoencoder.train(checkpoint, arguments.seed).eval().requires_grad_(False)
    autoencoder.sharpen(checkpoint, vae, arguments.seed)
    vae.register_to_config(scaling_factor=autoencoder.scaling_factor(vae, arguments.seed))
    encoder = text.train(checkpoint, tokenizer, arguments.seed)
    dataset = denoiser.LatentDataset.encode(
        vae, vae.config.scaling_factor, arguments.seed, arguments.work / "latents.pt"
    )
    unet = denoiser.train(checkpoint, dataset, tokenizer, encoder, arguments.seed, arguments.steps)
    save(arguments.out, vae, tokenizer, encoder, unet)


def save(out: Path, vae, tokenizer, encoder, unet) -> None:  # type: ignore[no-untyped-def]
    """Write the pipeline (16 MB) and its manifest, and print the revision.

    unet and vae are stored as float16, which diffusers loads as float32 by default. transformers keeps the stored
    dtype, so the text encoder is stored as float32: a plain `from_pretrained` then computes everything in one dtype.
    """
    pipeline = StableDiffusionPipeline(
        vae=vae, tokenizer=tokenizer, text_encoder=encoder, unet=unet, scheduler=denoiser.noise_schedule(),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.unet.half()
    pipeline.vae.half()
    pipeline.save_pretrained(out, safe_serialization=True)
    manifest.write(out, version=manifest.CHECKPOINT_FORMAT)
    print(f"{out}: set the revision {manifest.digest(out)} in function/imagegen/catalog/registry.py")


if __name__ == "__main__":
    main()
