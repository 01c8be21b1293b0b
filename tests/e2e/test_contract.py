"""The HTTP contract, end to end: gateway, function, bucket and presigned URL.

The same tests run against a deployed stack: BASE_URL=... API_KEY=... pytest tests/e2e
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.e2e.conftest import small_request
from tests.support.openapi_contract import check_response
from tools.local.client import ApiError, Client, check_image
from tools.local.endpoint import Endpoint

PROBLEM = "application/problem+json"
OPEN_ROUTES = ["/health", "/openapi.json", "/docs"]
CLOSED_ROUTES = [
    ("POST", "/generate"), ("GET", "/models"), ("POST", "/jobs"), ("GET", "/jobs/1"), ("GET", "/me"), ("POST", "/keys"),
    ("POST", "/uploads"), ("POST", "/verify"), ("DELETE", "/keys/1"), ("POST", "/keys/1/rotate"),
]  # fmt: skip


class Caller:
    """Sends requests without the API key; tests that need it pass `headers=call.key`."""

    def __init__(self, stack: Endpoint):
        self.stack = stack
        self.key = {"x-api-key": stack.api_key}

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        hooks = {"response": check_response(self.stack.base_url)}
        return requests.request(method, self.stack.base_url + path, timeout=60, hooks=hooks, **options)


@pytest.fixture
def call(stack: Endpoint) -> Caller:
    return Caller(stack)


def check_problem(response: requests.Response, status: int, code: str) -> None:
    """Assert the problem document, which is the same for errors from the gateway and from a function."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"].split(";")[0] == PROBLEM
    problem = response.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["type"] == f"urn:imagegen:error:{code}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == response.headers["x-request-id"]
    assert problem["instance"] == f"urn:imagegen:request:{problem['request_id']}"
    assert ("www-authenticate" in response.headers) == (status == 401)


@pytest.mark.parametrize("path", OPEN_ROUTES)
def test_open_routes_need_no_key(call: Caller, path: str) -> None:
    response = call("GET", path)

    assert response.status_code == 200
    assert response.headers["x-request-id"]


def test_openapi_document_lists_every_route(call: Caller) -> None:
    document = call("GET", "/openapi.json").json()

    assert document["openapi"].startswith("3.1")
    assert {
        "/generate",
        "/health",
        "/models",
        "/jobs",
        "/jobs/{job_id}",
        "/jobs/{job_id}/cancel",
        "/me",
        "/uploads",
        "/verify",
        "/keys",
    } <= set(document["paths"])


def test_models_lists_the_default_model(call: Caller) -> None:
    response = call("GET", "/models", headers=call.key)

    assert response.status_code == 200
    assert response.headers["x-request-id"]
    assert "demo" in response.text


def test_a_generated_image_can_be_downloaded(client: Client) -> None:
    request = small_request()

    result = client.generate(request)

    (image,) = result["images"]
    assert result["status"] == "succeeded"
    assert result["image_url"] == image["url"]
    assert image["seed"] == request["seed"]
    assert image["content_type"] == "image/png"
    assert result["timings"]["total_ms"] > 0
    check_image(requests.get(image["url"], timeout=60).content, image)


def test_the_same_request_is_answered_from_the_cache(
    client: Client, assert_same_image: Callable[[bytes, bytes], None]
) -> None:
    request = small_request()

    first = client.generate(request)
    again = client.generate(request)

    assert not first["cached"]
    assert again["cached"]
    assert again["images"][0]["sha256"] == first["images"][0]["sha256"]
    assert_same_image(client.download(first["images"][0]), client.download(again["images"][0]))


def test_the_same_seed_gives_the_same_image_without_the_cache(
    client: Client, assert_same_image: Callable[[bytes, bytes], None]
) -> None:
    request = small_request()
    expected = client.download(client.generate(request)["images"][0])

    result = client.generate(request | {"cache": "refresh"})

    assert not result["cached"]
    assert_same_image(expected, client.download(result["images"][0]))


def test_a_random_seed_is_returned_if_none_is_sent(client: Client) -> None:
    request = small_request()
    del request["seed"]

    seeds = {client.generate(request)["images"][0]["seed"] for _ in range(2)}

    assert len(seeds) == 2
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_concurrent_requests_all_succeed(client: Client) -> None:
    requests_ = [small_request() for _ in range(3)]

    with ThreadPoolExecutor(len(requests_)) as callers:
        results = list(callers.map(client.generate, requests_))

    assert [result["images"][0]["seed"] for result in results] == [request["seed"] for request in requests_]


def test_images_are_stored_under_the_tenants_prefix(client: Client, stack: Endpoint) -> None:
    tenant = hashlib.sha256(stack.api_key.encode()).hexdigest()[:16]

    assert f"/images/{tenant}/" in client.generate(small_request())["image_url"]


def test_a_presigned_url_does_not_open_another_image(client: Client) -> None:
    mine = client.generate(small_request(num_images_per_prompt=2))["images"]

    response = requests.get(mine[0]["url"].replace(f"-{mine[0]['seed']}.png?", f"-{mine[1]['seed']}.png?"), timeout=60)

    assert mine[0]["url"].count(f"/demo-{mine[0]['seed']}.png?") == 1
    assert response.status_code == 403


def test_a_presigned_url_is_for_get_and_a_range_request_probes_it(client: Client) -> None:
    image = client.generate(small_request())["images"][0]

    assert requests.head(image["url"], timeout=60).status_code == 403
    probe = requests.get(image["url"], headers={"Range": "bytes=0-0"}, timeout=60)

    assert (probe.status_code, len(probe.content)) == (206, 1)
    assert probe.headers["Content-Range"] == f"bytes 0-0/{image['bytes']}"
    assert probe.headers["Content-Type"] == image["content_type"]


@pytest.mark.parametrize("key", [None, "", "wrong", "x" * 40])
@pytest.mark.parametrize(("method", "path"), CLOSED_ROUTES)
def test_missing_and_wrong_keys_get_the_same_401(call: Caller, method: str, path: str, key: str | None) -> None:
    response = call(method, path, json={"prompt": "x"}, headers={} if key is None else {"x-api-key": key})

    check_problem(response, 401, "invalid_token")
    assert response.json()["errors"] == []
    assert response.headers["www-authenticate"] == 'Bearer realm="imagegen", ApiKey realm="imagegen"'


@pytest.mark.parametrize(("method", "path"), CLOSED_ROUTES)
def test_both_headers_carry_the_key_but_not_at_once(call: Caller, method: str, path: str) -> None:
    bearer = {"Authorization": f"Bearer {call.stack.api_key}"}
    statuses = [call(method, path, json=1, headers=headers).status_code for headers in (bearer, call.key)]
    assert statuses[0] == statuses[1] != 401
    check_problem(call(method, path, json=1, headers=bearer | call.key), 401, "invalid_token")


@pytest.mark.parametrize("path", ["/nothing", "/generate/more", "/jobs/1/more", "/v1", "/healthy"])
@pytest.mark.parametrize("with_key", [True, False])
def test_an_unknown_route_is_not_found(call: Caller, path: str, with_key: bool) -> None:
    check_problem(call("GET", path, headers=call.key if with_key else {}), 404, "route_not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/generate", "POST"),
        ("DELETE", "/generate", "POST"),
        ("PUT", "/generate", "POST"),
        ("PATCH", "/generate", "POST"),
        ("POST", "/health", "GET"),
        ("DELETE", "/models", "GET"),
        ("PUT", "/jobs", "GET"),
        ("POST", "/jobs/1", "DELETE"),
        ("GET", "/jobs/1/cancel", "POST"),
        ("POST", "/openapi.json", "GET"),
        ("POST", "/docs", "GET"),
    ],
)
def test_a_wrong_method_is_405_with_an_allow_header(call: Caller, method: str, path: str, allowed: str) -> None:
    response = call(method, path, headers=call.key)

    check_problem(response, 405, "method_not_allowed")
    assert allowed in response.headers["allow"].replace(" ", "").split(",")


@pytest.mark.parametrize("path", ["/health", "/models", "/jobs"])
def test_head_has_the_headers_of_get_and_no_body(call: Caller, path: str) -> None:
    get, head = call("GET", path, headers=call.key), call("HEAD", path, headers=call.key)
    assert (head.status_code, head.content) == (get.status_code, b"") == (200, b"")
    assert head.headers["cache-control"] == get.headers["cache-control"]


@pytest.mark.parametrize(
    "path",
    [
        "/generate",
        "/models",
        "/health",
        "/jobs",
        "/jobs/1",
        "/jobs/1/cancel",
        "/me",
        "/uploads",
        "/keys",
        "/keys/1",
        "/keys/1/rotate",
    ],
)
def test_a_cors_preflight_needs_no_key(call: Caller, path: str) -> None:
    origin = {"origin": "https://example.com", "access-control-request-method": "POST"}
    requested = {"access-control-request-headers": "traceparent,x-stainless-lang"}

    response = call("OPTIONS", path, headers=origin | requested)

    assert response.status_code in (200, 204)
    assert response.headers["access-control-allow-origin"] in ("*", "https://example.com")
    allowed = response.headers["access-control-allow-headers"].lower().split(",")
    assert {"authorization", "x-api-key", "traceparent", "x-stainless-lang"} <= set(allowed)


def test_scripts_may_read_the_same_headers_of_function_and_gateway(call: Caller) -> None:
    origin = {"origin": "https://example.com"}

    function, gateway = (call("GET", path, headers=origin) for path in ("/health", "/models"))

    assert (function.status_code, gateway.status_code) == (200, 401)
    assert function.headers["access-control-expose-headers"] == gateway.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    ("path", "status", "code", "field"),
    [
        ("/models?page=2", 422, "unknown_field", "page"),
        ("/jobs?page=2", 422, "unknown_field", "page"),
        ("/jobs?limit=1&limit=2", 400, "duplicate_key", "limit"),
        ("/jobs?cursor=forged", 400, "invalid_cursor", "cursor"),
    ],
)
def test_a_wrong_query_parameter_is_named(call: Caller, path: str, status: int, code: str, field: str) -> None:
    response = call("GET", path, headers=call.key)

    check_problem(response, status, code)
    assert [error["field"] for error in response.json()["errors"]] == [field]


@pytest.mark.parametrize("path", OPEN_ROUTES)
def test_open_routes_ignore_cache_busters(call: Caller, path: str) -> None:
    assert call("GET", path + "?_=1&_=2").status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed_json"),
        (b'{"prompt": "x"', 400, "malformed_json"),
        (b'{"prompt": "x", "guidance_scale": NaN}', 400, "malformed_json"),
        (b'{"prompt": "\xff\xfe"}', 400, "malformed_json"),
        (b'["prompt"]', 400, "body_not_object"),
        (b'{"prompt": "x", "prompt": "y"}', 400, "duplicate_key"),
    ],
)
def test_a_syntax_error_is_400(call: Caller, body: bytes, status: int, code: str) -> None:
    headers = call.key | {"content-type": "application/json"}

    check_problem(call("POST", "/generate", data=body, headers=headers), status, code)


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"colour": "red"}, "colour", "unknown_field"),
        ({"prompt": " "}, "prompt", "prompt_empty"),
        ({"num_inference_steps": True}, "num_inference_steps", "wrong_type"),
        ({"width": 100}, "width", "size_invalid"),
        ({"warmup": True}, "warmup", "unknown_field"),
    ],
)
def test_a_validation_error_is_422_and_names_the_field(
    call: Caller, change: dict[str, Any], field: str, code: str
) -> None:
    response = call("POST", "/generate", json=small_request() | change, headers=call.key)

    check_problem(response, 422, code)
    assert field in [error["field"] for error in response.json()["errors"]]


def test_an_unknown_field_is_named(client: Client) -> None:
    with pytest.raises(ApiError) as caught:
        client.generate(small_request() | {"colour": "red"})

    assert caught.value.status == 422
    assert [error["field"] for error in caught.value.problem["errors"]] == ["colour"]


def test_another_content_type_is_415(call: Caller) -> None:
    headers = call.key | {"content-type": "text/plain"}

    check_problem(call("POST", "/generate", data=b"{}", headers=headers), 415, "unsupported_media_type")
