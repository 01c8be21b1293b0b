"""The OpenAPI document: what the code adds to what the framework generates, and the copy in docs/."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from jsonschema import ValidationError
from openapi_spec_validator import validate

from imagegen.api.openapi.problems import ERRORS
from imagegen.api.routes.documentation import openapi_document
from imagegen.entrypoints import api
from imagegen.wiring import Container
from tests.support.expectations import load
from tests.support.openapi_contract import Contract
from tests.template.test_api import KEYED, OPEN
from tools import openapi
from tools.lambda_event import Context

Json = dict[str, Any]
ONE, CANCEL = "/jobs/{job_id}", "/jobs/{job_id}/cancel"
OPERATIONS = {
    ("get", "/health"): "getHealth",
    ("get", "/models"): "listModels",
    ("post", "/generate"): "createImage",
    ("post", "/jobs"): "submitJob",
    ("get", "/jobs"): "listJobs",
    ("get", ONE): "getJob",
    ("delete", ONE): "deleteJob",
    ("post", CANCEL): "cancelJob",
    ("get", "/me"): "getMe",
    ("get", "/usage"): "getUsage",
    ("get", "/report"): "getReport",
    ("post", "/uploads"): "createUpload",
    ("post", "/verify"): "verifyImage",
    ("post", "/keys"): "createKey",
    ("get", "/keys"): "listKeys",
    ("delete", "/keys/{key_id}"): "revokeKey",
    ("post", "/keys/{key_id}/rotate"): "rotateKey",
}
SOME_HAVE_MORE = ("Problem", "JobError")
"""Only those of moderation have `stage` and `category`."""
PARAMETERS = {
    "getHealth": set(),
    "listModels": set(),
    "createImage": {"idempotency-key", "prefer"},
    "submitJob": {"idempotency-key", "prefer"},
    "listJobs": {"limit", "cursor", "status"},
    "getJob": {"job_id", "if-none-match"},
    "deleteJob": {"job_id", "idempotency-key"},
    "cancelJob": {"job_id", "idempotency-key"},
    "getMe": set(),
    "getUsage": {"from", "to"},
    "getReport": {"month", "limit", "cursor"},
    "createUpload": set(),
    "verifyImage": set(),
    "createKey": set(),
    "listKeys": {"tenant"},
    "revokeKey": {"key_id", "tenant"},
    "rotateKey": {"key_id"},
}
ERROR_STATUSES = {
    "getHealth": {429, 500, 503, 504},
    "listModels": {400, 401, 403, 422, 429, 500, 503, 504},
    "createImage": {400, 401, 403, 404, 406, 409, 410, 413, 415, 422, 429, 500, 503, 504},
    "submitJob": {400, 401, 403, 404, 406, 410, 413, 415, 422, 429, 500, 503, 504},
    "listJobs": {400, 401, 403, 422, 429, 500, 503, 504},
    "getJob": {400, 401, 403, 404, 410, 422, 429, 500, 503, 504},
    "deleteJob": {400, 401, 403, 404, 409, 422, 429, 500, 503, 504},
    "cancelJob": {400, 401, 403, 404, 409, 410, 422, 429, 500, 503, 504},
    "getMe": {400, 401, 403, 422, 429, 500, 503, 504},
    "getReport": {400, 401, 403, 422, 429, 500, 503, 504},
    "getUsage": {400, 401, 403, 422, 429, 500, 503, 504},
    "verifyImage": {400, 401, 403, 413, 415, 422, 429, 500, 503, 504},
    "createUpload": {400, 401, 403, 413, 415, 422, 429, 500, 503, 504},
    "createKey": {400, 401, 403, 413, 415, 422, 429, 500, 503, 504},
    "listKeys": {400, 401, 403, 404, 422, 429, 500, 503, 504},
    "revokeKey": {400, 401, 403, 404, 422, 429, 500, 503, 504},
    "rotateKey": {400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503, 504},
}
"""Without 405: an operation's own method is allowed."""


@pytest.fixture(scope="module")
def document() -> Json:
    parsed: Json = json.loads(openapi_document(api.app, api.container))
    return parsed


@pytest.fixture(scope="module")
def operations(document: Json) -> dict[str, Json]:
    return {each["operationId"]: each for path in document["paths"].values() for each in path.values()}


def parameters(operation: Json) -> dict[str, Json]:
    return {each["name"]: each for each in operation.get("parameters", [])}


def header_names(operation: Json, status: int) -> set[str]:
    return set(operation["responses"][str(status)]["headers"])


def test_the_document_is_valid_openapi_3_1(document: Json) -> None:
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_the_copy_in_the_documentation_is_up_to_date(document: Json) -> None:
    reminder = "The OpenAPI document has changed: run `make openapi`, review the difference and commit it."
    text = openapi.FILE.read_text()
    assert json.loads(text) == document, reminder
    assert text == openapi.document(), reminder


def test_the_route_returns_the_document_with_its_own_server(document: Json) -> None:
    event = load("api-openapi.json")
    served = json.loads(api.handler(event, Context())["body"])
    stage = event["requestContext"]["path"].removesuffix("/openapi.json")
    assert [each["url"] for each in served["servers"]] == [stage or "/"]
    assert served | {"servers": None} == document | {"servers": None}


def test_the_document_is_built_once_per_process() -> None:
    assert openapi_document(api.app, api.container) is openapi_document(api.app, api.container)


def test_operation_ids_are_names_that_do_not_depend_on_the_code(document: Json) -> None:
    found = {
        (method, path): operation["operationId"]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert found == OPERATIONS


def test_exactly_the_routes_with_a_key_at_the_gateway_need_one(document: Json) -> None:
    for path, operations in document["paths"].items():
        assert path in KEYED | OPEN
        for operation in operations.values():
            assert operation["security"] == ([{"ApiKey": []}, {"Bearer": []}] if path in KEYED else [])


def test_both_schemes_are_described(document: Json) -> None:
    schemes = document["components"]["securitySchemes"]
    assert (schemes["ApiKey"]["name"], schemes["Bearer"]["scheme"]) == ("x-api-key", "bearer")
    assert all(each["description"] for each in schemes.values())


def test_every_operation_with_a_caller_names_its_scope(operations: dict[str, Json]) -> None:
    for operation in operations.values():
        assert ("Needs the scope `" in operation["description"]) == bool(operation["security"])


def test_every_parameter_is_documented(operations: dict[str, Json]) -> None:
    assert {name: set(parameters(operation)) for name, operation in operations.items()} == PARAMETERS
    assert all(each["description"] for operation in operations.values() for each in parameters(operation).values())


def test_parameters_are_optional_and_have_their_bounds(operations: dict[str, Json]) -> None:
    found = parameters(operations["listJobs"]) | parameters(operations["submitJob"])
    assert not any(each["required"] for each in found.values())
    assert found["limit"]["schema"] | {"minimum": 1, "maximum": 100, "type": "integer"} == found["limit"]["schema"]
    assert found["status"]["schema"]["enum"] == ["queued", "running", "succeeded", "failed", "cancelled"]
    assert found["idempotency-key"]["schema"]["maxLength"] == 255


def test_a_key_has_no_effect_where_the_contract_says_so(operations: dict[str, Json]) -> None:
    described = {
        name: parameters(operation)["idempotency-key"]["description"]
        for name, operation in operations.items()
        if "idempotency-key" in parameters(operation)
    }
    without = {name for name, description in described.items() if "no effect" in description}
    assert without == {"deleteJob", "cancelJob"}
    assert all("24 hours" in described[name] for name in described if name not in without)


def test_deletion_returns_no_body(operations: dict[str, Json]) -> None:
    for name in ("deleteJob", "revokeKey"):
        answers = operations[name]["responses"]
        assert "content" not in answers["204"]
        assert "200" not in answers


def test_each_error_is_documented_where_it_can_occur(operations: dict[str, Json]) -> None:
    found = {
        name: {int(status) for status in operation["responses"] if int(status) >= 400}
        for name, operation in operations.items()
    }
    assert found == ERROR_STATUSES


def test_every_error_is_a_problem_document(operations: dict[str, Json], document: Json) -> None:
    for operation in operations.values():
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                ((media_type, content),) = response["content"].items()
                assert media_type == "application/problem+json"
                assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert not {"HTTPValidationError", "ValidationError"} & set(document["components"]["schemas"])


def test_codes_are_enumerated(document: Json) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["ErrorCode"]["enum"] == sorted(ERRORS)
    for name in ("Problem", "FieldProblem", "JobError"):
        assert schemas[name]["properties"]["code"] == {"$ref": "#/components/schemas/ErrorCode"}


def test_response_headers_are_documented(operations: dict[str, Json]) -> None:
    every = [(operation, status) for operation in operations.values() for status in operation["responses"]]
    assert all("x-request-id" in header_names(operation, status) for operation, status in every)
    for name in ("createImage", "submitJob"):
        accepted = header_names(operations[name], 202)
        assert accepted >= {"Location", "Retry-After", "Idempotency-Replayed", "Preference-Applied"}
        assert all("Retry-After" in header_names(operations[name], status) for status in (429, 503))
    assert "Retry-After" in header_names(operations["createImage"], 409)


def test_a_request_needs_a_prompt_only(document: Json) -> None:
    """Generators of TypeScript make fields with a default required."""
    for name in ("GenerateRequest", "Webhook", "KeyRequest", "RotationRequest"):
        schema = document["components"]["schemas"][name]
        assert [field for field, each in schema["properties"].items() if "default" in each] == []
    assert document["components"]["schemas"]["GenerateRequest"]["required"] == ["prompt"]


MEMBERS = {"stage", "category"}


def test_every_member_of_a_response_is_required(document: Json) -> None:
    """But for what only `moderation_blocked` has, and the field of an error that is about one."""
    schemas, optional = document["components"]["schemas"], {"Problem": MEMBERS, "JobError": MEMBERS | {"field"}}
    for name in set(schemas) - {"GenerateRequest", "Webhook", "KeyRequest", "RotationRequest", "ErrorCode"}:
        required = set(schemas[name]["properties"]) - optional.get(name, set())
        assert set(schemas[name]["required"]) == required, name


def test_seeds_need_64_bits(document: Json) -> None:
    schemas = document["components"]["schemas"]
    for name in ("GenerateRequest", "ImageResult"):
        seed = schemas[name]["properties"]["seed"]
        assert (seed["format"], seed["maximum"]) == ("int64", 2**32 - 1)


def test_the_prompt_has_its_length(document: Json) -> None:
    fields = document["components"]["schemas"]["GenerateRequest"]["properties"]
    assert (fields["prompt"]["minLength"], fields["prompt"]["maxLength"]) == (1, 2000)
    assert fields["negative_prompt"]["maxLength"] == 2000


@pytest.mark.parametrize(
    ("models", "steps", "size"),
    [(("demo",), 100, (120, 144)), (("sd-turbo",), 8, (256, 768)), (("sd-turbo", "demo"), 100, (120, 768))],
)
def test_limits_are_those_of_the_deployments_models(models: tuple[str, ...], steps: int, size: tuple[int, int]) -> None:
    settings = api.container.settings.model_copy(update={"model_ids": models})
    document = json.loads(openapi_document(api.app, Container(settings)))
    fields = document["components"]["schemas"]["GenerateRequest"]["properties"]
    assert (fields["num_inference_steps"]["minimum"], fields["num_inference_steps"]["maximum"]) == (1, steps)
    for side in ("width", "height"):
        assert (fields[side]["minimum"], fields[side]["maximum"]) == size
    assert all(f"`{model}`" in fields["model"]["description"] for model in models)


def test_every_webhook_is_described_with_its_headers(document: Json) -> None:
    assert set(document["webhooks"]) == {"job.succeeded", "job.failed", "job.cancelled"}
    for event in document["webhooks"].values():
        names = {each["name"] for each in event["post"]["parameters"]}
        assert names == {"webhook-id", "webhook-timestamp", "webhook-signature"}
        assert "410" in event["post"]["responses"]


def test_every_tag_is_described_and_used(document: Json, operations: dict[str, Json]) -> None:
    events = [each["post"] for each in document["webhooks"].values()]
    used = {tag for each in [*operations.values(), *events] for tag in each["tags"]}
    assert used == {tag["name"] for tag in document["tags"]}
    assert all(tag["description"] for tag in document["tags"])


def test_every_example_fits_its_schema(document: Json) -> None:
    assert Contract(document).validate_examples() > 100


def test_no_optional_parameter_has_an_example(operations: dict[str, Json]) -> None:
    """Swagger UI would send it: an old Idempotency-Key replays, an invented job id is 404."""
    for operation in operations.values():
        for parameter in operation.get("parameters", []):
            assert not {"example", "examples", "default"} & {*parameter, *parameter["schema"]}


def test_descriptions_are_sentences(document: Json) -> None:
    texts = re.findall(r'"description": "((?:[^"\\]|\\.)+)"', json.dumps(document))
    assert [text for text in texts if not re.search(r"[.:]$", text)] == []


# -- the judge itself --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (200, {"x-request-id": "1"}, {"status": "ok", "extra": 1}),
        (200, {"x-request-id": "1"}, {}),
        (200, {}, {"status": "ok"}),
        (200, {"x-request-id": "1", "Location": "/"}, {"status": "ok"}),
        (201, {"x-request-id": "1"}, {"status": "ok"}),
        (200, {"x-request-id": "1", "content-type": "text/plain"}, {"status": "ok"}),
    ],
)
def test_a_response_that_is_not_documented_is_noticed(
    document: Json, status: int, headers: dict[str, str], body: Json
) -> None:
    contract = Contract(document)
    good = {"content-type": "application/json", "x-request-id": "1"}
    contract.check("GET", "/health", 200, good, '{"status": "ok"}')
    with pytest.raises((AssertionError, ValidationError)):
        contract.check("GET", "/health", status, {"content-type": "application/json"} | headers, json.dumps(body))


def test_an_error_code_that_is_not_documented_is_noticed(document: Json) -> None:
    problem = document["components"]["examples"]["job_not_found"]["value"]
    headers = {"content-type": "application/problem+json", "x-request-id": "1"}
    Contract(document).check("GET", ONE, 404, headers, json.dumps(problem))
    other = json.dumps(problem | {"code": "model_not_found"})
    with pytest.raises(AssertionError, match="model_not_found is not documented"):
        Contract(document).check("GET", ONE, 404, headers, other)
