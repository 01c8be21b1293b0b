"""Pictures in, through the handlers: on S3, with a fake engine that draws one color."""

from __future__ import annotations

import base64
import hashlib
import io
from typing import Any

import boto3
import numpy as np
import pytest
from PIL import Image

from imagegen.access import tenant
from imagegen.entrypoints import generator
from imagegen.pictures.uploads import new_id, object_key
from tests.support.job_handlers import JobHandlers, body
from tests.support.pictures import file
from tests.support.scenes import as_base64, damaged, mask, scene
from tools.lambda_event import Context

UPPER = mask((0, 0, 128, 64))
EDIT = {
    "prompt": "a red circle",
    "seed": 7,
    "image": as_base64(scene()),
    "mask_image": as_base64(UPPER),
    "strength": 0.5,
}
TENANT = tenant.of_api_key("key-of-alice")


def stored(handlers: JobHandlers, folder: str) -> dict[str, bytes]:
    """Return the objects in a folder of the bucket, by key."""
    s3, bucket = boto3.client("s3"), handlers.world.resources["Bucket"]
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=folder).get("Contents", [])
    return {each["Key"]: s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read() for each in listed}


def result(handlers: JobHandlers, **request: Any) -> dict[str, Any]:
    answer = handlers.call("POST", "/generate", EDIT | request)
    assert answer["statusCode"] == 200, answer["body"]
    return body(answer)


def picture_of(handlers: JobHandlers, sha256: str) -> Image.Image:
    """Return the stored file with this SHA-256."""
    files = [each for each in stored(handlers, "images/").values() if hashlib.sha256(each).hexdigest() == sha256]
    return Image.open(io.BytesIO(files[0]))


def test_what_the_mask_keeps_is_in_the_file_as_it_was_sent(handlers: JobHandlers) -> None:
    image = result(handlers)["images"][0]
    stored_file = picture_of(handlers, image["sha256"])
    pixels = np.asarray(stored_file)
    assert np.array_equal(pixels[64:], np.asarray(scene())[64:])
    assert (pixels[8:62, 8:] == (7, 0, 0)).all()  # what the engine draws with seed 7
    assert stored_file.info["strength"] == "0.5"
    assert image["pixels_sha256"] == hashlib.sha256(stored_file.tobytes()).hexdigest()


def test_formats_of_one_picture_have_equal_pixels(handlers: JobHandlers) -> None:
    images = [result(handlers, output_format=each)["images"][0] for each in ("png", "jpeg", "webp")]
    assert len({each["sha256"] for each in images}) == 3
    assert len({each["pixels_sha256"] for each in images}) == 1


def test_an_edit_is_cached_by_its_files(handlers: JobHandlers) -> None:
    assert not result(handlers)["cached"]
    assert result(handlers)["cached"]
    assert result(handlers, image="data:image/png;base64," + EDIT["image"])["cached"]  # type: ignore[operator]
    assert not result(handlers, image=as_base64(scene(square=(0, 0, 0))))["cached"]


def test_a_picture_of_another_size_gets_a_warning(handlers: JobHandlers) -> None:
    request = {"image": as_base64(scene((300, 200))), "mask_image": as_base64(mask((0, 0, 99, 99), (300, 200)))}
    found = result(handlers, **request)
    assert (found["images"][0]["width"], found["images"][0]["height"]) == (144, 120)
    assert found["warnings"] == ["image_resized: from 300 x 200 to 144 x 120 pixels (crop)"]
    assert found["images"][0]["pixels_sha256"] != result(handlers)["images"][0]["pixels_sha256"]


def test_progress_counts_the_steps_that_the_strength_leaves(handlers: JobHandlers) -> None:
    submitted = body(handlers.submit(EDIT | {"num_images_per_prompt": 2}))
    assert submitted["progress"]["of"] == 10
    handlers.run_queued_jobs()
    assert handlers.world.engine.steps == 10


def test_a_job_runs_after_its_upload_has_ended(handlers: JobHandlers) -> None:
    upload_id, s3 = new_id(), boto3.client("s3")
    where = {"Bucket": handlers.world.resources["Bucket"], "Key": object_key(TENANT, upload_id)}
    s3.put_object(**where, Body=file(scene(), "PNG"))
    job = body(handlers.submit(EDIT | {"image": upload_id}))
    s3.delete_object(**where)
    handlers.run_queued_jobs()
    ended = body(handlers.call("GET", f"/jobs/{job['id']}"))
    assert ended["status"] == "succeeded", ended["error"]
    assert ended["result"]["images"][0]["pixels_sha256"] == result(handlers)["images"][0]["pixels_sha256"]


def test_the_row_of_a_job_has_no_picture(handlers: JobHandlers) -> None:
    """An item of the table has at most 400 KB."""
    noise = np.random.default_rng(0).integers(0, 255, (1000, 1000, 3), dtype=np.uint8)
    sent = file(Image.fromarray(noise), "PNG")
    assert len(sent) > 2_000_000
    asked = {"prompt": "a red circle", "image": base64.b64encode(sent).decode()}
    answer = handlers.submit(asked)
    assert answer["statusCode"] == 202, answer["body"]
    assert list(stored(handlers, "inputs/")) == [f"inputs/{TENANT}/{hashlib.sha256(sent).hexdigest()}"]
    handlers.run_queued_jobs()
    assert body(handlers.call("GET", f"/jobs/{body(answer)['id']}"))["status"] == "succeeded"


def test_a_request_with_a_key_is_the_same_request_again(handlers: JobHandlers) -> None:
    headers = {"Idempotency-Key": "one"}
    first, second = (handlers.call("POST", "/generate", EDIT, headers=headers) for _ in range(2))
    assert body(first)["id"] == body(second)["id"]
    other = handlers.call("POST", "/generate", EDIT | {"image": as_base64(scene((64, 64)))}, headers=headers)
    assert other["statusCode"] == 422


@pytest.mark.parametrize(
    ("request_", "code", "field"),
    [
        ({"mask_image": as_base64(mask((0, 0, 0, 0)))}, "mask_empty", "mask_image"),
        ({"mask_image": as_base64(mask((0, 0, 8, 8), (64, 64)))}, "mask_size_mismatch", "mask_image"),
        ({"image": base64.b64encode(file(scene(), "PNG")[:-60]).decode()}, "image_invalid", "image"),
        ({"image": base64.b64encode(damaged(file(scene(), "PNG"))).decode()}, "image_invalid", "image"),
        ({"strength": 0.01, "num_inference_steps": 10}, "out_of_range", "strength"),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "a"}])
def test_a_bad_picture_is_refused_and_the_next_request_works(
    handlers: JobHandlers, headers: dict[str, str], request_: dict[str, Any], code: str, field: str
) -> None:
    answer = handlers.call("POST", "/generate", EDIT | request_, headers=headers)
    assert (answer["statusCode"], body(answer)["code"]) == (422, code)
    assert body(answer)["errors"][0]["field"] == field
    assert handlers.world.engines.loads == 0
    assert result(handlers)["status"] == "succeeded"


def test_what_only_decoding_shows_fails_the_job(handlers: JobHandlers) -> None:
    job = body(handlers.submit(EDIT | {"image": base64.b64encode(damaged(file(scene(), "PNG"))).decode()}))
    handlers.run_queued_jobs()
    ended = body(handlers.call("GET", f"/jobs/{job['id']}"))
    assert (ended["status"], ended["error"]["code"], ended["error"]["status"]) == ("failed", "image_invalid", 422)
    assert (ended["error"]["field"], ended["attempt"]) == ("image", 1)


def test_a_direct_invocation_takes_a_picture(handlers: JobHandlers) -> None:
    answer = generator.handler(EDIT, Context())
    assert answer["images"][0]["pixels_sha256"] == result(handlers)["images"][0]["pixels_sha256"]
    refused = generator.handler(EDIT | {"image": "/etc/passwd"}, Context())
    assert (refused["status"], refused["code"]) == (422, "image_invalid")
