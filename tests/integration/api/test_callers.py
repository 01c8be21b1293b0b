"""No route with a key serves a request whose caller it cannot name, whatever the gateway lets through."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

from imagegen.api.routes.documentation import openapi_document
from imagegen.entrypoints import api
from tests.support.expectations import outcome
from tests.support.job_handlers import PROMPT, UNKNOWN_JOB, JobHandlers, body, header

CLOSED = [
    (method.upper(), path.replace("{job_id}", UNKNOWN_JOB))
    for path, operations in json.loads(openapi_document(api.app, api.container))["paths"].items()
    for method, operation in operations.items()
    if "401" in operation["responses"]
]


def context(path: str, **identity: Any) -> dict[str, Any]:
    return {"requestContext": {"requestId": "r", "path": f"/v1{path}", **identity}}


def test_the_routes_with_a_key() -> None:
    assert len(CLOSED) == 7


@pytest.mark.parametrize("identity", [{}, {"identity": None}, {"identity": {}}, {"identity": {"apiKey": None}},
                                      {"identity": {"apiKey": ""}}])  # fmt: skip
@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_a_request_without_a_key_is_refused(
    handlers: JobHandlers, method: str, path: str, identity: dict[str, Any]
) -> None:
    answer = handlers.call(method, path, PROMPT if method == "POST" else b"", **context(path, **identity))
    assert outcome(answer) == (401, "invalid_api_key")
    assert header(answer, "WWW-Authenticate") == 'ApiKey realm="imagegen"'
    assert handlers.world.engine.generations == 0
    assert boto3.client("dynamodb").scan(TableName=handlers.world.container.settings.table_name)["Count"] == 0


def test_sam_local_passes_no_key_so_its_requests_are_direct_invocations(handlers: JobHandlers) -> None:
    container = handlers.world.container
    container.settings = container.settings.model_copy(update={"aws_sam_local": True})
    answer = handlers.call("POST", "/generate", PROMPT, **context("/generate", identity={"apiKey": None}))
    assert answer["statusCode"] == 200
    assert "/images/local/" in body(answer)["image_url"]
