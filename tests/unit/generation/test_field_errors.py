"""Messages of invalid fields: every one is ours, says what is allowed, and names the way out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from pydantic import BaseModel

from imagegen.errors import InvalidRequest
from imagegen.generation.field_errors import FIELD_CODES
from imagegen.generation.request import GenerateRequest, WarmUpRequest, Webhook
from imagegen.problem_details import FieldError
from tests.support.library_messages import PHRASES, foreign_phrases

MODELS: Final[dict[type[BaseModel], dict[str, Any]]] = {
    GenerateRequest: {"prompt": "a red circle"},
    Webhook: {"url": "https://example.com/"},
    WarmUpRequest: {"warmup": True},
}
"""Each model with a minimal valid body."""
FIELDS: Final = [(model, field) for model in MODELS for field in model.model_fields]
BAD_VALUES: Final[list[Any]] = [
    None, True, False, -1, 10**12, 2.5, 1e300, float("nan"), "", "x" * 3000, "\ud800", "\x00", [], [None], ["x"] * 20,
    {}, {"a": 1}, {"a": None}, {"a": "x" * 513}, {"x" * 513: "a"}, {"\x00": "a"}, {str(i): "a" for i in range(17)},
    {"url": "http://example.com"}, {"url": "https://example.com", "events": ["none"]},
]  # fmt: skip
ALLOWED: Final = {
    "prompt": "a string of 1 to 2000 characters: what the image shows",
    "negative_prompt": "a string of at most 2000 characters: what the image must not show",
    "model": "a string: an id",
    "width": "an integer from 8 to 4096, a multiple of 8; leave width out for the model's default",
    "height": "an integer from 8 to 4096, a multiple of 8; leave height out for the model's default",
    "num_inference_steps": "an integer from 1 to 150; leave num_inference_steps out for the model's default",
    "guidance_scale": "a number from 0 to 30; leave guidance_scale out for the model's default",
    "num_images_per_prompt": "an integer from 1 to 8; leave num_images_per_prompt out for one image",
    "image": "a string: a picture to start from: an id from `POST /uploads`, or base64 of a PNG, JPEG or WebP file",
    "mask_image": "a string: a picture of the size of `image`, in the same forms: white is repainted, black is kept ",
    "strength": "a number above 0, at most 1; leave strength out for 0.8",
    "resize_mode": "one of crop, fit, stretch; leave resize_mode out for crop",
    "seed": "an integer from 0 to 4294967295; leave seed out for a random seed",
    "scheduler": "a string: an id from the model's list; leave scheduler out for the model's default",
    "output_format": "one of png, jpeg, webp; leave output_format out for png",
    "output_quality": "an integer from 1 to 100; leave output_quality out for 90 for jpeg and webp",
    "preview": "true or false; leave preview out for no previews",
    "upscale": "one of 1, 2, 4; leave upscale out for the size that was drawn",
    "background": "one of opaque, transparent; leave background out for an opaque background",
    "cache": "one of use, refresh, off; leave cache out for use",
    "metadata": "an object with at most 16 members, each a string of at most 512 characters",
    "webhook": "an object with the fields url, events; leave webhook out for no webhook",
    "url": "a string of at most 2048 characters: https, port 443 or 8443, a public host",
    "events": "a list of 1 to 3, each one of job.succeeded, job.failed, job.cancelled; leave events out for ",
    "warmup": "true",
    "hold_ms": "an integer from 0 to 5000; leave hold_ms out for an answer at once",
}


def errors_of(model: type[Any], body: dict[str, Any]) -> tuple[FieldError, ...]:
    try:
        model.parse(body)
    except InvalidRequest as error:
        return error.errors
    return ()


def errors_of_bad_values(model: type[BaseModel], field: str) -> Iterator[FieldError]:
    for value in BAD_VALUES:
        yield from errors_of(model, MODELS[model] | {field: value})


def test_the_phrases_include_pydantics_own() -> None:
    assert "Field required" in PHRASES
    assert "Extra inputs are not permitted" in PHRASES
    assert len(PHRASES) > 60


@pytest.mark.parametrize(("model", "field"), FIELDS)
def test_no_message_is_a_librarys(model: type[BaseModel], field: str) -> None:
    found = list(errors_of_bad_values(model, field))
    assert len({error.code for error in found}) >= 1
    assert {error.code for error in found} <= FIELD_CODES
    assert [error for error in found if foreign_phrases(error.message)] == []


@pytest.mark.parametrize(("model", "field"), FIELDS)
def test_a_value_of_the_wrong_type_or_range_gets_the_allowed_values(model: type[BaseModel], field: str) -> None:
    found = [error for error in errors_of_bad_values(model, field) if error.field == field]
    generic = [error.message for error in found if error.code in ("wrong_type", "out_of_range", "size_invalid")]
    assert generic
    assert all(ALLOWED[field] in message for message in generic)


@pytest.mark.parametrize(
    ("model", "field"), [each for each in FIELDS if not each[0].model_fields[each[1]].is_required()]
)
def test_every_optional_field_says_what_leaving_it_out_means(model: type[BaseModel], field: str) -> None:
    (error,) = errors_of(model, MODELS[model] | {field: None})
    assert error.message.startswith("must not be null; it must be ")
    assert f"; leave {field} out for " in error.message


@pytest.mark.parametrize("model", MODELS)
def test_an_unknown_field_gets_the_known_ones(model: type[BaseModel]) -> None:
    (error,) = errors_of(model, MODELS[model] | {"colour": "red"})
    assert error == FieldError(
        "colour", "unknown_field", f"is not a field of this request; the fields are {', '.join(model.model_fields)}"
    )


def test_a_missing_field_gets_what_it_must_be() -> None:
    (error,) = errors_of(GenerateRequest, {})
    assert error.message == "is required and must be a string of 1 to 2000 characters: what the image shows"


@pytest.mark.parametrize(
    ("metadata", "field", "code", "message"),
    [
        ({"a": 1}, "metadata.a", "wrong_type", "must be a string of at most 512 characters"),
        ({"width": "x" * 513}, "metadata.width", "out_of_range", "must be a string of at most 512 characters"),
        ({"[key]": 1}, "metadata.[key]", "wrong_type", "must be a string of at most 512 characters"),
        ({"k" * 513: ""}, f"metadata.{'k' * 55}", "out_of_range", "the key must be a string of at most 512 characters"),
    ],
)
def test_metadata_names_the_key(metadata: dict[str, Any], field: str, code: str, message: str) -> None:
    assert errors_of(GenerateRequest, {"prompt": "x", "metadata": metadata}) == (FieldError(field, code, message),)


def test_the_fields_of_a_webhook_are_named() -> None:
    (error,) = errors_of(GenerateRequest, {"prompt": "x", "webhook": {"url": "https://example.com", "secret": "s"}})
    assert error == FieldError(
        "webhook.secret", "unknown_field", "is not a field of this object; the fields are url, events"
    )
