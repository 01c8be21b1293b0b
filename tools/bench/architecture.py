"""The networks of Stable Diffusion 1.5 at full size, with random weights that take seconds to generate."""

from __future__ import annotations

from typing import Any, Final

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, PNDMScheduler, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

TOKENS: Final = 77
WIDTH: Final = 768
"""Size of a token's embedding."""
VOCABULARY: Final = 49408
LATENTS: Final = 4


def unet() -> Any:
    """Return the UNet: 860 million parameters, which take no memory on the meta device."""
    return UNet2DConditionModel(sample_size=64, cross_attention_dim=WIDTH, attention_head_dim=8)


def autoencoder() -> Any:
    """Return the checkpoint's own autoencoder, for 512 x 512."""
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=LATENTS,
        sample_size=512,
    )


def tiny_autoencoder() -> Any:
    """Return a TAESD autoencoder."""
    return AutoencoderTiny(latent_channels=LATENTS)


def text_encoder() -> Any:
    """Return CLIP ViT-L/14's text encoder."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=VOCABULARY,
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            num_hidden_layers=12,
            num_attention_heads=12,
            max_position_embeddings=TOKENS,
            hidden_act="quick_gelu",
            projection_dim=WIDTH,
            bos_token_id=VOCABULARY - 2,
            eos_token_id=VOCABULARY - 1,
        )
    )


def scheduler() -> Any:
    """Return the checkpoint's default scheduler, PNDM."""
    return PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        skip_prk_steps=True,
        steps_offset=1,
        set_alpha_to_one=False,
    )


def filled(network: nn.Module) -> nn.Module:
    """Return a network from the meta device in float16, with random weights that keep activations in range.

    The constructors' own initialization takes more than a minute.
    """
    network = network.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(1)
    for name, parameter in network.named_parameters():
        if parameter.ndim > 1:
            parameter.data.normal_(0, parameter[0].numel() ** -0.5, generator=generator)
        else:
            parameter.data.fill_(0.0 if name.endswith("bias") else 1.0)
    for name, buffer in network.named_buffers():
        if name.endswith("position_ids"):
            buffer.data = torch.arange(TOKENS)[None]
    return network.half().eval()
