"""The rule by which scores block a picture, and the thresholds of tenants."""

from __future__ import annotations

import json
import math

import pytest

from imagegen.moderation.thresholds import Scores, Thresholds, category_of, thresholds_from

DEFAULTS = Thresholds()


def scores(*, porn: float = 0.0, hentai: float = 0.0, sexy: float = 0.0) -> Scores:
    return Scores(drawing=0.0, hentai=hentai, neutral=1 - porn - hentai - sexy, porn=porn, sexy=sexy)


def never_asked() -> float:
    raise AssertionError("a second opinion was asked where the first is sure")


@pytest.mark.parametrize(
    ("seen", "category"),
    [
        (scores(porn=0.61), "sexual"),
        (scores(hentai=0.61), "sexual"),
        (scores(porn=0.31, hentai=0.3), "sexual"),
        (scores(porn=0.1, hentai=0.09), None),
        (scores(sexy=0.99), None),
        (scores(), None),
    ],
)
def test_where_the_first_network_is_sure_it_decides_alone(seen: Scores, category: str | None) -> None:
    assert category_of(seen, DEFAULTS, never_asked) == category


@pytest.mark.parametrize("score", [0.2, 0.4, 0.6])
@pytest.mark.parametrize(("opinion", "category"), [(0.5, None), (0.51, "sexual"), (0.0, None), (1.0, "sexual")])
def test_where_it_is_not_sure_the_second_decides(score: float, opinion: float, category: str | None) -> None:
    assert category_of(scores(porn=score), DEFAULTS, lambda: opinion) == category


def test_suggestive_pictures_are_blocked_by_policy_only() -> None:
    strict = Thresholds(suggestive=0.7)
    assert category_of(scores(sexy=0.71), strict, never_asked) == "suggestive"
    assert category_of(scores(sexy=0.7), strict, never_asked) is None
    assert category_of(scores(sexy=0.2, porn=0.75), strict, never_asked) == "sexual"


def test_a_tenant_that_allows_everything_is_never_blocked() -> None:
    lax = Thresholds(sexual=1, second_opinion=1, suggestive=1)
    assert category_of(scores(porn=1.0), lax, lambda: 1.0) is None


def test_a_cautious_verdict_blocks_whatever_is_not_sure() -> None:
    cautious = DEFAULTS.cautious()
    assert category_of(scores(porn=0.21), cautious, never_asked) == "sexual"
    assert category_of(scores(porn=0.19), cautious, never_asked) is None
    assert Thresholds(sexual=0.1).cautious().sexual == 0.1


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_clears_nothing(value: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        category_of(scores(porn=value), DEFAULTS, never_asked)
    with pytest.raises(ValueError, match="not finite"):
        category_of(scores(porn=0.4), DEFAULTS, lambda: value)


def test_tenants_have_their_own_thresholds() -> None:
    setting = {"*": {"sexual": 0.5, "suggestive": 0.9}, "acme": {"sexual": 0.8}, "local": {"sexual": 1}}
    of = thresholds_from(json.dumps(setting))
    assert of("anyone") == Thresholds(sexual=0.5, suggestive=0.9)
    assert of("acme") == Thresholds(sexual=0.8, suggestive=0.9)
    assert of("local") == Thresholds(sexual=1, suggestive=0.9)
    assert thresholds_from('{"acme": {"second_opinion": 0.8}}')("other") == DEFAULTS
    assert thresholds_from("")("anyone") == DEFAULTS


@pytest.mark.parametrize(
    "setting",
    [
        "0.5",
        "[]",
        "{",
        '{"*": 0.5}',
        '{"*": {"sexual": 1.1}}',
        '{"*": {"sexual": -0.1}}',
        '{"*": {"sexual": NaN}}',
        '{"*": {"sexual": null}}',
        '{"*": {"porn": 0.5}}',
        '{"*": {"sexual": "high"}}',
        '{"no tenant": {"sexual": 0.5}}',
    ],
)
def test_a_setting_that_means_nothing_is_refused(setting: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # pydantic's, or ours
        thresholds_from(setting)
