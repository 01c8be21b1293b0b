"""Which views of a picture are judged, what is recorded, and that nothing passes without a verdict."""

from __future__ import annotations

import pytest
from PIL import Image

from imagegen.catalog.registry import REGISTRY
from imagegen.errors import ModerationBlocked, ModerationUnavailable
from imagegen.moderation.ports import Blocked
from imagegen.moderation.thresholds import Thresholds
from tests.support.fake_audit import RecordingAudit
from tests.support.picture_checks import ColorChecker, moderation

MODEL = REGISTRY["sd-turbo"]
BLUE = Image.new("RGB", (8, 8), "blue")
RED = Image.new("RGB", (8, 8), "red")


def test_a_blocked_picture_is_recorded_without_any_part_of_the_request() -> None:
    records = RecordingAudit()
    check = moderation(ColorChecker(), records).of(MODEL, "acme", "job-1")
    assert check is not None
    with pytest.raises(ModerationBlocked) as caught:
        check.require_allowed("input", [BLUE, RED])
    assert caught.value.members == {"stage": "input", "category": "sexual"}
    assert records.blocked == [Blocked("acme", "sd-turbo", "input", "sexual", "colors-1", job_id="job-1")]


def test_allowed_pictures_and_none_at_all_pass() -> None:
    check = moderation(ColorChecker(), records := RecordingAudit()).of(MODEL, "acme")
    assert check is not None
    check.require_allowed("output", [BLUE, BLUE])
    check.require_allowed("input", [])
    assert records == RecordingAudit()


@pytest.mark.parametrize("color", ["red", "white", "black"])
def test_a_transparent_picture_is_judged_by_its_colors_on_white_and_on_black(color: str) -> None:
    """A file keeps the colors of what is transparent."""
    clear_red = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    blocks = Image.new("RGB", (1, 1), color).getpixel((0, 0))
    assert isinstance(blocks, tuple)
    checker = ColorChecker(blocks=(blocks[0], blocks[1], blocks[2]))
    check = moderation(checker).of(MODEL, "acme")
    assert check is not None
    with pytest.raises(ModerationBlocked):
        check.require_allowed("output", [clear_red])


def test_what_cannot_be_judged_is_refused_and_recorded() -> None:
    check = moderation(ColorChecker(failing=True), records := RecordingAudit()).of(MODEL, "acme")
    assert check is not None
    for judge in (check.load, lambda: check.require_allowed("output", [BLUE]), lambda: check.may_show(BLUE)):
        with pytest.raises(ModerationUnavailable):
            judge()
    assert records.unavailable == 3 * [("output", "no networks")]


def test_a_preview_is_shown_only_if_it_is_certainly_decent() -> None:
    records = RecordingAudit()
    check = moderation(ColorChecker(), records).of(MODEL, "acme")
    assert check is not None
    assert check.may_show(BLUE)
    assert not check.may_show(RED)
    assert records.blocked == [], "the result decides about the request"


def test_another_checker_or_other_thresholds_are_another_rule() -> None:
    """Each is part of cache keys, so that what one allowed is judged by the other."""
    rules = set()
    for checker in (ColorChecker(), ColorChecker(version="colors-2")):
        for thresholds in (Thresholds(), Thresholds(sexual=0.5)):
            check = moderation(checker, thresholds=thresholds).of(MODEL, "acme")
            assert check is not None
            rules.add(check.rule)
    assert len(rules) == 4


def test_a_model_whose_pictures_are_not_judged_has_no_check() -> None:
    assert moderation(ColorChecker(), judges=lambda model: not model.harmless).of(REGISTRY["demo"], "acme") is None
