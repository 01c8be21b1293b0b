"""The colors of latents, fitted when a model is prepared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from imagegen.catalog import manifest
from models.prepare import latent_colors, networks
from tests.conftest import MODELS
from tests.support import checkpoints
from tests.support.scenes import BLUE, RED, circle, scene


def test_the_colors_of_the_demo_model_are_those_of_its_autoencoder() -> None:
    fitted = latent_colors.fit(checkpoints.DEMO / "vae")
    stored = manifest.latent_colors(MODELS / "demo" / "openvino")
    assert stored is not None
    np.testing.assert_allclose(fitted.weights, stored.weights, atol=1)
    np.testing.assert_allclose(fitted.offset, stored.offset, atol=1)


@pytest.mark.parametrize("color", [RED, BLUE])
def test_they_are_like_what_the_decoder_makes_of_other_pictures(color: tuple[int, int, int]) -> None:
    """Measured against the decoder: 0.9 for the images of the demo model, whose decoder is far from linear."""
    fitted, folder = latent_colors.fit(checkpoints.DEMO / "vae"), checkpoints.DEMO / "vae"
    vae = networks.load("AutoencoderKL", folder, torch.float32)
    for image in (circle(color), scene(square=color)):
        picture = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 127.5 - 1
        with torch.inference_mode():
            latents = vae.encode(picture).latent_dist.mode()
            decoded = torch.nn.functional.avg_pool2d(vae.decode(latents).sample, 8)[0]
        scaled = (latents * vae.config.scaling_factor)[0].numpy()
        shown = np.tensordot(np.array(fitted.weights), scaled, axes=(0, 0)) + np.array(fitted.offset)[:, None, None]
        assert np.corrcoef(shown.clip(0, 255).ravel(), decoded.numpy().ravel())[0, 1] > 0.7


def test_a_tiny_autoencoder_has_colors_of_its_own(tmp_path: Path) -> None:
    folder = checkpoints.tiny_decoder(tmp_path / "decoder")
    fitted = latent_colors.fit(folder)
    assert len(fitted.weights) == 4
    assert np.isfinite([*fitted.weights, fitted.offset]).all()
