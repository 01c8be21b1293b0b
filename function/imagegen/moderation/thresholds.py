"""From which scores on a picture is blocked, for each tenant. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from imagegen.access import tenant
from imagegen.lazy_model import LazyModel

PictureCategory = Literal["sexual", "suggestive"]
Score = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]

UNSURE_FROM: Final = 0.2
"""Porn and hentai together: below it, a picture is decent without a second opinion."""
EVERY_TENANT: Final = "*"
"""Names all tenants in the setting PICTURE_THRESHOLDS."""


class Thresholds(LazyModel):
    """Scores above which a picture is blocked, each from 0 to 1; 1 never blocks."""

    model_config = ConfigDict(extra="forbid")

    sexual: Score = 0.6
    """Of porn and hentai together, as nsfwjs' authors use it."""
    second_opinion: Score = 0.5
    """Of the other network, where the first is not sure: more likely indecent than not."""
    suggestive: Score = 1.0
    """Of "sexy", such as a picture in underwear: allowed unless a tenant's policy says otherwise."""

    def cautious(self) -> Thresholds:
        """Return those for a picture that no second opinion is asked about: what is not certainly decent is blocked."""
        return self.model_copy(update={"sexual": min(self.sexual, UNSURE_FROM)})


ThresholdsOf = Callable[[str], Thresholds]
"""Returns the thresholds of a tenant."""


@dataclass(frozen=True)
class Scores:
    """What nsfwjs' network sees in a picture: probabilities whose sum is 1."""

    drawing: float
    hentai: float
    neutral: float
    porn: float
    sexy: float

    @property
    def sexual(self) -> float:
        """Of an indecent picture, photographed or drawn."""
        return self.porn + self.hentai


def category_of(scores: Scores, thresholds: Thresholds, second_opinion: Callable[[], float]) -> PictureCategory | None:
    """Return why the picture is blocked, or None if it is allowed.

    `second_opinion` returns the probability, by another network, that the picture is indecent. It is asked only where
    `scores` alone neither block nor clear the picture. Raises ValueError if a score is not finite.
    """
    if _finite(scores.sexual) > thresholds.sexual:
        return "sexual"
    if scores.sexual >= UNSURE_FROM and _finite(second_opinion()) > thresholds.second_opinion:
        return "sexual"
    return "suggestive" if scores.sexy > thresholds.suggestive else None


def thresholds_from(setting: str) -> ThresholdsOf:
    """Return the thresholds that a JSON object gives to tenants: `{"*": {"sexual": 0.5}, "acme": {"sexual": 0.8}}`.

    A tenant's own values replace those of `*`, one by one. Empty: the defaults. Raises ValueError.
    """
    given: Mapping[str, Mapping[str, Score]] = {}
    if setting:
        given = TypeAdapter(Mapping[str, Mapping[str, Score]]).validate_json(setting)
    if unknown := [each for each in given if each not in (EVERY_TENANT, tenant.LOCAL) and not tenant.is_valid(each)]:
        raise ValueError(f"PICTURE_THRESHOLDS: {', '.join(unknown)} is no tenant; use tenant ids, or * for all")
    common = given.get(EVERY_TENANT, {})
    each_tenants = {name: Thresholds.model_validate({**common, **own}) for name, own in given.items()}
    usual = Thresholds.model_validate(common)
    return lambda tenant_id: each_tenants.get(tenant_id, usual)


def _finite(score: float) -> float:
    """Every comparison with NaN is false, so that it would clear the picture."""
    if not math.isfinite(score):
        raise ValueError("a score is not finite")
    return score
