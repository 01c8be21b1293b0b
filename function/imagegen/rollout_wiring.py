"""Builds the parts of the functions that warm and check other functions. They need no other part of a process."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from imagegen import telemetry
from imagegen.aws.functions import LambdaFunctions
from imagegen.settings import RolloutCheckSettings, WarmerSettings

if TYPE_CHECKING:
    from imagegen.rollout.check import RolloutCheck
    from imagegen.rollout.ports import Files, Functions, Rollouts

PING_S: Final = 280
"""Less than the timeout of Warmer, which then reports what did not answer."""
ANSWER_S: Final = 300
"""Two answers, with all waits, take less than the timeout of RolloutCheck, so that it can still tell CodeDeploy."""
WAITS_S: Final = (2, 4, 8, 16, 32)
"""Callers may use the concurrency that a check needs. A minute later, some may be free."""


class WarmerContainer:
    """What the warmer needs. A test can assign a replacement of each part first."""

    def __init__(self, settings: WarmerSettings):
        self.settings = settings

    @classmethod
    def from_environment(cls) -> WarmerContainer:
        """Return a container for the environment's settings. Raises pydantic.ValidationError."""
        return cls(WarmerSettings())

    @cached_property
    def functions(self) -> Functions:
        """Invokes Generator. Once: a ping that is throttled found no free environment, and the next one is due soon."""
        return LambdaFunctions(PING_S)


class RolloutCheckContainer:
    """What the check of new versions needs. A test can assign a replacement of each part first."""

    def __init__(self, settings: RolloutCheckSettings):
        self.settings = settings

    @classmethod
    def from_environment(cls) -> RolloutCheckContainer:
        """Return a container for the environment's settings. Raises pydantic.ValidationError."""
        return cls(RolloutCheckSettings())

    @cached_property
    def functions(self) -> Functions:
        """Invokes new versions."""
        return LambdaFunctions(ANSWER_S, WAITS_S)

    @cached_property
    def files(self) -> Files:
        """Pictures in S3."""
        from imagegen.aws.objects import S3Objects

        return S3Objects(self.settings.bucket_name)

    @cached_property
    def rollouts(self) -> Rollouts:
        """Deployments of CodeDeploy."""
        from imagegen.aws.code_deploy import CodeDeployRollouts

        return CodeDeployRollouts()

    @cached_property
    def check(self) -> RolloutCheck:
        """Decides whether a new version may have traffic."""
        from imagegen.rollout.check import Expected, RolloutCheck

        settings = self.settings
        expected = Expected(
            signed=bool(settings.content_credentials_key),
            moderated=settings.moderation and not settings.moderation_lists,
        )
        return RolloutCheck(
            self.functions,
            self.files,
            expected,
            settings.warm_environments,
            telemetry.environments_warmed,
            telemetry.rollout_unchecked,
        )
