from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegen.catalog.registry import REGISTRY
from imagegen.errors import InvalidRequest
from imagegen.generation.planner import resolve
from imagegen.generation.request import MAX_SEED, GenerateRequest, WarmUpRequest
from imagegen.generation.spec import GenerationSpec

DEMO = REGISTRY["demo"]
ENVIRONMENT: dict[str, str | bool] = {"engine": "torch", "precision": "float32", "embed_prompt": True}


def codes(body: dict[str, Any]) -> dict[str, str]:
    """Error codes by field for an invalid body."""
    with pytest.raises(InvalidRequest) as caught:
        GenerateRequest.parse(body)
    return {error.field: error.code for error in caught.value.errors}


def generation(**fields: Any) -> GenerationSpec:
    return resolve(GenerateRequest.parse({"prompt": "a red circle", **fields}), DEMO, seed=fields.get("seed", 7))


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
    assert "canary" not in str(caught.value.problem(instance="/generate", request_id="r"))


fields = st.sampled_from([*GenerateRequest.model_fields, "x"])
values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())


@given(st.dictionaries(fields, values))
def test_any_object_is_valid_or_rejected_with_fields(body: dict[str, Any]) -> None:
    try:
        GenerateRequest.parse(body)
    except InvalidRequest as error:
        assert error.errors
        assert all(each.field.split(".")[0] in {*GenerateRequest.model_fields, "x"} for each in error.errors)


def test_missing_fields_get_the_defaults_of_the_model() -> None:
    resolved = generation()
    assert (resolved.width, resolved.height, resolved.num_inference_steps) == (
        128,
        128,
        DEMO.defaults.num_inference_steps,
    )
    assert (resolved.scheduler, resolved.guidance_scale) == (DEMO.defaults.scheduler, DEMO.defaults.guidance_scale)
    assert resolved.output_format == "png"


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"width": 2048}, {"width": "size_invalid"}),
        ({"width": 8, "height": 8}, {"width": "size_invalid", "height": "size_invalid"}),
        ({"num_inference_steps": 150}, {"num_inference_steps": "out_of_range"}),
        ({"scheduler": ""}, {"scheduler": "unknown_scheduler"}),
        ({"scheduler": "DDIMScheduler", "width": 4096}, {"scheduler": "unknown_scheduler", "width": "size_invalid"}),
    ],
)
def test_all_limits_of_the_model_are_checked_together(fields: dict[str, Any], wrong: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        generation(**fields)
    assert {error.field: error.code for error in caught.value.errors} == wrong


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "a blue circle"}, {"negative_prompt": "x"}, {"model_id": "x"}, {"revision": "2"}, {"width": 64},
        {"height": 64}, {"num_inference_steps": 3}, {"guidance_scale": 2.0}, {"num_images_per_prompt": 2}, {"seed": 8},
        {"scheduler": "euler"}, {"output_format": "webp"},
    ],
)  # fmt: skip
def test_the_cache_key_depends_on_everything_that_changes_the_bytes(change: dict[str, Any]) -> None:
    one = generation()
    other = dataclasses.replace(one, **change)
    assert one.cache_key(**ENVIRONMENT) != other.cache_key(**ENVIRONMENT)


def test_the_cache_key_covers_every_field_and_the_environment() -> None:
    tested = 12
    assert len(dataclasses.fields(GenerationSpec)) == tested, "add a case for the new field to the test above"
    one = generation()
    keys = {
        one.cache_key(engine=engine, precision=precision, embed_prompt=embed)
        for engine in ("torch", "openvino")
        for precision in ("float32", "float16")
        for embed in (True, False)
    }
    assert len(keys) == 8


def test_the_cache_key_ignores_what_does_not_change_the_bytes() -> None:
    plain = generation(guidance_scale=1).cache_key(**ENVIRONMENT)
    assert generation(guidance_scale=1.0, cache="refresh", metadata={"a": "b"}).cache_key(**ENVIRONMENT) == plain
    assert generation(width=128, scheduler="ddim", guidance_scale=1).cache_key(**ENVIRONMENT) == plain
    assert generation(guidance_scale=1, negative_prompt="unused without guidance").cache_key(**ENVIRONMENT) == plain


def test_seeds_of_further_images_wrap_around() -> None:
    last = dataclasses.replace(generation(), seed=MAX_SEED)
    assert [last.seed_of(index) for index in range(3)] == [MAX_SEED, 0, 1]


def test_a_warm_up_request_is_exactly_true() -> None:
    assert WarmUpRequest.parse({"warmup": True, "model": "demo"}).model == "demo"
    for wrong in ({"warmup": 1}, {"warmup": "true"}, {"warmup": False}, {"warmup": True, "prompt": "x"}):
        with pytest.raises(InvalidRequest):
            WarmUpRequest.parse(wrong)
