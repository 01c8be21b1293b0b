"""The parts of the OpenAPI document that the code adds to what the framework generates."""

from __future__ import annotations

import json
from typing import Any

import pytest

from imagegen.entrypoints import api
from tests.support.expectations import load
from tools.lambda_event import Context

Json = dict[str, Any]
ONE, CANCEL = "/jobs/{job_id}", "/jobs/{job_id}/cancel"
PARAMETERS = {
    ("get", "/health"): set(),
    ("get", "/models"): set(),
    ("post", "/generate"): {"idempotency-key", "prefer"},
    ("post", "/jobs"): {"idempotency-key", "prefer"},
    ("get", "/jobs"): {"limit", "cursor", "status"},
    ("get", ONE): {"job_id"},
    ("delete", ONE): {"job_id", "idempotency-key"},
    ("post", CANCEL): {"job_id", "idempotency-key"},
}


@pytest.fixture(scope="module")
def operations() -> dict[tuple[str, str], Json]:
    document = json.loads(api.handler(load("api-openapi.json"), Context())["body"])
    return {
        (method, path): operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


def parameters(operation: Json) -> dict[str, Json]:
    return {each["name"]: each for each in operation.get("parameters", [])}


def test_every_parameter_is_documented(operations: dict[tuple[str, str], Json]) -> None:
    assert {route: set(parameters(operation)) for route, operation in operations.items()} == PARAMETERS


def test_parameters_are_optional_and_have_their_bounds(operations: dict[tuple[str, str], Json]) -> None:
    found = parameters(operations["get", "/jobs"]) | parameters(operations["post", "/jobs"])
    assert not any(each["required"] for each in found.values())
    assert found["limit"]["schema"] | {"minimum": 1, "maximum": 100, "type": "integer"} == found["limit"]["schema"]
    assert found["status"]["schema"]["enum"] == ["queued", "running", "succeeded", "failed", "cancelled"]
    assert found["idempotency-key"]["schema"]["maxLength"] == 255


def test_deletion_returns_no_body(operations: dict[tuple[str, str], Json]) -> None:
    answers = operations["delete", ONE]["responses"]
    assert answers["204"]["content"] == {}
    assert "200" not in answers


@pytest.mark.parametrize(
    ("status", "routes"),
    [
        ("400", {("get", "/jobs"), ("post", "/jobs"), ("post", "/generate"), ("post", CANCEL), ("delete", ONE)}),
        ("404", {("get", ONE), ("delete", ONE), ("post", CANCEL), ("post", "/jobs"), ("post", "/generate")}),
        ("409", {("delete", ONE), ("post", CANCEL), ("post", "/generate")}),
    ],
)
def test_each_error_is_documented_where_it_can_occur(
    operations: dict[tuple[str, str], Json], status: str, routes: set[tuple[str, str]]
) -> None:
    assert {route for route, operation in operations.items() if status in operation["responses"]} == routes
