"""Stage 1, the autoencoder: an AutoencoderKL from 128 x 128 images to 16 x 16 x 4 latents."""

from __future__ import annotations

import math
import random

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch.nn import functional as F

from models.training.checkpoint import Checkpoint, log_every, one_cycle, optimizer_step
from models.training.scenes import Scene, draw, random_scene

STEPS, BATCH, LEARNING_RATE = 3000, 16, 2e-3
LATENT_NOISE = 0.15
"""Standard deviation of the noise that is added to the latents (unit scale) during training, so that the decoder draws
sharp shapes even from slightly wrong latents of the denoiser."""
KL_WEIGHT = 1e-3
SHARPENING_STEPS, SHARPENING_RATE = 2000, 1e-3
EDGE_WEIGHT = 8.0
"""Additional weight of edge pixels in the loss of `sharpen`. A small star consists mostly of edges and covers 1 % of
its image: with a plain mean, its arms became blunt."""


def build() -> AutoencoderKL:
    """Return an untrained autoencoder."""
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
    """Return an image of each scene: float32, shape (scenes, 3, 128, 128), in [-1, 1]."""
    drawn = np.stack([np.asarray(draw(scene, rng)) for scene in scenes])
    return torch.from_numpy(drawn).permute(0, 3, 1, 2).float() / 127.5 - 1


def training_images(rng: random.Random, count: int) -> torch.Tensor:
    """Return `count` images of one or two objects, as `draw_scenes` does."""
    return draw_scenes([random_scene(rng, two=rng.random() < 0.6, held_out=False) for _ in range(count)], rng)


def train(checkpoint: Checkpoint, seed: int) -> AutoencoderKL:
    """Train encoder and decoder. Returns the autoencoder."""
    torch.manual_seed(seed)
    vae = build()
    optimizer = torch.optim.AdamW(vae.parameters(), lr=LEARNING_RATE, weight_decay=1e-4)
    scheduler = one_cycle(optimizer, STEPS)
    step = checkpoint.restore("vae", vae, optimizer, scheduler)
    while step < STEPS:
        rng = random.Random(f"{seed}-vae-{step}")
        images = training_images(rng, BATCH)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            posterior = vae.encode(images).latent_dist
            latents = posterior.mean + LATENT_NOISE * torch.randn_like(posterior.mean)
            decoded = vae.decode(latents).sample.float()
        # Tie the posterior's width to LATENT_NOISE, so that the decoder also fits encoded images (image-to-image).
        width = (posterior.logvar.float() - 2 * math.log(LATENT_NOISE)).square().mean()
        error = decoded - images
        loss = error.abs().mean() + 5 * error.square().mean()
        loss = loss + KL_WEIGHT * (posterior.mean.float().square().mean() + width)
        optimizer_step(loss, vae.parameters(), optimizer, scheduler)
        step += 1
        mse = F.mse_loss(decoded.detach().clamp(-1, 1), images).item() / 4
        log_every(50, step, STEPS, "vae", psnr=-10 * math.log10(mse), scale=latents.detach().float().std().item())
        checkpoint.save("vae", step, vae, optimizer, scheduler, final=step == STEPS)
    return vae


def sharpen(checkpoint: Checkpoint, vae: AutoencoderKL, seed: int) -> None:
    """Train only the decoder further, in place. The latents do not change, so a trained denoiser stays valid."""
    trained = torch.nn.ModuleList([vae.post_quant_conv, vae.decoder]).requires_grad_(True)
    optimizer = torch.optim.AdamW(trained.parameters(), lr=SHARPENING_RATE, weight_decay=1e-4)
    scheduler = one_cycle(optimizer, SHARPENING_STEPS)
    step = checkpoint.restore("decoder", trained, optimizer, scheduler)
    while step < SHARPENING_STEPS:
        rng = random.Random(f"{seed}-decoder-{step}")
        torch.manual_seed(rng.getrandbits(48))
        images = training_images(rng, BATCH)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            with torch.no_grad():
                mean = vae.encode(images).latent_dist.mean
            decoded = vae.decode(mean + LATENT_NOISE * torch.randn_like(mean)).sample.float()
        error = decoded - images
        loss = ((error.abs() + 5 * error.square()) * (1 + EDGE_WEIGHT * edges(images))).mean()
        optimizer_step(loss, trained.parameters(), optimizer, scheduler)
        step += 1
        log_every(50, step, SHARPENING_STEPS, "decoder", loss=loss.item())
        checkpoint.save("decoder", step, trained, optimizer, scheduler, final=step == SHARPENING_STEPS)
    trained.requires_grad_(False)


def edges(images: torch.Tensor) -> torch.Tensor:
    """Return 1 for each pixel whose colour differs from one of its eight neighbours, else 0.

    The shape is (images, 1, height, width).
    """
    highest = F.max_pool2d(images, 3, stride=1, padding=1)
    lowest = -F.max_pool2d(-images, 3, stride=1, padding=1)
    return ((highest - lowest).amax(dim=1, keepdim=True) > 0.02).float()


def scaling_factor(vae: AutoencoderKL, seed: int) -> float:
    """Return 1 / standard deviation of the latents of 512 images."""
    with torch.no_grad():
        latents = vae.encode(training_images(random.Random(f"{seed}-scale"), 512)).latent_dist.mean
    return 1 / float(latents.std())
