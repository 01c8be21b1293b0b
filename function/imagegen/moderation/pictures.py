"""Judges the pictures of requests and those that were drawn. Implements generation.ports.PictureChecks.

Covered: pictures that callers send, as the model sees them; every picture before it is encoded; previews. Not covered:
masks, which have no colors; a small part of a large picture, which is scaled to 224 x 224 pixels; violence, children,
hate. Accuracy on indecent pictures was not measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from PIL import Image

from imagegen.catalog.registry import Model
from imagegen.errors import ModerationBlocked, ModerationUnavailable
from imagegen.errors.moderation import Stage
from imagegen.moderation.ports import Audit, Blocked, ImageChecker
from imagegen.moderation.thresholds import Thresholds, ThresholdsOf

_BACKGROUNDS: Final = ("white", "black")
"""What viewers show through a transparent picture."""


@dataclass(frozen=True)
class RequestPictures:
    """The check of one request's pictures. Implements generation.ports.PictureCheck."""

    checker: ImageChecker
    thresholds: Thresholds
    audit: Audit
    tenant: str
    model: str
    job_id: str | None

    @property
    def rule(self) -> str:
        """What allows a picture: the networks and the thresholds. Raises ModerationUnavailable."""
        with self._recorded("output"):
            return f"{self.checker.version} {self.thresholds.model_dump_json()}"

    def load(self) -> None:
        """Load the networks. Raises ModerationUnavailable."""
        with self._recorded("output"):
            self.checker.load()

    def require_allowed(self, stage: Stage, pictures: Sequence[Image.Image]) -> None:
        """Raise ModerationBlocked if one of the pictures is blocked, ModerationUnavailable if one cannot be judged."""
        for picture in pictures:
            category = self._category(stage, picture, self.thresholds)
            if category is not None:
                version = self.checker.version
                self.audit.moderation_blocked(Blocked(self.tenant, self.model, stage, category, version, self.job_id))
                raise ModerationBlocked(stage, category)

    def may_show(self, preview: Image.Image) -> bool:
        """Return whether a preview is certainly decent. Raises ModerationUnavailable."""
        return self._category("output", preview, self.thresholds.cautious()) is None

    def _category(self, stage: Stage, picture: Image.Image, thresholds: Thresholds) -> str | None:
        with self._recorded(stage):
            found = (self.checker.category(view, thresholds) for view in _views(picture))
            return next((category for category in found if category is not None), None)

    @contextmanager
    def _recorded(self, stage: Stage) -> Iterator[None]:
        try:
            yield
        except ModerationUnavailable as error:
            self.audit.moderation_unavailable(stage, error.private)
            raise


@dataclass(frozen=True)
class PictureModeration:
    """The check of a deployment's pictures. Implements generation.ports.PictureChecks."""

    checker: ImageChecker
    judges: Callable[[Model], bool]
    """Whether the pictures of a model are judged."""
    thresholds_of: ThresholdsOf
    audit: Audit

    def of(self, model: Model, tenant: str, job_id: str | None = None) -> RequestPictures | None:
        """Return the check of a request's pictures, or None if those of the model are not judged."""
        if not self.judges(model):
            return None
        return RequestPictures(self.checker, self.thresholds_of(tenant), self.audit, tenant, model.id, job_id)


def _views(picture: Image.Image) -> Iterator[Image.Image]:
    """Yield what can be seen of an RGB or RGBA picture, in RGB: its colors, which the file has also where it is
    transparent, and what viewers show of it."""
    yield picture if picture.mode == "RGB" else picture.convert("RGB")
    if picture.mode == "RGBA":
        for color in _BACKGROUNDS:
            view = Image.new("RGB", picture.size, color)
            view.paste(picture, mask=picture.getchannel("A"))
            yield view
