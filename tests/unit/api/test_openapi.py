"""The OpenAPI document: what the code adds to what the framework generates, and the copy in docs/."""

from __future__ import annotations

import json
from typing import Any

import pytest

from imagegen.api.routes.documentation import openapi_document
from imagegen.entrypoints import api
from tests.support.expectations import load
from tools import openapi
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
def document() -> Json:
    parsed: Json = json.loads(openapi_document(api.app))
    return parsed


@pytest.fixture(scope="module")
def operations(document: Json) -> dict[tuple[str, str], Json]:
    return {
        (method, path): operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


def parameters(operation: Json) -> dict[str, Json]:
    return {each["name"]: each for each in operation.get("parameters", [])}


def test_the_copy_in_the_documentation_is_up_to_date(document: Json) -> None:
    reminder = "The OpenAPI document has changed: run `make openapi`, review the difference and commit it."
    text = openapi.FILE.read_text()
    assert json.loads(text) == document, reminder
    assert text == openapi.document(), reminder


def test_the_route_returns_the_document_with_its_own_server(document: Json) -> None:
    event = load("api-openapi.json")
    served = json.loads(api.handler(event, Context())["body"])
    stage = event["requestContext"]["path"].removesuffix("/openapi.json")
    assert served == document | {"servers": [{"url": stage or "/"}]}


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
        ("400", set(PARAMETERS) - {("get", "/health")}),
        ("404", {("get", ONE), ("delete", ONE), ("post", CANCEL), ("post", "/jobs"), ("post", "/generate")}),
        ("409", {("delete", ONE), ("post", CANCEL), ("post", "/generate")}),
    ],
)
def test_each_error_is_documented_where_it_can_occur(
    operations: dict[tuple[str, str], Json], status: str, routes: set[tuple[str, str]]
) -> None:
    assert {route for route, operation in operations.items() if status in operation["responses"]} == routes
