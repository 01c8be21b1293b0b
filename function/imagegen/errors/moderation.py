"""Errors of moderation: what may not be drawn, and what cannot be judged now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from imagegen.problem_details import FieldError
from imagegen.service_error import ServiceError

Stage = Literal["prompt", "input", "output"]
"""What was judged: the prompts, a picture of the request, or a picture that was drawn."""

_DETAILS: Final[dict[Stage, str]] = {
    "prompt": "The prompt asks for what this deployment does not draw. Rephrase it.",
    "input": "The picture shows what this deployment does not draw. Send another one.",
    "output": "What was drawn for this request may not be shown. Rephrase the prompt, or try another seed.",
}


class ModerationBlocked(ServiceError):
    """The prompt, a picture of the request or the result is not allowed. Nothing is stored, cached or billed.

    `errors` names the field of the request that was judged. The text never repeats the prompt, nor which word of it was
    found.
    """

    code = "moderation_blocked"
    status = 422
    caused_by_request = True

    def __init__(self, stage: Stage, category: str):
        """`category` is one of the lists' or of the pictures' check, such as `sexual`."""
        errors = {
            "prompt": [FieldError("prompt", self.code, f"must not ask for the category {category}")],
            "input": [FieldError("image", self.code, f"must not show the category {category}")],
            "output": [],
        }
        super().__init__(
            f"{_DETAILS[stage]} Category: {category}.", errors=errors[stage], private=f"{stage} {category}"
        )
        self.stage: Final = stage
        self.category: Final = category

    @property
    def members(self) -> Mapping[str, str]:
        """Where it was found, and what."""
        return {"stage": self.stage, "category": self.category}


class ModerationUnavailable(ServiceError):
    """The word lists or a classifier cannot be used, so nothing is drawn: a request is never left unjudged."""

    code = "moderation_unavailable"
    status = 503
    retryable = True
    retry_after = 30
    usual_detail = "The request cannot be judged at the moment. Try again in half a minute."
