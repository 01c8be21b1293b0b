"""What moderation needs, and what the rest of the service needs of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from imagegen.errors.moderation import Stage
from imagegen.generation.request import GenerateRequest

if TYPE_CHECKING:
    from PIL.Image import Image  # the zip functions lack Pillow

    from imagegen.moderation.prompt_rules import PromptRules  # imports disarm, which takes 25 ms
    from imagegen.moderation.thresholds import Thresholds


@dataclass(frozen=True)
class Blocked:
    """The audit record of one block. It has no part of a prompt, and no digest, from which a prompt could be guessed.

    `decided_by` is the version of the word lists or of the networks: `version` is the service's in every log line.
    `job_id` is None for a request that is no job; the log line has the request's id.
    """

    tenant: str
    model: str
    stage: Stage
    category: str
    decided_by: str
    job_id: str | None = None


class Audit(Protocol):
    """Where blocks and failures of moderation are recorded. `telemetry` is the implementation."""

    def moderation_blocked(self, record: Blocked) -> None:
        """Record a block."""

    def moderation_unavailable(self, stage: Stage, cause: str) -> None:
        """Record that something could not be judged, or not by what is current. `cause` goes to the log only."""


class ImageChecker(Protocol):
    """Judges pictures. An owner can put another one in its place. Thread-safe.

    Every call raises ModerationUnavailable if the pictures cannot be judged.
    """

    @property
    def version(self) -> str:
        """What decides: part of the cache key of every picture that it has allowed, and of the audit record."""

    def load(self) -> None:
        """Make the first call of `category` as fast as the others."""

    def category(self, picture: Image, thresholds: Thresholds) -> str | None:
        """Return why an RGB picture is blocked, or None if it is allowed."""


class ListsUnreadable(Exception):
    """The word lists cannot be read now. `reason` names a service and its error, and no content."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class ListSource(Protocol):
    """Where the word lists are."""

    def read(self) -> bytes | str:
        """Return the document as it is now. Raises ListsUnreadable."""


class Rules(Protocol):
    """The rules that apply now."""

    def rules(self) -> PromptRules:
        """Return them. Raises ModerationUnavailable."""


class PromptJudge(Protocol):
    """Judges the prompts of a request before anything else is done for it."""

    def require_allowed(self, request: GenerateRequest, *, tenant: str, model: str, job_id: str | None = None) -> None:
        """Raise ModerationBlocked, or ModerationUnavailable if the request cannot be judged. Both are recorded.

        `model` is the id of the model that the request is for.
        """
