"""Stage 3, the denoiser: a UNet2DConditionModel on 16 x 16 latents, v-prediction with zero terminal SNR."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import CLIPTextModel, CLIPTokenizer

from models.training.checkpoint import Checkpoint, log_every, one_cycle, optimizer_step
from models.training.scenes import Scene, random_scene
from models.training.text import WIDTH, tokens
from models.training.vae import draw_scenes

BATCH, LEARNING_RATE, EMA_DECAY = 32, 1.5e-3, 0.998
IMAGES, CHUNK = 32_000, 64
"""Size of the dataset, and of the batches in which it is encoded."""
EMPTY_CAPTIONS = 0.1
"""Share of empty captions: classifier-free guidance (guidance_scale above 1) needs them."""
SNR_CAP = 20.0
"""Above this signal-to-noise ratio, the loss has the weight SNR_CAP / SNR (after Min-SNR, Hang et al. 2023): the
decoder removes the little noise that remains there."""


def build() -> UNet2DConditionModel:
    """Return an untrained unet.

    Cross-attention runs at 8 x 8 only, where it is cheap. The pooled caption is also added to the time embedding, which
    scales and shifts every block: the model learned colours much sooner than with attention alone.
    """
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2D",
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(64, 128),
        layers_per_block=2,
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        addition_embed_type="text",
        addition_embed_type_num_heads=8,
        resnet_time_scale_shift="scale_shift",
        norm_num_groups=16,
    )


def noise_schedule() -> DDIMScheduler:
    """Return the scheduler that is saved with the model. `clip_sample` is False: latents exceed +-1, and clipping them
    would change colours."""
    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        set_alpha_to_one=True,
    )


@dataclass
class LatentDataset:
    """Scenes and the latents of their images: float32, shape (scenes, 4, 16, 16), unit standard deviation."""

    scenes: list[Scene]
    latents: torch.Tensor

    @classmethod
    def encode(cls, vae: AutoencoderKL, scaling_factor: float, seed: int, file: Path) -> LatentDataset:
        """Draw and encode the training images. `file` caches the latents for a resumed run."""
        cached = torch.load(file, weights_only=True) if file.exists() else None
        scenes: list[Scene] = []
        latents = []
        for chunk in range(IMAGES // CHUNK):
            rng = random.Random(f"{seed}-bank-{chunk}")  # another name would draw other images
            some = [random_scene(rng, two=rng.random() < 0.65, held_out=False) for _ in range(CHUNK)]
            scenes += some
            if cached is None:
                with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
                    mean = vae.encode(draw_scenes(some, rng)).latent_dist.mean
                latents.append(mean.float() * scaling_factor)
                log_every(100, chunk + 1, IMAGES // CHUNK, "latents")
        if cached is None:
            cached = torch.cat(latents)
            torch.save(cached, file)
        return cls(scenes, cached)


class Objective:
    """The loss of a batch: the error of the predicted velocity, weighted by the signal-to-noise ratio (min-SNR)."""

    def __init__(self, dataset: LatentDataset, tokenizer: CLIPTokenizer, encoder: CLIPTextModel):
        self._dataset = dataset
        self._tokenizer = tokenizer
        self._encoder = encoder
        self._noise = noise_schedule()
        snr = self._noise.alphas_cumprod / (1 - self._noise.alphas_cumprod)
        self._weights = (SNR_CAP / snr).clamp(max=1.0)

    def loss(self, unet: UNet2DConditionModel, rng: random.Random) -> torch.Tensor:
        """Return the loss of a batch that `rng` chooses. Also seeds torch with it."""
        torch.manual_seed(rng.getrandbits(48))
        scenes, noise = self._dataset.scenes, self._noise
        chosen = rng.sample(range(len(scenes)), BATCH)
        captions = ["" if rng.random() < EMPTY_CAPTIONS else scenes[i].paraphrase(rng) for i in chosen]
        latents = self._dataset.latents[chosen]
        timesteps = torch.randint(0, noise.config.num_train_timesteps, (BATCH,))
        gaussian = torch.randn_like(latents)
        noisy = noise.add_noise(latents, gaussian, timesteps)
        target = noise.get_velocity(latents, gaussian, timesteps)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            with torch.no_grad():
                states = self._encoder(tokens(self._tokenizer, captions)).last_hidden_state
            predicted = unet(noisy, timesteps, states).sample
        error = (predicted.float() - target).square().mean(dim=(1, 2, 3))
        loss: torch.Tensor = (error * self._weights[timesteps]).mean()
        return loss


def train(
    checkpoint: Checkpoint,
    dataset: LatentDataset,
    tokenizer: CLIPTokenizer,
    encoder: CLIPTextModel,
    seed: int,
    steps: int,
) -> UNet2DConditionModel:
    """Train until `steps` steps are done, including those of earlier runs.

    Returns the exponential moving average of the weights.
    """
    torch.manual_seed(seed)
    unet = build()
    # At these small sizes, the backward pass of scaled dot product attention takes 40 % of a step on a CPU. Plain
    # matrix multiplications are faster.
    unet.set_attn_processor(AttnProcessor())
    ema = AveragedModel(unet, multi_avg_fn=get_ema_multi_avg_fn(EMA_DECAY))  # type: ignore[no-untyped-call]
    optimizer = torch.optim.AdamW(unet.parameters(), lr=LEARNING_RATE, weight_decay=1e-3, betas=(0.9, 0.99))
    scheduler = one_cycle(optimizer, steps, warmup=200)
    objective = Objective(dataset, tokenizer, encoder)
    step = checkpoint.restore("unet", unet, ema, optimizer, scheduler)
    mean_loss = 0.0
    while step < steps:
        loss = objective.loss(unet, random.Random(f"{seed}-unet-{step}"))
        optimizer_step(loss, unet.parameters(), optimizer, scheduler)
        ema.update_parameters(unet)
        step += 1
        mean_loss = loss.item() if step == 1 else 0.99 * mean_loss + 0.01 * loss.item()
        log_every(100, step, steps, "unet", loss=mean_loss)
        checkpoint.save("unet", step, unet, ema, optimizer, scheduler, final=step == steps)
    return ema.module
