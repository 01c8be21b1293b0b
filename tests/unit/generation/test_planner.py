"""From a request to a plan: defaults, limits, seed and backend."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from imagegen.catalog.features import features_of
from imagegen.catalog.image_models import ImageModels
from imagegen.catalog.registry import REGISTRY
from imagegen.errors import InvalidRequest, ModelNotFound
from imagegen.generation.edit import Picture
from imagegen.generation.planner import MAX_OUTPUT_SIZE, Plan, Planner
from imagegen.generation.ports import Backend
from imagegen.generation.request import MAX_SEED, GenerateRequest
from tests.support.scenes import picture, scene

OPENVINO = Backend("openvino", "cpu", "float32", "for tests")
TORCH = Backend("torch", "cpu", "float32", "for tests")
DEMO = REGISTRY["demo"]
PLANNER = Planner(ImageModels(REGISTRY, "demo"), OPENVINO)
SCENE = picture(scene())


def plan(planner: Planner = PLANNER, **body: Any) -> Plan:
    return planner.plan(GenerateRequest.parse({"prompt": "a circle", **body}))


def test_a_plan_has_model_specification_and_backend() -> None:
    found = plan(seed=7)
    assert (found.model.id, found.spec.model_id, found.backend) == ("demo", "demo", OPENVINO)
    assert (found.spec.width, found.spec.num_inference_steps, found.spec.seed) == (128, 10, 7)


def test_an_unknown_model_is_refused_with_those_on_offer() -> None:
    with pytest.raises(ModelNotFound) as refusal:
        plan(Planner(ImageModels({"demo": REGISTRY["demo"]}, "demo"), OPENVINO), model="sd-turbo")
    assert refusal.value.detail == "model must be one of demo."


@pytest.mark.parametrize("cache", ["use", "refresh", "off"])
def test_a_drawn_seed_is_fixed_in_the_request_and_never_looked_up(cache: str) -> None:
    """A new seed is not in the cache: looking for it would cost a HEAD per image, and a lease two writes."""
    found = plan(cache=cache)
    assert found.request.seed == found.spec.seed
    assert 0 <= found.spec.seed <= MAX_SEED
    assert found.request.cache == ("off" if cache == "off" else "refresh")
    assert len({plan(cache=cache).spec.seed for _ in range(4)}) > 1


@pytest.mark.parametrize("cache", ["use", "refresh", "off"])
def test_a_given_seed_keeps_the_callers_cache_setting(cache: str) -> None:
    found = plan(seed=0, cache=cache)
    assert (found.request.seed, found.spec.seed, found.request.cache) == (0, 0, cache)


def test_a_plan_of_the_stored_request_is_the_same() -> None:
    """A worker plans what the API has planned: the stored request has its seed."""
    first = plan(num_images_per_prompt=2)
    assert PLANNER.plan(first.request).spec == first.spec


def test_two_versions_of_a_model_have_their_own_plans_and_cache_keys() -> None:
    """A job is planned with its version, whatever its request means by now."""
    other = replace(DEMO, revision="0" * 64, defaults=replace(DEMO.defaults, num_inference_steps=4))
    request = GenerateRequest(prompt="a circle", seed=7)
    now, then = PLANNER.plan(request), PLANNER.plan(request, model=other)
    assert (now.model, then.model) == (DEMO, other)
    assert (now.spec.num_inference_steps, then.spec.num_inference_steps) == (10, 4)
    same = replace(then.spec, num_inference_steps=10)
    assert same.cache_key(engine="torch") != now.spec.cache_key(engine="torch")
    assert same.shape != now.spec.shape


def test_a_version_is_a_value_of_model() -> None:
    assert plan(model="demo@6cc6991b014f", seed=1).spec == plan(model="demo", seed=1).spec


@pytest.mark.parametrize("model_id", [None, "sd-turbo"])
def test_a_warm_up_runs_one_step_at_the_default_size(model_id: str | None) -> None:
    found = PLANNER.warm_up(model_id)
    defaults = REGISTRY[model_id or "demo"].defaults
    assert (found.spec.width, found.spec.height, found.spec.scheduler) == (
        defaults.width,
        defaults.height,
        defaults.scheduler,
    )
    assert (found.spec.num_inference_steps, found.spec.num_images_per_prompt) == (1, 1)


def test_a_warm_up_of_an_unknown_model_is_refused() -> None:
    with pytest.raises(ModelNotFound):
        PLANNER.warm_up("none")


def test_missing_fields_get_the_defaults_of_the_model() -> None:
    resolved = plan().spec
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
        plan(**fields)
    assert {error.field: error.code for error in caught.value.errors} == wrong


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"width": 64}, "width: must be a multiple of 8 from 120 to 144 for the model demo"),
        ({"height": 256}, "height: must be a multiple of 8 from 120 to 144 for the model demo"),
        ({"model": "sd-turbo", "width": 64}, "width: must be a multiple of 8 from 256 to 768 for the model sd-turbo"),
        ({"num_inference_steps": 101}, "num_inference_steps: must be from 1 to 100 for the model demo"),
        ({"scheduler": "none"}, f"scheduler: must be one of {', '.join(DEMO.schedulers)} for the model demo"),
    ],
)
def test_a_limit_is_stated_with_its_field_its_values_and_its_model(fields: dict[str, Any], detail: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        plan(**fields)
    assert caught.value.detail == detail


def codes(planner: Planner = PLANNER, **fields: Any) -> dict[str, str]:
    """Error codes by field of a request that is refused."""
    with pytest.raises(InvalidRequest) as caught:
        plan(planner, **fields)
    return {error.field: error.code for error in caught.value.errors}


def test_an_image_can_be_enlarged_and_its_background_removed() -> None:
    resolved = plan(upscale=4, background="transparent", output_format="webp").spec
    assert (resolved.upscale, resolved.background, resolved.output_size) == (4, "transparent", (512, 512))
    assert (plan().spec.upscale, plan().spec.background) == (1, "opaque")


def test_a_preview_is_not_part_of_the_specification() -> None:
    assert plan(preview=True, seed=7).spec == plan(seed=7).spec


def test_jpeg_has_no_transparency() -> None:
    with pytest.raises(InvalidRequest) as caught:
        plan(background="transparent", output_format="jpeg")
    assert caught.value.detail == ("background: must be opaque with output_format jpeg; png and webp have transparency")
    assert plan(background="opaque", output_format="jpeg")


@pytest.mark.parametrize(("upscale", "most"), [(4, 2), (2, 1)])
def test_an_enlarged_image_has_a_largest_side(upscale: int, most: int) -> None:
    """No model of the registry reaches it with factor 2; one that an owner adds may."""
    side = MAX_OUTPUT_SIZE // upscale + 8
    large = replace(DEMO, limits=replace(DEMO.limits, max_size=4096))
    planner = Planner(ImageModels({"demo": large}, "demo"), OPENVINO)
    with pytest.raises(InvalidRequest) as caught:
        plan(planner, width=side, upscale=upscale)
    assert caught.value.detail == f"upscale: must be at most {most} for {side} x 128, so that no side exceeds 4096"
    assert plan(planner, width=side - 8, upscale=upscale)


def test_a_deployment_without_openvino_offers_neither_and_says_why() -> None:
    torch_only = Planner(ImageModels(REGISTRY, "demo"), TORCH, features_of(["torch"]))
    assert codes(torch_only, upscale=2, background="transparent", width=2048) == {
        "width": "size_invalid",
        "upscale": "feature_not_available",
        "background": "feature_not_available",
    }
    assert plan(torch_only, upscale=1, background="opaque")
    with pytest.raises(InvalidRequest) as caught:
        plan(torch_only, upscale=2)
    assert caught.value.detail.startswith("upscale: is not available here: the feature upscale needs OpenVINO")


def test_torch_with_openvino_in_the_image_offers_both() -> None:
    assert plan(Planner(ImageModels(REGISTRY, "demo"), TORCH, features_of(["torch", "openvino"])), upscale=2)


def test_a_latent_consistency_model_ignores_the_negative_prompt() -> None:
    assert plan(model="lcm-dreamshaper-7", negative_prompt="b", guidance_scale=8.0).spec.negative_prompt == ""
    assert plan(negative_prompt="b", guidance_scale=8.0).spec.negative_prompt == "b"


# -- edits -------------------------------------------------------------------------------------------------------------


def edit_plan(image: Picture = SCENE, **body: Any) -> Plan:
    request = GenerateRequest.parse({"prompt": "a circle", "image": "its name", **body})
    return PLANNER.plan(request, (image, None))


def test_an_edit_has_strength_mode_and_the_pictures_size() -> None:
    spec = edit_plan(picture(scene((131, 123)))).spec
    assert spec.edit is not None
    assert (spec.strength, spec.edit.resize_mode, spec.width, spec.height) == (0.8, "crop", 128, 120)
    assert (spec.num_inference_steps, spec.steps_per_image) == (10, 8)


def test_a_size_that_is_given_is_the_outputs() -> None:
    spec = edit_plan(picture(scene((300, 200))), width=120, height=144).spec
    assert (spec.width, spec.height) == (120, 144)
    with pytest.raises(InvalidRequest) as caught:
        edit_plan(width=512)
    assert [(error.field, error.code) for error in caught.value.errors] == [("width", "size_invalid")]


@pytest.mark.parametrize(
    ("body", "least"),
    [
        ({"num_inference_steps": 10, "strength": 0.01}, "0.1"),
        ({"num_inference_steps": 10, "strength": 0.099}, "0.1"),
        ({"num_inference_steps": 9, "strength": 0.1}, "0.1112"),
        ({"num_inference_steps": 1}, "1"),
        ({"num_inference_steps": 8, "strength": 0.1, "model": "lcm-dreamshaper-7"}, "0.16"),
    ],
)
def test_a_strength_that_leaves_no_step_is_refused_with_the_least_one(body: dict[str, Any], least: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        edit_plan(**body)
    (error,) = caught.value.errors
    assert (error.field, error.code) == ("strength", "out_of_range")
    steps = body["num_inference_steps"]
    assert error.message == f"must be at least {least} with {steps} num_inference_steps, so that a step is left"
    assert edit_plan(**body | {"strength": float(least)}).spec.steps_per_image >= 1


@pytest.mark.parametrize(
    ("model", "strength", "least"),
    [("sd-turbo", 0.1, "0.125 with 8"), ("sdxl-turbo", 0.24, "0.25 with 4"), ("demo", 1e-310, "0.01 with 100")],
)
def test_without_steps_too_low_a_strength_is_at_fault_and_not_the_steps(
    model: str, strength: float, least: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        edit_plan(model=model, strength=strength)
    (error,) = caught.value.errors
    assert (error.field, error.code) == ("strength", "out_of_range")
    assert error.message == f"must be at least {least} num_inference_steps, so that a step is left"


@pytest.mark.parametrize(("strength", "steps"), [(None, 2), (1.0, 1), (0.5, 2), (0.3, 4)])
def test_a_default_of_few_steps_is_raised_until_the_strength_leaves_one(strength: float | None, steps: int) -> None:
    """sdxl-turbo's default is one step, of which a strength of 0.8 would leave none."""
    body: dict[str, Any] = {"strength": strength} if strength else {}
    assert edit_plan(model="sdxl-turbo", **body).spec.num_inference_steps == steps


@pytest.mark.parametrize(("field", "value"), [("strength", 0.5), ("resize_mode", "fit"), ("mask_image", "x")])
def test_fields_of_an_edit_need_an_image(field: str, value: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        plan(**{"seed": 7, field: value})
    (error,) = caught.value.errors
    assert (error.field, error.code) == ("image", "missing_field")
    assert error.message == f"is required with {field}; leave it out for a picture from text alone"


def test_an_image_is_never_ignored() -> None:
    with pytest.raises(TypeError):
        plan(image="its name")


def test_a_picture_from_text_needs_no_strength() -> None:
    """Whatever number of steps the model's limits allow: the strength of an edit does not bound them."""
    model = REGISTRY["lcm-dreamshaper-7"]
    many = replace(model, limits=replace(model.limits, max_steps=60))
    request = GenerateRequest.parse({"prompt": "a circle", "num_inference_steps": 60})
    assert Planner(ImageModels({many.id: many}, many.id), OPENVINO).plan(request).spec.num_inference_steps == 60
