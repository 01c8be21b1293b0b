"""diffusers' safety checker as an ImageChecker, for owners who have its weights (1.2 GB). Imports torch.

Covered: a folder as diffusers' pipelines have it, `config.json` and `model.safetensors`, with a manifest. Its verdict
is yes or no, so that of the thresholds only a `sexual` of 1, which allows everything, means something. Not covered: the
borders of a picture that is not square, which its preprocessing cuts off.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image
from transformers import CLIPImageProcessorPil

from imagegen.catalog import manifest
from imagegen.errors import ModelUnavailable, ModerationUnavailable
from imagegen.moderation.thresholds import PictureCategory, Thresholds


class SafetyChecker:
    """The checker of Stable Diffusion 1.x. Implements moderation.ports.ImageChecker."""

    def __init__(self, folder: Path, threads: int):
        self._folder = folder
        self._threads = threads
        self._lock = threading.Lock()
        self._finite = True

    @property
    def version(self) -> str:
        """The digest of the folder's manifest. Raises ModerationUnavailable."""
        with self._translated():
            return self._digest

    def load(self) -> None:
        """Verify and read the weights. Raises ModerationUnavailable."""
        with self._lock, self._translated():
            _ = self._network

    def category(self, picture: Image.Image, thresholds: Thresholds) -> PictureCategory | None:
        """Return `sexual` for an RGB picture that the checker would have made black. Raises ModerationUnavailable."""
        with self._lock, self._translated():
            flagged = self._flags(picture)
        return "sexual" if flagged and thresholds.sexual < 1 else None

    def _flags(self, picture: Image.Image) -> bool:
        seen = self._processor(picture, return_tensors="pt").pixel_values
        unused = torch.zeros(1, 1)  # the pictures that it would make black
        _, flagged = self._network(clip_input=seen, images=unused)
        if not self._finite:  # every comparison with NaN is false, which would clear the picture
            raise ValueError("the embedding is not finite")
        return bool(flagged[0])

    @cached_property
    def _digest(self) -> str:
        return manifest.digest(self._folder)

    @cached_property
    def _processor(self) -> Any:
        return CLIPImageProcessorPil()

    @cached_property
    def _network(self) -> Any:
        manifest.verify(self._folder)
        torch.set_num_threads(self._threads)
        network = StableDiffusionSafetyChecker.from_pretrained(
            self._folder, dtype=torch.float32, local_files_only=True, use_safetensors=True
        )
        network.visual_projection.register_forward_hook(self._look)
        return network.eval()

    def _look(self, _module: object, _inputs: object, embedding: torch.Tensor) -> None:
        self._finite = bool(torch.isfinite(embedding).all())

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Whatever fails, the picture has no verdict."""
        try:
            yield
        except ModelUnavailable as error:
            raise ModerationUnavailable(private=error.private) from error
        except Exception as error:  # three libraries read the files and raise different exceptions
            raise ModerationUnavailable(private=f"{self._folder}: {type(error).__name__}") from error
