"""Train the demo model from nothing and save it in diffusers' folder layout (`make demo-model`).

Stages: autoencoder, its decoder alone, text encoder, denoiser; each resumes from its checkpoint. About two hours on two
idle cores with bfloat16 instructions.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline

from imagegen import manifest
from models.training import denoiser, text
from models.training import vae as autoencoder
from models.training.checkpoint import Checkpoint

HERE = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE.parent / "demo", help="folder of the finished model")
    parser.add_argument("--work", type=Path, default=Path(".local/demo-training"), help="folder of the checkpoints")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=8_500, help="steps of the denoiser")
    arguments = parser.parse_args()
    torch.use_deterministic_algorithms(True)
    checkpoint = Checkpoint.in_folder(arguments.work)
    tokenizer = text.write_tokenizer(arguments.work / "tokenizer")
    vae = autoencoder.train(checkpoint, arguments.seed).eval().requires_grad_(False)
    autoencoder.sharpen(checkpoint, vae, arguments.seed)
    vae.register_to_config(scaling_factor=autoencoder.scaling_factor(vae, arguments.seed))
    encoder = text.train(checkpoint, tokenizer, arguments.seed)
    bank = denoiser.Bank.encode(vae, vae.config.scaling_factor, arguments.seed, arguments.work / "bank.pt")
    unet = denoiser.train(checkpoint, bank, tokenizer, encoder, arguments.seed, arguments.steps)
    save(arguments.out, vae, tokenizer, encoder, unet)


def save(out: Path, vae, tokenizer, encoder, unet) -> None:  # type: ignore[no-untyped-def]
    """Write the pipeline, 16 MB in all.

    The convolutions are stored in half precision, which diffusers widens to float32 by default; transformers keeps
    the stored type, so the text encoder stays float32 and a plain `from_pretrained` computes in one type.
    """
    pipeline = StableDiffusionPipeline(
        vae=vae, tokenizer=tokenizer, text_encoder=encoder, unet=unet, scheduler=denoiser.noise_schedule(),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.unet.half()
    pipeline.vae.half()
    pipeline.save_pretrained(out, safe_serialization=True)
    manifest.write(out)
    print(f"{out}: revision {manifest.digest(out)}, for imagegen/registry.py")


if __name__ == "__main__":
    main()
