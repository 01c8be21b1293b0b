from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegen.errors import InvalidRequest
from imagegen.generation.request import MAX_SEED, GenerateRequest, WarmUpRequest


def codes(body: dict[str, Any]) -> dict[str, str]:
    """Error codes by field for an invalid body."""
    with pytest.raises(InvalidRequest) as caught:
        GenerateRequest.parse(body)
    return {error.field: error.code for error in caught.value.errors}


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"seed": -1}, {"seed": "out_of_range"}),
        ({"seed": MAX_SEED + 1}, {"seed": "out_of_range"}),
        ({"seed": 7.0}, {"seed": "wrong_type"}),
        ({"seed": "7"}, {"seed": "wrong_type"}),
        ({"seed": True}, {"seed": "wrong_type"}),
        ({"seed": None}, {"seed": "wrong_type"}),
        ({"guidance_scale": 30.1}, {"guidance_scale": "out_of_range"}),
        ({"guidance_scale": False}, {"guidance_scale": "wrong_type"}),
        ({"guidance_scale": float("nan")}, {"guidance_scale": "out_of_range"}),
        ({"num_inference_steps": 0}, {"num_inference_steps": "out_of_range"}),
        ({"num_inference_steps": 151}, {"num_inference_steps": "out_of_range"}),
        ({"num_images_per_prompt": 9}, {"num_images_per_prompt": "out_of_range"}),
        ({"width": 0}, {"width": "size_invalid"}),
        ({"width": 129}, {"width": "size_invalid"}),
        ({"height": 10**9}, {"height": "size_invalid"}),
        ({"height": "128"}, {"height": "wrong_type"}),
        ({"output_format": "gif"}, {"output_format": "out_of_range"}),
        ({"upscale": 3}, {"upscale": "out_of_range"}),
        ({"preview": 1}, {"preview": "wrong_type"}),
        ({"preview": "true"}, {"preview": "wrong_type"}),
        ({"preview": None}, {"preview": "wrong_type"}),
        ({"upscale": 0}, {"upscale": "out_of_range"}),
        ({"upscale": 2.0}, {"upscale": "wrong_type"}),
        ({"upscale": True}, {"upscale": "wrong_type"}),
        ({"upscale": "2"}, {"upscale": "wrong_type"}),
        ({"upscale": None}, {"upscale": "wrong_type"}),
        ({"background": "auto"}, {"background": "out_of_range"}),
        ({"background": None}, {"background": "wrong_type"}),
        ({"cache": "no"}, {"cache": "out_of_range"}),
        ({"metadata": {"a": 1}}, {"metadata.a": "wrong_type"}),
        ({"metadata": {"a": "x" * 513}}, {"metadata.a": "out_of_range"}),
        ({"metadata": {str(i): "" for i in range(17)}}, {"metadata": "out_of_range"}),
        ({"metadata": []}, {"metadata": "wrong_type"}),
        ({"metadata": {"a": "\ud800"}}, {"metadata.a": "invalid_text"}),
        ({"negative_prompt": "x" * 2001}, {"negative_prompt": "prompt_too_long"}),
        ({"negative_prompt": "\x00"}, {"negative_prompt": "invalid_text"}),
        ({"loras": []}, {"loras": "unknown_field"}),
        ({"webhook": {}}, {"webhook.url": "missing_field"}),
        ({"control": {}}, {"control": "unknown_field"}),
        ({"seed": -1, "width": 7, "x": 1}, {"seed": "out_of_range", "width": "size_invalid", "x": "unknown_field"}),
    ],
)
def test_each_invalid_field_is_named_with_its_code(fields: dict[str, Any], wrong: dict[str, str]) -> None:
    assert codes({"prompt": "a red circle", **fields}) == wrong


@pytest.mark.parametrize(
    ("prompt", "code"),
    [
        ("", "prompt_empty"),
        (" \n\t ", "prompt_empty"),
        ("\u200b\ufeff \u2060", "prompt_empty"),
        ("x" * 2001, "prompt_too_long"),
        ("a\x07b", "invalid_text"),
        ("a\x85b", "invalid_text"),
        ("\u202eabc", "invalid_text"),
        ("a\u2066b", "invalid_text"),
        ("\udfff", "invalid_text"),
        (5, "wrong_type"),
        (None, "wrong_type"),
    ],
)
def test_empty_prompts_and_hidden_characters_are_rejected(prompt: object, code: str) -> None:
    assert codes({"prompt": prompt}) == {"prompt": code}


def test_a_missing_prompt_is_named() -> None:
    assert codes({}) == {"prompt": "missing_field"}


def test_prompts_are_trimmed_and_keep_inner_format_characters() -> None:
    family = "👨\u200d👩\u200d👧 at\nhome"
    assert GenerateRequest.parse({"prompt": f"\u200b {family}\t"}).prompt == family
    assert len(GenerateRequest.parse({"prompt": " " + "x" * 2000 + " "}).prompt) == 2000


def test_no_message_repeats_the_input() -> None:
    with pytest.raises(InvalidRequest) as caught:
        GenerateRequest.parse({"prompt": ["canary-1"], "seed": "canary-2", "model": 3, "cache": "canary-3"})
    assert "canary" not in str(caught.value.problem(request_id="r"))


fields = st.sampled_from([*GenerateRequest.model_fields, "x"])
values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())


@given(st.dictionaries(fields, values))
def test_any_object_is_valid_or_rejected_with_fields(body: dict[str, Any]) -> None:
    try:
        GenerateRequest.parse(body)
    except InvalidRequest as error:
        assert error.errors
        assert all(each.field.split(".")[0] in {*GenerateRequest.model_fields, "x"} for each in error.errors)


def test_a_warm_up_request_is_exactly_true() -> None:
    assert WarmUpRequest.parse({"warmup": True, "model": "demo"}).model == "demo"
    for wrong in ({"warmup": 1}, {"warmup": "true"}, {"warmup": False}, {"warmup": True, "prompt": "x"}):
        with pytest.raises(InvalidRequest):
            WarmUpRequest.parse(wrong)
