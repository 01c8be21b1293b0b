"""The default ImageChecker: nsfwjs' network, and open_nsfw where it is not sure.

Imports OpenVINO only when a picture is judged: an image without it draws with torch.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from imagegen.catalog import manifest
from imagegen.catalog.auxiliary import INDECENCY, SECOND_OPINION
from imagegen.errors import ModelUnavailable, ModerationUnavailable
from imagegen.moderation.thresholds import PictureCategory, Thresholds, category_of

if TYPE_CHECKING:
    from imagegen.engines.auxiliary_networks import IndecencyClassifier, SecondOpinion


class NetworkChecker:
    """The auxiliary networks that judge, each loaded when first needed. Implements moderation.ports.ImageChecker."""

    version = f"{INDECENCY.revision}+{SECOND_OPINION.revision}"

    def __init__(self, folder: Path, threads: int, *, bfloat16: bool = False):
        """`folder` is that of the prepared auxiliary networks. `bfloat16` allows it for the second network."""
        self._folder = folder
        self._threads = threads
        self._bfloat16 = bfloat16
        self._lock = threading.Lock()

    def load(self) -> None:
        """Verify the files of both networks, and compile the first. Raises ModerationUnavailable."""
        with self._lock, _translated():
            _ = self._classifier

    def category(self, picture: Image.Image, thresholds: Thresholds) -> PictureCategory | None:
        """Return why the RGB picture is blocked, or None. Raises ModerationUnavailable."""
        with self._lock, _translated():
            small = self._reduced(picture)
            scores = self._classifier.scores(small)
            return category_of(scores, thresholds, lambda: self._second_opinion.indecent(small))

    def _reduced(self, picture: Image.Image) -> Image.Image:
        from imagegen.engines.auxiliary_networks import reduced

        return reduced(picture)

    @cached_property
    def _classifier(self) -> IndecencyClassifier:
        from imagegen.engines.auxiliary_networks import IndecencyClassifier, properties

        return IndecencyClassifier(self._verified, properties(self._threads))

    @cached_property
    def _second_opinion(self) -> SecondOpinion:
        from imagegen.engines.auxiliary_networks import SecondOpinion, properties

        return SecondOpinion(self._verified, properties(self._threads, "bf16" if self._bfloat16 else "f32"))

    @cached_property
    def _verified(self) -> Path:
        manifest.verify(self._folder)
        return self._folder


@contextmanager
def _translated() -> Iterator[None]:
    """Whatever fails, the picture has no verdict."""
    try:
        yield
    except ModelUnavailable as error:
        raise ModerationUnavailable(private=error.private) from error
    except Exception as error:  # OpenVINO raises RuntimeError, Pillow and NumPy others; none may clear a picture
        raise ModerationUnavailable(private=f"{type(error).__name__}: the picture's networks failed") from error
