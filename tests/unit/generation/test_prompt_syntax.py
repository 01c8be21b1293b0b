"""What prompts mean: weights, escapes, and what is only text."""

from __future__ import annotations

from itertools import groupby

import pytest

from imagegen.generation.prompt_syntax import MAX_WEIGHT, parse, text_of


def runs(text: str) -> list[tuple[str, float]]:
    """Return the parts of the prompt that have one weight, rounded to four digits."""
    prompt = parse(text)
    assert len(prompt.text) == len(prompt.weights)
    weighted = zip(prompt.text, prompt.weights, strict=True)
    parts = [(weight, list(part)) for weight, part in groupby(weighted, key=lambda each: each[1])]
    return [("".join(character for character, _ in part), round(weight, 4)) for weight, part in parts]


def codes(text: str) -> list[str]:
    return [warning.split(":")[0] for warning in parse(text).warnings]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a (red:1.3) circle", [("a ", 1), ("red", 1.3), (" circle", 1)]),
        ("(red)", [("red", 1.1)]),
        ("((red)) [blue]", [("red", 1.21), (" ", 1), ("blue", 0.9091)]),
        ("(a (b:1.2) c:1.5)", [("a ", 1.5), ("b", 1.8), (" c", 1.5)]),
        ("((a:1.5):0)", [("a", 0)]),
        ("(a: 1.2 ) (b:.5) (d:+1.5)", [("a", 1.2), (" ", 1), ("b", 0.5), (" ", 1), ("d", 1.5)]),
        ("a (c:1.) d", [("a c d", 1)]),
        ("([red:0.9)]", [("red", 0.8182)]),
        ("(red, a circle:1.3)", [("red, a circle", 1.3)]),
        ("(two\nlines:1.3)", [("two\nlines", 1.3)]),
        ("(赤い円:1.3)", [("赤い円", 1.3)]),
    ],
)  # fmt: skip
def test_brackets_weigh_words(text: str, expected: list[tuple[str, float]]) -> None:
    assert runs(text) == expected
    assert codes(text) == []


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("a red circle", "a red circle"),
        (r"smile \(x\) \[y\] \\", r"smile (x) [y] " + "\\"),
        (r"C:\new \_", r"C:\new \_"),
        ("a :) b", "a :) b"),
        ("(a:1.3", "(a:1.3"),
        ("a:1.3)", "a:1.3)"),
        ("][", "]["),
        ("12:30, ratio 16:9", "12:30, ratio 16:9"),
        ("<lora:style", "<lora:style"),
    ],
)
def test_anything_else_is_text(text: str, drawn: str) -> None:
    assert (parse(text).text, codes(text), parse(text).weighted) == (drawn, [], False)


@pytest.mark.parametrize(("text", "drawn"), [("()", ""), ("[]", ""), ("(:1.3)", ""), ("(a:)", "a:")])
def test_an_empty_group_draws_nothing(text: str, drawn: str) -> None:
    assert parse(text).text == drawn


@pytest.mark.parametrize(
    ("text", "drawn", "named"),
    [
        ("(red:2.5) circle", "red circle", "2.5"),
        ("(red:-1)", "red", "-1"),
        ("((((((((red))))))))", "red", "2.14359"),
        ("((red:1.9):1.9) (blue:9) (green:9)", "red blue green", "3.61, 9"),
        ("(red:" + "9" * 400 + ")", "red", "inf"),
        ("((red:" + "9" * 400 + "):0)", "red", "nan"),
    ],
)
def test_a_weight_out_of_range_is_dropped_and_named(text: str, drawn: str, named: str) -> None:
    prompt = parse(text)
    assert (prompt.text, prompt.weighted) == (drawn, False)
    assert prompt.warnings == (f"weight_ignored: weights are 0 to {MAX_WEIGHT:g}, not {named}",)


def test_a_warning_lists_ten_weights() -> None:
    (warning,) = parse(" ".join(f"(a:{weight})" for weight in range(3, 300))).warnings
    assert warning == "weight_ignored: weights are 0 to 2, not 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, ..."


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a circle <lora:style:0.8>", "tag_literal"),
        ("a circle <lora:style(v2):0.8>", "tag_literal"),
        ("a circle <lyco:x:1:0.5>", "tag_literal"),
        ("a circle BREAK a star", "break_literal"),
    ],
)
def test_what_belongs_elsewhere_is_text_with_a_warning(text: str, code: str) -> None:
    assert (parse(text).text, codes(text), parse(text).weighted) == (text, [code], False)


def test_break_is_a_word_of_its_own() -> None:
    assert codes("BREAKFAST, Break, break, a BREAKing_BREAK") == []


@pytest.mark.parametrize(
    ("text", "drawn", "weight"),
    [("[cat:dog:0.5]", "cat:dog", 1.0), ("[cat:0.5]", "cat", 1.0), ("[cat|dog]", "cat|dog", 1 / 1.1)],
)
def test_a_prompt_does_not_change_between_steps(text: str, drawn: str, weight: float) -> None:
    assert parse(text).text == drawn
    assert set(parse(text).weights) == {weight}
    assert codes(text) == ["editing_ignored"]


def test_warnings_do_not_repeat_the_prompt() -> None:
    text = "(canary:9) <lora:canary:0.8> BREAK [canary:canary:0.5]"
    warnings = parse(text).warnings
    assert len(warnings) == 4
    assert not any("canary" in warning for warning in warnings)


@pytest.mark.parametrize("text", ["(" * 2000, "(" * 1000 + ")" * 1000, ":1" * 1000, "[(" * 500 + ")]" * 500])
def test_hostile_nesting_is_read(text: str) -> None:
    assert len(parse(text).text) <= len(text)


@pytest.mark.parametrize(
    ("offsets", "weights"),
    [
        ([(0, 0), (0, 1), (2, 5), (0, 0)], [1, 1, 1.3, 1]),
        ([(0, 3)], [1.3]),  # weighted in part
        ([(2, 2)], [1]),
    ],
)
def test_a_token_has_the_weight_of_its_characters(offsets: list[tuple[int, int]], weights: list[float]) -> None:
    assert parse("a (red:1.3)").token_weights(offsets) == weights


@pytest.mark.parametrize(
    "prompt", ["", "a cat", "(a:1.2) cat", "a\\(b", "a:1.3 b", "<lora:x:1> BREAK", "[a|b]", "a\\b", ":)"]
)
def test_the_text_alone_is_that_of_the_parsed_prompt(prompt: str) -> None:
    assert text_of(prompt) == parse(prompt).text
