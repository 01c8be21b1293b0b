"""The cache key and the seeds of a resolved generation."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from imagegen.catalog.auxiliary import BACKGROUND, UPSCALER, AuxiliaryNetwork
from imagegen.generation.edit import Edit
from imagegen.generation.request import MAX_SEED
from imagegen.generation.spec import GenerationSpec
from tests.support import plans
from tests.support.scenes import BLUE, circle, mask, picture

ENVIRONMENT: dict[str, str | bool] = {"engine": "torch", "precision": "float32", "embed_prompt": True}


def spec(**fields: Any) -> GenerationSpec:
    return plans.spec(**{"seed": 7, **fields})


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "a blue circle"}, {"negative_prompt": "x"}, {"model_id": "x"}, {"revision": "2"}, {"width": 64},
        {"height": 64}, {"num_inference_steps": 3}, {"guidance_scale": 2.0}, {"num_images_per_prompt": 2}, {"seed": 8},
        {"scheduler": "euler"}, {"output_format": "webp"}, {"output_quality": 50}, {"upscale": 2},
        {"background": "transparent"},
    ],
)  # fmt: skip
def test_the_cache_key_depends_on_everything_that_changes_the_bytes(change: dict[str, Any]) -> None:
    one = spec()
    other = dataclasses.replace(one, **change)
    assert one.cache_key(**ENVIRONMENT) != other.cache_key(**ENVIRONMENT)


@pytest.mark.parametrize(
    "change",
    [
        {"image": picture(circle(BLUE))},
        {"mask": picture(mask((0, 0, 9, 9)))},
        {"strength": 0.6},
        {"resize_mode": "fit"},
    ],
)
def test_the_cache_key_depends_on_every_part_of_an_edit(change: dict[str, Any]) -> None:
    edit = Edit(picture(circle()), 0.5, "crop", picture(mask((0, 0, 8, 8))))
    keys = {
        dataclasses.replace(spec(), edit=each).cache_key(**ENVIRONMENT)
        for each in (None, edit, dataclasses.replace(edit, **change))
    }
    assert len(keys) == 3


def test_an_edit_of_the_same_files_has_the_same_key() -> None:
    one, other = (dataclasses.replace(spec(), edit=Edit(picture(circle()), 1, "crop")) for _ in range(2))
    assert one.canvas is not None  # decoded pixels are no part of it
    assert one == other
    assert one.cache_key(**ENVIRONMENT) == other.cache_key(**ENVIRONMENT)
    assert "pixels" not in repr(one)


@pytest.mark.parametrize(
    ("fields", "stored"),
    [
        ({"prompt": "a red circle"}, "6eb5569ce17db30bb1982a2f361af2e33eb2664c2a4b003c972976de93518323"),
        (
            {"prompt": "a red circle", "output_format": "jpeg"},
            "4784f69e33b509dbea17f56bfbfaa19d2ac2ba95d767e65742696ab970983f5e",
        ),
        (
            {"prompt": "a red circle", "guidance_scale": 2, "negative_prompt": "blur, (16:9"},
            "1e510d6c79302945443d02901a3055c3511d3dad5fdf389c41c4d388401a4fa5",
        ),
    ],
)
def test_the_cache_keys_of_stored_images_stay_valid(fields: dict[str, Any], stored: str) -> None:
    """Keys that earlier versions wrote. Another one makes every stored image unfindable: see CACHE_KEY_VERSION."""
    assert spec(**fields).cache_key(**ENVIRONMENT) == stored


@pytest.mark.parametrize(
    ("fields", "change", "marked"),
    [
        ({"prompt": "a (red:1.3) circle"}, {"prompt": "a red circle"}, "prompt_syntax"),
        ({"prompt": r"a red \( circle"}, {"prompt": "a red ( circle"}, "prompt_syntax"),
        ({"width": 768, "height": 768}, {"width": 512, "height": 512}, "decoded_in_tiles"),
        ({"width": 520, "height": 512}, {"width": 512, "height": 512}, "decoded_in_tiles"),
    ],
)
def test_what_is_drawn_differently_than_before_has_another_key(
    fields: dict[str, Any], change: dict[str, Any], marked: str
) -> None:
    drawn = dataclasses.replace(spec(), **fields)
    assert marked in drawn._key()
    assert marked not in dataclasses.replace(drawn, **change)._key()


def test_the_cache_key_covers_every_field_and_the_environment() -> None:
    tested = 16
    assert len(dataclasses.fields(GenerationSpec)) == tested, "add a case for the new field to the test above"
    one = spec()
    keys = {
        one.cache_key(engine=engine, precision=precision, embed_prompt=embed)
        for engine in ("torch", "openvino")
        for precision in ("float32", "float16")
        for embed in (True, False)
    }
    assert len(keys) == 8


def test_the_cache_key_ignores_what_does_not_change_the_bytes() -> None:
    plain = spec(guidance_scale=1).cache_key(**ENVIRONMENT)
    assert spec(guidance_scale=1.0, cache="refresh", metadata={"a": "b"}).cache_key(**ENVIRONMENT) == plain
    assert spec(width=128, scheduler="ddim", guidance_scale=1).cache_key(**ENVIRONMENT) == plain
    assert spec(guidance_scale=1, negative_prompt="unused without guidance").cache_key(**ENVIRONMENT) == plain


@pytest.mark.parametrize(
    ("network", "changed"), [(UPSCALER, {"upscale": 2}), (BACKGROUND, {"background": "transparent"})]
)
def test_another_revision_of_an_auxiliary_network_concerns_only_the_images_that_it_changed(
    monkeypatch: pytest.MonkeyPatch, network: AuxiliaryNetwork, changed: dict[str, Any]
) -> None:
    plain, processed = spec(), spec(**changed)
    keys = plain.cache_key(**ENVIRONMENT), processed.cache_key(**ENVIRONMENT)
    monkeypatch.setattr(AuxiliaryNetwork, "revision", "another")
    assert plain.cache_key(**ENVIRONMENT) == keys[0]
    assert processed.cache_key(**ENVIRONMENT) != keys[1]


def test_the_file_is_as_many_times_larger_as_asked() -> None:
    assert [spec(width=144, upscale=factor).output_size for factor in (1, 2, 4)] == [(144, 128), (288, 256), (576, 512)]


@pytest.mark.parametrize(
    ("fields", "quality"),
    [
        ({}, None), ({"output_quality": 50}, None), ({"output_format": "jpeg"}, 90),
        ({"output_format": "webp", "output_quality": 50}, 50),
    ],
)  # fmt: skip
def test_quality_is_that_of_a_lossy_format(fields: dict[str, Any], quality: int | None) -> None:
    assert spec(**fields).output_quality == quality


def test_a_quality_without_effect_leaves_the_cache_key() -> None:
    assert spec(output_quality=50).cache_key(**ENVIRONMENT) == spec().cache_key(**ENVIRONMENT)


def test_warnings_about_syntax_name_the_field() -> None:
    warned = spec(prompt="(red:9)", negative_prompt="BREAK", guidance_scale=2)
    assert warned.syntax_warnings() == [
        "prompt_weight_ignored: weights are 0 to 2, not 9",
        "negative_prompt_break_literal: BREAK is read as text",
    ]


def test_tokens_are_counted_without_the_syntax() -> None:
    assert spec(prompt="a (red:1.3) circle").truncation_warnings(len, len("a red circle")) == []


def test_seeds_of_further_images_wrap_around() -> None:
    last = dataclasses.replace(spec(), seed=MAX_SEED)
    assert [last.seed_of(index) for index in range(3)] == [MAX_SEED, 0, 1]
