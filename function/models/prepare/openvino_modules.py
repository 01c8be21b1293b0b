"""torch modules with the inputs and outputs that the OpenVINO engine uses, and replacements of two blocks.

The attribute names become part of the layer names in the exported files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from diffusers.models.activations import GEGLU
from diffusers.models.attention import FeedForward
from torch import Tensor, nn


class TextEncoder(nn.Module):
    """Maps token ids of shape (batch, tokens) to the states that condition the denoiser, (batch, tokens, width).

    SDXL was trained on the states before the last layer, `penultimate`. An encoder with a projection also returns the
    pooled text, (batch, projection).
    """

    def __init__(self, encoder: nn.Module, *, penultimate: bool, pooled: bool):
        super().__init__()
        self.encoder = encoder
        self.penultimate = penultimate
        self.pooled = pooled

    def forward(self, input_ids: Tensor) -> tuple[Tensor, ...]:
        encoded = self.encoder(input_ids, output_hidden_states=self.penultimate, return_dict=True)
        states = encoded.hidden_states[-2] if self.penultimate else encoded.last_hidden_state
        return (states, encoded.text_embeds) if self.pooled else (states,)


class Denoiser(nn.Module):
    """One denoising step. `conditions` names the optional inputs, in the order in which they are passed."""

    def __init__(self, unet: nn.Module, conditions: Sequence[str]):
        super().__init__()
        self.unet = unet
        self.conditions = conditions

    def forward(self, sample: Tensor, timestep: Tensor, encoder_hidden_states: Tensor, *conditions: Tensor) -> Tensor:
        named = dict(zip(self.conditions, conditions, strict=True))
        guidance = named.pop("timestep_cond", None)
        denoised: Tensor = self.unet(
            sample,
            timestep,
            encoder_hidden_states,
            timestep_cond=guidance,
            added_cond_kwargs=named or None,
            return_dict=False,
        )[0]
        return denoised


class LatentsDecoder(nn.Module):
    """Maps latents to RGB bytes of shape (batch, height, width, 3)."""

    def __init__(self, autoencoder: Any):
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, latent_sample: Tensor) -> Tensor:
        decoded: Tensor = self.autoencoder.decode(latent_sample, return_dict=False)[0]
        levels = (decoded * 127.5 + 127.5).round().clamp(0, 255)
        return levels.permute(0, 2, 3, 1).to(torch.uint8)


class PixelsEncoder(nn.Module):
    """Maps RGB bytes of shape (batch, height, width, 3) to the latents that the denoiser works on.

    They are the mean of the encoder's distribution, times the scaling factor: a sample of it would add noise.
    """

    def __init__(self, autoencoder: Any, scaling_factor: float):
        super().__init__()
        self.autoencoder = autoencoder
        self.scaling_factor = scaling_factor

    def forward(self, image: Tensor) -> Tensor:
        levels = image.permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1
        encoded = self.autoencoder.encode(levels, return_dict=False)[0]
        latents: Tensor = encoded if isinstance(encoded, Tensor) else encoded.mode()  # AutoencoderTiny has no deviation
        return latents * self.scaling_factor


class DecomposedGroupNorm(nn.Module):
    """Group normalization (Wu and He, 2018) as elementary operations.

    In a network of static shapes, OpenVINO 2026.4.1's CPU plugin crashes if a computed scale follows its own group
    normalization.
    """

    def __init__(self, norm: nn.GroupNorm):
        super().__init__()
        self.norm = norm

    def forward(self, hidden: Tensor) -> Tensor:
        grouped = hidden.reshape(hidden.shape[0], self.norm.num_groups, -1)
        centered = grouped - grouped.mean(-1, keepdim=True)
        scaled = centered * torch.rsqrt(centered.square().mean(-1, keepdim=True) + self.norm.eps)
        return scaled.reshape(hidden.shape) * self.norm.weight[:, None, None] + self.norm.bias[:, None, None]


def decompose_scaled_norms(unet: nn.Module) -> None:
    """Replace the group normalizations that a computed scale follows, in place."""
    for block in unet.modules():
        if getattr(block, "time_embedding_norm", None) == "scale_shift":
            block.norm2 = DecomposedGroupNorm(cast(nn.GroupNorm, block.norm2))


class ChannelwiseGroupNorm(nn.Module):
    """Group normalization (Wu and He, 2018) that keeps the layout of images, of shape (batch, channels, height, width).

    OpenVINO 2026.4.1's CPU plugin reshapes an image for each group normalization, and copies it twice, because its
    convolutions need another layout. Means by channel need no copy, and a convolution of one pixel averages them by
    group: an encoder takes 9 % (Stable Diffusion 1.5) to 31 % (the demo model) less time (docs/decisions/pictures.md).
    """

    average: Tensor

    def __init__(self, norm: nn.GroupNorm):
        super().__init__()
        self.norm = norm
        size = norm.num_channels // norm.num_groups
        average = torch.eye(norm.num_groups).kron(torch.full((size, size), 1 / size))
        self.register_buffer("average", average[:, :, None, None])

    def forward(self, image: Tensor) -> Tensor:
        centered = image - self._mean(image)
        scale = torch.rsqrt(self._mean(centered.square()) + self.norm.eps) * self.norm.weight[:, None, None]
        return centered * scale + self.norm.bias[:, None, None]

    def _mean(self, image: Tensor) -> Tensor:
        return nn.functional.conv2d(image.mean((2, 3), keepdim=True), self.average)


def normalize_by_channels(encoder: nn.Module) -> None:
    """Replace the group normalizations of images by ChannelwiseGroupNorm, in place; attention's are of sequences."""
    for block in list(encoder.modules()):
        for name, norm in list(block.named_children()):
            if isinstance(norm, nn.GroupNorm) and name != "group_norm":
                setattr(block, name, ChannelwiseGroupNorm(norm))


class SplitGEGLU(nn.Module):
    """GEGLU (Shazeer, 2020) with two projections, one for values and one for gates, instead of a single one.

    OpenVINO fuses each projection with the operation after it and needs no copy to split the result: a step of SD 1.5
    takes 2 % less time.
    """

    def __init__(self, geglu: GEGLU):
        super().__init__()
        self.value, self.gate = (_half(geglu.proj, index) for index in (0, 1))

    def forward(self, hidden: Tensor) -> Tensor:
        value: Tensor = self.value(hidden)
        return value * nn.functional.gelu(self.gate(hidden))


def _half(linear: nn.Linear, index: int) -> nn.Linear:
    """Return the first or second half of the outputs. The weights share memory with `linear`."""
    with torch.device("meta"):
        half = nn.Linear(linear.in_features, linear.out_features // 2)
    half.weight = nn.Parameter(linear.weight.chunk(2)[index], requires_grad=False)
    half.bias = nn.Parameter(linear.bias.chunk(2)[index], requires_grad=False)
    return half


def split_geglus(unet: nn.Module) -> None:
    """Replace every GEGLU of the transformer blocks by a SplitGEGLU, in place."""
    for block in unet.modules():
        if isinstance(block, FeedForward) and isinstance(block.net[0], GEGLU):
            block.net[0] = SplitGEGLU(block.net[0])
