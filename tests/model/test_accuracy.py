"""The demo model follows its captions, and the tools that measure it notice where it does not.

A sample of what `python -m tools.accuracy` measures in full.
"""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
from PIL import Image

from imagegen.generation.ports import Engine, Generated, OnStep, Resumption
from imagegen.generation.spec import GenerationSpec
from models.training.scenes import COLOURS, draw
from tests.model.conftest import DEMO
from tools.accuracy import captions, contact_sheet, sizes
from tools.accuracy.captions import Combination
from tools.accuracy.measure import measure

SAMPLE = 40
EXTREMES = list(itertools.product((DEMO.limits.min_size, DEMO.limits.max_size), repeat=2))


class Painter:
    """An engine that draws the contact sheet's scene in three steps or more, and its background in fewer."""

    def generate(self, spec: GenerationSpec, on_step: OnStep, resumption: Resumption | None = None) -> Generated:
        image = draw(contact_sheet.SCENE, random.Random(spec.seed), spec.width)
        if spec.num_inference_steps < 3:
            image = Image.new("RGB", image.size, COLOURS[contact_sheet.SCENE.background])
        return Generated([image], text_encode_s=0, denoise_s=0, decode_s=0)

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("two", "least"), [(False, 0.95), (True, 0.90)], ids=["one object", "two objects"])
def test_accuracy_on_held_out_captions(engine: Engine, two: bool, least: float) -> None:
    tally = measure(engine, two=two, count=SAMPLE)
    assert tally.right >= least, tally.wrong


@pytest.mark.parametrize("size", EXTREMES, ids=str)
def test_the_extreme_sizes_follow_their_captions(engine: Engine, size: tuple[int, int]) -> None:
    """Beyond them the model leaves objects out, or repeats them (docs/decisions/demo-model.md)."""
    for two in (False, True):
        tally = measure(engine, two=two, count=5, size=size)
        assert tally.right >= 0.8, tally.wrong


def test_every_size_within_the_limits_is_measured() -> None:
    assert set(EXTREMES) <= set(sizes.legal_sizes())
    assert len(sizes.legal_sizes()) == ((DEMO.limits.max_size - DEMO.limits.min_size) // 8 + 1) ** 2


def test_a_row_that_misses_its_requirement_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    assert not captions.print_table([("painter", Painter())], [Combination("euler", 10)], count=2)
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| painter | euler | 10 |")]
    assert [line.rpartition("| ")[2] for line in rows] == ["97% missed |", "90% missed |"]


def test_the_contact_sheet_frames_wrong_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "steps.png"
    assert contact_sheet.draw([("painter", Painter()), ("twin", Painter())], "euler", path)
    found = Image.open(path).convert("RGB")
    frames = [found.getpixel((index * contact_sheet.CELL[0], contact_sheet.TEXT)) for index in range(4)]
    assert frames == [contact_sheet.WRONG] * 2 + [(255, 255, 255)] * 2
    printed = capsys.readouterr().out
    assert printed.count("98 of 100 pictures right; wrong at 1, 2") == 2
    assert "| 100 | right | right | 0.000 | 0 |" in printed


def test_the_difference_of_two_images_is_in_samples() -> None:
    black, gray = (Image.new("RGB", (2, 2), color) for color in ("black", (0, 0, 3)))
    assert contact_sheet.difference(black, gray) == (1.0, 3)
