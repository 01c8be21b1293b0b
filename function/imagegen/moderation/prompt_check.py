"""Judges the prompts of a request by word lists."""

from __future__ import annotations

from imagegen.errors import ModerationBlocked, ModerationUnavailable
from imagegen.generation.prompt_syntax import text_of
from imagegen.generation.request import GenerateRequest
from imagegen.moderation.ports import Audit, Blocked, Rules


class PromptCheck:
    """Implements ports.PromptJudge for what text encoders read: prompts without the syntax of weights. Thread-safe.

    Covered: the prompt and the negative prompt, as far as one asks for something by leaving something out. Not covered:
    metadata, which no network reads; what a picture of the request shows, which pictures.py judges.
    """

    def __init__(self, lists: Rules, audit: Audit):
        self._lists = lists
        self._audit = audit

    def require_allowed(self, request: GenerateRequest, *, tenant: str, model: str, job_id: str | None = None) -> None:
        """Raise ModerationBlocked if the lists forbid the request, or ModerationUnavailable without lists."""
        try:
            rules = self._lists.rules()
        except ModerationUnavailable as error:
            self._audit.moderation_unavailable("prompt", error.private)
            raise
        category = rules.category(text_of(request.prompt), text_of(request.negative_prompt))
        if category is not None:
            self._audit.moderation_blocked(Blocked(tenant, model, "prompt", category, rules.version, job_id))
            raise ModerationBlocked("prompt", category)


class NoPromptCheck:
    """Implements ports.PromptJudge for a deployment without moderation."""

    def require_allowed(self, request: GenerateRequest, *, tenant: str, model: str, job_id: str | None = None) -> None:
        """Allow the request."""
