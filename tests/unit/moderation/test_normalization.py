"""A prompt without what disguises its words."""

from __future__ import annotations

import pytest

from imagegen.moderation.normalization import normalized, readings

ZERO_WIDTH = "\u200b"


@pytest.mark.parametrize("before", ["字", "a"])
def test_a_character_is_read_the_same_whether_or_not_the_prompt_also_has_disguises(before: str) -> None:
    """Text that needs no folding takes a faster way, whose table must not differ from the library's."""
    characters = (chr(code) for code in range(0x20, 0x10000) if not 0xD800 <= code < 0xE000)
    differing = [
        f"U+{ord(each):04X}"
        for each in characters
        if normalized(f"{before}{each}字") != normalized(f"{before}{each}字{ZERO_WIDTH}")
    ]
    assert differing == []


@pytest.mark.parametrize(
    ("prompt", "runs"),
    [
        ("裸 体", "裸体"),
        ("裸.体", "裸体"),
        ("裸、体", "裸体"),
        ("红色，气球", "红色 气球"),  # noqa: RUF001
        ("红色. 气球", "红色 气球"),
        ("红色 .气球", "红色气球"),
        ("裸，体", "裸体"),  # noqa: RUF001
        ("红色, 气, 球", "红色气球"),
        ("红色 3 气球", "红色 3 气球"),
        ("红色かな气球", "红色 かな 气球"),
        (", 红色", "红色"),
        ("cat, 猫", "cat 猫"),
    ],
)
def test_han_characters_that_signs_separate_are_one_run(prompt: str, runs: str) -> None:
    (reading,) = readings(prompt)
    assert reading.han == runs
