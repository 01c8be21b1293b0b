from __future__ import annotations

import pytest

from imagegen.moderation.spellings import readings


def texts(prompt: str) -> list[str]:
    return [each.text for each in readings(prompt)]


def test_an_ordinary_prompt_is_read_once() -> None:
    assert texts("A lighthouse on a cliff, 8k, f/1.8") == ["a lighthouse on a cliff, 8k, f/1.8"]
    assert texts("海边的灯塔,8k") == ["海边的灯塔,8k"]


@pytest.mark.parametrize(
    ("prompt", "reading"),
    [
        ("RedHouse by theSea", "red house by the sea"),
        ("REDhouse", "red house"),
        ("\u202eesuoh der\u202c by the sea", "red house by the sea"),
        ("ǝsnoɥ pǝɹ", "red house"),
        ("pǝɹ ǝsnoɥ", "red house"),
        ("|\\|orth", "north"),
        ("卄口uㄚ", "卄口uㄚ"),
        ("几口尺丅卄", "north"),
        ("luo体", "裸体"),
        ("luǒ体", "裸体"),
        ("yin道", "淫道"),
    ],
)
def test_what_else_the_writing_may_mean_is_another_reading(prompt: str, reading: str) -> None:
    assert reading in texts(prompt)


@pytest.mark.parametrize("code", ["B00B-135", "P0R-N5", "SEX-7000", "S3X 1E5", "T1T-500"])
def test_codes_in_capitals_are_no_words(code: str) -> None:
    assert texts(f"part {code} on a shelf") == ["part code on a shelf"]


@pytest.mark.parametrize("text", ["P0RN", "p0r-n5", "N-U-D-E", "S3X", "N4K3D, 8K", "P0RN-STAR", "P0RN 4K"])
def test_letters_and_digits_that_are_no_code_stay(text: str) -> None:
    assert texts(text)[0] == text.casefold()
