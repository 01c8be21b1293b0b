"""Stage 1: the autoencoder, AutoencoderKL with 16 x 16 x 4 latents of 128 x 128 pictures."""

from __future__ import annotations

import math
import random

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch.nn import functional as F

from models.training.checkpoint import Checkpoint, descend, log_every, one_cycle
from models.training.scenes import Scene, draw, random_scene

STEPS, BATCH, LEARNING_RATE = 3000, 16, 2e-3
LATENT_NOISE = 0.15
"""Standard deviation of the noise added to latents of unit scale while the decoder learns, so that it
redraws crisp shapes from latents that the denoiser got only nearly right."""
KL_WEIGHT = 1e-3
SHARPENING_STEPS, SHARPENING_RATE = 2000, 1e-3
EDGE_WEIGHT = 8.0
"""How much more a pixel on an edge counts than a flat one while the decoder is sharpened: a small star is nearly all
edge and covers 1 % of its picture, so that the plain mean lets its arms go blunt."""


def build() -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 32, 64, 64),
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=4,
        sample_size=128,
    )


def draw_scenes(scenes: list[Scene], rng: random.Random) -> torch.Tensor:
    """Draw a picture of each scene: float32 of shape (scenes, 3, 128, 128) in [-1, 1]."""
    drawn = np.stack([np.asarray(draw(scene, rng)) for scene in scenes])
    return torch.from_numpy(drawn).permute(0, 3, 1, 2).float() / 127.5 - 1


def pictures(rng: random.Random, count: int) -> torch.Tensor:
    """Draw `count` training pictures, one or two objects each."""
    return draw_scenes([random_scene(rng, two=rng.random() < 0.6, held_out=False) for _ in range(count)], rng)


def train(checkpoint: Checkpoint, seed: int) -> AutoencoderKL:
    torch.manual_seed(seed)
    vae = build()
    optimizer = torch.optim.AdamW(vae.parameters(), lr=LEARNING_RATE, weight_decay=1e-4)
    scheduler = one_cycle(optimizer, STEPS)
    step = checkpoint.restore("vae", vae, optimizer, scheduler)
    while step < STEPS:
        rng = random.Random(f"{seed}-vae-{step}")
        images = pictures(rng, BATCH)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            posterior = vae.encode(images).latent_dist
            latents = posterior.mean + LATENT_NOISE * torch.randn_like(posterior.mean)
            decoded = vae.decode(latents).sample.float()
        # The posterior's width is tied to the noise the decoder knows, so that encoding for image to image fits.
        width = (posterior.logvar.float() - 2 * math.log(LATENT_NOISE)).square().mean()
        error = decoded - images
        loss = error.abs().mean() + 5 * error.square().mean()
        loss = loss + KL_WEIGHT * (posterior.mean.float().square().mean() + width)
        descend(loss, vae.parameters(), optimizer, scheduler)
        step += 1
        mse = F.mse_loss(decoded.detach().clamp(-1, 1), images).item() / 4
        log_every(50, step, STEPS, "vae", psnr=-10 * math.log10(mse), scale=latents.detach().float().std().item())
        checkpoint.save("vae", step, vae, optimizer, scheduler, final=step == STEPS)
    return vae


def sharpen(checkpoint: Checkpoint, vae: AutoencoderKL, seed: int) -> None:
    """Go on with the decoder alone, so that the latents, and with them the denoiser, stay as they are."""
    learning = torch.nn.ModuleList([vae.post_quant_conv, vae.decoder]).requires_grad_(True)
    optimizer = torch.optim.AdamW(learning.parameters(), lr=SHARPENING_RATE, weight_decay=1e-4)
    scheduler = one_cycle(optimizer, SHARPENING_STEPS)
    step = checkpoint.restore("decoder", learning, optimizer, scheduler)
    while step < SHARPENING_STEPS:
        rng = random.Random(f"{seed}-decoder-{step}")
        torch.manual_seed(rng.getrandbits(48))
        images = pictures(rng, BATCH)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            with torch.no_grad():
                mean = vae.encode(images).latent_dist.mean
            decoded = vae.decode(mean + LATENT_NOISE * torch.randn_like(mean)).sample.float()
        error = decoded - images
        loss = ((error.abs() + 5 * error.square()) * (1 + EDGE_WEIGHT * edges(images))).mean()
        descend(loss, learning.parameters(), optimizer, scheduler)
        step += 1
        log_every(50, step, SHARPENING_STEPS, "decoder", loss=loss.item())
        checkpoint.save("decoder", step, learning, optimizer, scheduler, final=step == SHARPENING_STEPS)
    learning.requires_grad_(False)


def edges(images: torch.Tensor) -> torch.Tensor:
    """1 where a pixel or one of the eight around it differs in colour, else 0: shape (images, 1, height, width)."""
    highest = F.max_pool2d(images, 3, stride=1, padding=1)
    lowest = -F.max_pool2d(-images, 3, stride=1, padding=1)
    return ((highest - lowest).amax(dim=1, keepdim=True) > 0.02).float()


def scaling_factor(vae: AutoencoderKL, seed: int) -> float:
    """One over the standard deviation of the latents of 512 pictures."""
    with torch.no_grad():
        latents = vae.encode(pictures(random.Random(f"{seed}-scale"), 512)).latent_dist.mean
    return 1 / float(latents.std())
