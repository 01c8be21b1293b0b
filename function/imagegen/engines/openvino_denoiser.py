"""The denoiser, the decoder and the encoder of a prepared folder, compiled for one size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from imagegen.engines.latent_edit import PIXELS_PER_LATENT, in_pixels
from imagegen.engines.openvino_networks import Network, compile_network, read_config
from imagegen.engines.openvino_text import Floats, guidance_embedding
from imagegen.engines.tiling import Pixels, Tiling, tiling_of_latents


class Denoiser:
    """The UNet with guidance, for `batch` rows: 2 with a negative prompt, which is the first row, else 1."""

    def __init__(self, network: Network, config: Mapping[str, Any], batch: int, height: int, width: int):
        channels = config["in_channels"]
        self.latents_shape = (1, channels, height // PIXELS_PER_LATENT, width // PIXELS_PER_LATENT)
        self._network = network
        self._guidance_width: int | None = config.get("time_cond_proj_dim")
        self._sample = np.empty((batch, *self.latents_shape[1:]), dtype=np.float32)
        self._timestep = np.empty(1, dtype=np.float32)
        self._guidance_scale = 1.0
        network.bind({"sample": self._sample, "timestep": self._timestep})

    @classmethod
    def compile(
        cls, folder: Path, properties: Mapping[str, Any], *, batch: int, height: int, width: int, window: int
    ) -> Denoiser:
        """Compile the UNet for a size in pixels and a text window in tokens. Raises ModelUnavailable."""
        config = read_config(folder / "unet" / "config.json")
        latents = [batch, config["in_channels"], height // PIXELS_PER_LATENT, width // PIXELS_PER_LATENT]
        shapes = {"sample": latents, "encoder_hidden_states": [batch, window, config["cross_attention_dim"]]}
        network = compile_network(folder / "unet", properties, shapes)
        return cls(network, config, batch, height, width)

    def condition(self, text: Mapping[str, Floats], guidance_scale: float) -> None:
        """Use these inputs and this guidance scale in the following steps."""
        inputs = dict(text)
        if self._guidance_width is not None:
            inputs["timestep_cond"] = guidance_embedding(guidance_scale, self._guidance_width)
        self._guidance_scale = guidance_scale
        self._network.bind(inputs)

    def predict(self, sample: Floats, timestep: float, still_wanted: Callable[[], None]) -> Floats:
        """Return the output for latents of shape `latents_shape`: Ho and Salimans' (2022) classifier-free guidance."""
        self._sample[:] = sample
        self._timestep[0] = timestep
        (output,) = self._network.run(still_wanted)
        if len(output) == 1:
            return output.copy()
        negative, positive = output[:1], output[1:]
        return negative + np.float32(self._guidance_scale) * (positive - negative)


class Decoder:
    """The autoencoder's decoder."""

    def __init__(self, network: Network, config: Mapping[str, Any], tiling: Tiling):
        self._network = network
        self._tiling = tiling
        self._scaling_factor = config["scaling_factor"]

    @classmethod
    def compile(
        cls, folder: Path, properties: Mapping[str, Any], *, height: int, width: int, tiling: Tiling | None = None
    ) -> Decoder:
        """Compile the decoder for a size in pixels; large images are decoded in tiles. Raises ModelUnavailable."""
        config = read_config(folder / "vae_decoder" / "config.json")
        rows, columns = height // PIXELS_PER_LATENT, width // PIXELS_PER_LATENT
        tiling = tiling or tiling_of_latents(rows, columns)
        shape = [1, config["latent_channels"], tiling.side(rows), tiling.side(columns)]
        return cls(compile_network(folder / "vae_decoder", properties, {"latent_sample": shape}), config, tiling)

    def decode(self, latents: Floats, still_wanted: Callable[[], None]) -> Image.Image:
        """Return the RGB image of latents of shape (1, channels, height / 8, width / 8)."""
        scaled = latents / np.float32(self._scaling_factor)
        _, _, height, width = latents.shape

        def draw(rows: slice, columns: slice) -> Pixels:
            self._network.bind({"latent_sample": np.ascontiguousarray(scaled[:, :, rows, columns])})
            (pixels,) = self._network.run(still_wanted)
            tile: Pixels = pixels[0].copy()  # the next run overwrites this memory
            return tile

        return Image.fromarray(self._tiling.compose(height, width, PIXELS_PER_LATENT, draw))


class Encoder:
    """The autoencoder's encoder."""

    def __init__(self, network: Network, config: Mapping[str, Any], tiling: Tiling):
        self._network = network
        self._tiling = tiling
        self._channels: int = config["latent_channels"]

    @classmethod
    def compile(
        cls, folder: Path, properties: Mapping[str, Any], *, height: int, width: int, tiling: Tiling | None = None
    ) -> Encoder:
        """Compile the encoder for a size in pixels; large images are encoded in tiles. Raises ModelUnavailable."""
        config = read_config(folder / "vae_encoder" / "config.json")
        rows, columns = height // PIXELS_PER_LATENT, width // PIXELS_PER_LATENT
        tiling = tiling or tiling_of_latents(rows, columns)
        shape = [1, tiling.side(rows) * PIXELS_PER_LATENT, tiling.side(columns) * PIXELS_PER_LATENT, 3]
        return cls(compile_network(folder / "vae_encoder", properties, {"image": shape}), config, tiling)

    def encode(self, image: Image.Image, still_wanted: Callable[[], None]) -> Floats:
        """Return the latents of an RGB image, (1, channels, height / 8, width / 8)."""
        pixels = np.asarray(image)
        height, width = image.height // PIXELS_PER_LATENT, image.width // PIXELS_PER_LATENT

        def compute(rows: slice, columns: slice) -> Floats:
            tile = pixels[in_pixels(rows), in_pixels(columns)][None].copy()  # Pillow's memory is read-only
            self._network.bind({"image": tile})
            (latents,) = self._network.run(still_wanted)
            channels_last: Floats = latents[0].transpose(1, 2, 0).copy()  # the next run overwrites this memory
            return channels_last

        joined = self._tiling.join((height, width, self._channels), compute)
        return np.ascontiguousarray(joined.transpose(2, 0, 1)[None])
