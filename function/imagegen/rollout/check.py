"""Decides whether a new version may have traffic."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from imagegen.errors import FunctionBusy
from imagegen.rollout import picture
from imagegen.rollout.ports import Answer, Files, Functions
from imagegen.rollout.probes import FED_BY_QUEUES, PROBES
from imagegen.rollout.warm_up import Warmed, warm

DRAWING: Final = {"prompt": "a small red circle on a white background", "seed": 7, "cache": "off"}
"""With the model's default size and steps, which callers use. Never from the cache, which an earlier version filled."""
FORBIDDEN: Final = {"prompt": "a nude woman on a bed", "scheduler": "none"}
"""The packaged word lists forbid it. A version that does not judge it refuses the scheduler: it draws nothing."""
_FOLDER: Final = "/images/"


@dataclass(frozen=True)
class Expected:
    """What the deployment's settings promise of every picture."""

    signed: bool
    moderated: bool
    """By the packaged word lists, which are the only ones that are known here."""


class RolloutCheck:
    """Checks versions by invoking them."""

    def __init__(
        self,
        functions: Functions,
        files: Files,
        expected: Expected,
        environments: int,
        on_warmed: Callable[[Warmed], None],
        on_unchecked: Callable[[str], None],
    ):
        """`environments` of a new version of Generator are warmed; 0: none but the one that draws.

        `on_unchecked` gets the name of a function whose queue keeps all its environments busy.
        """
        self._functions = functions
        self._files = files
        self._expected = expected
        self._environments = environments
        self._on_warmed = on_warmed
        self._on_unchecked = on_unchecked

    def problem(self, function: str, version: str) -> str | None:
        """Return why the version of the function, a logical id, must not have traffic, or None.

        Raises StorageUnavailable if that cannot be told.
        """
        if function == "Generator":
            return self._problem_of_generator(version)
        try:
            answer = self._functions.invoke(version, PROBES[function].event)
        except FunctionBusy:
            if function not in FED_BY_QUEUES:
                raise
            self._on_unchecked(function)
            return None
        return None if PROBES[function].passes(answer) else f"{function} does not answer as it should: {_told(answer)}"

    def _problem_of_generator(self, version: str) -> str | None:
        problem = self._drawing(version) or self._refusal(version)
        if problem is None and self._environments:
            self._on_warmed(warm(self._functions, version, self._environments))
        return problem

    def _drawing(self, version: str) -> str | None:
        answer = self._functions.invoke(version, DRAWING)
        if answer.raised or not isinstance(answer.payload, dict) or answer.payload.get("status") != "succeeded":
            return f"Generator draws nothing: {_told(answer)}"
        (image,) = answer.payload["images"]
        data = self._files.read(_key(image["url"]))
        if data is None:
            return "the picture is not in the bucket"
        if hashlib.sha256(data).hexdigest() != image["sha256"]:
            return "the picture in the bucket is not the one of the result"
        if image["content_credentials"] != self._expected.signed:
            return f"the result says content_credentials={image['content_credentials']}"
        fault = picture.fault(data, (image["width"], image["height"]), signed=self._expected.signed)
        return f"the picture: {fault}" if fault else None

    def _refusal(self, version: str) -> str | None:
        if not self._expected.moderated:
            return None
        answer = self._functions.invoke(version, FORBIDDEN)
        blocked = isinstance(answer.payload, dict) and answer.payload.get("code") == "moderation_blocked"
        return None if blocked else f"Generator does not refuse a forbidden prompt: {_told(answer)}"


def _key(url: str) -> str:
    """Return the key of a signed URL's object, whether the URL is S3's or CloudFront's."""
    return _FOLDER[1:] + url.partition("?")[0].partition(_FOLDER)[2]


def _told(answer: Answer) -> str:
    """Return what an answer tells, without what it quotes."""
    if answer.raised:
        return answer.raised
    payload: Mapping[str, Any] = answer.payload if isinstance(answer.payload, dict) else {}
    return str(payload.get("code") or payload.get("statusCode") or payload.get("status") or "no answer")
