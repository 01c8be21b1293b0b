"""Counts the floating-point operations of a checkpoint's networks. A first generation's time is estimated from them.

Covered: convolutions, matrix multiplications and attention, nearly all of the work. Not covered: normalizations and
activations. The networks are built on torch's meta device, so counting takes a second and no memory for weights.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from imagegen.catalog.manifest import Flops
from imagegen.catalog.registry import Model
from models.prepare import networks
from models.prepare.pipeline_index import COMPONENTS, components, read_index


def count(model: Model, checkpoint: Path, decoder: Path | None) -> Flops:
    """Return the operations at the model's default size. `decoder` replaces the checkpoint's vae."""
    names = [name for name in components(read_index(checkpoint)) if name.startswith("text_encoder")]
    autoencoder = decoder or checkpoint / "vae"
    with torch.device("meta"), torch.inference_mode():
        encoders = [networks.build(COMPONENTS[name][0], checkpoint / name) for name in names]
        window = encoders[0].config.max_position_embeddings
        vae = networks.build(networks.autoencoder_class(autoencoder), autoencoder)
        latents = _latents(model, vae.config)
        return Flops(
            denoise_step=_denoise_step(checkpoint, latents, window),
            decode=_operations(vae.decode, latents),
            image_encode=_operations(vae.encode, torch.ones(1, 3, model.defaults.height, model.defaults.width)),
            text_encode=sum(_operations(each, torch.ones((1, window), dtype=torch.int64)) for each in encoders),
        )


def _latents(model: Model, vae: Any) -> Tensor:
    factor = 2 ** (len(getattr(vae, "block_out_channels", "....")) - 1)  # AutoencoderTiny: 8 pixels per latent
    return torch.ones(1, vae.latent_channels, model.defaults.height // factor, model.defaults.width // factor)


def _denoise_step(checkpoint: Path, latents: Tensor, window: int) -> int:
    unet = networks.build("UNet2DConditionModel", checkpoint / "unet")
    conditions = {name: torch.ones(1, width) for name, width in networks.conditions(unet.config, checkpoint).items()}
    text = torch.ones(1, window, unet.config.cross_attention_dim)
    guidance = conditions.pop("timestep_cond", None)
    added = {"timestep_cond": guidance, "added_cond_kwargs": conditions or None}
    return _operations(unet, latents, torch.ones(1), text, **added)


def _operations(call: Callable[..., Any], *arguments: Tensor, **options: Any) -> int:
    with FlopCounterMode(display=False) as counter:
        call(*arguments, **options)
    return int(counter.get_total_flops())
