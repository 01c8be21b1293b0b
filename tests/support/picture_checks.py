"""A checker of pictures without networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from PIL.Image import Image

from imagegen.catalog.registry import Model
from imagegen.errors import ModerationUnavailable
from imagegen.jobs.runner import JobRunner
from imagegen.moderation.pictures import PictureModeration
from imagegen.moderation.ports import ImageChecker
from imagegen.moderation.thresholds import Thresholds
from imagegen.wiring import Container
from tests.support.fake_audit import RecordingAudit


@dataclass
class ColorChecker:
    """An ImageChecker that blocks pictures whose last pixel is of one color. While `failing` is set, it has no verdict.

    `seen` has the pictures in order; a load is None.
    """

    blocks: tuple[int, int, int] = (255, 0, 0)
    version: str = "colors-1"
    failing: bool = False
    seen: list[Image | None] = field(default_factory=list)

    def load(self) -> None:
        self._check()
        self.seen.append(None)

    def category(self, picture: Image, thresholds: Thresholds) -> str | None:
        self._check()
        assert picture.mode == "RGB"
        self.seen.append(picture)
        last = picture.getpixel((picture.width - 1, picture.height - 1))
        return "sexual" if last == self.blocks and thresholds.sexual < 1 else None

    @property
    def judged(self) -> list[Image]:
        return [each for each in self.seen if each is not None]

    def _check(self) -> None:
        if self.failing:
            raise ModerationUnavailable(private="no networks")


def every_model(_model: Model) -> bool:
    return True


def moderation(
    checker: ImageChecker,
    audit: RecordingAudit | None = None,
    *,
    thresholds: Thresholds | None = None,
    judges: Callable[[Model], bool] = every_model,
) -> PictureModeration:
    """Return the check of a deployment that judges the pictures of every model."""
    return PictureModeration(checker, judges, lambda _tenant: thresholds or Thresholds(), audit or RecordingAudit())


def judge_pictures(container: Container, checks: PictureModeration) -> JobRunner:
    """Let a container that has built its services judge pictures, and return its runner of jobs."""
    for part in ("images", "previews", "drawing", "job_runner"):
        vars(container).pop(part, None)
    container.picture_moderation = checks
    return container.job_runner
