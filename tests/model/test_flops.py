"""The operations that a manifest lists, compared with counts by hand. A multiplication and an addition are two."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from imagegen.catalog.registry import REGISTRY
from models.prepare import flops, networks
from tests.support import checkpoints

DEMO = REGISTRY["demo"]
TOKENS, WIDTH, INNER, LAYERS = 32, 128, 384, 4
"""The demo model's text encoder."""


def multiplications(network: nn.Module, run: Any) -> dict[str, int]:
    """Return the multiplications of each convolution and linear layer, from the shape that it returned."""
    counted = {}

    def count(name: str, weights: int) -> Any:
        def hook(_layer: nn.Module, _inputs: object, output: torch.Tensor) -> None:
            counted[name] = output.numel() * weights

        return hook

    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count(name, layer.weight[0].numel()))
    with torch.inference_mode():
        run(network)
    return counted


def test_the_text_encoder_is_counted_as_by_hand() -> None:
    """Each layer: four projections, two products of queries and keys, two layers of the feed-forward network."""
    layer = 4 * TOKENS * WIDTH * WIDTH + 2 * TOKENS * TOKENS * WIDTH + 2 * TOKENS * WIDTH * INNER
    assert flops.count(DEMO, checkpoints.DEMO, None).text_encode == 2 * LAYERS * layer


def test_a_denoising_step_is_counted_as_by_hand() -> None:
    unet = networks.build("UNet2DConditionModel", checkpoints.DEMO / "unet")
    counted = multiplications(
        unet, lambda unet: unet(torch.ones(1, 4, 16, 16), torch.ones(1), torch.ones(1, TOKENS, WIDTH))
    )
    assert counted["conv_in"] == 16 * 16 * 64 * 4 * 3 * 3
    assert counted["down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"] == TOKENS * 128 * WIDTH
    assert counted["down_blocks.1.attentions.0.transformer_blocks.0.ff.net.0.proj"] == 8 * 8 * 1024 * 128
    pixels = 8 * 8  # five transformer blocks, each with self- and cross-attention
    attention = 5 * 2 * pixels * 128 * (pixels + TOKENS)
    pooled = 2 * WIDTH * (1 + TOKENS)  # the text's mean attends to itself and to every token
    expected = 2 * (sum(counted.values()) + attention + pooled)
    assert flops.count(DEMO, checkpoints.DEMO, None).denoise_step == expected


def test_decoding_is_counted_as_by_hand() -> None:
    vae = networks.build("AutoencoderKL", checkpoints.DEMO / "vae")
    counted = multiplications(vae, lambda vae: vae.decode(torch.ones(1, 4, 16, 16)))
    assert counted["decoder.conv_out"] == 128 * 128 * 3 * 16 * 3 * 3
    pixels = 16 * 16
    attention = 2 * pixels * pixels * 64
    assert flops.count(DEMO, checkpoints.DEMO, None).decode == 2 * (sum(counted.values()) + attention)


def test_encoding_a_picture_is_counted_as_by_hand() -> None:
    vae = networks.build("AutoencoderKL", checkpoints.DEMO / "vae")
    counted = multiplications(vae, lambda vae: vae.encode(torch.ones(1, 3, 128, 128)))
    assert counted["encoder.conv_in"] == 128 * 128 * 16 * 3 * 3 * 3
    pixels = 16 * 16
    attention = 2 * pixels * pixels * 64
    assert flops.count(DEMO, checkpoints.DEMO, None).image_encode == 2 * (sum(counted.values()) + attention)
