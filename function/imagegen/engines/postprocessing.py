"""Enlarges images and makes their background transparent, whatever engine drew them.

Imports OpenVINO only when a request needs it: an image without it draws with torch.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from imagegen.catalog import manifest
from imagegen.generation.ports import Generated
from imagegen.generation.spec import GenerationSpec

if TYPE_CHECKING:
    from imagegen.engines.auxiliary_networks import SubjectFinder, Upscaler


class Postprocessor:
    """The auxiliary networks, each loaded by the first request that needs it. Thread-safe: one generation at a time."""

    def __init__(self, folder: Path, threads: int):
        self._folder = folder
        self._threads = threads
        self._lock = threading.Lock()

    def apply(self, generated: Generated, spec: GenerationSpec, still_wanted: Callable[[], None]) -> Generated:
        """Return what `spec` asks for. Raises ModelUnavailable and what `still_wanted` raises."""
        if spec.upscale == 1 and spec.background == "opaque":
            return generated
        with self._lock:
            started = time.perf_counter()
            self._load(spec)
            loaded = time.perf_counter()
            alphas = self._alphas(generated.images, spec, still_wanted)
            found = time.perf_counter()
            images = self._enlarged(generated.images, spec, still_wanted)
            for image, alpha in zip(images, alphas, strict=False):
                image.putalpha(alpha.resize(image.size, Image.Resampling.BICUBIC))
            return replace(
                generated,
                images=images,
                compile_s=generated.compile_s + loaded - started,
                background_s=found - loaded,
                upscale_s=time.perf_counter() - found,
            )

    def _load(self, spec: GenerationSpec) -> None:
        if spec.background == "transparent":
            _ = self._finder
        if spec.upscale > 1:
            self._upscaler.compile(spec.width, spec.height)

    def _alphas(
        self, images: list[Image.Image], spec: GenerationSpec, still_wanted: Callable[[], None]
    ) -> list[Image.Image]:
        """Find the subject in the images as drawn: the network's input is small, and enlarging adds no subject."""
        return [self._finder.alpha(each, still_wanted) for each in images] if spec.background == "transparent" else []

    def _enlarged(
        self, images: list[Image.Image], spec: GenerationSpec, still_wanted: Callable[[], None]
    ) -> list[Image.Image]:
        if spec.upscale == 1:
            return [image.copy() for image in images]
        return [self._upscaler.upscale(image, spec.upscale, still_wanted) for image in images]

    @cached_property
    def _upscaler(self) -> Upscaler:
        from imagegen.engines.auxiliary_networks import Upscaler, properties

        return Upscaler(self._verified, properties(self._threads))

    @cached_property
    def _finder(self) -> SubjectFinder:
        from imagegen.engines.auxiliary_networks import SubjectFinder, properties

        return SubjectFinder(self._verified, properties(self._threads))

    @cached_property
    def _verified(self) -> Path:
        """The folder, once its files were verified. Raises ModelUnavailable."""
        manifest.verify(self._folder)
        return self._folder
