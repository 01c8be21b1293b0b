"""The modules that are exported to OpenVINO compute what diffusers' do."""

from __future__ import annotations

import pytest
import torch
from diffusers import AutoencoderKL
from torch import nn

from models.prepare.openvino_modules import ChannelwiseGroupNorm, normalize_by_channels


@pytest.mark.parametrize(("channels", "groups"), [(16, 16), (32, 8), (64, 32), (6, 1)])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_channelwise_group_norm_is_group_norm(channels: int, groups: int, offset: float) -> None:
    """Also where the mean is large against the deviation, which a difference of squares would lose."""
    random = torch.Generator().manual_seed(channels)
    norm = nn.GroupNorm(groups, channels, eps=1e-6)
    with torch.no_grad():
        norm.weight.normal_(generator=random)
        norm.bias.normal_(generator=random)
        image = torch.randn(2, channels, 7, 5, generator=random) + offset
        difference = ChannelwiseGroupNorm(norm)(image) - norm(image)
    assert difference.abs().max() < (1e-5 if offset == 0 else 2e-3)


def test_an_encoder_with_channelwise_norms_encodes_the_same() -> None:
    torch.manual_seed(0)
    blocks = {"down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2}
    autoencoder = AutoencoderKL(block_out_channels=[32, 64], layers_per_block=1, latent_channels=4, **blocks).eval()
    image = torch.rand(1, 3, 24, 40) * 2 - 1
    with torch.no_grad():
        before = autoencoder.encode(image).latent_dist.mode()
        normalize_by_channels(autoencoder.encoder)
        after = autoencoder.encode(image).latent_dist.mode()
    kinds = [type(module) for module in autoencoder.encoder.modules()]
    assert kinds.count(ChannelwiseGroupNorm) == 9
    assert type(autoencoder.encoder.mid_block.attentions[0].group_norm) is nn.GroupNorm
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)
