"""API requests that are rejected, with the expected status and error code.

Each differs from a valid request in one body, header, method, or parameter. events/ holds one sample per status for
`sam local invoke`; the other cases are here.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import Any, Final

from tests.support.expectations import Expectation
from tests.support.scenes import as_base64, mask, scene
from tools.lambda_event import api_event


@dataclass(frozen=True)
class BadRequest:
    """An API event, the expected answer, and the fields, headers or parameters that its `errors` name."""

    event: dict[str, Any]
    expected: Expectation
    fields: tuple[str, ...] = ()


PICTURE: Final = as_base64(scene((16, 16)))
SMALL_MASK: Final = as_base64(mask((0, 0, 8, 8), (8, 8)))


def _generate(
    status: int,
    code: str,
    body: object = b'{"prompt": "a red circle"}',
    headers: dict[str, str] | None = None,
    fields: tuple[str, ...] = (),
    **changes: Any,
) -> BadRequest:
    """POST /generate. `body` is sent unchanged if it is bytes, as JSON otherwise."""
    event = api_event(body, headers=headers or {}, **changes)
    return BadRequest(event, Expectation("Generator", status, code), fields)


def _api(
    status: int,
    code: str,
    method: str,
    path: str,
    body: object = b"",
    headers: dict[str, str] | None = None,
    fields: tuple[str, ...] = (),
    **changes: Any,
) -> BadRequest:
    event = api_event(body, method=method, path=path, headers=headers or {}, **changes)
    return BadRequest(event, Expectation("Api", status, code), fields)


def _generator(
    status: int,
    code: str,
    method: str,
    path: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    fields: tuple[str, ...] = (),
) -> BadRequest:
    event = api_event(body, method=method, path=path, headers=headers or {})
    return BadRequest(event, Expectation("Generator", status, code), fields)


def _verify(
    status: int,
    code: str,
    body: bytes,
    content_type: str = "multipart/form-data; boundary=b",
    fields: tuple[str, ...] = (),
) -> BadRequest:
    return _generator(status, code, "POST", "/verify", body, {"Content-Type": content_type}, fields)


def _form(file: bytes) -> bytes:
    return b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + file + b"\r\n--b--\r\n"


def _submit(status: int, code: str, field: str, headers: dict[str, str] | None = None, **request: object) -> BadRequest:
    return _api(status, code, "POST", "/jobs", {"prompt": "a red circle", **request}, headers, (field,))


def _list(status: int, code: str, /, *fields: str, **query: str | list[str]) -> BadRequest:
    """GET /jobs. A list is a repeated parameter."""
    lines = {name: [value] if isinstance(value, str) else value for name, value in query.items()}
    parameters: dict[str, Any] = {
        "queryStringParameters": {name: values[-1] for name, values in lines.items()},
        "multiValueQueryStringParameters": lines,
    }
    return _api(status, code, "GET", "/jobs", fields=fields, **parameters)


_QUERY: Final[dict[str, Any]] = {
    "queryStringParameters": {"seed": "7"},
    "multiValueQueryStringParameters": {"seed": ["7"]},
}
_ONE: Final[dict[str, Any]] = {"resource": "/jobs/{job_id}", "pathParameters": {"job_id": "1"}}

BAD_REQUESTS: Final[dict[str, BadRequest]] = {
    # JSON
    "empty body": _generate(400, "malformed_json", b""),
    "NaN": _generate(
        400, "malformed_json", b'{"prompt": "a red circle", "guidance_scale": NaN}', fields=("guidance_scale",)
    ),
    "not UTF-8": _generate(400, "malformed_json", b'{"prompt": "\xff"}'),
    "single quotes": _generate(400, "malformed_json", b"{'prompt': 'a red circle'}"),
    "a trailing comma": _generate(400, "malformed_json", b'{"prompt": "a red circle",}'),
    "a truncated body": _generate(400, "malformed_json", b'{"prompt": "a red circle"'),
    "a form": _generate(400, "malformed_json", b"prompt=a+red+circle"),
    "two byte order marks": _generate(400, "malformed_json", b"\xef\xbb\xbf" * 2 + b'{"prompt": "a red circle"}'),
    "not an object": _generate(400, "body_not_object", ["a red circle"]),
    "duplicate key": _generate(
        400, "duplicate_key", b'{"prompt": "a red circle", "seed": 1, "seed": 2}', fields=("seed",)
    ),
    "number out of range": _generate(
        400,
        "number_out_of_range",
        b'{"prompt": "a red circle", "guidance_scale": 1e999}',
        fields=("guidance_scale",),
    ),
    "nested too deeply": _generate(400, "json_too_deep", b'{"metadata": ' + b"[" * 20 + b"]" * 20 + b"}"),
    "more than 1 MiB beside pictures": _generate(413, "payload_too_large", {"prompt": "x y" * 400_000}),
    "larger than 4.5 MB": _generate(413, "payload_too_large", {"prompt": "x" * 4_500_000}),
    # Headers
    "charset=latin-1": _generate(
        415,
        "unsupported_media_type",
        '{"prompt": "ein schöner Kreis"}'.encode("latin-1"),
        {"Content-Type": "application/json; charset=latin-1"},
        ("Content-Type",),
    ),
    "Content-Type: text/plain": _generate(
        415, "unsupported_media_type", headers={"Content-Type": "text/plain"}, fields=("Content-Type",)
    ),
    "Content-Encoding: gzip": _generate(
        415,
        "unsupported_media_type",
        gzip.compress(b'{"prompt": "a red circle"}'),
        {"Content-Encoding": "gzip"},
        ("Content-Encoding",),
    ),
    "Accept: text/html": _generate(406, "not_acceptable", headers={"Accept": "text/html"}, fields=("Accept",)),
    "Accept: image/png for two images": _generate(
        406,
        "not_acceptable",
        {"prompt": "a red circle", "num_images_per_prompt": 2},
        {"Accept": "image/png"},
        ("Accept",),
    ),
    "Accept: image/png for a jpeg": _generate(
        406, "not_acceptable", {"prompt": "a red circle", "output_format": "jpeg"}, {"Accept": "image/png"}, ("Accept",)
    ),
    # Query parameters
    "a query parameter of POST /generate": _generate(422, "unknown_field", fields=("seed",), **_QUERY),
    "a query parameter of POST /jobs": _api(
        422, "unknown_field", "POST", "/jobs", {"prompt": "a red circle"}, fields=("seed",), **_QUERY
    ),
    "a query parameter of GET /models": _api(422, "unknown_field", "GET", "/models", fields=("seed",), **_QUERY),
    "a query parameter of GET /jobs/{id}": _api(
        422, "unknown_field", "GET", "/jobs/1", fields=("seed",), **_QUERY, **_ONE
    ),
    "a query parameter of DELETE /jobs/{id}": _api(
        422, "unknown_field", "DELETE", "/jobs/1", fields=("seed",), **_QUERY, **_ONE
    ),
    "a query parameter of POST /jobs/{id}/cancel": _api(
        422,
        "unknown_field",
        "POST",
        "/jobs/1/cancel",
        fields=("seed",),
        **_QUERY,
        **_ONE | {"resource": "/jobs/{job_id}/cancel"},
    ),
    "misspelled parameters": _list(422, "unknown_field", "Limit", "page", Limit="5", page="2", limit="5"),
    "a repeated limit": _list(400, "duplicate_key", "limit", limit=["1", "2"]),
    "the same status twice": _list(400, "duplicate_key", "status", status=["failed", "failed"]),
    "limit above the maximum": _list(422, "out_of_range", "limit", limit="101"),
    "an empty limit": _list(422, "out_of_range", "limit", limit=""),
    "an unknown status": _list(422, "out_of_range", "status", status="done"),
    "forged cursor": _list(400, "invalid_cursor", "cursor", cursor="forged"),
    # Fields
    "missing prompt": _generate(422, "missing_field", {"seed": 7}, fields=("prompt",)),
    "wrong type": _generate(422, "wrong_type", {"prompt": "a red circle", "seed": True}, fields=("seed",)),
    "seed of -1": _generate(422, "out_of_range", {"prompt": "a red circle", "seed": -1}, fields=("seed",)),
    "unknown field": _generate(
        422, "unknown_field", {"prompt": "a red circle", "safety_checker": False}, fields=("safety_checker",)
    ),
    "warm-up through the API": _generate(422, "missing_field", {"warmup": True}, fields=("prompt", "warmup")),
    "size larger than the model's": _generate(
        422, "size_invalid", {"prompt": "a red circle", "height": 2048}, fields=("height",)
    ),
    "size smaller than the model's": _generate(
        422, "size_invalid", {"prompt": "a red circle", "width": 64}, fields=("width",)
    ),
    "no steps": _generate(
        422, "out_of_range", {"prompt": "a red circle", "num_inference_steps": 0}, fields=("num_inference_steps",)
    ),
    "unknown model": _generate(404, "model_not_found", {"prompt": "a red circle", "model": "none"}, fields=("model",)),
    "unknown scheduler": _generate(
        422, "unknown_scheduler", {"prompt": "a red circle", "scheduler": "none-such"}, fields=("scheduler",)
    ),
    "upscale of 3": _generate(422, "out_of_range", {"prompt": "a red circle", "upscale": 3}, fields=("upscale",)),
    "preview of 1": _generate(422, "wrong_type", {"prompt": "a red circle", "preview": 1}, fields=("preview",)),
    "upscale of 2.0": _generate(422, "wrong_type", {"prompt": "a red circle", "upscale": 2.0}, fields=("upscale",)),
    "a transparent JPEG": _generate(
        422,
        "out_of_range",
        {"prompt": "a red circle", "background": "transparent", "output_format": "jpeg"},
        fields=("background",),
    ),
    "control character": _generate(422, "invalid_text", {"prompt": "a red\u0007 circle"}, fields=("prompt",)),
    "blank prompt": _generate(422, "prompt_empty", {"prompt": " \u200b\n "}, fields=("prompt",)),
    "prompt too long": _generate(422, "prompt_too_long", {"prompt": "circle " * 400}, fields=("prompt",)),
    # Edits
    "strength without an image": _generate(
        422, "missing_field", {"prompt": "a red circle", "strength": 0.5}, fields=("image",)
    ),
    "no strength": _generate(
        422, "out_of_range", {"prompt": "a red circle", "image": PICTURE, "strength": 0}, fields=("strength",)
    ),
    "a strength that leaves no step": _generate(
        422,
        "out_of_range",
        {"prompt": "a red circle", "image": PICTURE, "strength": 0.05, "num_inference_steps": 10},
        fields=("strength",),
    ),
    "an image that is a URL": _generate(
        422, "image_invalid", {"prompt": "a red circle", "image": "https://example.com/a.png"}, fields=("image",)
    ),
    "a mask that is no picture": _submit(422, "image_invalid", "mask_image", image=PICTURE, mask_image="aGVsbG8="),
    "a mask of another size": _submit(422, "mask_size_mismatch", "mask_image", image=PICTURE, mask_image=SMALL_MASK),
    "an unknown upload": _submit(404, "upload_not_found", "image", image="upload_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
    # Uploads
    "an upload without a type": _api(422, "missing_field", "POST", "/uploads", {}, fields=("content_type",)),
    "an upload of a GIF": _api(
        422, "out_of_range", "POST", "/uploads", {"content_type": "image/gif"}, fields=("content_type",)
    ),
    "an upload of a JPEG with parameters": _api(
        422, "out_of_range", "POST", "/uploads", {"content_type": "image/jpeg;q=1"}, fields=("content_type",)
    ),
    "GET /uploads": _api(405, "method_not_allowed", "GET", "/uploads"),
    # Verification
    "a form without a file": _verify(422, "missing_field", b"--b--\r\n", fields=("file",)),
    "a form that breaks off": _verify(400, "malformed_form", b"--b\r\nContent-Disposition: form-data"),
    "a file that is no picture": _verify(422, "image_invalid", _form(b"hello"), fields=("file",)),
    "a GIF to verify": _verify(415, "image_format_unsupported", _form(b"GIF89a"), fields=("file",)),
    "JSON instead of a form": _verify(415, "unsupported_media_type", b"{}", "application/json", ("Content-Type",)),
    "GET /verify": _generator(405, "method_not_allowed", "GET", "/verify"),
    # Jobs
    "DELETE /health": _api(405, "method_not_allowed", "DELETE", "/health"),
    "PUT /jobs": _api(405, "method_not_allowed", "PUT", "/jobs"),
    "malformed job ID": _api(404, "job_not_found", "GET", "/jobs/1", **_ONE),
    "job of an invalid size": _submit(422, "size_invalid", "width", width=7),
    "job of an unknown model": _submit(404, "model_not_found", "model", model="none"),
    "idempotency key too long": _submit(
        400, "idempotency_key_invalid", "Idempotency-Key", {"Idempotency-Key": "k" * 256}
    ),
    "webhook with http": _submit(422, "url_not_allowed", "webhook.url", webhook={"url": "http://example.com/"}),
    "webhook to an internal address": _submit(
        422, "url_not_allowed", "webhook.url", webhook={"url": "https://169.254.169.254/latest/meta-data"}
    ),
}
