"""Builds what judges prompts. Each part imports its modules when it is first used (wiring.py)."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from imagegen import telemetry
from imagegen.settings import Settings

if TYPE_CHECKING:
    from imagegen.jobs.ports import Clock
    from imagegen.moderation.ports import ListSource, PromptJudge, Rules


class ModerationParts:
    """The parts of a Container that judge prompts. Those that judge pictures need an engine (generation_wiring.py)."""

    settings: Settings
    clock: Clock

    @cached_property
    def prompt_judge(self) -> PromptJudge:
        """Judges prompts."""
        from imagegen.moderation.prompt_check import NoPromptCheck, PromptCheck

        return PromptCheck(self._rules, telemetry) if self.settings.moderation else NoPromptCheck()

    @property
    def _rules(self) -> Rules:
        from imagegen.moderation.current_lists import CurrentLists, PackagedLists

        source = self._list_source
        return PackagedLists() if source is None else CurrentLists(source, telemetry, self.clock)

    @property
    def _list_source(self) -> ListSource | None:
        """Return where the lists are that replace those of the package."""
        kind, name = self.settings.moderation_lists_place
        if kind == "s3":
            from imagegen.aws.word_lists import S3WordLists

            return S3WordLists(self.settings.bucket_name, name)
        if kind == "ssm":
            from imagegen.aws.word_lists import SsmWordLists

            return SsmWordLists(name)
        return None
