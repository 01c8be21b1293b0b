"""API requests that are rejected, with the expected status and error code.

Each differs from a valid request in one body, header, method, or parameter. events/ holds one sample per status for
`sam local invoke`; the other cases are here.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import Any, Final

from tests.support.expectations import Expectation
from tools.lambda_event import api_event


@dataclass(frozen=True)
class BadRequest:
    """An API event and the expected answer."""

    event: dict[str, Any]
    expected: Expectation


def _generate(
    status: int, code: str, body: object = b'{"prompt": "a red circle"}', headers: dict[str, str] | None = None
) -> BadRequest:
    """POST /generate. `body` is sent unchanged if it is bytes, as JSON otherwise."""
    return BadRequest(api_event(body, headers=headers or {}), Expectation("Generator", status, code))


def _api(
    status: int,
    code: str,
    method: str,
    path: str,
    body: object = b"",
    headers: dict[str, str] | None = None,
    **changes: Any,
) -> BadRequest:
    event = api_event(body, method=method, path=path, headers=headers or {}, **changes)
    return BadRequest(event, Expectation("Api", status, code))


def _submit(status: int, code: str, headers: dict[str, str] | None = None, **fields: object) -> BadRequest:
    return _api(status, code, "POST", "/jobs", {"prompt": "a red circle", **fields}, headers)


BAD_REQUESTS: Final[dict[str, BadRequest]] = {
    # JSON
    "empty body": _generate(400, "malformed_json", b""),
    "NaN": _generate(400, "malformed_json", b'{"prompt": "a red circle", "guidance_scale": NaN}'),
    "not UTF-8": _generate(400, "malformed_json", b'{"prompt": "\xff"}'),
    "not an object": _generate(400, "body_not_object", ["a red circle"]),
    "duplicate key": _generate(400, "duplicate_key", b'{"prompt": "a red circle", "seed": 1, "seed": 2}'),
    "number out of range": _generate(
        400, "number_out_of_range", b'{"prompt": "a red circle", "guidance_scale": 1e999}'
    ),
    "nested too deeply": _generate(400, "json_too_deep", b'{"metadata": ' + b"[" * 20 + b"]" * 20 + b"}"),
    # Headers
    "charset=latin-1": _generate(
        415,
        "unsupported_media_type",
        '{"prompt": "ein schöner Kreis"}'.encode("latin-1"),
        {"Content-Type": "application/json; charset=latin-1"},
    ),
    "Content-Encoding: gzip": _generate(
        415, "unsupported_media_type", gzip.compress(b'{"prompt": "a red circle"}'), {"Content-Encoding": "gzip"}
    ),
    # Fields
    "missing prompt": _generate(422, "missing_field", {"seed": 7}),
    "wrong type": _generate(422, "wrong_type", {"prompt": "a red circle", "seed": True}),
    "unknown field": _generate(422, "unknown_field", {"prompt": "a red circle", "safety_checker": False}),
    "warm-up through the API": _generate(422, "missing_field", {"warmup": True}),
    "size larger than the model's": _generate(422, "size_invalid", {"prompt": "a red circle", "height": 2048}),
    "no steps": _generate(422, "out_of_range", {"prompt": "a red circle", "num_inference_steps": 0}),
    "unknown scheduler": _generate(422, "unknown_scheduler", {"prompt": "a red circle", "scheduler": "none-such"}),
    "control character": _generate(422, "invalid_text", {"prompt": "a red\u0007 circle"}),
    "blank prompt": _generate(422, "prompt_empty", {"prompt": " \u200b\n "}),
    "prompt too long": _generate(422, "prompt_too_long", {"prompt": "circle " * 400}),
    # Jobs
    "DELETE /health": _api(405, "method_not_allowed", "DELETE", "/health"),
    "PUT /jobs": _api(405, "method_not_allowed", "PUT", "/jobs"),
    "limit above the maximum": _api(422, "out_of_range", "GET", "/jobs", queryStringParameters={"limit": "101"}),
    "forged cursor": _api(400, "invalid_cursor", "GET", "/jobs", queryStringParameters={"cursor": "forged"}),
    "malformed job ID": _api(
        404, "job_not_found", "GET", "/jobs/1", resource="/jobs/{job_id}", pathParameters={"job_id": "1"}
    ),
    "job of an invalid size": _submit(422, "size_invalid", width=7),
    "job of an unknown model": _submit(404, "model_not_found", model="none"),
    "idempotency key too long": _submit(400, "idempotency_key_invalid", {"Idempotency-Key": "k" * 256}),
    "webhook to an internal address": _submit(
        422, "url_not_allowed", webhook={"url": "https://169.254.169.254/latest/meta-data"}
    ),
}
