from __future__ import annotations

from typing import Any

import pytest

from imagegen.errors import IdempotencyKeyInvalid
from imagegen.generation.edit import Picture
from imagegen.generation.request import GenerateRequest
from imagegen.jobs.idempotency import IdempotencyFingerprint
from tests.support.plans import PLANNER

HOOK = {"url": "https://example.com/hook"}
PROMPT = {"prompt": "a red circle"}
DEFAULTS = {
    "negative_prompt": "",
    "model": "demo",
    "width": 128,
    "height": 128,
    "num_images_per_prompt": 1,
    "output_format": "png",
    "cache": "use",
    "metadata": {},
}


Files = tuple[bytes, bytes | None]
"""What an image and a mask are."""


def of(
    body: dict[str, Any], key: str | None = "canary", route: str = "/jobs", files: Files | None = None
) -> IdempotencyFingerprint | None:
    request = GenerateRequest.parse(body)
    image, mask = (Picture.of(each, (128, 128)) if each else None for each in files or (None, None))
    spec = PLANNER.plan(request, pictures=(image, mask) if image else None).spec
    return IdempotencyFingerprint.of(key, route, body, request, spec)


def same(first: dict[str, Any], second: dict[str, Any], *files: Files) -> bool:
    """Whether the second body counts as a repetition of the first."""
    stored, fingerprint = of(first, files=files[0] if files else None), of(second, files=files[-1] if files else None)
    assert stored is not None
    assert fingerprint is not None
    return fingerprint.matches(stored.body, stored.request)


def test_a_fingerprint_contains_neither_key_nor_body() -> None:
    assert "canary" not in str(of({"prompt": "canary"}))


def test_a_fingerprint_depends_on_the_route() -> None:
    jobs, generate = of(PROMPT), of(PROMPT, route="/generate")
    assert jobs is not None
    assert generate is not None
    assert not jobs.matches(generate.body, generate.request)


def test_a_request_without_a_key_has_no_fingerprint() -> None:
    assert of(PROMPT, key=None) is None


def test_an_empty_key_is_invalid() -> None:
    with pytest.raises(IdempotencyKeyInvalid):
        of(PROMPT, key="")


@pytest.mark.parametrize("field", DEFAULTS)
def test_a_default_that_is_spelled_out_is_the_same_request(field: str) -> None:
    assert same(PROMPT, PROMPT | {field: DEFAULTS[field]})
    assert same(PROMPT | DEFAULTS, PROMPT)


@pytest.mark.parametrize("field", ["num_inference_steps", "guidance_scale", "scheduler"])
def test_the_default_of_a_model_that_is_spelled_out_is_the_same_request(field: str) -> None:
    default = getattr(PLANNER.plan(GenerateRequest.parse(PROMPT)).spec, field)
    assert same(PROMPT, PROMPT | {field: default})


def test_the_quality_of_a_png_does_not_count() -> None:
    assert same(PROMPT, PROMPT | {"output_quality": 90})
    assert same(PROMPT | {"output_format": "jpeg"}, PROMPT | {"output_format": "jpeg", "output_quality": 90})


EDIT = PROMPT | {"image": "upload_1", "mask_image": "upload_2"}


def test_a_picture_that_was_uploaded_again_is_the_same() -> None:
    again = EDIT | {"image": "upload_3", "mask_image": "/9j="}
    assert same(EDIT, again, (b"photo", b"mask"), (b"photo", b"mask"))
    assert not same(EDIT, again, (b"photo", b"mask"), (b"another", b"mask"))
    assert not same(EDIT, again, (b"photo", b"mask"), (b"photo", b"another"))


def test_an_edit_without_its_mask_is_not_the_same() -> None:
    assert not same(EDIT, PROMPT | {"image": "upload_1"}, (b"photo", b"mask"), (b"photo", None))


@pytest.mark.parametrize(("field", "default", "other"), [("strength", 0.8, 0.5), ("resize_mode", "crop", "fit")])
def test_the_default_of_an_edit_that_is_spelled_out_is_the_same_request(
    field: str, default: object, other: object
) -> None:
    files = (b"photo", b"mask")
    assert same(EDIT, EDIT | {field: default}, files)
    assert not same(EDIT, EDIT | {field: other}, files)


@pytest.mark.parametrize("prompt", ["a red circle ", "\ta red circle\n", "\u200ba red circle"])
def test_what_is_trimmed_from_a_text_does_not_count(prompt: str) -> None:
    assert same(PROMPT, {"prompt": prompt})
    assert same(
        PROMPT | {"negative_prompt": "blue"}, PROMPT | {"negative_prompt": prompt.replace("a red circle", "blue")}
    )


def test_numbers_of_equal_value_and_the_order_of_keys_and_events_do_not_count() -> None:
    assert same(PROMPT | {"guidance_scale": 2}, {"guidance_scale": 2.0} | PROMPT)
    events = ["job.failed", "job.succeeded", "job.cancelled"]
    assert same(PROMPT | {"webhook": HOOK}, PROMPT | {"webhook": HOOK | {"events": events}})


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "a  red circle"}, {"seed": 7}, {"cache": "off"}, {"metadata": {"a": "1"}}, {"width": 144},
        {"negative_prompt": "blue"}, {"guidance_scale": 2.5}, {"output_format": "webp"}, {"webhook": HOOK},
        {"output_format": "jpeg", "output_quality": 50},
    ],
)  # fmt: skip
def test_a_different_request_is_not_the_same(change: dict[str, Any]) -> None:
    assert not same(PROMPT, PROMPT | change)
    assert not same(PROMPT | change, PROMPT)


def test_the_body_stored_by_version_0_1_0_is_recognized() -> None:
    stored = "f12219ca320116b1540e711d0704fd27bd410ce98cd5fe86aa1e1ea2863c1417"
    fingerprint = of(PROMPT | {"guidance_scale": 2.0, "seed": 7})
    assert fingerprint is not None
    assert fingerprint.matches(stored, None)
    assert not fingerprint.matches("0" * 64, None)


def test_a_changed_default_does_not_reject_the_repetition_of_a_body() -> None:
    fingerprint = of(PROMPT)
    assert fingerprint is not None
    assert fingerprint.matches(fingerprint.body, "of the request with another default")
